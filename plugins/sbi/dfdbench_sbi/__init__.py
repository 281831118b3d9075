"""Self-blended images: fakes made of real faces alone, each from one frame and a copy of it.

Two components work together. The adapter ``sbi`` lists every real video of another data set twice:
as it is, and once more as a fake of the method ``sbi``. The preprocessor ``sbi_faces`` takes faces
by another preprocessor, and blends those of the second kind: only then are there aligned faces with
landmarks. Faces of all other videos pass byte for byte, so one ``faces:`` serves the test sets too.

::

    faces: {use: sbi_faces, of: {use: aligned_faces, frames: 32}}
    train_sets:
      sbi: {dataset: {use: sbi, of: {use: faceforensics}}, train: train, validation: val}

Source: Shiohara & Yamasaki 2022, Detecting Deepfakes with Self-Blended Images (arXiv:2204.08376).
What differs: the face stage knows 5 landmarks where the paper has 68 or more, so that the mask
starts as an ellipse through what they say of the face's place, size and turn, not as their convex
hull; and a face is blended once, when it is taken, where the paper draws anew in every epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from dfdbench import hookimpl
from dfdbench.api import (
    FAKE,
    REAL,
    DatasetAdapter,
    Face,
    FacePreprocessor,
    Frame,
    FrameSource,
    Video,
)

if TYPE_CHECKING:
    import numpy as np

PREFIX = METHOD = "sbi"


class Sbi(DatasetAdapter):
    """The real videos of another data set, and each once more to be blended with itself."""

    name: ClassVar[str] = "sbi"

    of: DatasetAdapter = Field(description="the data set whose real videos are taken")

    def videos(self, root: Path | None, split: str) -> Iterator[Video]:
        """Each real video, then its copy; see :class:`dfdbench.api.DatasetAdapter`."""
        for video in self.of.videos(root, split):
            if video.label == REAL:
                real = replace(video, masks=())
                yield real
                yield replace(
                    real,
                    id=f"{PREFIX}/{video.id}",
                    label=FAKE,
                    method=METHOD,
                    source_id=video.target_id,
                )

    def frames(self, root: Path | None, video: Video) -> FrameSource:
        """The frames of the real video, of a copy too."""
        if video.method != METHOD:
            return self.of.frames(root, video)
        real = replace(
            video, id=video.id.removeprefix(f"{PREFIX}/"), label=REAL, method="", source_id=""
        )
        return ToBlend(video, self.of.frames(root, real))

    def notes(self, root: Path | None, split: str) -> Iterable[str]:
        """Those of the data set."""
        return self.of.notes(root, split)

    def folder(self, root: Path | None) -> Path | None:
        """That of the data set."""
        return self.of.folder(root)

    def original(self) -> DatasetAdapter:
        """The data set: its videos and people are the same through either."""
        return self.of.original()


class ToBlend:
    """The frames of a real video, under the name of its self-blended copy."""

    def __init__(self, video: Video, real: FrameSource) -> None:
        self.video, self.real = video, real
        self.masks: FrameSource | None = None

    def __len__(self) -> int:
        return len(self.real)

    def read(self, positions: Sequence[int]) -> Iterator[Frame]:
        """Yield the real video's frames at ``positions``."""
        return self.real.read(positions)


class SbiFaces(FacePreprocessor):
    """Takes faces by another preprocessor; blends those of the copies that ``sbi`` lists."""

    name: ClassVar[str] = "sbi_faces"

    of: FacePreprocessor = Field(description="finds the faces, and their landmarks")
    seed: int = Field(0, ge=0, description="another one blends every face in another way")

    def faces(self, frames: FrameSource) -> Iterator[Face]:
        """See :class:`dfdbench.api.FacePreprocessor`; a face without landmarks is not blended."""
        found = self.of.faces(frames)
        if isinstance(frames, ToBlend):
            found = (self._blended(face, frames.video.id) for face in found)
        yield from found

    def _blended(self, face: Face, video_id: str) -> Face:
        import numpy as np

        from dfdbench_sbi.blending import self_blended

        if face.image is None:
            return face
        if face.landmarks is None or face.transform is None:
            reason = f"{self.of.name} found no landmarks, and {self.name} needs them"
            return replace(face, image=None, encoded=None, reason=reason)
        inside = face.landmarks @ face.transform[:, :2].T + face.transform[:, 2]
        rng = np.random.default_rng(_entropy(self.seed, video_id, face.frame.index))
        return replace(face, image=self_blended(face.image, inside, rng), encoded=None)


def _entropy(*parts: object) -> np.random.SeedSequence:
    """A seed that depends on the parts alone, not on what was drawn before."""
    import hashlib

    import numpy as np

    digest = hashlib.sha256(repr(parts).encode()).digest()
    return np.random.SeedSequence(int.from_bytes(digest, "big"))


@hookimpl
def dfdbench_datasets() -> Sequence[type[DatasetAdapter]]:
    """This adapter."""
    return [Sbi]


@hookimpl
def dfdbench_preprocessors() -> Sequence[type[FacePreprocessor]]:
    """This preprocessor."""
    return [SbiFaces]
