"""Ways to compute cells: what they share is :func:`execute`, where they differ is ``submit``.

A run keeps as many cells under way as an executor has ``slots`` (:mod:`dfdbench.run`). What goes to
another process is a :class:`Cell`, JSON through and through, and a :class:`Site`; what comes back
is nothing, or the :data:`Report` of an error: results go through the store.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from dfdbench import errors
from dfdbench.errors import DfdbenchError
from dfdbench.plan import Cell
from dfdbench.runtime import Runtime, environment
from dfdbench.shared_state import apart
from dfdbench.stages import evaluate, faces, score, train

if TYPE_CHECKING:
    from dfdbench.config import ExecutorOptions

STAGES: dict[str, Callable[[Any, Runtime, Path], None]] = {
    "faces": faces.run,
    "train": train.run,
    "score": score.run,
    "evaluate": evaluate.run,
}

Report = dict[str, str]
"""An error as it comes from another process: ``kind``, ``reason`` and ``trace``."""


class CellError(Exception):
    """An error that nobody foresaw, from another process.

    Attributes:
        reason: one sentence.
        trace: the traceback there.
    """

    def __init__(self, reason: str, trace: str = "") -> None:
        super().__init__(f"{reason}\n{trace}" if trace else reason)
        self.reason, self.trace = reason, trace


class Handle(Protocol):
    """A cell that was submitted."""

    @property
    def cell(self) -> Cell:
        """The cell."""
        ...

    def result(self) -> None:
        """Wait until the cell is in the store; raises what its computation raised."""
        ...


class Executor(Protocol):
    """Something that computes cells; leaving its block ends whatever still runs."""

    @property
    def slots(self) -> int:
        """How many cells it takes at once."""
        ...

    def submit(self, cell: Cell) -> Handle:
        """Start a cell whose inputs are all in the store."""
        ...

    def wait(self) -> list[Handle]:
        """The cells that have ended since it was asked last, at least one of those submitted."""
        ...

    def __enter__(self) -> Executor: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def execute(cell: Cell, runtime: Runtime) -> None:
    """Compute a cell and publish it, unless somebody has done so."""
    about = {
        "stage": cell.stage,
        "title": cell.title,
        "ids": cell.ids,
        "inputs": cell.inputs,
        "config": cell.config,
        **environment(),
    }
    resumable = cell.stage in ("faces", "train")
    with runtime.store.compute(cell.key, about, resumable) as folder:
        if folder is not None:
            with apart(cell.config.get("seed", 0), with_torch=cell.stage in ("train", "score")):
                STAGES[cell.stage](cell, runtime, folder)


def attempt(cell: Cell, runtime: Callable[[], Runtime]) -> Report | None:
    """Compute a cell in a process that somebody else waits for; what goes wrong is told."""
    try:
        execute(cell, runtime())
    except Exception as error:  # a plugin may fail in any way
        return told(error)
    return None


def told(error: Exception) -> Report:
    """An error as text, since a plugin's exception need not survive being pickled."""
    if isinstance(error, DfdbenchError):
        known = (cls.__name__ for cls in type(error).__mro__ if cls.__module__ == errors.__name__)
        return {"kind": next(known), "reason": str(error), "trace": ""}
    trace = "".join(traceback.format_exception(error))
    return {"kind": "", "reason": f"{type(error).__name__}: {error}", "trace": trace}


def raise_told(report: Report | None) -> None:
    """Raise what :func:`told` told, as the same class of error; nothing where there is none."""
    if report is None:
        return
    if report["kind"]:
        cls: type[DfdbenchError] = getattr(errors, report["kind"])
        raise cls(report["reason"])
    raise CellError(report["reason"], report["trace"])


def chosen(options: ExecutorOptions, runtime: Runtime) -> Executor:
    """The executor that the options name.

    Raises:
        MissingError: it needs a library that is not installed.
    """
    if options.use == "ray":
        from dfdbench.executors.on_ray import OnRay

        return OnRay(runtime, options.ray)
    if options.use == "slurm":
        from dfdbench.executors.on_slurm import OnSlurm

        return OnSlurm(runtime, options.slurm)
    local = options.local
    if local.jobs > 1 or local.cell_limit is not None:  # only another process can be stopped
        from dfdbench.executors.processes import Processes

        return Processes(runtime, local.jobs, local.threads, local.cell_limit)
    from dfdbench.executors.local import Local

    return Local(runtime)
