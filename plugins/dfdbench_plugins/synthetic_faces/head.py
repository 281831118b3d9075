"""Paint one identity's head: a flat RGBA texture and a height map, in face coordinates.

Face coordinates are in pixels of the final 112 px image: x to the right, y down, the origin
between eyes and mouth; the eyes lie near (-13, -9) and (13, -9), the chin near (0, 33). Textures
are TEXTURE x TEXTURE pixels at RESOLUTION pixels a unit. Colours are RGB, 0 to 255.
"""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfdbench_plugins.synthetic_faces.seeds import stream

Image = NDArray[np.uint8]
Field = NDArray[np.float32]
Colour = tuple[float, float, float]

TEXTURE = 192
RESOLUTION = 2.0
ORIGIN = (48.0, 54.0)  # where (0, 0) lies in the texture, in units
_axis = np.arange(TEXTURE, dtype=np.float32) / np.float32(RESOLUTION)
X, Y = np.meshgrid(_axis - np.float32(ORIGIN[0]), _axis - np.float32(ORIGIN[1]))


@dataclass(frozen=True)
class Identity:
    """One person; lengths in units of the face coordinates, colours RGB 0 to 255."""

    seed: int
    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    width: float  # half-width of the face
    chin: float
    jaw: float  # exponent of the lower contour: 1.8 pointed, 2.7 square
    forehead: float
    hairline: float
    hair_volume: float
    hair_length: float  # how far the side hair reaches down
    parting: float
    eye: tuple[float, float, float, float, float]  # x, y, half-width, half-height, tilt
    brow: tuple[float, float, float]  # height above the eye, thickness, arch
    nose: tuple[float, float, float]  # tip y, half-width, height
    mouth: tuple[float, float, float, float]  # y, half-width, upper lip, lower lip
    beard: float  # 0 none to 1 dense
    pores: float  # grain of the skin, grey levels
    glasses: float  # 0 none, else the frame's half-height


def sample_identity(seed: int) -> Identity:
    """Draw a person; the same seed gives the same person."""
    rng = stream("identity", seed)
    u = rng.uniform
    tone = u(0.0, 1.0)
    skin = np.array([236, 192, 164]) * (1 - tone) + np.array([112, 72, 52]) * tone
    skin = skin * u(0.9, 1.06) + rng.normal(0, 3, 3)
    hairs = (
        (34, 26, 22),
        (74, 50, 34),
        (128, 88, 52),
        (186, 150, 96),
        (150, 146, 142),
        (96, 44, 26),
    )
    hair = np.array(hairs[rng.integers(len(hairs))]) + rng.normal(0, 3, 3)
    irises = ((70, 46, 30), (96, 72, 40), (84, 110, 130), (82, 106, 74), (52, 36, 26))
    lips = skin * np.array([0.84, 0.6, 0.62]) + rng.normal(0, 6, 3)
    return Identity(
        seed=seed,
        skin=_colour(skin),
        hair=_colour(hair),
        iris=_colour(np.array(irises[rng.integers(len(irises))])),
        lips=_colour(lips),
        width=u(24, 29),
        chin=u(30, 37),
        jaw=u(1.8, 2.7),
        forehead=u(32, 38),
        hairline=u(20, 33),
        hair_volume=u(3, 8),
        hair_length=float(rng.choice([-8.0, 4.0, 30.0, 44.0])),
        parting=u(-0.6, 0.6),
        eye=(u(11.5, 14), u(-11, -7), u(4.8, 6.4), u(1.9, 3.0), u(-0.12, 0.16)),
        brow=(u(5.5, 8), u(0.9, 2.1), u(0.6, 2.2)),
        nose=(u(4, 8), u(3.6, 5.8), u(5, 9)),
        mouth=(u(15, 19), u(7.5, 10.5), u(1.2, 2.4), u(1.6, 3.2)),
        beard=float(rng.random() < 0.3) * u(0.3, 1.0),
        pores=u(2, 6),
        glasses=float(rng.random() < 0.15) * u(5.5, 8.0),
    )


def _colour(values: NDArray[Any]) -> Colour:
    r, g, b = np.clip(values, 8, 248).tolist()
    return (r, g, b)


@dataclass(frozen=True)
class Head:
    """A painted identity without eyes, brows and mouth, which move from frame to frame."""

    identity: Identity
    albedo: Field  # (TEXTURE, TEXTURE, 3), 0 to 255
    alpha: Field  # (TEXTURE, TEXTURE), 0 to 1
    normals: Field  # (TEXTURE / 2, TEXTURE / 2, 3), unit length


