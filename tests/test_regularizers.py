from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError

from dfdbench_plugins.regularizers import (
    L2Norm,
    Slerp,
    UniformityAlignment,
    alignment,
    partners,
    slerp,
    uniformity,
)

# Three points of the unit circle; squared distances: 0-1: 2, 0-2: 4, 1-2: 2.
Z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])


def rng(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_alignment_is_the_mean_power_of_the_distance_of_pairs_of_equal_label() -> None:
    assert alignment(Z, torch.tensor([0, 0, 1])).item() == pytest.approx(2.0)
    assert alignment(Z, torch.tensor([0, 1, 0])).item() == pytest.approx(4.0)
    assert alignment(Z, torch.tensor([1, 1, 1])).item() == pytest.approx((2 + 4 + 2) / 3)
    assert alignment(Z, torch.tensor([0, 1, 0]), alpha=3).item() == pytest.approx(8.0)


def test_alignment_without_a_pair_of_equal_label_is_zero_and_has_a_gradient() -> None:
    z = Z.clone().requires_grad_()
    loss = alignment(z, torch.tensor([0, 1, 2]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0
    assert torch.equal(z.grad, torch.zeros_like(z))  # type: ignore[arg-type]


def test_alignment_of_equal_features_has_a_finite_gradient() -> None:
    z = Z[[0, 0, 1]].clone().requires_grad_()
    alignment(z, torch.tensor([0, 0, 0])).backward()  # type: ignore[no-untyped-call]
    assert z.grad is not None and bool(z.grad.isfinite().all())


def test_uniformity_is_the_log_of_the_mean_gaussian_potential_of_all_pairs() -> None:
    expected = math.log((math.exp(-4) + math.exp(-8) + math.exp(-4)) / 3)
    assert uniformity(Z).item() == pytest.approx(expected, abs=1e-6)
    half = math.log((math.exp(-1) + math.exp(-2) + math.exp(-1)) / 3)
    assert uniformity(Z, t=0.5).item() == pytest.approx(half, abs=1e-6)


def test_uniformity_is_clamped_before_the_logarithm() -> None:
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert uniformity(opposite, t=10).item() == pytest.approx(math.log(1e-6))


def test_uniformity_of_one_feature_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 features, not 1"):
        uniformity(Z[:1])


def test_the_penalty_weights_both_terms_and_normalises_the_features() -> None:
    y = torch.tensor([0, 0, 1])
    expected = 0.5 * math.log((2 * math.exp(-4) + math.exp(-8)) / 3) + 0.1 * 2
    penalty = UniformityAlignment().penalty(7 * Z, y)
    assert float(penalty) == pytest.approx(expected, abs=1e-6)
    assert UniformityAlignment().penalty(Z[:1], y[:1]) == 0.0


def test_slerp_walks_along_the_great_circle() -> None:
    a, b = Z[[0, 0, 0, 0]], Z[[1, 1, 1, 1]]
    t = torch.tensor([0.0, 1 / 3, 0.5, 1.0])
    angles = [0, 30, 45, 90]
    expected = [[math.cos(math.radians(x)), math.sin(math.radians(x))] for x in angles]
    assert torch.allclose(slerp(a, b, t), torch.tensor(expected), atol=1e-6)


def test_slerp_of_equal_points_stays_there_and_has_a_finite_gradient() -> None:
    a = Z[:1].clone().requires_grad_()
    point = slerp(a, Z[:1], torch.tensor([0.4]))
    point.sum().backward()  # type: ignore[no-untyped-call]
    assert torch.allclose(point, Z[:1], atol=1e-6)
    assert a.grad is not None and bool(a.grad.isfinite().all())


def test_a_partner_is_another_sample_of_the_class_and_every_one_occurs() -> None:
    y = torch.tensor([0, 1, 0, 0, 2, 1])
    seen: dict[int, set[int]] = {i: set() for i in range(len(y))}
    generator = rng()
    for _ in range(60):
        for i, j in enumerate(partners(y, generator).tolist()):
            seen[i].add(j)
    assert seen == {0: {2, 3}, 1: {5}, 2: {0, 3}, 3: {0, 2}, 4: {4}, 5: {1}}


def test_slerp_puts_features_on_the_sphere_between_their_class_and_leaves_a_lone_one() -> None:
    z = torch.randn(6, 16, generator=rng()) * 5
    y = torch.tensor([0, 0, 0, 1, 1, 2])
    mixed = Slerp().augment(z, y, rng())
    assert torch.allclose(mixed[:5].norm(dim=1), torch.ones(5), atol=1e-5)
    assert torch.equal(mixed[5], z[5])
    unit = torch.nn.functional.normalize(z, dim=1)
    # Only two samples of class 1: each lies on the arc between both, so its angles to them add up.
    arc = torch.acos(unit[3] @ unit[4])
    both = torch.acos(mixed[3] @ unit[3]) + torch.acos(mixed[3] @ unit[4])
    assert torch.allclose(both, arc, atol=1e-4)
    assert torch.equal(mixed, Slerp().augment(z, y, rng()))


def test_slerp_with_low_and_high_at_zero_only_normalises() -> None:
    z, y = torch.randn(4, 8, generator=rng()), torch.tensor([0, 0, 1, 1])
    unit = torch.nn.functional.normalize(z, dim=1)
    assert torch.allclose(Slerp(low=0, high=0).augment(z, y, rng()), unit, atol=1e-6)
    assert Slerp().project(z) is z and Slerp().penalty(z, y) == 0.0


def test_slerp_refuses_low_above_high() -> None:
    with pytest.raises(ValidationError, match=r"low \(0.8\) may not be above high \(0.2\)"):
        Slerp(low=0.8, high=0.2)


def test_l2_norm_gives_every_feature_the_asked_length() -> None:
    z = torch.tensor([[3.0, 4.0], [0.0, 0.5]])
    expected = torch.tensor([[0.6, 0.8], [0.0, 1.0]])
    assert torch.allclose(L2Norm().project(z), expected)
    assert torch.allclose(L2Norm(scale=10).project(z), 10 * expected)
