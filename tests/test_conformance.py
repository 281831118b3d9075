"""Every built-in component keeps its kind's contract, by the suite that plugin authors run."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import layouts
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import write_face
from videos import astronaut, background, numbered, place, write_video

from dfdbench.data import recipes
from dfdbench.registry import BUILTINS, Registry
from dfdbench.testing import Case, checks, importing, samples
from dfdbench.testing.suite import run_one

TINY = {"use": "timm", "model": "test_vit", "size": 32, "pretrained": "none"}
RECIPE = {"epochs": 2, "batch_size": 8, "lr": 1e-2, "min_lr": 1e-3, "precision": "fp32"}

OPTIONS: dict[str, dict[str, Any]] = {
    "dataset.image_folder": {"path": "CROPS"},
    "dataset.manifest": {"table": "{data}/manifest.csv"},
    "dataset.deepfakebench": {"dataset": "Celeb-DF-v2"},
    "preprocessor.from_recipe": {"path": "{data}/recipe.parquet"},
    "transform.affine": {"scale": 1.1},
    "transform.gaussian_blur": {"kernel": 5, "sigma": 1.5},
    "transform.jpeg": {"quality": 50},
    "transform.resize": {"factor": 0.5},
    "transform.gaussian_noise": {"sigma": 8.0},
    "transform.h264": {"crf": 30},
    "backbone.open_clip": {"model": "ViT-S-32-alt", "pretrained": "none"},
    "backbone.timm": {"model": "test_vit", "pretrained": "none", "size": 32},
    "detector.composed": {
        "backbone": TINY, "peft": "ln_tuning", "regularizers": ["slerp", "l2_norm"],
        "recipe": RECIPE | {"augment": ["flip", {"use": "jpeg", "quality": [60, 100]}]},
    },
    "detector.scores": {"path": "{data}/scores.csv"},
    "detector.released": {"model": "clip_ln", "weights": "{data}/none.safetensors"},
    "logger.tensorboard": {"folder": "{data}/runs"},
    "logger.wandb": {"mode": "offline"},
    "logger.mlflow": {"tracking_uri": "{data}/mlruns"},
}  # fmt: skip
"""What has no default, and single strengths instead of ranges; for the others all defaults."""

SPLITS = {"image_folder": "all", "synthetic_faces": "val"}
NEEDS = {"logger.wandb": "wandb", "logger.mlflow": "mlflow", "logger.tensorboard": "tensorboard",
         "peft.lora": "peft"}  # fmt: skip

ABSENT = {"detector.released"}
"""What cannot be used here, because its weights of 1.2 GB are somebody else's to give."""
WITHOUT_USE = {
    "it_has_a_name_and_a_meaning", "options_survive_yaml", "unknown_options_are_refused",
    *(check.name for check in importing.CHECKS),
}  # fmt: skip


@cache
def names() -> list[str]:
    from dfdbench import registry

    found = registry.load().entries()
    return [f"{k}.{e.cls.name}" for k, e in found if e.cls.__module__.startswith(BUILTINS)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that the built-ins need: data sets, crops, a manifest, a recipe, scores."""
    root = tmp_path_factory.mktemp("data")
    write_video(root / "clip.mp4", numbered(4))
    clip = (root / "clip.mp4").read_bytes()
    layouts.write_all(root, lambda path, label: path.write_bytes(clip + path.name.encode()), 2)
    lines = ["path,label,video_id,split"]
    for n in range(4):
        name = f"CROPS/{('real', 'DF')[n % 2]}/00{n}/000.png"
        write_face(root / name, n, bool(n % 2))
        lines.append(f"{name},{n % 2},video{n},test")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    listed = {"CelebDFv2_real": {"test": ["a"]}, "CelebDFv2_fake": {"test": ["b"]}}
    layouts.deepfakebench(root, lambda p, y: write_face(p, len(p.parts), bool(y)), "Celeb-DF-v2",
                          listed)  # fmt: skip
    face = {"video_id": "video", "frame_index": 1, "size": 64, "sha256": "",
            "landmarks": [0.0] * 10, "transform": [1.0, 0.0, 5.0, 0.0, 1.0, 5.0]}  # fmt: skip
    pq.write_table(pa.Table.from_pylist([face], recipes.SCHEMA), root / "recipe.parquet")
    ids = np.unique(samples.faces(3, videos=8, name="test").video_id)
    scores = [f"{id},{0.1 + n / 10}" for n, id in enumerate(ids)]
    (root / "scores.csv").write_text("\n".join(["video_id,p_fake", *scores]) + "\n")
    return root


def film() -> samples.Frames:
    """Frames with one face, as the video whose face the recipe above cuts."""
    frame = place(background(256, 256), astronaut(160), (150, 120))
    return samples.Frames([frame, frame[:, ::-1].copy(), frame])


Make = Callable[[str], Case]


@pytest.fixture
def make(registry: Registry, data: Path, tmp_path: Path) -> Make:
    def make(name: str) -> Case:
        kind, _, short = name.partition(".")
        options = {
            k: v.format(data=data) if isinstance(v, str) else v
            for k, v in OPTIONS.get(name, {}).items()
        }
        component = registry.resolve(kind, {"use": short, **options})
        module = ".".join(type(component).__module__.split(".")[:2])
        with_face = kind == "preprocessor"
        return Case(
            component, tmp_path, data, SPLITS.get(short, "test"), module=module,
            frames=film if with_face else None,
        )  # fmt: skip

    return make


@pytest.mark.parametrize("name", names())
def test_a_built_in_keeps_its_contract(name: str, make: Make) -> None:
    library = NEEDS.get(name)
    if library and importlib.util.find_spec(library) is None:
        pytest.skip(f"needs {library}")
    case = make(name)
    kind = case.component.kind
    asked = [check for check in checks(kind) if name not in ABSENT or check.name in WITHOUT_USE]
    results = [run_one(check, case) for check in asked]
    assert [f"{r.check.name}: {r.why}" for r in results if r.outcome == "failed"] == []
    lacks = {r.why for r in results if r.outcome == "not run"}
    assert lacks == ({"it does not train"} if name == "detector.scores" else set())
    assert {r.check.name for r in results} >= WITHOUT_USE


def test_the_options_above_belong_to_built_ins() -> None:
    assert OPTIONS.keys() | SPLITS.keys() | NEEDS.keys() | ABSENT <= {
        *names(), *(name.partition(".")[2] for name in names())
    }  # fmt: skip
