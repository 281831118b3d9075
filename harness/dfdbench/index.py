"""The index of a split: which videos it holds, as one table, and a fingerprint of their content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dfdbench.api import FAKE, REAL, Video
from dfdbench.errors import DataError
from dfdbench.store import Store, key_of

COLUMNS = ("video_id", "label", "method", "target_id", "source_id", "path", "frame_index", "sha256")


@dataclass(frozen=True)
class Index:
    """Videos of one split, in the adapter's order.

    Attributes:
        videos: the videos.
        hashes: sha256 of each file of each video, empty tuples where an adapter makes the frames.
        fingerprint: sha256 over ids, labels and contents; the same wherever the data lie.
    """

    videos: tuple[Video, ...]
    hashes: tuple[tuple[str, ...], ...]
    fingerprint: str

    def count(self, label: int) -> int:
        """Number of videos with this label."""
        return sum(video.label == label for video in self.videos)

    def write(self, path: Path) -> None:
        """Write as Parquet, a row for each file (or for each video that has none)."""
        rows: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        for video, hashes in zip(self.videos, self.hashes, strict=True):
            for n, name in enumerate(video.files or ("",)):
                index = video.frame_indices[n] if video.frame_indices else n
                sha = hashes[n] if hashes else ""
                values = (
                    video.id, video.label, video.method, video.target_id, video.source_id,
                    name, index, sha,
                )  # fmt: skip
                for column, value in zip(COLUMNS, values, strict=True):
                    rows[column].append(value)
        pq.write_table(pa.table(rows), path)


def read_videos(path: Path) -> list[Video]:
    """The videos of an index that :meth:`Index.write` wrote."""
    videos: list[Video] = []
    table = pq.read_table(path).to_pydict()
    ids = table["video_id"]
    starts = [n for n in range(len(ids)) if n == 0 or ids[n] != ids[n - 1]]
    for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
        files = tuple(table["path"][start:end])
        made = files == ("",)
        videos.append(
            Video(
                id=ids[start],
                label=table["label"][start],
                files=() if made else files,
                frame_indices=() if made else tuple(table["frame_index"][start:end]),
                method=table["method"][start],
                target_id=table["target_id"][start],
                source_id=table["source_id"][start],
            )
        )
    return videos


def build(videos: Iterable[Video], folder: Path | None, store: Store, what: str) -> Index:
    """Check the videos of a split and fingerprint their files.

    Raises:
        DataError: no video, one id twice, a video whose frames carry two labels, or a file that
            cannot be read.
    """
    listed = tuple(videos)
    if not listed:
        raise DataError(f"{what} is empty: no video was found")
    labels: dict[str, int] = {}
    for video in listed:
        if video.label not in (REAL, FAKE):
            raise DataError(f"{what}: video {video.id!r} has the label {video.label!r}, not 0 or 1")
        if labels.setdefault(video.id, video.label) != video.label:
            raise DataError(
                f"{what}: the frames of video {video.id!r} carry two labels, real and fake; "
                "give real and fake videos ids of their own"
            )
    if len(labels) < len(listed):
        twice = Counter(video.id for video in listed).most_common(1)[0][0]
        raise DataError(f"{what}: the video id {twice!r} occurs twice")
    paths = [(folder or Path()) / name for video in listed for name in video.files]
    try:
        found = iter(store.content_hashes(paths))
    except OSError as error:
        raise DataError(f"{what}: cannot read {error.filename}: {error.strerror}") from error
    hashes = tuple(tuple(next(found) for _ in video.files) for video in listed)
    return Index(listed, hashes, _fingerprint(listed, hashes))


def _fingerprint(videos: tuple[Video, ...], hashes: tuple[tuple[str, ...], ...]) -> str:
    return key_of(
        [
            [v.id, v.label, v.method, v.target_id, v.source_id, list(v.frame_indices), list(h)]
            for v, h in zip(videos, hashes, strict=True)
        ]
    )


def shared(first: Index, second: Index, one_data_set: bool) -> Iterator[str]:
    """Ids of videos of ``second`` that ``first`` has too.

    By content always, and by id where both are splits of one data set: ids of different data sets
    (``000``) may be equal by chance.
    """
    ids = {video.id for video in first.videos} if one_data_set else set()
    contents = {sha for hashes in first.hashes for sha in hashes}
    for video, hashes in zip(second.videos, second.hashes, strict=True):
        if video.id in ids or not contents.isdisjoint(hashes):
            yield video.id
