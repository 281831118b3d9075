"""What is known of each video of a test set, for figures by method, face size or length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dfdbench.data.index import read_videos
from dfdbench.faces import MISSES, columns_of
from dfdbench.results import VIDEO_COLUMNS
from dfdbench.stages.index import FILE
from dfdbench.store import Store


def video_table(store: Store, index: str, faces: str) -> pa.Table:
    """One row a video, in the index's order, with ``VIDEO_COLUMNS``.

    ``index`` and ``faces`` are the keys of finished cells. ``length`` counts to the last frame
    that was looked at, which is the video's last one where frames are taken from all of it.
    """
    found = columns_of(store, faces, ["video_id", "frame_index", "transform", "size"])
    last: dict[str, int] = {}
    sizes: dict[str, list[float]] = {}
    for name, frame, transform, size in zip(*found.values(), strict=True):
        last[name] = max(last.get(name, 0), frame)
        side = size / _magnification(transform) if transform else np.nan
        sizes.setdefault(name, []).append(side)
    for path in sorted(store.path(faces).glob(f"{MISSES}*")):
        missed = pq.read_table(path, columns=["video_id", "frame_index"]).to_pydict()
        for name, frame in zip(*missed.values(), strict=True):
            last[name] = max(last.get(name, -1), frame)
    rows: list[dict[str, Any]] = [
        {
            "video_id": video.id,
            "label": video.label,
            "method": video.method,
            "target_id": video.target_id,
            "source_id": video.source_id,
            "faces": len(sizes.get(video.id, ())),
            "length": last[video.id] + 1 if last.get(video.id, -1) >= 0 else None,
            "face_size": _median(sizes.get(video.id, [np.nan])),
        }
        for video in read_videos(store.path(index) / FILE)
    ]
    return pa.Table.from_pylist(rows, _SCHEMA)


_SCHEMA = pa.schema(
    list(
        zip(
            VIDEO_COLUMNS,
            (pa.string(), pa.int64(), *[pa.string()] * 3, *[pa.int64()] * 2, pa.float64()),
            strict=True,
        )
    )
)


def _magnification(transform: list[float]) -> float:
    """Pixels of the face for each pixel of the frame, along a side."""
    (a, b, _), (c, d, _) = np.reshape(transform, (2, 3))
    return float(np.sqrt(abs(a * d - b * c)))


def _median(values: list[float]) -> float | None:
    middle = float(np.median(values))
    return None if np.isnan(middle) else middle
