"""What is wrong with a spec, with its place and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from dfdbench.leaderboard.protocol import Declared
from dfdbench.leaderboard.published import Published
from dfdbench.registry import Registry
from dfdbench.spec import sweeps
from dfdbench.spec.sections import Spec, Statistics, TestSet, TrainSet


def problem(item: Any, raw: dict[str, Any], merged: dict[str, Any], registry: Registry) -> str:
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
