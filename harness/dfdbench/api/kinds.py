"""The eight kinds of component."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dfdbench.api.data import Context, Face, Fit, FrameSource, Log, Video
from dfdbench.component import Component
from dfdbench.errors import SpecError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import nn

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

    def original(self) -> DatasetAdapter:
        """The data set whose videos and people these are; an adapter around another names it.

        By it leaks are found: what is trained on through one adapter and tested through another.
        """
        return self


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
    per_video: ClassVar[bool] = False
    """True: :meth:`perturb` gets the faces of one video at a time, all, in the order of frames.
    False: any batch, on which the result of an image may not depend."""
    training_only: ClassVar[tuple[str, ...]] = ()
    """Options that a perturbation does not look at, so that none of them is its strength."""

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

    def does_nothing(self) -> bool:
        """Whether the perturbation has the strength zero: each image comes back bit for bit.

        Only then may it leave all faces of a test set as they are, and then it must.
        """
        return False


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

    def penalty(self, encoder: Encoder) -> torch.Tensor | float:
        """A scalar to add to the loss at every step, from what :meth:`apply` made of an encoder."""
        return 0.0


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
    looks: ClassVar[bool] = True
    """False: it scores without looking at the faces, as from a table, so nothing perturbs it."""
    whole_videos: ClassVar[bool] = False
    """True: the score belongs to a video. A face's score may depend on the other faces of its
    video, which are always scored in one call; all of them should get the same."""

    @abstractmethod
    def fit(self, train: Faces, validation: Faces | None, context: Context) -> Fit:
        """Train and write into ``context.folder`` what :meth:`score` needs.

        Raises:
            TrainingError: training cannot go on; names the step and the faces.
        """

    @abstractmethod
    def score(self, faces: Faces, context: Context) -> NDArray[np.floating[Any]]:
        """p(fake) in [0, 1] for every face, shape (N,), in the order of ``faces``.

        May not depend on the order of the faces or on how they are batched, nor on other videos;
        on the other faces of its video only with ``whole_videos``. NaN marks a face that the
        detector cannot score.
        """

    def module(self, size: int, context: Context) -> nn.Module:
        """The trained network with its preprocessing, to be exported; optional.

        Maps faces (N, 3, size, size) uint8 to the p(fake) (N,) float32 that :meth:`score` gives
        them, in evaluation mode, by operations that torch can trace.
        :class:`dfdbench.export.graph.FromFaces` puts resizing and normalising before a network.

        Raises:
            SpecError: there is no such network, as by default.
        """
        raise SpecError(
            f"the detector {self.name!r} gives no network that could be exported; predict with it "
            "where dfdbench is installed (a plugin's author adds it as the method `module`)"
        )


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
