"""Celeb-DF, version 2 or 1: interviews of celebrities with swapped faces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from pydantic import Field

from dfdbench.api import FAKE, REAL, Video
from dfdbench.errors import DataError
from dfdbench_plugins.datasets.layout import Distributed, people_of
from dfdbench_plugins.datasets.lists import lines_of

LABELS = {"Celeb-real": REAL, "YouTube-real": REAL, "Celeb-synthesis": FAKE}
LIST = "List_of_testing_videos.txt"


class CelebDfV2(Distributed):
    """``test`` is the owners' list, ``train`` every other video.

    In the list 1 is real and 0 is fake. Of ``id0_id1_0000``, id0 is the target, id1 the source.
    """

    name: ClassVar[str] = "celeb_df_v2"
    title: ClassVar[str] = "Celeb-DF"
    marks: ClassVar[tuple[str, ...]] = (LIST, *LABELS)
    asked: ClassVar[str] = (
        "on request: the form is in the repository yuezunli/celeb-deepfakeforensics"
    )
    splits: ClassVar[tuple[str, ...]] = ("train", "test")

    version: Literal[1, 2] = Field(2, description="1 or 2: Celeb-DF-v1 has the same layout")

    @property
    def prefix(self) -> str:
        """The two versions share names of files, not videos."""
        return f"celeb_df_v{self.version}"

    def known_as(self) -> tuple[str, ...]:
        """Names of the version's folder; Celeb-DF alone may be either."""
        v = self.version
        return (f"celebdfv{v}", f"celebdf{v}", f"cdfv{v}", f"cdf{v}", "celebdf", "cdf")

    def listed(self, folder: Path, split: str) -> Iterator[Video]:
        """The videos of the list, or those of the folders that it leaves."""
        test = self._listed_for_test(folder)
        for name, label in LABELS.items():
            found = self.clips(folder, name)
            stems = [stem for place, stem in test if place == name]
            if split == "train":
                stems = [stem for stem in found if (name, stem) not in test]
            for stem in stems:
                path = found.get(stem, f"{name}/{stem}.mp4")
                people = people_of(stem, label)
                yield self.video(label, path, f"{name}/{stem}", people, name if label else "")

    def _listed_for_test(self, folder: Path) -> set[tuple[str, str]]:
        path = self.needed(folder, LIST, where="the list comes with the videos")
        folders = {name.casefold(): name for name in LABELS}
        found = set()
        for number, line in lines_of(path):
            flag, _, rest = line.partition(" ")
            file = PurePosixPath(rest.strip())
            name = folders.get(file.parts[0].casefold()) if len(file.parts) == 2 else None
            where = f"{path}, line {number}: {line!r}"
            if name is None or flag not in ("0", "1") or ".." in file.parts:
                raise DataError(f"{where} is not `<1 or 0> <one of {', '.join(LABELS)}>/<video>`")
            if (REAL if flag == "1" else FAKE) != LABELS[name]:
                raise DataError(f"{where} contradicts its folder; here 1 is real and 0 is fake")
            found.add((name, file.stem))
        return found
