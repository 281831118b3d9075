"""How far a benchmark is, as its store says: also while it runs elsewhere."""

from __future__ import annotations

import os
import platform
import textwrap
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from filelock import FileLock, Timeout

from dfdbench.plan import Cell
from dfdbench.store import Store

WIDTH = 80
LISTED = 20
"""Cells of a kind that are listed; the others are counted."""


@dataclass(frozen=True)
class Running:
    """A cell that a process computes, or did until it ended without a word.

    Attributes:
        title: the cell's.
        host: where the process is.
        pid: its number there.
        since: seconds since 1970.
        stale: it is gone.
    """

    title: str
    host: str
    pid: int
    since: float
    stale: bool


@dataclass(frozen=True)
class Status:
    """How far a benchmark is.

    Attributes:
        done: number of finished cells.
        running: what is being computed, or was interrupted.
        failed: title and reason of the cells that failed last time.
        waiting: stage -> number of cells that nobody has started.
        blocked: how many of those need a cell that failed.
    """

    done: int
    running: tuple[Running, ...]
    failed: tuple[tuple[str, str], ...]
    waiting: dict[str, int]
    blocked: int

    @property
    def total(self) -> int:
        """Number of all cells."""
        return self.done + len(self.running) + len(self.failed) + sum(self.waiting.values())


def look(cells: list[Cell], store: Store) -> Status:
    """Where each of these cells is; inputs before what reads them."""
    running, failed = store.notes.running(), store.notes.failed()
    done = 0
    found: list[Running] = []
    reasons: list[tuple[str, str]] = []
    waiting: Counter[str] = Counter()
    broken: set[str] = set()
    blocked = 0
    for cell in cells:
        if store.has(cell.key):
            done += 1
            continue
        needs_broken = not broken.isdisjoint(cell.inputs.values())
        if cell.key in running:
            found.append(_running(store, cell.key, running[cell.key]))
        elif cell.key in failed:
            reasons.append((cell.title, str(failed[cell.key]["reason"])))
            broken.add(cell.key)
        else:
            waiting[cell.stage] += 1
            blocked += needs_broken
            if needs_broken:
                broken.add(cell.key)
    return Status(done, tuple(found), tuple(reasons), dict(waiting), blocked)


def _running(store: Store, key: str, note: dict[str, Any]) -> Running:
    host, pid = str(note["host"]), int(note["pid"])
    gone = (host == platform.node() and not _alive(pid)) or not _locked(store, key)
    return Running(str(note["title"]), host, pid, float(note["since"]), gone)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _locked(store: Store, key: str) -> bool:
    """Whether a process, here or on another machine, holds the cell's lock."""
    path = store.root / "locks" / f"{key}.lock"
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # a store that this machine may only read: the note must do
        return True
    lock.release()
    return False


def to_text(status: Status, name: str, now: float) -> str:
    """The status for a terminal of 80 columns; ``now`` in seconds since 1970."""
    live = [each for each in status.running if not each.stale]
    stale = [each for each in status.running if each.stale]
    parts = [f"{status.done} done", f"{len(live)} running"]
    parts += [f"{len(stale)} interrupted"] if stale else []
    parts += [f"{len(status.failed)} failed", f"{sum(status.waiting.values())} waiting"]
    lines = [f"{name}: {status.total} cells: {', '.join(parts)}"]
    if live:
        lines += ["running", *_listed([_where(each, now) for each in live])]
    if stale:
        lines.append("interrupted: the process is gone; the next run goes on from there")
        lines += _listed([_where(each, now) for each in stale])
    if status.failed:
        lines.append("failed; the next run tries again")
        lines += _listed([f"{title}: {reason}" for title, reason in status.failed])
    if status.waiting:
        counts = ", ".join(f"{count} {stage}" for stage, count in status.waiting.items())
        needs = f"; {status.blocked} of them need one that failed" if status.blocked else ""
        lines.append(f"waiting: {counts}{needs}")
    return "\n".join(line for each in lines for line in _wrapped(each))


def _where(each: Running, now: float) -> str:
    # A clock that was set back, or another machine's, must not give a negative time.
    return f"{each.title}: {each.host}, pid {each.pid}, for {_spoken(max(0.0, now - each.since))}"


def _spoken(seconds: float) -> str:
    """A duration as people say it.

    >>> _spoken(42), _spoken(200), _spoken(9000), _spoken(200_000)
    ('42 s', '3 min', '2.5 h', '2.3 d')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} d"


def _listed(entries: list[str]) -> list[str]:
    more = len(entries) - LISTED
    return [f"  {each}" for each in entries[:LISTED]] + ([f"  and {more} more"] if more > 0 else [])


def _wrapped(line: str) -> list[str]:
    indent = "    " if line.startswith("  ") else "  "
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def watch(cells: list[Cell], store: Store, name: str, interval: float = 2.0) -> None:
    """Show the status in a terminal, again and again, until all is done or Ctrl-C."""
    from rich.live import Live
    from rich.text import Text

    found = look(cells, store)
    with suppress(KeyboardInterrupt), Live(auto_refresh=False) as live:
        while True:
            live.update(Text(to_text(found, name, time.time())), refresh=True)
            if found.done == found.total:
                return
            time.sleep(interval)
            found = look(cells, store)
