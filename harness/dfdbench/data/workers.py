"""Spreads jobs over processes, and survives a job that ends its process or never ends."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

Job = TypeVar("Job")


def spread(
    work: Callable[[Job], int],
    jobs: Sequence[Job],
    count: int,
    limit: float,
    lost: Callable[[Job, str], int],
) -> Iterator[int]:
    """The results of ``work`` in the order in which they come.

    A job whose process dies, or that takes more than ``limit`` seconds, is tried once more, alone;
    if that fails too, ``lost`` gets it with the reason. The jobs beside it are not affected.

    Args:
        work: a function of a module, called in another process.
        jobs: what it is called with.
        count: number of processes.
        limit: seconds; the process is then ended, whatever it is doing.
        lost: called in this process.
    """
    waiting = list(jobs)
    while waiting:
        unfinished: list[Job] = []
        for job, result in _pooled(work, waiting, count, limit):
            if result is None:
                unfinished.append(job)
            else:
                yield result
        # The process that died took its pool with it: whose fault it was, each shows alone. What
        # had not started yet is not suspected and goes on together.
        suspects, waiting = unfinished[: 2 * count], unfinished[2 * count :]
        for job in suspects:
            ((_, result),) = _pooled(work, [job], 1, limit)
            reason = f"reading it ended the process, or took more than {limit:.0f} s"
            yield lost(job, reason) if result is None else result


def _pooled(
    work: Callable[[Job], int], jobs: Sequence[Job], count: int, limit: float
) -> Iterator[tuple[Job, int | None]]:
    """Each job with its result, None where the pool broke before it had one."""
    # spawn: a forked child would inherit torch's threads and locks.
    pool = ProcessPoolExecutor(
        min(count, len(jobs)), mp_context=get_context("spawn"), initializer=_watch_parent
    )
    with pool:
        futures = {pool.submit(_limited, work, job, limit): n for n, job in enumerate(jobs)}
        broken: list[int] = []
        try:
            for future in as_completed(futures):
                try:
                    yield jobs[futures[future]], future.result()
                except BrokenProcessPool:
                    broken.append(futures[future])
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    for n in sorted(broken):  # in their order: what had started comes first
        yield jobs[n], None


def _watch_parent() -> None:
    """A killed parent cannot end its processes, which would wait for their next job for ever."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _limited(work: Callable[[Any], int], job: Any, limit: float) -> int:
    """Do one job; after ``limit`` seconds the process ends, even inside a library's C code."""
    with open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(limit, exit=True, file=nowhere)
        try:
            return work(job)
        finally:
            faulthandler.cancel_dump_traceback_later()
