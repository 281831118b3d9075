"""DeeperForensics-1.0: faces of paid actors put into the originals of FaceForensics++."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from pydantic import Field

from dfdbench.api import FAKE, REAL, Video
from dfdbench.errors import DataError
from dfdbench_plugins.datasets.faceforensics import FaceForensics
from dfdbench_plugins.datasets.layout import VIDEOS, Distributed, people_of
from dfdbench_plugins.datasets.lists import inside, lines_of


class DeeperForensics(Distributed):
    """The split's list names fakes ``<target>_<actor>``; ``real`` says what stands against them.

    ``source_videos``: every recording of the actors of the split's fakes, as DeepfakeBench has
    it. ``faceforensics``: the targets, originals of FaceForensics++ at c23, as the owners advise.
    """

    name: ClassVar[str] = "deeperforensics"
    title: ClassVar[str] = "DeeperForensics-1.0"
    names: ClassVar[tuple[str, ...]] = ("deeperforensics*", "df10", "dfo")
    marks: ClassVar[tuple[str, ...]] = ("manipulated_videos", "source_videos", "lists/splits")
    asked: ClassVar[str] = "on request: the form is at EndlessSora/DeeperForensics-1.0 on GitHub"
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")

    perturbation: str = Field("end_to_end", description="folder below manipulated_videos")
    real: Literal["source_videos", "faceforensics"] = Field(
        "source_videos", description="the real videos: source_videos or faceforensics"
    )
    faceforensics: Path | None = Field(
        None, description="folder of FaceForensics++; default: looked for below --data"
    )

    def videos(self, root: Path | None, split: str) -> list[Video]:
        """The split's fakes and the real videos, sorted by id."""
        found = super().videos(root, split)
        if self.real == "faceforensics":
            others = FaceForensics(root=self.faceforensics, compression="c23")
            files = others.originals(folder := others.folder(root).absolute())
            for name in {video.target_id.rpartition("/")[2] for video in found}:
                path = files.get(name, f"original_sequences/youtube/c23/videos/{name}.mp4")
                # Absolute: the two data sets need not have a folder in common.
                found.append(self.video(REAL, str(folder / path), f"real/{name}", (name, "")))
        return sorted(found, key=lambda video: video.id)

    def notes(self, root: Path | None, split: str) -> list[str]:
        """That FaceForensics++ shares the targets, whatever the ids say."""
        return ["the fakes are made of originals of FaceForensics++, most of them in its train"]

    def listed(self, folder: Path, split: str) -> Iterator[Video]:
        """The fakes of the list, and the recordings of their actors."""
        path = self.needed(folder, f"lists/splits/{split}.txt", f"splits/{split}.txt")
        place, actors = f"manipulated_videos/{self.perturbation}", set()
        found = self.clips(folder, place, way_out="`perturbation:` names another folder")
        for number, line in lines_of(path):
            where = f"{path}, line {number}"
            stem = PurePosixPath(inside(line, where)).stem
            target, actor = people_of(stem, FAKE)
            if not actor:
                raise DataError(f"{where}: {line!r} is no <target>_<actor>, such as 000_M101.mp4")
            actors.add(actor)
            file = found.get(stem, f"{place}/{stem}.mp4")
            yield self.video(FAKE, file, f"fake/{stem}", (target, actor), "DF-VAE")
        for actor in sorted(actors) if self.real == "source_videos" else ():
            above = folder / "source_videos" / actor
            files = [
                p.relative_to(folder) for p in above.rglob("[!.]*.*") if p.suffix.lower() in VIDEOS
            ]
            if not files:
                raise self.absent(f"video in {above}", [above], "`real:` takes others instead")
            for name in files:
                id, file = name.with_suffix("").as_posix(), name.as_posix()
                yield self.video(REAL, file, id, (actor, ""))
