"""Computes every figure of a results folder again, from its scores, and says what differs.

Metrics, intervals, calibration and breakdowns come from ``scores/`` and ``videos/`` by the same
definitions and the same seed; a threshold is taken as it stands, because the scores of validation
are not in a results folder. Comparisons come from the scores too, and the tables of the leaderboard
from the figures as they should be. So what somebody changed by hand is found wherever it stands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np

from dfdbench import metrics, results
from dfdbench.errors import DataError, MissingError
from dfdbench.leaderboard import files, protocol, robustness, robustness_tables
from dfdbench.leaderboard.merging import Row
from dfdbench.progress import Progress, Silent

TOLERANCE = 1e-9
"""Of sums in another order on another machine; a figure of a table has three digits."""

ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not what the scores give.

    Attributes:
        where: the row, or the file.
        figure: dotted path inside of it.
        stored: what stands there.
        recomputed: what should.
    """

    where: str
    figure: str
    stored: Any
    recomputed: Any


@dataclass
class Verdict:
    """What was recomputed.

    Attributes:
        rows: finished rows whose scores were read.
        figures: numbers and words that were compared.
        files: tables that were compared.
        differences: empty where all is as it should be.
    """

    rows: int = 0
    figures: int = 0
    files: int = 0
    differences: list[Difference] = field(default_factory=list)

    def compare(self, where: str, stored: Any, recomputed: Any) -> Any:
        """Take in two JSON values that should be equal; returns them as they should be.

        What is equal but for rounding is returned as it is stored, so that texts come out equal.
        """
        return self._compare(where, (), stored, recomputed)

    def _compare(self, where: str, path: tuple[str, ...], stored: Any, recomputed: Any) -> Any:
        if isinstance(stored, dict) and isinstance(recomputed, dict):
            keys = dict.fromkeys([*stored, *recomputed])
            pair = {key: (stored.get(key, ABSENT), recomputed.get(key, ABSENT)) for key in keys}
            made = {key: self._compare(where, (*path, key), *pair[key]) for key in keys}
            return {key: made[key] for key in keys if key in recomputed}
        if isinstance(stored, list) and isinstance(recomputed, list):
            pairs = zip_longest(stored, recomputed, fillvalue=ABSENT)
            found = [self._compare(where, (*path, str(n)), *pair) for n, pair in enumerate(pairs)]
            return found[: len(recomputed)]
        self.figures += 1
        if _equal(stored, recomputed):
            return stored
        self.differences.append(Difference(where, ".".join(path), stored, recomputed))
        return recomputed


def verify(folder: Path, progress: Progress | None = None) -> Verdict:
    """Compute what a folder says again.

    Args:
        folder: what ``dfdbench run`` wrote.
        progress: shows how far it is.

    Raises:
        MissingError, DataError: there is no ``metrics.json`` or it cannot be read.
    """
    (document,) = results.read([folder]).values()
    verdict, rows = Verdict(), []
    with (progress or Silent()).task("recompute rows", len(document["rows"])) as task:
        for row in document["rows"]:
            rows.append(_row(row, verdict) if row["status"] == "done" else row)
            task.advance()
    mended = {**document, "rows": rows}
    if "comparisons" in document and verdict.rows == sum(r["status"] == "done" for r in rows):
        found = json.loads(json.dumps(files.compared(rows)))
        mended |= verdict.compare(
            "metrics.json", {k: document.get(k, ABSENT) for k in found}, found
        )
    for name, text in _tables(mended).items():
        verdict.files += 1
        path = folder / name
        there = path.read_text(encoding="utf-8") if path.is_file() else ABSENT
        if there != text:
            verdict.differences.append(_first_difference(name, there, text))
    return verdict


def _tables(document: Mapping[str, Any]) -> dict[str, str]:
    """The tables that should be in a folder, by name; pictures are drawn from the same figures."""
    found, rows = files.boards(document), document["rows"]
    if robustness.curves(rows):
        found["robustness.md"] = robustness_tables.to_markdown(rows, document["benchmark"])
        found["robustness.csv"] = robustness_tables.to_csv(rows)
    return found


def recompute(row: Row) -> dict[str, Any]:
    """The figures of a finished row that was read, from its scores, as JSON values.

    Raises:
        MissingError, DataError: its scores or the videos of its test set are not there or wrong.
    """
    scores, videos = results.scores(row), results.videos(row).to_pydict()
    how = row["interval"]
    found = metrics.evaluate(
        video_id=np.asarray(scores["video_id"].to_pylist(), dtype=np.str_),
        label=scores["label"].to_numpy(),
        p_fake=scores["p_fake"].to_numpy(),
        threshold=row["threshold"],
        threshold_from=row["threshold_from"],
        seed=how.get("seed", 0),
        resamples=how["resamples"],
        cluster=how["cluster"],
        about=videos,
    )
    known = set(scores["video_id"].to_pylist())
    for name, label in zip(videos["video_id"], videos["label"], strict=True):
        if name not in known:  # it gave no face
            found["videos"]["fake" if label else "real"] += 1
            found["videos"]["unscored"] += 1
    counts = found["videos"]
    found["protocol"] = {
        **row["protocol"],
        "scored": counts["real"] + counts["fake"] - counts["unscored"],
        "unscored": counts["unscored"],
        "frames": protocol.span(*_fewest_and_most(scores["video_id"])),
    }
    again: dict[str, Any] = json.loads(json.dumps(found))
    return again


def _fewest_and_most(videos: Any) -> tuple[int, int]:
    """Of the faces of a video; a score is of one face."""
    counts = np.unique(videos.to_numpy().astype(np.str_), return_counts=True)[1]
    return int(counts.min()), int(counts.max())


def _row(row: Row, verdict: Verdict) -> Row:
    """The row as it should be; as it stands where its scores cannot be read."""
    name = results.score_file(row).removesuffix(".parquet")
    try:
        found = recompute(row)
    except (MissingError, DataError) as error:
        verdict.differences.append(Difference(name, "scores", "done", str(error)))
        return row
    verdict.rows += 1
    stored = {key: row.get(key, ABSENT) for key in found}
    return {**row, **verdict.compare(name, stored, found)}


def _equal(stored: Any, recomputed: Any) -> bool:
    numbers = (int, float)
    if isinstance(stored, numbers) and isinstance(recomputed, numbers):
        return isclose(stored, recomputed, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(stored == recomputed)


def _first_difference(name: str, there: str, text: str) -> Difference:
    """Where two texts begin to differ, with some characters around that place."""
    if there == ABSENT:
        return Difference(name, "the file", ABSENT, "a table")
    lines = zip_longest(there.splitlines(), text.splitlines(), fillvalue=ABSENT)
    for n, (old, new) in enumerate(lines, start=1):
        if old != new:
            apart = next(k for k, pair in enumerate(zip_longest(old, new)) if len({*pair}) > 1)
            start = max(0, apart - 40)
            window = slice(start, start + 100)
            return Difference(name, f"line {n}", old[window], new[window])
    return Difference(name, "end of the file", repr(there[-1:]), repr(text[-1:]))
