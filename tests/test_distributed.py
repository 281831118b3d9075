"""Several processes that train one detector: what one process would have made of it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from test_training import AUGMENT, detector, some_faces, trained

from dfdbench import plan as planning
from dfdbench import registry as registry_module
from dfdbench import spec as specs
from dfdbench.api import Context
from dfdbench.errors import SpecError, TrainingError
from dfdbench.faces import Faces
from dfdbench.registry import Registry
from dfdbench.runtime import Runtime
from dfdbench.stages.train import processes
from dfdbench_plugins.composed.distributed import hand_over, take_over
from dfdbench_plugins.composed.launch import _failure
from dfdbench_plugins.composed.loading import TrainBatches, generator
from dfdbench_plugins.composed.model import Model, build
from dfdbench_plugins.composed.share import Share

ALL_THREE = ["slerp", "l2_norm", "uniformity_alignment"]
# SGD, because AdamW makes a whole step of a gradient that is nothing but rounding.
SGD = {"augment": AUGMENT, "optimizer": "sgd", "epochs": 3}


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


# The loss and its gradient


def network(registry: Registry) -> Model:
    one = detector(registry, regularizers=ALL_THREE)
    return build(one.backbone, one.peft, one.regularizers, 3, "cpu").train()


def gradients(model: Model, share: Share, n: int) -> dict[str, torch.Tensor]:
    """Loss terms and gradients of a batch of ``n``, as one of the share's processes has it."""
    rng = torch.Generator().manual_seed(n)
    images = torch.randint(0, 256, (n, 3, 32, 32), generator=rng, dtype=torch.uint8)
    labels = torch.arange(n) % 2

    def encode(x: torch.Tensor) -> torch.Tensor:
        z: torch.Tensor = model.encoder(model.encoder.input.normalise(x))
        return z

    model.zero_grad(set_to_none=True)
    losses = share.losses(model, encode)  # kept: it is needed until the gradients are there
    terms = losses(images[share.shown(n)], labels, generator(7))
    sum(terms.values()).backward()
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {**found, **{f"loss {name}": term.detach() for name, term in terms.items()}}


def one_of(rank: int, count: int, sizes: list[int], folder: str) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=count
    )
    model = network(registry_module.load())
    for n in sizes:
        torch.save(gradients(model, Share(rank, count), n), f"{folder}/{n}-{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_gradients_of_a_shared_batch_are_those_of_the_whole_batch(
    registry: Registry, tmp_path: Path
) -> None:
    count, sizes = 2, [16, 7, 1]  # an even batch, an uneven one, one that leaves a process empty
    torch.multiprocessing.spawn(one_of, (count, sizes, str(tmp_path)), nprocs=count)  # type: ignore[no-untyped-call]
    model = network(registry)
    for n in sizes:
        expected = gradients(model, Share(), n)
        assert {"loss cross_entropy", "head.weight", "encoder.network.norm.weight"} < set(expected)
        assert ("loss uniformity_alignment" in expected) == (n > 1)
        for rank in range(count):
            found = torch.load(tmp_path / f"{n}-{rank}.pt")
            assert found.keys() == expected.keys()
            for name, value in expected.items():
                torch.testing.assert_close(
                    found[name], value, rtol=1e-5, atol=1e-5, msg=f"{name}, batch of {n}"
                )


def test_parts_cover_a_batch_and_nothing_twice() -> None:
    for count in (1, 2, 3, 5):
        for n in (2, 7, 8):
            parts = [range(n)[Share(rank, count).part(n)] for rank in range(count)]
            assert [i for part in parts for i in part] == list(range(n))
            assert all(len(range(n)[Share(rank, count).shown(n)]) > 0 for rank in range(count))


def test_a_face_is_augmented_as_with_one_process(registry: Registry) -> None:
    one = detector(registry, {"augment": AUGMENT})
    form = build(one.backbone, one.peft, (), 0, "cpu").encoder.input
    faces, options = some_faces(20, 1), (form, one.recipe.augment, 8, 3)
    whole = TrainBatches(faces, *options)
    shared = [TrainBatches(faces, *options, Share(rank, 2)) for rank in range(2)]
    for n in range(len(whole)):
        images, labels, where = whole[n]
        assert torch.equal(torch.cat([data[n][0] for data in shared]), images)
        assert all(torch.equal(data[n][1], labels) for data in shared)
        assert all(np.array_equal(data[n][2], where) for data in shared)


