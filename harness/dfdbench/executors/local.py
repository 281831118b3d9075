"""Computes cells one after the other in this process."""

from __future__ import annotations

from dataclasses import dataclass

from dfdbench.executors import execute
from dfdbench.plan import Cell
from dfdbench.runtime import Runtime


@dataclass
class Local:
    """The default executor."""

    runtime: Runtime

    def submit(self, cell: Cell) -> Submitted:
        """The cell is computed when its result is asked for."""
        return Submitted(cell, self.runtime)


@dataclass
class Submitted:
    """A cell to be computed here."""

    cell: Cell
    runtime: Runtime

    def result(self) -> None:
        """Compute the cell."""
        execute(self.cell, self.runtime)
