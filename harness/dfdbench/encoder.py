"""What a backbone builds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn


@dataclass(frozen=True, slots=True)
class Input:
    """The images that an encoder wants.

    Attributes:
        size: side of the square input in pixels.
        mean: per RGB channel, on the scale of 0 to 1.
        std: per RGB channel, on the scale of 0 to 1.
        interpolation: how a face is resized to ``size``.
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, size, size) uint8 to float32 with ``mean`` taken off and divided by ``std``."""
        out = images.float().div_(255)
        mean, std = (torch.tensor(each, device=out.device) for each in (self.mean, self.std))
        pixels = out.permute(0, 2, 3, 1)
        if pixels.is_contiguous():
            # Channels last: whole rows are taken at once, because three values at a time are slow.
            width = pixels.shape[2]
            pixels.flatten(2).sub_(mean.repeat(width)).div_(std.repeat(width))
            return out
        return out.sub_(mean.view(3, 1, 1)).div_(std.view(3, 1, 1))


class Encoder(nn.Module):
    """Maps normalised images (B, 3, S, S) float to features (B, feature_dim) float.

    A subclass sets ``feature_dim`` and ``input`` and implements ``forward``. ``blocks`` lists the
    encoder's blocks from the input to the output, for strategies that train some of them.
    """

    feature_dim: int
    input: Input

    def blocks(self) -> list[nn.Module]:
        """The encoder's blocks from input to output; empty where it has none to speak of."""
        return []
