"""Ways to compute cells: what they share is :func:`execute`, where they differ is ``submit``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from dfdbench.plan import Cell
from dfdbench.runtime import Runtime, environment
from dfdbench.stages import evaluate, faces, score, train

STAGES: dict[str, Callable[[Any, Runtime, Path], None]] = {
    "faces": faces.run,
    "train": train.run,
    "score": score.run,
    "evaluate": evaluate.run,
}


class Handle(Protocol):
    """A cell that was submitted."""

    def result(self) -> None:
        """Wait until the cell is in the store; raises what its computation raised."""
        ...


class Executor(Protocol):
    """Something that computes cells."""

    def submit(self, cell: Cell) -> Handle:
        """Start a cell whose inputs are all in the store."""
        ...


def execute(cell: Cell, runtime: Runtime) -> None:
    """Compute a cell and publish it, unless somebody has done so."""
    about = {"stage": cell.stage, "title": cell.title, "ids": cell.ids, **environment()}
    resumable = cell.stage in ("faces", "train")
    with runtime.store.compute(cell.key, about, resumable) as folder:
        if folder is not None:
            STAGES[cell.stage](cell, runtime, folder)
