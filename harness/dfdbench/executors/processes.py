"""Computes cells in several processes of this machine, each with its share of it."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from multiprocessing.connection import wait as ready

from dfdbench.executors import Handle
from dfdbench.executors.worker import GRACE, Submitted, Worker
from dfdbench.plan import Cell
from dfdbench.runtime import Runtime

TRIES = 2
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")


class Processes:
    """Up to ``jobs`` processes, each computing one cell after the other.

    Args:
        runtime: where and how.
        jobs: number of processes.
        threads: of each; None: what ``OMP_NUM_THREADS`` says, else its share of the cores.
        limit: seconds after which a cell is stopped and has failed; None: never.
    """

    def __init__(
        self,
        runtime: Runtime,
        jobs: int,
        threads: int | None = None,
        limit: float | None = None,
    ) -> None:
        self.runtime, self.slots, self.limit = runtime, jobs, limit
        workers = max(1, runtime.workers // jobs) if runtime.workers else 0
        self.site = replace(runtime.site(), workers=workers)
        named = os.environ.get("OMP_NUM_THREADS", "")
        share = int(named) if named.isdecimal() else max(1, cores() // jobs)
        self.pins = dict.fromkeys(THREADS, str(threads or share))
        self.gpus = _gpus(runtime.device)
        self.workers: list[Worker | None] = [None] * jobs

    def submit(self, cell: Cell) -> Submitted:
        """Give the cell to a process that is free."""
        handle = Submitted(cell)
        self._give(handle)
        return handle

    def _give(self, handle: Submitted) -> None:
        place = next(n for n, each in enumerate(self.workers) if each is None or not each.handle)
        worker = self.workers[place]
        if worker is None or not worker.process.is_alive():
            if worker is not None:
                worker.end()
            pins = dict(self.pins)
            if self.gpus:
                pins["CUDA_VISIBLE_DEVICES"] = self.gpus[place % len(self.gpus)]
            worker = self.workers[place] = Worker(self.site, pins, self.limit)
        worker.take(handle)

    def wait(self) -> list[Handle]:
        """The cells that have ended; one whose process died is tried once more.

        One that takes longer than the limit ends by it.
        """
        ended: list[Handle] = []
        while not ended:
            busy = [each for each in self.workers if each is not None and each.handle is not None]
            if not busy:
                break
            left = [seconds for each in busy if (seconds := each.left()) is not None]
            ready([each.pipe for each in busy], min(left, default=None))
            for worker in busy:
                handle = worker.handle
                assert handle is not None
                if worker.ended(self.runtime.progress.say):
                    if self._settled(worker, handle):
                        ended.append(handle)
                elif worker.left() == 0:
                    self._stop(worker, handle)
                    ended.append(handle)
        return ended

    def _stop(self, worker: Worker, handle: Submitted) -> None:
        """End a cell whose time is up; its failure tells where it was."""
        trace = worker.stop()
        self.workers[self.workers.index(worker)] = None
        reason = (
            f"{handle.cell.title}: stopped after {worker.limit:g} s, the limit for a cell; where "
            "it needs more, raise --cell-limit, or executor.local.cell_limit of the configuration"
        )
        handle.report = {"kind": "", "reason": reason, "trace": trace or "it did not say where"}

    def _settled(self, worker: Worker, handle: Submitted) -> bool:
        worker.handle = None
        if not worker.lost:
            return True
        how = worker.end()
        self.workers[self.workers.index(worker)] = None
        if handle.tries < TRIES:
            self.runtime.progress.say(f"{handle.cell.title}: its process {how}; it is tried again")
            self._give(handle)
            return False
        reason = f"{handle.cell.title}: its process {how}, and so did another one before"
        if how.endswith("SIGKILL"):
            reason += "; where memory ran out, take fewer --jobs or a smaller batch_size"
        handle.report = {"kind": "DfdbenchError", "reason": reason, "trace": ""}
        return True

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *error: object) -> None:
        """End the processes: an interrupted cell keeps what it needs to be resumed."""
        there = [worker for worker in self.workers if worker is not None]
        try:
            for worker in there:
                worker.ask_to_end()
            until = time.monotonic() + GRACE
            for worker in there:
                worker.process.join(max(0.0, until - time.monotonic()))
        finally:
            for worker in there:
                worker.end()


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _gpus(device: str) -> list[str]:
    """The GPUs to take turns with; none where the user named one, or the CPU."""
    if device not in ("auto", "cuda"):
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name]
    import torch

    return [str(n) for n in range(torch.cuda.device_count())]
