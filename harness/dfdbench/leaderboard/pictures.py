"""Writes the page and the plots of a board; only if those that are there show something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfdbench.errors import MissingError
from dfdbench.leaderboard import of_document, page
from dfdbench.leaderboard.board import Board
from dfdbench.leaderboard.merging import Row, group
from dfdbench.leaderboard.notes import UNTRAINED
from dfdbench.leaderboard.page.table import Place
from dfdbench.leaderboard.robustness import curves
from dfdbench.leaderboard.tables import marked_name
from dfdbench.store import Store, write_text

if TYPE_CHECKING:
    from dfdbench.leaderboard.scored import Scored

PLOTS = "plots"
BARS, VALIDATION, ROC, SCORES, RELIABILITY = "auroc", "validation", "roc", "scores", "reliability"


def write(document: Mapping[str, Any], out: Path, store: Store | None = None) -> bool:
    """Write ``index.html`` and ``plots/`` into ``out``; False where they were there already.

    Args:
        document: what ``metrics.json`` holds; rows that know no ``folder`` have their scores in
            ``out``.
        out: the results folder.
        store: where the faces of the worst videos are taken from; None: no face is shown.
    """
    board = of_document(document)
    rows: list[Row] = [{"folder": str(out), **row} for row in document["rows"]]
    clean = [row for row in rows if row.get("perturbation", "none") == "none"]
    stamp = page.stamp(board, rows, faces=store is not None)
    if page.holds(out / page.FILE, stamp) and (out / PLOTS).is_dir():
        return False
    from dfdbench.leaderboard.page.evidence import of_row, sweeps  # scikit-learn takes a second

    _clear(out / PLOTS)
    draw_board(board, clean, out / PLOTS)
    evidence: dict[Place, list[dict[str, Any]]] = {}
    for test in board.test_sets:  # one at a time: memory does not grow with their number
        found = _scored(board, clean, test)
        draw_test_set(board, found, test, out / PLOTS)
        evidence |= {place: [of_row(*pair) for pair in mine] for place, mine in found.items()}
    faces = None
    if store is not None:
        from dfdbench.leaderboard.page import thumbnails

        faces = thumbnails.of(clean, evidence, store)
    swept = group(curves(rows), lambda curve: (curve.detector, curve.train_set, curve.test_set))
    perturbed = {place: sweeps(found) for place, found in swept.items()}
    # Last: a page with this stamp says that the plots are there, too.
    write_text(out / page.FILE, page.to_html(board, evidence, perturbed, faces, stamp))
    return True


def _clear(folder: Path) -> None:
    """Remove what an earlier call drew, and nothing else."""
    for pattern in (BARS, VALIDATION, f"{ROC}-*", f"{SCORES}-*", f"{RELIABILITY}-*"):
        for suffix in (".png", ".svg"):
            for path in folder.glob(f"{pattern}{suffix}"):
                path.unlink()
    folder.mkdir(parents=True, exist_ok=True)


def _scored(board: Board, rows: Sequence[Row], test: str) -> dict[Place, list[tuple[Row, Scored]]]:
    """The rows of a test set with their scored videos, a seed each, the best line first."""
    from dfdbench.leaderboard import scored

    done = [row for row in rows if row["test_set"] == test and row["status"] == "done"]
    by_line = group(done, lambda row: (row["detector"], row["train_set"]))
    order = sorted(board.lines, key=lambda line: -(line.cells[test].auroc or 0))
    found = {}
    for line in order:
        mine = by_line.get((line.detector, line.train_set), [])
        with suppress(MissingError):  # the page says so of the cell
            found[line.detector, line.train_set, test] = [(row, scored.read(row)) for row in mine]
    return {place: pairs for place, pairs in found.items() if pairs}


def draw_board(board: Board, rows: Sequence[Row], folder: Path) -> None:
    """The pictures that show all test sets, and how the trainings went."""
    from dfdbench.leaderboard import interval_plot, plots

    interval_plot.interval_bars(board, folder / BARS)
    plots.validation_curves(rows, folder / VALIDATION)


def draw_test_set(
    board: Board, found: Mapping[Place, Sequence[tuple[Row, Scored]]], test: str, folder: Path
) -> None:
    """The pictures of the scores on one test set."""
    from dfdbench.leaderboard import score_plots
    from dfdbench.leaderboard.plots import line_name

    several = len({line.train_set for line in board.lines} - {UNTRAINED}) > 1
    lines = {(line.detector, line.train_set): line for line in board.lines}
    names = {place: line_name(marked_name(lines[place[:2]]), place[1], several) for place in found}
    videos = {names[place]: [seed for _, seed in mine] for place, mine in found.items()}
    calibration = {
        names[place]: [row["calibration"] for row, _ in mine if row.get("calibration")]
        for place, mine in found.items()
    }
    trial = any(line.trial is not None for line in lines.values())
    title = f"{test} (‡: a trial on few videos)" if trial else test
    score_plots.roc_curves(videos, folder / f"{ROC}-{test}", title)
    score_plots.histograms(videos, folder / f"{SCORES}-{test}", title)
    score_plots.reliability(calibration, folder / f"{RELIABILITY}-{test}", title)
