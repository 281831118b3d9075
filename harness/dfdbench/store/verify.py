"""Compares finished cells with what was written."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfdbench.api import SCRATCH
from dfdbench.component import sha256_of
from dfdbench.progress import Progress
from dfdbench.store import META, Store
from dfdbench.store.care import record_of

NAMED = 3  # faults of one cell that are named


@dataclass(frozen=True)
class Damage:
    """A finished cell that is not what was written.

    Attributes:
        key: names the cell.
        title: what it is, in the words of its spec; empty where that is lost.
        faults: what is wrong, one for each file.
    """

    key: str
    title: str
    faults: tuple[str, ...]

    def __str__(self) -> str:
        """E.g. ``train ln ffpp 42 (3f2a...): weights.safetensors is not there``."""
        more = [f"and {len(self.faults) - NAMED} more"] if len(self.faults) > NAMED else []
        return f"{self.title or 'a cell'} ({self.key}): " + "; ".join([*self.faults[:NAMED], *more])


@dataclass(frozen=True)
class Verified:
    """What :func:`verify` found: numbers of cells and files, their bytes, and what is damaged."""

    cells: int
    files: int
    size: int
    unverifiable: int
    damaged: tuple[Damage, ...]


def verify(store: Store, progress: Progress) -> Verified:
    """Compare every file of every finished cell with the size and sha256 recorded for it.

    Cells of an older version recorded neither; they are only counted.
    """
    records = [(key, record_of(store, key)) for key in store.finished()]
    sums = [_sums(meta) for _, meta in records]
    total = sum(len(files or {}) for files in sums)
    damaged: list[Damage] = []
    size = 0
    with progress.task(f"verify {len(records)} cells", total) as task:
        for (key, meta), files in zip(records, sums, strict=True):
            if "files" not in meta and meta.get("key") == key:
                continue
            faults = [f"{META} cannot be read"]
            if files is not None and meta.get("key") == key:
                faults = list(_strangers(store.path(key), files))
                for name, record in files.items():
                    faults += _faults(store.path(key) / name, name, record)
                    size += record["size"]
                    task.advance()
            if faults and store.path(key).is_dir():  # not one that was removed meanwhile
                damaged.append(Damage(key, str(meta.get("title") or meta.get("stage") or ""),
                                      tuple(faults)))  # fmt: skip
    old = sum("files" not in meta and meta.get("key") == key for key, meta in records)
    return Verified(len(records) - old, total, size, old, tuple(damaged))


def _sums(meta: dict[str, Any]) -> dict[str, dict[str, Any]] | None:
    """Size and sha256 of each file, None where there are none or what is there is damaged."""
    files = meta.get("files")
    if not isinstance(files, dict):
        return None
    sound = all(
        isinstance(each, dict) and isinstance(each.get("size"), int) and "sha256" in each
        for each in files.values()
    )
    return files if sound else None


def _faults(path: Path, name: str, record: dict[str, Any]) -> Iterator[str]:
    try:
        size = path.stat().st_size
        if size != record["size"]:
            yield f"{name} has {size:,} bytes instead of {record['size']:,}"
        elif sha256_of(path) != record["sha256"]:
            yield f"{name} has another content"
    except FileNotFoundError:
        yield f"{name} is not there"
    except OSError as error:
        yield f"{name} cannot be read: {error.strerror or error}"


def _strangers(folder: Path, files: Collection[str]) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        ours = name.as_posix() in files or name == Path(META) or name.parts[0] == SCRATCH
        if path.is_file() and not ours:
            yield f"{name.as_posix()} does not belong to it"
