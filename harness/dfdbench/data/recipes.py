"""Face recipes: where the faces of a data set are, without a picture of anybody.

The owners of data sets allow nobody to pass on their images. A recipe holds for each face the
video, the frame, the landmarks, the transform that cuts it out and the sha256 of its pixels; with
the owner's videos at hand, anybody can cut the same faces and see that they are the same.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dfdbench.errors import DataError
from dfdbench.faces import SHARD
from dfdbench.store import Store, write_bytes

SCHEMA = pa.schema(
    {
        "video_id": pa.string(),
        "frame_index": pa.int32(),
        "landmarks": pa.list_(pa.float64()),
        "transform": pa.list_(pa.float64()),
        "size": pa.int32(),
        "sha256": pa.string(),
    },
    metadata={"dfdbench_face_recipe": "1"},
)


def export(store: Store, keys: Iterable[str], path: Path) -> int:
    """Write the recipe of the faces of these finished cells as Parquet; returns their number.

    Raises:
        DataError: a preprocessor gave no transform (crops that somebody else made have none), or
            one video and frame has two different faces.
    """
    import datasets

    tables = []
    for key in keys:
        for shard in sorted(store.path(key).glob(f"{SHARD}*")):
            table = datasets.load_from_disk(str(shard)).data.table.select(SCHEMA.names)
            tables.append(pa.table(table.to_pydict(), SCHEMA))
    whole = pa.concat_tables(tables).combine_chunks()
    if whole["transform"].null_count:
        at = pc.index(pc.is_null(whole["transform"]), True).as_py()
        raise DataError(
            f"the face of {whole['video_id'][at]} has no transform: a recipe needs faces that "
            "were cut from videos, such as those of aligned_faces"
        )
    faces = _without_repetition(whole)
    buffer = io.BytesIO()
    pq.write_table(faces, buffer, compression="zstd")
    write_bytes(path, buffer.getvalue())
    return len(faces)


def read(path: Path) -> Any:
    """The table of a recipe, with the columns of :data:`SCHEMA`.

    Raises:
        DataError: it is no recipe.
    """
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} cannot be read as a face recipe: {error}") from error
    lacking = [name for name in SCHEMA.names if name not in table.column_names]
    if lacking:
        raise DataError(
            f"{path} is no face recipe: it lacks the column {lacking[0]!r}; "
            "`dfdbench faces --export` writes one"
        )
    return table.select(SCHEMA.names)


def _without_repetition(table: Any) -> Any:
    """Each face once: a split may serve several train and test sets."""
    table = table.sort_by([("video_id", "ascending"), ("frame_index", "ascending")])
    later, before = table.slice(1), table.slice(0, max(len(table) - 1, 0))
    same = {name: pc.equal(later[name], before[name]).to_numpy() for name in
            ("video_id", "frame_index", "sha256")}  # fmt: skip
    repeated = same["video_id"] & same["frame_index"]
    differing = np.flatnonzero(repeated & ~same["sha256"])
    if len(differing):
        at = later.slice(int(differing[0]), 1).to_pylist()[0]
        raise DataError(
            f"video {at['video_id']}, frame {at['frame_index']} has two different faces: two data "
            "sets use one id; export them one by one"
        )
    return table.filter(pa.array(np.append(True, ~repeated)[: len(table)]))
