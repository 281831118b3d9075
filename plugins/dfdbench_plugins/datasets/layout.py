"""What the adapters of distributed data sets share: finding folders and files, naming videos."""

from __future__ import annotations

import os
import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from dfdbench.api import REAL, DatasetAdapter, Video
from dfdbench.errors import DataError, MissingError, SpecError

VIDEOS = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm"})
FAKE_OF = re.compile(r"(id\d+|\d+)_(id\d+|[A-Z]?\d+)(_.*)?")
REAL_OF = re.compile(r"(id\d+)_\d+|(\d+)__.+")


class Distributed(DatasetAdapter):
    """A data set in the folder that its owner distributes.

    A subclass sets the four class variables below and writes :meth:`listed`.
    """

    title: ClassVar[str]
    """The data set's name in messages."""
    names: ClassVar[tuple[str, ...]]
    """What people call its folder, the preferred first: small letters and digits only, ``*``
    for any; ``faceforensics`` is ``FaceForensics++``, ``Face-Forensics``, ..."""
    marks: ClassVar[tuple[str, ...]]
    """Files or folders (``*`` for any name) of which each shows that a folder is this data set."""
    asked: ClassVar[str]
    """Where the data is asked for, as a sentence's end: ``its owners give it ...``."""
    splits: ClassVar[tuple[str, ...]] = ("test",)

    root: Path | None = Field(
        None, description="the data set's own folder; default: looked for below --data"
    )

    @property
    def prefix(self) -> str:
        """What its ids start with."""
        return self.name

    def known_as(self) -> tuple[str, ...]:
        """Names of its folder; to be changed where they depend on an option."""
        return self.names

    @abstractmethod
    def listed(self, folder: Path, split: str) -> Iterable[Video]:
        """The videos of a split that is one of ``splits``, in any order; raises as ``videos``."""

    def videos(self, root: Path | None, split: str) -> list[Video]:
        """The videos sorted by id; see :class:`dfdbench.api.DatasetAdapter`."""
        if split not in self.splits:
            raise self.no_split(split, self.splits)
        return sorted(self.listed(self.folder(root), split), key=lambda video: video.id)

    def folder(self, root: Path | None) -> Path:
        """The data set's own folder; raises MissingError."""
        if self.root is not None:
            if not self.root.is_dir():
                raise self.absent("folder", [self.root])
            return self.root
        if root is None:
            raise self.absent("folder", ())
        near = []
        for folder in (*_named(root, self.known_as()), root):
            if any(_shown(folder, mark) for mark in self.marks):
                return folder
            near.append(folder)
        named = ", ".join(self.known_as())
        raise self.absent(
            f"folder with {' or '.join(self.marks)}",
            [*near[:-1], f"{root} and its folders of a name like {named}"],
        )

    def absent(self, what: str, looked: Sequence[object], way_out: str = "") -> MissingError:
        """What is raised where ``what`` is in none of the places ``looked`` at."""
        places = f"looked in {', '.join(map(str, looked))}" if looked else "no --data was given"
        hint = f"; {way_out}" if way_out else ""
        return MissingError(
            f"{self.title}: no {what}: {places}. Name the data set's folder with `root:` of "
            f"{self.name}, or the folder above it with --data{hint}. "
            f"Its owners give it {self.asked}"
        )

    def no_split(self, split: str, known: Iterable[str]) -> SpecError:
        """What is raised for a split that there is not."""
        return SpecError(f"{self.name} has no split {split!r}; there are {', '.join(known)}")

    def clips(self, base: Path, *places: str, way_out: str = "") -> dict[str, str]:
        """The videos of the first of some folders that has any, by stem, sorted.

        Args:
            base: the data set's folder.
            places: folders relative to it; a level ``videos`` in them may be there or not.
            way_out: the option that does without them, where there is one.

        Raises:
            MissingError: none of the folders is there with a video in it.
            DataError: two videos of one folder have one stem.
        """
        looked = [base / option for place in places for option in (f"{place}/videos", place)]
        for place in places:
            found = clips_in(base, f"{place}/videos") or clips_in(base, place)
            if found:
                return found
        raise self.absent(f"video in {places[0]}", looked, way_out)

    def masks(self, base: Path, place: str) -> dict[str, str]:
        """The masks of a folder by stem, none where it is not there."""
        return clips_in(base, f"{place}/videos") or clips_in(base, place)

    def needed(self, base: Path, *places: str, where: str = "") -> Path:
        """The first of some files that is there; raises MissingError, with ``where`` it is got."""
        for place in places:
            found = locate(base, place)
            if found is not None and found.is_file():
                return found
        raise self.absent(places[0], [base / place for place in places], where)

    def video(
        self, label: int, path: str, id: str, people: tuple[str, str], method: str = "",
        mask: str | None = None,
    ) -> Video:  # fmt: skip
        """A video of one file, its id and its people (target, source) put below the prefix."""
        target, source = (f"{self.prefix}/{who}" if who else "" for who in people)
        return Video(
            id=f"{self.prefix}/{id}", label=label, files=(path,), method=method,
            target_id=target, source_id=source, masks=(mask,) if mask else (),
        )  # fmt: skip


