"""Checks of transforms."""

from __future__ import annotations

import torch

from dfdbench.api import Transform
from dfdbench.shared_state import apart
from dfdbench.testing import samples
from dfdbench.testing.case import Case, require
from dfdbench.testing.suite import check, check_where


def _it(case: Case) -> Transform:
    assert isinstance(case.component, Transform)
    return case.component


def use(case: Case) -> None:
    """Augment, and perturb where the options allow it."""
    _augmented(case)
    if not ranged(case):
        _it(case).perturb(samples.images())


def ranged(case: Case) -> str:
    """Why the options cannot perturb, such as a range; empty where they can."""
    try:
        _it(case).check_perturbation()
    except ValueError as error:
        return f"its options do not give one strength: {error}"
    return ""


def _augmented(case: Case, seed: int = 1, count: int = 4) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return _it(case).augment(samples.images(count=count), rng)


def _same_form(out: object, images: torch.Tensor, what: str) -> None:
    require(isinstance(out, torch.Tensor), f"{what} returns {type(out).__name__}, not a tensor")
    assert isinstance(out, torch.Tensor)
    require(
        out.shape == images.shape and out.dtype == images.dtype,
        f"{what} makes {tuple(images.shape)} {images.dtype} into {tuple(out.shape)} {out.dtype}",
    )


@check
def augment_keeps_shape_and_type(case: Case) -> None:
    """(B, 3, H, W) uint8 to the same, also for one image and where H and W differ."""
    for count in (4, 1):
        _same_form(_augmented(case, count=count), samples.images(count=count), "augment")


@check
def augment_draws_from_its_generator_alone(case: Case) -> None:
    """The same generator gives the same images, whatever was drawn elsewhere."""
    with apart(1):
        first = _augmented(case)
    with apart(2):
        second = _augmented(case)
    changed = int((first != second).any(1).any(1).any(1).sum())
    require(
        not changed,
        f"with equal generators {changed} of 4 images differ; draw from `rng` and nothing else",
    )


@check
def augment_takes_images_with_the_channels_last(case: Case) -> None:
    """Images come as (B, H, W, 3) in memory, seen as (B, 3, H, W): `view` fails on them."""
    images = samples.images().permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    out = _it(case).augment(images.clone(), torch.Generator().manual_seed(1))
    require(torch.equal(out, _augmented(case)), "the layout in memory changes the result")


@check_where(ranged)
def perturb_keeps_shape_and_type(case: Case) -> None:
    """(B, 3, H, W) uint8 to the same."""
    images = samples.images()
    _same_form(_it(case).perturb(images.clone()), images, "perturb")


@check_where(ranged)
def perturb_leaves_nothing_to_chance(case: Case) -> None:
    """Whoever runs a benchmark tests on the same images."""
    outs = []
    for seed in (1, 2):
        with apart(seed):
            outs.append(_it(case).perturb(samples.images()))
    require(torch.equal(*outs), "the same images come out otherwise a second time")


@check_where(ranged)
def perturb_treats_each_image_by_itself(case: Case) -> None:
    """A test image's perturbation depends on that image alone, unless ``per_video`` is set."""
    images, order = samples.images(), [2, 0, 3, 1]
    if _it(case).per_video:
        return
    together = _it(case).perturb(images.clone())
    alone = [_it(case).perturb(images[n : n + 1].clone())[0] for n in order]
    differ = [n for n, image in zip(order, alone, strict=True) if not image.equal(together[n])]
    require(not differ, f"alone, {len(differ)} of 4 images come out otherwise than in a batch")


@check_where(ranged)
def a_strength_of_zero_changes_nothing(case: Case) -> None:
    """Where ``does_nothing`` says so, each image comes back bit for bit, and only there."""
    images = samples.images()
    same = torch.equal(_it(case).perturb(images.clone()), images)
    if _it(case).does_nothing():
        require(same, "does_nothing() is True, and images change")
    else:
        require(not same, "no image changes, and does_nothing() is False")


CHECKS = (
    augment_keeps_shape_and_type,
    augment_draws_from_its_generator_alone,
    augment_takes_images_with_the_channels_last,
    perturb_keeps_shape_and_type,
    perturb_leaves_nothing_to_chance,
    perturb_treats_each_image_by_itself,
    a_strength_of_zero_changes_nothing,
)
