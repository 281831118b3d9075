"""Remembers the sha256 of data files, so that each is read once and not at every run."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable
from pathlib import Path

REMEMBER_EVERY = 2.0  # seconds; what an interrupted run has hashed need not be read again


class Hashes:
    """A table of hashes by path, size and time of change, shared by any number of processes.

    Args:
        table: the SQLite file, made where there is none.
        read: gives the sha256 of a file that the table does not know.
    """

    def __init__(self, table: Path, read: Callable[[Path], str]) -> None:
        self._read = read
        self._fresh: list[tuple[str, int, int, str]] = []
        self._last = time.monotonic()
        self._db = sqlite3.connect(table, timeout=60)
        try:
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS hashes "
                "(path TEXT PRIMARY KEY, size INTEGER, mtime INTEGER, sha256 TEXT) WITHOUT ROWID"
            )
        except sqlite3.Error:
            self._db.close()
            raise

    def of(self, path: Path) -> str:
        """The sha256 of a file.

        Raises:
            OSError: it is not there, is no regular file, or cannot be read.
            ValueError: no file can have that name.
        """
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):  # opening a pipe would wait for ever
            raise OSError(errno.EINVAL, "is not a regular file", str(path))
        known = (str(path.absolute()), about.st_size, about.st_mtime_ns)
        query = "SELECT sha256 FROM hashes WHERE path=? AND size=? AND mtime=?"
        row = self._db.execute(query, known).fetchone()
        if row is None:
            row = (self._read(path),)
            self._fresh.append((*known, row[0]))
            if time.monotonic() - self._last > REMEMBER_EVERY:
                self._remember()
        digest: str = row[0]
        return digest

    def _remember(self) -> None:
        """Write at once and briefly: other processes wait for the table meanwhile."""
        with self._db:
            self._db.executemany("REPLACE INTO hashes VALUES (?, ?, ?, ?)", self._fresh)
        self._fresh.clear()
        self._last = time.monotonic()

    def gone(self) -> list[str]:
        """The remembered files that are not there any more."""
        rows = self._db.execute("SELECT path FROM hashes ORDER BY path")
        return [path for (path,) in rows if not os.path.lexists(path)]

    def forget(self, paths: Iterable[str]) -> None:
        """Drop what is remembered of these files."""
        with self._db:
            self._db.executemany("DELETE FROM hashes WHERE path=?", [(path,) for path in paths])

    def close(self) -> None:
        """Write what is not written yet, and close the table."""
        try:
            self._remember()
        finally:
            self._db.close()


def reason(error: OSError | ValueError) -> str:
    """Why a file has no hash, in words that follow its name."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "is not there"
    if isinstance(error, OSError):
        said = error.strerror or str(error)
        return said if error.errno == errno.EINVAL else f"cannot be read: {said}"
    return f"cannot be read: {error}"
