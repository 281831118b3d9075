"""The parts of a benchmark that DVC's stages compute, and the files of their keys.

``results/NAME/dvc/plan/`` holds a file of keys for every stage but the first; a stage depends on
its own, and writes one of the same name beside ``plan/`` when those cells are in the store:

    plan/train/ln/ffpp.json     train/ln/ffpp.json

Since a key names spec, plugins and data, a stage runs again exactly where one of its cells is
another.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from dfdbench.errors import DataError, MissingError, SpecError
from dfdbench.plan import Cell, Plan
from dfdbench.spec import Spec
from dfdbench.store import key_of, write_text

SCHEMA = 1
NONE = "none"
"""Stands for the train set where a spec has none."""

Part = tuple[str, ...]
"""What a file of keys is of, as its path: ``("train", "ln", "ffpp")``."""


def folder_of(spec: Spec) -> Path:
    """Where the files that DVC sees are."""
    return Path("results") / spec.name / "dvc"


def write_plan(plan: Plan, folder: Path) -> int:
    """Write the keys of every part of a benchmark; returns how many parts there are.

    Removes what stages wrote for parts that the plan has no longer.
    """
    found = parts(plan)
    shutil.rmtree(folder / "plan", ignore_errors=True)
    for part, cells in found.items():
        write(folder / "plan" / file_of(part), {cell.key: cell.title for cell in cells})
    write_text(folder / "plan" / "report.json", report_of(plan))
    for stage in ("train_faces", "test_faces", "train", "evaluate"):
        for path in (folder / stage).rglob("*.json"):
            if path.relative_to(folder).with_suffix("").parts not in found:
                path.unlink()
    return len(found)


def parts(plan: Plan) -> dict[Part, list[Cell]]:
    """The cells of each part, those that a stage is there for, without what they need."""
    spec = plan.spec
    trains = list(spec.train_sets)
    keys: dict[Part, dict[str, None]] = {("train_faces", name): {} for name in trains}
    keys |= {("train", name, train): {} for name in spec.detectors for train in trains}
    for ids, key in plan.rows:
        if not isinstance(key, str):
            raise key
        name, test = ids["detector"], ids["test_set"]
        scored = plan.cells[plan.cells[key].inputs["scores"]]
        keys.setdefault(("test_faces", test), {})[scored.inputs["faces"]] = None
        # A detector that does not train has the same rows whatever the train set.
        mine = [ids["train_set"]] if spec.detectors[name].trains else trains or [NONE]
        for train in mine:
            keys.setdefault(("evaluate", name, train, test), {})[key] = None
        if "train" in scored.inputs:
            fitted = plan.cells[scored.inputs["train"]]
            keys["train", name, mine[0]][fitted.key] = None
            keys["train_faces", mine[0]][fitted.inputs["train"]] = None
            if fitted.config["validation_is"] == "validation":  # and not a test set
                keys["train_faces", mine[0]][fitted.inputs["validation"]] = None
    return {part: [plan.cells[key] for key in found] for part, found in keys.items()}


def narrowed(
    spec: Spec, detector: str | None, train_set: str | None, test_set: str | None, tests: bool
) -> Spec:
    """The spec without what a stage does not need, so that it plans within seconds.

    Keys stay the same, because a key names nothing but what the result depends on.
    """
    for kind, name, known in (
        ("detector", detector, spec.detectors),
        ("train set", train_set, spec.train_sets),
        ("test set", test_set, spec.test_sets),
    ):
        if name is not None and name not in known:
            raise SpecError(f"{spec.name} has no {kind} {name!r}; it has {', '.join(known)}")
    wanted: set[str | None] = {test_set}
    if tests and detector and not test_set:
        wanted = set(spec.test_sets)
    if train_set and detector:
        wanted.add(spec.train_sets[train_set].select_on_test)
    return spec.model_copy(
        update={
            "detectors": {k: v for k, v in spec.detectors.items() if k == detector},
            "train_sets": {k: v for k, v in spec.train_sets.items() if k == train_set},
            "test_sets": {k: v for k, v in spec.test_sets.items() if k in wanted},
        }
    )


def of_stage(
    plan: Plan, stage: str, detector: str | None, train_set: str | None, test_set: str | None
) -> dict[Part, list[Cell]]:
    """The parts of a narrowed plan that one call of a stage computes."""
    cells = list(plan.cells.values())
    if stage == "train":
        return {("train", str(detector), str(train_set)): [c for c in cells if c.stage == "train"]}
    if stage == "evaluate":
        keys: dict[Part, dict[str, Cell]] = {}
        for ids, key in plan.rows:
            if not isinstance(key, str):
                raise key
            if test_set in (None, ids["test_set"]):
                part = ("evaluate", str(detector), train_set or NONE, ids["test_set"])
                keys.setdefault(part, {})[key] = plan.cells[key]
        return {part: list(found.values()) for part, found in keys.items()}
    if plan.missing_data:
        raise MissingError("\n".join(plan.missing_data))
    name = train_set if stage == "train_faces" else test_set
    return {(stage, str(name)): [cell for cell in cells if cell.stage == "faces"]}


def planned(folder: Path, part: Part, cells: list[Cell]) -> dict[str, str]:
    """Key -> title, as the stage ``plan`` wrote them for a part, seen to be of these cells."""
    path = folder / "plan" / file_of(part)
    if not path.is_file():
        raise no_plan(path)
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    if set(found) != {cell.key for cell in cells}:
        raise another_state(path)
    return found


def no_plan(path: Path) -> MissingError:
    """What to raise where there is no plan."""
    return MissingError(
        f"there is no {path}: run `dvc repro`, which makes the plan before anything else"
    )


def another_state(path: Path) -> DataError:
    """What to raise where the plan that was written is not that of now."""
    return DataError(
        f"{path} is not what spec, plugins and data give now: they changed since it was written; "
        "run `dvc repro` again"
    )


def report_of(plan: Plan) -> str:
    """All that the report goes by, as JSON."""
    content = {
        "schema": SCHEMA,
        "spec": key_of(plan.spec.to_dict()),
        "leaks": [str(leak) for leak in plan.leaks],
        "rows": [{**ids, "key": str(key)} for ids, key in plan.rows],
    }
    return json.dumps(content, indent=1) + "\n"


def file_of(part: Part) -> Path:
    """Where the file of a part is, below ``plan/`` and beside it."""
    return Path(*part[:-1], f"{part[-1]}.json")


def write(path: Path, cells: dict[str, Any]) -> Path:
    """Write what there is to say of cells, by their keys; returns the path."""
    content = {"schema": SCHEMA, "cells": cells}
    write_text(path, json.dumps(content, indent=1, sort_keys=True) + "\n")
    return path
