"""A video detector: a recurrent network reads the features of a video's frames in their order.

The backbone is frozen and sees every face once. A GRU goes through the features of a video from the
first frame to the last, and a linear layer on its final state gives p(fake) of the whole video,
which each of its faces is given. A flicker that no single frame shows can so be seen.

Source: Güera & Delp 2018, Deepfake Video Detection Using Recurrent Neural Networks (AVSS), which
puts an LSTM over the features of a convolutional network; the GRU is that of Cho et al. 2014
(arXiv:1406.1078).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from dfdbench import hookimpl
from dfdbench.api import Backbone, Context, Detector, Fit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dfdbench.faces import Faces


class Temporal(Detector):
    """Frozen frame features, read by a GRU; one score a video."""

    name: ClassVar[str] = "temporal"
    whole_videos: ClassVar[bool] = True

    backbone: Backbone = Field(description="gives each face its feature; nothing of it trains")
    hidden: int = Field(64, ge=1, description="width of the GRU's state")
    epochs: int = Field(20, ge=1)
    batch_size: int = Field(16, ge=1, description="videos a step")
    lr: float = Field(1e-3, gt=0, description="learning rate of AdamW")
    weight_decay: float = Field(1e-2, ge=0, description="of AdamW")

    def fit(self, train: Faces, validation: Faces | None, context: Context) -> Fit:
        """Train GRU and head; starts anew after an interruption, since it takes seconds.

        The epoch with the lowest cross-entropy on the validation videos is kept, or the last one.

        Raises:
            TrainingError: a loss that is not finite.
        """
        from dfdbench_temporal import recurrent

        return recurrent.fit(self, train, validation, context)

    def score(self, faces: Faces, context: Context) -> NDArray[np.floating[Any]]:
        """p(fake) (N,), the same for all faces of a video."""
        from dfdbench_temporal import recurrent

        return recurrent.score(self, faces, context)


@hookimpl
def dfdbench_detectors() -> Sequence[type[Detector]]:
    """This detector."""
    return [Temporal]
