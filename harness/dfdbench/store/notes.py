"""Notes beside the cells: who computes what at the moment, and what failed last.

They are for people's eyes: no result depends on one, and a note that cannot be written is left out.
"""

from __future__ import annotations

import json
import os
import platform
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

RUNNING, FAILED = "running", "failed"

Note = dict[str, Any]


class Notes:
    """The notes of the store under ``root``: ``running/<key>.json`` and ``failed/<key>.json``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def begin(self, key: str, title: str) -> None:
        """This process computes the cell from now on; only for who holds its lock."""
        note = {"title": title, "host": platform.node(), "pid": os.getpid(), "since": time.time()}
        self._write(RUNNING, key, note)

    def end(self, key: str) -> None:
        """It does not any more."""
        self._remove(RUNNING, key)

    def fail(self, key: str, title: str, reason: str) -> None:
        """Remember why the cell has no result."""
        self._write(FAILED, key, {"title": title, "reason": reason, "when": time.time()})

    def forgive(self, key: str) -> None:
        """Forget the failure: there is a result."""
        self._remove(FAILED, key)

    def running(self) -> dict[str, Note]:
        """Key -> title, host, pid, and since when in seconds since 1970."""
        return self._read(RUNNING, {"title", "host", "pid", "since"})

    def failed(self) -> dict[str, Note]:
        """Key -> title, reason, and when in seconds since 1970."""
        return self._read(FAILED, {"title", "reason", "when"})

    def _path(self, what: str, key: str) -> Path:
        return self.root / what / f"{key}.json"

    def _write(self, what: str, key: str, note: Note) -> None:
        with suppress(OSError):  # a full disk stops the cell itself, with a sentence
            path = self._path(what, key)
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(note), encoding="utf-8")

    def _remove(self, what: str, key: str) -> None:
        with suppress(OSError):
            self._path(what, key).unlink()

    def _read(self, what: str, fields: set[str]) -> dict[str, Note]:
        found = {}
        for path in sorted((self.root / what).glob("*.json")):
            try:
                note = json.loads(path.read_bytes())
            except (OSError, ValueError):  # removed or not yet whole: written again in a moment
                continue
            if isinstance(note, dict) and fields <= note.keys():
                found[path.stem] = note
        return found
