"""Stage 2: take aligned faces from the frames of every video."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from dfdbench import media
from dfdbench.api import DatasetAdapter, FacePreprocessor, Video
from dfdbench.errors import DataError
from dfdbench.index import read_videos
from dfdbench.runtime import Runtime
from dfdbench.stages import index

VERSION = 1
SHARD_BYTES = 500_000_000
POOL_FROM = 48  # videos; for fewer, starting processes takes longer than it saves
SUMMARY, MISSES = "summary.json", "misses.json"

Row = dict[str, Any]


def run(cell: Any, runtime: Runtime, folder: Path) -> None:
    """Write the faces as data-set shards, the frames without one as a table with reasons."""
    resolve = runtime.registry.resolve
    dataset = resolve("dataset", cell.config["dataset"])
    preprocessor = resolve("preprocessor", cell.config["preprocessor"])
    assert isinstance(dataset, DatasetAdapter) and isinstance(preprocessor, FacePreprocessor)
    videos = read_videos(runtime.store.path(cell.inputs["index"]) / index.FILE)
    writer = _Shards(folder)
    misses: list[Row] = []
    sizes: Counter[tuple[int, int]] = Counter()
    jobs = ((dataset, preprocessor, runtime.data, video) for video in videos)
    with runtime.progress.task(f"faces of {cell.ids['set']}", len(videos)) as task:
        for rows in _spread(jobs, runtime.workers if len(videos) > POOL_FROM else 0):
            for row in rows:
                if row["image"] is None:
                    misses.append({k: v for k, v in row.items() if k not in ("image", "shape")})
                else:
                    sizes[row.pop("shape")] += 1
                    writer.add(row)
            task.advance()
    if len(sizes) > 1:
        raise DataError(
            f"{cell.title}: the faces have {len(sizes)} sizes, such as "
            f"{', '.join(f'{w} x {h}' for h, w in list(sizes)[:3])}; set `size:` of "
            f"{preprocessor.name} to bring them to one"
        )
    if not sizes:
        first = misses[0]["reason"] if misses else "no frame"
        raise DataError(f"{cell.title}: no video gave a face ({first})")
    writer.close()
    unreadable = [m for m in misses if m["unreadable"]]
    summary = {
        "faces": sum(sizes.values()),
        "misses": len(misses),
        "unreadable": len(unreadable),
        "examples": [f"{m['path'] or m['video_id']}: {m['reason']}" for m in unreadable[:3]],
        "videos": len(videos),
        "videos_without_face": {
            name: sum(v.label == label and v.id not in writer.videos for v in videos)
            for label, name in enumerate(("real", "fake"))
        },
    }
    (folder / MISSES).write_text(json.dumps(misses, indent=1), encoding="utf-8")
    (folder / SUMMARY).write_text(json.dumps(summary, indent=1), encoding="utf-8")


def check(key: str, title: str, runtime: Runtime) -> None:
    """Stop where images could not be read, unless the spec says to skip them.

    Raises:
        DataError: names the first of them.
    """
    text = (runtime.store.path(key) / SUMMARY).read_text(encoding="utf-8")
    summary = json.loads(text)
    if summary["unreadable"] and not runtime.skip_bad:
        raise DataError(
            f"{title}: {summary['unreadable']} of {summary['faces'] + summary['misses']} images "
            f"cannot be read: {'; '.join(summary['examples'])}. Replace them, or set "
            "`on_bad_face: skip` to go on without them"
        )


def _spread(jobs: Iterable[tuple[Any, ...]], workers: int) -> Iterator[list[Row]]:
    """The rows of each video, in order, from this process or from several."""
    if workers < 2:
        yield from map(_take, jobs)
        return
    # spawn: a forked child would inherit torch's threads and locks.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_take, jobs, chunksize=4)


def _take(job: tuple[DatasetAdapter, FacePreprocessor, Path | None, Video]) -> list[Row]:
    dataset, preprocessor, root, video = job
    rows: list[Row] = []
    for face in preprocessor.faces(dataset.frames(root, video)):
        row: Row = {
            "image": None,
            "label": video.label,
            "video_id": video.id,
            "frame_index": face.frame.index,
            "method": video.method,
            "target_id": video.target_id,
            "source_id": video.source_id,
            "path": face.frame.path,
        }
        if face.image is None:
            row.update(reason=face.reason, unreadable=face.unreadable)
        else:
            encoded = face.encoded or media.encode(face.image)
            row.update(
                image={"bytes": encoded, "path": None},
                sha256=hashlib.sha256(encoded).hexdigest(),
                shape=face.image.shape[:2],
            )
        rows.append(row)
    return rows


class _Shards:
    """Writes rows as Hugging Face data sets of about 500 MB each."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.rows, self.size, self.count = folder, [], 0, 0  # type: ignore[var-annotated]
        self.videos: set[str] = set()

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self.videos.add(row["video_id"])
        self.size += len(row["image"]["bytes"])
        if self.size >= SHARD_BYTES:
            self.close()

    def close(self) -> None:
        if not self.rows:
            return
        import datasets

        string, integer = datasets.Value("string"), datasets.Value("int32")
        features = datasets.Features(
            image=datasets.Image(),
            label=datasets.ClassLabel(names=["real", "fake"]),
            video_id=string,
            frame_index=integer,
            method=string,
            target_id=string,
            source_id=string,
            path=string,
            sha256=string,
        )
        columns = {name: [row[name] for row in self.rows] for name in features}
        datasets.disable_progress_bars()
        shard = datasets.Dataset.from_dict(columns, features=features)
        shard.save_to_disk(str(self.folder / f"shard-{self.count:05d}"))
        self.rows, self.size, self.count = [], 0, self.count + 1
