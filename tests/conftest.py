"""Small data sets, specs and stores for every test."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Networks of this size are faster on one thread than on several.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from dfdbench import cli
from dfdbench import registry as registry_module
from dfdbench.registry import Registry
from dfdbench.runtime import Runtime
from dfdbench.store import Store

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def registry() -> Registry:
    return registry_module.load()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def runtime(registry: Registry, store: Store, tmp_path: Path) -> Runtime:
    return Runtime(registry, store, data=tmp_path / "data", device="cpu")


@pytest.fixture
def real_faces() -> Path:
    folder = SHARED / "data" / "real-faces"
    if not folder.is_dir():
        pytest.skip("needs the real face crops of ../shared/data/real-faces")
    return folder


def write_face(path: Path, seed: int, fake: bool, size: int = 32) -> None:
    """A picture that a small network can tell apart: fakes have a brighter left half."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(60, 160, (size, size, 3))
    if fake:
        pixels[:, : size // 2] += 40
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """A data root with the sets TRAIN, VAL and TEST: 6 real and 6 fake videos of 2 frames each."""
    root = tmp_path / "data"
    for n, name in enumerate(("TRAIN", "VAL", "TEST")):
        for video in range(6):
            for frame in range(2):
                seed = 1000 * n + 10 * video + frame
                write_face(root / name / "real" / f"{video:03d}" / f"{frame:03d}.png", seed, False)
                fake = root / name / "DF" / f"{video:03d}_{video + 1:03d}" / f"{frame:03d}.png"
                write_face(fake, seed + 500, True)
    write_lists(root)
    return root


def write_lists(root: Path) -> None:
    """Make VAL the validation split of TRAIN by a manifest, since folders of crops have none."""
    lines = ["path,label,video_id,split"]
    for split in ("TRAIN", "VAL"):
        for file in sorted((root / split).glob("*/*/*.png")):
            label = "real" if file.parts[-3] == "real" else "fake"
            video = "/".join(file.relative_to(root).parts[:3])
            lines.append(f"{file.relative_to(root)},{label},{video},{split.lower()}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def spec(crops: Path) -> dict[str, Any]:
    """A spec over ``crops`` that runs within seconds."""
    tiny = {"use": "timm", "model": "test_vit", "size": 32, "pretrained": "none"}
    manifest = {"use": "manifest", "table": str(crops / "manifest.csv")}
    return {
        "name": "tiny",
        "seeds": [1],
        "faces": "precropped",
        "train_sets": {"crops": {"dataset": manifest, "validation": "val"}},
        "test_sets": {"test": {"dataset": {"use": "image_folder", "path": "TEST"}, "split": "all"}},
        "detectors": {
            "probe": {"backbone": tiny, "peft": "linear_probe"},
            "ln": {"backbone": tiny, "peft": "ln_tuning", "regularizers": ["l2_norm"]},
        },
        "recipe": {"epochs": 3, "batch_size": 8, "lr": 1e-2, "min_lr": 1e-3},
    }


Write = Callable[[dict[str, Any]], Path]
Disk = Callable[[str], Path]
Dfdbench = Callable[..., tuple[int, str, str]]


@pytest.fixture
def dfdbench(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Dfdbench:
    """Run a command in this process: ``(exit code, standard output, standard error)``.

    The plots of scores are not drawn, which takes seconds: tests of pictures draw them.
    """
    monkeypatch.chdir(tmp_path)
    for name in ("draw_board", "draw_test_set"):
        monkeypatch.setattr(f"dfdbench.leaderboard.pictures.{name}", lambda *_: None)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["dfdbench", *map(str, arguments)])
        try:
            cli.main()
            code: Any = 0
        except SystemExit as exit_:
            code = exit_.code
        printed = capsys.readouterr()
        return code or 0, printed.out, printed.err

    return call


@pytest.fixture
def write_spec(tmp_path: Path) -> Write:
    """Write a spec as YAML and give its path."""
    from ruamel.yaml import YAML

    def write(content: dict[str, Any]) -> Path:
        path = tmp_path / "spec.yaml"
        yaml = YAML(typ="safe", pure=True)
        yaml.sort_base_mapping_type_on_output = False
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(content, file)
        return path

    return write


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A small disk, mounted with options such as ``size=64k`` or ``size=32m,ro``; again: changed.

    It can be full or read-only: chmod does not stop root.
    """
    folder = tmp_path / "disk"
    folder.mkdir()

    def mounted(options: str) -> Path:
        again = ",remount" if os.path.ismount(folder) else ""
        command = ["mount", "-t", "tmpfs", "-o", options + again, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"needs the privilege to mount a small disk: {done.stderr.strip()}")
        return folder

    yield mounted
    if os.path.ismount(folder):
        subprocess.run(["umount", str(folder)], check=True)
