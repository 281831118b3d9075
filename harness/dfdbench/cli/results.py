"""Commands that read results folders: leaderboard, verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dfdbench.cli.options import StoreDir, WithFaces

SHOWN = 40
"""Differences that are printed; more are counted."""
WIDTH = 160
"""Characters of a value; a line of a table may be longer."""


def leaderboard(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="results folders")],
    keep_apart: Annotated[
        bool, typer.Option("--keep-apart", help="a column for each version of a test set")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="write the merged results here")] = None,
    with_faces: WithFaces = False,
    store: StoreDir = None,
) -> None:
    """Merge results folders into one leaderboard."""
    from dfdbench import results
    from dfdbench.errors import MissingError, SpecError
    from dfdbench.leaderboard import files, merging, of_document, terminal
    from dfdbench.store import Store, default_root

    if out is not None and out.resolve() in [folder.resolve() for folder in folders]:
        raise SpecError(f"--out {out} is one of the folders to merge; name another one")
    document = merging.together(results.read(folders), keep_apart)
    try:
        document |= files.compared(document["rows"])
    except MissingError as error:
        print(f"no detectors are compared with each other: {error}\n")
    print(terminal.to_terminal(of_document(document)))
    if out is None:
        return
    faces = Store(store or default_root()) if with_faces else None
    files.write_merged(document, out, faces)
    print(f"wrote {out}/leaderboard.md, .csv, .json, .tex, index.html, metrics.json, scores/")


def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a results folder")],
) -> None:
    """Compute every figure of a results folder again, from its scores."""
    from dfdbench.leaderboard.verify import verify as compare
    from dfdbench.progress import for_terminal

    found = compare(folder, for_terminal())
    read = (
        f"{found.figures:,} figures of {found.rows:,} rows, recomputed from their scores, and "
        f"{found.files} tables"
    )
    if not found.differences:
        print(f"{folder}: {read} are as they were written; thresholds are taken as they stand")
        return
    print(f"{folder}: {len(found.differences):,} differences among {read}\n")
    for each in found.differences[:SHOWN]:
        print(f"{each.where}: {each.figure}")
        print(f"  stored      {str(each.stored)[:WIDTH]}")
        print(f"  recomputed  {str(each.recomputed)[:WIDTH]}")
    if len(found.differences) > SHOWN:
        print(f"... and {len(found.differences) - SHOWN:,} more")
    raise typer.Exit(3)
