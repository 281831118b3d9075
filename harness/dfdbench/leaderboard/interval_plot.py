"""Draws a board as bars with their intervals, as an ablation is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from dfdbench.leaderboard.board import Board, Cell
from dfdbench.leaderboard.notes import UNTRAINED
from dfdbench.leaderboard.plots import COLOURS, foot, line_name, panels, save
from dfdbench.leaderboard.tables import marked_name

BARS = 20
"""Lines of a board that are drawn; of more, the first ones."""


def interval_bars(board: Board, path: Path) -> bool:
    """Bars of AUROC from chance with their intervals: a panel a test set, a bar a line.

    With more than ``BARS`` lines the first ones of the board are drawn. Bars begin at 50 %, where
    a detector that guesses is. With nothing to draw nothing is written, and the result is False.
    """
    lines = [line for line in board.lines if any(c.auroc is not None for c in line.cells.values())]
    if not lines:
        return False
    several = len({line.train_set for line in lines} - {UNTRAINED}) > 1
    names = [line_name(marked_name(line), line.train_set, several) for line in lines[:BARS]]
    size = (2.2, 0.25 * len(names) + 0.2)
    figure, axes = panels(
        len(board.test_sets), 4, size, left=0.3 + 0.085 * max(map(len, names)), top=0.35,
        shared=True,
    )  # fmt: skip
    for ax, test in zip(axes, board.test_sets, strict=True):
        _bars(ax, [line.cells[test] for line in lines[:BARS]])
        ax.set_title(test, fontsize=10)
        ax.tick_params(labelbottom=True)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.4, -0.6)
    few = f"; the first {BARS} of {len(lines)} lines" if len(lines) > BARS else ""
    said = f"AUROC of videos, %; lines: 95 % intervals; blue: best{few}"
    foot(figure, said)
    save(figure, path)
    return True


def _bars(ax: Axes, cells: Sequence[Cell]) -> None:
    for n, cell in enumerate(cells):
        if cell.auroc is None:
            ax.text(50.5, n, cell.status, va="center", fontsize=8, style="italic", color="0.4")
            continue
        colour = COLOURS[1] if cell.best else "0.72"
        hatch = "//" if cell.leaked else ""
        ax.barh(n, 100 * cell.auroc - 50, 0.62, 50, color=colour, hatch=hatch, edgecolor="white")
        if cell.interval:
            low, high = (100 * end for end in cell.interval)
            ax.plot([low, high], [n, n], color="black", linewidth=1.2, marker="|", markersize=5)
    ax.axvline(50, color="0.3", linewidth=1)
    ax.grid(axis="x", color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
