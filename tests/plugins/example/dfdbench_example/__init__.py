"""A plugin with a regularizer and a whole detector of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from dfdbench import hookimpl
from dfdbench.api import Context, Detector, Fit, Regularizer

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from dfdbench.faces import Faces

WEIGHTS = "weights.npy"


class Bounded(Regularizer):
    """Keeps every feature between -1 and 1, by tanh."""

    name: ClassVar[str] = "bounded"

    scale: float = Field(1.0, gt=0, description="features of this size become tanh(1) = 0.76")

    def project(self, z: torch.Tensor) -> torch.Tensor:
        """Map features (B, D) into (-1, 1)."""
        return (z / self.scale).tanh()


class HalvesDetector(Detector):
    """Logistic regression on the colours of the left and the right half of a face."""

    name: ClassVar[str] = "halves"

    c: float = Field(100.0, gt=0, description="inverse strength of the L2 penalty")

    def fit(self, train: Faces, validation: Faces | None, context: Context) -> Fit:
        """Fit on all training faces; leaves 12 weights and a bias."""
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=self.c, random_state=context.seed)
        model.fit(statistics(train.images()), train.labels)
        weights = np.append(model.coef_[0], model.intercept_)
        np.save(context.folder / WEIGHTS, weights, allow_pickle=False)
        return Fit(selection="closed form", trainable=len(weights), parameters=len(weights))

    def score(self, faces: Faces, context: Context) -> NDArray[np.floating[Any]]:
        """p(fake) (N,)."""
        *weights, bias = np.load(context.folder / WEIGHTS, allow_pickle=False)
        logits = statistics(faces.images()) @ np.asarray(weights) + bias
        # The logistic function, written so that no exponential overflows.
        p_fake: NDArray[np.floating[Any]] = (1 + np.tanh(logits / 2)) / 2
        return p_fake


def statistics(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean and deviation of R, G, B in either half; (N, S, S, 3) uint8 to (N, 12) in [0, 1]."""
    middle = images.shape[2] // 2
    halves = (images[:, :, :middle] / 255, images[:, :, middle:] / 255)
    return np.concatenate([f(half, axis=(1, 2)) for half in halves for f in (np.mean, np.std)], 1)


@hookimpl
def dfdbench_regularizers() -> Sequence[type[Regularizer]]:
    """This regularizer."""
    return [Bounded]


@hookimpl
def dfdbench_detectors() -> Sequence[type[Detector]]:
    """This detector."""
    return [HalvesDetector]
