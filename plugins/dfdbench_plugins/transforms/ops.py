"""The operations on one image: (3, H, W) uint8 in, the same shape and type out; no randomness.

torchvision.transforms.v2 where it is fast enough. On a face of 256 px it takes 1.6 ms to warp,
1.2 ms to blur and 0.6 ms to change brightness and contrast, three times what OpenCV takes, and
its JPEG codec is deprecated since 0.29; so these are OpenCV's. Tests hold their results to
torchvision's and Pillow's for the same parameters.
"""

from __future__ import annotations

import math
import zlib
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms.v2 import functional as v2

_LEVELS = torch.arange(256, dtype=torch.float32)


def affine(
    image: torch.Tensor,
    degrees: float,
    right: float,
    down: float,
    scale: float,
    interpolation: str = "bilinear",
) -> torch.Tensor:
    """Rotate clockwise and scale about the centre, then shift by fractions of the sides.

    The shift is rounded to whole pixels, as torchvision's RandomAffine does it; outside is black.
    """
    height, width = image.shape[-2:]
    x, y = (width - 1) / 2, (height - 1) / 2
    angle = math.radians(degrees)
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    shift_x, shift_y = round(right * width), round(down * height)
    matrix = np.array(
        [
            [cos, -sin, x - cos * x + sin * y + shift_x],
            [sin, cos, y - sin * x - cos * y + shift_y],
        ]
    )
    flags = cv2.INTER_LINEAR if interpolation == "bilinear" else cv2.INTER_NEAREST
    return _from_array(cv2.warpAffine(_to_array(image), matrix, (width, height), flags=flags))


def gaussian_blur(image: torch.Tensor, kernel: int, sigma: float) -> torch.Tensor:
    """Blur by a Gaussian of ``kernel`` x ``kernel`` pixels; the border is mirrored."""
    if sigma == 0:  # which to OpenCV means a sigma that it derives from the kernel
        return image
    blurred = cv2.GaussianBlur(
        _to_array(image), (kernel, kernel), sigma, borderType=cv2.BORDER_REFLECT_101
    )
    return _from_array(blurred)


def jitter(
    image: torch.Tensor, brightness: float, contrast: float, contrast_first: bool = False
) -> torch.Tensor:
    """Multiply the brightness, and the contrast about the mean grey value, by factors."""
    if contrast_first:
        image = _contrast(image, contrast)
    image = _map_levels(image, _LEVELS.mul(brightness))
    return image if contrast_first else _contrast(image, contrast)


def _contrast(image: torch.Tensor, factor: float) -> torch.Tensor:
    mean = v2.rgb_to_grayscale(image).float().mean().cpu()
    return _map_levels(image, _LEVELS.mul(factor).add_(mean, alpha=1 - factor))


def _map_levels(image: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """Replace each of the 256 values; truncated and clipped to 0..255, as torchvision does it."""
    table = levels.clamp_(0, 255).to(torch.uint8).numpy()
    return _from_array(cv2.LUT(_to_array(image), table))


def jpeg(image: torch.Tensor, quality: int) -> torch.Tensor:
    """Encode as JPEG of a quality (1 to 100) and decode."""
    # OpenCV's channels are in the order blue, green, red.
    blue_first = cv2.cvtColor(_to_array(image), cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", blue_first, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    return _from_array(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))


def down_and_up(image: torch.Tensor, factor: float, filter: str) -> torch.Tensor:
    """Resize to ``factor`` times the sides (at least one pixel) and back, by a filter of Pillow.

    Pillow's filters are as wide as the step down is large, ``nearest`` alone takes single pixels.
    """
    height, width = image.shape[-2:]
    small = (max(1, round(width * factor)), max(1, round(height * factor)))
    how = Image.Resampling[filter.upper()]
    shrunk = Image.fromarray(_to_array(image)).resize(small, how)
    return _from_array(np.array(shrunk.resize((width, height), how)))


def gaussian_noise(image: torch.Tensor, sigma: float, seed: int) -> torch.Tensor:
    """Add Gaussian noise of ``sigma`` 8-bit units, then round and clip to 0..255."""
    # Drawn on the CPU: a GPU's generator would give other noise for the same seed.
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))
    noisy = image.float() + sigma * noise.to(image.device)
    return noisy.round_().clamp_(0, 255).to(torch.uint8)


def content_seed(image: torch.Tensor) -> int:
    """A seed that depends on the pixels alone."""
    return zlib.crc32(_to_array(image).tobytes())


def h264(images: torch.Tensor, crf: int) -> torch.Tensor:
    """Encode the frames of a clip (N, 3, H, W) as H.264 and decode them."""
    from dfdbench_plugins.transforms.h264 import recode

    frames = np.stack([_to_array(image) for image in images])
    return torch.from_numpy(recode(frames, crf)).permute(0, 3, 1, 2)


def _to_array(image: torch.Tensor) -> NDArray[np.uint8]:
    # No copy where the batch lies in memory as images are decoded, channels last.
    array: NDArray[np.uint8] = image.permute(1, 2, 0).contiguous().cpu().numpy()
    return array


def _from_array(array: Any) -> torch.Tensor:
    return torch.from_numpy(array).permute(2, 0, 1)
