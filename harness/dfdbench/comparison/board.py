"""Each line of a leaderboard against the best of its column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dfdbench import leaderboard
from dfdbench.comparison.paired import Contender, Difference, compare, contender, holm, settings
from dfdbench.leaderboard.board import Line
from dfdbench.leaderboard.merging import group
from dfdbench.leaderboard.ranking import rivals

Row = Mapping[str, Any]
Name = tuple[str, str]
"""Train set and detector of a line."""


def of_board(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The comparison of each competing figure with the best of its column, ready for JSON.

    ``rows`` are those that :func:`dfdbench.results.read` gave, of one folder or of several. Who
    competes is decided as for the marks of the leaderboard: lines of one protocol, without those
    that a test set selected and without figures on data that were seen before. In each entry ``b``
    is the best and ``a`` another one, ``difference`` is that of a - b in AUROC with its
    ``interval``, and ``p_holm`` corrects ``p`` for all comparisons of the list.

    Raises:
        MissingError: a folder lacks scores.
        DataError: a file of scores is damaged, or rows of one test set are of different data.
    """
    clean = [row for row in rows if row.get("perturbation", "none") == "none"]
    groups = rivals(leaderboard.rank(clean).lines)
    by_test = group(
        (row for row in clean if row["status"] == "done" and not row["undefined"]),
        lambda row: row["test_set"],
    )
    found = [
        one
        for test, mine in by_test.items()
        for lines in groups.values()
        for one in _column(
            test, lines, group(mine, lambda row: (row["train_set"], row["detector"]))
        )
    ]
    corrected = holm([one["p"] for one in found])
    return [{**one, "p_holm": p} for one, p in zip(found, corrected, strict=True)]


def by_test_set(rows: Iterable[Row]) -> dict[str, dict[Name, list[Row]]]:
    """The clean rows that have a figure, a row a seed, by test set and line."""
    valued = [
        row
        for row in rows
        if row["status"] == "done"
        and row.get("perturbation", "none") == "none"
        and row["video"]["auroc"] is not None
    ]
    return {
        test: group(mine, lambda row: (row["train_set"], row["detector"]))
        for test, mine in group(valued, lambda row: row["test_set"]).items()
    }


def of_pair(rows: Iterable[Row], a: Name, b: Name) -> dict[str, Difference | None]:
    """Test set -> the difference of two lines, a - b, wherever both have a figure.

    None where the videos that both scored are of one class; raises as :func:`of_board`.
    """
    return {
        test: compare(contender(lines[a]), contender(lines[b]), *settings(lines[a]))
        for test, lines in by_test_set(rows).items()
        if a in lines and b in lines
    }


def _column(
    test: str, lines: Sequence[Line], rows: Mapping[Name, Sequence[Row]]
) -> list[dict[str, Any]]:
    """The comparisons of one protocol's lines on one test set."""
    values: dict[Name, float] = {}
    for line in lines:
        cell = line.cells[test]
        if cell.auroc is not None and not cell.leaked:
            values[line.train_set, line.detector] = cell.auroc
    if len(values) < 2:
        return []
    best = max(values, key=lambda name: values[name])
    top = contender(rows[best])
    return [_entry(test, name, contender(rows[name]), best, top, rows[best])
            for name in values if name != best]  # fmt: skip


def _entry(
    test: str, name: Name, other: Contender, best: Name, top: Contender, rows: Sequence[Row]
) -> dict[str, Any]:
    found = compare(other, top, *settings(rows))
    return {
        "train_set_a": name[0], "a": name[1], "train_set_b": best[0], "b": best[1],
        "test_set": test,
        "difference": found.difference if found else None,
        "interval": found.interval if found else None,
        "p": found.p if found else None,
        "p_delong": found.p_delong if found else None,
        "videos": found.real + found.fake if found else 0,
        "left_out": found.left_out if found else 0,
    }  # fmt: skip
