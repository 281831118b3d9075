"""Checks of backbones."""

from __future__ import annotations

from typing import Any

import torch
from safetensors.torch import load, save

from dfdbench.api import Backbone
from dfdbench.encoder import Encoder, Input
from dfdbench.testing import samples
from dfdbench.testing.case import Case, require
from dfdbench.testing.suite import check

TOLERANCE = 1e-4
"""Of features, which rounding changes with the size of a batch."""


def _it(case: Case) -> Backbone:
    assert isinstance(case.component, Backbone)
    return case.component


def use(case: Case) -> None:
    """Build an encoder and encode an image."""
    encoder = _built(case)
    _features(encoder, 1)


def _built(case: Case, seed: int = 1) -> Encoder:
    torch.manual_seed(seed)
    encoder = _it(case).build()
    require(
        isinstance(encoder, Encoder),
        f"build returns {type(encoder).__name__}, not a dfdbench.encoder.Encoder",
    )
    return encoder


def _features(encoder: Encoder, count: int = 3) -> torch.Tensor:
    with torch.no_grad():
        out: torch.Tensor = encoder.eval()(_input(encoder, count))
    return out


def _input(encoder: Encoder, count: int) -> torch.Tensor:
    size = encoder.input.size
    return encoder.input.normalise(samples.images(count=4, height=size, width=size)[:count])


@check
def the_encoder_says_what_it_wants(case: Case) -> None:
    """``feature_dim`` and ``input``, by which faces are resized and normalised."""
    encoder = _built(case)
    require(isinstance(encoder.feature_dim, int), f"feature_dim is {encoder.feature_dim!r}")
    form: Any = encoder.input
    require(isinstance(form, Input), f"input is {form!r}, not a dfdbench.encoder.Input")
    require(form.size >= 1, f"input.size is {form.size}")
    require(
        all(0 <= mean <= 1 for mean in form.mean) and all(0 < std <= 1 for std in form.std),
        f"mean {form.mean} and std {form.std} are not on the scale of 0 to 1",
    )


@check
def each_image_gets_one_feature_vector(case: Case) -> None:
    """(B, 3, S, S) float to (B, feature_dim) float32, finite."""
    encoder = _built(case)
    out = _features(encoder)
    wanted = (3, encoder.feature_dim)
    require(
        tuple(out.shape) == wanted and out.dtype == torch.float32,
        f"3 images give {tuple(out.shape)} {out.dtype}, not {wanted} torch.float32",
    )
    require(out.isfinite().all(), "features are NaN or infinite")


@check
def features_do_not_depend_on_the_batch(case: Case) -> None:
    """In evaluation mode each image is encoded by itself."""
    encoder = _built(case)
    together, alone = _features(encoder), _features(encoder, 1)
    off = float((together[:1] - alone).abs().max())
    require(off <= TOLERANCE, f"alone and in a batch the features differ by {off:.2g}")


@check
def the_seed_decides_random_weights(case: Case) -> None:
    """Weights that are not pretrained come from torch's global generator and nowhere else."""
    first, second = _built(case).state_dict(), _built(case).state_dict()
    different = [name for name in first if not torch.equal(first[name], second[name])]
    require(
        not different, f"seeded alike, {len(different)} weights differ, such as {different[:1]}"
    )


@check
def every_build_is_new(case: Case) -> None:
    """A detector may train what it was given without changing another one's weights."""
    first, second = _built(case), _built(case)
    ours = {p.data_ptr() for p in first.parameters()}
    shared = [name for name, p in second.named_parameters() if p.data_ptr() in ours]
    require(not shared, f"two encoders share {len(shared)} weights, such as {shared[:1]}")


@check
def weights_survive_save_and_load(case: Case) -> None:
    """A checkpoint by names brings another build to the same features."""
    first, second = _built(case, seed=1), _built(case, seed=2)
    with torch.no_grad():
        for p in first.parameters():
            p.add_(0.01)
    second.load_state_dict(load(save({k: v.contiguous() for k, v in first.state_dict().items()})))
    off = float((_features(first) - _features(second)).abs().max())
    require(off <= TOLERANCE, f"after loading, the features differ by {off:.2g}")


@check
def gradients_reach_the_weights(case: Case) -> None:
    """What a strategy unfreezes can train."""
    encoder = _built(case).requires_grad_(True)
    out = encoder.train()(_input(encoder, 2))
    require(out.requires_grad, "no gradient comes out of it; leave no_grad to the caller")
    out.sum().backward()
    there = any(p.grad is not None for p in encoder.parameters())
    require(there or not list(encoder.parameters()), "no parameter gets a gradient")


@check
def blocks_are_its_own_from_input_to_output(case: Case) -> None:
    """Strategies that train the last blocks find them by ``blocks()``; it may be empty."""
    encoder = _built(case)
    order = {id(p): n for n, p in enumerate(encoder.parameters())}
    places = [[order.get(id(p), -1) for p in block.parameters()] for block in encoder.blocks()]
    require(all(n >= 0 for block in places for n in block), "a block is no part of the encoder")
    firsts = [min(block) for block in places if block]
    require(firsts == sorted(firsts), "the blocks are not in order from input to output")


CHECKS = (
    the_encoder_says_what_it_wants,
    each_image_gets_one_feature_vector,
    features_do_not_depend_on_the_batch,
    the_seed_decides_random_weights,
    every_build_is_new,
    weights_survive_save_and_load,
    gradients_reach_the_weights,
    blocks_are_its_own_from_input_to_output,
)
