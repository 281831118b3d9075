"""Stage 5: the metrics of one set of scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from dfdbench.data.videos import video_table
from dfdbench.runtime import Runtime
from dfdbench.stages import score

VERSION = 2
FILE = "metrics.json"


def run(cell: Any, runtime: Runtime, folder: Path) -> None:
    """Write the metrics, with a threshold that validation chose."""
    from dfdbench import metrics  # brings scikit-learn, which planning can do without

    frames = _scores(runtime, cell.inputs["scores"])
    threshold = None
    if "validation" in cell.inputs:
        videos = metrics.video_scores(**_scores(runtime, cell.inputs["validation"]))
        threshold = metrics.eer_threshold(videos.label, videos.p_fake)
    about = video_table(runtime.store, cell.inputs["index"], cell.inputs["faces"]).to_pydict()
    statistics = cell.config["statistics"]
    result = metrics.evaluate(**frames, threshold=threshold, about=about, **statistics)
    (folder / FILE).write_text(json.dumps(result, indent=1), encoding="utf-8")


def _scores(runtime: Runtime, key: str) -> dict[str, Any]:
    table = pq.read_table(runtime.store.path(key) / score.FILE)
    return {
        "video_id": np.asarray(table["video_id"].to_pylist(), dtype=np.str_),
        "label": table["label"].to_numpy(),
        "p_fake": table["p_fake"].to_numpy(),
    }
