"""Peak memory of training steps, each in a process of its own, and the size of checkpoints."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import measure
from measure import Row

CASES = (("ViT-B-32", 32, 2.5), ("ViT-L-14", 8, 5.7))
"""Vision tower, batch size, the most that a process may take in GB (1e9 bytes)."""
CHECKPOINT_TARGET = 1.0
STEPS = 3


def train(model: str, batch: int) -> dict[str, Any]:
    """Train for some steps in this process and finish the epoch; sizes in bytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = measure.ln_tuning(model, batch, folder)
        built = measure.peak_memory()

        import numpy as np

        from dfdbench.faces import Faces
        from dfdbench_plugins.composed.loading import TrainBatches, loader

        count = STEPS * batch
        form = run.model.encoder.input
        images = measure.pictures(count, form.size)
        faces = Faces.from_arrays(images, np.arange(count) % 2)
        batches = loader(TrainBatches(faces, form, (), batch, seed=0), workers=0)
        record = run.one_epoch(batches, faces, run.context.progress)
        most = measure.peak_memory()
        run.finish(record, selects=False)
        files = {file.stem: file.stat().st_size for file in folder.glob("*.safetensors")}
        weights = sum(p.numel() * p.element_size() for p in run.model.parameters())
    return {"built": built, "most": most, "weights": weights, **files}


def rows_of(model: str, batch: int, limit: float) -> list[Row]:
    """Measure one tower."""
    found = measure.in_child(__file__, "--child", model, batch)
    name = f"{model}, batch {batch}"
    most, weights = found["most"] / 1e9, found["weights"] / 1e9
    rows = [
        Row(
            f"{name}: most memory in {STEPS} steps",
            f"{most:.2f} GB",
            f"{most / weights:.1f} times the weights ({weights:.2f} GB)",
            f"<= {limit} GB",
            most <= limit,
        ),
        Row(
            f"{name}: of that, before the first step",
            f"{found['built'] / 1e9:.2f} GB",
            f"{found['built'] / found['most']:.2f} of the most",
        ),
    ]
    for what, file in (("with optimizer state", "resume"), ("for scoring", "checkpoint")):
        size = found[file] / 1e6
        rows.append(
            Row(
                f"{model}: checkpoint {what}",
                f"{size:.3f} MB",
                f"1/{found['weights'] / found[file]:.0f} of the weights",
                f"< {CHECKPOINT_TARGET:.0f} MB" if model == CASES[0][0] else "",
                size < CHECKPOINT_TARGET if model == CASES[0][0] else None,
            )
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[model for model, _, _ in CASES], help="only this tower")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        model, batch = options.child
        print(json.dumps(train(model, int(batch))))
        return
    chosen = [case for case in CASES if options.only in (None, case[0])]
    print(measure.table(row for case in chosen for row in rows_of(*case)))


if __name__ == "__main__":
    main()
