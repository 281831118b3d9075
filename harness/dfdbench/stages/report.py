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

from dfdbench import results
from dfdbench.data import sheet
from dfdbench.data.videos import video_table
from dfdbench.faces import MISSES, open_faces, pick
from dfdbench.leaderboard import files, merging, pictures, published
from dfdbench.plan import Plan
from dfdbench.run import Outcome
from dfdbench.runtime import Runtime, environment
from dfdbench.spec import Spec
from dfdbench.stages import score
from dfdbench.stages.collect import collect
from dfdbench.store import key_of, write_bytes, write_text

SCHEMA = 1
CELL = b"dfdbench_cell"
"""In a file of scores or videos: the key of the cell that they are from."""

Row = dict[str, Any]


def write(
    plan: Plan,
    runtime: Runtime,
    outcome: Outcome,
    out: Path,
    duration: float,
    with_faces: bool = False,
) -> Row:
    """Write leaderboard, metrics, plan, scores and pictures; returns what ``metrics.json`` holds.

    ``with_faces``: the page shows faces of the worst videos.
    """
    rows = collect(plan, runtime, outcome)
    _write_scores(plan, runtime, rows, out / results.SCORES)
    _write_videos(plan, runtime, out / results.VIDEOS)
    document: Row = {"schema": merging.SCHEMA, "benchmark": plan.spec.name, "rows": rows}
    document["published"] = _published(plan.spec)
    document |= _compared(rows, out)
    write_text(out / "metrics.json", json.dumps(document, indent=1))
    write_text(out / "plan.json", json.dumps(_provenance(plan, runtime, duration), indent=1))
    files.write_board(document, out)
    _write_traces(outcome, plan, out / "failures")
    if outcome.computed or not (out / "training.png").exists():
        files.write_curves(rows, out)
    pictures.write(document, out, runtime.store if with_faces else None)
    return document


def _published(spec: Spec) -> Row:
    if spec.published is None:
        return {}
    return {"figures": published.figures(spec.published), "notes": list(spec.published.notes)}


def _compared(rows: Sequence[Mapping[str, Any]], out: Path) -> Row:
    """What compares detectors and test sets; taken over from ``out`` where no row is another."""
    deciding = (*results.IDS, "status", "key", "data", "leak", "trial", "protocol")
    of = key_of([[row.get(name) for name in deciding] for row in rows])
    try:
        before = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = {}
    names = ("comparisons", "cross_sets")
    if before.get("compared") == of and all(name in before for name in names):
        return {"compared": of, **{name: before[name] for name in names}}
    return {"compared": of, **files.compared([{**row, "folder": str(out)} for row in rows])}


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


def _provenance(plan: Plan, runtime: Runtime, duration: float) -> Row:
    spec = plan.spec
    parts = [spec.faces, *spec.detectors.values()]
    parts += [strength.transform for strength in spec.strengths().values()]
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
