"""Finds the trained detector that a user means."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dfdbench import spec as specs
from dfdbench.api import Detector, FacePreprocessor
from dfdbench.errors import DfdbenchError, MissingError, SpecError
from dfdbench.predict.calibration import Calibration, from_scores
from dfdbench.runtime import Runtime
from dfdbench.stages import score
from dfdbench.store import META

KEY = re.compile(r"[0-9a-f]{6,64}")
NAMES = ("detector", "train_set", "seed")
WAYS = (
    "name it as RESULTS:DETECTOR (results/demo:ln), SPEC:DETECTOR (specs/demo.yaml:ln), the key of "
    "its training in the store, or a file that `dfdbench export` wrote"
)


@dataclass(frozen=True)
class Trained:
    """A detector that can score.

    Attributes:
        title: detector, train set and seed.
        detector: scores faces.
        preprocessor: takes faces as in its training.
        folder: what its training left; the detector's own for one that does not train.
        calibration: from its validation scores; None: there are none.
        ids: ``detector``, ``train_set`` and ``seed``, as far as they are known.
        key: of its training in the store; empty: none.
        faces: key of the faces that it was validated on, else of those it was trained on.
        results: the results folder that it was named by.
    """

    title: str
    detector: Detector
    preprocessor: FacePreprocessor
    folder: Path
    calibration: Calibration | None = None
    ids: Mapping[str, Any] | None = None
    key: str = ""
    faces: str = ""
    results: Path | None = None


def find(name: str, runtime: Runtime) -> Trained:
    """The detector that ``name`` means.

    Raises:
        SpecError: nothing, or several, go by that name; says which there are.
        MissingError: its training is not in the store.
    """
    from dfdbench.export import reading

    path = Path(name)
    if path.is_file() and path.suffix in reading.SUFFIXES:
        return reading.open_file(path, runtime)
    if (path / META).is_file():
        return _of_meta(json.loads((path / META).read_text(encoding="utf-8")), path, runtime)
    if KEY.fullmatch(name):
        return _of_key(name, runtime)
    place, colon, rest = name.partition(":")
    if not colon:
        detectors = _listed(place, runtime)
        raise SpecError(f"no trained detector {name!r}; {detectors or WAYS}")
    wanted = dict(zip(NAMES, rest.split(":"), strict=False))
    if (Path(place) / "plan.json").is_file():
        return _of_results(Path(place), wanted, runtime)
    return _of_spec(specs.load(place, runtime.registry), place, wanted, runtime)


def _listed(place: str, runtime: Runtime) -> str:
    """What stands behind the colon, where what stands before it is a spec or a results folder."""
    try:
        if (Path(place) / "plan.json").is_file():
            names = list(_plan(Path(place))["spec"]["detectors"])
        else:
            names = list(specs.load(place, runtime.registry).detectors)
    except (DfdbenchError, KeyError, TypeError):
        return ""
    return f"add one of its detectors: {', '.join(f'{place}:{each}' for each in names)}"


def _of_key(prefix: str, runtime: Runtime) -> Trained:
    found = [key for key in runtime.store.finished() if key.startswith(prefix)]
    trainings = [key for key in found if _meta(runtime, key).get("stage") == "train"]
    if len(trainings) != 1:
        say = f"{len(trainings)} trainings have" if trainings else "no training has"
        raise SpecError(f"{say} a key that begins with {prefix!r} in {runtime.store.root}; {WAYS}")
    return _of_meta(_meta(runtime, trainings[0]), runtime.store.path(trainings[0]), runtime)


def _of_meta(meta: Mapping[str, Any], folder: Path, runtime: Runtime) -> Trained:
    """From what the store recorded of a training."""
    config = meta.get("config", {})
    if meta.get("stage") != "train" or "faces" not in config:
        raise SpecError(
            f"{folder} holds no training that says how its faces were taken (it is a cell of the "
            f"stage {meta.get('stage')!r}); {WAYS}"
        )
    return _trained(config["detector"], config["faces"], meta, folder, runtime)


def _of_results(folder: Path, wanted: dict[str, str], runtime: Runtime) -> Trained:
    plan = _plan(folder)
    spec = specs.validate(plan["spec"], runtime.registry, str(folder / "plan.json"))
    name = _detector(spec, str(folder), wanted)
    if not spec.detectors[name].trains:
        found = _of_spec(spec, str(folder), wanted, runtime)
    else:
        cells = {
            key: cell
            for key, cell in plan["cells"].items()
            if cell["stage"] == "train" and _fits(cell["ids"], wanted)
        }
        key = _one(cells, str(folder), wanted)
        if not runtime.store.has(key):
            raise MissingError(
                f"the training {key[:12]} of {folder}:{name} is not in the store "
                f"{runtime.store.root}; name the right one with --store, or run the benchmark again"
            )
        parts = spec.detectors[name].to_spec(), spec.faces.to_spec()
        meta = {**plan["cells"][key], "key": key}
        found = _trained(*parts, meta, runtime.store.path(key), runtime)
    return replace(found, results=folder)


def _of_spec(spec: specs.Spec, place: str, wanted: dict[str, str], runtime: Runtime) -> Trained:
    name = _detector(spec, place, wanted)
    detector = spec.detectors[name]
    if not detector.looks:
        raise SpecError(
            f"{place}:{name} does not look at faces: it has the scores that it was given, and none "
            "of other files"
        )
    if not detector.trains:
        if missing := detector.missing():
            raise MissingError("\n".join(missing))
        # An empty folder of its own: it keeps nothing there.
        own = runtime.store.root / "partial"
        return Trained(name, detector, spec.faces, own, ids={"detector": name})
    chosen = {
        key: meta
        for key in runtime.store.finished()
        if (meta := _meta(runtime, key)).get("stage") == "train"
        and _fits(meta["ids"], wanted)
        and meta.get("config", {}).get("detector") == detector.to_spec()
        and meta["config"].get("faces") == spec.faces.to_spec()
    }
    if not chosen:
        raise MissingError(
            f"{place}:{name} is not trained in the store {runtime.store.root}; "
            f"run `dfdbench run {place}` first, or name the right store with --store"
        )
    key = _one(chosen, place, wanted)
    return _of_meta(chosen[key], runtime.store.path(key), runtime)


def _detector(spec: specs.Spec, place: str, wanted: dict[str, str]) -> str:
    name = wanted["detector"]
    if name not in spec.detectors:
        raise SpecError(f"{place} has no detector {name!r}; it has {', '.join(spec.detectors)}")
    return name


def _fits(ids: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    return all(str(ids.get(name)) == value for name, value in wanted.items())


def _one(cells: Mapping[str, Mapping[str, Any]], place: str, wanted: Mapping[str, str]) -> str:
    """The key of the only cell.

    Raises:
        SpecError: there is none, or several; lists what can be named.
    """
    if len(cells) == 1:
        return next(iter(cells))
    names = sorted(":".join(str(cell["ids"][n]) for n in NAMES) for cell in cells.values())
    asked = ":".join(wanted.values())
    if not names:
        raise SpecError(f"{place} has no training {asked!r}; the form is DETECTOR:TRAIN_SET:SEED")
    some = ", ".join(f"{place}:{each}" for each in names[:6])
    raise SpecError(f"{place}:{asked} means {len(names)} trainings; name one: {some}")


def _trained(
    detector: Mapping[str, Any],
    faces: Mapping[str, Any],
    meta: Mapping[str, Any],
    folder: Path,
    runtime: Runtime,
) -> Trained:
    resolve = runtime.registry.resolve
    built, preprocessor = resolve("detector", dict(detector)), resolve("preprocessor", dict(faces))
    assert isinstance(built, Detector) and isinstance(preprocessor, FacePreprocessor)
    ids, inputs, key = meta["ids"], meta.get("inputs", {}), str(meta.get("key", ""))
    title = f"{ids['detector']}, trained on {ids['train_set']} with seed {ids['seed']}"
    calibration = _calibration(runtime, key)
    shown = inputs.get("validation") or inputs.get("train") or ""
    return Trained(title, built, preprocessor, folder, calibration, ids, key, shown)


def _calibration(runtime: Runtime, key: str) -> Calibration | None:
    """From the scores of the validation faces, where the store holds them."""
    for other in _scores(runtime, key):
        return from_scores(runtime.store.path(other) / score.FILE)
    return None


def _scores(runtime: Runtime, key: str) -> Iterable[str]:
    """Keys of the cells with scores of the validation faces by a training."""
    for other in runtime.store.finished():
        meta = _meta(runtime, other)
        of_it = meta.get("stage") == "score" and meta.get("inputs", {}).get("train") == key
        if of_it and meta["ids"].get("test_set") == "validation":
            yield other


def _meta(runtime: Runtime, key: str) -> dict[str, Any]:
    """What was recorded beside a cell; nothing where the cell has lost it."""
    return runtime.store.meta(key) if runtime.store.has(key) else {}


def _plan(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise SpecError(f"{folder}/plan.json is not JSON: {error}") from error
    return found
