"""The files of a leaderboard: tables in every format, pictures, merged folders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dfdbench import leaderboard, results
from dfdbench.leaderboard import latex, pictures, robustness_files, tables
from dfdbench.store import Store, write_bytes, write_text


def write_board(document: Mapping[str, Any], out: Path) -> None:
    """Write the leaderboard of what a ``metrics.json`` holds in every format."""
    for name, text in boards(document).items():
        write_text(out / name, text)
    robustness_files.write(document["rows"], out, document.get("benchmark", ""))


def boards(document: Mapping[str, Any]) -> dict[str, str]:
    """The leaderboard of what a ``metrics.json`` holds, as files by their names."""
    board = leaderboard.of_document(document)
    reported = document.get("published", {}).get("figures", ())
    return {
        "leaderboard.md": tables.to_markdown(board),
        "leaderboard.csv": tables.to_csv(document["rows"], reported),
        "leaderboard.json": tables.to_json(board),
        tables.SCHEMA_FILE: tables.json_schema(),
        "leaderboard.tex": latex.to_latex(board),
    }


def compared(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What compares detectors and test sets, computed from the scores of rows that were read.

    Raises:
        MissingError: the scores of a row are not there.
        DataError: they are damaged.
    """
    from dfdbench import comparison  # takes a second that an idle run can do without

    return {
        "comparisons": comparison.of_board(rows),
        "cross_sets": comparison.cross_sets(rows),
    }


def write_curves(rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Draw how the trainings went, where there is one with epochs."""
    from dfdbench.leaderboard import plots  # takes a second that an idle run can do without

    (out / "training.png").unlink(missing_ok=True)
    plots.learning_curves(plots.histories(rows), out / "training.png")


def write_merged(document: Mapping[str, Any], out: Path, faces: Store | None = None) -> None:
    """Write rows of several folders as one results folder, with the scores that are there.

    ``faces``: the store whose faces the page shows; None: it shows none.
    """
    for row in document["rows"]:
        if row["status"] == "done":
            _copy(results.score_path(row), out / results.SCORES / results.score_file(row))
            _copy(results.video_path(row), out / results.VIDEOS / f"{row['test_set']}.parquet")
    rows = [{name: row[name] for name in row if name != "folder"} for row in document["rows"]]
    write_text(out / "metrics.json", json.dumps({**document, "rows": rows}, indent=1))
    write_board(document, out)
    write_curves(rows, out)
    pictures.write(document, out, faces)


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        write_bytes(target, source.read_bytes())
