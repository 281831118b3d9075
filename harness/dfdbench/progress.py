"""Progress of long work: a bar in a terminal, plain lines elsewhere, nothing in tests."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One piece of long work."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Say that ``steps`` more are done; ``note`` is shown beside them."""
        ...


class Progress(Protocol):
    """Something that shows tasks and messages."""

    def task(self, title: str, total: int) -> AbstractContextManager[Task]:
        """A context manager that gives a :class:`Task` of ``total`` steps."""
        ...

    def say(self, message: str) -> None:
        """Print one line."""
        ...


class Silent:
    """Shows nothing."""

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Task]:
        """A task that nobody sees."""
        yield self

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Nothing."""

    def say(self, message: str) -> None:
        """Nothing."""


class Lines:
    """Plain lines on standard error, at most one every ten seconds for a task."""

    interval = 10.0

    def say(self, message: str) -> None:
        """Print one line."""
        print(message, file=sys.stderr, flush=True)

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Task]:
        """A task whose steps are counted; a short one says nothing."""
        yield _Counter(self, title, total)


class _Counter:
    def __init__(self, lines: Lines, title: str, total: int) -> None:
        self.lines, self.title, self.total = lines, title, total
        self.done, self.start = 0, time.monotonic()
        self.shown = self.start

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.done += steps
        now = time.monotonic()
        if now - self.shown > self.lines.interval:
            self.shown = now
            left = (now - self.start) / self.done * (self.total - self.done)
            parts = [f"{self.done}/{self.total}", note, f"{_spoken(left)} left"]
            self.lines.say(f"{self.title}: {', '.join(part for part in parts if part)}")


def _spoken(seconds: float) -> str:
    """A duration to two figures.

    >>> _spoken(42), _spoken(200), _spoken(9000)
    ('42 s', '3 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


class Bars:
    """Bars by rich, on standard error."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(stderr=True, highlight=False)

    def say(self, message: str) -> None:
        """Print one line above the bar."""
        self.console.print(message, markup=False)

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Task]:
        """A bar that vanishes when the task ends."""
        from rich import progress

        columns = (
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=16),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[note]}"),
        )
        with progress.Progress(*columns, console=self.console, transient=True) as bar:
            yield _Bar(bar, bar.add_task(title, total=total, note=""))


class _Bar:
    def __init__(self, bar: object, task: object) -> None:
        self.bar, self.id = bar, task

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.bar.update(self.id, advance=steps, note=note)  # type: ignore[attr-defined]


def for_terminal() -> Progress:
    """Bars where standard error is a terminal, plain lines elsewhere."""
    return Bars() if sys.stderr.isatty() else Lines()