def test_batch_statistics_cannot_be_shared(registry: Registry) -> None:
    backbone = {"use": "timm", "model": "test_resnet", "size": 32, "pretrained": "none"}
    one = detector(registry, backbone=backbone, peft="full")
    model = build(one.backbone, one.peft, (), 0, "cpu")
    with pytest.raises(TrainingError, match=r"statistics of the batch \(.+\), which 2 processes"):
        Share(0, 2).losses(model, model.encoder)


def test_dropout_cannot_be_shared(registry: Registry) -> None:
    one = detector(registry, peft="full")
    model = build(one.backbone, one.peft, (), 0, "cpu")
    model.encoder.add_module("drop", torch.nn.Dropout(0.1))
    with pytest.raises(TrainingError, match=r"dropout \(drop\), which 2 processes cannot share"):
        Share(0, 2).losses(model, model.encoder)


# Whole trainings


def fitted(one: Any, folder: Path, count: int, **context: Any) -> Any:
    folder.mkdir(exist_ok=True)
    train, validation = some_faces(20, 1), some_faces(70, 2)
    return one.fit(train, validation, Context(folder, seed=5, processes=count, **context))


def close(folder: Path, other: Path) -> None:
    expected, found = trained(folder), trained(other)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-4, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("peft", "recipe"),
    [
        ("ln_tuning", {**SGD, "accumulate": 2, "clip_norm": 0.5}),
        ("linear_probe", {**SGD, "augment": []}),
    ],
)
def test_two_processes_end_with_the_weights_of_one(
    registry: Registry, tmp_path: Path, peft: str, recipe: dict[str, Any]
) -> None:
    one = detector(registry, recipe, peft=peft, regularizers=ALL_THREE)
    records: list[dict[str, Any]] = []
    alone = fitted(one, tmp_path / "alone", 1)
    shared = fitted(one, tmp_path / "shared", 2, log=records.append)
    close(tmp_path / "alone", tmp_path / "shared")
    assert (shared.epoch, shared.selection, shared.trainable, shared.parameters) == (
        alone.epoch, alone.selection, alone.trainable, alone.parameters,
    )  # fmt: skip
    assert shared.notes == alone.notes | {"processes": "2"}
    assert records == shared.history
    for mine, theirs in zip(shared.history, alone.history, strict=True):
        assert mine["loss"] == pytest.approx(theirs["loss"], abs=1e-4)
        assert mine["lr"] == theirs["lr"]
    faces = some_faces(10, 3)
    np.testing.assert_allclose(
        *(one.score(faces, Context(tmp_path / name)) for name in ("alone", "shared")), atol=1e-4
    )
    assert not (tmp_path / "shared" / "scratch" / "processes").exists()


class Stopped(BaseException):
    """Stands for Ctrl-C in the parent."""


@pytest.mark.slow
def test_an_interrupted_shared_training_goes_on_and_leaves_no_process(
    registry: Registry, tmp_path: Path
) -> None:
    def stop(record: dict[str, Any]) -> None:
        raise Stopped

    one = detector(registry, SGD, regularizers=ALL_THREE)
    whole = fitted(one, tmp_path / "whole", 1)
    with pytest.raises(Stopped):
        fitted(one, tmp_path / "parts", 2, log=stop)
    assert members(tmp_path / "parts") == {}
    records: list[dict[str, Any]] = []
    resumed = fitted(one, tmp_path / "parts", 2, log=records.append)
    assert resumed.epoch == whole.epoch and len(resumed.history) == 3
    assert [record["epoch"] for record in records] == [1, 2, 3]
    close(tmp_path / "whole", tmp_path / "parts")


