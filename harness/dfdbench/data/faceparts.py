"""The faces of a data set while they are taken: one part a video, folded into shards in order."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dfdbench import media
from dfdbench.api import SCRATCH, DatasetAdapter, Face, FacePreprocessor, Video
from dfdbench.errors import UnreadableError
from dfdbench.faces import MISSES, SHARD
from dfdbench.store import write_text

SHARD_BYTES = 500_000_000
CLASSES = ("real", "fake")
WHOLE = -1
"""The frame index of a reason that belongs to the whole video."""

SCHEMA = pa.schema(
    {
        "image": pa.binary(),
        "frame_index": pa.int32(),
        "path": pa.string(),
        "sha256": pa.string(),
        "landmarks": pa.list_(pa.float64()),
        "transform": pa.list_(pa.float64()),
        "size": pa.int32(),
        "shape": pa.string(),
        "reason": pa.string(),
        "unreadable": pa.bool_(),
        "expected": pa.string(),
    }
)


@dataclass(frozen=True)
class Job:
    """One video to take faces from, and the file to write them to."""

    dataset: DatasetAdapter
    preprocessor: FacePreprocessor
    root: Path | None
    video: Video
    target: Path


def take(job: Job) -> int:
    """Write the faces of a video, and the frames that gave none; returns the number of faces."""
    try:
        found = job.preprocessor.faces(job.dataset.frames(job.root, job.video))
        rows = [_row(face) for face in found]
    except UnreadableError as error:
        rows = [_lost_row(job.video, str(error))]
    return _write(job.target, rows)


def lost(job: Job, reason: str) -> int:
    """Write that a video gave nothing, because its process did not live to say why."""
    return _write(job.target, [_lost_row(job.video, reason)])


def _row(face: Face) -> dict[str, Any]:
    row: dict[str, Any] = {"frame_index": face.frame.index, "path": face.frame.path}
    if face.image is None:
        return row | {"reason": face.reason, "unreadable": face.unreadable}
    row |= {
        "image": face.encoded or media.encode(face.image),
        "sha256": hashlib.sha256(face.image.tobytes()).hexdigest(),
        "size": face.image.shape[0],
        "shape": f"{face.image.shape[1]} x {face.image.shape[0]}",
        "expected": face.expected,
    }
    for name, points in (("landmarks", face.landmarks), ("transform", face.transform)):
        row[name] = None if points is None else np.asarray(points, np.float64).ravel().tolist()
    return row


def _lost_row(video: Video, reason: str) -> dict[str, Any]:
    path = video.files[0] if len(video.files) == 1 else ""
    return {"frame_index": WHOLE, "path": path, "reason": reason, "unreadable": True}


def _write(target: Path, rows: list[dict[str, Any]]) -> int:
    temporary = target.with_suffix(f".{os.getpid()}")
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), temporary, compression="none")
    os.replace(temporary, target)
    return sum(row.get("image") is not None for row in rows)


class Parts:
    """What there is of a data set's faces: shards of its first videos, parts of some others.

    Shards are cut by size in the order of the videos, so that they are the same however many
    processes took them and however often they were interrupted.
    """

    def __init__(self, folder: Path, videos: int) -> None:
        self.folder, self.videos = folder, videos
        self.scratch = folder / SCRATCH
        self.scratch.mkdir(exist_ok=True)
        self.ledger = self.scratch / "shards.json"
        self.shards: list[dict[str, Any]] = []
        if self.ledger.exists():
            self.shards = json.loads(self.ledger.read_text(encoding="utf-8"))
        self._next = self.folded  # first video whose part has not been seen yet
        self._bytes = 0

    @property
    def folded(self) -> int:
        """Number of videos that are in shards."""
        return int(self.shards[-1]["until"]) if self.shards else 0

    def path(self, n: int) -> Path:
        """The part of video ``n``."""
        return self.scratch / f"{n:08d}.parquet"

    def todo(self) -> list[int]:
        """The videos that have still to be read."""
        return [n for n in range(self.folded, self.videos) if not self.path(n).exists()]

    def fold(self, videos: list[Video], last: bool = False) -> None:
        """Write a shard where enough parts have come, in the order of the videos."""
        while self._next < self.videos and (part := self.path(self._next)).exists():
            self._bytes += part.stat().st_size
            self._next += 1
            if self._bytes >= SHARD_BYTES:
                self._shard(videos)
        if last and self._next > self.folded:
            self._shard(videos)

    def _shard(self, videos: list[Video]) -> None:
        start, end, count = self.folded, self._next, len(self.shards)
        tables = [pq.read_table(self.path(n)) for n in range(start, end)]
        own = videos[start:end]
        table = pa.concat_tables([_with_video(t, v) for t, v in zip(tables, own, strict=True)])
        taken = table.filter(table["image"].is_valid())
        missed = table.filter(table["image"].is_null())
        shard = self.folder / f"{SHARD}{count:05d}"
        shutil.rmtree(shard, ignore_errors=True)  # from a run that was killed right here
        if len(taken):
            _save(taken, shard)
        missed = missed.select(["video_id", "frame_index", "label", "method", "path", "reason",
                                "unreadable"])  # fmt: skip
        pq.write_table(missed, self.folder / f"{MISSES}{count:05d}.parquet")
        self.shards.append({"until": end, **_counted(own, tables)})
        write_text(self.ledger, json.dumps(self.shards))
        for n in range(start, end):
            self.path(n).unlink()
        self._bytes = 0

    def summary(self) -> dict[str, Any]:
        """The counts of all shards together."""
        counts: dict[str, Counter[str]] = {name: Counter() for name in CLASSES}
        for shard in self.shards:
            for name in CLASSES:
                counts[name].update(shard["yield"][name])
        both = counts["real"] + counts["fake"]
        return {
            "videos": self.videos,
            "faces": both["faces"],
            "misses": both["frames"] - both["faces"],
            "unreadable": both["unreadable"],
            "videos_without_face": {n: counts[n]["videos_without_face"] for n in CLASSES},
            "yield": {name: dict(counts[name]) for name in CLASSES},
            "expected": both["expected"],
            "identical": both["identical"],
            "examples": [x for shard in self.shards for x in shard["examples"]][:3],
            "reasons": [x for shard in self.shards for x in shard["reasons"]][:3],
            "sizes": sorted({x for shard in self.shards for x in shard["sizes"]}),
        }


def _with_video(table: Any, video: Video) -> Any:
    """The rows of a video with what is known of it."""
    for name in ("label", "video_id", "method", "target_id", "source_id"):
        value = video.id if name == "video_id" else getattr(video, name)
        table = table.append_column(name, pa.array([value] * len(table)))
    return table


def _save(table: Any, shard: Path) -> None:
    import datasets

    string, integer = datasets.Value("string"), datasets.Value("int32")
    floats = datasets.List(datasets.Value("float64"))
    features = datasets.Features(
        image=datasets.Image(),
        label=datasets.ClassLabel(names=list(CLASSES)),
        video_id=string,
        frame_index=integer,
        method=string,
        target_id=string,
        source_id=string,
        path=string,
        sha256=string,
        landmarks=floats,
        transform=floats,
        size=integer,
    )
    columns = {name: table[name].to_pylist() for name in features}
    columns["image"] = [{"bytes": encoded, "path": None} for encoded in columns["image"]]
    datasets.disable_progress_bars()
    datasets.Dataset.from_dict(columns, features=features).save_to_disk(str(shard))


def _counted(videos: list[Video], tables: list[Any]) -> dict[str, Any]:
    """How many faces the videos of a shard gave, by class, and why not more."""
    found: dict[str, Counter[str]] = {name: Counter() for name in CLASSES}
    sizes: set[str] = set()
    examples: list[str] = []
    reasons: list[str] = []
    for video, table in zip(videos, tables, strict=True):
        columns = table.select([n for n in table.column_names if n != "image"]).to_pydict()
        taken = [sha is not None for sha in columns["sha256"]]
        expected = [(want, got) for want, got in zip(
            columns["expected"], columns["sha256"], strict=True) if want]  # fmt: skip
        counts = found[CLASSES[video.label]]
        counts.update(
            videos=1,
            videos_without_face=not any(taken),
            frames=len(taken),
            faces=sum(taken),
            unreadable=sum(map(bool, columns["unreadable"])),
            expected=len(expected),
            identical=sum(want == got for want, got in expected),
        )
        sizes.update(shape for shape in columns["shape"] if shape)
        for path, reason, bad in zip(
            columns["path"], columns["reason"], columns["unreadable"], strict=True
        ):
            if reason and len(reasons) < 3:
                reasons.append(reason)
            if bad and len(examples) < 3:
                examples.append(f"{path or video.id}: {reason}")
    return {
        "yield": {name: {k: int(v) for k, v in found[name].items()} for name in CLASSES},
        "sizes": sorted(sizes),
        "examples": examples,
        "reasons": reasons,
    }
