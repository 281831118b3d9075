"""LSDA: a student learns real and fake faces, and the wider space of fakes that its teachers show.

Two teachers look at a face. The one for real faces is the backbone as it is; the one for fakes
learns to tell their methods apart. The features of the second are moved about in the space between
and around the methods, as if there were more of them; the student's features are drawn to those, or
for a real face to the first teacher's. Only the student scores.

    loss = cross-entropy of the student's head (real, fake)
         + domain * cross-entropy of the fakes' teacher (method)
         + distillation * mean squared difference of student's and teachers' features

Source: Yan et al. 2024, Transcending Forgery Specificity with Latent Space Augmentation for
Generalizable Deepfake Detection (arXiv:2311.11278). What differs: features are vectors, not maps,
so that the turning and scaling of maps is left out; what is moved within its method and what is
moved towards another are averaged, where the paper learns how to fuse them; the teacher of real
faces is the backbone instead of a face recogniser. The weights of the terms are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from dfdbench import hookimpl
from dfdbench.api import Backbone, Context, Detector, Fit, PeftStrategy, Transform

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dfdbench.faces import Faces


class Lsda(Detector):
    """A student between two teachers, with features augmented within and across methods."""

    name: ClassVar[str] = "lsda"

    backbone: Backbone = Field(description="builds the student and both teachers")
    peft: PeftStrategy = Field(description="what trains of the student and of the fakes' teacher")
    epochs: int = Field(10, ge=1)
    batch_size: int = Field(32, ge=4, description="faces a step, half of them real")
    lr: float = Field(2e-4, gt=0, description="learning rate of AdamW")
    head_lr: float | None = Field(None, gt=0, description="of the heads; null: the same as lr")
    domain: float = Field(1.0, ge=0, description="weight of telling the methods apart")
    distillation: float = Field(1.0, ge=0, description="weight of following the teachers")
    strength: float = Field(1.0, ge=0, description="how far a feature is moved at most")
    augment: tuple[Transform, ...] = Field((), description="transforms of training faces")

    def fit(self, train: Faces, validation: Faces | None, context: Context) -> Fit:
        """Train student and teacher together; goes on after the last finished epoch.

        The epoch with the lowest cross-entropy on the validation faces is kept, or the last one.

        Raises:
            TrainingError: a loss that is not finite, or too few faces.
        """
        from dfdbench_lsda import training

        return training.fit(self, train, validation, context)

    def score(self, faces: Faces, context: Context) -> NDArray[np.floating[Any]]:
        """p(fake) (N,) by the student alone."""
        from dfdbench_lsda import network

        return network.score(self, faces, context)


@hookimpl
def dfdbench_detectors() -> Sequence[type[Detector]]:
    """This detector."""
    return [Lsda]
