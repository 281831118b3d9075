"""UADFV: 49 videos and a fake of each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from dfdbench.api import FAKE, REAL, Video
from dfdbench_plugins.datasets.layout import Distributed


class Uadfv(Distributed):
    """All videos are test. ``0047_fake`` was made from ``0047``, its target."""

    name: ClassVar[str] = "uadfv"
    title: ClassVar[str] = "UADFV"
    names: ClassVar[tuple[str, ...]] = ("uadfv", "uadfd")
    marks: ClassVar[tuple[str, ...]] = ("real", "fake")
    asked: ClassVar[str] = (
        "on request: write to the authors of `Exposing deep fakes using inconsistent head poses` "
        "(Yang, Li, Lyu 2019)"
    )

    def listed(self, folder: Path, split: str) -> Iterator[Video]:
        """Every video of both folders."""
        for label, kind in ((REAL, "real"), (FAKE, "fake")):
            for stem, path in self.clips(folder, kind).items():
                target = stem.removesuffix("_fake")
                people = (target if label == REAL or target != stem else "", "")
                yield self.video(label, path, f"{kind}/{stem}", people, "FakeApp" if label else "")
