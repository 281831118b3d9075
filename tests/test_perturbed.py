"""Faces under a perturbation: that it acts, on what it acts, and what zero of it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import Dfdbench, Write
from numpy.typing import NDArray

from dfdbench import plan, results
from dfdbench import registry as registries
from dfdbench import spec as specs
from dfdbench.api import Transform
from dfdbench.data.perturbed import CHUNK, Perturbing, chunks
from dfdbench.errors import DataError, DfdbenchError
from dfdbench.executors import execute
from dfdbench.faces import Faces, open_faces
from dfdbench.registry import Registry
from dfdbench.runtime import Runtime
from dfdbench.stages import score

Open = Callable[[Transform | None], Faces]


class Plain(Transform):
    """Changes nothing, and says nothing of it."""

    name = "plain"

    def augment(self, images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        return images

    def perturb(self, images: torch.Tensor) -> torch.Tensor:
        return images


class Marking(Plain):
    """Writes the place of a face among those it is given into its first pixel."""

    name = "marking"
    per_video: ClassVar[bool] = True

    def perturb(self, images: torch.Tensor) -> torch.Tensor:
        images[:, 0, 0, 0] = torch.arange(len(images), dtype=torch.uint8)
        return images


@pytest.fixture
def faces_of(runtime: Runtime, spec: dict[str, Any], registry: Registry) -> Open:
    """The test set's 24 faces, as they are or under a perturbation."""
    made = plan.make(specs.validate(spec, registry), runtime)
    cell = next(c for c in made.cells.values() if c.stage == "faces" and c.ids["set"] == "test")
    execute(cell, runtime)
    return lambda perturbation: open_faces(runtime.store, cell.key, "test", perturbation)


def transform(registry: Registry, **options: Any) -> Transform:
    found = registry.resolve("transform", options)
    assert isinstance(found, Transform)
    return found


def images(count: int, seed: int = 0) -> list[NDArray[np.uint8]]:
    return list(np.random.default_rng(seed).integers(9, 200, (count, 8, 8, 3), dtype=np.uint8))


# That it acts


def test_a_perturbation_that_changes_no_pixel_of_a_test_set_is_an_error(
    faces_of: Open, registry: Registry
) -> None:
    # 0.99 of 32 pixels are 32 pixels: what a slip of the pen makes of 0.9.
    found = faces_of(transform(registry, use="resize", factor=0.99))
    with pytest.raises(
        DataError,
        match=r"{use: resize, factor: 0\.99, filter: bicubic} changes no pixel of 24 faces",
    ):
        found.images()
    with pytest.raises(DataError, match="changes no pixel"):
        found.images(24)
    assert faces_of(transform(registry, use="resize", factor=0.9)).images().shape == (24, 32, 32, 3)


def test_one_face_that_changes_is_enough() -> None:
    class Spot(Plain):
        """Changes the last face of the second chunk only."""

        name = "spot"

        def perturb(self, images: torch.Tensor) -> torch.Tensor:
            if len(images) == 3:
                images[2, 0, 0, 0] += 1
            return images

    perturb = Perturbing(Spot())
    perturb(images(4), range(4))
    with pytest.raises(DataError, match="changes no pixel of 4 faces"):
        perturb.check()
    perturb(images(3), range(3))
    perturb.check()


@pytest.mark.parametrize(
    "options",
    [
        {"use": "gaussian_noise", "sigma": 0},
        {"use": "gaussian_blur", "kernel": None, "sigma": 0},
        {"use": "resize", "factor": 1},
    ],
)
def test_at_strength_zero_the_faces_are_the_clean_ones_bit_for_bit(
    faces_of: Open, registry: Registry, options: dict[str, Any]
) -> None:
    zero = faces_of(transform(registry, **options))
    assert np.array_equal(zero.images(), faces_of(None).images())
    assert np.array_equal(zero.images(24), faces_of(None).images(24))


def test_a_plugin_that_calls_a_change_strength_zero_is_told_so(faces_of: Open) -> None:
    class Bold(Marking):
        """Changes every face and says that it does nothing."""

        name = "bold"

        def does_nothing(self) -> bool:
            return True

    with pytest.raises(DataError, match=r"{use: bold} says .* zero, and changes 24 of 24 faces"):
        faces_of(Bold()).images()


def test_a_perturbation_that_returns_another_shape_or_type_is_told_so() -> None:
    class Half(Plain):
        """Returns every second row, as floats."""

        name = "half"

        def perturb(self, images: torch.Tensor) -> torch.Tensor:
            return images[:, :, ::2].float()

    with pytest.raises(DfdbenchError, match=r"{use: half} made \(2, 3, 4, 8\) torch.float32 of"):
        Perturbing(Half())(images(2), range(2))


def test_a_perturbation_may_write_into_what_it_is_given_without_spoiling_the_check() -> None:
    clean = images(2)
    before = [image.copy() for image in clean]
    perturb = Perturbing(Marking())
    changed = perturb(clean, [0, 1])
    perturb.check()
    assert np.array_equal(np.stack(clean), np.stack(before))
    assert [image[0, 0, 0] for image in changed] == [0, 1]


# On what it acts


def test_faces_are_held_by_the_video_or_256_at_a_time() -> None:
    ids = ["a"] * 300 + ["b"] + ["a"] * 2
    assert [(s.start, s.stop) for s in chunks(ids, True)] == [(0, 300), (300, 301), (301, 303)]
    assert [(s.start, s.stop) for s in chunks(ids, False)] == [(0, CHUNK), (CHUNK, 303)]


