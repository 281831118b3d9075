"""Computes cells in several processes of this machine, each with its share of it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import wait as ready
from typing import Any

from dfdbench.executors import Handle, Report, raise_told
from dfdbench.executors.child import serve
from dfdbench.plan import Cell
from dfdbench.runtime import Runtime, Site

# spawn: a forked child would inherit torch's threads and locks.
CONTEXT = multiprocessing.get_context("spawn")
TRIES = 2
GRACE = 10.0
"""Seconds in which an interrupted cell may put its things away."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")


@dataclass
class Submitted:
    """A cell and how its computation went."""

    cell: Cell
    tries: int = 0
    report: Report | None = None

    def result(self) -> None:
        """Nothing, or the error; only for what :meth:`Processes.wait` gave."""
        raise_told(self.report)


class Processes:
    """Up to ``jobs`` processes, each computing one cell after the other.

    Args:
        runtime: where and how.
        jobs: number of processes.
        threads: of each; None: what ``OMP_NUM_THREADS`` says, else its share of the cores.
    """

    def __init__(self, runtime: Runtime, jobs: int, threads: int | None = None) -> None:
        self.runtime, self.slots = runtime, jobs
        workers = max(1, runtime.workers // jobs) if runtime.workers else 0
        self.site = replace(runtime.site(), workers=workers)
        named = os.environ.get("OMP_NUM_THREADS", "")
        share = int(named) if named.isdecimal() else max(1, cores() // jobs)
        self.pins = dict.fromkeys(THREADS, str(threads or share))
        self.gpus = _gpus(runtime.device)
        self.workers: list[_Worker | None] = [None] * jobs

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
            worker = self.workers[place] = _Worker(self.site, pins)
        worker.take(handle)

    def wait(self) -> list[Handle]:
        """The cells that have ended; one whose process died is tried once more."""
        ended: list[Handle] = []
        while not ended:
            busy = [each for each in self.workers if each is not None and each.handle is not None]
            if not busy:
                break
            ready([each.pipe for each in busy])
            for worker in busy:
                handle = worker.handle
                assert handle is not None
                if worker.ended(self.runtime.progress.say) and self._settled(worker, handle):
                    ended.append(handle)
        return ended

    def _settled(self, worker: _Worker, handle: Submitted) -> bool:
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


class _Worker:
    """A process at the other end of a pipe."""

    def __init__(self, site: Site, pins: dict[str, str]) -> None:
        self.pipe, theirs = CONTEXT.Pipe()
        self.process = CONTEXT.Process(target=serve, args=(theirs, site), name="dfdbench cells")
        with _environment(pins):  # before the child's first import
            self.process.start()
        theirs.close()
        self.handle: Submitted | None = None
        self.lost = False

    def take(self, handle: Submitted) -> None:
        self.handle = handle
        handle.tries += 1
        with suppress(BrokenPipeError, ConnectionResetError):  # it died: waiting for it says so
            self.pipe.send(handle.cell)

    def ended(self, say: Any) -> bool:
        """Whether the cell has ended, well or not; ``lost``: with its process."""
        assert self.handle is not None
        try:
            while self.pipe.poll():
                what, content = self.pipe.recv()
                if what == "ended":
                    self.handle.report = content
                    return True
                say(f"{self.handle.cell.title}: {content}")
        except (EOFError, OSError):
            self.lost = True
        return self.lost

    def ask_to_end(self) -> None:
        if self.handle is not None:
            self.process.terminate()
        else:
            with suppress(OSError):
                self.pipe.send(None)

    def end(self) -> str:
        """End the process and all that it started; says how it ended."""
        pid = self.process.pid
        assert pid is not None
        if self.lost:
            self.process.join(1.0)  # so that its own end is told, not ours
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.pipe.close()
        code = self.process.exitcode or 0
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with the exit code {code}"


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


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
