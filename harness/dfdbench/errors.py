"""What can go wrong, by the exit code that it ends with.

Every message says what is wrong, where, and the way out.
"""

from __future__ import annotations

from typing import ClassVar


def first_line(error: BaseException) -> str:
    """The first line of what an error says, its kind where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


class DfdbenchError(Exception):
    """An error that is meant for the user: printed as a message, without a traceback."""

    exit_code: ClassVar[int] = 4


class SpecError(DfdbenchError):
    """The spec or the command is wrong; one line for each of ``problems``."""

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class PluginError(SpecError):
    """A plugin breaks the contract of a hook, claims a taken name, or cannot be imported."""


class MissingError(DfdbenchError):
    """Data or weights that a component needs are not where it looked for them."""

    exit_code = 3


class DataError(DfdbenchError):
    """Data are there and wrong: unreadable, contradictory, or shared by train and test."""

    exit_code = 3


class UnreadableError(DataError):
    """A video cannot be read at all; its message is the reason, without the video's name."""


class TrainingError(DfdbenchError):
    """Training cannot go on, such as after a loss that is not finite."""


class StoreError(DfdbenchError):
    """The store cannot be read or written."""
