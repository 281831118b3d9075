"""Writes what is left under perturbations as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from tabulate import tabulate

from dfdbench.leaderboard.merging import Row, group
from dfdbench.leaderboard.notes import UNTRAINED
from dfdbench.leaderboard.robustness import (
    CLEAN,
    MARKS,
    RETAINED,
    Curve,
    Point,
    curves,
    mean_retained,
)

NOTHING = "–"  # noqa: RUF001, as a table shows an empty place
COLUMNS = (
    "detector", "train_set", "test_set", "curve", "option", "strength", "clean", "status", "auroc",
    "low", "high", "std", "seeds", "retained", "retained_std",
)  # fmt: skip


def table(rows: Iterable[Row]) -> list[list[str]]:
    """A header and a line for each detector and test set: the clean AUROC and what is retained.

    A column a perturbation and their mean, all in %; only the header where nothing was perturbed.
    """
    found = curves(rows)
    several = _several(found)
    names = list(dict.fromkeys(curve.name for curve in found))
    lines = [["Detector", *["Train set"] * several, "Test set", "Clean", *names, "Mean retained"]]
    for mine in group(
        found, lambda curve: (curve.detector, curve.train_set, curve.test_set)
    ).values():
        own = {curve.name: _percent(curve.retained, curve.retained_std) for curve in mine}
        mean = mean_retained(mine) if len(mine) == len(names) else None
        cells = [own.get(name, NOTHING) for name in names]
        lines.append([*_ids(mine[0], several), _figure(mine[0].clean), *cells, _percent(mean)])
    return lines


def to_markdown(rows: Sequence[Row], benchmark: str = "") -> str:
    """What is retained, then the figures of every curve, and what a reader has to know."""
    found = curves(rows)
    several = _several(found)
    head, *lines = table(rows)
    parts = [f"# {benchmark or 'Benchmark'}: robustness", _drawn(lines, head)]
    parts.append(_bullets(_legend(rows, found)))
    for (name, option), mine in group(found, lambda curve: (curve.name, curve.option)).items():
        values = list(dict.fromkeys(p.value for curve in mine for p in curve.points))
        head = ["Detector", *["Train set"] * several, "Test set", "clean"]
        head += [f"{option} {value:g}" if value is not None else name for value in values]
        lines = []
        for curve in mine:
            points = {point.value: point for point in curve.points}
            shown = [points.get(value, Point(value, False, "absent")) for value in values]
            lines.append([*_ids(curve, several), *map(_figure, [curve.clean, *shown])])
        parts += [f"## {name}", _drawn(lines, head)]
    if said := notes(rows):
        parts += ["## Notes", _bullets(said)]
    return "\n\n".join(parts) + "\n"


def to_csv(rows: Iterable[Row]) -> str:
    """A line for each point, the clean one first with an empty strength; figures in [0, 1]."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    for curve in curves(rows):
        for point in (curve.clean, *curve.points):
            low, high = point.interval or (None, None)
            line: dict[str, Any] = {name: getattr(curve, name, None) for name in COLUMNS}
            line |= {name: getattr(point, name) for name in ("status", "auroc", "std", "seeds")}
            line |= {"strength": point.value, "low": low, "high": high, "curve": curve.name}
            writer.writerow(line | {"clean": int(point is curve.clean)})
    return text.getvalue()


def notes(rows: Iterable[Row]) -> list[str]:
    """What failed under a perturbation, and which detectors none acts on; a sentence each."""
    rows = list(rows)
    perturbed = [row for row in rows if row.get("perturbation", CLEAN) != CLEAN]
    failed = group(
        (row for row in perturbed if row["status"] != "done"),
        lambda row: (row["status"], " ".join(str(row.get("reason", "")).split())),
    )
    said = [
        f"{status}: {', '.join(dict.fromkeys(map(_where, mine)))}: {reason}"
        for (status, reason), mine in failed.items()
    ]
    acted = {row["detector"] for row in perturbed}
    apart = [name for name in group(rows, lambda row: row["detector"]) if name not in acted]
    if perturbed and apart:
        said.append(f"not perturbed, because it scores without the faces: {', '.join(apart)}")
    return said


def _where(row: Row) -> str:
    return f"{row['detector']} on {row['test_set']} under {row['perturbation']}"


def _several(found: Sequence[Curve]) -> bool:
    return len({curve.train_set for curve in found} - {UNTRAINED}) > 1


def _ids(curve: Curve, several: bool) -> list[str]:
    train = NOTHING if curve.train_set == UNTRAINED else curve.train_set
    name = f"{curve.detector} {curve.marks}".rstrip()
    return [name, *[train] * several, curve.test_set]


def _percent(value: float | None, std: float | None = None) -> str:
    spread = "" if std is None else f" ± {100 * std:.1f}"
    return NOTHING if value is None else f"{100 * value:.1f}{spread}"


def _figure(point: Point) -> str:
    if point.auroc is None:
        return NOTHING if point.status == "absent" else point.status
    low, high = point.interval or (None, None)
    interval = f" [{_percent(low)}, {_percent(high)}]" if point.interval else ""
    return _percent(point.auroc, point.std) + interval


def _legend(rows: Iterable[Row], found: Sequence[Curve]) -> list[str]:
    done = [row for row in rows if row["status"] == "done"]
    how = dict.fromkeys(row["interval"]["method"] for row in done if row["interval"]["resamples"])
    return [
        f"{RETAINED}. {NOTHING}: a strength has no AUROC, or the clean interval reaches 50 %.",
        "Clean and below: video-level AUROC in %, [low, high]: " + "; ".join(how) + ".",
        *[f"{sign}: {text}" for sign, text in MARKS.items() if any(sign in c.marks for c in found)],
    ]


def _drawn(lines: Sequence[Sequence[str]], head: Sequence[str]) -> str:
    safe = [[text.replace("|", "\\|") for text in line] for line in lines]
    return str(tabulate(safe, head, "pipe", disable_numparse=True))


def _bullets(texts: Iterable[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)
