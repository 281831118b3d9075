"""The index of a split: which videos it holds, as one table, and a fingerprint of their content."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dfdbench.api import FAKE, REAL, Video
from dfdbench.errors import DataError
from dfdbench.store import Store, canonical

CHUNK = 1000  # videos; the text of a million files at once would take as much memory as the index


@dataclass(frozen=True)
class Index:
    """Videos of one split, in the adapter's order.

    Attributes:
        videos: the videos.
        hashes: sha256 of each file of each video, empty where the file cannot be used; empty
            tuples where an adapter makes the frames.
        fingerprint: sha256 over ids, labels and contents; the same wherever the data lie.
        faults: ``(file, reason)`` of every file or mask that cannot be used, in the videos' order.
            A file whose hash the adapter knows is not looked at here.
    """

    videos: tuple[Video, ...]
    hashes: tuple[tuple[str, ...], ...]
    fingerprint: str
    faults: tuple[tuple[str, str], ...] = ()

    def count(self, label: int) -> int:
        """Number of videos with this label."""
        return sum(video.label == label for video in self.videos)

    def write(self, path: Path) -> None:
        """Write as Parquet, a row for each file (or for each video that has none)."""
        counts = [max(1, len(video.files)) for video in self.videos]
        owner = pa.array(np.repeat(np.arange(len(counts)), counts))

        def of_video(values: Iterable[Any], kind: pa.DataType) -> pa.Array:
            return pa.array(list(values), kind).take(owner)

        def of_file(values: Iterable[Iterable[Any]], kind: pa.DataType) -> pa.Array:
            return pa.array(list(chain.from_iterable(values)), kind)

        text, videos = pa.string(), self.videos
        sized = list(zip(videos, counts, strict=True))
        columns = {
            "video_id": of_video((v.id for v in videos), text),
            "label": of_video((v.label for v in videos), pa.int64()),
            "method": of_video((v.method for v in videos), text),
            "target_id": of_video((v.target_id for v in videos), text),
            "source_id": of_video((v.source_id for v in videos), text),
            "path": of_file((v.files or ("",) for v in videos), text),
            "frame_index": of_file(
                ((v.frame_indices or range(n))[:n] for v, n in sized), pa.int64()
            ),
            "sha256": of_file((hashes or ("",) for hashes in self.hashes), text),
            # Whether the adapter knew the hash, so that a video comes back as it was.
            "known": of_file((map(bool, v.sha256 or repeat("", n)) for v, n in sized), pa.bool_()),
            "mask": of_file(
                (chain(v.masks, repeat(None, n - len(v.masks))) for v, n in sized), text
            ),
        }
        pq.write_table(pa.table(columns), path)


def read_videos(path: Path) -> list[Video]:
    """The videos of an index that :meth:`Index.write` wrote, as they went in.

    Frame indices come back as numbers also where they were left to be 0, 1, 2, ...
    """
    table = pq.read_table(path)
    ids = table["video_id"].combine_chunks()
    starts = np.flatnonzero(np.append(True, _differs(ids)))[: len(ids)]
    files, frames = _list(table["path"]), _list(table["frame_index"])
    masks, known = _optional(table, "mask"), _known(table)
    first = table.take(pa.array(starts))
    names = ("video_id", "label", "method", "target_id", "source_id")
    videos: list[Video] = []
    ends = [*starts[1:].tolist(), len(ids)]
    columns = (_list(first[name]) for name in names)
    for start, end, *values in zip(starts.tolist(), ends, *columns, strict=True):
        id_, label, method, target, source = values
        made = end - start == 1 and not files[start]
        hashes = tuple(known[start:end]) if known else ()
        videos.append(
            Video(
                id=id_,
                label=label,
                files=() if made else tuple(files[start:end]),
                frame_indices=() if made else tuple(frames[start:end]),
                method=method,
                target_id=target,
                source_id=source,
                masks=tuple(m for m in masks[start:end] if m is not None) if masks else (),
                sha256=hashes if any(hashes) else (),
            )
        )
    return videos


def _differs(values: pa.Array) -> Any:
    """(len - 1,) bool: whether each value but the first differs from the one before."""
    changed = pc.not_equal(values.slice(1), values.slice(0, max(0, len(values) - 1)))
    return changed.to_numpy(zero_copy_only=False)


def _list(column: pa.ChunkedArray) -> list[Any]:
    """The values of a column; ``to_pylist`` would make each through an object of its own."""
    values: list[Any] = column.to_numpy().tolist()
    return values


def _optional(table: pa.Table, name: str) -> list[Any]:
    """A column; empty where nothing is in it, or where an older version wrote none."""
    if name not in table.column_names or table[name].null_count == len(table):
        return []
    return _list(table[name])


def _known(table: pa.Table) -> list[str]:
    """The hashes that the adapter knew, empty texts among them; an empty list: it knew none."""
    if "known" not in table.column_names or not pc.any(table["known"]).as_py():
        return []
    return _list(pc.if_else(table["known"], table["sha256"], ""))


def build(videos: Iterable[Video], folder: Path | None, store: Store, what: str) -> Index:
    """Check the videos of a split and fingerprint their files.

    Files whose sha256 the adapter knows are not touched; the others, and all masks, are read
    once (the store remembers their hashes). One that is not there, is no regular file, or cannot
    be read becomes a fault of the index with an empty hash, not an error.

    Raises:
        DataError: no video, one id twice, a video whose frames carry two labels, or one whose
            hashes or masks do not fit its files.
    """
    listed = tuple(videos)
    _check(listed, what)
    names = [name for video in listed for name in (*_unknown(video), *video.masks)]
    base = folder or Path()
    reasons: dict[int, str] = {}
    found = iter(store.content_hashes([base / name for name in names], faults=reasons))
    hashes, masks = [], []
    for video in listed:
        hashes.append(_completed(video, found))
        masks.append([next(found) for _ in video.masks])
    faults = tuple((names[n], reasons[n]) for n in sorted(reasons))
    return Index(listed, tuple(hashes), _fingerprint(listed, hashes, masks), faults)


def _check(videos: tuple[Video, ...], what: str) -> None:
    if not videos:
        raise DataError(f"{what} is empty: no video was found")
    labels: dict[str, int] = {}
    for video in videos:
        if video.label not in (REAL, FAKE):
            raise DataError(f"{what}: video {video.id!r} has the label {video.label!r}, not 0 or 1")
        if labels.setdefault(video.id, video.label) != video.label:
            raise DataError(
                f"{what}: the frames of video {video.id!r} carry two labels, real and fake; "
                "give real and fake videos ids of their own"
            )
        for kind, count in (("hashes", len(video.sha256)), ("frame numbers", _numbers(video))):
            if count not in (0, len(video.files)):
                raise DataError(
                    f"{what}: video {video.id!r} has {len(video.files)} files and {count} {kind}; "
                    "the adapter has to give one for each file, or none"
                )
        if len(video.masks) > max(1, len(video.files)):
            raise DataError(
                f"{what}: video {video.id!r} has {len(video.files)} files and "
                f"{len(video.masks)} masks; the adapter may give one for each file at most"
            )
    if len(labels) < len(videos):
        twice = Counter(video.id for video in videos).most_common(1)[0][0]
        raise DataError(f"{what}: the video id {twice!r} occurs twice")


def _numbers(video: Video) -> int:
    """How many frame numbers it has; where the adapter makes the frames, they are its own."""
    return len(video.frame_indices) if video.files else 0


def _unknown(video: Video) -> tuple[str, ...]:
    """The files whose content must be read to be known."""
    if not video.sha256:
        return video.files
    return tuple(f for f, sha in zip(video.files, video.sha256, strict=True) if not sha)


def _completed(video: Video, found: Iterator[str]) -> tuple[str, ...]:
    """The hashes of a video's files, those that the adapter does not know from ``found``."""
    if video.sha256 and all(video.sha256):
        return video.sha256
    return tuple(sha or next(found) for sha in video.sha256 or repeat("", len(video.files)))


def _fingerprint(
    videos: tuple[Video, ...], hashes: list[tuple[str, ...]], masks: list[list[str]]
) -> str:
    """sha256 of the canonical JSON of a list with an entry for each video."""
    digest = hashlib.sha256(b"[")
    for start in range(0, len(videos), CHUNK):
        part = slice(start, start + CHUNK)
        entries = [
            [v.id, v.label, v.method, v.target_id, v.source_id, list(v.frame_indices), list(h)]
            + ([m] if m else [])
            for v, h, m in zip(videos[part], hashes[part], masks[part], strict=True)
        ]
        digest.update((b"," if start else b"") + canonical(entries)[1:-1].encode())
    digest.update(b"]")
    return digest.hexdigest()
