"""A results folder as a reader finds it: the figures, the scores behind them, the videos.

``metrics.json`` holds the rows, ``scores/`` a Parquet file for each finished row and ``videos/``
one for each test set. A row that was read knows its ``folder``, also after rows of several folders
were brought together; nothing that is written holds it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
    # `cdfv2@3fa2c1d0` names a test set that was kept apart; its file has the plain name.
    plain = {**row, "test_set": str(row["test_set"]).partition("@")[0]}
    return _table(Path(row["folder"]) / SCORES / score_file(plain), SCORE_COLUMNS)


def videos(row: Row) -> pa.Table:
    """The videos of a row's test set, with ``VIDEO_COLUMNS``; raises as :func:`scores`."""
    name = str(row["test_set"]).partition("@")[0]
    return _table(Path(row["folder"]) / VIDEOS / f"{name}.parquet", VIDEO_COLUMNS)


def _table(path: Path, columns: Sequence[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise MissingError(f"no {path}; copy the whole folder that `dfdbench run` wrote")
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} is no readable Parquet file: {error}") from error
    lacking = [name for name in columns if name not in table.column_names]
    if lacking:
        raise DataError(f"{path} has no column {', '.join(lacking)}; `dfdbench run` writes it")
    return table.select(list(columns))
