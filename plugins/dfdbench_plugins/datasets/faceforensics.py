"""FaceForensics++: a thousand videos of YouTube, each manipulated by several methods."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from dfdbench.api import FAKE, REAL, Video
from dfdbench.errors import DataError
from dfdbench_plugins.datasets.layout import Distributed, people_of
from dfdbench_plugins.datasets.lists import json_of

Method = Literal["Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter"]


class FaceForensics(Distributed):
    """Videos by the official split files, the originals of a split and their manipulations.

    Of a manipulation ``A_B``, A is the target's video and B the source's.
    """

    name: ClassVar[str] = "faceforensics"
    title: ClassVar[str] = "FaceForensics++"
    names: ClassVar[tuple[str, ...]] = ("faceforensics*", "ff", "ffpp", "ffplusplus", "ffc*")
    marks: ClassVar[tuple[str, ...]] = ("original_sequences/youtube", "manipulated_sequences")
    asked: ClassVar[str] = "on request: the form is linked in the repository ondyari/FaceForensics"
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")

    compression: Literal["raw", "c23", "c40"] = Field("c23", description="raw, c23 or c40")
    methods: tuple[Method, ...] = Field(
        ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures"),
        description="manipulations; FaceShifter is the fifth one that there is",
    )

    def originals(self, folder: Path) -> dict[str, str]:
        """The originals' files by number; raises MissingError."""
        place = f"original_sequences/youtube/{self.compression}"
        return self.clips(folder, place, way_out="`compression:` takes another of raw, c23, c40")

    def listed(self, folder: Path, split: str) -> Iterator[Video]:
        """Originals and manipulations of the split's pairs."""
        pairs = self._pairs(folder, split)
        place = f"original_sequences/youtube/{self.compression}"
        found = self.originals(folder)
        for number in sorted({number for pair in pairs for number in pair}):
            path = found.get(number, f"{place}/videos/{number}.mp4")
            yield self.video(REAL, path, f"real/{number}", (number, ""))
        for method in self.methods:
            above = f"manipulated_sequences/{method}"
            place = f"{above}/{self.compression}"
            found = self.clips(
                folder, place, way_out="`methods:` of faceforensics leaves a manipulation out"
            )
            masks = self.masks(folder, f"{above}/masks")
            for stem in (f"{a}_{b}" for pair in pairs for a, b in (pair, pair[::-1])):
                path = found.get(stem, f"{place}/videos/{stem}.mp4")
                people = people_of(stem, FAKE)
                yield self.video(FAKE, path, f"{method}/{stem}", people, method, masks.get(stem))

    def _pairs(self, folder: Path, split: str) -> list[tuple[str, str]]:
        path = self.needed(
            folder, f"{split}.json", f"splits/{split}.json", f"dataset/splits/{split}.json",
            where="the split files are in dataset/splits of the repository ondyari/FaceForensics",
        )  # fmt: skip
        pairs = json_of(path)
        for n, pair in enumerate(pairs if isinstance(pairs, list) else [pairs]):
            fits = isinstance(pair, list) and len(pair) == 2
            if not fits or not all(isinstance(x, str) and x.isdecimal() for x in pair):
                raise DataError(f'{path}: entry {n + 1} is {pair!r}, not a pair ["071", "054"]')
        return [(a, b) for a, b in pairs]
