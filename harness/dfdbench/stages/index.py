"""Stage 1: list the videos of a split, check them, fingerprint their content."""

from __future__ import annotations

import json

import numpy as np

from dfdbench.api import DatasetAdapter, Video
from dfdbench.data.index import Index
from dfdbench.data.index import build as build_index
from dfdbench.errors import DataError
from dfdbench.runtime import Runtime
from dfdbench.shared_state import quiet
from dfdbench.store import Store

VERSION = 1
FILE = "index.parquet"


def build(
    runtime: Runtime, dataset: DatasetAdapter, split: str, where: str, limit: int | None
) -> Index:
    """The index of a split, cut to ``limit`` videos of each class.

    Raises:
        MissingError: the data are not there.
        DataError: they are empty or contradictory.
    """
    with quiet():
        videos = list(dataset.videos(runtime.data, split))
    if limit is not None:
        videos = _limited(videos, limit)
    folder = dataset.folder(runtime.data)
    what = f"{where}: split {split!r} of {dataset.name}"
    return build_index(videos, folder, runtime.store, what)


def _limited(videos: list[Video], limit: int) -> list[Video]:
    """At most ``limit`` videos of each label: ids sorted, then shuffled with a fixed seed."""
    chosen: set[str] = set()
    for label in sorted({video.label for video in videos}):
        ids = sorted(video.id for video in videos if video.label == label)
        np.random.RandomState(42).shuffle(ids)
        chosen.update(ids[:limit])
    return [video for video in videos if video.id in chosen]


def publish(store: Store, key: str, index: Index, title: str) -> None:
    """Put the index into the store, unless it is there."""
    with store.compute(key, {"stage": "index", "title": title}) as folder:
        if folder is not None:
            index.write(folder / FILE)
            counts = {"videos": len(index.videos), "fingerprint": index.fingerprint}
            (folder / "summary.json").write_text(json.dumps(counts), encoding="utf-8")


__all__ = ["VERSION", "DataError", "build", "publish"]
