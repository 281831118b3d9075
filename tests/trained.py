"""A detector that was trained for tests, and simple ones whose scores are known by hand."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from conftest import write_face, write_lists
from ruamel.yaml import YAML

from dfdbench import plan as planning
from dfdbench import registry, run, spec
from dfdbench.api import Context, Detector, FacePreprocessor, Fit
from dfdbench.executors.local import Local
from dfdbench.faces import Faces
from dfdbench.predict.finding import Trained
from dfdbench.runtime import Runtime
from dfdbench.stages import report
from dfdbench.store import Store


class Brightness(Detector):
    """p(fake) is the mean of the face's pixels over 255."""

    name = "brightness"

    def fit(self, train: Faces, validation: Faces | None, context: Context) -> Fit:
        return Fit()

    def score(self, faces: Faces, context: Context) -> Any:
        return faces.images().mean(axis=(1, 2, 3)) / 255


class Unasked(Brightness):
    """Must never be asked."""

    name = "unasked"

    def score(self, faces: Faces, context: Context) -> Any:
        raise AssertionError("there is nothing to score")


def by_brightness(preprocessor: FacePreprocessor, folder: Path, **changes: Any) -> Trained:
    """A detector that needs no training."""
    return Trained(
        "brightness", changes.pop("detector", Brightness()), preprocessor, folder, **changes
    )


@dataclass
class Benchmark:
    """A small benchmark that was run.

    Attributes:
        folder: where spec, data, store and results are.
        spec: the spec's file.
        results: its results folder.
        runtime: opens its store.
        plan: what was run.
    """

    folder: Path
    spec: Path
    results: Path
    runtime: Runtime
    plan: planning.Plan

    def key(self, stage: str, **ids: Any) -> str:
        """The key of the only cell of a stage with these ids."""
        (key,) = (
            cell.key
            for cell in self.plan.cells.values()
            if cell.stage == stage and ids.items() <= cell.ids.items()
        )
        return key


def benchmark(folder: Path) -> Benchmark:
    """Train ``ln`` with two seeds and ``probe`` on small pictures of 32 px, within seconds."""
    root = folder / "data"
    for n, name in enumerate(("TRAIN", "VAL", "TEST")):
        for video in range(6):
            for frame in range(2):
                seed = 1000 * n + 10 * video + frame
                fake = root / name / "DF" / f"{video:03d}_{video + 1:03d}" / f"{frame:03d}.png"
                write_face(root / name / "real" / f"{video:03d}" / f"{frame:03d}.png", seed, False)
                write_face(fake, seed + 500, True)
    write_lists(root)
    # 48: faces of 32 px are resized, so that the exported preprocessing has something to do.
    tiny = {"use": "timm", "model": "test_vit", "size": 48, "pretrained": "none"}
    content = {
        "name": "tiny",
        "seeds": [1, 2],
        "faces": {"use": "precropped"},
        "train_sets": {
            "crops": {
                "dataset": {"use": "manifest", "table": str(root / "manifest.csv")},
                "validation": "val",
            }
        },
        "test_sets": {"test": {"dataset": {"use": "image_folder", "path": "TEST"}, "split": "all"}},
        "detectors": {"ln": {"backbone": tiny, "peft": "ln_tuning", "regularizers": ["l2_norm"]}},
        "recipe": {"epochs": 2, "batch_size": 8, "lr": 1e-2, "min_lr": 1e-3},
    }
    path = folder / "tiny.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(content, file)
    runtime = Runtime(registry.load(), Store(folder / "store"), data=root, device="cpu")
    plan = planning.make(spec.load(str(path), runtime.registry), runtime)
    outcome = run.run(run.wanted(plan), runtime, Local(runtime))
    assert not outcome.failures, os.linesep.join(f.reason for f in outcome.failures.values())
    report.write(plan, runtime, outcome, folder / "results", 0.0)
    return Benchmark(folder, path, folder / "results", runtime, plan)


def picture(value: int, size: tuple[int, int] = (64, 64)) -> np.ndarray:
    """A grey picture (H, W, 3)."""
    return np.full((*size, 3), value, np.uint8)
