"""Image transforms: random as training augmentation, of fixed strength as test perturbation.

An option that holds one value is that value in both uses. A range ``[low, high]`` is drawn from,
uniformly and for each image anew, in training; as a perturbation it is refused, because a test
must have one strength. Amounts that are symmetric (``degrees``, ``translate``, ``brightness``,
``contrast``) are drawn from plus or minus their size in training and taken as they stand, sign
and all, as a perturbation. ``p`` acts in training only.

The strength zero of a perturbation, at which each image comes back bit for bit: ``affine`` with
``degrees`` 0, ``translate`` 0 and ``scale`` 1; ``gaussian_blur`` with ``sigma`` 0 or ``kernel`` 1;
``colour_jitter`` with both amounts 0; ``resize`` with ``factor`` 1; ``gaussian_noise`` with
``sigma`` 0. ``flip``, ``jpeg`` and ``h264`` have none: even at JPEG quality 100 and at H.264 CRF 0
colours are stored at half the resolution and rounded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from dfdbench import hookimpl
from dfdbench.api import Transform
from dfdbench_plugins.transforms.base import (
    IntSpan,
    MaybeIntSpan,
    PerImage,
    Span,
    drawn,
    uniform,
    whole,
    within,
)

if TYPE_CHECKING:
    import torch

    from dfdbench_plugins.transforms.base import Params


class Flip(PerImage):
    """Mirrors an image left to right; as a perturbation every image."""

    name = "flip"
    p: float = Field(0.5, ge=0, le=1, description="probability of a flip in training, 0 to 1")

    def draw(self, rng: torch.Generator) -> Params:
        """Nothing."""
        return ()

    def fixed(self) -> Params:
        """Nothing."""
        return ()

    def change(self, image: torch.Tensor, params: Params) -> torch.Tensor:
        """Mirror."""
        return image.flip(-1)


class Affine(PerImage):
    """Rotates, shifts and scales about the centre; what comes from outside is black."""

    name = "affine"
    degrees: float = Field(10.0, ge=-180, le=180, description="rotation, clockwise, in degrees")
    translate: float = Field(
        0.1, ge=-1, le=1, description="shift to the right and down, as a fraction of the side"
    )
    scale: Annotated[Span, within(0.01, 100)] = Field(
        (0.9, 1.1), description="magnification, one value or [low, high], above 0"
    )
    interpolation: Literal["bilinear", "nearest"] = Field(
        "bilinear", description="how values between pixels are found"
    )

    def draw(self, rng: torch.Generator) -> Params:
        """Degrees, shift along x and y as fractions, scale."""
        angle, shift = abs(self.degrees), abs(self.translate)
        return (
            uniform(rng, -angle, angle),
            uniform(rng, -shift, shift),
            uniform(rng, -shift, shift),
            drawn(rng, self.scale),
        )

    def fixed(self) -> Params:
        """Degrees, shift along x and y as fractions, scale."""
        return self.degrees, self.translate, self.translate, self.one("scale")

    def does_nothing(self) -> bool:
        """Whether nothing is turned, shifted or scaled."""
        return self.fixed() == (0, 0, 0, 1)

    def change(self, image: torch.Tensor, params: Params) -> torch.Tensor:
        """Warp."""
        from dfdbench_plugins.transforms import ops

        degrees, right, down, scale = params
        return ops.affine(image, degrees, right, down, scale, self.interpolation)


class GaussianBlur(PerImage):
    """Blurs with a Gaussian kernel; the border is mirrored."""

    name = "gaussian_blur"
    kernel: Annotated[MaybeIntSpan, within(1, 99)] = Field(
        (3, 7),
        description="side of the kernel in pixels, odd: one value or [low, high]; null: 4 sigma to "
        "either side",
    )
    sigma: Annotated[Span, within(0, 100)] = Field(
        (0.1, 2.0), description="standard deviation in pixels: one value or [low, high]"
    )

    @field_validator("kernel")
    @classmethod
    def _odd(cls, value: int | tuple[int, int] | None) -> int | tuple[int, int] | None:
        sides: Sequence[int | None] = value if isinstance(value, tuple) else (value,)
        if any(side is not None and side % 2 == 0 for side in sides):
            raise ValueError(f"a blur's kernel has an odd side, not {value}")
        return value

    def draw(self, rng: torch.Generator) -> Params:
        """Kernel and sigma."""
        if self.kernel is None:
            sigma = drawn(rng, self.sigma)
            return _wide(sigma), sigma
        return whole(rng, self.kernel, step=2), drawn(rng, self.sigma)

    def fixed(self) -> Params:
        """Kernel and sigma."""
        kernel = None if self.kernel is None else self.one("kernel")
        sigma = self.one("sigma")
        return _wide(sigma) if kernel is None else kernel, sigma

    def does_nothing(self) -> bool:
        """Whether the kernel is a single pixel or has no width."""
        kernel, sigma = self.fixed()
        return kernel == 1 or sigma == 0

    def change(self, image: torch.Tensor, params: Params) -> torch.Tensor:
        """Blur."""
        from dfdbench_plugins.transforms import ops

        return ops.gaussian_blur(image, int(params[0]), params[1])


class ColourJitter(PerImage):
    """Changes brightness and contrast, in random order in training."""

    name = "colour_jitter"
    brightness: float = Field(
        0.1, ge=-1, le=1, description="relative change of brightness, -1 (black) to 1 (doubled)"
    )
    contrast: float = Field(
        0.1, ge=-1, le=1, description="relative change of contrast, -1 (grey) to 1 (doubled)"
    )

    def draw(self, rng: torch.Generator) -> Params:
        """Factor of brightness, factor of contrast, 1 where contrast comes first."""
        light, contrast = abs(self.brightness), abs(self.contrast)
        return (
            1 + uniform(rng, -light, light),
            1 + uniform(rng, -contrast, contrast),
            whole(rng, (0, 1)),
        )

    def fixed(self) -> Params:
        """Factor of brightness, factor of contrast, 0."""
        return 1 + self.brightness, 1 + self.contrast, 0

    def does_nothing(self) -> bool:
        """Whether both factors are 1."""
        return self.fixed() == (1, 1, 0)

    def change(self, image: torch.Tensor, params: Params) -> torch.Tensor:
        """Adjust."""
        from dfdbench_plugins.transforms import ops

        return ops.jitter(image, params[0], params[1], contrast_first=bool(params[2]))


class Jpeg(PerImage):
    """Compresses as JPEG (4:2:0) and decodes again."""

    name = "jpeg"
    quality: Annotated[IntSpan, within(1, 100)] = Field(
        (40, 100), description="JPEG quality, 1 to 100: one value or [low, high]"
    )

    def draw(self, rng: torch.Generator) -> Params:
        """Quality."""
        return (whole(rng, self.quality),)

    def fixed(self) -> Params:
        """Quality."""
        return (self.one("quality"),)

    def change(self, image: torch.Tensor, params: Params) -> torch.Tensor:
        """Compress and decode."""
        from dfdbench_plugins.transforms import ops

        return ops.jpeg(image, int(params[0]))


class Resize(PerImage):
    """Makes an image smaller and enlarges it to its own size again: detail is lost."""

    name = "resize"
    factor: Annotated[Span, within(0.01, 1)] = Field(
        (0.5, 1.0), description="side of the small image / side, above 0 to 1: one or [low, high]"
    )
    filter: Literal["nearest", "box", "bilinear", "bicubic", "lanczos"] = Field(
        "bicubic", description="Pillow's filter of both steps; antialiased unless nearest"
    )

    def draw(self, rng: torch.Generator) -> Params:
        """Factor."""
        return (drawn(rng, self.factor),)

    def fixed(self) -> Params:
        """Factor."""
        return (self.one("factor"),)

    def does_nothing(self) -> bool:
        """Whether the small image is as large as the image."""
        return self.fixed() == (1,)

    def change(self, image: torch.Tensor, params: Params) -> torch.Tensor:
        """Shrink and enlarge."""
        from dfdbench_plugins.transforms import ops

        return ops.down_and_up(image, params[0], self.filter)


class GaussianNoise(PerImage):
    """Adds independent Gaussian noise to every channel of every pixel.

    As a perturbation an image's noise is seeded by a checksum (CRC-32) of its pixels and by nothing
    else, so that scores depend neither on the order of the images nor on how they are batched. An
    image has the same noise at every strength, only larger.
    """

    name = "gaussian_noise"
    sigma: Annotated[Span, within(0, 255)] = Field(
        (0.0, 10.0), description="standard deviation in 8-bit units, 0 to 255: one or [low, high]"
    )

    def draw(self, rng: torch.Generator) -> Params:
        """Sigma and the seed of the noise."""
        return drawn(rng, self.sigma), whole(rng, (0, 2**31 - 1))

    def fixed(self) -> Params:
        """Sigma."""
        return (self.one("sigma"),)

    def does_nothing(self) -> bool:
        """Whether there is no noise."""
        return self.fixed() == (0,)

    def change(self, image: torch.Tensor, params: Params) -> torch.Tensor:
        """Add noise."""
        from dfdbench_plugins.transforms import ops

        seed = int(params[1]) if len(params) > 1 else ops.content_seed(image)
        return ops.gaussian_noise(image, params[0], seed)


class H264(PerImage):
    """Encodes as H.264 (libx264, 4:2:0) at a constant quality and decodes again.

    As a perturbation the faces of a video are the frames of a clip, in their order, so that they
    are predicted from each other as in a video; where the faces are a selection of the frames, they
    differ more than neighbours do. In training, where neighbours are of other videos, each face is
    a clip by itself. A face goes through the encoder as it is stored, not as it was in its frame.
    """

    name = "h264"
    per_video: ClassVar[bool] = True
    crf: Annotated[IntSpan, within(0, 51)] = Field(
        (18, 40), description="constant rate factor, 0 (best) to 51: one value or [low, high]"
    )

    def draw(self, rng: torch.Generator) -> Params:
        """CRF."""
        return (whole(rng, self.crf),)

    def fixed(self) -> Params:
        """CRF."""
        return (self.one("crf"),)

    def change(self, image: torch.Tensor, params: Params) -> torch.Tensor:
        """Encode and decode a clip of one frame."""
        from dfdbench_plugins.transforms import ops

        return ops.h264(image[None], int(params[0]))[0]

    def perturb(self, images: torch.Tensor) -> torch.Tensor:
        """Encode and decode the faces of one video, (B, 3, H, W) uint8 in the order of frames."""
        from dfdbench_plugins.transforms import ops

        return ops.h264(images, int(self.one("crf")))


def _wide(sigma: float) -> int:
    """Side of a kernel that reaches 4 sigma to either side; beyond lies 0.006 % of a Gaussian."""
    return 2 * math.ceil(4 * sigma) + 1


@hookimpl
def dfdbench_transforms() -> Sequence[type[Transform]]:
    """The transforms above."""
    return [Flip, Affine, GaussianBlur, ColourJitter, Jpeg, Resize, GaussianNoise, H264]
