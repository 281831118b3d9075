"""Makes a plan: lists and fingerprints the data, and names the result of every cell."""

from __future__ import annotations

from typing import Any

from dfdbench.api import DatasetAdapter, Detector, Transform
from dfdbench.component import Component
from dfdbench.data.index import Index
from dfdbench.data.integrity import Leak, examine, shared
from dfdbench.errors import MissingError
from dfdbench.plan.cells import Cell, Plan, Split
from dfdbench.runtime import Runtime
from dfdbench.spec import Spec, TrainSet
from dfdbench.spec.sweeps import CLEAN
from dfdbench.stages import evaluate, faces, index, score, train
from dfdbench.store import key_of

SCHEMA = 1


def make(spec: Spec, runtime: Runtime, limit: int | None = None) -> Plan:
    """Plan a spec: lists and fingerprints the data, decodes no image, computes nothing.

    Args:
        spec: the benchmark.
        runtime: where data and results are.
        limit: at most so many videos of each class in every split; the results are a trial.

    Raises:
        DataError: data are empty or contradictory.
    """
    return _Planner(spec, runtime, limit).run()


class _Planner:
    def __init__(self, spec: Spec, runtime: Runtime, limit: int | None) -> None:
        self.spec, self.runtime = spec, runtime
        self.plan = Plan(spec, limit)
        self.indices: dict[str, tuple[str, Index] | MissingError] = {}
        # By the identity of the spec's own objects: asking anew for each row is most of the time.
        self.taken: dict[tuple[int, str, str], Cell | MissingError] = {}
        self.origins: dict[int, list[dict[str, str]]] = {}

    def run(self) -> Plan:
        spec = self.spec
        self.plan.missing_data += spec.faces.missing()
        # Without detectors the faces are all that is asked for, those to train on among them.
        trains = not spec.detectors or any(d.trains for d in spec.detectors.values())
        for name, train_set in spec.train_sets.items() if trains else ():
            self.faces(train_set.dataset, train_set.train, name)
            if train_set.validation is not None:
                self.faces(train_set.held_out(), train_set.validation, name)
            self.find_leaks(name, train_set)
        for test, test_set in spec.test_sets.items():
            found = self.index(test_set.dataset, test_set.split, test)
            if not isinstance(found, MissingError):
                self.plan.data[test] = found[1].fingerprint
                self.faces(test_set.dataset, test_set.split, test)
        for name, detector in spec.detectors.items():
            self.plan.missing_weights += detector.missing()
            for train_id, seed in self.runs(detector):
                self.detector(name, detector, train_id, seed)
        self.plan.missing_weights = list(dict.fromkeys(self.plan.missing_weights))
        return self.plan

    def runs(self, detector: Detector) -> list[tuple[str, int]]:
        if not detector.trains:
            return [("none", 0)]
        return [(t, seed) for t in self.spec.train_sets for seed in self.spec.seeds]

    def detector(self, name: str, detector: Detector, train_id: str, seed: int) -> None:
        ids = {"detector": name, "train_set": train_id, "seed": seed}
        fitted: Cell | MissingError | None = None
        validation: Cell | MissingError | None = None
        if detector.trains:
            train_set = self.spec.train_sets[train_id]
            fitted, validation = self.fit(ids, detector, train_id, train_set, seed)
        calibration = None
        if isinstance(fitted, Cell) and isinstance(validation, Cell):
            calibration = self.score(
                {**ids, "test_set": "validation", "perturbation": "none"},
                detector,
                fitted,
                validation,
                None,
            )
        for test, test_set in self.spec.test_sets.items():
            for perturbation, transform in self.perturbations(detector).items():
                row = {**ids, "test_set": test, "perturbation": perturbation}
                tested = self.faces(test_set.dataset, test_set.split, test)
                absent = next((x for x in (fitted, tested) if isinstance(x, MissingError)), None)
                if absent is not None or isinstance(tested, MissingError):
                    self.plan.rows.append((row, absent or tested))  # type: ignore[arg-type]
                    continue
                scored = self.score(row, detector, fitted, tested, transform)  # type: ignore[arg-type]
                inputs = {"scores": scored.key, "faces": tested.key, **tested.inputs}
                if calibration is not None:
                    inputs["validation"] = calibration.key
                options = {"statistics": self.spec.statistics.model_dump()}
                cell = self.cell("evaluate", evaluate.VERSION, row, inputs, options, options)
                self.plan.rows.append((row, cell.key))

    def perturbations(self, detector: Detector) -> dict[str, Transform | None]:
        """What the faces are put through, by id; the faces as they are come first."""
        strengths = self.spec.strengths() if detector.looks else {}
        return {CLEAN: None, **{name: each.transform for name, each in strengths.items()}}

    def fit(
        self, ids: dict[str, Any], detector: Detector, train_id: str, train_set: TrainSet, seed: int
    ) -> tuple[Cell | MissingError, Cell | MissingError | None]:
        faces_of_train = self.faces(train_set.dataset, train_set.train, train_id)
        validation, chosen_by = None, "none"
        if train_set.select_on_test is not None:
            test = self.spec.test_sets[train_set.select_on_test]
            validation = self.faces(test.dataset, test.split, train_set.select_on_test)
            chosen_by = "test"
        elif train_set.validation is not None:
            validation = self.faces(train_set.held_out(), train_set.validation, train_id)
            chosen_by = "validation"
        for found in (faces_of_train, validation):
            if isinstance(found, MissingError):
                return found, validation
        assert isinstance(faces_of_train, Cell)
        inputs = {"train": faces_of_train.key}
        if isinstance(validation, Cell):
            inputs["validation"] = validation.key
        config = {"detector": detector.to_spec(), "seed": seed, "validation_is": chosen_by}
        identity = {**config, "detector": detector.identity()}
        # Not in the identity: who watches a training does not change it.
        config["loggers"] = [logger.to_spec() for logger in self.spec.loggers]
        # Nor this, which the faces' own cells depend on: for whoever predicts with the detector.
        config["faces"] = self.spec.faces.to_spec()
        cell = self.cell("train", train.VERSION, ids, inputs, config, identity, detector)
        return cell, validation

    def score(
        self,
        ids: dict[str, Any],
        detector: Detector,
        fitted: Cell | None,
        tested: Cell,
        transform: Component | None,
    ) -> Cell:
        inputs = {"faces": tested.key}
        if fitted is not None:
            inputs["train"] = fitted.key
        perturbation = transform.to_spec() if transform else None
        config = {
            "detector": detector.to_spec(),
            "perturbation": perturbation,
            "test_set": ids["test_set"],
        }
        identity: dict[str, Any] = {
            "perturbation": transform.identity() if transform else None,
            # A trained detector's options are in the key of its train cell already.
            "detector": None if fitted else detector.identity(),
        }
        if not detector.trains:
            identity["test_set"] = ids["test_set"]
        parts = [detector, *([transform] if transform else [])]
        return self.cell("score", score.VERSION, ids, inputs, config, identity, *parts)

    def faces(self, dataset: DatasetAdapter, split: str, where: str) -> Cell | MissingError:
        asked = (id(dataset), split, where)
        if asked not in self.taken:
            self.taken[asked] = self.take(dataset, split, where)
        return self.taken[asked]

    def take(self, dataset: DatasetAdapter, split: str, where: str) -> Cell | MissingError:
        found = self.index(dataset, split, where)
        if isinstance(found, MissingError):
            return found
        preprocessor = self.spec.faces
        config = {"dataset": dataset.to_spec(), "preprocessor": preprocessor.to_spec()}
        identity = {"preprocessor": preprocessor.identity()}
        ids = {"set": where, "split": split}
        inputs = {"index": found[0]}
        cell = self.cell("faces", faces.VERSION, ids, inputs, config, identity, preprocessor)
        if (where, split) not in [(known.where, known.split) for known in self.plan.splits]:
            notes = tuple(dataset.notes(self.runtime.data, split))
            self.plan.splits.append(Split(where, split, cell.key, examine(found[1], notes)))
        return cell

    def index(
        self, dataset: DatasetAdapter, split: str, where: str
    ) -> tuple[str, Index] | MissingError:
        """The index cell of a split; computed here, because the keys depend on the data."""
        name = key_of([dataset.to_spec(), split])
        if name not in self.indices:
            try:
                found = index.build(self.runtime, dataset, split, where, self.plan.limit)
            except MissingError as error:
                self.plan.missing_data.append(f"{where} ({split}): {error}")
                self.indices[name] = error
                return error
            # Where the adapter makes the frames, its options and source are the data.
            made = not any(video.files for video in found.videos)
            identity = {
                "fingerprint": found.fingerprint,
                "dataset": dataset.identity() if made else None,
                "limit": self.plan.limit,
            }
            parts = [dataset] if made else []
            config = {"dataset": dataset.to_spec(), "split": split, "limit": self.plan.limit}
            ids = {"set": where, "split": split}
            cell = self.cell("index", index.VERSION, ids, {}, config, identity, *parts)
            index.publish(self.runtime.store, cell.key, found, cell.title)
            self.indices[name] = (cell.key, found)
        return self.indices[name]

    def find_leaks(self, name: str, train_set: TrainSet) -> None:
        """Note what train and validation share with each other and with every test set."""
        sets = [("train", train_set.dataset, train_set.train, name)]
        others = [
            (test, t.dataset, t.split, test, name in t.accept_leaks)
            for test, t in self.spec.test_sets.items()
        ]
        if train_set.validation is not None:
            held_out = (train_set.held_out(), train_set.validation, name)
            others.insert(0, ("", *held_out, False))
            sets.append(("validation", *held_out))
        for role, dataset, split, where in sets:
            first = self.index(dataset, split, where)
            for other, dataset2, split2, where2, accepted in others:
                second = self.index(dataset2, split2, where2)
                if isinstance(first, MissingError) or isinstance(second, MissingError):
                    continue
                if role == "validation" and not other:
                    continue
                videos, people = shared(first[1], second[1], _one_data_set(dataset, dataset2))
                # People who are in train and validation make the choice of an epoch optimistic,
                # not the figures of a test set: many a data set has no other split.
                if videos or (people and other):
                    leak = Leak(name, role, other, tuple(videos), tuple(people), accepted)
                    self.plan.leaks.append(leak)

    def cell(
        self,
        stage: str,
        version: int,
        ids: dict[str, Any],
        inputs: dict[str, str],
        config: dict[str, Any],
        identity: dict[str, Any],
        *components: Component,
    ) -> Cell:
        plugins = [p for part in components for p in self.origin(part)]
        key = key_of(
            {
                "schema": SCHEMA,
                "stage": stage,
                "version": version,
                "config": identity,
                "plugins": plugins,
                "inputs": inputs,
            }
        )
        return self.plan.cells.setdefault(key, Cell(stage, key, ids, inputs, config))

    def origin(self, component: Component) -> list[dict[str, str]]:
        if id(component) not in self.origins:
            self.origins[id(component)] = self.runtime.registry.provenance(component)
        return self.origins[id(component)]


def _one_data_set(first: DatasetAdapter, second: DatasetAdapter) -> bool:
    """Whether equal ids in both mean the same video or person."""
    first, second = first.original(), second.original()
    same_names = type(first) is type(second) and first.owns_ids
    return same_names or first.to_spec() == second.to_spec()
