"""A contact sheet of a data set's faces: what goes in, at a glance."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dfdbench import media
from dfdbench.faces import Faces

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Pick = Callable[[Sequence[int]], list[NDArray[np.uint8]]]

ACROSS, SIDE, GAP, LABEL, TOP = 10, 112, 4, 150, 34
ROWS = 14
"""Classes and methods that are shown; of more, the first in their order."""


def contact_sheet(faces: Faces, pick: Pick, title: str) -> bytes:
    """A PNG with a row for the real faces and one for each method, each face of another video.

    The faces are evenly spread over the videos of their row, so that one call gives one picture.

    Args:
        faces: all of a data set.
        pick: gives the images, (S, S, 3) uint8 RGB, of the faces at some positions.
        title: stands above them.
    """
    from PIL import Image, ImageDraw

    rows = _rows(faces)
    across = max(len(chosen) for _, _, chosen in rows)
    width = max(LABEL + across * (SIDE + GAP) + GAP, 3 * LABEL)
    picture = Image.new("RGB", (width, TOP + len(rows) * (SIDE + GAP) + GAP), "white")
    pencil = ImageDraw.Draw(picture)
    _write(pencil, (8, 8), title, 16)
    for y, (name, videos, chosen) in enumerate(rows):
        top = TOP + y * (SIDE + GAP)
        _write(pencil, (8, top + 36), name, 14)
        _write(pencil, (8, top + 56), f"{videos:,} videos", 12)
        for x, image in enumerate(pick(chosen.tolist())):
            small = Image.fromarray(media.resize(image, SIDE, "bicubic"))
            picture.paste(small, (LABEL + x * (SIDE + GAP), top))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _rows(faces: Faces) -> list[tuple[str, int, NDArray[np.int64]]]:
    """Name, number of videos and chosen faces of each class and method."""
    names = np.where(faces.labels == 0, "real", np.where(faces.method == "", "fake", faces.method))
    real_first = sorted(set(names.tolist()), key=lambda name: (name != "real", name))
    rows = []
    for name in real_first[:ROWS]:
        where = np.flatnonzero(names == name)
        _, first, counts = np.unique(faces.video_id[where], return_index=True, return_counts=True)
        middle = where[first + counts // 2]  # the first frames of a video are often black
        spread = np.linspace(0, len(middle) - 1, min(ACROSS, len(middle))).astype(int)
        rows.append((str(name), len(middle), middle[spread]))
    return rows


def _write(pencil: ImageDraw, where: tuple[int, int], text: str, size: int) -> None:
    from PIL import ImageFont

    pencil.text(where, text, fill="black", font=ImageFont.load_default(size))
