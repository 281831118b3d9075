"""The eight kinds of component."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dfdbench.api.data import Context, Face, Fit, FrameSource, Log, Video
from dfdbench.component import Component

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from dfdbench.encoder import Encoder
    from dfdbench.faces import Faces


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
