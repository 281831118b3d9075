"""Preprocessing as part of a network, for files that run without dfdbench."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dfdbench.encoder import Input

SUPPORT = {"bilinear": 1.0, "bicubic": 2.0}
"""How far a filter reaches to each side, in pixels of the smaller of the two pictures."""
CUBIC_A = -0.5
"""Pillow's bicubic filter is Catmull-Rom's, unlike OpenCV's and torch's default of -0.75."""
FIXED_POINT = 2.0**22
"""Pillow's weights are whole multiples of 1 / 2^22."""


class FromFaces(nn.Module):
    """Faces (N, 3, size, size) uint8 to what ``network`` makes of them.

    Args:
        size: side of the faces in pixels.
        form: the images that the network wants.
        network: takes normalised images (N, 3, form.size, form.size) float32.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, size: int, form: Input, network: nn.Module) -> None:
        super().__init__()
        self.resize = Resize(size, form.size, form.interpolation)
        self.network = network
        self.register_buffer("mean", torch.tensor(form.mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(form.std).view(3, 1, 1))

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Resize, normalise, ask the network."""
        images = self.resize(faces.float()) / 255
        out: torch.Tensor = self.network((images - self.mean) / self.std)
        return out


class Resize(nn.Module):
    """Pillow's resizing of square images, (N, 3, S, S) float of whole numbers 0 to 255.

    Resizing is linear but for the rounding, so it is a matrix for each of the two directions:
    first along the rows, rounded to whole numbers, then along the columns, rounded again. In
    float64 the sums are exact, so that every pixel is Pillow's.
    """

    weights: torch.Tensor

    def __init__(self, source: int, target: int, interpolation: str) -> None:
        super().__init__()
        self.same = source == target
        self.register_buffer("weights", torch.from_numpy(resampling(source, target, interpolation)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, 3, S, S) to (N, 3, T, T), whole numbers 0 to 255."""
        if self.same:
            return images
        rows = torch.floor(torch.matmul(images.double(), self.weights.T) + 0.5).clamp(0, 255)
        return torch.floor(torch.matmul(self.weights, rows) + 0.5).clamp(0, 255).float()


def resampling(source: int, target: int, interpolation: str) -> NDArray[np.float64]:
    """The matrix (target, source) that resizes one line of pixels; every row sums to 1.

    The filter is stretched where the picture shrinks, so that every pixel counts. Source: Pillow's
    documentation of filters; Keys 1981, Cubic convolution interpolation, eq. 15.
    """
    scale = source / target
    stretch = max(scale, 1.0)
    reach = SUPPORT[interpolation] * stretch
    matrix = np.zeros((target, source))
    for n in range(target):
        centre = (n + 0.5) * scale
        first = max(int(centre - reach + 0.5), 0)
        last = min(int(centre + reach + 0.5), source)
        places = np.arange(first, last, dtype=np.float64) + 0.5
        weights = _filter((places - centre) / stretch, interpolation)
        matrix[n, first:last] = weights / weights.sum()
    whole: NDArray[np.float64] = np.round(matrix * FIXED_POINT) / FIXED_POINT
    return whole


def _filter(x: NDArray[Any], interpolation: str) -> NDArray[Any]:
    x = np.abs(x)
    if interpolation == "bilinear":
        tent: NDArray[Any] = np.clip(1 - x, 0, None)
        return tent
    a = CUBIC_A
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    cubic: NDArray[Any] = np.where(x < 1, near, np.where(x < 2, far, 0.0))
    return cubic
