"""Stage 4: score every face of a test set; one row a face, so that any metric can be recomputed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

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
        DfdbenchError: the detector returned something else than probabilities, or did not look at
            the faces that it was to score under a perturbation.
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
    looked: list[Any] = []

    def load(*how: Any) -> Any:
        looked.append(how)
        return pixels(*how)

    pixels, faces = faces.load, replace(faces, load=load)
    trained = runtime.store.path(cell.inputs["train"]) if "train" in cell.inputs else folder
    columns: dict[str, NDArray[Any]] = {  # before the detector sees them, which might change them
        "video_id": faces.video_id.copy(),
        "frame_index": faces.frame_index.copy(),
        "path": faces.path.copy(),
        "label": faces.labels.copy(),
    }
    returned = detector.score(faces, context(0, runtime, trained))
    try:
        columns["p_fake"] = probabilities(returned, len(columns["label"]))
    except ValueError as error:
        raise DfdbenchError(f"{cell.title}: the detector {detector.name!r} {error}") from error
    if transform is not None and not looked:
        raise DfdbenchError(
            f"{cell.title}: the detector {detector.name!r} never asked for the faces' images, so "
            "no perturbation acts on it; where that is as it should be, its class has `looks = "
            "False`"
        )
    pq.write_table(pa.table(columns), folder / FILE)


def probabilities(returned: Any, count: int) -> NDArray[np.float64]:
    """What ``Detector.score`` returned for ``count`` faces, as an array (N,).

    Raises:
        ValueError: it is something else than probabilities, or none at all.
    """
    try:
        p_fake = np.asarray(returned)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"returned {type(returned).__name__}, no array: {error}") from error
    if p_fake.dtype.kind != "f":
        raise ValueError(
            f"returned {type(returned).__name__} of the type {p_fake.dtype}; `score` returns an "
            "array of floating-point numbers"
        )
    if p_fake.shape != (count,):
        raise ValueError(
            f"gave {count} faces scores of the shape {p_fake.shape}; `score` returns one number a "
            f"face, the shape ({count},)"
        )
    wrong = p_fake[~np.isnan(p_fake) & ~((p_fake >= 0) & (p_fake <= 1))]
    if len(wrong):
        raise ValueError(f"gave the score {wrong[0]}, which is no probability in [0, 1]")
    if np.isnan(p_fake).all():
        raise ValueError(
            f"scored none of {count} faces: all are NaN, which marks a face that cannot be scored"
        )
    return p_fake.astype(np.float64)
