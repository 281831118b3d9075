"""One face blended with a changed copy of itself; numbers are the paper's unless it is said.

Faces are (S, S, 3) uint8 RGB, masks (S, S) float32 in [0, 1], landmarks (5, 2) x and y in the
face's own pixels: the eye on the image's left, the other eye, nose, the two mouth corners.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Mask = NDArray[np.float32]
Points = NDArray[np.float64]
Rng = np.random.Generator

RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)
"""How strong the blending is; 1 comes as often as the others together."""


def self_blended(face: Image, landmarks: Points, rng: Rng) -> Image:
    """A fake: the face's inner part from one version of it, all around it from another."""
    source, target = face, face
    if rng.random() < 0.5:
        source = altered(face, rng)
    else:
        target = altered(face, rng)
    moved = placement(landmarks.mean(0), len(face), rng)
    source = cv2.warpAffine(
        source, moved, source.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    ).astype(np.uint8)
    outline = ellipse(landmarks @ moved[:, :2].T + moved[:, 2], len(face), rng)
    return mixed(source, target, softened(bent(outline, rng), rng) * rng.choice(RATIOS))


def mixed(source: Image, target: Image, mask: Mask | NDArray[np.floating]) -> Image:
    """``source`` where the mask is 1, ``target`` where it is 0, linear between; rounded."""
    m = mask[..., None]
    blended: NDArray[np.floating] = m * source + (1 - m) * target
    whole: Image = np.rint(blended).astype(np.uint8)
    return whole


def altered(face: Image, rng: Rng) -> Image:
    """Other colours, and other frequencies: blurred by a smaller size, or sharpened."""
    shifted = face + rng.uniform(-20, 20, 3)  # each of red, green and blue
    hsv = cv2.cvtColor(np.clip(shifted, 0, 255).astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    hue, saturation, value = cv2.split(hsv)  # 0 to 360, 0 to 1, 0 to 1
    # Ours: the paper names the changes of hue, saturation and value, not their range.
    hue = (hue + rng.uniform(-5, 5)) % 360
    saturation, value = (np.clip(c + rng.uniform(-0.05, 0.05), 0, 1) for c in (saturation, value))
    rgb = cv2.cvtColor(np.dstack([hue, saturation, value]).astype(np.float32), cv2.COLOR_HSV2RGB)
    contrast, brightness = rng.uniform(0.9, 1.1), rng.uniform(-0.1, 0.1)
    rgb = np.clip((rgb - 0.5) * contrast + 0.5 + brightness, 0, 1)
    whole: Image = np.rint(_refocused(rgb, rng) * 255).astype(np.uint8)
    return whole


def _refocused(rgb: NDArray[np.floating], rng: Rng) -> NDArray[np.floating]:
    size = len(rgb)
    if rng.random() < 0.5:
        less = size // int(rng.choice((2, 4)))
        small = cv2.resize(rgb, (less, less), interpolation=cv2.INTER_AREA)
        blurred = cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)
        return np.asarray(blurred)
    blurred = cv2.GaussianBlur(rgb, (0, 0), 1.0)
    return np.asarray(np.clip(rgb + rng.uniform(0.2, 0.5) * (rgb - blurred), 0, 1))


def placement(centre: Points, size: int, rng: Rng) -> Points:
    """A small shift and zoom of the source about ``centre``, as (2, 3)."""
    zoom = rng.uniform(0.95, 1 / 0.95)
    shift = rng.uniform(-1, 1, 2) * (0.03 * size, 0.015 * size)
    offset = centre - zoom * centre + shift
    return np.array([[zoom, 0, offset[0]], [0, zoom, offset[1]]])


def ellipse(landmarks: Points, size: int, rng: Rng | None = None) -> Mask:
    """A face's inner part, 1 inside: from above the brows to the chin, and from cheek to cheek.

    Its axes follow the eyes and the way from them to the mouth, so that it turns and leans with
    the face. Measures are ours, in those two lengths: from 0.5 above the eyes to 0.7 below the
    mouth, and 1.2 to either side; each half axis is up to a fifth shorter by ``rng``.
    """
    eyes, mouth = landmarks[:2].mean(0), landmarks[3:].mean(0)
    across, down = 1.2 * (landmarks[1] - landmarks[0]), mouth - eyes
    shorter = rng.uniform(0.8, 1, 2) if rng is not None else (1.0, 1.0)
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)[:, None]
    edge = np.cos(angle) * across * shorter[0] + np.sin(angle) * 1.1 * down * shorter[1]
    mask = np.zeros((size, size), np.float32)
    cv2.fillConvexPoly(mask, np.rint(eyes + 0.6 * down + edge).astype(np.int32), 1.0)
    return mask


def bent(mask: Mask, rng: Rng) -> Mask:
    """The mask under a smooth random displacement of up to about 4 % of its side (ours)."""
    size = len(mask)
    field = rng.uniform(-1, 1, (size, size, 2)).astype(np.float32)
    field = cv2.GaussianBlur(field, (0, 0), size / 12)
    field *= rng.uniform(0, 0.04) * size / max(float(np.abs(field).max()), 1e-9)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    moved = cv2.remap(mask, x + field[..., 0], y + field[..., 1], cv2.INTER_LINEAR)
    return np.asarray(moved, np.float32)


def softened(mask: Mask, rng: Rng) -> Mask:
    """A soft edge: blurred, cut back to what is still 1, and blurred again.

    With the first blur wider than the second the mask has shrunk, else it has grown. Their widths
    are about those of the authors' kernels, 5 to 25 pixels on a face of 256.
    """
    first, second = rng.uniform(0.004, 0.016, 2) * len(mask)
    core = (cv2.GaussianBlur(mask, (0, 0), first) > 0.999).astype(np.float32)
    return np.asarray(np.clip(cv2.GaussianBlur(core, (0, 0), second), 0, 1), np.float32)
