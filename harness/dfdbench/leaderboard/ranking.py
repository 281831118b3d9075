"""Who is best, what cannot be told from the best, and average ranks: within one protocol only.

Lines compete that no test set selected, that are no trial among full runs, and of which it is
known that they saw no test set (or, where that is known of none, all). A cell on data that the
detector has seen does not compete. Within a protocol (:mod:`dfdbench.leaderboard.protocol`) the
highest figure of a column is the best; a line that is alone with its protocol is no best unless
there is no other protocol.

A line that does not compete, or is alone with its protocol, is a guest among the lines of protocol
A: its rank is the place that it would take there, and nobody's rank changes by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from dfdbench.leaderboard.board import Cell, Line
from dfdbench.leaderboard.merging import group

ALPHA = 0.05

Comparison = Mapping[str, Any]


def ranked(
    lines: Sequence[Line], tests: Sequence[str], comparisons: Iterable[Comparison] = ()
) -> list[Line]:
    """The lines, in their order, with ``best``, ``best_mean``, ``tied``, ``rank`` and ``guest``."""
    groups, tied = rivals(lines), _tied(comparisons)
    reference = next(iter(groups.values()), [])
    found = []
    for line in lines:
        own = groups.get(line.protocol, [])
        contest = own if line in own and (len(own) > 1 or len(groups) == 1) else []
        marked = _marked(line, contest, tests, tied) if contest else line
        member = len(contest) > 1
        rank = _average_rank(line, own if member else reference, tests, 1 if member else 2)
        found.append(replace(marked, rank=rank, guest=rank is not None and not member))
    return found


def rivals(lines: Sequence[Line]) -> dict[str, list[Line]]:
    """The lines that compete, by the letter of their protocol, A first."""
    fair = [line for line in lines if line.protocol and not line.on_test]
    fair = [line for line in fair if not all(cell.leaked for cell in line.cells.values())]
    fair = [line for line in fair if line.trial is None] or fair
    fair = [line for line in fair if line.seen != "unknown"] or fair
    return dict(sorted(group(fair, lambda line: line.protocol).items()))


def _marked(
    line: Line, contest: Sequence[Line], tests: Sequence[str], tied: set[tuple[str, ...]]
) -> Line:
    """A competing line with its best figures marked, and those not told from the best."""
    cells = dict(line.cells)
    for test in tests:
        shown = {_name(one): _shown(_unseen(one.cells[test])) for one in contest}
        top = max((value for value in shown.values() if value is not None), default=None)
        best = top is not None and shown[_name(line)] == top
        winners = [name for name, value in shown.items() if value is not None and value == top]
        close = not best and any((*_name(line), *name, test) in tied for name in winners)
        cells[test] = replace(line.cells[test], best=best, tied=close)
    means = [_shown(_mean_unseen(one)) for one in contest]
    top = max((value for value in means if value is not None), default=None)
    best_mean = top is not None and _shown(_mean_unseen(line)) == top
    return replace(line, cells=cells, best_mean=best_mean)


def _average_rank(
    line: Line, among: Sequence[Line], tests: Sequence[str], least: int
) -> float | None:
    """Mean over the test sets of 1 + how many are better + half of how many are equal.

    Test sets count where any line of ``among`` has a figure; None where this line lacks one of
    them, or where fewer than ``least`` other lines have all.
    """
    counted = [t for t in tests if any(_unseen(one.cells[t]) is not None for one in among)]
    mine = _figures(line, counted)
    others = [_figures(one, counted) for one in among if _name(one) != _name(line)]
    complete = [figures for figures in others if figures is not None]
    if not mine or len(complete) < least:
        return None
    return fmean(
        1 + sum((other[n] > value) + (other[n] == value) / 2 for other in complete)
        for n, value in enumerate(mine)
    )


def _tied(comparisons: Iterable[Comparison]) -> set[tuple[str, ...]]:
    """Train set and detector of two lines, and the test set where they cannot be told apart."""
    found: set[tuple[str, ...]] = set()
    for one in comparisons:
        if not _differs(one):
            first, second = (one["train_set_a"], one["a"]), (one["train_set_b"], one["b"])
            found |= {(*first, *second, one["test_set"]), (*second, *first, one["test_set"])}
    return found


def _differs(comparison: Comparison) -> bool:
    """By Holm's corrected p value and by the interval of the difference alike."""
    p, interval = comparison["p_holm"], comparison["interval"]
    apart = interval is not None and not interval[0] <= 0 <= interval[1]
    return p is not None and p < ALPHA and apart


def _figures(line: Line, tests: Iterable[str]) -> list[float] | None:
    values = [_unseen(line.cells[test]) for test in tests]
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else None


def _name(line: Line) -> tuple[str, str]:
    return line.train_set, line.detector


def _unseen(cell: Cell) -> float | None:
    return None if cell.leaked else cell.auroc


def _mean_unseen(line: Line) -> float | None:
    return None if any(cell.leaked for cell in line.cells.values()) else line.mean


def _shown(value: float | None) -> float | None:
    """To 0.1 point, as tables show it: what looks equal is equally the best."""
    return None if value is None else round(value, 3)
