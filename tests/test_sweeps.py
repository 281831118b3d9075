"""Perturbations of a spec: sweeps, what they become, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest

from dfdbench import spec as specs
from dfdbench.errors import SpecError
from dfdbench.registry import Registry
from dfdbench.spec import Spec


def with_perturbations(spec: dict[str, Any], registry: Registry, **given: Any) -> Spec:
    return specs.validate({**spec, "perturbations": given}, registry, "tiny.yaml")


def problems(spec: dict[str, Any], registry: Registry, **given: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        with_perturbations(spec, registry, **given)
    return [line.removeprefix("tiny.yaml: ") for line in caught.value.problems]


def test_a_sweep_is_a_perturbation_for_each_value_in_the_order_of_the_spec(
    spec: dict[str, Any], registry: Registry
) -> None:
    found = with_perturbations(
        spec,
        registry,
        noise={"use": "gaussian_noise", "sigma": 3},
        jpeg={"use": "jpeg", "sweep": {"quality": [90, 10]}},
        turn={"use": "affine", "translate": 0, "scale": 1, "sweep": {"degrees": [-0.5, 0, 2.0]}},
    ).strengths()
    assert {name: each.to_row() for name, each in found.items()} == {
        "noise": None,
        "jpeg_90": {"curve": "jpeg", "option": "quality", "value": 90, "zero": False},
        "jpeg_10": {"curve": "jpeg", "option": "quality", "value": 10, "zero": False},
        "turn_m0_5": {"curve": "turn", "option": "degrees", "value": -0.5, "zero": False},
        "turn_0": {"curve": "turn", "option": "degrees", "value": 0, "zero": True},
        "turn_2": {"curve": "turn", "option": "degrees", "value": 2.0, "zero": False},
    }
    assert found["jpeg_10"].transform.to_spec()["quality"] == 10


def test_a_resolved_spec_with_a_sweep_validates_to_itself(
    spec: dict[str, Any], registry: Registry
) -> None:
    first = with_perturbations(
        spec, registry, small={"use": "resize", "sweep": {"factor": [0.5, 0.25]}}
    )
    assert first.to_dict()["perturbations"]["small"] == {
        "use": "resize", "p": 1.0, "filter": "bicubic", "sweep": {"factor": [0.5, 0.25]},
    }  # fmt: skip
    assert specs.validate(first.to_dict(), registry).to_dict() == first.to_dict()


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            {"use": "jpeg", "sweep": {"qualty": [90, 50]}},
            "perturbations.x.sweep.qualty: unknown option 'qualty'; did you mean 'quality'?",
        ),
        (
            {"use": "jpeg", "sweep": {"quality": [90, [10, 40]]}},
            "perturbations.x.sweep.quality.1: [10, 40] is a range, and each value of a sweep is "
            "one strength",
        ),
        (
            {"use": "gaussian_blur", "sweep": {"sigma": [1, 2], "kernel": [3, 5]}},
            "perturbations.x.sweep: a curve is over one option, as `sweep: {quality: [90, 50, "
            "10]}`, not sigma, kernel",
        ),
        (
            {"use": "jpeg", "sweep": [90, 50]},
            "perturbations.x.sweep: a curve is over one option, as `sweep: {quality: [90, 50, "
            "10]}`, not [90, 50]",
        ),
        (
            {"use": "gaussian_noise", "sweep": {"sigma": [1, 5, 1.0]}},
            "perturbations.x.sweep.sigma.2: 1.0 stands twice",
        ),
        (
            {"use": "jpeg", "sweep": {"quality": 90}},
            "perturbations.x.sweep.quality: 90 is no list of several values; one alone needs no "
            "`sweep`",
        ),
        (
            {"use": "resize", "sweep": {"filter": [1, "nearest"]}},
            "perturbations.x.sweep.filter.1: 'nearest' is no number to draw a curve over; give it "
            "a perturbation of its own",
        ),
        (
            {"use": "jpeg", "quality": 50, "sweep": {"quality": [90, 50]}},
            "perturbations.x.quality: is swept; leave the quality beside `sweep` out",
        ),
        (
            {"use": "jpeg", "quality": 50, "sweep": {"p": [0.1, 0.5]}},
            "perturbations.x.sweep.p: acts in training alone: every p would be the same test",
        ),
        (
            {"use": "jpeg", "sweep": {"quality": [90, 101]}},
            "perturbations.x.sweep.quality.1: 101 is not between 1 and 100",
        ),
        (
            {"use": "gaussian_blur", "sweep": {"sigma": [1, 2]}},
            "perturbations.x: perturbation 'gaussian_blur': kernel is the range [3, 7], and a "
            "perturbation has one strength; write {use: gaussian_blur, kernel: 7}",
        ),
        (
            {"use": "jpgg", "sweep": {"quality": [90, 50]}},
            "perturbations.x: unknown transform 'jpgg'; did you mean 'jpeg'? (an installed plugin "
            "may provide more)",
        ),
        (
            {"use": "jpeg", "foo": 1, "sweep": {"quality": [90, 50]}},
            "perturbations.x.foo: unknown option 'foo'; the options are p, quality",
        ),
        (
            "jpeg",
            "perturbations.x: perturbation 'jpeg': quality is the range [40, 100], and a "
            "perturbation has one strength; write {use: jpeg, quality: 100}",
        ),
    ],
)
def test_a_wrong_sweep_is_refused_with_its_place(
    spec: dict[str, Any], registry: Registry, given: Any, line: str
) -> None:
    assert problems(spec, registry, x=given) == [line]


def test_every_wrong_value_of_a_sweep_is_told(spec: dict[str, Any], registry: Registry) -> None:
    given = {"use": "jpeg", "sweep": {"quality": [0, 50, 101]}}
    assert [line.split(":")[0] for line in problems(spec, registry, x=given)] == [
        "perturbations.x.sweep.quality.0", "perturbations.x.sweep.quality.2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"none": "flip"}, "none"),
        (
            {
                "jpeg_90": {"use": "jpeg", "quality": 90},
                "jpeg": {"use": "jpeg", "sweep": {"quality": [90, 10]}},
            },
            "jpeg_90",
        ),
    ],
)
def test_two_perturbations_may_not_have_one_id(
    spec: dict[str, Any], registry: Registry, given: dict[str, Any], name: str
) -> None:
    (line,) = problems(spec, registry, **given)
    assert f"the id {name!r} is taken" in line


def test_values_that_differ_too_little_to_name_are_refused(
    spec: dict[str, Any], registry: Registry
) -> None:
    given = {"use": "gaussian_noise", "sweep": {"sigma": [1.0000001, 1.0000002]}}
    (line,) = problems(spec, registry, x=given)
    assert "perturbations.x: 1.0000002 differs in its seventh figure only" in line
