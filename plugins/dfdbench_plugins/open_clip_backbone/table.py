"""What open_clip lists, read off its files: importing it means importing torch, for seconds."""

from __future__ import annotations

import ast
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""Names of a weights file in a hub repository for which open_clip's table names none."""


def _package() -> Path:
    spec = find_spec("open_clip")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("open_clip is not installed; install dfdbench with its dependencies")
    return Path(next(iter(spec.submodule_search_locations)))


@cache
def models() -> tuple[str, ...]:
    """Names of all architectures, sorted."""
    return tuple(sorted(file.stem for file in _package().glob("model_configs/*.json")))


def config(model: str) -> dict[str, Any]:
    """The architecture's configuration: ``embed_dim``, ``vision_cfg``, ``quick_gelu``, ..."""
    file = _package() / "model_configs" / f"{model}.json"
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


@cache
def weights() -> dict[str, dict[str, dict[str, Any]]]:
    """Model -> tag -> what open_clip says of the weights: ``hf_hub``, ``url``, ``quick_gelu``.

    Without the models ``...-quickgelu``, whose weights are those of the model without the suffix.
    """
    tree = ast.parse((_package() / "pretrained.py").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names[node.targets[0].id] = _value(node.value, names)
    table = names.get("_PRETRAINED")
    return table if isinstance(table, dict) else {}


def tags(model: str) -> dict[str, dict[str, Any]]:
    """Tag -> what open_clip says of the weights of a model."""
    known = weights()
    if model in known or not model.endswith("-quickgelu"):
        return known.get(model, {})
    plain = known.get(model.removesuffix("-quickgelu"), {})
    return {tag: entry for tag, entry in plain.items() if entry.get("quick_gelu")}


def clean(tag: str) -> str:
    """A tag as the table writes it: open_clip takes ``-`` for ``_`` and any case."""
    return tag.lower().replace("-", "_")


def source(entry: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Hub repository and possible file names of an entry; an empty repository: an address only."""
    repository, _, file = str(entry.get("hf_hub", "")).rpartition("/")
    if not file:
        return repository, FILES
    return repository, (str(Path(file).with_suffix(".safetensors")), file)


def _value(node: ast.expr, names: dict[str, Any]) -> Any:
    """A constant, a name defined above, a mapping, or the keywords of a call; else None."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Dict):
        return {
            key.value: _value(value, names)
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant)
        }
    if isinstance(node, ast.Call):
        return {k.arg: _value(k.value, names) for k in node.keywords if k.arg is not None}
    return None
