"""What runs in a process of :class:`dfdbench.executors.processes.Processes`."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing.connection import Connection

from dfdbench.executors import attempt
from dfdbench.progress import Lines
from dfdbench.runtime import Runtime, Site


class _Told(Lines):
    """Progress of a child: its lines go through the pipe."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe, self.lock = pipe, threading.Lock()

    def say(self, message: str) -> None:
        self.send("say", message)

    def send(self, what: str, content: object) -> None:
        with self.lock:
            self.pipe.send((what, content))


def serve(pipe: Connection, site: Site, trace: str | None = None) -> None:
    """Compute the cells that come through the pipe until None comes; runs in a child.

    Where ``trace`` names a file, what the process is doing is written there on SIGUSR1.
    """
    os.setpgid(0, 0)  # a group of its own: the terminal's Ctrl-C is for the parent to handle
    signal.signal(signal.SIGTERM, _interrupt)
    if trace is not None:
        # By C code: it answers also where Python's own handlers never get their turn.
        faulthandler.register(signal.SIGUSR1, open(trace, "w"))  # noqa: SIM115 # open to the end
    threading.Thread(target=_end_with_parent, daemon=True).start()
    progress = _Told(pipe)
    opened: list[Runtime] = []

    def runtime() -> Runtime:
        if not opened:
            opened.append(site.open(progress))
            if trace is not None:
                import torch  # noqa: F401 # takes seconds that are not those of the first cell
        progress.send("begun", None)
        return opened[0]

    try:
        while (cell := pipe.recv()) is not None:
            progress.send("ended", attempt(cell, runtime))
    except (EOFError, OSError, KeyboardInterrupt):
        sys.exit(130)


def _interrupt(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once: nothing disturbs what it puts away
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    """A killed parent cannot end its children, nor they theirs."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.killpg(os.getpid(), signal.SIGKILL)
