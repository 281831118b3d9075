"""From files to scores: frames, faces as in the detector's training, p(fake) of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dfdbench import media
from dfdbench.api import REAL, Context, Face, FacePreprocessor, Video
from dfdbench.errors import DataError, DfdbenchError
from dfdbench.faces import Faces
from dfdbench.predict.finding import Trained
from dfdbench.runtime import Runtime
from dfdbench.stages.score import probabilities

Kind = Literal["video", "image"]


@dataclass
class Look:
    """One face of a file.

    Attributes:
        frame: the frame's number in its video, 0 for an image.
        corners: (4, 2) float64, x and y in the frame, of the square that became the face, from
            its upper left corner on; None where the preprocessor does not say.
        image: (S, S, 3) uint8, as the detector sees it.
        score: p(fake); NaN: the detector cannot score it.
    """

    frame: int
    corners: NDArray[np.float64] | None
    image: NDArray[np.uint8]
    score: float = float("nan")


@dataclass
class Found:
    """What there is to say of one file.

    Attributes:
        path: as it was given.
        kind: a video, or an image.
        frames: how many frames were looked at.
        looks: the faces, by frame.
        reason: why there is no score; empty where there is one.
        unreadable: the file, or all that was looked at of it, could not be read.
    """

    path: Path
    kind: Kind
    frames: int = 0
    looks: list[Look] = field(default_factory=list)
    reason: str = ""
    unreadable: bool = False

    @property
    def score(self) -> float | None:
        """Mean p(fake) of the frames, as the benchmark scores a video; None: there is none."""
        scores = [score for score in self.by_frame.values() if not np.isnan(score)]
        return float(np.mean(scores)) if scores else None

    @property
    def by_frame(self) -> dict[int, float]:
        """Frame -> mean p(fake) of its faces, NaN where none could be scored."""
        scores: dict[int, list[float]] = {}
        for look in self.looks:
            scores.setdefault(look.frame, [])
            if not np.isnan(look.score):
                scores[look.frame].append(look.score)
        return {n: float(np.mean(each)) if each else np.nan for n, each in scores.items()}


def predict(trained: Trained, files: Sequence[Path], runtime: Runtime) -> list[Found]:
    """Take and score the faces of every file; one that cannot be read does not stop the others.

    Raises:
        DataError: the faces differ in size, so that they cannot be scored together.
        DfdbenchError: the detector returns no probabilities, or cannot be loaded.
    """
    found = []
    with runtime.progress.task("take faces", len(files)) as task:
        for file in files:
            found.append(look_at(trained.preprocessor, file))
            task.advance(1, file.name)
    score(trained, found, runtime)
    return found


def look_at(preprocessor: FacePreprocessor, path: Path) -> Found:
    """The faces of one file, not scored yet."""
    kind: Kind = "video" if path.name.lower().endswith(media.VIDEO_SUFFIXES) else "image"
    found = Found(path, kind)
    reasons: list[str] = []
    unreadable = 0
    try:
        for face in _faces(preprocessor, path):
            found.frames += 1
            unreadable += face.unreadable
            if face.image is None:
                reasons.append(face.reason)
            else:
                found.looks.append(Look(_frame(face, kind), corners_of(face), face.image))
    except (DataError, OSError) as error:
        found.looks, found.unreadable, found.reason = [], True, str(error)
        return found
    if not found.looks:
        found.unreadable = bool(unreadable) and unreadable == found.frames
        found.reason = reasons[0] if reasons else "has no frame"
    return found


def _faces(preprocessor: FacePreprocessor, path: Path) -> Iterator[Face]:
    if not path.is_file():
        raise DataError("is a folder" if path.is_dir() else "no such file")
    video = Video(path.name, REAL, files=(str(path.absolute()),))  # the label is never looked at
    return preprocessor.faces(media.open_frames(None, video))


def _frame(face: Face, kind: Kind) -> int:
    return face.frame.index if kind == "video" else 0


def corners_of(face: Face) -> NDArray[np.float64] | None:
    """Where in the frame the corners of a face's picture are: (4, 2), in the order of a clock."""
    if face.image is None:
        return None
    # Whole coordinates are centres of pixels, so that corners lie at halves.
    unit = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    tall, wide = face.image.shape[:2]
    if face.transform is not None:
        back = np.linalg.inv(face.transform[:, :2])
        corners: NDArray[np.float64] = (unit * (wide, tall) - 0.5 - face.transform[:, 2]) @ back.T
        return corners
    if face.frame.image is None:
        return None
    height, width = face.frame.image.shape[:2]
    # Without a transform the face is the frame, or the square in its middle.
    side = min(height, width)
    extent = (side, side) if tall == wide else (width, height)
    start = np.array([width - extent[0], height - extent[1]]) / 2
    centred: NDArray[np.float64] = start + unit * extent - 0.5
    return centred


def score(trained: Trained, found: Sequence[Found], runtime: Runtime) -> None:
    """Put the scores into the looks; the detector is asked once, for all faces together."""
    looks = [look for each in found for look in each.looks]
    if not looks:
        return
    context = Context(trained.folder, device=runtime.torch_device(), progress=runtime.progress)
    returned = trained.detector.score(faces_of(found), context)
    try:
        scores = probabilities(returned, len(looks))
    except ValueError as error:
        raise DfdbenchError(f"the detector {trained.title} {error}") from error
    for look, p_fake in zip(looks, scores.tolist(), strict=True):
        look.score = p_fake
    for each in found:
        if each.looks and each.score is None:
            each.reason = "the detector cannot score its faces"


def faces_of(found: Sequence[Found], name: str = "files") -> Faces:
    """The faces of all files as a detector takes them; a file is a video.

    Raises, when the pixels are asked for:
        DataError: the faces differ in size.
    """
    rows = [(n, each, look) for n, each in enumerate(found) for look in each.looks]

    def load(size: int | None, interpolation: str) -> NDArray[np.uint8]:
        images = [look.image for _, _, look in rows]
        if size is not None:
            images = [media.resize(image, size, interpolation) for image in images]
        sizes = sorted({image.shape[:2] for image in images})
        if len(sizes) > 1:
            raise DataError(
                f"the faces of these files have {len(sizes)} sizes, {sizes[0]} and {sizes[1]} say, "
                "and the detector takes them all at once: predict files of one size together"
            )
        return np.stack(images)

    return Faces(
        name=name,
        labels=np.full(len(rows), REAL, dtype=np.int64),
        # The number keeps two files of one name apart, and the files in their order.
        video_id=np.array([f"{n:06d} {each.path.name}" for n, each, _ in rows], dtype=np.str_),
        frame_index=np.array([look.frame for _, _, look in rows], dtype=np.int64),
        path=np.array([str(each.path) for _, each, _ in rows], dtype=np.str_),
        method=np.array([""] * len(rows), dtype=np.str_),
        load=load,
    )


def exit_code(found: Sequence[Found]) -> int:
    """3 where a file could not be read, else 0: a file without a face is no fault."""
    return 3 if any(each.unreadable for each in found) else 0
