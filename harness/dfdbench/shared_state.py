"""What all code of a process shares, and cells and plugins must not change for each other.

These are the global random generators, some settings of NumPy and torch, the environment's
variables, the working folder and standard output.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from typing import Any

Part = tuple[Callable[[], Any], Callable[[Any], object]]
"""How a part of the state is read, and how it is set."""

OUT, ERROR = 1, 2
"""File descriptors of standard output and standard error."""


def _folder() -> str | None:
    with suppress(FileNotFoundError):  # somebody may have removed it
        return os.getcwd()
    return None


def _set_folder(value: str | None) -> None:
    if value is not None:
        os.chdir(value)


def _set_errors(value: Any) -> None:
    import numpy as np

    np.seterr(**value)


def _set_environ(values: dict[str, str]) -> None:
    for name in os.environ.keys() - values.keys():
        del os.environ[name]
    os.environ.update(values)


def _parts() -> dict[str, Part]:
    """The parts by their names in messages; those of a library only where it is imported."""
    parts: dict[str, Part] = {
        "Python's global generator": (random.getstate, random.setstate),
        "os.environ": (lambda: dict(os.environ), _set_environ),
        "the working folder": (_folder, _set_folder),
    }
    if "numpy" in sys.modules:
        import numpy as np

        parts |= {
            "NumPy's global generator": (np.random.get_state, np.random.set_state),
            "NumPy's error handling": (np.geterr, _set_errors),
        }
    if "torch" in sys.modules:
        import torch

        parts |= {
            "torch's global generator": (torch.get_rng_state, torch.set_rng_state),
            "torch's default type": (torch.get_default_dtype, torch.set_default_dtype),
            "torch's number of threads": (torch.get_num_threads, torch.set_num_threads),
            "torch's gradient mode": (torch.is_grad_enabled, torch.set_grad_enabled),
            "torch's deterministic algorithms": (
                torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms,
            ),
            "torch's precision of products": (
                torch.get_float32_matmul_precision, torch.set_float32_matmul_precision,
            ),
        }  # fmt: skip
    return parts


@dataclass(frozen=True)
class SharedState:
    """The state at one moment.

    Attributes:
        values: part -> its value.
    """

    values: dict[str, Any]

    @classmethod
    def now(cls) -> SharedState:
        """As it is."""
        return cls({name: read() for name, (read, _) in _parts().items()})

    def changes(self) -> list[str]:
        """The parts that have changed since, without those that were not there yet."""
        return [
            name
            for name, (read, _) in _parts().items()
            if name in self.values and _plain(self.values[name]) != _plain(read())
        ]

    def restore(self) -> None:
        """Set what has changed since to what it was."""
        parts = _parts()
        for name in self.changes():
            parts[name][1](self.values[name])


def _plain(value: Any) -> Any:
    """The same with arrays and tensors as bytes, so that it can be compared."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if hasattr(value, "__array__"):
        import numpy as np

        return np.asarray(value).tobytes()
    return value


def seed_everything(seed: int) -> None:
    """Seed the global generators, for code that draws from them."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed % 2**32)
    if "torch" in sys.modules:
        import torch

        torch.manual_seed(seed)


@contextmanager
def apart(seed: int, with_torch: bool = True) -> Iterator[None]:
    """Run code of plugins so that what ran before does not show in it, nor it in what comes after.

    The global generators start from ``seed``; in the end all of the state is as it was. What is
    printed to standard output comes out on standard error. Code that would end the process by
    ``sys.exit`` raises RuntimeError instead.

    Args:
        seed: of the global generators.
        with_torch: import torch first, so that its state is known before anybody changes it; else
            it is kept only where it is imported already.
    """
    import numpy  # noqa: F401

    if with_torch:
        import torch  # noqa: F401
    before = SharedState.now()
    seed_everything(seed)
    try:
        with quiet():
            yield
    except SystemExit as error:
        raise RuntimeError(f"a plugin called sys.exit({error.code!r})") from error
    finally:
        before.restore()


@contextmanager
def quiet() -> Iterator[None]:
    """Send to standard error what is printed to standard output, also by C code and children."""
    sys.stdout.flush()
    kept = None
    with suppress(OSError):  # a process may have been started without them
        kept = os.dup(OUT)
        os.dup2(ERROR, OUT)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if kept is not None:
            os.dup2(kept, OUT)
            os.close(kept)
