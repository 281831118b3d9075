"""What the index of a large split costs on one core, part by part, each size in its own process."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import measure

FRAMES = 20  # of each video
SECONDS_TARGET, MEMORY_TARGET = 60.0, 1.5e9
LARGEST = 10**6
PARTS = ("start", "list", "fingerprint", "write", "load", "join")


class Case(NamedTuple):
    """A manifest whose index is measured.

    Attributes:
        frames: number of its rows.
        form: ``parquet`` or ``csv``.
        known: whether it gives the hashes; otherwise the files are there and are read.
        again: whether the store remembers the hashes from the run before.
    """

    frames: int
    form: str = "parquet"
    known: bool = True
    again: bool = False

    @property
    def title(self) -> str:
        """How the table calls it."""
        hashes = "hashes remembered" if self.again else "files read"
        name = {"parquet": "Parquet", "csv": "CSV"}[self.form]
        return f"{self.frames:,} frames, {name}, {'hashes given' if self.known else hashes}"


def manifest(case: Case, folder: Path) -> None:
    """Write the manifest, the scores of its frames, and its files where they are to be read."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    count = case.frames
    video, frame = np.divmod(np.arange(count), FRAMES)
    ids = [f"{number:06d}" for number in video]
    paths = [f"crops/{id_}/{n:03d}.png" for id_, n in zip(ids, frame.tolist(), strict=True)]
    columns: dict[str, Any] = {
        "path": paths,
        "label": np.where(video % 2 == 0, "real", "fake"),
        "video_id": ids,
        "split": ["test"] * count,
        "method": np.where(video % 2 == 0, "", "swap"),
        "frame_index": frame,
    }
    if case.known:
        columns["sha256"] = [hashlib.sha256(path.encode()).hexdigest() for path in paths]
    else:
        for path in paths:
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(path.encode() * 20)
    write = pq.write_table if case.form == "parquet" else pyarrow.csv.write_csv
    write(pa.table(columns), folder / f"manifest.{case.form}")
    backwards = {  # scores need not come in the order of the index
        "video_id": ids[::-1],
        "frame_index": frame[::-1],
        "p_fake": np.random.default_rng(0).uniform(size=count),
    }
    pq.write_table(pa.table(backwards), folder / "scores.parquet")


def timed(form: str, folder: Path) -> dict[str, Any]:
    """Build, write, load and join the index in this process, on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    marks = [time.perf_counter()]

    def lap() -> None:
        marks.append(time.perf_counter())

    import numpy as np  # noqa: F401
    import pyarrow as pa
    import pyarrow.acero
    import pyarrow.compute
    import pyarrow.csv
    import pyarrow.parquet as pq

    from dfdbench.data import index
    from dfdbench.store import Store
    from dfdbench_plugins.datasets.manifest import Manifest

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    store = Store(folder / "store")
    lap()
    videos = list(Manifest(table=folder / f"manifest.{form}").videos(None, "test"))
    lap()
    built = index.build(videos, folder, store, "a large split")
    lap()
    built.write(folder / "index.parquet")
    lap()
    loaded = index.read_videos(folder / "index.parquet")
    lap()
    rows = pq.read_table(folder / "index.parquet")
    scores = pq.read_table(folder / "scores.parquet")
    joined = rows.join(scores, ["video_id", "frame_index"], join_type="inner")
    lap()
    frames = sum(len(video.files) for video in videos)
    assert loaded == videos and len(joined) == frames and not built.faults, "the index is wrong"
    spent = {part: marks[n + 1] - marks[n] for n, part in enumerate(PARTS)}
    return {**spent, "memory": measure.peak_memory()}


def measured(case: Case, folder: Path, rounds: int) -> dict[str, Any]:
    """Median seconds of each part and the most memory, from processes of their own."""
    if not case.again:
        manifest(case, folder)
    os.environ["OMP_NUM_THREADS"] = "1"
    found = []
    for _ in range(rounds):
        if not case.again:
            shutil.rmtree(folder / "store", ignore_errors=True)
        found.append(measure.in_child(__file__, "--child", folder, "--form", case.form))
    took = measure.medians({part: [each[part] for each in found] for part in PARTS})
    return {**took, "memory": max(each["memory"] for each in found)}


def growing(found: dict[str, Any]) -> float:
    """Seconds of all parts but the start, which is the same for every size."""
    return float(sum(found[part] for part in PARTS if part != "start"))


def line(case: Case, found: dict[str, Any], before: float | None) -> list[str]:
    """One line of the table; ``before``: :func:`growing` of a tenth of these frames."""
    total = sum(found[part] for part in PARTS)
    met = total <= SECONDS_TARGET and found["memory"] <= MEMORY_TARGET
    target = f"<= {SECONDS_TARGET:.0f} s, {MEMORY_TARGET / 1e9} GB"
    return [
        case.title,
        *(f"{found[part]:.2f}" for part in PARTS),
        f"{total:.2f} s",
        "" if before is None else f"{growing(found) / before:.1f} times",
        f"{found['memory'] / 1e9:.2f} GB",
        *((target, "met" if met else "missed") if case.frames == LARGEST else ("", "")),
    ]


def lines(sizes: Sequence[int], rounds: int) -> list[list[str]]:
    """Measure every size in both forms, and one whose files have to be read."""
    found = []
    for form in ("parquet", "csv"):
        before = None
        for frames in sizes:
            case = Case(frames, form)
            with tempfile.TemporaryDirectory() as folder:
                parts = measured(case, Path(folder), rounds)
            found.append(line(case, parts, before))
            before = growing(parts)
    with tempfile.TemporaryDirectory() as folder:
        for again in (False, True):
            case = Case(10**5, known=False, again=again)
            found.append(line(case, measured(case, Path(folder), rounds), None))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=LARGEST, help="the most frames to try")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--form", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        print(json.dumps(timed(options.form, options.child)))
        return
    from tabulate import tabulate

    sizes = [size for size in (10**4, 10**5, 10**6) if size <= options.largest]
    head = ("what", *PARTS, "together", "to a tenth (10: linear)", "peak memory", "target", "")
    print(tabulate(lines(sizes, options.rounds), head, tablefmt="github", disable_numparse=True))
    print(f"\n{measure.machine()}")


if __name__ == "__main__":
    main()
