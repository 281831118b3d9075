"""Writes the ``dvc.yaml`` of a spec; DVC itself is never imported, only the user runs it.

The file is a template over the spec's own maps, so that ``dvc repro`` follows a detector that the
spec gains or loses. What its stages do is in :mod:`dfdbench.dvc.pipeline`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from dfdbench.dvc.parts import NONE, folder_of
from dfdbench.errors import SpecError
from dfdbench.spec import Spec
from dfdbench.store import write_text

COMMAND = 'PATH=".venv/bin:$PATH" dfdbench'
"""DVC leaves PATH as it is: so it is the .venv of the current folder, else what is activated."""

MOST = 150
"""Stages in a file: DVC's time for each command grows with them."""

ABOUT = """\
# Written by: dfdbench dvc {source}
# Change the spec rather than this file: stages follow its detectors, train sets and test sets.
"""

TEMPLATE = "dfdbench_roc"
MARK = "# dfdbench dvc, sha256 "


def write(spec: Spec, source: Path, out: Path, command: str = COMMAND, force: bool = False) -> int:
    """Write ``out`` and the template of its plot; returns the number of stages.

    A file that is as it should be is left alone, so a second call changes nothing.

    Args:
        spec: the benchmark.
        source: its file, in the current folder or below.
        out: where to write.
        command: how stages call dfdbench.
        force: overwrite a file that was edited by hand.

    Raises:
        SpecError: ``out`` was edited, the spec lies elsewhere, or this is no DVC repository.
    """
    here = Path.cwd()
    for path in (source, out):
        if not path.resolve().is_relative_to(here.resolve()):
            raise SpecError(
                f"{path} is not below the current folder {here}, and DVC cannot follow it there; "
                "copy the spec into your project and name that file"
            )
    root = next((folder for folder in (here, *here.parents) if (folder / ".dvc").is_dir()), None)
    if root is None:
        raise SpecError(f"{here} is in no DVC repository: run `git init` and `dvc init` first")
    if out.is_file() and not force and edited(out.read_text(encoding="utf-8")):
        raise SpecError(
            f"{out} was edited by hand, or is not of dfdbench; --force overwrites it, --out names "
            "another file"
        )
    relative = source.resolve().relative_to(here.resolve()).as_posix()
    up = os.path.relpath(here.resolve(), out.resolve().parent)
    _replace(out, generate(spec, relative, up, command))
    _replace(root / ".dvc" / "plots" / f"{TEMPLATE}.json", json.dumps(ROC, indent=1) + "\n")
    return count(spec)


def generate(spec: Spec, source: str, up: str = ".", command: str = COMMAND) -> str:
    """The text of a ``dvc.yaml``.

    Args:
        spec: the benchmark.
        source: path of its file from the folder that stages run in.
        up: that folder, seen from the folder of the ``dvc.yaml``.
        command: how stages call dfdbench.
    """
    above = "" if up == "." else f"{up}/"
    figures = f"{above}{folder_of(spec).as_posix()}"
    content = {
        "vars": [{"dfdbench": command, "spec": source}, f"{above}{source}"],
        "stages": _stages(spec, {} if up == "." else {"wdir": up}),
        "params": [f"{above}{source}"],
        "plots": [
            {
                f"ROC {spec.name}": {
                    "x": "fpr",
                    "y": {f"{figures}/roc.json": "tpr"},
                    "x_label": "false positive rate",
                    "y_label": "true positive rate",
                    "title": f"{spec.name}: ROC of videos, mean over seeds",
                    "template": TEMPLATE,
                }
            }
        ],
    }
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    yaml.dump(content, text)
    return _marked(f"{ABOUT.format(source=source)}{text.getvalue()}")


def edited(text: str) -> bool:
    """Whether a file is not, byte for byte, what :func:`generate` once wrote."""
    first, _, rest = text.partition("\n")
    found = re.fullmatch(re.escape(MARK) + "([0-9a-f]{64})", first)
    return found is None or found[1] != hashlib.sha256(rest.encode()).hexdigest()


def count(spec: Spec) -> int:
    """How many stages the file of a spec has."""
    trains, tests = len(spec.train_sets), len(spec.test_sets)
    pairs = len(spec.detectors) * max(trains, 1)
    return 2 + trains + tests + pairs * bool(trains) + pairs * (1 if coarse(spec) else tests)


def coarse(spec: Spec) -> bool:
    """Whether one stage evaluates all test sets, because one for each would be too many."""
    trains, tests = len(spec.train_sets), len(spec.test_sets)
    pairs = len(spec.detectors) * max(trains, 1)
    return 2 + trains + tests + pairs * bool(trains) + pairs * tests > MOST


