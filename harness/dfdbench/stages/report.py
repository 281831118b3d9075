"""Stage 6: collect what the store holds of a plan and write the results folder."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dfdbench import leaderboard, results
from dfdbench.component import Component
from dfdbench.data import sheet
from dfdbench.data.videos import video_table
from dfdbench.errors import MissingError
from dfdbench.faces import MISSES, open_faces, pick
from dfdbench.leaderboard import tables
from dfdbench.plan import Plan
from dfdbench.run import Outcome
from dfdbench.runtime import Runtime, environment
from dfdbench.stages import evaluate, faces, score, train
from dfdbench.store import write_bytes, write_text

SCHEMA = 1
CELL = b"dfdbench_cell"
"""In a file of scores or videos: the key of the cell that they are from."""

Row = dict[str, Any]


def write(plan: Plan, runtime: Runtime, outcome: Outcome, out: Path, duration: float) -> list[Row]:
    """Write leaderboard, metrics, plan, scores and curves into ``out``; returns the rows."""
    rows = collect(plan, runtime, outcome)
    board = leaderboard.rank(rows, plan.spec.name)
    metrics = {"schema": SCHEMA, "benchmark": plan.spec.name, "rows": rows}
    write_text(out / "metrics.json", json.dumps(metrics, indent=1))
    write_text(out / "plan.json", json.dumps(_provenance(plan, runtime, duration), indent=1))
    _write_scores(plan, runtime, rows, out / results.SCORES)
    _write_videos(plan, runtime, out / results.VIDEOS)
    write_board(board, rows, out)
    _write_traces(outcome, plan, out / "failures")
    if outcome.computed or not (out / "training.png").exists():
        write_curves(rows, out)
    return rows


def write_curves(rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Draw how the trainings went, where there is one with epochs."""
    from dfdbench.leaderboard import plots  # takes a second that an idle run can do without

    (out / "training.png").unlink(missing_ok=True)
    plots.learning_curves(plots.histories(rows), out / "training.png")


def write_board(board: leaderboard.Board, rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Write a leaderboard as Markdown, CSV and JSON."""
    write_text(out / "leaderboard.md", tables.to_markdown(board))
    write_text(out / "leaderboard.csv", tables.to_csv(rows))
    write_text(out / "leaderboard.json", tables.to_json(board))


def write_faces(plan: Plan, runtime: Runtime, out: Path) -> list[Path]:
    """Write a contact sheet and a table of the misses for every split whose faces were taken.

    A miss is a frame or a whole video that gave no face. Returns a folder for each split.
    """
    written = []
    for split in plan.splits:
        if not runtime.store.has(split.faces):
            continue
        name = f"{split.where}, {split.split}"
        target = out / f"{split.where}-{split.split}"
        found = open_faces(runtime.store, split.faces, name)
        picture = sheet.contact_sheet(
            found, partial(pick, runtime.store, split.faces), f"{name}: {len(found):,} faces"
        )
        write_bytes(target / "faces.png", picture)
        misses = [
            row
            for path in sorted(runtime.store.path(split.faces).glob(f"{MISSES}*"))
            for row in pq.read_table(path).to_pylist()
        ]
        text = io.StringIO()
        columns = ("video_id", "frame_index", "label", "method", "path", "reason", "unreadable")
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(misses)
        write_text(target / "misses.csv", text.getvalue())
        written.append(target)
    return written


def collect(plan: Plan, runtime: Runtime, outcome: Outcome) -> list[Row]:
    """One row for each result of the plan that is there, failed, or cannot be computed."""
    rows = []
    for ids, key in plan.rows:
        row: Row = {
            **ids,
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


def _provenance(plan: Plan, runtime: Runtime, duration: float) -> Row:
    spec = plan.spec
    parts = [spec.faces, *spec.detectors.values(), *spec.perturbations.values()]
    for train_set in spec.train_sets.values():
        parts += [train_set.dataset, train_set.held_out()]
    parts += [test_set.dataset for test_set in spec.test_sets.values()]
    plugins = {p["component"]: p for part in parts for p in runtime.registry.provenance(part)}
    return {
        "schema": SCHEMA,
        "spec": spec.to_dict(),
        "trial": plan.limit,
        "seeds": list(spec.seeds),
        "data": plan.data,
        "cells": {
            cell.key: {"stage": cell.stage, "ids": cell.ids, "inputs": cell.inputs}
            for cell in plan.cells.values()
        },
        "plugins": plugins,
        "environment": environment(),
        "duration": round(duration, 3),
    }


def _write_scores(plan: Plan, runtime: Runtime, rows: list[Row], target: Path) -> None:
    """One Parquet file a row, together one table; replaced as a whole."""
    fresh, old = (
        target.with_name(f".{target.name}.{what}.{os.getpid()}") for what in ("new", "old")
    )
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        for row in rows:
            if row["status"] == "done":
                name, scored = results.score_file(row), plan.cells[row["key"]].inputs["scores"]
                if _holds(target / name, scored):
                    shutil.copy2(target / name, fresh / name)  # a tenth of writing it
                    continue
                table = labelled(pq.read_table(runtime.store.path(scored) / score.FILE), row)
                pq.write_table(table.replace_schema_metadata({CELL: scored}), fresh / name)
        if target.exists():
            os.replace(target, old)
        os.replace(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _write_videos(plan: Plan, runtime: Runtime, target: Path) -> None:
    """One Parquet file a test set: what is known of each of its videos."""
    for test, test_set in plan.spec.test_sets.items():
        split = next((s for s in plan.splits if (s.where, s.split) == (test, test_set.split)), None)
        path = target / f"{test}.parquet"
        if split is None or not runtime.store.has(split.faces) or _holds(path, split.faces):
            continue
        buffer, index = io.BytesIO(), plan.cells[split.faces].inputs["index"]
        table = video_table(runtime.store, index, split.faces)
        pq.write_table(table.replace_schema_metadata({CELL: split.faces}), buffer)
        write_bytes(path, buffer.getvalue())


def _holds(path: Path, key: str) -> bool:
    """Whether a file of scores or videos was written from this cell."""
    try:
        return (pq.read_schema(path).metadata or {}).get(CELL) == key.encode()
    except (OSError, pa.ArrowInvalid):
        return False


def labelled(table: Any, row: Mapping[str, Any]) -> Any:
    """A table of scores with the ids of its row of the leaderboard before its own columns."""
    columns = {name: pa.array([row[name]] * len(table)) for name in results.IDS}
    return pa.table({**columns, **{name: table[name] for name in results.SCORE_COLUMNS}})


def _write_traces(outcome: Outcome, plan: Plan, folder: Path) -> None:
    """Tracebacks of errors that nobody foresaw, a file for the cell that failed."""
    shutil.rmtree(folder, ignore_errors=True)
    written: set[int] = set()
    for key, failure in outcome.failures.items():
        if failure.trace and id(failure) not in written:  # cells that need it share its failure
            written.add(id(failure))
            write_text(folder / f"{plan.cells[key].title.replace(' ', '-')}.txt", failure.trace)
