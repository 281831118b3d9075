"""Comparisons in words and as a table."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from tabulate import tabulate

from dfdbench.comparison.paired import Difference, apart, holm
from dfdbench.comparison.ranks import Ranks
from dfdbench.leaderboard.board import Board, Line
from dfdbench.leaderboard.ranking import ALPHA

NOTHING = "–"  # noqa: RUF001, as a table shows an empty place
LEGEND = (
    "AUROC of the videos that both scored, in %, means over seeds; [low, high]: 95 % interval of "
    "the difference by paired bootstrap; p: from its standard deviation there; Holm: p corrected "
    "for the number of test sets, as the sentences give it; below p, that of DeLong's test; "
    "videos: real + fake."
)
NAME = 20
"""Characters of a test set's name; with all other columns they fill 80."""


def table(found: Mapping[str, Difference | None]) -> str:
    """A line a test set, no wider than 80 characters: figures in %, p values as they are."""
    corrected = _holm(found)
    head = ["test set", "A", "B", "A - B", "p\nDeLong", "Holm", "videos"]
    lines = []
    for test, one in found.items():
        name = "\n".join(textwrap.wrap(test, NAME))
        if one is None:
            lines.append([name, *[NOTHING] * 5, "one class"])
            continue
        ends = f"\n[{_points(one.interval[0])}, {_points(one.interval[1])}]" if one.interval else ""
        lines.append([
            name, *(_points(auroc) for auroc in one.aurocs), _points(one.difference) + ends,
            f"{_figure(one.p)}\n{_figure(one.p_delong)}", _figure(corrected[test]),
            f"{one.real:,} +\n{one.fake:,}",
        ])  # fmt: skip
    left = ["left"] * len(head)
    return str(tabulate(lines, head, "simple", disable_numparse=True, colalign=left))


def verdicts(a: str, b: str, found: Mapping[str, Difference | None]) -> list[str]:
    """A sentence for each test set; p values are corrected for the number of test sets."""
    corrected = _holm(found)
    return [verdict(a, b, test, one, corrected[test]) for test, one in found.items()]


def verdict(a: str, b: str, test: str, found: Difference | None, p: float | None) -> str:
    """What the difference of two detectors on a test set is worth, as one sentence.

    ``p`` is corrected for what else is compared; see :func:`~dfdbench.comparison.paired.apart`.
    """
    if found is None:
        return f"{a} and {b} cannot be compared on {test}: both scored videos of one class only"
    if found.interval is None or p is None:
        return (
            f"{a} and {b} differ by {_points(found.difference)} points on {test}; how sure that is "
            "cannot be said: there are no resamples, or fewer than two videos or people of a class"
        )
    value, (low, high) = found.difference, found.interval
    if not apart(found.interval, p):
        said = f"{_points(value)} points ({_points(low)} to {_points(high)}), {p_text(p)}"
        return f"{a} and {b} cannot be told apart on {test}: {said}"
    if value < 0:
        a, b, value, low, high = b, a, -value, -high, -low
    said = f"{_points(value)} points ({_points(low)} to {_points(high)}), {p_text(p)}"
    return f"{a} beats {b} on {test} by {said}"


def cautions(
    board: Board, names: Mapping[str, tuple[str, str]], found: Mapping[str, Difference | None]
) -> list[str]:
    """What else differs between two lines, or makes a figure too good, a sentence each.

    ``names`` is what the lines are called -> train set and detector.
    """
    lines = {(line.train_set, line.detector): line for line in board.lines}
    named = {called: lines[name] for called, name in names.items()}
    said = [text for called, line in named.items() for text in _cautions(called, line, found)]
    seeds = {called: len(line.seeds) for called, line in named.items() if len(line.seeds) > 1}
    if seeds:
        several = " and ".join(f"{n} seeds of {called}" for called, n in seeds.items())
        said.append(
            f"Figures are means over {several}: intervals and p values are about these trainings "
            "and say nothing of others"
        )
    protocols = {line.protocol for line in named.values()}
    if len(protocols) > 1:
        which = "; ".join(
            f"{called}: {board.protocols.get(line.protocol, line.protocol)}"
            for called, line in named.items()
        )
        said.append(f"They follow different protocols, so more than the detector differs: {which}")
    said += [
        f"{one.left_out:,} videos of {test} were scored by one of them only and are left out"
        for test, one in found.items()
        if one and one.left_out
    ]
    return said


def _cautions(called: str, line: Line, tests: Mapping[str, object]) -> list[str]:
    said = []
    if line.on_test:
        said.append(f"The checkpoint of {called} was selected on a test set: too good")
    if seen := [test for test in tests if line.cells[test].leaked]:
        said.append(f"{called} has seen videos or people of {_and(seen)}: too good there")
    if line.trial is not None:
        said.append(f"{called} is a trial on few videos (--limit {line.trial}), not a result")
    return said


def ranking(ranks: Ranks, without: Sequence[str] = ()) -> list[str]:
    """What average ranks say, a sentence each; ``without`` are detectors that have none."""
    if not ranks.average:
        return ["No average ranks: no detector has a figure on every test set"]
    over = f"over {ranks.test_sets} test set{'s' * (ranks.test_sets != 1)}"
    said = [
        f"Average ranks {over}, 1 is best: "
        + ", ".join(f"{name} {rank:.2f}" for name, rank in ranks.average.items())
    ]
    if ranks.critical is not None and ranks.p is not None:
        said.append(
            f"Friedman's test that all are alike: {p_text(ranks.p)}; critical difference "
            f"{ranks.critical:.2f} (Nemenyi, {ALPHA})"
        )
    if ranks.powerless:
        said.append(f"Ranks cannot tell detectors apart here: {ranks.powerless}")
    elif groups := ranks.groups():
        said.append("Not told apart by their ranks: " + "; ".join(map(_and, groups)))
    if without:
        said.append(
            f"Without a rank: {_and(without)}, of another protocol, too good, or lacking a figure"
        )
    return said


def p_text(p: float) -> str:
    """A p value as a sentence says it: ``p = 0.004``, ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _holm(found: Mapping[str, Difference | None]) -> dict[str, float | None]:
    return dict(zip(found, holm([one.p if one else None for one in found.values()]), strict=True))


def _figure(p: float | None) -> str:
    return NOTHING if p is None else p_text(p).removeprefix("p ").removeprefix("= ")


def _points(value: float) -> str:
    """A figure or difference in [-1, 1] in points; a small one with as many digits as it takes."""
    points = 100 * value
    return f"{points + 0.0:.1f}" if abs(points) >= 0.05 or points == 0 else f"{points:.1g}"


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