def _stages(spec: Spec, where: dict[str, str]) -> dict[str, Any]:
    """The stages by name; ``where`` is what says which folder they run in."""
    top, call = folder_of(spec).as_posix(), "${dfdbench} stage"
    train_set = "${item.train_set}" if spec.train_sets else NONE
    pair = "${item.detector}/" + train_set
    pairs = {"detector": "${detectors}"}
    asked = "--detector ${item.detector}"
    if spec.train_sets:
        pairs["train_set"] = "${train_sets}"
        asked += " --train-set ${item.train_set}"
    found: dict[str, Any] = {
        "plan": {
            "desc": "keys of all cells, from spec, plugins and data",
            "cmd": f"{call} plan ${{spec}}",
            **where,
            "deps": ["${spec}"],
            "outs": [f"{top}/plan"],
            "always_changed": True,
        }
    }
    for role in ("train", "test"):
        if role == "test" or spec.train_sets:
            found[f"{role}_faces"] = {
                "foreach": f"${{{role}_sets}}",
                "do": {
                    "desc": f"faces of a {role} set",
                    "cmd": f"{call} faces ${{spec}} --{role}-set ${{key}}",
                    **where,
                    "deps": [f"{top}/plan/{role}_faces/${{key}}.json"],
                    "outs": [f"{top}/{role}_faces/${{key}}.json"],
                },
            }
    if spec.train_sets:
        found["train"] = {
            "matrix": pairs,
            "desc": "a detector on a train set, all seeds",
            "cmd": f"{call} train ${{spec}} {asked}",
            **where,
            "deps": [f"{top}/plan/train/{pair}.json", f"{top}/train_faces/{train_set}.json"],
            "outs": [f"{top}/train/{pair}.json"],
        }
    trained = [f"{top}/train/{pair}.json"] if spec.train_sets else []
    fine = not coarse(spec)
    name = f"{pair}/${{item.test_set}}.json" if fine else pair
    tested = f"{top}/test_faces/${{item.test_set}}.json" if fine else f"{top}/test_faces"
    found["evaluate"] = {
        "matrix": {**pairs, "test_set": "${test_sets}"} if fine else dict(pairs),
        "desc": "scores and metrics of a detector" + (" on a test set" if fine else ""),
        "cmd": f"{call} evaluate ${{spec}} {asked}"
        + (" --test-set ${item.test_set}" if fine else ""),
        **where,
        "deps": [f"{top}/plan/evaluate/{name}", *trained, tested],
        "outs": [f"{top}/evaluate/{name}"],
    }
    boards = ("leaderboard.md", "leaderboard.csv", "leaderboard.json", "metrics.json")
    found["report"] = {
        "desc": "the leaderboard, and what `dvc metrics` and `dvc plots` show",
        "cmd": f"{call} report ${{spec}}",
        **where,
        "deps": [f"{top}/plan/report.json", f"{top}/evaluate"],
        "outs": [*(f"results/{spec.name}/{board}" for board in boards), f"{top}/roc.json"],
        "metrics": [f"{top}/auroc"],
    }
    return found


def _marked(text: str) -> str:
    return f"{MARK}{hashlib.sha256(text.encode()).hexdigest()}\n{text}"


def _replace(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)


def _axis(axis: str, field: str = "") -> dict[str, Any]:
    return {
        "field": field or f"<DVC_METRIC_{axis}>",
        "type": "quantitative",
        "title": f"<DVC_METRIC_{axis}_LABEL>",
        "scale": {"domain": [0, 1]},
    }


ROC: dict[str, Any] = {
    "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
    "data": {"values": "<DVC_METRIC_DATA>"},
    "title": {"text": "<DVC_METRIC_TITLE>", "anchor": "middle"},
    "facet": {"field": "test_set", "type": "nominal", "title": None, "sort": []},
    "columns": 3,
    "spec": {
        "width": 280,
        "height": 280,
        "layer": [
            {
                "data": {"values": [{"x": 0, "y": 0}, {"x": 1, "y": 1}]},
                "mark": {"type": "line", "color": "lightgrey", "strokeWidth": 1},
                "encoding": {"x": _axis("X", "x"), "y": _axis("Y", "y")},
            },
            {
                "mark": {"type": "line", "tooltip": {"content": "data"}},
                "encoding": {
                    "x": _axis("X"),
                    "y": _axis("Y"),
                    # By default a line is drawn in the order of x, and a ROC rises upright too.
                    "order": {"field": "<DVC_METRIC_Y>", "type": "quantitative"},
                    "color": {"field": "detector", "type": "nominal", "sort": []},
                    "strokeDash": {"field": "rev", "type": "nominal", "sort": []},
                },
            },
        ],
    },
}
"""Template of the plot: a panel a test set, a colour a detector, a dash a revision."""
