"""Stage 3: train a detector on a train set with a seed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dfdbench.api import Context, Detector
from dfdbench.errors import TrainingError
from dfdbench.faces import open_faces
from dfdbench.runtime import Runtime

VERSION = 1
FIT = "fit.json"
RESUMABLE = True


def run(cell: Any, runtime: Runtime, folder: Path) -> None:
    """Fit the detector in the cell's folder and record what it says of its training."""
    detector = runtime.registry.resolve("detector", cell.config["detector"])
    assert isinstance(detector, Detector)
    train = open_faces(runtime.store, cell.inputs["train"], "train", None, runtime.progress)
    for label, name in ((0, "real"), (1, "fake")):
        if not (train.labels == label).any():
            raise TrainingError(f"{cell.title}: the training split has no {name} face")
    validation = None
    if "validation" in cell.inputs:
        validation = open_faces(
            runtime.store, cell.inputs["validation"], "validation", None, runtime.progress
        )
    fit = detector.fit(train, validation, context(cell.config["seed"], runtime, folder))
    if cell.config["validation_is"] == "test" and fit.selected_on == "validation":
        fit.selected_on = "test"
    (folder / FIT).write_text(json.dumps(asdict(fit), indent=1), encoding="utf-8")


def context(seed: int, runtime: Runtime, folder: Path) -> Context:
    """What the detector gets besides the data."""
    device = runtime.torch_device()
    return Context(
        folder=folder,
        seed=seed,
        device=device,
        workers=runtime.workers if device != "cpu" else 0,
        progress=runtime.progress,
    )
