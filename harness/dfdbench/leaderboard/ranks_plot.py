"""Critical-difference diagrams: average ranks on a line, bars over what cannot be told apart.

Source: Demsar 2006, Statistical Comparisons of Classifiers over Multiple Data Sets, figure 1.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dfdbench.comparison.ranks import Ranks
from dfdbench.leaderboard.plots import save
from dfdbench.leaderboard.ranking import ALPHA

GREY = "0.35"


def critical_difference(ranks: Ranks, stem: Path) -> bool:
    """Draw average ranks as PNG and SVG, the best on the left.

    Detectors that a thick bar joins cannot be told apart by their ranks; where the test can find
    nothing, the picture says so and has no bars. With fewer than two detectors nothing is written,
    and the result is False.
    """
    count = len(ranks.average)
    if count < 2:
        return False
    groups = ranks.groups() if not ranks.powerless else []
    left = (count + 1) // 2
    depth = 0.32 * len(groups) + 0.3
    bottom = depth + 0.42 * left
    figure = Figure(figsize=(8.4, 0.62 * (bottom + 1.9)), layout="constrained")
    ax = figure.subplots()
    margin = 0.62 * (count - 1)
    ax.set(xlim=(1 - margin, count + margin), ylim=(bottom + 0.3, -1.6))
    ax.set_axis_off()
    _scale(ax, count)
    for n, (name, rank) in enumerate(ranks.average.items()):
        row = n if n < left else count - 1 - n
        _detector(ax, f"{name}  {rank:.2f}", rank, depth + 0.42 * row + 0.2, count, n < left)
    values = ranks.average
    for n, group in enumerate(groups):
        ends = [values[group[0]] - 0.03, values[group[-1]] + 0.03]
        ax.plot(ends, [0.3 + 0.32 * n] * 2, color="black", linewidth=4, solid_capstyle="butt")
    _ruler(ax, ranks, count)
    save(figure, stem)
    return True


def _scale(ax: Axes, count: int) -> None:
    """The line of ranks from 1 to the number of detectors."""
    ax.plot([1, count], [0, 0], color="black", linewidth=1.2)
    for rank in range(1, count + 1):
        named = count <= 15 or rank in (1, count) or (rank % 5 == 0 and rank < count - 1)
        ax.plot([rank, rank], [-0.12 if named else -0.06, 0], color="black", linewidth=1.2)
        if named:
            ax.text(rank, -0.2, str(rank), ha="center", va="bottom", fontsize=9)


def _detector(ax: Axes, text: str, rank: float, depth: float, count: int, left: bool) -> None:
    """A detector's name at the side, joined to its rank."""
    end = 1 - 0.06 * (count - 1) if left else count + 0.06 * (count - 1)
    ax.plot([rank, rank, end], [0, depth, depth], color=GREY, linewidth=0.9)
    away = -0.015 if left else 0.015
    side = "right" if left else "left"
    ax.text(end + away * count, depth, text, ha=side, va="center", fontsize=10)


def _ruler(ax: Axes, ranks: Ranks, count: int) -> None:
    """How far apart two ranks must be, at the top; or why there is no such distance."""
    over = f"average ranks over {ranks.test_sets} test sets"
    if ranks.powerless or ranks.critical is None:
        text = f"{over}; too few to tell any two detectors apart by them"
        ax.text((1 + count) / 2, -1.15, text, ha="center", fontsize=9.5, style="italic")
        return
    ax.plot([1, 1 + ranks.critical], [-0.95, -0.95], color="black", linewidth=1.6, marker="|")
    said = f"critical difference {ranks.critical:.2f} (Nemenyi, {ALPHA}); {over}"
    ax.text(1, -1.15, said, ha="left", va="bottom", fontsize=9.5)
