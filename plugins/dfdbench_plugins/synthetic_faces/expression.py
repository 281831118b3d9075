"""What moves in a face: eyes, brows, mouth, and glasses over them, drawn into the texture."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dfdbench_plugins.synthetic_faces.head import ORIGIN, RESOLUTION, TEXTURE, Head, Image

Points = NDArray[np.float64]  # (n, 2)


@dataclass(frozen=True)
class Moment:
    """One frame's pose (radians, units) and expression (0 to 1; gaze -1 to 1)."""

    yaw: float
    pitch: float
    roll: float
    shift: tuple[float, float]
    scale: float
    blink: float
    gaze: float
    brow: float
    smile: float
    open: float


def fill(image: Image, points: Points, colour: Points) -> None:
    """Fill a polygon (n, 2), in pixels of `image`, in place; edges are smooth to 1/16 pixel."""
    polygon = np.round(points * 16).astype(np.int32)
    cv2.fillPoly(image, [polygon], np.clip(colour, 0, 255).tolist(), cv2.LINE_AA, 4)


def to_texture(points: Points) -> Points:
    """Bring points (n, 2) from face units to texture pixels."""
    return np.asarray((points + np.array(ORIGIN)) * RESOLUTION)


def _stamp(canvas: Image, points: Points, colour: Points, alpha: float, soft: float) -> None:
    """Blend a polygon (n, 2) in face units into the texture, its edge softened by `soft` pixels."""
    pixels = to_texture(points)
    if soft == 0:
        return fill(canvas, pixels, np.asarray(colour))
    x0, y0 = np.maximum(np.floor(pixels.min(axis=0) - 4), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(pixels.max(axis=0) + 5), TEXTURE).astype(int)
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    fill(mask, pixels - [x0, y0], np.array([255.0]))
    mask = cv2.GaussianBlur(mask, (0, 0), soft)
    weight = mask[..., None].astype(np.float32) * np.float32(alpha / 255)
    part = canvas[y0:y1, x0:x1].astype(np.float32)
    canvas[y0:y1, x0:x1] = (part + (np.float32(colour) - part) * weight + 0.5).astype(np.uint8)


def _draw_eye(canvas: Image, head: Head, moment: Moment, side: int) -> None:
    p = head.identity
    ex, ey, half, tall, tilt = p.eye
    t = np.linspace(-1, 1, 9)
    arc = (1 - t**2) ** 0.7
    height = max(tall * (1 - moment.blink), 0.25)
    line = np.stack([side * ex + half * t, ey - tilt * half * t * side], axis=1)
    upper = line - np.stack([0 * t, height * arc], axis=1)
    lower = line + np.stack([0 * t, 0.6 * height * arc], axis=1)
    almond = np.concatenate([upper, lower[::-1]])
    _stamp(canvas, almond, np.array([226.0, 220, 214]), 1.0, 0)
    angle = np.linspace(0, 2 * np.pi, 14)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    middle = np.array([side * ex + moment.gaze * half * 0.35, ey - 0.15 * tall])
    for radius, colour in ((2.5, np.array(p.iris)), (1.15, np.array([12.0, 10, 10]))):
        disc = middle + radius * ring
        disc[:, 1] = np.clip(disc[:, 1], ey - height, ey + 0.6 * height)  # the lids cover it
        _stamp(canvas, disc, colour, 1.0, 0)
    if height > 1:
        _stamp(canvas, middle + [0.8, -0.8] + 0.45 * ring, np.array([250.0, 250, 250]), 1.0, 0)
    lid = np.concatenate([upper, upper[::-1] - [0, 0.7]])
    _stamp(canvas, lid, np.array(p.skin) * 0.22, 0.9, 0.5)
    crease = np.concatenate([upper - [0, 1.7], upper[::-1] - [0, 2.3]])
    _stamp(canvas, crease, np.array(p.skin) * 0.6, 0.5, 0.7)
    _stamp(
        canvas,
        np.concatenate([lower, lower[::-1] + np.array([0, 0.5])]),
        np.array(p.skin) * 0.5,
        0.5,
        0.5,
    )
    above, thick, arch = p.brow
    s = np.linspace(-1.25, 1.3, 9) * half
    lift = ey - above - 2.2 * moment.brow - arch * (1 - ((s / half - 0.3) / 1.4) ** 2)
    ridge = np.stack([side * (ex + s), lift], axis=1)
    brow = np.concatenate([ridge, ridge[::-1] + np.array([0, thick])])
    _stamp(canvas, brow, np.array(p.hair) * 0.72, 0.8, 0.9)


def _draw_mouth(canvas: Image, head: Head, moment: Moment) -> None:
    p = head.identity
    my, half, upper_lip, lower_lip = p.mouth
    half = half * (1 + 0.22 * moment.smile - 0.12 * moment.open)
    t = np.linspace(-1, 1, 13)
    arc = (1 - t**2) ** 0.8
    gape = 0.4 + 5.0 * moment.open
    curve = my - 2.6 * moment.smile * t**2
    bow = 0.75 + 0.25 * np.cos(2 * np.pi * t) * (np.abs(t) < 0.5)
    top = np.stack([half * t, curve - upper_lip * arc * (1.6 - bow)], axis=1)
    seam = np.stack([half * t * 0.96, curve], axis=1)
    sag = np.stack([half * t * 0.96, curve + gape * arc], axis=1)
    base = np.stack([half * t, curve + (gape + lower_lip) * arc], axis=1)
    lips = np.array(p.lips)
    _stamp(canvas, np.concatenate([top, base[::-1]]), lips, 0.9, 0.6)
    _stamp(canvas, np.concatenate([sag, base[::-1]]), lips * 1.12, 0.6, 0.7)
    _stamp(canvas, np.concatenate([seam, sag[::-1]]), np.array([52.0, 20, 22]), 1.0, 0)
    if moment.open > 0.12:
        teeth = seam * [0.8, 1] + np.stack([0 * t, np.minimum(gape * 0.45, 1.8) * arc], axis=1)
        _stamp(
            canvas,
            np.concatenate([seam * [0.8, 1], teeth[::-1]]),
            np.array([222.0, 214, 204]),
            1.0,
            0,
        )


def _draw_glasses(canvas: Image, head: Head) -> None:
    p = head.identity
    for side in (-1, 1):
        centre = to_texture(np.array([[side * p.eye[0], p.eye[1] + 0.8]]))[0]
        axes = np.array([p.eye[2] * 1.42, p.glasses * 0.75]) * RESOLUTION
        box = (tuple(centre.tolist()), tuple((2 * axes).tolist()), 0.0)
        cv2.ellipse(canvas, box, (28, 24, 26), 2, cv2.LINE_AA)
    bridge = to_texture(
        np.array([[-p.eye[0] + p.eye[2] * 1.42, p.eye[1]], [p.eye[0] - p.eye[2] * 1.42, p.eye[1]]])
    )
    start, end = bridge.astype(int).tolist()
    cv2.line(canvas, start, end, (28, 24, 26), 2, cv2.LINE_AA)


def draw_texture(head: Head, moment: Moment) -> Image:
    """Add this moment's eyes, brows, mouth and glasses to the head, (TEXTURE, TEXTURE, 3)."""
    canvas = head.albedo.astype(np.uint8)
    for side in (-1, 1):
        _draw_eye(canvas, head, moment, side)
    _draw_mouth(canvas, head, moment)
    if head.identity.glasses > 0:
        _draw_glasses(canvas, head)
    return canvas
