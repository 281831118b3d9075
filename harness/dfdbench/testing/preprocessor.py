"""Checks of face preprocessors, by default on pictures without any face."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdbench import media
from dfdbench.api import Face, FacePreprocessor, FrameSource
from dfdbench.errors import UnreadableError
from dfdbench.testing import samples
from dfdbench.testing.case import Case, fail, require
from dfdbench.testing.suite import check

Pictures = Sequence[NDArray[np.uint8] | None]


def _it(case: Case) -> FacePreprocessor:
    assert isinstance(case.component, FacePreprocessor)
    return case.component


def use(case: Case) -> None:
    """Take the faces of a video."""
    _taken(case)


def _pictures(case: Case) -> list[NDArray[np.uint8] | None]:
    if case.frames is None:
        return list(samples.pictures())
    frames = case.frames()
    return [frame.image for frame in frames.read(range(len(frames)))]


def _source(case: Case, pictures: Pictures | None = None, broken: bool = False) -> samples.Frames:
    id = case.frames().video.id if case.frames is not None else "video"
    return samples.Frames(_pictures(case) if pictures is None else pictures, broken, id)


def _taken(case: Case, source: FrameSource | None = None) -> list[Face]:
    return list(_it(case).faces(source or _source(case)))


@check
def every_frame_gives_a_face_or_a_reason(case: Case) -> None:
    """Faces with either an image or the reason for none, in the order of their frames."""
    faces = _taken(case)
    require(faces, "a video with readable frames gives nothing, not even a reason")
    for face in faces:
        require(isinstance(face, Face), f"faces gives {type(face).__name__}, not a Face")
        number = face.frame.index
        require(face.image is not None or face.reason, f"frame {number}: no face, and no reason")
        fits = face.image is None or not (face.reason or face.unreadable)
        require(fits, f"frame {number} has a face and a reason for none, {face.reason!r}")
    numbers = [face.frame.index for face in faces]
    require(numbers == sorted(numbers), f"the frames come in the order {numbers}")


@check
def faces_are_square_and_of_one_size(case: Case) -> None:
    """(S, S, 3) uint8, the same S for all."""
    sizes = set()
    for face in _taken(case):
        if face.image is not None:
            height, width, channels = face.image.shape
            fits = height == width and channels == 3 and face.image.dtype == np.uint8
            require(fits, f"frame {face.frame.index}: {face.image.shape} {face.image.dtype}")
            sizes.add(height)
            _check_marks(face)
    require(len(sizes) < 2, f"the faces have the sizes {sorted(sizes)}")


def _check_marks(face: Face) -> None:
    for name, shape in (("landmarks", (5, 2)), ("transform", (2, 3))):
        value: Any = getattr(face, name)
        fits = value is None or (value.shape == shape and np.isfinite(value).all())
        require(fits, f"frame {face.frame.index}: {name} are no finite array of the shape {shape}")
    if face.encoded is not None:
        same = np.array_equal(media.decode(face.encoded), face.image)  # type: ignore[arg-type]
        require(same, f"frame {face.frame.index}: `encoded` does not decode to `image`")


@check
def the_same_faces_come_every_time(case: Case) -> None:
    """Faces are a result that others rebuild: no chance, and nothing kept from the last video."""
    first, second = _taken(case), _taken(case)
    same = len(first) == len(second) and all(
        a.frame.index == b.frame.index and np.array_equal(a.image, b.image)  # type: ignore[arg-type]
        for a, b in zip(first, second, strict=True)
    )
    require(same, "taken twice from one video, the faces differ")


@check
def frames_are_asked_for_in_order(case: Case) -> None:
    """Positions from 0 to len - 1, ascending, each once: video files are decoded in order."""
    source = _source(case)
    _taken(case, source)
    require(source.asked, "it asks for no frame")


@check
def an_unreadable_frame_is_said_and_the_others_are_taken(case: Case) -> None:
    """A Face with ``unreadable`` and a reason, not an exception."""
    pictures = _pictures(case)
    pictures[0] = None
    source = _source(case, pictures)
    faces = _taken(case, source)
    if 0 not in source.asked:
        return
    found = [face for face in faces if face.frame.index == 0]
    said = bool(found) and all(f.unreadable and f.reason and f.image is None for f in found)
    require(said, f"frame 0 cannot be read, and it gives {found}")


@check
def an_unreadable_video_raises(case: Case) -> None:
    """UnreadableError goes through, so that the video is counted as damaged."""
    try:
        faces = _taken(case, _source(case, broken=True))
    except UnreadableError:
        return
    except Exception as error:
        fail(f"UnreadableError becomes {type(error).__name__}: {error}")
    fail(f"UnreadableError is swallowed, and {len(faces)} faces come out")


@check
def frames_are_left_as_they_are(case: Case) -> None:
    """Frames may be used again, as for the masks of a manipulation."""
    pictures = _pictures(case)
    kept = [None if picture is None else picture.copy() for picture in pictures]
    _taken(case, _source(case, pictures))
    same = all(np.array_equal(a, b) for a, b in zip(pictures, kept, strict=True))  # type: ignore[arg-type]
    require(same, "it writes into the frames that it is given")


CHECKS = (
    every_frame_gives_a_face_or_a_reason,
    faces_are_square_and_of_one_size,
    the_same_faces_come_every_time,
    frames_are_asked_for_in_order,
    an_unreadable_frame_is_said_and_the_others_are_taken,
    an_unreadable_video_raises,
    frames_are_left_as_they_are,
)
