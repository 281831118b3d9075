"""A process at the other end of a pipe, which computes one cell after the other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfdbench.executors import Report, raise_told
from dfdbench.executors.child import serve
from dfdbench.plan import Cell
from dfdbench.runtime import Site

# spawn: a forked child would inherit torch's threads and locks.
CONTEXT = multiprocessing.get_context("spawn")
GRACE = 10.0
"""Seconds in which an interrupted cell may put its things away."""
LAST_WORDS = 0.5
"""Seconds in which a process whose time is up may write where it is."""


@dataclass
class Submitted:
    """A cell and how its computation went."""

    cell: Cell
    tries: int = 0
    report: Report | None = None

    def result(self) -> None:
        """Nothing, or the error; only for what ``Processes.wait`` gave."""
        raise_told(self.report)


class Worker:
    """One process.

    Args:
        site: where and how.
        pins: variables of its environment.
        limit: seconds that a cell may take; None: any.
    """

    def __init__(self, site: Site, pins: dict[str, str], limit: float | None) -> None:
        self.limit, self.begun, self.trace = limit, 0.0, ""
        if limit is not None:
            file, self.trace = tempfile.mkstemp(prefix="dfdbench-", suffix=".txt")
            os.close(file)
        self.pipe, theirs = CONTEXT.Pipe()
        self.process = CONTEXT.Process(
            target=serve, args=(theirs, site, self.trace or None), name="dfdbench cells"
        )
        with _environment(pins):  # before the child's first import
            self.process.start()
        theirs.close()
        self.handle: Submitted | None = None
        self.lost = False

    def take(self, handle: Submitted) -> None:
        """Begin with a cell."""
        self.handle, self.begun = handle, 0.0
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
                if what == "begun":
                    self.begun = time.monotonic()
                    continue
                say(f"{self.handle.cell.title}: {content}")
        except (EOFError, OSError):
            self.lost = True
        return self.lost

    def left(self) -> float | None:
        """Seconds that its cell has left, at least 0; None: no limit, or it has not begun."""
        if self.limit is None or not self.begun:
            return None
        return max(0.0, self.begun + self.limit - time.monotonic())

    def stop(self) -> str:
        """End the process in the middle of its cell; returns where it was."""
        assert self.process.pid is not None
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGUSR1)
        self.process.join(LAST_WORDS)
        self.ask_to_end()
        self.process.join(GRACE)
        text = Path(self.trace).read_text(encoding="utf-8", errors="replace")
        self.end()
        return text

    def ask_to_end(self) -> None:
        """Interrupt its cell, or say that there is none to come."""
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
        if self.trace:
            Path(self.trace).unlink(missing_ok=True)
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
