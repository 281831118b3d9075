"""A benchmark as its validated spec: YAML in, a frozen model out, every error at once."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from dfdbench import sweeps
from dfdbench.api import DatasetAdapter, Detector, FacePreprocessor, Logger
from dfdbench.errors import SpecError
from dfdbench.leaderboard.protocol import Declared
from dfdbench.leaderboard.published import Published
from dfdbench.registry import Registry

BUNDLED = "dfdbench_benchmarks"

Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$")]
"""Names of sets and detectors: `[a-z0-9_]+`, because DVC joins them with `-`."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrainSet(_Section):
    """What detectors are trained on and selected by."""

    dataset: DatasetAdapter
    train: str = Field("train", description="split that detectors are trained on")
    validation: str | None = Field(None, description="split that chooses checkpoint and threshold")
    validation_dataset: DatasetAdapter | None = Field(
        None, description="data set of the validation split; default: that of training"
    )
    select_on_test: Id | None = Field(
        None, description="choose on this test set instead; every row then says so"
    )

    @model_validator(mode="after")
    def _one_way_to_select(self) -> TrainSet:
        if self.validation is not None and self.select_on_test is not None:
            raise ValueError("give `validation` or `select_on_test`, not both")
        if self.validation is None and self.validation_dataset is not None:
            raise ValueError("`validation_dataset` needs the name of its split, `validation`")
        if self.validation == self.train and self.held_out() == self.dataset:
            raise ValueError(f"`validation` is the training split {self.train!r} itself")
        return self

    def held_out(self) -> DatasetAdapter:
        """The data set of the validation split."""
        return self.validation_dataset or self.dataset


class TestSet(_Section):
    """What detectors are compared on."""

    __test__ = False  # not a test case, whatever its name starts with

    dataset: DatasetAdapter
    split: str = "test"
    accept_leaks: tuple[Id, ...] = Field(
        (), description="train sets that may share videos or people with this; its rows are marked"
    )


class Statistics(_Section):
    """How sure the figures are said to be; see :mod:`dfdbench.metrics.bootstrap`."""

    resamples: int = Field(2000, ge=0, description="bootstrap samples; 0 leaves intervals out")
    cluster: Literal["video", "identity"] = Field(
        "video", description="what is drawn: videos, or people where a data set knows them"
    )
    seed: int = Field(0, ge=0, description="seed of the draws")


