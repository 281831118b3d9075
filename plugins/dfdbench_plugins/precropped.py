"""For data sets whose files are faces already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from pydantic import Field

from dfdbench import hookimpl, media
from dfdbench.api import Face, FacePreprocessor, FrameSource


class Precropped(FacePreprocessor):
    """Takes each frame as a face, byte for byte where it has the wanted size already."""

    name: ClassVar[str] = "precropped"

    size: int | None = Field(
        None, ge=8, description="side in pixels; others are resized by Pillow; null: as they are"
    )
    frames: int | None = Field(
        None, ge=1, description="at most so many frames a video, evenly spread; null: all"
    )

    def faces(self, frames: FrameSource) -> Iterator[Face]:
        """One face a frame; see :class:`dfdbench.api.FacePreprocessor`."""
        for frame in frames.read(spread(len(frames), self.frames)):
            image = frame.image
            if image is None:
                yield Face(frame, None, reason=frame.error, unreadable=True)
            elif self.size is None or image.shape[:2] == (self.size, self.size):
                yield Face(frame, image, encoded=frame.encoded)
            else:
                yield Face(frame, media.resize(image, self.size, "bicubic"))


def spread(count: int, wanted: int | None) -> list[int]:
    """``wanted`` of ``count`` positions, evenly spread with both ends, or all where fewer.

    >>> spread(10, 4)
    [0, 3, 6, 9]
    """
    if wanted is None or wanted >= count:
        return list(range(count))
    if wanted == 1:
        return [0]
    return [n * (count - 1) // (wanted - 1) for n in range(wanted)]


@hookimpl
def dfdbench_preprocessors() -> Sequence[type[FacePreprocessor]]:
    """This preprocessor."""
    return [Precropped]
