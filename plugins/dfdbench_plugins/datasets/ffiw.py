"""FFIW-10K: videos with several people, of whom some have a swapped face."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from dfdbench.api import FAKE, REAL, Video
from dfdbench_plugins.datasets.layout import Distributed

TEST = "FFIW10K-v1-release-test"


class Ffiw(Distributed):
    """``source`` is real, ``target`` is fake; a split is a folder of each.

    The owners give out train and val (250 + 250 videos), and the test part as a folder of its
    own, which may lie in the first or beside it. Who is seen is not known.
    """

    name: ClassVar[str] = "ffiw"
    title: ClassVar[str] = "FFIW-10K"
    names: ClassVar[tuple[str, ...]] = ("ffiw", "ffiw10k", "ffiw10kv1", "ffiw10kv1release", "ffiw*")
    marks: ClassVar[tuple[str, ...]] = ("source", "target", f"{TEST}/source")
    asked: ClassVar[str] = "on request: the form is in the repository tfzhou/FFIW"
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")

    def folder(self, root: Path | None) -> Path:
        """The data set's folder; the one above it where the test part lies beside."""
        found = super().folder(root)
        beside = (found.parent / TEST).is_dir() and found.name != TEST
        return found.parent if beside else found

    def listed(self, folder: Path, split: str) -> Iterator[Video]:
        """The videos of the split's two folders."""
        parts = [".", *sorted(p.name for p in folder.glob("[Ff][Ff][Ii][Ww]*") if p.is_dir())]
        if split == "test":
            parts.reverse()  # the part of its own first
        for label, kind in ((REAL, "source"), (FAKE, "target")):
            places = [f"{part}/{kind}/{split}" for part in parts]
            if split == "test":
                places += [f"{part}/{kind}" for part in parts if part in (".", TEST)]
            found = self.clips(folder, *places)
            masks: dict[str, str] = {}
            for part in parts if label else ():
                masks = masks or self.masks(folder, f"{part}/{kind}_mask/{split}")
            for stem, path in found.items():
                id = f"{kind}/{split}/{stem}"
                people = ("" if label else id, "")
                yield self.video(
                    label, path, id, people, "unknown" if label else "", masks.get(stem)
                )