class Spec(_Section):
    """A whole benchmark."""

    name: Id
    description: str = ""
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (42,)
    faces: FacePreprocessor
    on_bad_face: Literal["stop", "skip"] = Field(
        "stop", description="what an unreadable image does: stop before training, or be counted"
    )
    train_sets: dict[Id, TrainSet] = {}
    test_sets: dict[Id, TestSet] = {}
    detectors: dict[Id, Detector] = {}
    perturbations: dict[Id, sweeps.Perturbation] = {}
    declared: dict[Id, Declared] = Field(
        {}, description="what is said of detectors that were trained elsewhere; rows say so"
    )
    published: Published | None = Field(
        None, description="figures that others published, shown beside those of the benchmark"
    )
    statistics: Statistics = Statistics()
    recipe: dict[str, Any] = Field({}, description="options shared by all detectors with a recipe")
    loggers: tuple[Logger, ...] = Field(
        (), description="show trainings elsewhere as they run; no result depends on them"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Spec:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {list(self.seeds)} are not all different")
        self.strengths()  # raises where two have one id
        if "validation" in self.test_sets:
            raise ValueError("test_sets: `validation` is the train set's own; take another id")
        for name, train_set in self.train_sets.items():
            chosen = train_set.select_on_test
            if chosen is not None and chosen not in self.test_sets:
                raise ValueError(f"train_sets.{name}.select_on_test: no test set {chosen!r}")
        if self.recipe and not any(
            "recipe" in type(d).model_fields for d in self.detectors.values()
        ):
            raise ValueError("recipe: no detector of this spec has a recipe")
        for name, test_set in self.test_sets.items():
            for accepted in test_set.accept_leaks:
                if accepted not in self.train_sets:
                    raise ValueError(f"test_sets.{name}.accept_leaks: no train set {accepted!r}")
        self._check_names()
        if not self.test_sets and not self.train_sets:
            raise ValueError("`test_sets` and `train_sets` are both empty: no data to look at")
        return self

    def _check_names(self) -> None:
        """See that `declared` and `published` speak of what the spec has."""
        for name in self.declared:
            detector = self.detectors.get(name)
            if detector is None or detector.trains:
                why = "trains here" if detector else "is no detector of this spec"
                raise ValueError(f"declared.{name}: {name!r} {why}, so nothing is declared of it")
        for section in ("train_sets", "test_sets", "detectors"):
            for name in getattr(self.published, section, {}):
                if name not in getattr(self, section):
                    raise ValueError(f"published.{section}: the spec has no {name!r} there")

    def require_rows(self) -> None:
        """See that there is something to run; taking faces needs no detector.

        Raises:
            SpecError: no detector or no test set, or a detector without the train set it needs.
        """
        if not self.test_sets or not self.detectors:
            raise SpecError(
                f"{self.name}: `test_sets` and `detectors` need at least one entry each to run; "
                "`dfdbench faces` and `dfdbench check` can do without"
            )
        trained = [name for name, detector in self.detectors.items() if detector.trains]
        if trained and not self.train_sets:
            raise SpecError(
                f"{self.name}: `train_sets` is empty, and the detector {trained[0]!r} trains"
            )

    def strengths(self) -> dict[str, sweeps.Strength]:
        """Every perturbation by its id, sweeps as one for each value."""
        return sweeps.expand(self.perturbations)

    def to_dict(self) -> dict[str, Any]:
        """The resolved spec: every default filled in, as JSON values."""
        return self.model_dump(mode="json")


def find(name: str) -> Path:
    """The spec's file: a path, or else the bundled benchmark of that name.

    Raises:
        SpecError: neither is there.
    """
    path = Path(name)
    if path.is_file():
        return path
    bundled = Path(str(resources.files(BUNDLED)))
    if not path.is_absolute() and (bundled / path).is_file():
        return bundled / path
    there = ", ".join(f"specs/{p.name}" for p in sorted((bundled / "specs").glob("*.yaml")))
    raise SpecError(f"no spec at {name!r}, and none bundled by that name; bundled are {there}")


def load(name: str, registry: Registry, overrides: Sequence[str] = ()) -> Spec:
    """Read, override and validate a spec.

    Args:
        name: path of the spec or name of a bundled one.
        registry: the components that it may use.
        overrides: ``path=value`` with a dotted path and a YAML value.

    Raises:
        SpecError: every problem with its place, one a line.
    """
    path = find(name)
    try:
        raw = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (MarkedYAMLError, UnicodeDecodeError) as error:
        raise SpecError(f"{path.name}: not YAML 1.2: {error}") from error
    if not isinstance(raw, dict):
        raise SpecError(f"{path.name}: a spec is a mapping; see specs/demo.yaml for one")
    for override in overrides:
        _override(raw, override)
    return validate(raw, registry, path.name)


def validate(raw: dict[str, Any], registry: Registry, where: str = "spec") -> Spec:
    """Validate a spec that is already a mapping; raises as :func:`load`."""
    merged = _with_recipe(raw, registry)
    try:
        return Spec.model_validate(merged, context=registry.resolve)
    except ValidationError as error:
        lines = [_line(item, raw, merged, registry) for item in error.errors()]
        raise SpecError(*(f"{where}: {line}" for line in dict.fromkeys(lines))) from None


def _override(raw: dict[str, Any], override: str) -> None:
    path, sep, text = override.partition("=")
    if not sep or not path:
        raise SpecError(f"--set {override!r} is not path=value, e.g. recipe.lr=1e-4")
    *parents, last = path.split(".")
    place: Any = raw
    for part in parents:
        try:
            place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
        except (ValueError, IndexError):
            place = None
        if not isinstance(place, dict | list):
            raise SpecError(f"--set {override!r}: there is nothing to set below {part!r}")
    value = YAML(typ="safe", pure=True).load(text)
    try:
        place[int(last) if isinstance(place, list) else last] = value
    except (ValueError, IndexError):
        raise SpecError(f"--set {override!r}: {last!r} is no index of that list") from None


def _with_recipe(raw: dict[str, Any], registry: Registry) -> dict[str, Any]:
    """Copy the shared recipe into every detector that has one; the detector's own values win."""
    detectors, recipe = raw.get("detectors"), raw.get("recipe")
    if not isinstance(detectors, dict) or not isinstance(recipe, dict):
        return raw
    merged = {}
    for name, value in detectors.items():
        merged[name] = value
        entry = {"use": value} if isinstance(value, str) else value
        if not isinstance(entry, dict):
            continue
        try:
            cls = registry.class_of("detector", entry.get("use"))
        except ValueError:
            continue  # validation names it, with its place
        own = entry.get("recipe", {})
        if "recipe" in cls.model_fields and isinstance(own, dict):
            merged[name] = {**entry, "recipe": {**recipe, **own}}
    return {**raw, "detectors": merged}


def _line(item: Any, raw: dict[str, Any], merged: dict[str, Any], registry: Registry) -> str:
    """One problem as ``place: what is wrong``."""
    place = [part for part in item["loc"] if part != "[key]"]
    if place[:1] == ["detectors"] and "recipe" in place[2:3] and len(place) > 3:
        own = raw["detectors"][place[1]]
        if not isinstance(own, dict) or place[3] not in own.get("recipe", {}):
            place = place[2:]  # it stands in the shared recipe
    text = str(item["ctx"]["error"]) if "error" in item.get("ctx", {}) else item["msg"]
    if item["type"] == "extra_forbidden":
        text = _unknown_option(item["loc"], merged, registry)
    elif item["loc"][-1:] == ("[key]",):
        text = f"the id {item['input']!r} is not made of a-z, 0-9 and _ alone"
    elif item["type"] == "missing":
        text = "is missing"
    return f"{'.'.join(map(str, place))}: {text}" if place else text


def _unknown_option(loc: Sequence[Any], merged: dict[str, Any], registry: Registry) -> str:
    """Name the closest option of the component (or section) that the place belongs to."""
    parent: Any = merged
    swept = loc[0] == "perturbations" and loc[2:3] == (sweeps.SWEEP,)
    for part in loc[:2] if swept else loc[:-1]:
        parent = parent[part]
    use = parent.get("use") if isinstance(parent, dict) else None
    sections: dict[str, type[BaseModel]] = {"train_sets": TrainSet, "test_sets": TestSet}
    sections["declared"] = Declared
    models: list[type[BaseModel]] = [e.cls for _, e in registry.entries() if e.cls.name == use]
    if len(loc) == 1:
        models = [Spec]
    elif loc[:-1] == ("statistics",):
        models = [Statistics]
    elif loc[:-1] == ("published",):
        models = [Published]
    elif len(loc) == 3 and loc[0] in sections:
        models = [sections[loc[0]]]
    elif len(loc) == 3 and loc[0] == "detectors" and use is None:
        models = [registry.class_of("detector", None)]
    elif loc[-2] == "recipe":
        models = [_recipe_of(registry, merged["detectors"][loc[1]])]
    names = [field for model in models for field in model.model_fields]
    close = difflib.get_close_matches(str(loc[-1]), names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"the options are {', '.join(names)}"
    return f"unknown option {loc[-1]!r}; {hint}"


def _recipe_of(registry: Registry, detector: dict[str, Any]) -> type[BaseModel]:
    cls = registry.class_of("detector", detector.get("use"))
    annotation = cls.model_fields["recipe"].annotation
    return annotation if isinstance(annotation, type) else cls
