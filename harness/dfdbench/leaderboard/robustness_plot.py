"""Draws AUROC against the strength of perturbations."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dfdbench.leaderboard import plots
from dfdbench.leaderboard.merging import Row, group
from dfdbench.leaderboard.notes import UNTRAINED
from dfdbench.leaderboard.robustness import MARKS, RETAINED, Curve, curves

ACROSS = 4
"""Panels side by side."""
NAMED = 6
"""Lines whose figures are written into a panel."""
SAID = f"{RETAINED}. Bands: 95 % intervals. Strengths are evenly spaced, as the spec lists them."


def draw(rows: Iterable[Row], stem: Path) -> bool:
    """Write ``stem``.png and .svg: a panel a test set and sweep, a line a detector.

    Perturbations of one strength are no curve and are left out. With nothing to draw nothing is
    written, and the result is False.
    """
    found = [curve for curve in curves(rows) if curve.option]
    points = [point for curve in found for point in (curve.clean, *curve.points)]
    if all(point.auroc is None for point in points):
        return False
    several = len({curve.train_set for curve in found} - {UNTRAINED}) > 1
    names = {
        key: f"{plots.line_name(*key, several)} {_signs(mine)}".rstrip()
        for key, mine in group(found, _key).items()
    }
    grid = _grid(found)
    width = 1.4 + 3.0 * len(grid[0])
    figure = Figure(figsize=(width, 1.6 + 2.7 * len(grid)), layout="constrained")
    axes = figure.subplots(len(grid), len(grid[0]), squeeze=False, sharey=True)
    one_test = len({curve.test_set for curve in found}) == 1
    for row, panels in zip(axes, grid, strict=True):
        for ax, mine in zip(row, panels, strict=True):
            if not mine:
                ax.set_axis_off()
                continue
            _panel(ax, mine, names)
            title = mine[0].name if one_test else f"{mine[0].name} on {mine[0].test_set}"
            ax.set_title(title, fontsize=10)
        row[0].set_ylabel("AUROC of videos (%)")
    low, high = axes.flat[0].get_ylim()
    axes.flat[0].set_ylim(low - 0.2 * (high - low), high)  # room for what is retained
    signs = [f"{sign}: {text}" for sign, text in MARKS.items() if sign in _signs(found)]
    figure.suptitle(textwrap.fill(" ".join([SAID, *signs]), round(17 * width)), fontsize=8)
    plots.legend_below(figure, list(axes.flat))
    plots.save(figure, stem)
    return True


def _grid(found: Sequence[Curve]) -> list[list[list[Curve]]]:
    """Rows of panels of curves, empty ones at their ends; a test set begins a row of its own."""
    by_test = group(found, lambda curve: curve.test_set).values()
    panels_of = [list(group(mine, lambda curve: curve.name).values()) for mine in by_test]
    most = max(map(len, panels_of))
    across = -(-most // -(-most // ACROSS))  # 5 panels are 3 + 2 and not 4 + 1
    rows = [
        panels[start : start + across]
        for panels in panels_of
        for start in range(0, len(panels), across)
    ]
    return [[*row, *[[]] * (across - len(row))] for row in rows]


def _signs(found: Sequence[Curve]) -> str:
    return "".join(sign for sign in MARKS if any(sign in curve.marks for curve in found))


def _key(curve: Curve) -> tuple[str, str]:
    return curve.detector, curve.train_set


def _panel(ax: Axes, mine: Sequence[Curve], names: Mapping[tuple[str, str], str]) -> None:
    """One perturbation on one test set; ``names`` of all lines, which look the same everywhere."""
    values = list(dict.fromkeys(p.value for curve in mine for p in curve.points if not p.zero))
    for curve in mine:
        name, n = names[_key(curve)], list(names).index(_key(curve))
        points = [(0, curve.clean)]
        points += [(values.index(p.value) + 1, p) for p in curve.points if not p.zero]
        drawn = [(x, p.auroc, p.interval) for x, p in points if p.auroc is not None]
        look = plots.look(n) | {"marker": plots.MARKERS[n % len(plots.MARKERS)]}
        ax.plot([x for x, *_ in drawn], [100 * y for _, y, _ in drawn], **look, label=name)
        sure = [(x, ends) for x, _, ends in drawn if ends]
        low, high = ([100 * ends[side] for _, ends in sure] for side in (0, 1))
        band = [x for x, _ in sure]
        ax.fill_between(band, low, high, color=look["color"], alpha=0.12, linewidth=0)
    plots.dress(ax, mine[0].option, "")
    ax.axhline(50, color="0.3", linewidth=1)
    ax.set_xticks(range(len(values) + 1), ["clean", *(f"{value:g}" for value in values)])
    if len(mine) <= NAMED:
        _say_retained(ax, mine)


def _say_retained(ax: Axes, mine: Sequence[Curve]) -> None:
    """What each line of a panel retains, beside its look."""
    said = ["–" if c.retained is None else f"{100 * c.retained:.0f}" for c in mine]  # noqa: RUF001
    legend = ax.legend(
        ax.get_lines()[: len(mine)], said, title="retained, %", loc="lower left", fontsize=7,
        title_fontsize=7, ncols=2, handlelength=2.6, framealpha=0.7, borderpad=0.3,
    )  # fmt: skip
    legend.get_frame().set_linewidth(0)