def noise(rng: np.random.Generator, blur: tuple[float, float]) -> Field:
    """Smooth noise of unit variance, (TEXTURE, TEXTURE); blur in pixels along x and y."""
    field = rng.standard_normal((TEXTURE, TEXTURE), dtype=np.float32)
    if max(blur) > 0:
        field = cv2.GaussianBlur(field, (0, 0), blur[0], sigmaY=blur[1])
    return np.asarray(field * np.float32(1 / (field.std() + 1e-6)), np.float32)


def mottle(rng: np.random.Generator) -> Field:
    """Slow colour variation of unit variance, (TEXTURE, TEXTURE, 3)."""
    coarse = rng.standard_normal((9, 9, 3), dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (TEXTURE, TEXTURE), interpolation=cv2.INTER_CUBIC))


def bump(cx: float, cy: float, sx: float, sy: float, step: int = 1) -> Field:
    """A Gaussian hill of height 1 over the texture, every `step`-th pixel."""
    across = np.exp(-0.5 * ((X[0, ::step] - cx) / sx) ** 2)
    down = np.exp(-0.5 * ((Y[::step, 0] - cy) / sy) ** 2)
    return np.asarray(np.outer(down, across), np.float32)


def floats(values: Any) -> Field:
    """Turn numbers into a float32 array."""
    return np.asarray(values, np.float32)


def inside(distance: Field, soft: float = 0.6) -> Field:
    """Soft step: 0 outside (negative distance), 1 inside; the edge is 2 * soft units wide."""
    return floats(np.clip(distance / (2 * soft) + 0.5, 0, 1))


def oval(width: float, top: float, bottom: float, jaw: float) -> Field:
    """Distance in units to the face's contour, positive inside, (TEXTURE, TEXTURE)."""
    powers = np.where(Y[:, 0] < 0, 2.3, jaw).astype(np.float32)[:, None]
    tall = np.where(Y[:, 0] < 0, top, bottom)
    down = np.abs(Y[:, 0] / tall)[:, None] ** powers
    radius = (np.abs(X / np.float32(width)) ** powers + down) ** (1 / powers)
    return floats((1 - radius) * width)


def paint(identity: Identity) -> Head:
    """Paint the still part of a head; about 10 ms."""
    rng = stream("skin", identity.seed)
    face = inside(oval(identity.width, identity.forehead, identity.chin, identity.jaw))
    albedo = _skin(identity, rng)
    strands = _hair_colour(identity, rng)
    back, front = _hair_masks(identity, rng)
    ear = inside((1 - np.hypot((np.abs(X) - identity.width) / 3.6, (Y + 3) / 7)) * 3.6)
    rgb, alpha = strands, back
    for layer, mask in ((albedo * np.float32(0.88), ear), (albedo, face), (strands, front)):
        rgb = rgb + (layer - rgb) * mask[..., None]
        alpha = np.maximum(alpha, mask)
    return Head(identity, np.clip(rgb, 0, 255), alpha, _normals(identity))


def _skin(p: Identity, rng: np.random.Generator) -> Field:
    """Skin with mottling, pores, freckles, blush, nose lines, stubble; (TEXTURE, TEXTURE, 3)."""
    skin = floats(p.skin) + mottle(rng) * np.float32(4)
    skin = skin + (noise(rng, (0, 0)) * 0.6 + noise(rng, (1, 1)) * 0.8)[..., None] * np.float32(
        p.pores
    )
    tint = np.zeros((TEXTURE, TEXTURE), np.float32)
    for side in (-1, 1):
        tint += bump(side * 15, 6, 6, 5) * 10
    skin = skin + tint[..., None] * floats([0.6, -0.7, -0.5])
    dark = np.zeros_like(tint)
    for side in (-1, 1):
        dark += bump(side * p.eye[0], p.eye[1] + 0.5, 8, 5) * 0.16
        dark += bump(side * p.nose[1] * 0.62, p.nose[0] + 2.2, 1.5, 0.9) * 0.75
        fold = X * side - p.nose[1] - 1.5 - (Y - p.nose[0]) * 0.42
        dark += np.exp(-0.5 * (fold / 0.9) ** 2) * bump(side * 10, 11, 6, 5) * 0.14
    spots = rng.integers(0, 26)
    for x, y, size, depth in zip(
        rng.uniform(-20, 20, spots),
        rng.uniform(-20, 25, spots),
        rng.uniform(0.4, 0.9, spots),
        rng.uniform(0.06, 0.3, spots),
        strict=True,
    ):
        dark += bump(x, y, size, size) * depth
    chin = np.clip((Y - 8) / 8, 0, 1) * np.clip((np.abs(X) - 2 + Y * 0.3) / 6, 0.35, 1)
    stubble = np.clip(0.55 + 0.3 * noise(rng, (0.5, 0.9)), 0, 1) * chin * p.beard
    skin = skin * (1 - np.clip(dark, 0, 0.85))[..., None]
    return np.asarray(
        skin + (floats(p.hair) * 0.8 - skin) * (stubble * 0.75)[..., None], np.float32
    )


