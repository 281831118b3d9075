"""The data that pass between the components."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from dfdbench.progress import Progress, Silent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

REAL, FAKE = 0, 1
SCRATCH = "scratch"
"""Folder inside a detector's folder for what only its training needs; gone once that is done."""


@dataclass(frozen=True, slots=True)
class Video:
    """One video of a data set, or the frames that somebody took from it.

    Attributes:
        id: unique within the data set; frames of one video share it.
        label: 0 real, 1 fake.
        files: paths below the data set's root (absolute where there is no common root): one video
            file, or one image a frame. Empty where the adapter makes the frames itself.
        frame_indices: the frame's number in its video, one a file of frames; empty: 0, 1, 2, ...
        method: the manipulation, empty for a real video.
        target_id: identity whose video was manipulated (of a real video: who is seen).
        source_id: identity whose face was put in.
        masks: where the manipulation is, white on black: one video, or one image a file of frames.
        sha256: of each file, where the adapter knows it; the files need not be read to index them.
    """

    id: str
    label: int
    files: tuple[str, ...] = ()
    frame_indices: tuple[int, ...] = ()
    method: str = ""
    target_id: str = ""
    source_id: str = ""
    masks: tuple[str, ...] = ()
    sha256: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, before any face is taken from it.

    Attributes:
        index: its number in the video.
        path: where it was read, as the data set names it; empty where it was made.
        image: (H, W, 3) uint8 RGB, or None where it cannot be read.
        encoded: the file's own bytes where the frame is an image file, kept so that a face that
            is the whole frame is stored without being encoded again.
        error: why ``image`` is None.
    """

    index: int
    path: str
    image: NDArray[np.uint8] | None
    encoded: bytes | None = None
    error: str = ""


class FrameSource(Protocol):
    """The frames of one video, read when they are asked for.

    Both methods raise UnreadableError where there is a video that cannot be read at all.
    """

    video: Video
    masks: FrameSource | None
    """Masks of the manipulation at the same positions, None where there are none."""

    def __len__(self) -> int:
        """Number of frames."""
        ...

    def read(self, positions: Sequence[int]) -> Iterator[Frame]:
        """Yield the frames at ``positions`` (0 to len - 1, ascending, each once)."""
        ...


@dataclass(frozen=True, slots=True)
class Face:
    """One aligned face, or the reason why a frame gave none.

    Attributes:
        frame: the frame that it was taken from.
        image: (S, S, 3) uint8 RGB, S the same for all faces of a preprocessor; None: no face.
        encoded: lossless bytes of ``image`` where they exist already.
        reason: why there is no face.
        unreadable: the frame could not be read (a fault of the data, unlike a frame with no face).
        landmarks: (5, 2) float64, x and y in the frame: the eye on the image's left, the other
            eye, nose, the mouth corner on the image's left, the other corner.
        transform: (2, 3) float64, maps the frame's x and y to those of ``image``.
        expected: sha256 that the pixels should have, where somebody else's are rebuilt.
    """

    frame: Frame
    image: NDArray[np.uint8] | None
    encoded: bytes | None = None
    reason: str = ""
    unreadable: bool = False
    landmarks: NDArray[np.float64] | None = None
    transform: NDArray[np.float64] | None = None
    expected: str = ""


@dataclass
class Fit:
    """What a detector says of its training; goes into the results.

    Attributes:
        selection: how the checkpoint was chosen, e.g. ``last epoch`` or
            ``best video mAP on validation``.
        selected_on: the data that chose it.
        epoch: the chosen epoch, counted from 1; 0 where there are none.
        trainable: number of parameters that trained.
        parameters: number of all parameters.
        history: one record an epoch: loss terms, learning rate, validation metrics.
        notes: whatever else a reader should know, such as the precision that was used.
    """

    selection: str = "none"
    selected_on: Literal["validation", "none", "test"] = "none"
    epoch: int = 0
    trainable: int = 0
    parameters: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)


def _unheard(record: Mapping[str, Any]) -> None:
    """Keep no record of an epoch."""


@dataclass
class Context:
    """What a detector gets besides the data.

    Attributes:
        folder: the detector's own folder. ``fit`` writes there what ``score`` needs, and below
            ``scratch`` what only ``fit`` needs; after an interruption ``fit`` is called again with
            the same folder and may go on from what it left. ``score`` only reads.
        seed: the only source of randomness, with what is derived from it.
        device: a torch device, such as ``cpu`` or ``cuda:0``.
        workers: processes that may load data; 0: none but this one.
        processes: processes, each with a device of its own, that may train together; results may
            differ by the order of floating-point sums, no more.
        progress: shows how far long work is.
        log: called by ``fit`` with the record of each epoch as it ends: ``epoch``, counted from 1,
            and numbers or mappings of numbers (see ``Fit.history``). A record that was logged
            before is not kept twice; an epoch that was logged before with other values takes the
            place of that epoch and of all after it.
    """

    folder: Path
    seed: int = 0
    device: str = "cpu"
    workers: int = 0
    processes: int = 1
    progress: Progress = field(default_factory=Silent)
    log: Callable[[dict[str, Any]], None] = _unheard

    @property
    def scratch(self) -> Path:
        """Folder that vanishes when the training is finished; made by who writes there."""
        return self.folder / SCRATCH


class Log(Protocol):
    """One training that a logger follows; what its methods raise never ends the training."""

    def record(self, record: Mapping[str, Any]) -> None:
        """Take in what a detector logged of an epoch (:attr:`Context.log`)."""
        ...

    def finish(self, done: bool) -> None:
        """Called once at the end; ``done`` is False where the training failed or was stopped."""
        ...
