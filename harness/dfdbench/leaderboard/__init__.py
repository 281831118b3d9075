"""Ranks results: from rows of ``metrics.json`` to a board that a reader can trust.

A row is one detector, train set, seed and test set. A line of the board is one detector and train
set over its seeds; every figure on it is a video-level AUROC. Nothing here reads or writes files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from dfdbench.errors import DataError
from dfdbench.leaderboard.merging import Row, group, mixed_data
from dfdbench.leaderboard.notes import UNTRAINED, legend, notes, selection_label


@dataclass(frozen=True, slots=True)
class Cell:
    """A line's result on one test set.

    Attributes:
        status: done, undefined (only one class), failed, blocked, missing, or absent (no row).
        auroc: video-level AUROC in [0, 1], the mean over seeds.
        std: sample standard deviation over seeds; None with one seed.
        interval: 95 % interval (low, high); with several seeds the means of their ends.
        seeds: number of seeds that have a value.
        best: whether no ranked line shows a higher figure on this test set.
        leaked: whether the test set shares videos or people with the line's train set.
    """

    status: str
    auroc: float | None = None
    std: float | None = None
    interval: tuple[float, float] | None = None
    seeds: int = 0
    best: bool = False
    leaked: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A detector on a train set.

    Attributes:
        train_set: ``none`` for a detector that does not train.
        cells: test set -> cell.
        mean: mean AUROC over the test sets that are defined; None where one of them is lacking.
        trainable: number of parameters that trained; None where no seed says.
        selection: how the checkpoint was chosen.
        on_test: whether a test set chose it; such a line is never marked as best.
        trial: the ``--limit`` of a trial run.
    """

    detector: str
    train_set: str
    seeds: tuple[int, ...]
    cells: Mapping[str, Cell]
    mean: float | None = None
    best_mean: bool = False
    trainable: int | None = None
    parameters: int | None = None
    selection: str = ""
    on_test: bool = False
    trial: int | None = None


@dataclass(frozen=True, slots=True)
class Board:
    """A leaderboard, ready for any format.

    Attributes:
        test_sets: the columns.
        lines: best mean first, one train set after the other.
        legend: what the figures are, a sentence each.
        notes: failures, undefined cells and unscored videos, a sentence each.
    """

    benchmark: str
    test_sets: tuple[str, ...]
    lines: tuple[Line, ...]
    legend: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def rank(rows: Iterable[Row], benchmark: str = "") -> Board:
    """The board of these rows; rows under a perturbation have no place on it and are counted.

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
    lines = _with_best(lines, tests)
    trained = [name for name in group(lines, lambda line: line.train_set) if name != UNTRAINED]
    # With one train set, detectors that do not train are ranked among the others.
    place = {name: n if len(trained) > 1 else 0 for n, name in enumerate([*trained, UNTRAINED])}
    lines.sort(key=lambda line: (place[line.train_set], line.mean is None, -(line.mean or 0)))
    said = notes(clean, len(rows) - len(clean))
    return Board(benchmark, tests, tuple(lines), legend(clean), said)


def _line(rows: Sequence[Row], tests: Sequence[str]) -> Line:
    """A line without its mean, which needs the other lines."""
    by_test = group(rows, lambda row: row["test_set"])
    fits = [row["fit"] for row in rows if row.get("fit")]
    trials = [row["trial"] for row in rows if row.get("trial") is not None]
    return Line(
        detector=rows[0]["detector"],
        train_set=rows[0]["train_set"],
        seeds=tuple(dict.fromkeys(row["seed"] for row in rows)),
        cells={test: _cell(by_test.get(test, ())) for test in tests},
        trainable=fits[0].get("trainable") if fits else None,
        parameters=fits[0].get("parameters") if fits else None,
        selection="; ".join(dict.fromkeys(selection_label(row) for row in rows if row.get("fit"))),
        on_test=any(fit.get("selected_on") == "test" for fit in fits),
        trial=max(trials, default=None),
    )


def _cell(rows: Sequence[Row]) -> Cell:
    """The rows of a line on one test set, one a seed."""
    done = [row for row in rows if row["status"] == "done"]
    leaked = any(row.get("leak") for row in rows)
    if not done:
        return Cell(rows[0]["status"] if rows else "absent", leaked=leaked)
    valued = [row for row in done if row["video"]["auroc"] is not None]
    if not valued:
        return Cell("undefined", leaked=leaked)
    values = [row["video"]["auroc"] for row in valued]
    ends = [row["interval"]["video"]["auroc"] for row in valued]
    interval = None
    if all(ends):
        interval = fmean(low for low, _ in ends), fmean(high for _, high in ends)
    std = stdev(values) if len(values) > 1 else None
    return Cell("done", fmean(values), std, interval, len(values), leaked=leaked)


def _with_means(lines: Sequence[Line], tests: Sequence[str]) -> list[Line]:
    """A mean for every line that has a value wherever any line has one."""
    defined = [t for t in tests if any(line.cells[t].auroc is not None for line in lines)]

    def mean(line: Line) -> float | None:
        values = [line.cells[test].auroc for test in defined]
        known = [value for value in values if value is not None]
        return fmean(known) if known and len(known) == len(values) else None

    return [replace(line, mean=mean(line)) for line in lines]


def _with_best(lines: Sequence[Line], tests: Sequence[str]) -> list[Line]:
    """Mark the highest figure of each column, equal ones (to 0.1 point) together.

    A line that a test set selected does not compete, nor does a trial among full runs, nor a
    figure on data that the detector has seen.
    """
    fair = [line for line in lines if not line.on_test]
    fair = [line for line in fair if line.trial is None] or fair

    def top(values: Iterable[float | None]) -> float:
        return max((round(value, 3) for value in values if value is not None), default=2.0)

    def unseen(cell: Cell) -> float | None:
        return None if cell.leaked else cell.auroc

    def mean_unseen(line: Line) -> float | None:
        return None if any(cell.leaked for cell in line.cells.values()) else line.mean

    mean = top(mean_unseen(line) for line in fair)
    tops = {test: top(unseen(line.cells[test]) for line in fair) for test in tests}

    def marked(line: Line) -> Line:
        cells = {
            test: replace(cell, best=round(unseen(cell) or 0.0, 3) == tops[test])
            for test, cell in line.cells.items()
        }
        return replace(line, cells=cells, best_mean=round(mean_unseen(line) or 0.0, 3) == mean)

    return [marked(line) if line in fair else line for line in lines]
