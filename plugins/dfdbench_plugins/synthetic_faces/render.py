"""Render clips of parametric faces: the scene (160 px) before any camera, and the video (112 px).

Nothing here knows the manipulations or the camera by more than their entry points: a video is
identity -> head -> scene frames -> (manipulation) -> camera. Everything is deterministic in the
seeds. Images are RGB uint8; lengths are in units of `head` (pixels of the final image).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from dfdbench_plugins.synthetic_faces.expression import Moment, draw_texture, fill
from dfdbench_plugins.synthetic_faces.head import (
    ORIGIN,
    RESOLUTION,
    TEXTURE,
    Field,
    Head,
    Image,
    floats,
    sample_identity,
)
from dfdbench_plugins.synthetic_faces.seeds import stream

SCENE = 160  # pixels of a scene frame; the camera brings it to the final size
PER_UNIT = SCENE / 112
CENTRE = (56.0, 60.0)
COARSE = 41  # the pose's mapping is smooth: computed on a coarse grid, then enlarged


@dataclass(frozen=True)
class Clip:
    """What one take shares over its frames: backdrop with body, and light."""

    backdrop: Image  # (SCENE, SCENE, 3)
    light: tuple[float, float, float]  # direction to the light, z towards the camera
    ambient: float
    tint: tuple[float, float, float]


def sample_moments(seed: int, n_frames: int) -> list[Moment]:
    """Sample a clip's motion at `n_frames` equidistant moments: sums of slow sines."""
    rng = stream("motion", seed)
    time = np.linspace(0, 1, n_frames, endpoint=False)
    rate, phase = rng.uniform(0.4, 2.2, (10, 2, 1)), rng.uniform(0, 2 * np.pi, (10, 2, 1))
    wave = np.sin(2 * np.pi * rate * time + phase).mean(axis=1)  # (10, n_frames), -1 to 1
    mean = rng.normal(0, 1, 10)
    rows = []
    for w in wave.T:
        rows.append(
            Moment(
                yaw=0.22 * mean[0] + 0.16 * w[0],
                pitch=0.10 * mean[1] + 0.08 * w[1],
                roll=0.04 * mean[2] + 0.03 * w[2],
                shift=(1.2 * mean[3] + w[3], 1.2 * mean[4] + w[4]),
                scale=float(np.clip(1.12 + 0.04 * mean[5] + 0.02 * w[5], 0.98, 1.26)),
                blink=float(np.clip(6 * w[6] - 4.6, 0, 1)),
                gaze=float(np.clip(0.4 * mean[7] + 0.5 * w[7], -1, 1)),
                brow=float(np.clip(0.3 + 0.3 * mean[8] + 0.4 * w[8], 0, 1)),
                smile=float(np.clip(0.3 + 0.35 * mean[9] + 0.4 * w[9], 0, 1)),
                open=float(np.clip(0.2 + 0.3 * mean[6] + 0.7 * w[8], 0, 1)),
            )
        )
    return rows


def sample_clip(seed: int, identity: int) -> Clip:
    """Draw backdrop and light of a take, with the person's neck and clothes in the backdrop."""
    rng = stream("clip", seed)
    small = (rng.uniform(30, 225, (3, 3, 1)) + rng.normal(0, 22, (3, 3, 3))).astype(np.float32)
    base = rng.uniform(40, 210) + rng.normal(0, 18, 3)
    wall = 0.45 * cv2.resize(small, (SCENE, SCENE), interpolation=cv2.INTER_CUBIC) + 0.55 * base
    wall = np.clip(wall, 0, 255).astype(np.uint8)
    for _ in range(rng.integers(2, 7)):
        corner = rng.uniform(-20, SCENE, 2)
        size = rng.uniform(12, 80, 2)
        shade = rng.uniform(25, 230) * 0.6 + base * 0.4 + rng.normal(0, 14, 3)
        fill(
            wall,
            np.array([corner, corner + size * (1, 0), corner + size, corner + size * (0, 1)]),
            shade,
        )
    wall = cv2.GaussianBlur(wall, (0, 0), rng.uniform(0.6, 3.0))
    grain = rng.standard_normal((SCENE, SCENE, 1), dtype=np.float32) * rng.uniform(1, 6)
    wall = np.clip(wall + cv2.GaussianBlur(grain, (0, 0), 0.8)[..., None], 0, 255).astype(np.uint8)
    person = sample_identity(identity)
    neck = np.array([[42, 76], [70, 76], [73, 104], [84, 116], [28, 116], [39, 104]])
    fill(wall, neck * PER_UNIT, np.array(person.skin) * 0.72)
    cloth, dip = rng.uniform(20, 200) + rng.normal(0, 25, 3), rng.uniform(102, 109)
    body = [[-5, 118], [8, 102], [38, 97], [56, dip], [74, 97], [104, 102], [117, 118]]
    fill(wall, np.array(body) * PER_UNIT, cloth)
    angle = rng.uniform(-1.1, 1.1)
    light = np.array([np.sin(angle), -rng.uniform(0.1, 0.7), np.cos(angle)])
    x, y, z = (light / np.linalg.norm(light)).tolist()
    warm = rng.uniform(-0.08, 0.08)
    return Clip(wall, (x, y, z), rng.uniform(0.35, 0.62), (1 + warm, 1.0, 1 - warm))


