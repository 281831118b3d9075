"""The rows of a report: what the store holds of a plan, failed, or cannot be computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from dfdbench.component import Component
from dfdbench.errors import MissingError
from dfdbench.leaderboard import protocol
from dfdbench.plan import Cell, Plan
from dfdbench.run import Outcome
from dfdbench.runtime import Runtime
from dfdbench.stages import evaluate, faces, score, train

Row = dict[str, Any]


def collect(plan: Plan, runtime: Runtime, outcome: Outcome) -> list[Row]:
    """One row for each result of the plan that is there, failed, or cannot be computed."""
    rows = []
    frames = Frames(runtime)
    strengths = plan.spec.strengths()
    for ids, key in plan.rows:
        strength = strengths.get(ids["perturbation"])
        row: Row = {
            **ids,
            "strength": strength.to_row() if strength else None,
            "trial": plan.limit,
            "leak": plan.leak(ids["train_set"], ids["test_set"]),
            "data": plan.data.get(ids["test_set"], ""),
        }
        if isinstance(key, MissingError):
            row |= {"status": "missing", "reason": str(key)}
        elif key in outcome.failures:
            failure = outcome.failures[key]
            status = "missing" if failure.missing else "failed"
            row |= {"status": status, "reason": failure.reason}
        elif runtime.store.has(key):
            row |= {"status": "done", "reason": "", "key": key, **_result(plan, runtime, key)}
            row["protocol"] = _protocol(plan, runtime, row, frames)
        else:
            continue
        rows.append(row)
    return rows


def _result(plan: Plan, runtime: Runtime, key: str) -> Row:
    store = runtime.store
    scored = plan.cells[plan.cells[key].inputs["scores"]]
    result = _json(store.path(key) / evaluate.FILE)
    result["duration"] = store.meta(scored.key)["duration"]
    result["fit"] = {}
    used = {"test": scored.inputs["faces"]}
    if "train" in scored.inputs:
        result["fit"] = _json(store.path(scored.inputs["train"]) / train.FIT)
        result["duration"] += store.meta(scored.inputs["train"])["duration"]
        used |= plan.cells[scored.inputs["train"]].inputs
    summaries = {what: faces.summary_of(used[what], runtime) for what in used}
    result["unreadable"] = {what: found["unreadable"] for what, found in summaries.items()}
    summary = summaries["test"]
    result["faces"] = {
        "recipe": _said(plan.spec.faces),
        "yield": summary["yield"],
        "expected": summary["expected"],
        "identical": summary["identical"],
    }
    for label, count in summary["videos_without_face"].items():
        result["videos"][label] += count
        result["videos"]["unscored"] += count
    return result


def _protocol(plan: Plan, runtime: Runtime, row: Row, frames: Frames) -> Row:
    scored = plan.cells[plan.cells[row["key"]].inputs["scores"]]
    train_data = ""
    if "train" in scored.inputs:
        trained_on = plan.cells[plan.cells[scored.inputs["train"]].inputs["train"]]
        summary = _json(runtime.store.path(trained_on.inputs["index"]) / "summary.json")
        train_data = summary["fingerprint"]
    return protocol.of_row(
        row,
        seeds=plan.spec.seeds,
        frames=frames.of(scored),
        train_data=train_data,
        declared=plan.spec.declared.get(row["detector"]),
    )


class Frames:
    """Fewest and most faces of a video, counted once for each test set."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.known: dict[str, tuple[int, int]] = {}

    def of(self, scored: Cell) -> tuple[int, int]:
        """Of the videos that a score cell is about; a score is of one face."""
        key = scored.inputs["faces"]
        if key not in self.known:
            path = self.runtime.store.path(scored.key) / score.FILE
            videos = pq.read_table(path, columns=["video_id"])["video_id"]
            counts = pc.min_max(pc.value_counts(videos).field("counts")).as_py()
            self.known[key] = counts["min"], counts["max"]
        return self.known[key]


def _said(preprocessor: Component) -> str:
    """A preprocessor with its options, a file by its name and hash."""
    identity = preprocessor.identity()
    parts = []
    for name in type(preprocessor).model_fields:
        value = getattr(preprocessor, name)
        if isinstance(value, Path):
            value = f"{value.name} (sha256 {str(identity[name])[:12]})"
        if value is not None:
            parts.append(f"{name} {str(value).lower() if isinstance(value, bool) else value}")
    return ", ".join([preprocessor.name, *parts])


def _json(path: Path) -> Row:
    found: Row = json.loads(path.read_text(encoding="utf-8"))
    return found
