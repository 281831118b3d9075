"""Reads frames from files, and images from bytes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from dfdbench.api import Frame, FrameSource, Video

if TYPE_CHECKING:
    from numpy.typing import NDArray


VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")


def open_frames(root: Path | None, video: Video) -> FrameSource:
    """The frames of ``video.files``, paths below ``root``: one video file, or image files."""
    if len(video.files) == 1 and video.files[0].lower().endswith(VIDEO_SUFFIXES):
        from dfdbench.media.video import VideoFile

        return VideoFile(root, video)
    return ImageFiles(root, video)


def open_masks(root: Path | None, video: Video) -> FrameSource | None:
    """The frames of ``video.masks`` in the same way; None where there are none."""
    return open_frames(root, replace(video, files=video.masks, masks=())) if video.masks else None


class ImageFiles:
    """Frames that somebody stored as one image file each."""

    def __init__(self, root: Path | None, video: Video) -> None:
        self.video = video
        self.masks = open_masks(root, video)
        self._root = root or Path()

    def __len__(self) -> int:
        return len(self.video.files)

    def read(self, positions: Sequence[int]) -> Iterator[Frame]:
        """Yield the frames at ``positions``; an unreadable file is a frame with an error."""
        for position in positions:
            name = self.video.files[position]
            indices = self.video.frame_indices
            index = indices[position] if indices else position
            try:
                path = self._root / name
                if path.is_fifo():
                    raise OSError("is not a regular file")  # and might never answer
                encoded = path.read_bytes()
                yield Frame(index, name, decode(encoded), encoded)
            except (OSError, ValueError, SyntaxError) as error:  # Pillow raises all three
                yield Frame(index, name, None, error=_reason(error))


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return "not an image" if "cannot identify image" in text else text


def decode(encoded: bytes) -> NDArray[np.uint8]:
    """An image file's bytes as (H, W, 3) uint8 RGB.

    Raises:
        OSError, ValueError: not an image, or a truncated one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(encoded)) as image:
                return np.asarray(image.convert("RGB"))
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise ValueError(str(error)) from error


def encode(image: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) uint8 RGB as PNG, which keeps every bit."""
    import cv2

    # On real crops these settings are as small as Pillow's best of this level, in two thirds of
    # the time.
    settings = {
        cv2.IMWRITE_PNG_COMPRESSION: 1,
        cv2.IMWRITE_PNG_STRATEGY: cv2.IMWRITE_PNG_STRATEGY_RLE,
        cv2.IMWRITE_PNG_FILTER: cv2.IMWRITE_PNG_FILTER_PAETH,
    }
    flat = [value for setting in settings.items() for value in setting]
    _, encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), flat)
    return bytes(encoded)


def resize(image: NDArray[np.uint8], size: int, interpolation: str) -> NDArray[np.uint8]:
    """Shorter side to ``size`` by Pillow, then the central square: (size, size, 3) uint8."""
    height, width = image.shape[:2]
    if (height, width) == (size, size):
        return image
    scale = size / min(height, width)
    new = (max(size, round(width * scale)), max(size, round(height * scale)))
    how = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
    resized = Image.fromarray(image).resize(new, how[interpolation])
    left, top = (new[0] - size) // 2, (new[1] - size) // 2
    return np.asarray(resized.crop((left, top, left + size, top + size)))
