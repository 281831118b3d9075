"""Perturbations of a spec: one fixed strength each, or an option swept over several.

    perturbations:
      noise: {use: gaussian_noise, sigma: 8}
      jpeg: {use: jpeg, sweep: {quality: [90, 50, 10]}}

The second is the perturbations ``jpeg_90``, ``jpeg_50`` and ``jpeg_10``, which make up a curve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, ValidationError, ValidationInfo
from pydantic_core import InitErrorDetails

from dfdbench.api import Transform
from dfdbench.component import Resolve

SWEEP = "sweep"
CLEAN = "none"
"""The perturbation of the faces as they are."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """A transform at several values of one option, in the order of the spec."""

    option: str
    transforms: Mapping[float, Transform]

    def to_spec(self) -> dict[str, Any]:
        """The form that a spec holds, with every default."""
        shared = next(iter(self.transforms.values())).to_spec()
        del shared[self.option]
        return {**shared, SWEEP: {self.option: list(self.transforms)}}


@dataclass(frozen=True, slots=True)
class Strength:
    """A transform that changes every face by the same strength.

    Attributes:
        curve: id of the sweep that it is of; empty: it stands alone.
        option: the swept option.
        value: the option's value.
    """

    transform: Transform
    curve: str = ""
    option: str = ""
    value: float = 0

    def to_row(self) -> dict[str, Any] | None:
        """What a result says of its place on a curve; None where it has none.

        ``zero`` is whether each face is what it is without the perturbation.
        """
        if not self.curve:
            return None
        place = {"curve": self.curve, "option": self.option, "value": self.value}
        return {**place, "zero": self.transform.does_nothing()}


def expand(perturbations: Mapping[str, Transform | Sweep]) -> dict[str, Strength]:
    """Every perturbation by its id: ``jpeg_90``, or ``blur_0_5`` for a value of 0.5.

    Raises:
        ValueError: two have one id.
    """
    found: dict[str, Strength] = {}
    for name, given in perturbations.items():
        fixed = {name: Strength(given)} if isinstance(given, Transform) else _curve(name, given)
        for each, strength in fixed.items():
            if each in found or each == CLEAN:
                raise ValueError(f"perturbations.{name}: the id {each!r} is taken; take another")
            found[each] = strength
    return found


def _curve(name: str, sweep: Sweep) -> dict[str, Strength]:
    found: dict[str, Strength] = {}
    for value, transform in sweep.transforms.items():
        text = f"{value:g}".replace(".", "_").replace("-", "m").replace("+", "")
        if f"{name}_{text}" in found:
            raise ValueError(f"perturbations.{name}: {value} differs in its seventh figure only")
        found[f"{name}_{text}"] = Strength(transform, name, sweep.option, value)
    return found


def _perturbation(value: Any, info: ValidationInfo) -> Transform | Sweep:
    if isinstance(value, Transform | Sweep):
        return value
    if info.context is None:
        raise ValueError(f"a transform is needed, not {value!r}")
    if isinstance(value, dict) and SWEEP in value:
        return _sweep(value, info.context)
    transform: Transform = info.context("transform", value)
    transform.check_perturbation()
    return transform


Perturbation = Annotated[
    Transform | Sweep, PlainValidator(_perturbation), PlainSerializer(lambda each: each.to_spec())
]
"""As it stands in a spec: a transform, or a transform with ``sweep:``."""


def _sweep(value: Mapping[str, Any], resolve: Resolve) -> Sweep:
    """Raises ValidationError with every problem and its place below the perturbation."""
    option, values = _swept(value[SWEEP])
    shared = {name: given for name, given in value.items() if name != SWEEP}
    if option in shared:
        raise _error([_problem((option,), f"is swept; leave the {option} beside `sweep` out")])
    problems = _not_strengths(option, values)
    transforms: dict[float, Transform] = {}
    for n, each in enumerate(values) if not problems else ():
        try:
            transform = resolve("transform", {**shared, option: each})
        except ValidationError as error:
            problems += _moved(error, option, n)
            continue
        assert isinstance(transform, Transform)
        transforms[each] = transform
        if option in transform.training_only:
            text = f"acts in training alone: every {option} would be the same test"
            raise _error([_problem((SWEEP, option), text)])
        transform.check_perturbation()
    if problems:
        raise _error(problems)
    return Sweep(option, transforms)


def _swept(swept: Any) -> tuple[str, list[Any]]:
    """The option and its values."""
    if not isinstance(swept, dict) or len(swept) != 1:
        names = f"not {', '.join(map(str, swept))}" if isinstance(swept, dict) else f"not {swept!r}"
        text = f"a curve is over one option, as `sweep: {{quality: [90, 50, 10]}}`, {names}"
        raise _error([_problem((SWEEP,), text)])
    ((option, values),) = swept.items()
    if not isinstance(values, list) or len(values) < 2:
        text = f"{values!r} is no list of several values; one alone needs no `sweep`"
        raise _error([_problem((SWEEP, str(option)), text)])
    return str(option), values


def _not_strengths(option: str, values: list[Any]) -> list[InitErrorDetails]:
    """What is no single number, and what stands twice."""
    problems = []
    for n, value in enumerate(values):
        text = ""
        if isinstance(value, list):
            text = f"{value} is a range, and each value of a sweep is one strength"
        elif isinstance(value, bool) or not isinstance(value, int | float):
            text = f"{value!r} is no number to draw a curve over; give it a perturbation of its own"
        elif value in values[:n]:
            text = f"{value} stands twice"
        if text:
            problems.append(_problem((SWEEP, option, n), text))
    return problems


def _moved(error: ValidationError, option: str, n: int) -> list[InitErrorDetails]:
    """Problems of the ``n``-th transform, at their places in the sweep; shared ones once."""
    problems: list[InitErrorDetails] = []
    for item in error.errors():
        loc = item["loc"]
        if loc[:1] == (option,):
            unknown = item["type"] == "extra_forbidden"
            loc = (SWEEP, option) if unknown else (SWEEP, option, n, *loc[1:])
        elif n:
            continue
        problems.append(
            {"type": item["type"], "loc": loc, "input": item["input"], "ctx": item.get("ctx", {})}
        )
    return problems


def _problem(loc: tuple[str | int, ...], text: str) -> InitErrorDetails:
    return {"type": "value_error", "loc": loc, "input": None, "ctx": {"error": ValueError(text)}}


def _error(problems: list[InitErrorDetails]) -> ValidationError:
    return ValidationError.from_exception_data(SWEEP, problems)
