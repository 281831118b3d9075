"""Peak memory of training steps, each in a process of its own, and the size of checkpoints."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import measure
from measure import Case, Row

CASES = (
    (Case("ViT-B-32", False, 32), 2.5),
    (Case("ViT-B-32", True, 32), 2.5),
    (Case("ViT-L-14", False, 8), 5.7),
    (Case("ViT-L-14", True, 8), 5.7),
)
"""The training, and the most that its process may take in GB (1e9 bytes)."""
CHECKPOINT_TARGET = 1e6
STEPS = 3


def train(case: Case) -> dict[str, Any]:
    """Train for some steps in this process and finish the epoch; sizes in bytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = measure.ln_tuning(case, folder)
        built = measure.peak_memory()

        import numpy as np

        from dfdbench.faces import Faces
        from dfdbench_plugins.composed.loading import TrainBatches, loader

        count = STEPS * case.batch
        form = run.model.encoder.input
        images = measure.pictures(count, form.size)
        faces = Faces.from_arrays(images, np.arange(count) % 2)
        batches = loader(TrainBatches(faces, form, (), case.batch, seed=0), workers=0)
        record = run.one_epoch(batches, faces, run.context.progress)
        most = measure.peak_memory()
        run.finish(record, selects=False)
        files = {file.stem: file.stat().st_size for file in folder.rglob("*.safetensors")}
        weights = sum(p.numel() * p.element_size() for p in run.model.parameters())
    return {"built": built, "most": most, "weights": weights, **files}


def memory_rows(case: Case, limit: float, found: dict[str, Any]) -> list[Row]:
    """What the process of a training took."""
    most, weights, built = (found[name] / 1e9 for name in ("most", "weights", "built"))
    return [
        Row(
            f"{case.title}: peak memory of {STEPS} steps",
            f"{most:.2f} GB",
            f"{most / weights:.1f} times the weights ({weights:.2f} GB)",
            f"<= {limit} GB",
            most <= limit,
        ),
        Row(
            f"{case.title}: of that, libraries and weights before the first step",
            f"{built:.2f} GB",
            f"{built / most:.2f} of the peak",
        ),
    ]


def checkpoint_rows(case: Case, found: dict[str, Any]) -> list[Row]:
    """What an epoch leaves on the disk."""
    return [
        Row(
            f"{case.model}: checkpoint {what}",
            f"{found[file] / 1e6:.3f} MB",
            f"1/{found['weights'] / found[file]:.0f} of the weights",
            f"< {CHECKPOINT_TARGET / 1e6:.0f} MB",
            found[file] < CHECKPOINT_TARGET,
        )
        for what, file in (("with optimizer state", "resume"), ("to score with", "checkpoint"))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="TEXT", default="", help="cases whose title has this")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        print(json.dumps(train(CASES[options.child][0])))
        return
    rows: list[Row] = []
    files: list[Row] = []
    for n, (case, limit) in enumerate(CASES):
        if options.only in case.title:
            found = measure.in_child(__file__, "--child", n)
            rows += memory_rows(case, limit, found)
            files = files or checkpoint_rows(case, found)
    print(measure.table(rows + files))


if __name__ == "__main__":
    main()
