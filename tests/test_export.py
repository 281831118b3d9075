"""Exported files: the detector with its preprocessing, seen to give the same scores."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Dfdbench
from torch import nn
from trained import Benchmark, Brightness, benchmark, by_brightness

from dfdbench import export as exporting
from dfdbench import media
from dfdbench.api import Context
from dfdbench.encoder import Input
from dfdbench.errors import DataError, DfdbenchError, MissingError, SpecError
from dfdbench.export import formats, reading
from dfdbench.export.graph import FromFaces, Resize
from dfdbench.predict import finding, pipeline
from dfdbench.predict.finding import Trained
from dfdbench.runtime import Runtime
from dfdbench_plugins.precropped import Precropped

HALF = Input(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return benchmark(tmp_path_factory.mktemp("benchmark"))


@pytest.fixture(scope="module")
def ln(trained: Benchmark) -> Trained:
    return finding.find(f"{trained.results}:ln:crops:1", trained.runtime)


@pytest.fixture(scope="module")
def written(ln: Trained, trained: Benchmark) -> Callable[[str], exporting.Exported]:
    """Exports ``ln`` in a format, once; skips where the format's libraries are not installed."""

    @cache
    def write(format: str) -> exporting.Exported:
        needed(format)
        out = trained.folder / format / f"ln{formats.FORMATS[format][0]}"
        return exporting.export(ln, format, out, trained.runtime)

    return write


def needed(format: str) -> None:
    """Skip where the libraries of a format are not installed."""
    if format == "onnx":
        for library in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(library, reason="the extra `export` is not installed")


def noise(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def faces_in(folder: Path, count: int, size: int = 40) -> list[Path]:
    """Noise as image files."""
    from PIL import Image

    paths = []
    for n, image in enumerate(noise(count, size)):
        paths.append(folder / f"face{n}.png")
        Image.fromarray(image).save(paths[-1])
    return paths


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize(("source", "target"), [(256, 224), (97, 224), (64, 31), (48, 48)])
def test_faces_are_resized_to_the_very_pixels_of_pillow(
    source: int, target: int, interpolation: str
) -> None:
    images = noise(3, source)
    images[0] = images[0] // 255 * 255  # extremes, so that filters overshoot
    wanted = np.stack([media.resize(image, target, interpolation) for image in images])
    resize = Resize(source, target, interpolation)
    found = resize(torch.from_numpy(images).permute(0, 3, 1, 2).float()).permute(0, 2, 3, 1)
    assert np.array_equal(found.numpy(), wanted)


def test_the_network_gets_what_the_encoder_asks_for() -> None:
    form = Input(24, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4), "bilinear")
    images = noise(2, 40)
    resized = np.stack([media.resize(image, 24, "bilinear") for image in images])
    wanted = form.normalise(torch.from_numpy(resized).permute(0, 3, 1, 2))
    found = FromFaces(40, form, nn.Identity())(torch.from_numpy(images).permute(0, 3, 1, 2))
    assert torch.allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("format", formats.FORMATS)
def test_a_file_gives_the_scores_of_the_detector(
    written: Callable[[str], exporting.Exported], format: str
) -> None:
    made = written(format)
    assert (made.size, made.faces) == (32, 24)  # the 24 faces of validation
    assert made.difference <= 1e-6 and made.high - made.low > 0.01
    assert made.bytes == made.path.stat().st_size
    assert list(made.path.parent.iterdir()) == [made.path]


@pytest.mark.parametrize("format", ["onnx", "torchscript"])
def test_a_file_predicts_without_the_store_as_the_detector_does(
    ln: Trained,
    trained: Benchmark,
    written: Callable[[str], exporting.Exported],
    runtime: Runtime,
    format: str,
) -> None:
    out = written(format).path
    alone = finding.find(str(out), runtime)
    assert alone.calibration == ln.calibration is not None
    assert alone.preprocessor == ln.preprocessor
    assert alone.title == f"ln, trained on crops with seed 1 (from {out.name})"
    files = sorted((trained.folder / "data" / "TEST").rglob("*.png"))
    found = pipeline.predict(alone, files, runtime)
    wanted = pipeline.predict(ln, files, trained.runtime)
    assert [f.score for f in found] == pytest.approx([w.score for w in wanted], abs=1e-6)


def test_a_safetensors_file_holds_the_weights_and_what_they_are(
    ln: Trained, trained: Benchmark, written: Callable[[str], exporting.Exported]
) -> None:
    out = written("safetensors").path
    content = out.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    about = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["dfdbench"])
    assert about["ids"] == {"detector": "ln", "train_set": "crops", "seed": 1}
    assert about["size"] == 32 and about["key"] == ln.key
    assert str(trained.folder) not in json.dumps(about)  # no path of this machine
    with pytest.raises(SpecError, match="weights without a network"):
        finding.find(str(out), trained.runtime)


