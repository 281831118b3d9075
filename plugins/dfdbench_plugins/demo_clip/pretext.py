"""Pretext batches for the demo's encoder: rendered faces, filmed and locally disturbed.

A corpus of clean scenes (before the camera) of the pretraining identities is rendered once. A
batch takes every scene twice, each time through another camera and mostly with another disturbed
region, so that two images of one face differ by nothing but low-level detail. A disturbed region
is a random soft blob anywhere in the picture that shows the same scene resampled, shifted,
recoloured or grainy, or another frame or another person's picture at the same place. The
manipulations of the benchmark are not used.
"""

from dataclasses import astuple, dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dfdbench_plugins.synthetic_faces.camera import ANY, Settings, film
from dfdbench_plugins.synthetic_faces.head import Image, paint, sample_identity
from dfdbench_plugins.synthetic_faces.render import SCENE, draw_frame, sample_clip, sample_moments
from dfdbench_plugins.synthetic_faces.seeds import SEEDS

Array = NDArray[np.float32]

GRID = 28  # squares a side in which masks are kept; every patch size used divides into them
# what a disturbed region may be; several hold at once
FLAGS = ("present", "resampled", "recoloured", "moved", "other_frame", "other_face", "grainy")


@dataclass(frozen=True)
class Batch:
    """B = 2 x scenes; image k and image k + B / 2 show the same scene."""

    images: Image  # (B, 112, 112, 3) RGB
    attributes: Array  # (B, A) standardised: person, pose, light, camera
    flags: Array  # (B, len(FLAGS)) 0 or 1
    masks: Array  # (B, GRID, GRID) 0 to 1, the mean over squares of the image


def _describe(identity: int, frames: int) -> tuple[Image, Array]:
    """Render one person: scenes (frames, SCENE, SCENE, 3) and attributes (frames, A)."""
    cv2.setNumThreads(1)
    person, clip = sample_identity(identity), sample_clip(identity, identity)
    head = paint(person)
    still = [*person.skin, *person.hair, *person.iris, *person.lips, *person.eye, *person.brow]
    still += [*person.nose, *person.mouth, person.width, person.chin, person.jaw, person.hairline]
    still += [person.hair_length, person.beard, person.pores, person.glasses]
    still += [*clip.light, clip.ambient, *clip.tint[:1], *clip.backdrop.mean(axis=(0, 1))]
    scenes, rows = [], []
    for m in sample_moments(identity, frames):
        scenes.append(draw_frame(head, m, clip))
        moving = [
            m.yaw,
            m.pitch,
            m.roll,
            *m.shift,
            m.scale,
            m.blink,
            m.gaze,
            m.brow,
            m.smile,
            m.open,
        ]
        rows.append(np.array(still + moving, np.float32))
    return np.stack(scenes), np.stack(rows)


def _describe_pair(task: tuple[int, int]) -> tuple[Image, Array]:
    return _describe(*task)


