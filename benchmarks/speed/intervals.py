"""What being sure of a figure costs: intervals of videos and of frames, and comparisons.

One core; labels, scores and ids lie in memory.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measure
from measure import Row

VIDEOS, FRAMES, RESAMPLES = 5_000, 32, 2_000
DETECTORS, TESTS = 5, 5


def scores_of(frames: int) -> tuple[Any, Any, Any]:
    """Ids, labels and scores of ``VIDEOS`` videos, half of them fake, of as many frames each."""
    import numpy as np

    rng = np.random.default_rng(0)
    video = np.repeat(np.arange(VIDEOS), frames)
    label = video % 2
    logit = rng.normal(size=len(video)) + rng.normal(size=VIDEOS)[video] + 2.0 * label
    names = np.asarray([f"celeb_df_v2/Celeb-synthesis/id{n % 59}_id{n % 7}_{n:05d}" for n in video])
    return names, label, 1 / (1 + np.exp(-logit))


def intervals(rounds: int) -> list[Row]:
    """Intervals of one and of all metrics, by the videos and by the frames."""
    from dfdbench import metrics
    from dfdbench.metrics import bootstrap

    of_videos, of_frames = scores_of(1), scores_of(FRAMES)

    def auroc(scores: tuple[Any, Any, Any]) -> Callable[[], object]:
        names, label, p = scores
        return lambda: bootstrap.auroc_resamples(label, p, names, 0, RESAMPLES)

    def every(scores: tuple[Any, Any, Any]) -> Callable[[], object]:
        return lambda: metrics.evaluate(*scores, threshold=0.5, resamples=RESAMPLES)

    works = {
        f"AUROC of {VIDEOS:,} videos": (auroc(of_videos), 3.0),
        f"AUROC of {VIDEOS * FRAMES:,} frames": (auroc(of_frames), 20.0),
        f"both levels, every metric, {VIDEOS * FRAMES:,} frames": (every(of_frames), None),
    }
    times = measure.medians(
        measure.in_turn({name: work for name, (work, _) in works.items()}, rounds)
    )
    return [
        Row(
            f"{RESAMPLES:,} resamples: {name}",
            f"{times[name]:.2f} s",
            f"{1e3 * times[name] / RESAMPLES:.2f} ms a resample",
            "" if target is None else f"<= {target:g} s",
            None if target is None else times[name] <= target,
        )
        for name, (_, target) in works.items()
    ]


def comparisons(folder: Path) -> list[Row]:
    """What a results folder of ``DETECTORS`` on ``TESTS`` takes to compare."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from dfdbench import comparison, metrics, results
    from dfdbench.leaderboard import protocol

    rng = np.random.default_rng(0)
    rows = []
    (folder / results.SCORES).mkdir()
    for n in range(DETECTORS * TESTS):
        names, label, p = scores_of(1)
        p = np.clip(p + 0.1 * rng.normal(size=len(p)), 0, 1)
        row: dict[str, Any] = {
            "detector": f"d{n // TESTS}", "train_set": "none", "seed": 0, "fit": {},
            "test_set": f"t{n % TESTS}", "perturbation": "none", "status": "done",
            "folder": str(folder), **metrics.evaluate(names, label, p, resamples=0),
        }  # fmt: skip
        row["interval"]["resamples"] = RESAMPLES
        row["protocol"] = protocol.of_row(row)
        table = {"video_id": names, "frame_index": [0] * len(names), "path": names}
        path = folder / results.SCORES / results.score_file(row)
        pq.write_table(pa.table({**table, "label": label, "p_fake": p}), path)
        rows.append(row)
    title = f"{DETECTORS} detectors on {TESTS} test sets of {VIDEOS:,} videos"
    works = {
        "each with the best of its column": lambda: comparison.of_board(rows),
        "reals of one set, fakes of another": lambda: comparison.cross_sets(rows),
    }
    return [
        Row(f"{title}: {what}", f"{measure.seconds(work):.1f} s") for what, work in works.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        print(measure.table([*intervals(rounds), *comparisons(Path(folder))]))


if __name__ == "__main__":
    main()
