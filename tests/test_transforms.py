from __future__ import annotations

import io
import math
from typing import Any, get_args

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as v2

from dfdbench_plugins import transforms
from dfdbench_plugins.transforms import ops
from dfdbench_plugins.transforms.base import PerImage

FILTERS = get_args(transforms.Resize.model_fields["filter"].annotation)
RANDOM = transforms.dfdbench_transforms()
FIXED: list[PerImage] = [
    transforms.Flip(),
    transforms.Affine(scale=1.1),
    transforms.GaussianBlur(kernel=5, sigma=1.5),
    transforms.ColourJitter(),
    transforms.Jpeg(quality=50),
    transforms.Resize(factor=0.5),
    transforms.GaussianNoise(sigma=5),
]
ZERO: list[PerImage] = [
    transforms.Affine(degrees=0, translate=0, scale=1),
    transforms.GaussianBlur(kernel=5, sigma=0),
    transforms.GaussianBlur(kernel=None, sigma=0),
    transforms.GaussianBlur(kernel=1, sigma=2),
    transforms.ColourJitter(brightness=0, contrast=0),
    *(transforms.Resize(factor=1, filter=name) for name in FILTERS),
    transforms.GaussianNoise(sigma=0),
]


def pictures(count: int, size: int = 64, seed: int = 0) -> torch.Tensor:
    """Smooth pictures, as faces are, with some fine detail."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 8, 8, generator=rng) * 255
    smooth = torch.nn.functional.interpolate(coarse, size=size, mode="bicubic")
    grain = torch.randn(smooth.shape, generator=rng) * 4
    return (smooth + grain).clamp(0, 255).to(torch.uint8)


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def difference(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a.int() - b.int()).abs()


@pytest.mark.parametrize("cls", RANDOM)
def test_augmentation_is_reproduced_by_the_generator_alone(cls: Any) -> None:
    images = pictures(6)
    first = cls().augment(images.clone(), rng())
    torch.manual_seed(99)
    assert torch.equal(first, cls().augment(images.clone(), rng()))
    assert not torch.equal(first, cls().augment(images.clone(), rng(2)))
    assert first.shape == images.shape and first.dtype == torch.uint8


@pytest.mark.parametrize("cls", RANDOM)
def test_each_image_of_a_batch_is_changed_by_parameters_of_its_own(cls: Any) -> None:
    same = pictures(1).repeat(8, 1, 1, 1)
    results = {bytes(image.numpy().tobytes()) for image in cls().augment(same, rng())}
    values = {transforms.Flip: 2, transforms.H264: 4}  # H264 has 23 whole numbers to draw from
    assert len(results) >= values.get(cls, 7)


@pytest.mark.parametrize("transform", FIXED, ids=lambda t: t.name)
def test_a_perturbation_depends_neither_on_the_batch_nor_on_the_memory_layout(
    transform: PerImage,
) -> None:
    images = pictures(3)
    before = images.clone()
    together = transform.perturb(images)
    alone = torch.cat([transform.perturb(image[None]) for image in images])
    interleaved = images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    assert torch.equal(together, alone)
    assert torch.equal(together, transform.perturb(interleaved))
    assert torch.equal(images, before)
    assert not torch.equal(together, images)


@pytest.mark.parametrize(
    ("transform", "option"),
    [
        (transforms.Affine(), "scale"),
        (transforms.GaussianBlur(), "kernel"),
        (transforms.Jpeg(), "quality"),
        (transforms.Resize(), "factor"),
        (transforms.GaussianNoise(), "sigma"),
        (transforms.H264(), "crf"),
    ],
)
def test_a_range_is_no_strength_of_a_perturbation(transform: PerImage, option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} is the range .* write {{use: {transform.name}"):
        transform.perturb(pictures(1))


def test_probability_zero_changes_nothing_and_half_changes_about_half() -> None:
    images = pictures(1).repeat(400, 1, 1, 1)
    assert torch.equal(transforms.Jpeg(p=0).augment(images, rng()), images)
    flipped = (transforms.Flip().augment(images, rng()) != images).any(dim=(1, 2, 3)).sum()
    assert 160 < int(flipped) < 240  # 400 draws at 0.5: four standard deviations are 40


def test_flip_mirrors_left_and_right() -> None:
    image = torch.arange(12, dtype=torch.uint8).view(1, 1, 2, 6).repeat(1, 3, 1, 1)
    assert transforms.Flip().perturb(image)[0, 0].tolist() == [
        [5, 4, 3, 2, 1, 0],
        [11, 10, 9, 8, 7, 6],
    ]


@pytest.mark.parametrize(
    ("degrees", "right", "down", "scale"),
    [(7.0, 0.1, -0.05, 1.05), (-10.0, 0.0, 0.0, 0.9), (0.0, 0.25, 0.5, 1.0)],
)
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_affine_equals_torchvision_for_the_same_parameters(
    degrees: float, right: float, down: float, scale: float, interpolation: str
) -> None:
    image = pictures(1, size=96)[0]
    expected = v2.affine(
        image,
        degrees,
        [round(right * 96), round(down * 96)],
        scale,
        [0.0, 0.0],
        interpolation=InterpolationMode(interpolation),
    )
    off = difference(ops.affine(image, degrees, right, down, scale, interpolation), expected)
    if interpolation == "bilinear":
        assert off.max() <= 1
    else:  # a place halfway between two pixels may fall to either
        assert (off > 0).float().mean() < 1e-3


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0])
def test_gaussian_blur_equals_torchvision_to_one_level(kernel: int, sigma: float) -> None:
    image = pictures(1, size=96)[0]
    expected = v2.gaussian_blur(image, [kernel, kernel], [sigma, sigma])
    off = difference(ops.gaussian_blur(image, kernel, sigma), expected)
    assert off.max() <= 1 and off.float().mean() < 0.15


@pytest.mark.parametrize(("light", "contrast"), [(1.1, 0.9), (0.5, 1.5), (1.0, 1.0)])
@pytest.mark.parametrize("contrast_first", [False, True])
def test_jitter_equals_torchvision(light: float, contrast: float, contrast_first: bool) -> None:
    image = pictures(1)[0]
    if contrast_first:
        expected = v2.adjust_brightness(v2.adjust_contrast(image, contrast), light)
    else:
        expected = v2.adjust_contrast(v2.adjust_brightness(image, light), contrast)
    assert torch.equal(ops.jitter(image, light, contrast, contrast_first), expected)


@pytest.mark.parametrize("quality", [40, 75, 100])
def test_jpeg_equals_pillow(quality: int) -> None:
    image = pictures(1)[0]
    file = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
    expected = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)
    assert torch.equal(ops.jpeg(image, quality), expected)


def test_resize_loses_the_detail_of_a_checkerboard_and_keeps_its_mean() -> None:
    board = torch.tensor([[0, 200], [200, 0]], dtype=torch.uint8).repeat(16, 16)
    image = board.expand(1, 3, 32, 32).contiguous()
    small = transforms.Resize(factor=0.5, filter="bilinear").perturb(image)
    assert difference(small, torch.full_like(small, 100)).max() <= 2


def test_gaussian_noise_has_the_standard_deviation_that_was_asked_for() -> None:
    grey = torch.full((1, 3, 128, 128), 128, dtype=torch.uint8)
    noise = transforms.GaussianNoise(sigma=8).perturb(grey).float() - 128
    # 49,152 draws: the standard error of the deviation is 8 / sqrt(2 * 49152) = 0.026.
    assert abs(float(noise.std()) - math.sqrt(64 + 1 / 12)) < 0.11
    assert abs(float(noise.mean())) < 0.15


@pytest.mark.parametrize("transform", ZERO, ids=lambda t: f"{t.name}-{t.to_spec()}")
def test_strength_zero_gives_every_image_back_bit_for_bit(transform: PerImage) -> None:
    images = pictures(3, size=45)
    assert transform.does_nothing()
    assert torch.equal(transform.perturb(images.clone()), images)


@pytest.mark.parametrize(
    "transform",
    [*FIXED, transforms.Jpeg(quality=100), transforms.H264(crf=0), transforms.H264(crf=23)],
    ids=lambda t: f"{t.name}-{t.to_spec()}",
)
def test_no_other_strength_is_said_to_be_zero(transform: PerImage) -> None:
    assert not transform.does_nothing()
    images = pictures(1)
    assert not torch.equal(transform.perturb(images.clone()), images)


@pytest.mark.parametrize("name", FILTERS)
def test_a_factor_of_a_half_keeps_detail_by_nearest_alone(name: str) -> None:
    board = torch.tensor([[0, 200], [200, 0]], dtype=torch.uint8).repeat(16, 16)
    image = board.expand(1, 3, 32, 32).contiguous()
    small = transforms.Resize(factor=0.5, filter=name).perturb(image)
    # Every pixel that `nearest` takes lies on the same diagonal of its square of four.
    wanted = 0 if name == "nearest" else 100
    assert difference(small, torch.full_like(small, wanted)).max() <= (0 if wanted == 0 else 12)


def test_resize_equals_pillow_down_and_up() -> None:
    image = pictures(1, size=50)[0]
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    how = Image.Resampling.LANCZOS
    expected = torch.from_numpy(np.array(picture.resize((15, 15), how).resize((50, 50), how)))
    found = transforms.Resize(factor=0.3, filter="lanczos").perturb(image[None])[0]
    assert torch.equal(found, expected.permute(2, 0, 1))


def test_a_kernel_of_null_is_wide_enough_that_a_wider_one_changes_nothing() -> None:
    images = pictures(1, size=96)
    own = transforms.GaussianBlur(kernel=None, sigma=2).perturb(images)
    assert torch.equal(own, transforms.GaussianBlur(kernel=17, sigma=2).perturb(images))
    wider = transforms.GaussianBlur(kernel=33, sigma=2).perturb(images)
    assert difference(own, wider).max() <= 1
    narrow = transforms.GaussianBlur(kernel=3, sigma=2).perturb(images)
    assert difference(narrow, wider).max() > 5


def test_an_image_has_the_same_noise_at_every_strength_only_larger() -> None:
    grey = torch.full((1, 3, 64, 64), 128, dtype=torch.uint8)
    weak, strong = (
        transforms.GaussianNoise(sigma=sigma).perturb(grey).double() - 128 for sigma in (8, 16)
    )
    assert difference((2 * weak), strong).max() <= 2  # each is rounded: 2 * 0.5 + 0.5


def test_two_images_have_different_noise() -> None:
    images = torch.stack([torch.full((3, 32, 32), value, dtype=torch.uint8) for value in (99, 100)])
    noisy = transforms.GaussianNoise(sigma=8).perturb(images)
    assert not torch.equal(noisy[0] - 99, noisy[1] - 100)


def clip(frames: int = 5, size: int = 64) -> torch.Tensor:
    """A picture that moves to the right, as in a video."""
    (picture,) = pictures(1, size=size, seed=3)
    return torch.stack([picture.roll(2 * n, dims=-1) for n in range(frames)])


def test_h264_loses_more_at_a_higher_crf_and_gives_the_same_each_time() -> None:
    frames = clip()
    lost = []
    for crf in (18, 30, 42):
        coded = transforms.H264(crf=crf).perturb(frames)
        assert torch.equal(coded, transforms.H264(crf=crf).perturb(frames))
        lost.append(float(difference(coded, frames).float().mean()))
    assert lost[0] < lost[1] < lost[2]


def test_h264_predicts_the_faces_of_a_video_from_each_other() -> None:
    frames = clip()
    assert transforms.H264.per_video
    together = transforms.H264(crf=30).perturb(frames)
    alone = torch.cat([transforms.H264(crf=30).perturb(frame[None]) for frame in frames])
    assert not torch.equal(together, alone)
    # Each frame is nearer to itself than to its neighbour: they come back in their order.
    own = difference(together, frames).float().mean(dim=(1, 2, 3))
    other = difference(together, frames.roll(1, dims=0)).float().mean(dim=(1, 2, 3))
    assert (own < other).all()


def test_h264_in_training_is_a_clip_of_each_face_alone() -> None:
    frames = clip(3)
    found = transforms.H264(crf=30).augment(frames, rng())
    alone = torch.cat([transforms.H264(crf=30).perturb(frame[None]) for frame in frames])
    assert torch.equal(found, alone)


@pytest.mark.parametrize("sides", [(33, 50), (50, 33), (17, 19), (1, 1)])
def test_h264_takes_faces_of_odd_sides(sides: tuple[int, int]) -> None:
    frames = clip(2)[:, :, : sides[0], : sides[1]]
    coded = transforms.H264(crf=10).perturb(frames)
    assert coded.shape == frames.shape and coded.dtype == torch.uint8
    assert difference(coded, frames).float().mean() < 8


def test_h264_keeps_grey_and_turns_no_colour_into_another() -> None:
    flat = [(0, 0, 0), (128, 128, 128), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255)]
    for colour in flat:
        frame = torch.tensor(colour, dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 32, 32)
        # A level of luma is 255 / 219 = 1.2 of red, and one of chroma up to 2.
        coded = transforms.H264(crf=0).perturb(frame.contiguous())
        assert difference(coded, frame).max() <= 3


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: transforms.Jpeg(quality=(90, 40)), "low may not be above high"),
        (lambda: transforms.Jpeg(quality=0), "not between 1 and 100"),
        (lambda: transforms.GaussianBlur(kernel=4), "odd side"),
        (lambda: transforms.Resize(factor=1.5), "not between 0.01 and 1"),
        (lambda: transforms.H264(crf=52), "not between 0 and 51"),
    ],
)
def test_options_outside_their_range_are_refused(build: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        build()
