"""What of a store no benchmark uses, and its removal."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from dfdbench.component import sha256_of
from dfdbench.errors import StoreError
from dfdbench.store import HASHES, JOBS, Store
from dfdbench.store.hashes import Hashes
from dfdbench.store.notes import FAILED, RUNNING

CELL, CACHE, PARTIAL = "cells of no recorded plan", "caches of pixels", "unfinished cells"
LEFT, LOCK, HASH = "rest of an interrupted removal", "locks of nothing", "hashes of files now gone"
NOTE, LOG = "notes of processes now gone", "logs of Slurm jobs, older than a week"
WEEK = 7 * 24 * 3600


@dataclass(frozen=True)
class Item:
    """Something that can go: its kind, its key or path, its size in bytes."""

    kind: str
    name: str
    size: int = 0


def record_of(store: Store, key: str) -> dict[str, Any]:
    """What a finished cell records; empty where that is damaged."""
    try:
        meta = store.meta(key)
    except (OSError, ValueError):
        return {}
    return meta if isinstance(meta, dict) else {}


def recorded(store: Store) -> dict[str, frozenset[str]]:
    """The keys that each recorded plan uses, by its name.

    Raises:
        StoreError: a plan cannot be read, so that nobody knows what it uses.
    """
    plans = {}
    for path in sorted((store.root / "plans").glob("*.json")):
        try:
            plans[path.stem] = frozenset(map(str, json.loads(path.read_bytes())["keys"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"the plan {path} cannot be read ({error!r}); run its benchmark again to record "
                f"it once more, or delete the file if the benchmark is not needed"
            ) from error
    return plans


def unused(
    store: Store, used: Collection[str], caches: bool = False, unrecorded: bool = False
) -> tuple[list[Item], list[Item]]:
    """What could be removed, and what stays only because it is older than recorded plans.

    Args:
        store: the store.
        used: the keys of all recorded plans.
        caches: also the pixel caches of faces that are in use; they are made again when needed.
        unrecorded: also cells of an older version, which recorded no plans.
    """
    with store.explained():
        items: list[Item] = []
        old: list[Item] = []
        finished = store.finished()
        for key in finished:
            meta = record_of(store, key)
            item = Item(CELL, key, size_of(store.path(key)))
            if meta.get("stage") == "pixels":
                item = Item(CACHE, key, item.size)
                unneeded = meta.get("faces") not in used
                if caches and not unneeded:
                    items.append(item)
            else:
                unneeded = key not in used
            if unneeded:
                (items if "files" in meta or unrecorded else old).append(item)
        return items + list(_leftovers(store, used, set(finished))), old


def _leftovers(store: Store, used: Collection[str], finished: set[str]) -> Iterator[Item]:
    """Unfinished cells, locks and hashes that nothing needs and no process holds."""
    partial = {path.name for path in (store.root / "partial").iterdir()}
    for key in sorted(partial - set(used)):
        if _free(store, key):
            yield Item(PARTIAL, key, size_of(store.partial(key)))
    for path in sorted((store.root / "locks").glob("*.lock")):
        known = path.stem in (finished | partial | set(used))
        if not known and _free(store, path.stem):
            yield Item(LOCK, path.stem)
    for what in (RUNNING, FAILED):
        for path in sorted((store.root / what).glob("*.json")):
            # A failure is told by `status` as long as a plan wants the cell.
            if (what == RUNNING or path.stem not in used) and _free(store, path.stem):
                yield Item(NOTE, f"{what}/{path.name}", path.stat().st_size)
    for path in sorted((store.root / JOBS).glob("*")):
        if time.time() - _touched(path) > WEEK:
            yield Item(LOG, f"{JOBS}/{path.name}", size_of(path))
    for path in sorted((store.root / "removed").glob("*")):
        yield Item(LEFT, path.name, size_of(path))
    if (store.root / HASHES).is_file():
        with closing(Hashes(store.root / HASHES, sha256_of)) as hashes:
            yield from (Item(HASH, name) for name in hashes.gone())


def _touched(path: Path) -> float:
    """When a file, or anything in a folder, was last written; seconds since 1970."""
    return max((each.lstat().st_mtime for each in (path, *path.rglob("*"))), default=0.0)


def size_of(folder: Path) -> int:
    """Bytes of a file or of all files in a folder; those that vanish meanwhile count as nothing."""
    total = 0
    for path in (folder, *folder.rglob("*")):
        try:
            total += path.lstat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total


def remove(store: Store, items: Iterable[Item], forget: Iterable[str] = ()) -> list[Item]:
    """Forget plans, then remove what is not in use; returns what was removed.

    What a process holds locked, or a plan has claimed since the items were listed, stays.
    """
    with store.explained():
        for name in forget:
            (store.root / "plans" / f"{name}.json").unlink(missing_ok=True)
        used = frozenset().union(*recorded(store).values())
        listed = [item for item in items if item.name not in used]
        gone = [item for item in listed if item.kind == HASH]
        if gone:
            with closing(Hashes(store.root / HASHES, sha256_of)) as hashes:
                hashes.forget(item.name for item in gone)
        return gone + [item for item in listed if item.kind != HASH and discard(store, item)]


def discard(store: Store, item: Item) -> bool:
    """Remove a cell, or what is left of one, with its lock; False: a process holds it."""
    if item.kind in (NOTE, LOG):
        return _delete(store.root / item.name)
    with _locked(store, item.name) as held:
        if held:
            # A kill must leave no half of a cell where a whole one is looked for, nor of an
            # unfinished one where a training would go on from it: so moved first, then emptied.
            away = store.root / "removed" / item.name
            shutil.rmtree(away, ignore_errors=True)
            here = store.partial(item.name) if item.kind == PARTIAL else store.path(item.name)
            if item.kind in (CELL, CACHE, PARTIAL) and here.is_dir():
                away.parent.mkdir(exist_ok=True)
                os.replace(here, away)
                shutil.rmtree(away)
            _lock_file(store, item.name).unlink(missing_ok=True)
        return held


def _delete(path: Path) -> bool:
    """Remove what may vanish at any moment, and what nothing is computed from."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    return not path.exists()


def _free(store: Store, key: str) -> bool:
    """Whether no process holds a key's lock."""
    with _locked(store, key) as held:
        return held


@contextmanager
def _locked(store: Store, key: str) -> Iterator[bool]:
    """Hold a key's lock if it is free, and leave no lock file where there was none."""
    path = _lock_file(store, key)
    there = path.exists()
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        if not there:
            path.unlink(missing_ok=True)
        lock.release()


def _lock_file(store: Store, key: str) -> Path:
    return store.root / "locks" / f"{key}.lock"