def members(folder: Path) -> dict[str, int]:
    """The running processes of a training in ``folder``, by rank; needs /proc."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().decode().split("\0")
            variables = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(str(folder) in word for word in command):
            rank = next((v[5:] for v in variables if v.startswith("RANK=")), "parent")
            found[rank] = int(entry.name)
    return found


@pytest.mark.slow
def test_a_process_that_fails_ends_the_training_with_its_own_sentence(
    registry: Registry, tmp_path: Path
) -> None:
    one = detector(registry, {**SGD, "lr": 1e30, "min_lr": 0}, regularizers=["l2_norm"])
    said = []
    for count in (1, 2):
        with pytest.raises(TrainingError, match="the loss is not finite at step") as caught:
            fitted(one, tmp_path / str(count), count)
        said.append(str(caught.value))
    assert said[0] == said[1]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_a_process_that_is_killed_ends_the_training_with_one_sentence(
    registry: Registry, tmp_path: Path
) -> None:
    def kill(record: dict[str, Any]) -> None:
        if record["epoch"] == 1:
            os.kill(members(tmp_path)["1"], signal.SIGKILL)

    one = detector(registry, {**SGD, "epochs": 2000}, regularizers=ALL_THREE)
    with pytest.raises(TrainingError) as caught:
        fitted(one, tmp_path / "killed", 2, log=kill)
    assert str(caught.value) == (
        "one of 2 processes that trained together was ended by SIGKILL, perhaps for want of "
        "memory; run the same command again to go on after the last finished epoch"
    )
    assert members(tmp_path) == {}


def test_an_error_of_another_process_keeps_its_meaning() -> None:
    full = _failure(2, 0, "OSError", "No space left on device", 28, "")
    assert isinstance(full, OSError) and full.errno == 28
    assert isinstance(_failure(2, 0, "SpecError", "wrong", None, ""), SpecError)
    other = _failure(2, 1, "RuntimeError", "out of memory\nand more", None, "trace")
    assert isinstance(other, TrainingError) and other.__notes__ == ["trace"]
    assert str(other) == "process 2 of 2 failed: RuntimeError: out of memory"


def test_more_processes_than_gpus_are_refused(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    context = Context(tmp_path, device="cuda", processes=2)
    with pytest.raises(TrainingError, match="2 processes need a GPU each, and there are 1"):
        detector(registry).fit(some_faces(4, 1), None, context)


# What the processes are given


def mapped(path: Path, faces: Faces) -> Faces:
    np.save(path, faces.images())
    found = np.load(path, mmap_mode="r")
    return Faces.from_arrays(found, faces.labels)


def test_mapped_faces_are_handed_over_as_the_file_that_they_are_in(tmp_path: Path) -> None:
    faces = mapped(tmp_path / "pixels.npy", some_faces(6, 1))
    said = json.loads(json.dumps(hand_over(faces, (None, "bicubic"), tmp_path / "train")))
    assert said["images"] == str(tmp_path / "pixels.npy")
    found = take_over(said)
    np.testing.assert_array_equal(found.images(), faces.images())
    for name in ("labels", "video_id", "frame_index", "path", "method"):
        np.testing.assert_array_equal(getattr(found, name), getattr(faces, name))
    with pytest.raises(ValueError, match="were not handed over"):
        found.images(16)


def test_other_faces_are_handed_over_in_a_new_file(tmp_path: Path) -> None:
    whole = mapped(tmp_path / "pixels.npy", some_faces(6, 1))
    reversed_ = Faces.from_arrays(whole.images()[::-1], whole.labels)
    for faces in (some_faces(6, 1), whole.take([2, 0]), reversed_):
        said = hand_over(faces, (None, "bicubic"), tmp_path / "train")
        assert said["images"] == str(tmp_path / "train.npy")
        np.testing.assert_array_equal(take_over(said).images(), faces.images())


# How many


@pytest.mark.parametrize(("said", "count"), [("", 1), ("1", 1), ("4", 4)])
def test_the_environment_says_how_many_processes_train_a_cell(
    monkeypatch: pytest.MonkeyPatch, said: str, count: int
) -> None:
    monkeypatch.setenv("DFDBENCH_PROCESSES", said)
    assert processes() == count


@pytest.mark.parametrize("said", ["0", "-1", "two", "1.5", "²"])
def test_anything_but_a_whole_number_from_1_is_refused(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("DFDBENCH_PROCESSES", said)
    with pytest.raises(SpecError, match=f"DFDBENCH_PROCESSES='{said}' is not a whole number"):
        processes()


def test_the_number_of_processes_is_in_no_key(
    spec: dict[str, Any], runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = specs.validate(spec, runtime.registry)
    keys = set(planning.make(loaded, runtime).cells)
    monkeypatch.setenv("DFDBENCH_PROCESSES", "2")
    assert set(planning.make(loaded, runtime).cells) == keys
