"""Runs a plan: every cell that is not in the store, as soon as its inputs are."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from heapq import heappop, heappush

from dfdbench.errors import DataError, DfdbenchError, MissingError, StoreError
from dfdbench.executors import CellError, Executor, Handle
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
        executor: what computes them, as many at once as it has slots.
        fail_fast: stop at the first failure.
        all_faces: stop where faces could not be taken or images not read, and start nothing else
            before all faces are there.

    Raises:
        DataError: such faces, where ``all_faces``: nothing is trained on less data than the spec
            says.
        StoreError: results cannot be written.
        DfdbenchError: the first failure, where ``fail_fast``.
    """
    return _Run(cells, runtime, executor, fail_fast, all_faces).run()


class _Run:
    def __init__(
        self,
        cells: list[Cell],
        runtime: Runtime,
        executor: Executor,
        fail_fast: bool,
        all_faces: bool,
    ) -> None:
        self.cells, self.runtime, self.executor = cells, runtime, executor
        self.fail_fast, self.all_faces = fail_fast, all_faces
        self.outcome = Outcome()
        self.todo = sum(not runtime.store.has(cell.key) for cell in cells)
        self.under_way = 0
        place = {cell.key: n for n, cell in enumerate(cells)}
        self.readers: dict[str, list[int]] = {cell.key: [] for cell in cells}
        self.needs = [0] * len(cells)
        for n, cell in enumerate(cells):
            for key in {key for key in cell.inputs.values() if key in place}:
                self.readers[key].append(n)
                self.needs[n] += 1
        self.ready = [n for n, count in enumerate(self.needs) if not count]  # ascending: a heap
        self.faces_left = sum(cell.stage == "faces" for cell in cells) if all_faces else 0

    def run(self) -> Outcome:
        total = len(self.cells)
        self.runtime.progress.say(f"{total} cells, {total - self.todo} of them in the store")
        self.start()
        while self.under_way:
            for handle in self.executor.wait():
                self.under_way -= 1
                self.collect(handle)
            self.start()
        return self.outcome

    def start(self) -> None:
        """Submit what can start, in the order of the cells, while there are slots."""
        while self.ready and self.under_way < self.executor.slots:
            cell = self.cells[self.ready[0]]
            if self.faces_left and cell.stage != "faces":
                return
            heappop(self.ready)
            failures = self.outcome.failures
            broken = next((key for key in cell.inputs.values() if key in failures), None)
            if broken is not None:
                failures[cell.key] = failures[broken]
                self.settle(cell)
            elif self.runtime.store.has(cell.key):
                self.settle(cell)
            else:
                number = len(self.outcome.computed) + len(failures) + self.under_way + 1
                self.runtime.progress.say(f"[{number}/{self.todo}] {cell.title}")
                self.executor.submit(cell)
                self.under_way += 1

    def collect(self, handle: Handle) -> None:
        """Take in a cell that has ended, well or not."""
        cell = handle.cell
        try:
            failure = self.failure_of(handle)
        except (DfdbenchError, CellError) as error:
            if not isinstance(error, StoreError):
                self.runtime.store.notes.fail(cell.key, cell.title, _said(error))
            raise
        if failure is None:
            self.outcome.computed.append(cell.key)
        else:
            where = "" if self.executor.slots == 1 else f"{cell.title}: "
            said = failure.reason.removeprefix(where)
            self.runtime.progress.say(f"failed: {where}{said}")
            self.runtime.store.notes.fail(cell.key, cell.title, failure.reason)
            self.outcome.failures[cell.key] = failure
        self.settle(cell)

    def failure_of(self, handle: Handle) -> Failure | None:
        try:
            handle.result()
        except StoreError:
            raise
        except DfdbenchError as error:
            bad_faces = handle.cell.stage == "faces" and isinstance(error, DataError)
            if self.fail_fast or (self.all_faces and bad_faces):
                raise
            return Failure(str(error), missing=isinstance(error, MissingError))
        except CellError as error:
            if self.fail_fast:
                raise
            return Failure(error.reason, error.trace)
        except Exception as error:  # a plugin may fail in any way; the row says how
            if self.fail_fast:
                raise
            return Failure(_said(error), traceback.format_exc())
        return None

    def settle(self, cell: Cell) -> None:
        """Nothing more will happen to the cell: what waits for it may start."""
        if cell.stage == "faces" and self.all_faces:
            if cell.key not in self.outcome.failures:
                faces.check(cell.key, cell.title, self.runtime)
            self.faces_left -= 1
        for n in self.readers[cell.key]:
            self.needs[n] -= 1
            if not self.needs[n]:
                heappush(self.ready, n)


def _said(error: Exception) -> str:
    if isinstance(error, CellError):
        return error.reason
    return str(error) if isinstance(error, DfdbenchError) else f"{type(error).__name__}: {error}"