def pose_map(moment: Moment) -> tuple[Field, Field]:
    """Texture coordinates of every scene pixel, two (SCENE, SCENE) fields for `cv2.remap`."""
    axis = np.linspace(0, 112, COARSE, dtype=np.float32)
    u, v = np.meshgrid(axis - CENTRE[0] - moment.shift[0], axis - CENTRE[1] - moment.shift[1])
    cos, sin = np.cos(moment.roll) / moment.scale, np.sin(moment.roll) / moment.scale
    a, b = u * cos + v * sin, v * cos - u * sin
    depth = 24 * np.sqrt(np.clip(1 - (a / 34) ** 2 - (b / 46) ** 2, 0, None))
    depth = depth + 6 * np.exp(-0.5 * ((a / 4) ** 2 + ((b - 5) / 5) ** 2))
    x = (a - depth * np.sin(moment.yaw)) / np.cos(moment.yaw)
    y = (b - depth * np.sin(moment.pitch)) / np.cos(moment.pitch)
    maps = []
    for field, origin in ((x, ORIGIN[0]), (y, ORIGIN[1])):
        big = cv2.resize(((field + origin) * RESOLUTION).astype(np.float32), (SCENE, SCENE))
        maps.append(np.asarray(big, np.float32))
    return maps[0], maps[1]


def shading(head: Head, moment: Moment, clip: Clip) -> Field:
    """Brightness of the relief under the clip's light, (TEXTURE, TEXTURE), about 0.3 to 1.3."""
    light = np.array(clip.light)
    turn = np.array(
        [light[0] - moment.yaw * light[2], light[1] - moment.pitch * light[2], light[2]]
    )
    toward = head.normals @ (turn / np.linalg.norm(turn)).astype(np.float32)
    diffuse = np.clip(toward, 0, None)
    shade = clip.ambient + (1.12 - clip.ambient) * diffuse + 0.16 * diffuse**16
    return np.asarray(cv2.resize(shade.astype(np.float32), (TEXTURE, TEXTURE)), np.float32)


def draw_frame(head: Head, moment: Moment, clip: Clip, shade: Field | None = None) -> Image:
    """Draw one scene frame (SCENE, SCENE, 3), before the camera; `shade` replaces the shading."""
    texture = draw_texture(head, moment).astype(np.float32)
    light = shading(head, moment, clip) if shade is None else shade
    layer = np.empty((TEXTURE, TEXTURE, 4), np.uint8)
    texture *= (light * head.alpha)[..., None]
    texture *= floats(clip.tint)
    layer[..., :3] = np.minimum(texture, 255, out=texture)  # premultiplied: clean edges
    layer[..., 3] = head.alpha * 255
    warped = cv2.remap(layer, *pose_map(moment), cv2.INTER_LINEAR, borderValue=(0, 0, 0, 0))
    keep = (255 - warped[..., 3:]).astype(np.float32) * np.float32(1 / 255)
    return np.asarray(clip.backdrop * keep + warped[..., :3] + 0.5).astype(np.uint8)
