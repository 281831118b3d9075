"""Reads a spec: from a path or bundled, with what the command line changes in it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from dfdbench.errors import SpecError
from dfdbench.registry import Registry
from dfdbench.spec.problems import problem
from dfdbench.spec.sections import Spec

BUNDLED = "dfdbench_benchmarks"


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
        lines = [problem(item, raw, merged, registry) for item in error.errors()]
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