def test_a_perturbation_of_whole_videos_gets_each_alone(faces_of: Open) -> None:
    marks = faces_of(Marking()).images()[:, 0, 0, 0]
    assert marks.tolist() == [0, 1] * 12


def test_a_perturbation_of_whole_videos_gets_the_order_of_frames_whatever_is_stored() -> None:
    changed = Perturbing(Marking())(images(4), [30, 10, 40, 20])
    assert [int(image[0, 0, 0]) for image in changed] == [2, 0, 3, 1]
    clean = images(4)
    assert all(np.array_equal(a[1:], b[1:]) for a, b in zip(changed, clean, strict=True))


def test_h264_of_a_test_set_is_that_of_each_video(faces_of: Open, registry: Registry) -> None:
    h264 = transform(registry, use="h264", crf=30)
    clean = torch.from_numpy(faces_of(None).images()[:].copy()).permute(0, 3, 1, 2)
    expected = torch.cat([h264.perturb(clean[n : n + 2]) for n in range(0, 24, 2)])
    assert np.array_equal(faces_of(h264).images(), expected.permute(0, 2, 3, 1).numpy())


def test_perturbed_pixels_are_made_anew_when_the_transform_s_source_changes(
    faces_of: Open, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pixels() -> int:
        keys = runtime.store.finished()
        return sum(runtime.store.meta(key).get("stage") == "pixels" for key in keys)

    for perturbation in (None, Marking(), None, Marking()):
        faces_of(perturbation).images()
    assert pixels() == 2
    monkeypatch.setattr(registries, "source_hash", lambda module: "another")
    for perturbation in (None, Marking()):
        faces_of(perturbation).images()
    assert pixels() == 3


# In a benchmark


def test_a_sweep_s_zero_has_the_clean_scores_bit_for_bit_and_a_no_op_fails_alone(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path
) -> None:
    spec["perturbations"] = {
        "noise": {"use": "gaussian_noise", "sweep": {"sigma": [0, 60]}},
        "small": {"use": "resize", "sweep": {"factor": [0.5, 0.99]}},
        "h264": {"use": "h264", "crf": 30},
    }
    code, _, err = dfdbench("run", write_spec(spec), "--data", crops, "--only", "ln")
    assert code == 4
    folder = Path("results/tiny")
    rows = {row["perturbation"]: row for row in results.read([folder])[str(folder)]["rows"]}
    assert {name: row["status"] for name, row in rows.items()} == {
        "none": "done", "noise_0": "done", "noise_60": "done", "small_0_5": "done",
        "small_0_99": "failed", "h264": "done",
    }  # fmt: skip
    assert (
        "{use: resize, factor: 0.99, filter: bicubic} changes no pixel"
        in (rows["small_0_99"]["reason"])
    )
    assert "failed: " in err and "changes no pixel" in err
    scores = {
        name: results.scores(row)["p_fake"].to_numpy()
        for name, row in rows.items()
        if row["status"] == "done"
    }
    assert scores["noise_0"].tobytes() == scores["none"].tobytes()
    for name in ("noise_60", "small_0_5", "h264"):
        assert scores[name].tobytes() != scores["none"].tobytes()
    assert rows["none"]["strength"] is None and rows["h264"]["strength"] is None
    assert rows["noise_60"]["strength"] == {
        "curve": "noise", "option": "sigma", "value": 60, "zero": False,
    }  # fmt: skip
    text = (folder / "robustness.md").read_text(encoding="utf-8")
    assert "failed: ln on test under small_0_99: " in text
    table = pd.read_csv(folder / "robustness.csv")
    assert len(table) == 3 + 3 + 2
    assert (folder / "robustness.png").is_file() and (folder / "robustness.svg").is_file()


def closed(spec: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """The spec with a detector that reads its scores from a table, and a perturbation."""
    lines = ["video_id,p_fake"]
    for video in range(6):
        lines += [f"TEST/real/{video:03d},0.{video}", f"TEST/DF/{video:03d}_{video + 1:03d},0.9"]
    (tmp_path / "closed.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {
        **spec,
        "detectors": {"closed": {"use": "scores", "path": str(tmp_path / "closed.csv")},
                      "ln": spec["detectors"]["ln"]},
        "perturbations": {"mirrored": "flip"},
    }  # fmt: skip


def test_a_detector_that_does_not_look_at_faces_has_no_rows_under_a_perturbation(
    runtime: Runtime, spec: dict[str, Any], registry: Registry, tmp_path: Path, crops: Path
) -> None:
    made = plan.make(specs.validate(closed(spec, tmp_path), registry), runtime)
    found = [(ids["detector"], ids["perturbation"]) for ids, _ in made.rows]
    assert found == [("closed", "none"), ("ln", "none"), ("ln", "mirrored")]


def test_a_detector_that_does_not_look_at_the_perturbed_faces_is_told_so(
    runtime: Runtime, spec: dict[str, Any], registry: Registry, tmp_path: Path, crops: Path
) -> None:
    made = plan.make(specs.validate(closed(spec, tmp_path), registry), runtime)
    cells = made.cells.values()
    execute(next(c for c in cells if c.stage == "faces" and c.ids["set"] == "test"), runtime)
    cell = next(c for c in cells if c.stage == "score" and c.ids["detector"] == "closed")
    score.run(cell, runtime, tmp_path)
    perturbed = replace(cell, config={**cell.config, "perturbation": "flip"})
    with pytest.raises(DfdbenchError, match="'scores' never asked for the faces' images"):
        score.run(perturbed, runtime, tmp_path)