class Network(nn.Module):
    """p(fake) as :class:`Brightness` has it, and ``off`` more."""

    def __init__(self, off: float, fixed: bool = False) -> None:
        super().__init__()
        self.off, self.fixed = off, fixed

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        p = (images.mean((1, 2, 3)) + 1) / 2 + self.off
        return p + torch.zeros(len(images)) if self.fixed else p


class Exportable(Brightness):
    """A detector with a network."""

    name = "exportable"
    off: float = 0.0
    fixed: bool = False

    def module(self, size: int, context: Context) -> nn.Module:
        return FromFaces(size, Input(size, HALF.mean, HALF.std), Network(self.off, self.fixed))


def exported(tmp_path: Path, runtime: Runtime, detector: Brightness, count: int = 5) -> Any:
    mine = by_brightness(Precropped(), tmp_path, detector=detector)
    (tmp_path / "faces").mkdir()
    files = faces_in(tmp_path / "faces", count)
    return exporting.export(mine, "torchscript", tmp_path / "a.torchscript", runtime, files)


def test_given_faces_check_a_file_where_the_store_has_none(
    tmp_path: Path, runtime: Runtime
) -> None:
    made = exported(tmp_path, runtime, Exportable())
    assert (made.size, made.faces) == (40, 5) and made.difference < 1e-6
    assert reading.run(made.path, noise(9, 40)).shape == (9,)  # any number of faces


def test_a_file_that_scores_otherwise_is_not_written(tmp_path: Path, runtime: Runtime) -> None:
    with pytest.raises(
        DfdbenchError,
        match=r"nothing was written: .* is up to 0\.0002 off .* on 5 faces, and 0\.0001 is "
        r"allowed\. The network that was exported is 0\.0002 off the original",
    ):
        exported(tmp_path, runtime, Exportable(off=2e-4))
    assert list(tmp_path.glob("*.torchscript")) + list(tmp_path.glob(".*")) == []


def test_a_difference_below_the_tolerance_is_written_down(tmp_path: Path, runtime: Runtime) -> None:
    assert exported(tmp_path, runtime, Exportable(off=5e-5)).difference == pytest.approx(5e-5, 0.1)


def test_a_network_that_knows_one_number_of_faces_is_not_written(
    tmp_path: Path, runtime: Runtime
) -> None:
    with pytest.raises(DfdbenchError, match=r"does not run on 5 faces: .*traced with 3"):
        exported(tmp_path, runtime, Exportable(fixed=True))
    assert list(tmp_path.glob("*.torchscript")) + list(tmp_path.glob(".*")) == []


def test_a_detector_without_a_network_says_so(tmp_path: Path, runtime: Runtime) -> None:
    with pytest.raises(SpecError, match="'brightness' gives no network that could be exported"):
        exported(tmp_path, runtime, Brightness())


def test_wrong_formats_names_and_faces_are_said(
    ln: Trained, tmp_path: Path, runtime: Runtime
) -> None:
    with pytest.raises(SpecError, match="it is onnx, torchscript, safetensors"):
        exporting.export(ln, "tflite", tmp_path / "a.tflite", runtime)
    with pytest.raises(SpecError, match=r"a file of the format onnx ends in \.onnx"):
        exporting.export(ln, "onnx", tmp_path / "a.pt", runtime)
    with pytest.raises(MissingError, match="--check FILE"):  # another store, without faces
        exporting.export(ln, "torchscript", tmp_path / "a.torchscript", runtime)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(DataError, match=r"text\.png: not an image"):
        exporting.export(
            ln, "torchscript", tmp_path / "a.torchscript", runtime, [tmp_path / "text.png"]
        )


@pytest.mark.parametrize("suffix", [".onnx", ".torchscript"])
def test_a_damaged_file_says_so(tmp_path: Path, runtime: Runtime, suffix: str) -> None:
    needed("onnx")
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"nothing that runs")
    with pytest.raises(DataError, match=r"is no file that `dfdbench export` wrote, or a damaged"):
        finding.find(str(path), runtime)


def test_the_command_writes_the_file_and_its_card(
    trained: Benchmark, dfdbench: Dfdbench, tmp_path: Path
) -> None:
    store = trained.folder / "store"
    name = f"{trained.results}:ln:crops:2"
    code, out, err = dfdbench("export", name, "--out", "ln.torchscript", "--store", store)
    assert (code, err) == (0, "")
    assert "takes faces of 32 x 32 pixels" in out and "on 24 faces" in out
    card = (tmp_path / "ln.md").read_text(encoding="utf-8")
    assert card.startswith("# ln, trained on crops with seed 2\n") and "| test " in card
    code, _, err = dfdbench("export", name, "--out", "ln.zip", "--store", store)
    assert code == 2 and "it is onnx, torchscript, safetensors" in err
