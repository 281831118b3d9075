"""Commands that read results folders: leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def leaderboard(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="results folders")],
    keep_apart: Annotated[
        bool, typer.Option("--keep-apart", help="a column for each version of a test set")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="write the merged leaderboard here")] = None,
) -> None:
    """Merge results folders into one leaderboard."""
    from dfdbench import results
    from dfdbench.leaderboard import merging, rank, tables
    from dfdbench.stages import report

    rows = merging.merge(results.read(folders), keep_apart)
    board = rank(rows, "merged")
    print(tables.to_terminal(board))
    if out is None:
        return
    report.write_board(board, rows, out)
    report.write_curves(rows, out)
    print(f"wrote {out}/leaderboard.md, .csv, .json")
