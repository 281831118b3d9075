"""Four manipulations of a rendered clip, modelled on the kinds found in FaceForensics++.

| name | what happens | kind |
|---|---|---|
| swap | the donor's inner face, generated at low resolution, blended in | learned face swap |
| redraw | the donor's face as coarse graphics with flat light, pasted in | graphics face swap |
| reenact | the same face rendered again with a borrowed expression | expression transfer |
| mouth | the mouth region alone, rendered again through a coarse texture | neural rendering |

Every one takes the clean scene (before the camera) and returns one of the same size. Pose,
backdrop, moments and camera stay those of the original. How strong the traces are is drawn once
a video, from barely visible to plain.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from dfdbench_plugins.synthetic_faces.expression import Moment
from dfdbench_plugins.synthetic_faces.head import (
    TEXTURE,
    Field,
    Head,
    Image,
    X,
    Y,
    dress,
    floats,
    inside,
    paint,
    sample_identity,
)
from dfdbench_plugins.synthetic_faces.render import (
    SCENE,
    Clip,
    draw_frame,
    pose_map,
    sample_moments,
    shading,
)
from dfdbench_plugins.synthetic_faces.seeds import stream


@dataclass(frozen=True)
class Fake:
    """One video's manipulation: the second face, its motion, and how well the work was done."""

    head: Head  # the face that is drawn in
    acting: list[Moment]  # the donor's motion, one moment a frame
    mask: Field  # (TEXTURE, TEXTURE), 0 to 1: where the face is replaced
    shrink: float  # side of the generator's image over the scene's
    blocks: float  # how much of the upsampling's blocks is left, 0 to 1
    offset: tuple[float, float]  # misplacement in units
    sharpen: float  # the generator's finish, which gives back the energy lost by shrinking:
    grain: float  # unsharp mask and grain in grey levels, so that sharpness alone tells nothing
    tone: tuple[float, float, float]  # colour error, a factor a channel
    light: tuple[float, float, float]  # error of the estimated light
    texture: np.random.Generator  # draws the grain, frame after frame


# how much finish leaves the mean sharpness of a video as it was, measured on pairs
FINISH = {"swap": 1.1, "redraw": 0.8, "reenact": 1.0, "mouth": 1.3}
Method = Callable[[Image, Fake, Moment, Moment, Clip], Image]


def prepare(method: str, target: Head, donor: int, clip: int, n_frames: int) -> Fake:
    """Draw one video's manipulation; deterministic in the donor's and the clip's number."""
    rng = stream("manipulation", donor, clip)
    u = rng.uniform
    other = sample_identity(donor)
    own_face = method in ("reenact", "mouth")
    match = u(0.3, 1.0)
    head = target if own_face else paint(dress(other, target.identity, match))
    loss = {
        "swap": (0.22, 0.38),
        "redraw": (0.3, 0.5),
        "reenact": (0.24, 0.4),
        "mouth": (0.22, 0.36),
    }
    finish = FINISH[method]
    tint = 0.05 if method == "mouth" else 0.12
    return Fake(
        head=head,
        acting=sample_moments(donor, n_frames),
        mask=_mask(method, target, rng),
        shrink=u(*loss[method]),
        blocks=u(0.5, 1.0),
        offset=(u(-1.0, 1.0), u(-1.0, 1.0)),
        sharpen=u(0.0, 2.2) * finish,
        grain=u(0.0, 1.2) * finish * target.identity.pores,
        tone=(1 + u(-tint, tint), 1 + u(-tint, tint), 1 + u(-tint, tint)),
        light=(u(-0.5, 0.5), u(-0.4, 0.4), 0.0),
        texture=rng,
    )


def manipulate(
    method: str, scene: Image, fake: Fake, frame: int, moment: Moment, clip: Clip
) -> Image:
    """Manipulate one scene frame (SCENE, SCENE, 3). Raises KeyError on an unknown method."""
    drawn = METHODS[method](scene, fake, moment, fake.acting[frame], clip).astype(np.float32)
    face = drawn + np.float32(fake.sharpen) * (drawn - cv2.GaussianBlur(drawn, (0, 0), 1.5))
    grain = fake.texture.standard_normal((SCENE, SCENE), dtype=np.float32)
    face += (cv2.GaussianBlur(grain, (0, 0), 0.7) * np.float32(2 * fake.grain))[..., None]
    mask = cv2.remap(fake.mask, *pose_map(moment), cv2.INTER_LINEAR, borderValue=0)
    mixed = scene + (face * floats(fake.tone) - scene) * mask[..., None]
    return np.asarray(np.clip(mixed + 0.5, 0, 255)).astype(np.uint8)


