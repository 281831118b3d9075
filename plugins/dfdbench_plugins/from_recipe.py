"""Cuts the faces that somebody else found, from the owner's videos, without a detector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from dfdbench import hookimpl
from dfdbench.api import Face, FacePreprocessor, Frame, FrameSource


class FromRecipe(FacePreprocessor):
    """Rebuilds the faces of a recipe that `dfdbench faces --export` wrote.

    The results say how many of the faces have the very bytes of the original ones.
    """

    name: ClassVar[str] = "from_recipe"

    path: Path = Field(description="the recipe, a Parquet file")

    def missing(self) -> list[str]:
        """The recipe, where it is not there."""
        return [] if self.path.is_file() else [f"no face recipe at {self.path}"]

    def faces(self, frames: FrameSource) -> Iterator[Face]:
        """The recipe's faces of the video; see :class:`dfdbench.api.FacePreprocessor`."""
        from dfdbench_plugins.aligned_faces.alignment import warp

        wanted = _by_video(self.path).get(frames.video.id)
        if not wanted:
            yield Face(Frame(-1, "", None), None, reason="the recipe has no face of this video")
            return
        numbers: Sequence[int] = frames.video.frame_indices
        if len(numbers) != len(frames):  # a video file: its frames are numbered from 0
            numbers = range(len(frames))
        positions = {number: n for n, number in enumerate(numbers)}
        known = sorted(index for index in wanted if index in positions)
        for index in sorted(wanted.keys() - positions.keys()):
            yield Face(Frame(index, "", None), None, reason="not in the video", unreadable=True)
        for frame in frames.read([positions[index] for index in known]):
            face = wanted[frame.index]
            if frame.image is None:
                yield Face(frame, None, reason=frame.error, unreadable=True)
                continue
            transform = np.array(face["transform"]).reshape(2, 3)
            yield Face(
                Frame(frame.index, frame.path, None),
                warp(frame.image, transform, face["size"]),
                landmarks=np.array(face["landmarks"]).reshape(5, 2),
                transform=transform,
                expected=face["sha256"],
            )


def _by_video(path: Path) -> dict[str, dict[int, dict[str, Any]]]:
    found = path.stat()
    return _grouped(path, found.st_size, found.st_mtime_ns)


@cache
def _grouped(path: Path, size: int, mtime: int) -> dict[str, dict[int, dict[str, Any]]]:
    """The recipe's faces by video and frame; read once in each process, unless it changes."""
    from dfdbench.data import recipes  # brings pyarrow, which a list of components can do without

    found: dict[str, dict[int, dict[str, Any]]] = {}
    for face in recipes.read(path).to_pylist():
        found.setdefault(face["video_id"], {})[face["frame_index"]] = face
    return found


@hookimpl
def dfdbench_preprocessors() -> Sequence[type[FacePreprocessor]]:
    """This preprocessor."""
    return [FromRecipe]
