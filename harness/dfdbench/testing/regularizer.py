"""Checks of regularizers."""

from __future__ import annotations

import torch

from dfdbench.api import Regularizer
from dfdbench.shared_state import apart
from dfdbench.testing import samples
from dfdbench.testing.case import Case, require
from dfdbench.testing.suite import check


def _it(case: Case) -> Regularizer:
    assert isinstance(case.component, Regularizer)
    return case.component


def use(case: Case) -> None:
    """Augment, project, penalise."""
    z, y = samples.features()
    z = _it(case).augment(z, y, torch.Generator().manual_seed(1))
    _it(case).penalty(_it(case).project(z), y)


BATCHES = {"a batch": (12, (0, 1)), "a batch of one class": (12, (1,)), "two faces": (2, (0, 1))}


@check
def features_keep_their_shape(case: Case) -> None:
    """``augment`` and ``project`` make (B, D) of (B, D), of the same type and finite."""
    regularizer = _it(case)
    for what, (count, labels) in BATCHES.items():
        z, y = samples.features(count=count, labels=labels)
        outs = {
            "augment": regularizer.augment(z.clone(), y, torch.Generator().manual_seed(1)),
            "project": regularizer.project(z.clone()),
        }
        for name, out in outs.items():
            require(isinstance(out, torch.Tensor), f"{name} returns {type(out).__name__}")
            require(
                out.shape == z.shape and out.dtype == z.dtype,
                f"{name} makes {tuple(z.shape)} {z.dtype} into {tuple(out.shape)} {out.dtype}",
            )
            require(out.isfinite().all(), f"{name} gives NaN or infinity for {what}")


@check
def penalty_is_one_finite_number(case: Case) -> None:
    """A scalar to add to the loss, also for a batch of one class and for equal features."""
    regularizer = _it(case)
    for what, (count, labels) in BATCHES.items():
        z, y = samples.features(count=count, labels=labels)
        for features, which in ((z, what), (torch.ones_like(z), f"{what}, all features equal")):
            penalty = torch.as_tensor(regularizer.penalty(regularizer.project(features), y))
            require(penalty.ndim == 0, f"the penalty has the shape {tuple(penalty.shape)}")
            require(penalty.isfinite(), f"the penalty of {which} is {float(penalty)}")


@check
def project_treats_each_face_by_itself(case: Case) -> None:
    """``project`` acts in testing too, where a score may not depend on the batch."""
    z, _ = samples.features()
    together = _it(case).project(z.clone())
    alone = torch.cat([_it(case).project(row.unsqueeze(0)) for row in z.clone()])
    require(
        torch.allclose(together, alone, atol=1e-5),
        "a feature is projected otherwise alone than in a batch; what looks at the batch belongs "
        "in `augment` or `penalty`",
    )


@check
def augment_draws_from_its_generator_alone(case: Case) -> None:
    """The same generator gives the same features, whatever was drawn elsewhere."""
    z, y = samples.features()
    outs = []
    for seed in (1, 2):
        with apart(seed):
            rng = torch.Generator().manual_seed(1)
            outs.append(_it(case).augment(z.clone(), y, rng))
    require(torch.equal(*outs), "with equal generators it gives other features; draw from `rng`")


@check
def inputs_are_left_as_they_are(case: Case) -> None:
    """Features and labels are used by other regularizers, and by the gradient."""
    regularizer = _it(case)
    z, y = samples.features()
    kept_z, kept_y = z.clone(), y.clone()
    regularizer.augment(z, y, torch.Generator().manual_seed(1))
    regularizer.project(z)
    regularizer.penalty(z, y)
    require(torch.equal(z, kept_z) and torch.equal(y, kept_y), "it writes into its inputs")


@check
def gradients_are_finite(case: Case) -> None:
    """The encoder learns through all three of them."""
    regularizer = _it(case)
    z, y = samples.features()
    z.requires_grad_()
    out = regularizer.project(regularizer.augment(z, y, torch.Generator().manual_seed(1)))
    direction = torch.linspace(0.5, 1.5, out.shape[1])
    (out @ direction).sum().add(regularizer.penalty(out, y)).backward()  # type: ignore[no-untyped-call]
    require(z.grad is not None, "no gradient comes back through it; do not detach the features")
    assert z.grad is not None
    require(z.grad.isfinite().all(), "its gradient is NaN or infinite")


CHECKS = (
    features_keep_their_shape,
    penalty_is_one_finite_number,
    project_treats_each_face_by_itself,
    augment_draws_from_its_generator_alone,
    inputs_are_left_as_they_are,
    gradients_are_finite,
)