def _named(root: Path, names: Sequence[str], levels: int = 2) -> Iterator[Path]:
    """Folders in ``root``, then in those, whose plain name fits one of ``names``, in its order."""
    if not root.is_dir():
        return
    with os.scandir(root) as entries:
        plain = {e.name: re.sub(r"[^a-z0-9]", "", e.name.casefold()) for e in entries if e.is_dir()}
    fits = [name for like in names for name in sorted(plain) if fnmatch(plain[name], like)]
    fits = list(dict.fromkeys(fits))
    yield from (root / name for name in fits)
    for name in fits if levels > 1 else ():
        yield from _named(root / name, names, levels - 1)


def _shown(folder: Path, mark: str) -> bool:
    return any(folder.glob(mark)) if "*" in mark else locate(folder, mark) is not None


def locate(base: Path, place: str) -> Path | None:
    """``base / place`` with its true capitals, None where it is not there."""
    found = base
    for part in Path(place).parts:
        step = found / part
        if not step.exists():
            if not found.is_dir():
                return None
            alike = sorted(p for p in found.iterdir() if p.name.casefold() == part.casefold())
            if not alike:
                return None
            step = alike[0]
        found = step
    return found if found.exists() else None


def clips_in(base: Path, place: str) -> dict[str, str]:
    """Videos of one folder by stem: paths relative to ``base``; empty where there is none.

    Raises:
        DataError: two videos have one stem.
    """
    folder = locate(base, place)
    if folder is None or not folder.is_dir():
        return {}
    found: dict[str, str] = {}
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    for name in names:
        stem, suffix = os.path.splitext(name)
        if suffix.lower() not in VIDEOS or name.startswith("."):
            continue
        path = (folder / name).relative_to(base).as_posix()
        if stem in found:
            raise DataError(f"{base}: {found[stem]} and {path} are two videos of one name")
        found[stem] = path
    return found


def people_of(stem: str, label: int) -> tuple[str, str]:
    """Target and source that a file's name tells; of a real video it is itself if it tells none.

    >>> people_of("000_003", 1), people_of("id0_id1_0000", 1), people_of("01_02__talk__X", 1)
    (('000', '003'), ('id0', 'id1'), ('01', '02'))
    >>> people_of("000", 0), people_of("id0_0000", 0), people_of("01__talk", 0)
    (('000', ''), ('id0', ''), ('01', ''))
    """
    if label == REAL:
        known = REAL_OF.fullmatch(stem)
        return ((known[1] or known[2]) if known else stem, "")
    swap = FAKE_OF.fullmatch(stem)
    return (swap[1], swap[2]) if swap else ("", "")
