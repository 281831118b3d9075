"""A content-addressed store: a finished cell is a folder named by its key, or it is not there.

``cells/<2>/<key>/`` holds finished cells, ``partial/<key>/`` what a running or interrupted cell
has so far, ``locks/`` one lock a key, ``plans/`` the keys that each benchmark uses, ``running/``
and ``failed/`` notes for :mod:`dfdbench.status`. A cell is computed in its partial folder under its
lock, flushed to disk, and moved into place in one step, so that whatever kills the process, no
reader sees half a cell. Its ``meta.json`` holds size and sha256 of every file
(:mod:`dfdbench.store.verify` compares them).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from dfdbench.api import SCRATCH
from dfdbench.component import sha256_of
from dfdbench.errors import StoreError
from dfdbench.store.hashes import Hashes, reason
from dfdbench.store.notes import Notes

META = "meta.json"
HASHES = "hashes.sqlite"
JOBS = "jobs"
"""Folder of the logs of Slurm jobs."""


def default_root() -> Path:
    """``DFDBENCH_STORE``, or ``.dfdbench`` in the current folder."""
    return Path(os.environ.get("DFDBENCH_STORE", ".dfdbench"))


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces; equal values give equal text.

    >>> canonical({"b": 1, "a": [0.5, None]})
    '{"a":[0.5,null],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def key_of(value: Any) -> str:
    """sha256 of the canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


class Store:
    """The cells under one root folder, shared by any number of processes and machines.

    Raises:
        StoreError: the root cannot be created or written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.notes = Notes(self.root)
        with self.explained():
            for name in ("cells", "partial", "locks"):
                (self.root / name).mkdir(parents=True, exist_ok=True)

    def path(self, key: str) -> Path:
        """Where the finished cell is or will be."""
        return self.path_below(self.root, key)

    @staticmethod
    def path_below(root: Path, key: str) -> Path:
        """Where the cell would be in a store at ``root``, which need not be writable."""
        return root / "cells" / key[:2] / key

    def has(self, key: str) -> bool:
        """Whether the cell is finished."""
        return (self.path(key) / META).is_file()

    def finished(self) -> list[str]:
        """The keys of all finished cells, also of those that have lost their ``meta.json``."""
        return sorted(path.name for path in (self.root / "cells").glob("*/*") if path.is_dir())

    def meta(self, key: str) -> dict[str, Any]:
        """What was recorded beside a finished cell: stage, ids, host, duration, versions."""
        data: dict[str, Any] = json.loads((self.path(key) / META).read_text(encoding="utf-8"))
        return data

    def partial(self, key: str) -> Path:
        """Where the cell's work in progress is."""
        return self.root / "partial" / key

    @contextmanager
    def compute(
        self, key: str, meta: dict[str, Any], resumable: bool = False
    ) -> Iterator[Path | None]:
        """Hold the cell's lock and give the folder to compute it in; None: it is finished.

        The folder becomes the cell when the block ends without an error. After an error it is
        removed, unless ``resumable``: then what it holds is there again the next time.
        """
        if self.has(key):  # without the lock, so that a finished store may be read-only
            yield None
            return
        with self.explained(), FileLock(self.root / "locks" / f"{key}.lock"):
            if self.has(key):
                yield None
                return
            folder = self.partial(key)
            if not resumable:
                shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(exist_ok=True)
            start = time.monotonic()
            self.notes.begin(key, str(meta.get("title", meta.get("stage", ""))))
            try:
                yield folder
                took = round(time.monotonic() - start, 3)
                self._publish(folder, key, {"duration": took, **meta, "key": key})
            except BaseException:
                if not resumable or not any(folder.iterdir()):
                    shutil.rmtree(folder, ignore_errors=True)
                raise
            finally:
                self.notes.end(key)

    def adopt(self, key: str, meta: dict[str, Any], files: Mapping[str, bytes]) -> None:
        """Publish a cell that was computed in another store, with what was recorded there."""
        with self.compute(key, meta) as folder:
            if folder is not None:
                for name, content in files.items():
                    write_bytes(folder / name, content)

    def _publish(self, folder: Path, key: str, meta: dict[str, Any]) -> None:
        files = {}
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            digest = _flush(path)
            if digest and name.parts[0] != SCRATCH and name != Path(META):
                files[name.as_posix()] = {"size": path.stat().st_size, "sha256": digest}
        write_text(folder / META, json.dumps({**meta, "files": files}, indent=1, sort_keys=True))
        _flush(folder / META)
        _flush(folder)
        target = self.path(key)
        target.parent.mkdir(exist_ok=True)
        if target.is_dir():  # a cell that lost its meta.json is not finished, only in the way
            shutil.rmtree(target)
        # Before the cell is there: afterwards nobody would come to take the notes of a killed
        # process away.
        self.notes.end(key)
        self.notes.forgive(key)
        os.replace(folder, target)
        _flush(target.parent)
        # Last, so that a kill at any moment before leaves all that it takes to go on.
        shutil.rmtree(target / SCRATCH, ignore_errors=True)

    def record_plan(self, name: str, keys: Iterable[str]) -> None:
        """Note that a benchmark uses these cells, in place of what was noted under its name.

        Cells that no recorded plan uses are what ``dfdbench store prune`` removes, so two plans
        that shall both be kept need two names.
        """
        with self.explained():
            now = datetime.now(UTC).isoformat(timespec="seconds")
            record = {"schema": 1, "name": name, "keys": sorted(set(keys)), "when": now}
            write_text(self.root / "plans" / f"{name}.json", json.dumps(record, indent=1))

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn a full or read-only disk, or a broken table of hashes, into a sentence."""
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreError(
                    f"the disk is full: cannot write to {error.filename or self.root}; nothing "
                    "half-written was kept. Free some space, or name another store with --store"
                ) from error
            ours = str(error.filename or self.root).startswith(str(self.root))
            if ours and error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR):
                raise StoreError(
                    f"cannot write to the store {self.root}: {error.strerror}; make it writable, "
                    "or name another one with --store"
                ) from error
            raise
        except sqlite3.Error as error:
            raise StoreError(
                f"cannot use {self.root / HASHES}: {error}; where this stays so, delete the file: "
                "it only remembers what the hashes of data files were"
            ) from error

    def content_hashes(
        self, paths: list[Path], advance: Any = None, faults: dict[int, str] | None = None
    ) -> list[str]:
        """sha256 of each file, remembered by path, size and time of change.

        Args:
            paths: the files.
            advance: called after each.
            faults: where given, takes the reason for each file that cannot be used, by its place
                in ``paths``; the file's hash is then empty.

        Raises:
            OSError: a file cannot be used, and there is no ``faults``.
        """
        if not paths:
            return []
        found: list[str] = []
        with self.explained(), closing(Hashes(self.root / HASHES, sha256_of)) as hashes:
            for n, path in enumerate(paths):
                try:
                    found.append(hashes.of(path))
                except (OSError, ValueError) as error:
                    if faults is None:
                        raise
                    found.append("")
                    faults[n] = reason(error)
                if advance is not None:
                    advance()
        return found


def _flush(path: Path) -> str:
    """See to it that a file or folder is on the disk; the sha256 of a file, empty for a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        digest = ""
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            with open(descriptor, "rb", closefd=False) as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return digest
