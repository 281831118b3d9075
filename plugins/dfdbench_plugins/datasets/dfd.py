"""DFD: Google's DeepFakeDetection videos of paid actors, given out with FaceForensics++."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from dfdbench.api import FAKE, REAL, Video
from dfdbench_plugins.datasets.layout import Distributed, people_of

METHOD = "DeepFakeDetection"


class Dfd(Distributed):
    """All videos are test. Of ``01_02__scene__ID``, 01 is the target and 02 the source."""

    name: ClassVar[str] = "dfd"
    title: ClassVar[str] = "DFD (DeepFakeDetection)"
    # The owners' script writes it into the folder of FaceForensics++.
    names: ClassVar[tuple[str, ...]] = (
        "dfd", "deepfakedetection", "googledfd", "faceforensics*", "ff", "ffpp", "ffplusplus",
    )  # fmt: skip
    marks: ClassVar[tuple[str, ...]] = (
        "original_sequences/actors",
        f"manipulated_sequences/{METHOD}",
    )
    asked: ClassVar[str] = (
        "with FaceForensics++, on request: the form is linked in the repository ondyari/"
        f"FaceForensics; its script takes `-d {METHOD}` and `-d {METHOD}_original`"
    )

    compression: Literal["raw", "c23", "c40"] = Field("c23", description="raw, c23 or c40")

    def listed(self, folder: Path, split: str) -> Iterator[Video]:
        """Every video of the actors and every manipulation."""
        above = f"manipulated_sequences/{METHOD}"
        masks = self.masks(folder, f"{above}/masks")
        for stem, path in self.clips(
            folder, f"original_sequences/actors/{self.compression}"
        ).items():
            yield self.video(REAL, path, f"real/{stem}", people_of(stem, REAL))
        for stem, path in self.clips(folder, f"{above}/{self.compression}").items():
            people = people_of(stem, FAKE)
            yield self.video(FAKE, path, f"{METHOD}/{stem}", people, METHOD, masks.get(stem))
