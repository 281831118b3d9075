"""Stage 4: score every face of a test set; one row a face, so that any metric can be recomputed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dfdbench.api import Detector, Transform
from dfdbench.errors import DfdbenchError
from dfdbench.faces import open_faces
from dfdbench.runtime import Runtime
from dfdbench.stages.train import context

VERSION = 1
FILE = "scores.parquet"


def run(cell: Any, runtime: Runtime, folder: Path) -> None:
    """Write p(fake) of every face.

    Raises:
        DfdbenchError: the detector returned something else than probabilities.
    """
    resolve = runtime.registry.resolve
    detector = resolve("detector", cell.config["detector"])
    perturbation = cell.config["perturbation"]
    transform = resolve("transform", perturbation) if perturbation else None
    assert isinstance(detector, Detector)
    assert transform is None or isinstance(transform, Transform)
    faces = open_faces(
        runtime.store, cell.inputs["faces"], cell.config["test_set"], transform, runtime.progress
    )
    trained = runtime.store.path(cell.inputs["train"]) if "train" in cell.inputs else folder
    p_fake = np.asarray(detector.score(faces, context(0, runtime, trained)), dtype=np.float64)
    _check(p_fake, len(faces), cell.title)
    columns = {
        "video_id": faces.video_id,
        "frame_index": faces.frame_index,
        "path": faces.path,
        "label": faces.labels,
        "p_fake": p_fake,
    }
    pq.write_table(pa.table(columns), folder / FILE)


def _check(p_fake: Any, count: int, title: str) -> None:
    if p_fake.shape != (count,):
        raise DfdbenchError(f"{title}: {count} faces got scores of the shape {p_fake.shape}")
    wrong = p_fake[~np.isnan(p_fake) & ((p_fake < 0) | (p_fake > 1))]
    if len(wrong):
        raise DfdbenchError(f"{title}: the score {wrong[0]} is no probability in [0, 1]")