class Corpus:
    """Clean scenes (N, frames, SCENE, SCENE, 3) and attributes (N, frames, A), standardised."""

    def __init__(self, scenes: Image, attributes: Array) -> None:
        """Take arrays as `render` made them."""
        self.scenes = scenes
        flat = attributes.reshape(-1, attributes.shape[-1])
        self.attributes = (attributes - flat.mean(axis=0)) / (flat.std(axis=0) + 1e-6)

    @classmethod
    def render(cls, folder: Path, identities: int, frames: int, first: int = 0) -> "Corpus":
        """Render pretraining identities, or read them where `folder` has them already."""
        name = f"{first}-{identities}-{frames}"
        pixels, numbers = folder / f"scenes-{name}.npy", folder / f"attributes-{name}.npy"
        if not numbers.exists():
            folder.mkdir(parents=True, exist_ok=True)
            shape = (identities, frames, SCENE, SCENE, 3)
            store = np.lib.format.open_memmap(pixels, "w+", np.uint8, shape)
            rows = []
            tasks = [(SEEDS["pretrain"][first + k], frames) for k in range(identities)]
            with get_context("spawn").Pool(2) as pool:
                for k, (scenes, row) in enumerate(pool.imap(_describe_pair, tasks, 16)):
                    store[k] = scenes
                    rows.append(row)
            store.flush()
            np.save(numbers, np.stack(rows))
        return cls(np.load(pixels, mmap_mode="r"), np.load(numbers))

    def batch(self, step: int, scenes: int, seed: int = 0) -> Batch:
        """Make batch number `step`; deterministic in (seed, step)."""
        cv2.setNumThreads(1)
        rng = np.random.default_rng(np.random.SeedSequence([seed, step]))
        people = rng.integers(len(self.scenes), size=scenes)
        moments = rng.integers(self.scenes.shape[1], size=scenes)
        samples = [
            self._sample(int(i), int(j), rng)
            for _ in range(2)
            for i, j in zip(people, moments, strict=True)
        ]
        images, cameras, flags, masks = (np.stack(part) for part in zip(*samples, strict=True))
        known = np.concatenate([self.attributes[people, moments]] * 2)
        return Batch(
            images, np.concatenate([known, cameras], axis=1).astype(np.float32), flags, masks
        )

    def _sample(
        self, person: int, moment: int, rng: np.random.Generator
    ) -> tuple[Image, Array, Array, Array]:
        scene = self.scenes[person, moment]
        flags = np.zeros(len(FLAGS), np.float32)
        mask = np.zeros((SCENE, SCENE), np.float32)
        if rng.random() < 0.6:
            mask = blob(rng)
            other, flags = self._disturb(person, moment, rng)
            scene = np.asarray(scene + (other.astype(np.float32) - scene) * mask[..., None] + 0.5)
            scene = scene.astype(np.uint8)
        settings = ANY.draw(rng)
        image = film(scene, settings, rng)
        if rng.random() < 0.5:
            image, mask = image[:, ::-1], mask[:, ::-1]
        small = cv2.resize(mask, (GRID, GRID), interpolation=cv2.INTER_AREA)
        return image, camera_row(settings), flags, small

    def _disturb(self, person: int, moment: int, rng: np.random.Generator) -> tuple[Image, Array]:
        """What the region shows instead, (SCENE, SCENE, 3), and its flags."""
        flags = np.zeros(len(FLAGS), np.float32)
        flags[0] = 1
        image = self.scenes[person, moment]
        source = rng.choice(4, p=(0.45, 0.15, 0.15, 0.25))
        if source == 1:
            image, flags[3] = moved(image, rng), 1
        elif source == 2:
            image, flags[4] = self.scenes[person, (moment + 1) % self.scenes.shape[1]], 1
        elif source == 3:
            image, flags[5] = self.scenes[rng.integers(len(self.scenes)), moment], 1
        if rng.random() < (0.65 if source == 0 else 0.4):
            side = int(SCENE * rng.uniform(0.2, 0.6))
            small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
            way = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC)[rng.integers(3)]
            image, flags[1] = cv2.resize(small, (SCENE, SCENE), interpolation=way), 1
        if rng.random() < 0.3:
            tone = 1 + rng.uniform(-0.22, 0.22, 3)
            image, flags[2] = np.clip(image * tone, 0, 255).astype(np.uint8), 1
        if flags.sum() == 1 or rng.random() < 0.1:
            grain = rng.standard_normal((SCENE, SCENE, 1), dtype=np.float32)
            grain = cv2.GaussianBlur(grain, (0, 0), rng.uniform(0.4, 1.2))[..., None]
            grain *= np.float32(rng.uniform(6, 18) / (grain.std() + 1e-6))
            image, flags[6] = np.clip(image + grain, 0, 255).astype(np.uint8), 1
        return np.asarray(image), flags


