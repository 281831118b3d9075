"""A plugin whose regularizer has the name of a built-in one."""

from __future__ import annotations

from dfdbench import hookimpl
from dfdbench.api import Regularizer


class MySlerp(Regularizer):
    """Not the built-in one."""

    name = "slerp"


@hookimpl
def dfdbench_regularizers() -> list[type[Regularizer]]:
    """This regularizer."""
    return [MySlerp]
