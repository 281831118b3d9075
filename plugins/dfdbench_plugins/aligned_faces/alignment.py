"""From five landmarks to an aligned crop: least-squares transform and warp."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Template = Literal["deepfakebench", "gend"]

# On the unit square: the eye on the image's left, the other eye, nose, the mouth corner on the
# image's left, the other corner. Sources: DeepfakeBench (there on a square of 112 px); GenD.
TEMPLATES: dict[Template, NDArray[np.float64]] = {
    "deepfakebench": np.array(
        [
            (38.2946, 51.6963),
            (73.5318, 51.5014),
            (56.0252, 71.7366),
            (41.5493, 92.3655),
            (70.7299, 92.2041),
        ]
    )
    / 112,
    "gend": np.array([(0.34, 0.46), (0.66, 0.46), (0.5, 0.64), (0.37, 0.82), (0.63, 0.82)]),
}


def landmarks_in_crop(template: Template, size: int, scale: float) -> NDArray[np.float64]:
    """Where the landmarks lie in a crop of ``size`` pixels; (5, 2).

    A margin of size * (scale - 1) / 2 is put around the template's square, and the whole is shrunk
    to ``size`` again.
    """
    margin = size * (scale - 1) / 2
    return (TEMPLATES[template] * size + margin) * size / (size + 2 * margin)


def similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation, uniform scale and shift that bring ``source`` nearest to ``target``.

    Both (N, 2), N >= 2; returns (2, 3). Minimises the sum of squared distances; no reflection.
    In complex numbers the map is z -> az + b, and a is the least-squares slope.
    Source: Umeyama 1991, for two dimensions.

    Raises:
        ValueError: all points of ``source`` coincide, or one is not finite.
    """
    z, w = source @ (1, 1j), target @ (1, 1j)
    z0, w0 = z.mean(), w.mean()
    spread = np.sum(np.abs(z - z0) ** 2)
    if not np.isfinite(spread) or spread == 0:
        raise ValueError("the landmarks coincide, or are not finite")
    a = np.sum(np.conj(z - z0) * (w - w0)) / spread
    b = w0 - a * z0
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def square(box: tuple[float, float, float, float], size: int, scale: float) -> NDArray[np.float64]:
    """Map the square around a box (x, y, w, h), of side max(w, h) * scale, to a crop; (2, 3)."""
    x, y, w, h = box
    side = max(w, h) * scale
    zoom = size / side
    left, top = x + (w - side) / 2, y + (h - side) / 2
    # Whole coordinates are centres of pixels, so that corners lie at halves.
    return np.array([[zoom, 0, (0.5 - left) * zoom - 0.5], [0, zoom, (0.5 - top) * zoom - 0.5]])


def warp(image: NDArray[np.uint8], transform: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """The crop that ``transform`` (2, 3) takes from an image (H, W, 3); (size, size, 3) uint8.

    Bilinear, black outside the image, as both authors' codes do (cv2.warpAffine with its
    defaults).
    """
    crop: NDArray[np.uint8] = cv2.warpAffine(
        image, transform, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    return crop
