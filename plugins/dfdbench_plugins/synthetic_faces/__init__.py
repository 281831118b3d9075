"""The embedded benchmark: rendered people, and four ways to manipulate their videos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from dfdbench import hookimpl
from dfdbench.api import FAKE, REAL, DatasetAdapter, Frame, FrameSource, Video
from dfdbench.errors import SpecError
from dfdbench_plugins.synthetic_faces.seeds import SEEDS

if TYPE_CHECKING:
    from dfdbench_plugins.synthetic_faces.video import SyntheticVideo

Method = Literal["swap", "redraw", "reenact", "mouth"]


class SyntheticFaces(DatasetAdapter):
    """Videos of parametric faces; every real one has its fakes, made from the same moments.

    Splits: ``train``, ``val`` and ``test``, of different people each, with other donors each.
    """

    name: ClassVar[str] = "synthetic_faces"

    identities: int = Field(100, ge=1, description="people in the split, one real video each")
    fakes: int = Field(1, ge=1, description="manipulated videos of each person, by method in turn")
    video_frames: int = Field(8, ge=1, description="frames a video")
    methods: tuple[Method, ...] = Field(
        ("swap", "redraw", "reenact", "mouth"), min_length=1, description="manipulations to use"
    )
    camera: Literal["phone", "webcam"] = Field("phone", description="noise, blur and compression")
    size: int = Field(112, ge=32, description="side of a frame in pixels")

    def videos(self, root: Path | None, split: str) -> Iterator[Video]:
        """Real videos, each followed by its fakes; see :class:`dfdbench.api.DatasetAdapter`."""
        if split not in ("train", "val", "test"):
            raise SpecError(f"synthetic_faces has no split {split!r}; it has train, val and test")
        people, donors = SEEDS[split], SEEDS[f"{split}_donors"]
        if self.identities * self.fakes > len(donors) or self.identities > len(people):
            raise SpecError(f"synthetic_faces: the split {split} has fewer people and donors")
        for n in range(self.identities):
            person = f"person{people[n]}"
            yield Video(id=f"{person}_{self.camera}", label=REAL, target_id=person)
            for k in range(self.fakes):
                number = n * self.fakes + k
                method = self.methods[number % len(self.methods)]
                donor = donors[number]  # serves this video alone
                yield Video(
                    id=f"{person}_{method}{donor}_{self.camera}",
                    label=FAKE,
                    method=method,
                    target_id=person,
                    source_id=f"person{donor}",
                )

    def frames(self, root: Path | None, video: Video) -> FrameSource:
        """The video's frames, rendered when they are read."""
        from dfdbench_plugins.synthetic_faces.video import SyntheticVideo

        person = int(video.target_id.removeprefix("person"))
        donor = int(video.source_id.removeprefix("person")) if video.source_id else None
        recipe = SyntheticVideo(person, person, video.method or None, donor, self.camera)
        return Rendered(video, recipe, self.video_frames, self.size)


@dataclass
class Rendered:
    """The frames of a rendered video."""

    video: Video
    recipe: SyntheticVideo
    count: int
    size: int
    masks: FrameSource | None = None

    def __len__(self) -> int:
        return self.count

    def read(self, positions: Sequence[int]) -> Iterator[Frame]:
        """Render the video and yield the frames at ``positions``."""
        from dfdbench_plugins.synthetic_faces.video import render_video

        images = render_video(self.recipe, self.count, self.size)
        for position in positions:
            yield Frame(position, "", images[position])


@hookimpl
def dfdbench_datasets() -> Sequence[type[DatasetAdapter]]:
    """This adapter."""
    return [SyntheticFaces]
