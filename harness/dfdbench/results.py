"""A results folder as a reader finds it: the figures, the scores behind them, the videos.

``metrics.json`` holds the rows, ``scores/`` a Parquet file for each finished row and ``videos/``
one for each test set. A row that was read knows its ``folder``, also after rows of several folders
were brought together; nothing that is written holds it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfdbench.errors import DataError, MissingError

if TYPE_CHECKING:
    import pyarrow as pa

SCORES, VIDEOS = "scores", "videos"
IDS = ("detector", "train_set", "seed", "test_set", "perturbation")
SCORE_COLUMNS = ("video_id", "frame_index", "path", "label", "p_fake")
VIDEO_COLUMNS = (
    "video_id", "label", "method", "target_id", "source_id", "faces", "length", "face_size",
)  # fmt: skip
"""``faces``: faces taken; ``length``: frames of the video; ``face_size``: median side in pixels of
the region of a frame that became a face. Null where nothing is known of it."""

Row = Mapping[str, Any]


def read(folders: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """The ``metrics.json`` of results folders, by folder; each row says its ``folder``.

    Raises:
        MissingError: a folder has none.
        DataError: it is not what ``dfdbench run`` wrote.
    """
    found = {}
    for folder in folders:
        path = folder / "metrics.json"
        if not path.is_file():
            raise MissingError(
                f"no {path}; give folders that `dfdbench run` wrote, as results/demo"
            )
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(f"{path} is not JSON: {error}") from error
        if not isinstance(document, dict) or not isinstance(document.get("rows"), list):
            raise DataError(f"{path} has no list of `rows`; `dfdbench run` did not write it")
        rows = [{**row, "folder": str(folder)} for row in document["rows"]]
        found[str(folder)] = {**document, "rows": rows}
    return found


def score_file(row: Row) -> str:
    """The name of a row's file below ``scores/``."""
    return "-".join(str(row[name]) for name in IDS) + ".parquet"


def scores(row: Row) -> pa.Table:
    """The scores of a finished row that was read, with ``SCORE_COLUMNS``; one row a face.

    Raises:
        MissingError: the folder has none of this row.
        DataError: the file is damaged or lacks a column.
    """
    return _table(score_path(row), SCORE_COLUMNS)


def videos(row: Row) -> pa.Table:
    """The videos of a row's test set, with ``VIDEO_COLUMNS``; raises as :func:`scores`."""
    return _table(video_path(row), VIDEO_COLUMNS)


def score_path(row: Row) -> Path:
    """Where the scores of a row that was read are."""
    folder = Path(row["folder"]) / SCORES
    return _existing(
        folder / score_file(row), folder / score_file({**row, "test_set": _plain(row)})
    )


def video_path(row: Row) -> Path:
    """Where the table of the videos of a row's test set is."""
    folder = Path(row["folder"]) / VIDEOS
    return _existing(folder / f"{row['test_set']}.parquet", folder / f"{_plain(row)}.parquet")


def _plain(row: Row) -> str:
    # `cdfv2@3fa2c1d0` was kept apart from another cdfv2; where it is from, it has its plain name.
    return str(row["test_set"]).partition("@")[0]


def _existing(path: Path, plain: Path) -> Path:
    return path if path.is_file() else plain


def _table(path: Path, columns: Sequence[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise MissingError(f"no {path}; copy the whole folder that `dfdbench run` wrote")
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} is no readable Parquet file: {error}") from error
    for name in columns:
        if name not in table.column_names:
            close = get_close_matches(name, table.column_names, n=1, cutoff=0.4)
            hint = f"; did you mean {close[0]!r}? Rename it" if close else ""
            raise DataError(
                f"{path} has no column {name!r}; it has {', '.join(table.column_names)}{hint}"
            )
    return table.select(list(columns))
