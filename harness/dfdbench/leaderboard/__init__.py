"""Ranks results: from rows of ``metrics.json`` to a board that a reader can trust.

A row is one detector, train set, seed and test set. A line of the board is one detector and train
set over its seeds; every figure on it is a video-level AUROC. Nothing here reads or writes files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

from dfdbench.errors import DataError
from dfdbench.leaderboard import protocol, published
from dfdbench.leaderboard.board import Board, Cell, Line, PublishedCell, PublishedLine
from dfdbench.leaderboard.merging import Row, group, mixed_data
from dfdbench.leaderboard.notes import (
    UNTRAINED,
    leaked,
    legend,
    notes,
    selection_label,
    videos_scored,
)
from dfdbench.leaderboard.ranking import ranked

__all__ = ["Board", "Cell", "Line", "PublishedCell", "PublishedLine", "of_document", "rank"]


def of_document(document: Mapping[str, Any]) -> Board:
    """The board of what a ``metrics.json`` holds; raises as :func:`rank`."""
    return rank(
        document["rows"],
        document.get("benchmark", ""),
        document.get("comparisons", ()),
        document.get("published", {}),
    )


def rank(
    rows: Iterable[Row],
    benchmark: str = "",
    comparisons: Iterable[Mapping[str, Any]] = (),
    reported: Mapping[str, Any] | None = None,
) -> Board:
    """The board of these rows; rows under a perturbation have no place on it and are counted.

    Args:
        rows: of ``metrics.json``.
        benchmark: the board's title.
        comparisons: of each figure with the best of its column, see :mod:`dfdbench.comparison`.
        reported: ``figures`` that others published and ``notes`` on them, see
            :func:`dfdbench.leaderboard.published.figures`.

    Raises:
        DataError: rows of one test set were measured on different data.
    """
    rows = list(rows)
    clean = [row for row in rows if row.get("perturbation", "none") == "none"]
    if mixed := mixed_data({"": clean}):
        raise DataError("\n".join(mixed))
    tests = tuple(group(clean, lambda row: row["test_set"]))
    grouped = group(clean, lambda row: (row["train_set"], row["detector"]))
    lines = _with_means([_line(mine, tests) for mine in grouped.values()], tests)
    lines = _with_fewer(lines, tests)
    lines, protocols = _with_protocols(lines, grouped)
    lines = ranked(lines, tests, comparisons)
    trained = [name for name in group(lines, lambda line: line.train_set) if name != UNTRAINED]
    # With one train set, detectors that do not train are ranked among the others.
    place = {name: n if len(trained) > 1 else 0 for n, name in enumerate([*trained, UNTRAINED])}
    lines.sort(key=lambda line: (place[line.train_set], line.mean is None, -(line.mean or 0)))
    others = published.lines((reported or {}).get("figures", ()), tests, _measured(clean))
    return Board(
        benchmark=benchmark,
        test_sets=tests,
        lines=tuple(lines),
        legend=legend(clean, protocols),
        notes=notes(clean, len(rows) - len(clean)),
        protocols=protocols,
        published=others,
        published_notes=published.notes(others, (reported or {}).get("notes", ())),
    )


def _line(rows: Sequence[Row], tests: Sequence[str]) -> Line:
    """A line without its mean, which needs the other lines."""
    by_test = group(rows, lambda row: row["test_set"])
    done = [row for row in rows if row["status"] == "done"]
    fits = [row["fit"] for row in done if row["fit"]]
    trials = [row["trial"] for row in rows if row.get("trial") is not None]
    return Line(
        detector=rows[0]["detector"],
        train_set=rows[0]["train_set"],
        seeds=tuple(dict.fromkeys(row["seed"] for row in rows)),
        cells={test: _cell(by_test.get(test, ())) for test in tests},
        trainable=fits[0].get("trainable") if fits else None,
        parameters=fits[0].get("parameters") if fits else None,
        selection="; ".join(filter(None, dict.fromkeys(map(selection_label, done)))),
        on_test=any(fit.get("selected_on") == "test" for fit in fits),
        trial=max(trials, default=None),
        seen=protocol.seen(done),
    )


def _cell(rows: Sequence[Row], level: str = "video") -> Cell:
    """The rows of a line on one test set, one a seed."""
    done = [row for row in rows if row["status"] == "done"]
    seen = any(map(leaked, rows))
    if not done:
        return Cell(rows[0]["status"] if rows else "absent", leaked=seen)
    valued = [row for row in done if row[level]["auroc"] is not None]
    if not valued:
        return Cell("undefined", leaked=seen)
    values = [row[level]["auroc"] for row in valued]
    ends = [row["interval"][level]["auroc"] for row in valued]
    interval = None
    if all(ends):
        interval = fmean(low for low, _ in ends), fmean(high for _, high in ends)
    std = stdev(values) if len(values) > 1 else None
    count = min(map(videos_scored, valued))
    return Cell("done", fmean(values), std, interval, len(values), leaked=seen, scored=count)


def _with_means(lines: Sequence[Line], tests: Sequence[str]) -> list[Line]:
    """A mean for every line that has a value wherever any line has one."""
    defined = [t for t in tests if any(line.cells[t].auroc is not None for line in lines)]

    def mean(line: Line) -> float | None:
        values = [line.cells[test].auroc for test in defined]
        known = [value for value in values if value is not None]
        return fmean(known) if known and len(known) == len(values) else None

    return [replace(line, mean=mean(line)) for line in lines]


def _with_fewer(lines: Sequence[Line], tests: Sequence[str]) -> list[Line]:
    """Mark the figures that rest on fewer videos than those of another line."""
    most = {test: max((line.cells[test].scored for line in lines), default=0) for test in tests}

    def marked(test: str, cell: Cell) -> Cell:
        return replace(cell, fewer=cell.auroc is not None and cell.scored < most[test])

    return [
        replace(line, cells={test: marked(test, cell) for test, cell in line.cells.items()})
        for line in lines
    ]


def _with_protocols(
    lines: Sequence[Line], rows: Mapping[tuple[str, str], Sequence[Row]]
) -> tuple[list[Line], dict[str, str]]:
    """The lines with the letters of their protocols, and what each letter stands for."""
    done = {name: [row for row in mine if row["status"] == "done"] for name, mine in rows.items()}
    keys = {name: protocol.key(mine) for name, mine in done.items() if mine}
    letters = protocol.letters(list(keys.values()))
    lettered = [
        replace(line, protocol=letters[keys[name]]) if name in keys else line
        for line in lines
        for name in [(line.train_set, line.detector)]
    ]
    by_letter: dict[str, list[Mapping[str, Any]]] = {letter: [] for letter in letters.values()}
    for name, key in keys.items():
        by_letter[letters[key]] += [row["protocol"] for row in done[name]]
    faces = {one["faces"] for mine in by_letter.values() for one in mine}
    said = {letter: protocol.describe(mine, len(faces) > 1) for letter, mine in by_letter.items()}
    return lettered, said


def _measured(rows: Sequence[Row]) -> published.Measured:
    """Our figure of each train set, detector and test set at both levels."""
    names = ("train_set", "detector", "test_set")
    grouped = group(rows, lambda row: tuple(row[name] for name in names))
    return {
        (*where, level): _cell(mine, level)
        for where, mine in grouped.items()
        for level in ("video", "frame")
    }
