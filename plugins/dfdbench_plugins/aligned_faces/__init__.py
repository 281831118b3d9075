"""Aligned faces out of videos: choose frames, find faces, follow one person, align."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from dfdbench import hookimpl
from dfdbench.api import Face, FacePreprocessor, FrameSource


class AlignedFaces(FacePreprocessor):
    """Finds faces by YuNet, follows one person through the video, and aligns the crops.

    Where the data set has masks of the manipulation, the person is the one whom they cover most,
    else the one who takes the largest area in sum.
    """

    name: ClassVar[str] = "aligned_faces"

    frames: int = Field(32, ge=1, description="frames a video")
    choose: Literal["linspace", "at_least"] = Field(
        "linspace",
        description="linspace: evenly spread over the video; at_least: from its middle outwards "
        "until so many frames have a face",
    )
    scale: float = Field(1.3, gt=0, description="side of the crop over that of the bare face")
    size: int = Field(256, ge=8, description="side of the crop in pixels")
    template: Literal["deepfakebench", "gend"] = Field(
        "deepfakebench", description="where eyes, nose and mouth come to lie"
    )
    threshold: float = Field(0.6, gt=0, lt=1, description="least score of a face, by YuNet")
    align: bool = Field(
        True, description="false: the square around the face's box, neither turned nor aligned"
    )

    def faces(self, frames: FrameSource) -> Iterator[Face]:
        """One face or miss a frame; see :class:`dfdbench.api.FacePreprocessor`."""
        from dfdbench_plugins.aligned_faces.detection import single_thread
        from dfdbench_plugins.aligned_faces.looking import faces_of

        with single_thread():
            found = faces_of(self, frames)
        yield from found


@hookimpl
def dfdbench_preprocessors() -> Sequence[type[FacePreprocessor]]:
    """This preprocessor."""
    return [AlignedFaces]
