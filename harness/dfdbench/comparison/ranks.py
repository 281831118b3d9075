"""Detectors over several test sets: average ranks and how far apart they must be.

Source: Demsar 2006, Statistical Comparisons of Classifiers over Multiple Data Sets. The unit is the
test set: a detector that is better by ever so little on all of them has the better rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, studentized_range

from dfdbench.leaderboard.board import Board, Line
from dfdbench.leaderboard.ranking import ALPHA, rivals

PERMUTATIONS = 9999


@dataclass(frozen=True, slots=True)
class Ranks:
    """The average ranks of k detectors over n test sets, the best first.

    Attributes:
        average: detector -> average rank, 1 to k; equal figures share a mean rank.
        test_sets: n.
        critical: difference of average ranks from which on two detectors differ, by Nemenyi's test
            at ``ALPHA``; None where the test is not defined.
        p: of Friedman's test that all detectors are alike, by permutations; None as ``critical``.
        powerless: why the test cannot find any difference; empty where it can.
    """

    average: Mapping[str, float]
    test_sets: int
    critical: float | None = None
    p: float | None = None
    powerless: str = ""

    def groups(self) -> list[tuple[str, ...]]:
        """Largest sets of neighbours that the test cannot tell apart, two detectors or more."""
        names, values = list(self.average), list(self.average.values())
        if self.critical is None:
            return []
        found: list[tuple[int, int]] = []
        for first, value in enumerate(values):
            last = max(n for n, other in enumerate(values) if other - value < self.critical)
            if last > first and (not found or last > found[-1][1]):
                found.append((first, last))
        return [tuple(names[first : last + 1]) for first, last in found]


def of_board(board: Board) -> tuple[Ranks, list[str]]:
    """The ranks of the largest protocol's lines, and the detectors that have none.

    The test sets are those where any of these lines has a figure on data that it had not seen. A
    line without a figure on one of them has no rank, nor has one that does not compete.
    """
    contest = next(iter(rivals(board.lines).values()), [])
    tests = [t for t in board.test_sets if any(_figure(line, t) is not None for line in contest)]
    figures = {}
    for line in contest:
        values = [_figure(line, test) for test in tests]
        known = [value for value in values if value is not None]
        if tests and len(known) == len(tests):
            figures[line.detector] = known
    ranked = {(line.train_set, line.detector) for line in contest if line.detector in figures}
    without = [x.detector for x in board.lines if (x.train_set, x.detector) not in ranked]
    return average_ranks(figures), list(dict.fromkeys(without))


def _figure(line: Line, test: str) -> float | None:
    cell = line.cells[test]
    return None if cell.leaked else cell.auroc


def average_ranks(figures: Mapping[str, Sequence[float]]) -> Ranks:
    """Ranks of ``figures``, detector -> a figure for each test set, higher being better."""
    table = np.asarray(list(figures.values()), dtype=np.float64).reshape(len(figures), -1)
    count, tests = table.shape
    ranks = rankdata(-table, axis=0)
    means = dict(zip(figures, map(float, ranks.mean(axis=1)), strict=True))
    average = dict(sorted(means.items(), key=lambda item: item[1]))
    if count < 3 or tests < 2:
        few = f"{tests} test set{'s' * (tests != 1)}" if tests < 2 else f"{count} detectors"
        why = f"Friedman's test needs three detectors and two test sets, and there are only {few}"
        return Ranks(average, tests, powerless=why.replace("are only 1", "is only 1"))
    critical = critical_difference(count, tests)
    why = ""
    if critical >= count - 1:
        why = (
            f"with {tests} test sets average ranks of {count} detectors would have to differ by "
            f"{critical:.2f} and can differ by {count - 1} at most"
        )
    return Ranks(average, tests, critical, _friedman(ranks), why)


def critical_difference(detectors: int, test_sets: int, alpha: float = ALPHA) -> float:
    """Nemenyi's critical difference of average ranks."""
    q = float(studentized_range.ppf(1 - alpha, detectors, np.inf)) / np.sqrt(2)
    return float(q * np.sqrt(detectors * (detectors + 1) / (6 * test_sets)))


def _friedman(ranks: NDArray[np.float64]) -> float:
    """The p value of ranks (k, n): the share of permutations that spread the averages as far.

    Under the hypothesis every order of a test set's ranks is equally likely. Permutations hold for
    few test sets and ties too, unlike the usual distributions. Source: Friedman 1937.
    """
    rng = np.random.default_rng(0)
    spread = ranks.sum(axis=1).var()
    orders = rng.permuted(np.tile(ranks.T, (PERMUTATIONS, 1, 1)), axis=2)
    found = orders.sum(axis=1).var(axis=1)
    # 1e-9: equal spreads are sums in another order. The 1: the order that was seen is one too.
    return float((1 + (found >= spread * (1 - 1e-9)).sum()) / (1 + PERMUTATIONS))