class Films:
    """Batches made once and kept: `count` batches of 2 x `scenes` images, read back by number."""

    def __init__(self, folder: Path, corpus: Corpus, count: int, scenes: int, seed: int) -> None:
        """Make the batches, or read them where `folder` has them already."""
        name = f"{count}-{scenes}-{seed}"
        pixels, rest = folder / f"films-{name}.npy", folder / f"films-{name}.npz"
        if not rest.exists():
            shape = (count, 2 * scenes, 112, 112, 3)
            store = np.lib.format.open_memmap(pixels, "w+", np.uint8, shape)
            rows = []
            tasks = [(step, scenes, seed) for step in range(count)]
            with get_context("fork").Pool(2, _keep, (corpus,)) as pool:
                for k, batch in enumerate(pool.imap(_film, tasks, 2)):
                    store[k] = batch.images
                    rows.append((batch.attributes, batch.flags, batch.masks))
            store.flush()
            attributes, flags, masks = (np.stack(part) for part in zip(*rows, strict=True))
            np.savez(rest, attributes=attributes, flags=flags, masks=masks.astype(np.float16))
        self.images = np.load(pixels, mmap_mode="r")
        with np.load(rest) as kept:
            self.attributes, self.flags = kept["attributes"], kept["flags"]
            self.masks = kept["masks"].astype(np.float32)

    def __len__(self) -> int:
        """The number of batches."""
        return len(self.images)

    def batch(self, number: int, mirror: bool) -> Batch:
        """Batch `number`, mirrored left to right on request."""
        images, masks = self.images[number], self.masks[number]
        if mirror:
            images, masks = images[:, :, ::-1], masks[:, :, ::-1]
        return Batch(images, self.attributes[number], self.flags[number], masks)


_shared: list[Corpus] = []


def _keep(corpus: Corpus) -> None:
    _shared.append(corpus)


def _film(task: tuple[int, int, int]) -> Batch:
    return _shared[0].batch(*task)


def camera_row(settings: Settings) -> Array:
    """A camera's settings as numbers of about unit variance, (8,)."""
    blur, sensor, noise, gain, cast, sharpen, quality = astuple(settings)
    row = [(blur - 0.7) / 0.23, (sensor - 126) / 20, (noise - 2.6) / 1.4, (gain - 0.95) / 0.14]
    row += [(cast[0] - 1) / 0.07, (sharpen - 0.6) / 0.35, (quality - 72) / 15]
    row += [np.log(noise + 0.3)]
    return np.array(row, np.float32)


def moved(image: Image, rng: np.random.Generator) -> Image:
    """The same picture shifted, turned and scaled a little."""
    matrix = cv2.getRotationMatrix2D(
        (SCENE / 2, SCENE / 2), rng.uniform(-10, 10), rng.uniform(0.9, 1.1)
    )
    matrix[:, 2] += rng.uniform(-7, 7, 2)
    return np.asarray(cv2.warpAffine(image, matrix, (SCENE, SCENE), borderMode=cv2.BORDER_REFLECT))


def blob(rng: np.random.Generator) -> Array:
    """A random soft region: ellipse, polygon or wavy outline; (SCENE, SCENE), 0 to 1."""
    corners = int(rng.integers(4, 9)) if rng.random() < 0.4 else 40
    angle = (
        np.sort(rng.uniform(0, 2 * np.pi, corners))
        if corners < 40
        else np.linspace(0, 2 * np.pi, 40)
    )
    wave = 1 + rng.uniform(0, 0.25) * np.sin(rng.integers(2, 5) * angle + rng.uniform(0, 6.3))
    size = rng.uniform(16, 48, 2)
    points = np.stack([np.cos(angle) * size[0], np.sin(angle) * size[1]], axis=1) * wave[:, None]
    points += rng.uniform(0.27 * SCENE, 0.73 * SCENE, 2)
    mask = np.zeros((SCENE, SCENE), np.uint8)
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], [255.0], cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.5, 3.0))
    return np.asarray(soft / np.float32(255), np.float32)
