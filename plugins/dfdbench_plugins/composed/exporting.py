"""A trained composed detector as one network from faces to probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from dfdbench.api import Context
from dfdbench.export.graph import FromFaces
from dfdbench_plugins.composed.model import Model, build, load_checkpoint, restore
from dfdbench_plugins.composed.training import CHECKPOINT

if TYPE_CHECKING:
    from dfdbench_plugins.composed import Composed


class Probabilities(nn.Module):
    """Normalised images (N, 3, S, S) to p(fake) (N,)."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Encode, then ask the head."""
        return self.model.p_fake(self.model.encoder(images))


def module(detector: Composed, size: int, context: Context) -> nn.Module:
    """The network of the checkpoint in ``context.folder``; see ``Detector.module``."""
    path = context.folder / CHECKPOINT
    tensors, about = load_checkpoint(path)
    parts = detector.backbone, detector.peft, detector.regularizers
    model = build(*parts, about["seed"], context.device)
    restore(model, tensors, path)
    whole = FromFaces(size, model.encoder.input, Probabilities(model)).to(context.device)
    return whole.eval().requires_grad_(False)
