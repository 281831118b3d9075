"""What the loggers share: a record as named numbers, and the error of a missing library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dfdbench.errors import MissingError


def scalars(record: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers of a record by their path, without the epoch itself.

    >>> scalars({"epoch": 2, "lr": 0.1, "loss": {"cross_entropy": 0.7}, "video": {"map": None}})
    {'lr': 0.1, 'loss/cross_entropy': 0.7}
    """
    found: dict[str, float] = {}
    for name, value in record.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            found |= scalars(value, f"{path}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and path != "epoch":
            found[path] = float(value)
    return found


def not_installed(library: str, error: ImportError) -> MissingError:
    """The error of a logger whose library cannot be imported."""
    return MissingError(
        f"the logger {library} needs a library that is not installed ({error}); install "
        f"dfdbench[{library}], or take {library} out of `loggers:`"
    )
