"""Computes cells one after the other in this process."""

from __future__ import annotations

from dataclasses import dataclass, field

from dfdbench.executors import Handle, execute
from dfdbench.plan import Cell
from dfdbench.runtime import Runtime


@dataclass
class Local:
    """The default executor."""

    runtime: Runtime
    slots: int = 1
    submitted: list[Handle] = field(default_factory=list)

    def submit(self, cell: Cell) -> Submitted:
        """The cell is computed when its result is asked for."""
        handle = Submitted(cell, self.runtime)
        self.submitted.append(handle)
        return handle

    def wait(self) -> list[Handle]:
        """All of them: asking for a result is what computes it."""
        ended, self.submitted = self.submitted, []
        return ended

    def __enter__(self) -> Local:
        return self

    def __exit__(self, *error: object) -> None:
        pass


@dataclass(frozen=True)
class Submitted:
    """A cell to be computed here."""

    cell: Cell
    runtime: Runtime

    def result(self) -> None:
        """Compute the cell."""
        execute(self.cell, self.runtime)
