"""Checks of PEFT strategies, by default on a small vision transformer."""

from __future__ import annotations

import torch
from safetensors.torch import load, save

from dfdbench.api import PeftStrategy
from dfdbench.encoder import Encoder
from dfdbench.errors import SpecError
from dfdbench.testing import samples
from dfdbench.testing.case import Case, fail, require
from dfdbench.testing.suite import check

STEPS = 3
TOLERANCE = 1e-5
"""Of features that the same weights give."""

Weights = dict[str, torch.Tensor]


def _it(case: Case) -> PeftStrategy:
    assert isinstance(case.component, PeftStrategy)
    return case.component


def use(case: Case) -> None:
    """Apply it and train a little."""
    _train(case, _applied(case))


def _applied(case: Case, seed: int = 1) -> Encoder:
    """A frozen encoder that the strategy was applied to."""
    torch.manual_seed(seed)
    encoder = (case.encoder or samples.SmallEncoder)().requires_grad_(False)
    try:
        found = _it(case).apply(encoder)
    except SpecError as error:
        hint = "" if case.encoder else "; give one that it is for (`encoder=`, or --backbone)"
        fail(f"it refuses the encoder that it is tried on: {error}{hint}")
    require(isinstance(found, Encoder), f"apply returns {type(found).__name__}, not an Encoder")
    return found


def _images(encoder: Encoder) -> torch.Tensor:
    size = encoder.input.size
    return encoder.input.normalise(samples.images(count=8, height=size, width=size))


def _features(encoder: Encoder) -> torch.Tensor:
    with torch.no_grad():
        out: torch.Tensor = encoder.eval()(_images(encoder))
    return out


def _trainable(encoder: Encoder) -> Weights:
    return {name: p for name, p in encoder.named_parameters() if p.requires_grad}


def _copied(weights: Weights) -> Weights:
    return {name: tensor.detach().clone() for name, tensor in weights.items()}


def _train(case: Case, encoder: Encoder) -> None:
    """A few steps of AdamW on what trains, to tell real from fake by the features' mean."""
    weights = list(_trainable(encoder).values())
    if not weights:
        return
    optimizer = torch.optim.AdamW(weights, lr=0.01)
    y = torch.tensor([0.0, 1.0] * 4)
    for _ in range(STEPS):
        z = encoder.eval()(_images(encoder))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(z @ torch.ones(z.shape[1]), y)
        loss = loss + _it(case).penalty(encoder)
        if not loss.requires_grad:
            return
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


@check
def frozen_weights_stay_frozen(case: Case) -> None:
    """Training changes the parameters that have ``requires_grad`` set, and nothing else."""
    encoder = _applied(case)
    before, chosen = _copied(encoder.state_dict()), _trainable(encoder)
    _train(case, encoder)
    after = encoder.state_dict()
    changed = [n for n in before if n not in chosen and not torch.equal(before[n], after[n])]
    require(
        not changed,
        f"{len(changed)} weights without requires_grad changed in training, such as {changed[:1]}; "
        "checkpoints would not hold them",
    )


@check
def what_is_chosen_trains(case: Case) -> None:
    """Of the parameters that it chooses, training changes some; none chosen is a linear probe."""
    encoder = _applied(case)
    before = _copied(_trainable(encoder))
    _train(case, encoder)
    moved = any(not torch.equal(before[name], p) for name, p in _trainable(encoder).items())
    require(moved or not before, f"{len(before)} parameters are to train, and none changes")


@check
def a_second_apply_gives_the_same_names(case: Case) -> None:
    """A checkpoint holds what trains by name, and is read into a fresh encoder."""
    first, second = (_trainable(_applied(case, seed)) for seed in (1, 2))
    differing = sorted(first.keys() ^ second.keys()) or [
        name for name in first if first[name].shape != second[name].shape
    ]
    require(
        not differing,
        f"applied twice, {len(differing)} trainable parameters differ in name or shape, such as "
        f"{differing[:1]}",
    )


@check
def training_survives_save_and_load(case: Case) -> None:
    """What trained, put into a fresh encoder of the same seed, gives the same features."""
    encoder = _applied(case)
    _train(case, encoder)
    weights = {name: p.detach().contiguous() for name, p in _trainable(encoder).items()}
    saved = load(save(weights)) if weights else {}
    fresh = _applied(case)
    own = _trainable(fresh)
    with torch.no_grad():
        for name, tensor in saved.items():
            own[name].copy_(tensor)
    off = float((_features(encoder) - _features(fresh)).abs().max())
    require(
        off <= TOLERANCE,
        f"after loading, the features differ by {off:.2g}: something that changes in training is "
        "no trainable parameter",
    )


@check
def the_seed_decides_what_is_added(case: Case) -> None:
    """New parameters are drawn from torch's global generator, which the caller seeds."""
    first, second = _applied(case), _applied(case)
    pairs = zip(first.state_dict().items(), second.state_dict().values(), strict=True)
    different = [name for (name, a), b in pairs if not torch.equal(a, b)]
    require(
        not different, f"seeded alike, {len(different)} weights differ, such as {different[:1]}"
    )


@check
def the_encoder_keeps_its_form(case: Case) -> None:
    """Features stay (B, feature_dim) and finite, and ``input`` is still there."""
    encoder = _applied(case)
    out = _features(encoder)
    require(
        tuple(out.shape) == (8, encoder.feature_dim),
        f"8 images give {tuple(out.shape)}, and feature_dim is {encoder.feature_dim}",
    )
    require(out.isfinite().all(), "features are NaN or infinite")


@check
def penalty_is_one_finite_number(case: Case) -> None:
    """A scalar to add to the loss at every step."""
    penalty = torch.as_tensor(_it(case).penalty(_applied(case))).detach()
    require(penalty.ndim == 0, f"the penalty has the shape {tuple(penalty.shape)}")
    require(penalty.isfinite(), f"the penalty is {float(penalty)}")


CHECKS = (
    frozen_weights_stay_frozen,
    what_is_chosen_trains,
    a_second_apply_gives_the_same_names,
    training_survives_save_and_load,
    the_seed_decides_what_is_added,
    the_encoder_keeps_its_form,
    penalty_is_one_finite_number,
)
