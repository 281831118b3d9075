"""The detector that a spec puts together: backbone, PEFT, regularizers, linear head, recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from dfdbench import hookimpl
from dfdbench.api import Backbone, Context, Detector, Fit, PeftStrategy, Regularizer
from dfdbench_plugins.composed.recipe import Recipe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from dfdbench.faces import Faces


class Composed(Detector):
    """Encoder -> regularizers -> linear head -> softmax; p(fake) is the second probability."""

    name: ClassVar[str] = "composed"
    default: ClassVar[bool] = True

    backbone: Backbone = Field(description="builds the encoder")
    peft: PeftStrategy = Field(description="which of the encoder's parameters train")
    regularizers: tuple[Regularizer, ...] = Field(
        (), description="applied to the features in this order"
    )
    recipe: Recipe = Field(Recipe(), description="how it is trained")

    def fit(self, train: Faces, validation: Faces | None, context: Context) -> Fit:
        """Train by the recipe; raises TrainingError on a loss that is not finite."""
        if context.processes > 1:
            from dfdbench_plugins.composed.launch import fit
        else:
            from dfdbench_plugins.composed.training import fit

        return fit(self, train, validation, context)

    def score(self, faces: Faces, context: Context) -> NDArray[np.floating[Any]]:
        """Forward every face once through the chosen checkpoint."""
        from dfdbench_plugins.composed.training import score

        return score(self, faces, context)

    def module(self, size: int, context: Context) -> nn.Module:
        """The chosen checkpoint's network in float32, whatever precision it scores in."""
        from dfdbench_plugins.composed.exporting import module

        return module(self, size, context)


@hookimpl
def dfdbench_detectors() -> Sequence[type[Detector]]:
    """This detector."""
    return [Composed]
