"""Encoder around a timm network."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn

from dfdbench.encoder import Encoder, Input

CONTAINERS = ("blocks", "stages", "layers", "levels", "features", "dense_stages", "transformers")
NUMBERED = re.compile(r"(layer|block|stage|s)_?\d+")


class Timm(Encoder):
    """A timm network without its classifier: the pooled feature."""

    def __init__(self, network: nn.Module, form: Input) -> None:
        super().__init__()
        self.network = network
        self.input = form
        # head_hidden_size: some networks have a layer between the pooling and the classifier.
        width: Any = getattr(network, "head_hidden_size", None) or network.num_features
        self.feature_dim = int(width)

    def blocks(self) -> list[nn.Module]:
        """The network's blocks, of all stages."""
        return blocks_of(self.network)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) normalised images to (B, feature_dim); a map is averaged over its places."""
        out: torch.Tensor = self.network(images)
        if out.ndim == 4:
            return out.mean((2, 3))
        return out.mean(1) if out.ndim == 3 else out


def blocks_of(network: nn.Module) -> list[nn.Module]:
    """Blocks of a transformer or of a staged network, from input to output; empty: none found."""
    for name in CONTAINERS:
        container = getattr(network, name, None)
        if isinstance(container, nn.Sequential | nn.ModuleList) and len(container):
            return [block for stage in container for block in _inside(stage)]
    stages = [child for name, child in network.named_children() if NUMBERED.fullmatch(name)]
    return [block for stage in stages for block in _inside(stage)]


def _inside(stage: nn.Module) -> list[nn.Module]:
    """The blocks of one stage; the stage itself where it has no list of blocks."""
    inner = getattr(stage, "blocks", stage)
    if isinstance(inner, nn.Sequential | nn.ModuleList) and len(inner):
        return list(inner)
    return [stage]
