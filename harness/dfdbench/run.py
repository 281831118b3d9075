"""Runs a plan: every cell that is not in the store, stage by stage."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field

from dfdbench.errors import DataError, DfdbenchError, MissingError, StoreError
from dfdbench.executors import Executor
from dfdbench.plan import Cell, Plan
from dfdbench.runtime import Runtime
from dfdbench.stages import faces

ORDER = ("faces", "train", "score", "evaluate")


@dataclass
class Failure:
    """Why a cell has no result.

    Attributes:
        reason: one sentence.
        trace: the traceback, empty where the error was foreseen.
        missing: data or weights were not there.
    """

    reason: str
    trace: str = ""
    missing: bool = False


@dataclass
class Outcome:
    """What a run did.

    Attributes:
        computed: keys of the cells that it computed.
        failures: key of a cell -> why it has no result.
    """

    computed: list[str] = field(default_factory=list)
    failures: dict[str, Failure] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0; 3 where data or weights were missing; 4 where cells failed otherwise."""
        if not self.failures:
            return 0
        return 3 if all(failure.missing for failure in self.failures.values()) else 4


def wanted(plan: Plan, only: tuple[str, ...] = ()) -> list[Cell]:
    """The cells behind the rows of these detectors (all where empty), in an order to run them."""
    found: dict[str, Cell] = {}
    for ids, key in plan.rows:
        if isinstance(key, str) and (not only or ids["detector"] in only):
            found.update((cell.key, cell) for cell in plan.upstream(key))
    return sorted(
        (cell for cell in found.values() if cell.stage in ORDER),
        key=lambda cell: ORDER.index(cell.stage),
    )


def faces_only(plan: Plan) -> list[Cell]:
    """The cells of the faces of every split."""
    return [cell for cell in plan.cells.values() if cell.stage == "faces"]


def run(
    cells: list[Cell],
    runtime: Runtime,
    executor: Executor,
    fail_fast: bool = False,
    all_faces: bool = True,
) -> Outcome:
    """Compute what is missing of these cells; one that fails stops only what needs it.

    Args:
        cells: in an order to run them, as :func:`wanted` gives them.
        runtime: where and how.
        executor: what computes them.
        fail_fast: stop at the first failure.
        all_faces: stop where faces could not be taken or images not read.

    Raises:
        DataError: such faces, where ``all_faces``: nothing is trained on less data than the spec
            says.
        StoreError: results cannot be written.
        DfdbenchError: the first failure, where ``fail_fast``.
    """
    outcome = Outcome()
    todo = [cell for cell in cells if not runtime.store.has(cell.key)]
    runtime.progress.say(f"{len(cells)} cells, {len(cells) - len(todo)} of them in the store")
    for cell in cells:
        broken = next((k for k in cell.inputs.values() if k in outcome.failures), None)
        if broken is not None:
            outcome.failures[cell.key] = outcome.failures[broken]
            continue
        if not runtime.store.has(cell.key):
            number = len(outcome.computed) + len(outcome.failures) + 1
            runtime.progress.say(f"[{number}/{len(todo)}] {cell.title}")
            failure = _compute(cell, executor, fail_fast, all_faces)
            if failure is not None:
                runtime.progress.say(f"failed: {failure.reason}")
                outcome.failures[cell.key] = failure
                continue
            outcome.computed.append(cell.key)
        if cell.stage == "faces" and all_faces:
            faces.check(cell.key, cell.title, runtime)
    return outcome


def _compute(cell: Cell, executor: Executor, fail_fast: bool, all_faces: bool) -> Failure | None:
    try:
        executor.submit(cell).result()
    except StoreError:
        raise
    except DfdbenchError as error:
        if fail_fast or (all_faces and cell.stage == "faces" and isinstance(error, DataError)):
            raise
        return Failure(str(error), missing=isinstance(error, MissingError))
    except Exception as error:  # a plugin may fail in any way; the row says so, with a traceback
        if fail_fast:
            raise
        return Failure(f"{type(error).__name__}: {error}", traceback.format_exc())
    return None