def _mask(method: str, target: Head, rng: np.random.Generator) -> Field:
    """Where the face is replaced: the mouth region or brows to chin, with a soft or hard edge."""
    p = target.identity
    if method == "mouth":
        middle, wide, tall = p.mouth[0] + 1, p.mouth[1] * rng.uniform(1.4, 1.7), rng.uniform(8, 10)
    else:
        top = p.eye[1] - p.brow[0] - rng.uniform(3, 5)
        low = p.chin - rng.uniform(2, 6)
        middle, wide, tall = (top + low) / 2, p.width * rng.uniform(0.78, 0.9), (low - top) / 2
    power = rng.uniform(2.0, 3.0)
    radius = (np.abs(X / wide) ** power + np.abs((Y - middle) / tall) ** power) ** (1 / power)
    soft = rng.uniform(0.3, 0.8) if method == "redraw" else rng.uniform(0.5, 2.0)
    return inside(((1 - radius) * min(wide, tall)).astype(np.float32), soft)


def _generated(image: Image, fake: Fake) -> Image:
    """Bring an image through a generator of lower resolution, whose upsampling leaves blocks."""
    side = int(SCENE * fake.shrink)
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    smooth = cv2.resize(small, (SCENE, SCENE), interpolation=cv2.INTER_CUBIC)
    blocks = cv2.resize(small, (SCENE, SCENE), interpolation=cv2.INTER_NEAREST)
    mixed = cv2.addWeighted(blocks, fake.blocks, smooth, 1 - fake.blocks, 0)
    return np.asarray(mixed, np.uint8)


def _relit(clip: Clip, fake: Fake) -> Clip:
    light = np.array(clip.light) + np.array(fake.light)
    x, y, z = (light / np.linalg.norm(light)).tolist()
    return replace(clip, light=(x, y, z))


def _moved(moment: Moment, offset: tuple[float, float]) -> Moment:
    return replace(moment, shift=(moment.shift[0] + offset[0], moment.shift[1] + offset[1]))


def _swap(scene: Image, fake: Fake, moment: Moment, acting: Moment, clip: Clip) -> Image:
    face = draw_frame(fake.head, _moved(moment, fake.offset), _relit(clip, fake))
    return _generated(face, fake)


def _redraw(scene: Image, fake: Fake, moment: Moment, acting: Moment, clip: Clip) -> Image:
    """A polygon face: light in flat facets, the texture without its fine grain, no smoothing."""
    placed = _moved(moment, fake.offset)
    smooth = np.asarray(cv2.bilateralFilter(fake.head.albedo, 5, 24, 2), np.float32)
    shade = shading(fake.head, placed, _relit(clip, fake))[6::12, 6::12]
    flat = cv2.resize(shade, (TEXTURE, TEXTURE), interpolation=cv2.INTER_NEAREST)
    face = draw_frame(replace(fake.head, albedo=smooth), placed, clip, floats(flat))
    side = int(SCENE * fake.shrink)
    jagged = cv2.resize(face, (side, side), interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.resize(jagged, (SCENE, SCENE), interpolation=cv2.INTER_LINEAR), np.uint8)


def _reenact(scene: Image, fake: Fake, moment: Moment, acting: Moment, clip: Clip) -> Image:
    posed = replace(
        moment,
        blink=acting.blink,
        gaze=acting.gaze,
        brow=acting.brow,
        smile=acting.smile,
        open=acting.open,
    )
    return _generated(draw_frame(fake.head, posed, _relit(clip, fake)), fake)


def _mouth(scene: Image, fake: Fake, moment: Moment, acting: Moment, clip: Clip) -> Image:
    posed = replace(moment, smile=acting.smile, open=acting.open)
    return _generated(draw_frame(fake.head, posed, clip), fake)


METHODS: dict[str, Method] = {
    "swap": _swap,
    "redraw": _redraw,
    "reenact": _reenact,
    "mouth": _mouth,
}
