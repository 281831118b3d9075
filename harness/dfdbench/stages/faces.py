"""Stage 2: take aligned faces from the frames of every video."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dfdbench.api import DatasetAdapter, FacePreprocessor, Video
from dfdbench.data import faceparts, workers
from dfdbench.data.index import read_videos
from dfdbench.errors import DataError
from dfdbench.runtime import Runtime
from dfdbench.stages import index

VERSION = 2
POOL_FROM = 48  # videos of image files; for fewer, starting processes takes longer than it saves
HARD_LIMIT = 900.0
"""Seconds after which the process that reads a video is ended, whatever it is doing."""
SUMMARY = "summary.json"

Summary = dict[str, Any]


def run(cell: Any, runtime: Runtime, folder: Path) -> None:
    """Write the faces as data-set shards, the frames without one as tables with reasons.

    What was taken before an interruption is kept: a video is never read twice.

    Raises:
        DataError: no video gave a face, or the faces differ in size.
    """
    resolve = runtime.registry.resolve
    dataset = resolve("dataset", cell.config["dataset"])
    preprocessor = resolve("preprocessor", cell.config["preprocessor"])
    assert isinstance(dataset, DatasetAdapter) and isinstance(preprocessor, FacePreprocessor)
    videos = read_videos(runtime.store.path(cell.inputs["index"]) / index.FILE)
    parts = faceparts.Parts(folder, len(videos))
    todo = parts.todo()
    jobs = [
        faceparts.Job(dataset, preprocessor, runtime.data, videos[n], parts.path(n)) for n in todo
    ]
    taken = 0
    start = time.monotonic()
    with runtime.progress.task(f"faces of {cell.ids['set']}", len(videos)) as task:
        task.advance(len(videos) - len(jobs))
        for done, faces in enumerate(_spread(jobs, runtime.workers), 1):
            taken += faces
            seconds = max(time.monotonic() - start, 1e-9)
            task.advance(1, f"{done / seconds:.1f} videos/s, {taken / seconds:.0f} faces/s")
            parts.fold(videos)
    parts.fold(videos, last=True)
    summary = parts.summary()
    sizes, sample = summary.pop("sizes"), summary["reasons"][:1]
    if not sizes:
        raise DataError(f"{cell.title}: no video gave a face ({(sample or ['no frame'])[0]})")
    if len(sizes) > 1:
        raise DataError(
            f"{cell.title}: the faces have {len(sizes)} sizes, such as {', '.join(sizes[:3])}; "
            f"set `size:` of {preprocessor.name} to bring them to one"
        )
    (folder / SUMMARY).write_text(json.dumps(summary, indent=1), encoding="utf-8")


def summary_of(key: str, runtime: Runtime) -> Summary:
    """What a finished cell of this stage counted."""
    text = (runtime.store.path(key) / SUMMARY).read_text(encoding="utf-8")
    found: Summary = json.loads(text)
    return found


def check(key: str, title: str, runtime: Runtime) -> None:
    """Stop where images or videos could not be read, unless the spec says to skip them.

    Raises:
        DataError: names the first of them.
    """
    summary = summary_of(key, runtime)
    if summary["unreadable"] and not runtime.skip_bad:
        raise DataError(
            f"{title}: {summary['unreadable']} of {summary['faces'] + summary['misses']} images "
            f"or videos cannot be read: {'; '.join(summary['examples'])}. Replace them, or set "
            "`on_bad_face: skip` to go on without them"
        )


def _spread(jobs: list[faceparts.Job], count: int) -> Iterator[int]:
    """Number of faces of each video, as they come, from this process or from several."""
    one_file = bool(jobs) and _is_one_file(jobs[0].video)
    if (count >= 1 and one_file) or (count >= 2 and len(jobs) > POOL_FROM):
        yield from workers.spread(faceparts.take, jobs, count, HARD_LIMIT, faceparts.lost)
    else:
        yield from map(faceparts.take, jobs)


def _is_one_file(video: Video) -> bool:
    """A file to decode may take long, hang or crash, so it gets a process of its own."""
    return len(video.files) == 1