def _hair_colour(p: Identity, rng: np.random.Generator) -> Field:
    shine = noise(rng, (0.7, 9)) * 10 + mottle(rng)[..., 0] * 8
    return np.asarray(np.clip(floats(p.hair) + shine[..., None], 0, 255), np.float32)


def _hair_masks(p: Identity, rng: np.random.Generator) -> tuple[Field, Field]:
    """Hair behind the face and in front of it, each (TEXTURE, TEXTURE), 0 to 1."""
    outer = oval(p.width + p.hair_volume, p.forehead + p.hair_volume, 60.0, 3.0)
    ragged = noise(rng, (1.2, 6)) * 0.9
    back = inside(np.minimum(outer + ragged, p.hair_length - Y + 2 * ragged))
    edge = -p.hairline + 9 * np.abs(X / p.width + p.parting * 0.5) ** 2 + p.parting * X * 0.12
    front = inside(np.minimum(outer + ragged, (edge - Y) + 1.5 * ragged), 0.9)
    return back, front


def _normals(p: Identity) -> Field:
    """Unit normals of a head's relief, (TEXTURE / 2, TEXTURE / 2, 3)."""
    xs, ys = X[::2, ::2], Y[::2, ::2]
    ball = 1 - (xs / (p.width + 4)) ** 2 - ((ys - 1) / (p.chin + 9)) ** 2
    height = 26 * np.sqrt(np.clip(ball, 0.02, None))
    tip, wide, tall = p.nose
    ridge = np.clip((ys - p.eye[1]) / (tip - p.eye[1]), 0, 1) * (ys < tip + 3)
    height = height + tall * 0.7 * ridge * np.exp(-0.5 * (xs / (wide * 0.55)) ** 2)
    height = height + tall * 0.35 * bump(0, tip, wide * 0.8, 2.6, step=2)
    height = height + 1.6 * bump(0, p.mouth[0], p.mouth[1], 3.5, step=2)
    height = height + 2.0 * bump(0, p.chin - 6, 7, 4, step=2)
    for side in (-1, 1):
        height = height - 2.6 * bump(side * p.eye[0], p.eye[1], 6, 4, step=2)
        height = height + 1.6 * bump(side * p.eye[0], p.eye[1] - p.brow[0], 8, 2.5, step=2)
        height = height + 1.8 * bump(side * 16, 4, 6, 6, step=2)
    height = cv2.GaussianBlur(height.astype(np.float32), (0, 0), 1.2)
    dy, dx = np.gradient(height)
    normal = np.stack([-dx, -dy, np.ones_like(dx)], axis=-1)
    return np.asarray(normal / np.linalg.norm(normal, axis=-1, keepdims=True), np.float32)


def dress(inner: Identity, outer: Identity, match: float) -> Identity:
    """Give a donor the target's glasses, beard and hair, and its skin colour up to `match`.

    The skin colours alone are matched, in the parameters: eyes and teeth keep their own, and
    glasses never come or go, which would give a manipulation away without any trace.
    """
    skin = np.array(inner.skin) * (1 - match) + np.array(outer.skin) * match
    lips = np.array(inner.lips) * (1 - match) + np.array(outer.lips) * match
    return replace(
        inner,
        skin=_colour(skin),
        lips=_colour(lips),
        hair=outer.hair,
        glasses=outer.glasses,
        beard=outer.beard,
        width=outer.width,
        chin=outer.chin,
        jaw=outer.jaw,
        pores=outer.pores,
        forehead=outer.forehead,
        hairline=outer.hairline,
        parting=outer.parting,
    )
