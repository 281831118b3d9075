"""What a spec holds, section by section."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from dfdbench.api import DatasetAdapter, Detector, FacePreprocessor, Logger
from dfdbench.errors import SpecError
from dfdbench.leaderboard.protocol import Declared
from dfdbench.leaderboard.published import Published
from dfdbench.spec import sweeps

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
