"""The eight kinds of component and the data that pass between them.

This module is the whole of what a plugin builds on. It imports no torch: a command that only lists
components must start at once.

Labels are 0 for real and 1 for fake. Images are RGB, uint8, (H, W, 3) as arrays and (B, 3, H, W)
as tensors.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from dfdbench.component import Component
from dfdbench.progress import Progress, Silent

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from dfdbench.encoder import Encoder
    from dfdbench.faces import Faces

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


class DatasetAdapter(Component):
    """Reads a data set as its owner distributes it."""

    kind: ClassVar[str] = "dataset"
    owns_ids: ClassVar[bool] = True
    """Equal ids mean the same video or person whatever the options, as where ids come from the
    owner's file names. False: only with the same options, as where the user names the videos."""

    @abstractmethod
    def videos(self, root: Path | None, split: str) -> Iterable[Video]:
        """List the videos of a split.

        Args:
            root: the folder of ``--data`` (or ``DFDBENCH_DATA``), None where none was given.
            split: the split's name in the spec.

        Raises:
            MissingError: a file or folder is not there; names it, what was looked for, and where
                the data is asked for.
            SpecError: the data set has no such split.
        """

    def frames(self, root: Path | None, video: Video) -> FrameSource:
        """The frames of a video of this data set; by default read from ``video.files``."""
        from dfdbench.media import open_frames

        return open_frames(self.folder(root), video)

    def notes(self, root: Path | None, split: str) -> Iterable[str]:
        """What a reader should know of this copy of the data, a sentence each."""
        return ()

    def folder(self, root: Path | None) -> Path | None:
        """The folder that ``Video.files`` are relative to; by default ``root``."""
        return root


class FacePreprocessor(Component):
    """Takes aligned faces from the frames of a video."""

    kind: ClassVar[str] = "preprocessor"

    @abstractmethod
    def faces(self, frames: FrameSource) -> Iterator[Face]:
        """Yield a face, or the reason for none, for every frame that was looked at.

        All faces have one size. A frame that cannot be read is a face with ``unreadable`` set,
        not an exception; a video that cannot be read at all raises UnreadableError.
        """


class Transform(Component):
    """An operation on images: random as augmentation, of fixed strength as perturbation."""

    kind: ClassVar[str] = "transform"

    @abstractmethod
    def augment(self, images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """Change each image at random, drawing from ``rng`` only.

        ``images`` (B, 3, H, W) uint8; returns the same shape and type; may write in place.
        """

    @abstractmethod
    def perturb(self, images: torch.Tensor) -> torch.Tensor:
        """Change every image by the same fixed strength; (B, 3, H, W) uint8 to the same."""

    def check_perturbation(self) -> None:
        """Raise ValueError where the options do not give one strength, such as a range."""


class Backbone(Component):
    """Builds an encoder: images to one feature vector each."""

    kind: ClassVar[str] = "backbone"

    @abstractmethod
    def build(self) -> Encoder:
        """A new encoder with its pretrained weights (:class:`dfdbench.encoder.Encoder`).

        Weights that are not pretrained are drawn from torch's global generator, which the caller
        seeds.

        Raises:
            MissingError: the weights cannot be found; says where they were looked for.
            DataError: the weights belong to another architecture.
        """


class PeftStrategy(Component):
    """Decides which parameters of an encoder train."""

    kind: ClassVar[str] = "peft"

    @abstractmethod
    def apply(self, encoder: Encoder) -> Encoder:
        """Set ``requires_grad`` on what trains, or put new modules in; returns the encoder.

        Every parameter of ``encoder`` comes frozen. Checkpoints hold the parameters that have
        ``requires_grad`` set afterwards, by name, so a second ``apply`` to a fresh encoder must
        give the same names.
        """


class Regularizer(Component):
    """Acts on the features between encoder and head; override what it does, leave the rest."""

    kind: ClassVar[str] = "regularizer"

    def augment(self, z: torch.Tensor, y: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """Change features in training: z (B, D) float, y (B,) int64 labels; returns (B, D)."""
        return z

    def project(self, z: torch.Tensor) -> torch.Tensor:
        """Map features in training and in testing, (B, D) to (B, D)."""
        return z

    def penalty(self, z: torch.Tensor, y: torch.Tensor) -> torch.Tensor | float:
        """A scalar to add to the loss, from the projected features (B, D) and labels (B,)."""
        return 0.0


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


class Detector(Component):
    """A whole detector: learns from labelled faces, gives each face a probability of being fake."""

    kind: ClassVar[str] = "detector"
    trains: ClassVar[bool] = True
    """False: it only scores, so it is run once, not for each train set and seed."""

    @abstractmethod
    def fit(self, train: Faces, validation: Faces | None, context: Context) -> Fit:
        """Train and write into ``context.folder`` what :meth:`score` needs.

        Raises:
            TrainingError: training cannot go on; names the step and the faces.
        """

    @abstractmethod
    def score(self, faces: Faces, context: Context) -> NDArray[np.floating[Any]]:
        """p(fake) in [0, 1] for every face, shape (N,), in the order of ``faces``.

        May not depend on the order of the faces or on how they are batched; NaN marks a face
        that the detector cannot score.
        """


class Log(Protocol):
    """One training that a logger follows; what its methods raise never ends the training."""

    def record(self, record: Mapping[str, Any]) -> None:
        """Take in what a detector logged of an epoch (:attr:`Context.log`)."""
        ...

    def finish(self, done: bool) -> None:
        """Called once at the end; ``done`` is False where the training failed or was stopped."""
        ...


class Logger(Component):
    """Shows trainings elsewhere while they run; no result depends on it."""

    kind: ClassVar[str] = "logger"

    @abstractmethod
    def start(self, title: str, key: str, config: Mapping[str, Any]) -> Log:
        """Begin to follow a training, or go on where it was interrupted.

        Args:
            title: detector, train set and seed.
            key: names this training and no other, also when it is taken up again.
            config: the detector's options and the seed, as JSON values.

        Raises:
            MissingError: its library is not installed; names the extra that brings it.
        """
