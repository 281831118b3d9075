"""What a large benchmark costs a face: evaluating it, storing its scores and its pixels."""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Sequence

import measure
from measure import Row

FRAMES = 20  # of each video
SIZES = (10_000, 100_000, 1_000_000)


def rows_of(count: int) -> list[Row]:
    """Evaluate ``count`` scored faces, and write their scores as the score stage does."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from dfdbench import metrics
    from dfdbench.stages import report

    rng = np.random.default_rng(0)
    video, frame = np.divmod(np.arange(count), FRAMES)
    label = video % 2
    logit = rng.normal(size=count) + rng.normal(size=video[-1] + 1)[video] + 2.0 * label
    p_fake = 1 / (1 + np.exp(-logit))
    names = np.asarray([f"celeb_df_v2/Celeb-synthesis/id{n}_id{n + 1}_0000" for n in video])
    start = time.perf_counter()
    metrics.evaluate(names, label, p_fake, threshold=0.5, threshold_from="0.5, no validation")
    took = time.perf_counter() - start
    table = pa.table({
        "video_id": names,
        "frame_index": frame,
        "path": [f"{name}.mp4" for name in names],
        "label": label,
        "p_fake": p_fake,
    })  # fmt: skip
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    size = len(buffer.getvalue())
    start = time.perf_counter()
    row = dict.fromkeys(("detector", "train_set", "seed", "test_set", "perturbation"), "some_name")
    pq.write_table(report.labelled(pq.read_table(buffer), row), io.BytesIO())
    copied = time.perf_counter() - start
    title = f"{count:,} faces of {count // FRAMES:,} videos"
    return [
        Row(f"{title}: {what}", measured, f"{ratio} a face")
        for what, measured, ratio in (
            ("metrics and intervals", f"{took:.1f} s", f"{1e6 * took / count:.1f} us"),
            ("scores", f"{size / 1e6:.1f} MB", f"{size / count:.1f} B"),
            ("scores copied into the results", f"{copied:.2f} s", f"{1e6 * copied / count:.2f} us"),
        )
    ]


def main(sizes: Sequence[int] = SIZES) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=int, help="one number of faces")
    only = parser.parse_args().only
    print(measure.table([row for size in ([only] if only else sizes) for row in rows_of(size)]))


if __name__ == "__main__":
    main()
