"""The training loop: exactness, resumption, selection, and what a checkpoint holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dfdbench.api import Context, Fit
from dfdbench.errors import DataError
from dfdbench.faces import Faces
from dfdbench.registry import Registry
from dfdbench_plugins.composed import Composed, training
from dfdbench_plugins.composed.loading import TrainBatches, epoch_order
from dfdbench_plugins.composed.model import build, load_checkpoint
from dfdbench_plugins.composed.optimization import optimizer_of, precision_of, rate
from dfdbench_plugins.composed.recipe import Recipe

TINY = {"use": "timm", "model": "test_vit", "size": 32, "pretrained": "none"}
RECIPE = {"epochs": 4, "batch_size": 8, "lr": 1e-2, "min_lr": 1e-3}


def detector(registry: Registry, recipe: dict[str, Any] | None = None, **options: Any) -> Composed:
    value = {"backbone": TINY, "peft": "ln_tuning", **options, "recipe": RECIPE | (recipe or {})}
    found = registry.resolve("detector", value)
    assert isinstance(found, Composed)
    return found


def some_faces(count: int, seed: int, size: int = 32) -> Faces:
    """Noise whose left half is brighter in a fake."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = rng.integers(40, 160, (count, size, size, 3))
    images[labels == 1, :, : size // 2] += 30
    return Faces.from_arrays(images.astype(np.uint8), labels)


def trained(folder: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(folder / training.CHECKPOINT)[0]


class Stopped(Exception):
    """Stands for whatever ends a process between two epochs."""


AUGMENT = [{"use": "flip", "p": 0.5}, {"use": "gaussian_noise", "sigma": [0, 9]}]


@pytest.mark.parametrize("stop_after", [1, 2, 3])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_resumed_training_ends_with_the_same_bytes_as_an_uninterrupted_one(
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop_after: int,
    optimizer: str,
) -> None:
    one = detector(
        registry,
        {"augment": AUGMENT, "optimizer": optimizer},
        regularizers=["slerp", "l2_norm", "uniformity_alignment"],
    )
    train, validation = some_faces(20, 1), some_faces(10, 2)
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = one.fit(train, validation, Context(tmp_path / "whole", seed=5))

    save = training.Run.save_resume

    def stop(run: training.Run) -> None:
        save(run)
        if run.epoch == stop_after:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(training.Run, "save_resume", stop)
        with pytest.raises(Stopped):
            one.fit(train, validation, Context(tmp_path / "parts", seed=5))
    torch.rand(7)  # whatever else the process draws must not matter
    resumed = one.fit(train, validation, Context(tmp_path / "parts", seed=5))
    assert resumed == whole
    files = [tmp_path / name / training.CHECKPOINT for name in ("whole", "parts")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert sorted(p.name for p in (tmp_path / "parts").iterdir()) == [
        training.CHECKPOINT,
        "scratch",
    ]


@pytest.mark.parametrize("peft", ["linear_probe", "ln_tuning", "full"])
def test_two_trainings_of_one_seed_are_bit_identical(
    registry: Registry, tmp_path: Path, peft: str
) -> None:
    one = detector(registry, {"augment": AUGMENT if peft != "linear_probe" else []}, peft=peft)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        one.fit(some_faces(20, 1), None, Context(tmp_path / name, seed=3))
    first, second = (tmp_path / name / training.CHECKPOINT for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


def test_workers_that_load_do_not_change_a_batch(registry: Registry) -> None:
    recipe = detector(registry, {"augment": AUGMENT}).recipe
    form = build_form(registry)
    data = TrainBatches(some_faces(20, 1), form, recipe.augment, 8, seed=3)
    data.start(1)
    alone = [batch[0] for batch in training.loader(data, 0)]
    shared = [batch[0] for batch in training.loader(data, 2)]
    assert all(torch.equal(a, b) for a, b in zip(alone, shared, strict=True))


def build_form(registry: Registry) -> Any:
    one = detector(registry)
    return build(one.backbone, one.peft, (), 0, "cpu").encoder.input


def test_training_leaves_the_global_generators_alone(registry: Registry, tmp_path: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    detector(registry).fit(some_faces(8, 1), None, Context(tmp_path, seed=9))
    assert torch.equal(torch.rand(3), expected)


def test_every_face_is_seen_once_an_epoch_in_another_order_each_time() -> None:
    first, second = (epoch_order(10, 4, seed=1, epoch=epoch) for epoch in (0, 1))
    assert [len(batch) for batch in first] == [4, 4, 2]
    assert sorted(np.concatenate(first).tolist()) == list(range(10))
    assert np.concatenate(first).tolist() != np.concatenate(second).tolist()


def test_a_last_batch_of_one_face_is_left_out() -> None:
    assert [len(batch) for batch in epoch_order(9, 4, seed=1, epoch=0)] == [4, 4]


def test_the_cosine_falls_from_lr_to_min_lr_as_computed_by_hand() -> None:
    recipe = Recipe(epochs=1, lr=8e-5, min_lr=5e-5)
    rates = [rate(recipe, step, per_epoch=5) for step in range(5)]
    # cos at 0, 45, 90, 135 and 180 degrees: 6.5e-5 +- 1.5e-5, and 1.5e-5 * 0.70711 between.
    expected = [8e-5, 7.56066e-5, 6.5e-5, 5.43934e-5, 5e-5]
    assert rates == pytest.approx(expected, rel=1e-5)


def test_the_warm_up_rises_linearly_and_each_cycle_starts_anew() -> None:
    recipe = Recipe(
        epochs=4, lr=1.0, min_lr=0.0, schedule="cyclic_cosine", cycle_epochs=2, warmup_epochs=1
    )
    rates = [rate(recipe, step, per_epoch=3) for step in range(12)]
    assert rates[:3] == pytest.approx([0.25, 0.5, 0.75])
    assert rates[3:6] == pytest.approx([1.0, 0.5, 0.0])
    assert rates[6:] == pytest.approx(rates[:6])


def test_accumulated_batches_give_the_step_of_one_large_batch(
    registry: Registry, tmp_path: Path
) -> None:
    found = {}
    for name, recipe in {
        "large": {"batch_size": 16},
        "small": {"batch_size": 8, "accumulate": 2},
    }.items():
        (tmp_path / name).mkdir()
        one = detector(registry, {"epochs": 1, "optimizer": "sgd", **recipe})
        one.fit(some_faces(16, 1), None, Context(tmp_path / name, seed=3))
        found[name] = trained(tmp_path / name)
    for key, value in found["large"].items():
        torch.testing.assert_close(found["small"][key], value, rtol=1e-4, atol=1e-6)


def test_the_head_has_a_learning_rate_of_its_own_and_biases_no_decay(registry: Registry) -> None:
    one = detector(registry, {"head_lr": 0.1, "weight_decay": 0.5}, peft="full")
    model = build(one.backbone, one.peft, (), 0, "cpu")
    optimizer = optimizer_of(model, one.recipe)
    names = {id(p): name for name, p in model.named_parameters()}
    groups = {
        names[id(p)]: (group["weight_decay"], group["scale"])
        for group in optimizer.param_groups
        for p in group["params"]
    }
    assert groups["head.weight"] == (0.5, pytest.approx(10))
    assert groups["head.bias"] == (0.0, pytest.approx(10))
    assert groups["encoder.network.norm.weight"] == (0.0, 1.0)


def test_a_checkpoint_holds_what_trains_and_nothing_else(
    registry: Registry, tmp_path: Path
) -> None:
    detector(registry).fit(some_faces(8, 1), None, Context(tmp_path, seed=3))
    names = set(trained(tmp_path))
    assert {"head.weight", "head.bias"} < names
    assert all("norm" in name or name.startswith("head.") for name in names)
    about = load_checkpoint(tmp_path / training.CHECKPOINT)[1]
    assert registry.resolve("detector", about["detector"]) == detector(registry)


def test_batch_statistics_are_kept_where_the_whole_network_trains(
    registry: Registry, tmp_path: Path
) -> None:
    backbone = {"use": "timm", "model": "test_resnet", "size": 32, "pretrained": "none"}
    one = detector(registry, backbone=backbone, peft="full")
    faces = some_faces(12, 1)
    one.fit(faces, faces, Context(tmp_path, seed=3))
    assert any(name.endswith("running_mean") for name in trained(tmp_path))
    first = one.score(faces, Context(tmp_path))
    assert np.array_equal(first, one.score(faces, Context(tmp_path)))


def test_scoring_rebuilds_the_network_that_was_trained_whatever_the_seed_of_the_scorer(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    score = training._score

    def noted(*arguments: Any) -> Any:
        seen.append(score(*arguments))
        return seen[-1]

    monkeypatch.setattr(training, "_score", noted)
    one, faces = detector(registry, {"epochs": 1}), some_faces(10, 2)
    one.fit(some_faces(20, 1), faces, Context(tmp_path, seed=5))
    again = one.score(faces, Context(tmp_path, seed=77))
    np.testing.assert_array_equal(seen[0], again)


def test_features_that_are_known_give_the_scores_of_the_images(
    registry: Registry, tmp_path: Path
) -> None:
    faces = some_faces(20, 1)
    one = detector(registry, peft="linear_probe")
    fit = one.fit(faces, faces, Context(tmp_path, seed=5))
    scores = one.score(faces, Context(tmp_path))
    video = training.metrics.evaluate(faces.video_id, faces.labels, scores, resamples=0)["video"]
    assert fit.history[fit.epoch - 1]["video"]["map"] == pytest.approx(video["map"])


def test_scores_do_not_depend_on_the_order_of_the_faces(registry: Registry, tmp_path: Path) -> None:
    one = detector(registry)
    faces = some_faces(70, 1)
    one.fit(faces, None, Context(tmp_path, seed=3))
    order = np.random.default_rng(0).permutation(70)
    whole = one.score(faces, Context(tmp_path))
    assert whole.shape == (70,)
    np.testing.assert_allclose(
        one.score(faces.take(order), Context(tmp_path)), whole[order], atol=1e-6
    )


def test_the_best_epoch_on_validation_is_kept(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([0.6, 0.9, 0.7, 0.8])

    def measured(run: training.Run, validation: Faces, known: Any) -> dict[str, Any]:
        value = next(values)
        return {"video": {"map": value}, "frame": {"map": 1 - value}}

    monkeypatch.setattr(training.Run, "validate", measured)
    faces = some_faces(8, 1)
    fit: Fit = detector(registry).fit(faces, faces, Context(tmp_path, seed=3))
    assert (fit.epoch, fit.selection, fit.selected_on) == (2, "best video map", "validation")
    assert load_checkpoint(tmp_path / training.CHECKPOINT)[1]["epoch"] == 2


def test_training_stops_early_after_as_many_epochs_without_a_better_one(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([0.9, 0.5, 0.5, 0.5, 0.5, 0.5])
    monkeypatch.setattr(
        training.Run,
        "validate",
        lambda run, faces, known: {"video": {"map": next(values)}, "frame": {}},
    )
    faces = some_faces(8, 1)
    recipe = {"epochs": 6, "early_stopping": 2}
    fit = detector(registry, recipe).fit(faces, faces, Context(tmp_path, seed=3))
    assert (fit.epoch, len(fit.history)) == (1, 3)


def test_weights_of_another_detector_are_refused_by_name(
    registry: Registry, tmp_path: Path
) -> None:
    faces = some_faces(8, 1)
    detector(registry).fit(faces, None, Context(tmp_path, seed=3))
    with pytest.raises(DataError, match="holds the weights of another detector"):
        detector(registry, peft="bitfit").score(faces, Context(tmp_path))


def test_a_truncated_checkpoint_is_refused(registry: Registry, tmp_path: Path) -> None:
    faces = some_faces(8, 1)
    detector(registry).fit(faces, None, Context(tmp_path, seed=3))
    path = tmp_path / training.CHECKPOINT
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="is no checkpoint of a composed detector"):
        detector(registry).score(faces, Context(tmp_path))


def test_precision_auto_is_fp32_on_a_cpu_without_bf16_instructions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True}, raising=False)
    assert precision_of(Recipe(), "cpu") == torch.float32
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    assert precision_of(Recipe(), "cpu") == torch.bfloat16


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["auto", "fp16", "fp32"])
def test_a_gpu_trains_and_scores(registry: Registry, tmp_path: Path, precision: str) -> None:
    one = detector(registry, {"precision": precision})
    faces = some_faces(32, 1)
    one.fit(faces, faces, Context(tmp_path, seed=3, device="cuda", workers=2))
    on_gpu = one.score(faces, Context(tmp_path, device="cuda"))
    on_cpu = detector(registry).score(faces, Context(tmp_path))
    np.testing.assert_allclose(on_gpu, on_cpu, atol=0.02)
