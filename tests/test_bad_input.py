"""Bad input: what is said, the exit code, and that nothing is lost.

Most tests start from a finished run. Its cells must still be there after the failure, nothing may
be left half-done, and the run must succeed once the input is mended.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from conftest import Dfdbench, Disk, Write
from safetensors.torch import save_file

from dfdbench import hookimpl
from dfdbench import registry as registry_module
from dfdbench.api import Regularizer, Video
from dfdbench.data import index
from dfdbench.errors import DataError
from dfdbench.store import Store

TINY = {"use": "timm", "model": "test_vit", "size": 32, "pretrained": "none"}
FACE = "TEST/real/000/000.png"

Finished = dict[str, int]
Run = Callable[[dict[str, Any]], tuple[int, str]]


def finished(store: Path) -> Finished:
    """Key of every finished cell -> when it was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in store.glob("cells/*/*/meta.json")}


def stages(store: Path, keys: set[str]) -> set[str]:
    """What these cells are."""
    metas = (store / "cells" / key[:2] / key / "meta.json" for key in keys)
    return {json.loads(path.read_text())["stage"] for path in metas}


def debris(store: Path) -> list[str]:
    """Whatever cells left unfinished: in the store, or a cell without its record."""
    left = [str(path.relative_to(store)) for path in store.glob("partial/*")]
    return left + [
        str(cell.relative_to(store))
        for cell in store.glob("cells/*/*")
        if not (cell / "meta.json").is_file()
    ]


def rows_of(results: Path) -> dict[str, dict[str, Any]]:
    rows = json.loads((results / "metrics.json").read_text())["rows"]
    return {row["detector"]: row for row in rows}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a finished run, once the first test that needs it has made it."""
    return tmp_path_factory.mktemp("template") / "store"


@pytest.fixture
def small(spec: dict[str, Any]) -> dict[str, Any]:
    """A spec with one detector that is trained in a second."""
    spec["detectors"] = {"probe": {"backbone": dict(TINY), "peft": "linear_probe"}}
    spec["recipe"]["epochs"] = 1
    return spec


@pytest.fixture
def run(dfdbench: Dfdbench, write_spec: Write, crops: Path, tmp_path: Path) -> Run:
    """Run a spec over the crops: ``(exit code, standard error)``."""

    def call(content: dict[str, Any]) -> tuple[int, str]:
        code, _, error = dfdbench("run", write_spec(content), "--data", crops, "--workers", 0)
        return code, " ".join(error.split())

    return call


@pytest.fixture
def before(template: Path, run: Run, small: dict[str, Any], tmp_path: Path) -> Finished:
    """The cells of a finished run of ``small``, in the store of this test."""
    store = tmp_path / ".dfdbench"
    if not template.exists():
        assert run(small)[0] == 0
        shutil.copytree(store, template)
        shutil.rmtree(tmp_path / "results")
    else:
        shutil.copytree(template, store)
    return finished(store)


@pytest.fixture
def unharmed(
    before: Finished, run: Run, small: dict[str, Any], tmp_path: Path
) -> Iterator[dict[str, Any]]:
    """``small``, to be made wrong in a copy; it must have lost nothing at the end of the test.

    Whatever the test changed in the data must be mended again at its end.
    """
    store = tmp_path / ".dfdbench"
    yield json.loads(json.dumps(small))
    after = finished(store)
    assert before.items() <= after.items()
    assert debris(store) == []
    code, said = run(small)
    assert code == 0
    assert "7 cells, 7 of them in the store" in said


def no_new_training(store: Path, before: Finished) -> bool:
    return "train" not in stages(store, finished(store).keys() - before.keys())


# The spec and the command: exit code 2, before anything is touched


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("detectors.probe.peft", "linear_prob",
         "detectors.probe.peft: unknown peft 'linear_prob'; did you mean 'linear_probe'?"),
        ("detectors.probe.backbone.modle", "test_vit",
         "detectors.probe.backbone.modle: unknown option 'modle'; did you mean 'model'?"),
        ("recipe.batchsize", 4,
         "recipe.batchsize: unknown option 'batchsize'; did you mean 'batch_size'?"),
        ("test_sets.test.spilt", "all",
         "test_sets.test.spilt: unknown option 'spilt'; did you mean 'split'?"),
        ("test_sets.Test-1", {"dataset": {"use": "image_folder", "path": "TEST"}},
         "test_sets.Test-1: the id 'Test-1' is not made of a-z, 0-9 and _ alone"),
        ("detectors.a b", {"backbone": TINY, "peft": "full"},
         "detectors.a b: the id 'a b' is not made of a-z, 0-9 and _ alone"),
        ("name", "../tiny", "name: "),
        ("detectors", {}, "`test_sets` and `detectors` need at least one entry each"),
        ("test_sets", {}, "`test_sets` and `detectors` need at least one entry each"),
        ("train_sets", {}, "`train_sets` is empty, and the detector 'probe' trains"),
    ],
)  # fmt: skip
def test_a_wrong_spec_is_refused_before_anything_is_touched(
    small: dict[str, Any], run: Run, tmp_path: Path, path: str, value: Any, message: str
) -> None:
    *parents, last = path.split(".")
    place = small
    for part in parents:
        place = place[part]
    place[last] = value
    if path == "detectors":
        del small["recipe"]
    code, said = run(small)
    assert code == 2
    assert message in said
    assert not (tmp_path / ".dfdbench").exists()
    assert not (tmp_path / "results").exists()


def test_every_error_of_a_spec_is_told_at_once(
    unharmed: dict[str, Any], run: Run, tmp_path: Path
) -> None:
    unharmed["detectors"]["probe"]["backbone"] = {"use": "tim", "model": "test_vit"}
    unharmed["detectors"]["Probe"] = {"backbone": TINY, "peft": "linear_probe"}
    unharmed["recipe"]["lr"] = "fast"
    unharmed["on_bad_face"] = "ignore"
    unharmed["seeds"] = "one"
    code, said = run(unharmed)
    assert code == 2
    for place in (
        "detectors.probe.backbone: unknown backbone 'tim'; did you mean 'timm'?",
        "detectors.Probe: the id 'Probe'",
        "recipe.lr: ",
        "on_bad_face: ",
        "seeds: ",
    ):
        assert f"spec.yaml: {place}" in said
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nowhere.yaml"], "no spec at 'nowhere.yaml'"),
        (["run", "specs/demo.yaml", "--set", "seeds"], "--set 'seeds' is not path=value"),
        (["run", "specs/demo.yaml", "--limit", "0"], "--limit"),
        (["run", "specs/demo.yaml", "--fast"], "--fast"),
        (["run"], "SPEC"),
        (["rum", "specs/demo.yaml"], "rum"),
        (["ls", "backbones"], "unknown kind 'backbones'; the kinds are dataset, "),
        (["show", "slrp"], "no component 'slrp'; did you mean 'slerp'?"),
    ],
)
def test_a_wrong_command_is_refused(
    dfdbench: Dfdbench, tmp_path: Path, arguments: list[str], message: str
) -> None:
    code, out, error = dfdbench(*arguments)
    assert (code, out) == (2, "")
    assert message in error and "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


# Data that are missing, empty or contradictory: exit code 3, before anything is computed


def test_a_missing_data_folder_is_named_with_what_was_looked_for(
    unharmed: dict[str, Any], run: Run, tmp_path: Path
) -> None:
    unharmed["test_sets"]["test"]["dataset"]["path"] = "TSET"
    code, said = run(unharmed)
    assert code == 3
    assert f"test (all): no folder {tmp_path}/data/TSET; image_folder wants" in said
    assert "Name the folder above it with --data" in said
    assert not (tmp_path / "results").exists()


def test_without_any_data_folder_the_way_to_name_one_is_told(
    unharmed: dict[str, Any], dfdbench: Dfdbench, write_spec: Write
) -> None:
    code, _, error = dfdbench("run", write_spec(unharmed))
    assert code == 3
    assert "no folder TEST (no --data was given)" in error


def test_every_missing_folder_is_told_at_once(unharmed: dict[str, Any], run: Run) -> None:
    folder = {"use": "image_folder", "path": "ELSEWHERE"}
    unharmed["test_sets"]["other"] = {"dataset": folder, "split": "all"}
    unharmed["train_sets"]["crops"]["dataset"]["table"] = "nowhere.csv"
    code, said = run(unharmed)
    assert code == 3
    assert "ELSEWHERE" in said
    assert "no table nowhere.csv; write it, or name it as `table:`" in said


def test_an_empty_split_is_an_error(
    unharmed: dict[str, Any], run: Run, crops: Path, tmp_path: Path
) -> None:
    (crops / "NONE" / "real" / "000").mkdir(parents=True)
    unharmed["test_sets"]["none"] = {
        "dataset": {"use": "image_folder", "path": "NONE"}, "split": "all",
    }  # fmt: skip
    code, said = run(unharmed)
    assert code == 3
    assert "none: split 'all' of image_folder is empty: no video was found" in said
    assert not (tmp_path / "results").exists()


def table(crops: Path, *rows: str, header: str = "path,label,video_id,split") -> dict[str, Any]:
    """A train set from a manifest with these rows."""
    path = crops / "table.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return {"dataset": {"use": "manifest", "table": str(path)}}


ROW = "TRAIN/real/000/000.png,real,a,train"


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("path,label,video_id,split", "../secret.png,real,b,train",
         "table.csv, row 2: ../secret.png leaves the data folder"),
        ("path,label,video_id,split", "/etc/hostname,real,b,train",
         "table.csv, row 2: /etc/hostname leaves the data folder"),
        ("path,label,video_id,split", "TRAIN/DF/000_001/000.png,genuine,b,train",
         "table.csv, row 2: the label is 'genuine', not real, fake, 0 or 1"),
        ("path,label,video_id,split", "TRAIN/DF/000_001/000.png,fake,a,train",
         "the frames of video 'a' carry two labels, real and fake (rows 1 to 2)"),
        ("path,label,video_id,split", "TRAIN/real/000/gone.png,real,b,train",
         "TRAIN/real/000/gone.png: No such file"),
        ("path,label,video,split", "TRAIN/DF/000_001/000.png,fake,b,train",
         "table.csv has no column 'video_id' (it has path, label, video, split); map it with"),
        ("path,label,video_id,split", None, "table.csv is empty"),
        ("path,label,video_id,split,frame_index", "TRAIN/real/000/001.png,real,b,train,x",
         "table.csv, row 2: the frame_index is 'x', not a whole number"),
    ],
)  # fmt: skip
def test_a_wrong_manifest_is_refused_with_the_row(
    unharmed: dict[str, Any], run: Run, crops: Path, header: str, row: str | None, message: str
) -> None:
    first = ROW + ",0" * header.endswith("frame_index")
    rows = [first, row] if row else []
    unharmed["train_sets"]["crops"] = table(crops, *rows, header=header)
    code, said = run(unharmed)
    assert code == 3
    assert message in said and "Traceback" not in said


def test_a_split_that_a_manifest_lacks_is_an_error_of_the_spec(
    unharmed: dict[str, Any], run: Run
) -> None:
    unharmed["train_sets"]["crops"]["validation"] = "valid"
    code, said = run(unharmed)
    assert code == 2
    assert "manifest.csv: no row has the split 'valid'; there are train, val" in said


@pytest.mark.parametrize(
    ("videos", "message"),
    [
        ([Video("a", 0), Video("b", 1), Video("a", 1)],
         "the frames of video 'a' carry two labels, real and fake; give real and fake videos ids"),
        ([Video("a", 0), Video("b", 1), Video("b", 1)], "the video id 'b' occurs twice"),
        ([Video("a", 2)], "video 'a' has the label 2, not 0 or 1"),
        ([], "is empty: no video was found"),
    ],
)  # fmt: skip
def test_contradictory_videos_of_any_adapter_are_refused(
    store: Store, videos: list[Video], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        index.build(videos, None, store, "ffpp: split 'train' of my_adapter")
    assert str(caught.value).startswith("ffpp: split 'train' of my_adapter")
    assert message in str(caught.value)
    assert caught.value.exit_code == 3


def test_train_and_test_of_one_data_set_may_not_share_a_video(
    unharmed: dict[str, Any], run: Run, crops: Path, tmp_path: Path
) -> None:
    one = table(
        crops,
        "TRAIN/real/000/000.png,real,000,train",
        "TRAIN/DF/000_001/000.png,fake,000_001,train",
        "TRAIN/real/000/001.png,real,000,test",  # another frame of a video of train
    )
    unharmed["train_sets"]["crops"] = one
    unharmed["test_sets"]["test"] = {**one, "split": "test"}
    code, said = run(unharmed)
    assert code == 3
    assert "test set test shares 1 videos (000) with train of train set crops" in said
    assert "Take them out of one of the two" in said
    assert not (tmp_path / "results").exists()


def test_train_and_test_of_two_data_sets_may_not_share_a_file(
    unharmed: dict[str, Any], run: Run, crops: Path
) -> None:
    copy = crops / "COPY" / "real" / "999" / "999.png"
    copy.parent.mkdir(parents=True)
    shutil.copy(crops / "VAL" / "real" / "003" / "001.png", copy)
    unharmed["test_sets"]["copy"] = {
        "dataset": {"use": "image_folder", "path": "COPY"}, "split": "all",
    }  # fmt: skip
    code, said = run(unharmed)
    assert code == 3
    assert "test set copy shares 1 videos (COPY/real/999) with validation of train set" in said


# Images that cannot be read


def text_instead(path: Path) -> None:
    path.write_text("not an image")


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        (FACE, text_instead, "not an image"),
        (FACE, truncate, "truncated"),
        ("TRAIN/DF/002_003/001.png", truncate, "truncated"),
    ],
)
def test_an_unreadable_image_is_named_and_stops_the_run_before_training(
    before: Finished,
    unharmed: dict[str, Any],
    run: Run,
    crops: Path,
    tmp_path: Path,
    name: str,
    damage: Callable[[Path], None],
    reason: str,
) -> None:
    good = (crops / name).read_bytes()
    damage(crops / name)
    unharmed["recipe"]["lr"] = 0.02  # something to train, if it came to that
    code, said = run(unharmed)
    assert code == 3
    assert f"1 of 24 images or videos cannot be read: {name}: " in said and reason in said
    assert "or set `on_bad_face: skip` to go on without them" in said
    assert no_new_training(tmp_path / ".dfdbench", before)
    assert not (tmp_path / "results").exists()
    (crops / name).write_bytes(good)


def test_unreadable_images_are_skipped_and_counted_where_the_spec_says_so(
    unharmed: dict[str, Any], run: Run, crops: Path, tmp_path: Path
) -> None:
    spoilt = [FACE, "TEST/DF/000_001/000.png", "TEST/DF/000_001/001.png", "TRAIN/real/001/000.png"]
    good = {name: (crops / name).read_bytes() for name in spoilt}
    for name in spoilt:
        truncate(crops / name)
    unharmed["on_bad_face"] = "skip"
    code, _ = run(unharmed)
    assert code == 0
    results = tmp_path / "results" / "tiny"
    row = rows_of(results)["probe"]
    assert row["unreadable"] == {"test": 3, "train": 1, "validation": 0}
    assert row["frames"] == {"real": 11, "fake": 10, "unscored": 0}
    assert row["videos"] == {"real": 6, "fake": 6, "unscored": 1}  # one has no face left
    notes = " ".join((results / "leaderboard.md").read_text().split())
    assert "cannot be read" in notes and "3 in test, 1 in train" in notes
    assert "1 of 12 videos" in notes
    for name, content in good.items():
        (crops / name).write_bytes(content)


# Cells that fail: exit code 4, and the others finish


def test_a_loss_that_is_not_finite_names_the_step_and_the_faces(
    unharmed: dict[str, Any], run: Run, tmp_path: Path
) -> None:
    unharmed["detectors"] = {
        "wild": {"backbone": TINY, "peft": "linear_probe", "recipe": {"lr": 3e37}},
        "other": {"backbone": TINY, "peft": "linear_probe", "recipe": {"lr": 0.02}},
        **unharmed["detectors"],
    }
    code, said = run(unharmed)
    assert code == 4
    found = rows_of(tmp_path / "results" / "tiny")
    assert {name: row["status"] for name, row in found.items()} == {
        "wild": "failed", "other": "done", "probe": "done",
    }  # fmt: skip
    reason = found["wild"]["reason"]
    assert "the loss is not finite at step 1 (cross_entropy nan), in the batch of TRAIN/" in reason
    assert "lower recipe.lr" in reason
    assert reason in said
    assert reason in " ".join(
        (tmp_path / "results" / "tiny" / "leaderboard.md").read_text().split()
    )


def test_a_training_split_of_one_class_is_named(
    unharmed: dict[str, Any], run: Run, crops: Path, tmp_path: Path
) -> None:
    unharmed["train_sets"]["crops"] = table(crops, ROW, "TRAIN/real/001/000.png,real,b,train")
    code, _ = run(unharmed)
    assert code == 4
    row = rows_of(tmp_path / "results" / "tiny")["probe"]
    assert (row["status"], "the training split has no fake face" in row["reason"]) == (
        "failed", True,
    )  # fmt: skip


def test_weights_that_overflow_in_the_last_step_are_no_result(
    unharmed: dict[str, Any], run: Run, tmp_path: Path
) -> None:
    unharmed["recipe"] |= {"lr": 3e37, "batch_size": 64}  # one step: no loss is computed after it
    code, _ = run(unharmed)
    assert code == 4
    row = rows_of(tmp_path / "results" / "tiny")["probe"]
    assert row["status"] == "failed"
    assert "output is not finite for" in row["reason"] and "24 faces" in row["reason"]


class Undefined(Regularizer):
    """A penalty that is 0 / 0."""

    name = "undefined"

    def penalty(self, z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return z.sum() * float("nan")


class Faulty(Regularizer):
    """Fails as a plugin may."""

    name = "faulty"

    def penalty(self, z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        raise IndexError("no such feature")


def test_what_a_plugin_breaks_is_the_failure_of_its_own_rows(
    unharmed: dict[str, Any], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("bad_regularizers")
    module.dfdbench_regularizers = hookimpl(  # type: ignore[attr-defined]
        lambda: [Undefined, Faulty]
    )
    monkeypatch.setitem(sys.modules, "bad_regularizers", module)
    point = metadata.EntryPoint("bad", "bad_regularizers", registry_module.GROUP)
    with monkeypatch.context() as installed:
        installed.setattr(metadata, "entry_points", lambda group: [point])
        for name in ("undefined", "faulty"):
            unharmed["detectors"][name] = {
                "backbone": TINY, "peft": "linear_probe", "regularizers": [name],
            }  # fmt: skip
        code, _ = run(unharmed)
    assert code == 4
    results = tmp_path / "results" / "tiny"
    found = rows_of(results)
    assert found["probe"]["status"] == "done"
    reason = found["undefined"]["reason"]
    assert "the loss is not finite at step 0" in reason and "undefined nan" in reason
    assert found["faulty"]["reason"] == "IndexError: no such feature"
    (trace,) = (results / "failures").iterdir()
    assert trace.name == "train-faulty-crops-1.txt"
    assert 'raise IndexError("no such feature")' in trace.read_text()


def test_weights_of_another_architecture_are_named_with_what_does_not_fit(
    unharmed: dict[str, Any], run: Run, tmp_path: Path
) -> None:
    import timm

    file = tmp_path / "other.safetensors"
    save_file(timm.create_model("test_resnet", num_classes=0).state_dict(), file)
    other = {**TINY, "pretrained": str(file)}
    unharmed["detectors"]["other"] = {"backbone": other, "peft": "linear_probe"}
    code, _ = run(unharmed)
    assert code == 4
    found = rows_of(tmp_path / "results" / "tiny")
    assert found["probe"]["status"] == "done"
    assert found["other"]["status"] == "failed"
    assert f"the weights in {file} are not those of timm test_vit: " in found["other"]["reason"]
    assert "is not in the file" in found["other"]["reason"]
    # The file is named again in a second run, and a right one is taken under the same name.
    save_file(timm.create_model("test_vit", num_classes=0, img_size=32).state_dict(), file)
    assert run(unharmed)[0] == 0


def test_missing_weights_are_exit_code_3_and_the_other_rows_are_there(
    unharmed: dict[str, Any], run: Run, tmp_path: Path
) -> None:
    gone = {**TINY, "pretrained": "gone.safetensors"}
    unharmed["detectors"]["gone"] = {"backbone": gone, "peft": "linear_probe"}
    code, _ = run(unharmed)
    assert code == 3
    found = rows_of(tmp_path / "results" / "tiny")
    assert (found["probe"]["status"], found["gone"]["status"]) == ("done", "missing")
    assert "gone.safetensors" in found["gone"]["reason"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["video_id,p_fake", "TEST/real/000,0.1", "TEST/real/000,0.2"],
         "has two scores for 'TEST/real/000'"),
        (["video_id,p_fake", "TEST/real/000,1.5"],
         "the score of 'TEST/real/000' is 1.5, not in [0, 1]"),
        (["video_id,p_fake", "TEST/real/000,nan"],
         "the column 'p_fake' has fields that are empty or NaN"),
        (["video_id,p_fake", "TEST/real/000,high"], "column 'p_fake': could not convert"),
        (["video_id,p_fake", "TEST/real/000,"], "the column 'p_fake' has fields that are empty"),
        (["video_id,p_fake,frame_index", "TEST/real/000,0.1,first"], "column 'frame_index': "),
        (["video,p_fake", "TEST/real/000,0.1"], "has no column 'video_id'; it has video, p_fake"),
        (["video_id,p_fake", "cdfv2/000,0.1"],
         "scores no face of test: it knows 'cdfv2/000', say, and the test set has 'TEST/DF/000_"),
        (["video_id,p_fake,test_set", "TEST/real/000,0.1,dfdc"], "has no row for test"),
        ([], "cannot be read as a table"),
    ],
)  # fmt: skip
def test_wrong_scores_of_a_closed_detector_are_its_failure(
    unharmed: dict[str, Any], run: Run, tmp_path: Path, lines: list[str], message: str
) -> None:
    file = tmp_path / "closed.csv"
    file.write_text("\n".join(lines))
    unharmed["detectors"]["closed"] = {"use": "scores", "path": str(file)}
    code, _ = run(unharmed)
    assert code == 4
    found = rows_of(tmp_path / "results" / "tiny")
    assert found["probe"]["status"] == "done"
    assert found["closed"]["status"] == "failed"
    assert "closed.csv" in found["closed"]["reason"] and message in found["closed"]["reason"]
    assert not (tmp_path / "results" / "tiny" / "failures").exists(), (
        "it was foreseen: no traceback"
    )


def test_the_first_failure_ends_the_run_where_that_is_asked_for(
    before: Finished, unharmed: dict[str, Any], dfdbench: Dfdbench, write_spec: Write, crops: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    unharmed["recipe"]["lr"] = 3e37
    code, _, error = dfdbench(
        "run", write_spec(unharmed), "--data", crops, "--workers", 0, "--fail-fast"
    )
    assert code == 4
    assert "error: the loss is not finite" in error
    assert not (tmp_path / "results").exists()


# The disk


def test_a_store_that_cannot_be_written_is_named(
    unharmed: dict[str, Any], dfdbench: Dfdbench, write_spec: Write, crops: Path, tmp_path: Path
) -> None:
    # Root may write anywhere, but nobody can make a folder below a file.
    (tmp_path / "file").write_text("")
    store = tmp_path / "file" / "store"
    code, out, error = dfdbench("run", write_spec(unharmed), "--data", crops, "--store", store)
    assert (code, out) == (4, "")
    assert error == (
        f"error: cannot write to the store {store}: Not a directory; make it writable, or name "
        "another one with --store\n"
    )


def test_results_that_cannot_be_written_cost_no_cell(
    unharmed: dict[str, Any], dfdbench: Dfdbench, write_spec: Write, crops: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    unharmed["recipe"]["lr"] = 0.03
    command = ("run", write_spec(unharmed), "--data", crops, "--workers", 0)
    code, _, error = dfdbench(*command, "--out", tmp_path / "file" / "out")
    assert code == 4
    assert f"error: cannot write the results to {tmp_path}/file/out: Not a directory" in error
    code, _, error = dfdbench(*command)
    assert code == 0
    assert "7 cells, 7 of them in the store" in error


def test_a_disk_that_is_full_at_any_stage_is_said_and_leaves_no_half_cell(
    small: dict[str, Any],
    dfdbench: Dfdbench,
    write_spec: Write,
    crops: Path,
    disk: Disk,
) -> None:
    store = disk("size=8k") / "store"
    where = (write_spec(small), "--data", crops, "--workers", 0, "--store", store)
    stopped_in: list[str] = []
    kept: set[str] = set()
    # The disk has less room than any stage needs, so that it is full in stage after stage. Faces
    # free some when they are done, so what follows them starts on a disk that is full again.
    for command in ("faces", "run"):
        for room in range(8, 4096, 32):
            used = os.statvfs(store.parent)
            kib = (used.f_blocks - used.f_bfree) * used.f_frsize // 1024 + room
            disk(f"size={kib}k")
            code, out, error = dfdbench(command, *where)
            left = {path.split("/")[0] for path in debris(store)}
            assert left <= {"partial"}
            assert kept <= finished(store).keys(), "what was finished stays"
            kept = set(finished(store))
            if code == 0:
                break
            assert (code, out) == (4, "")
            assert "disk is full" in error and "Traceback" not in error
            steps = [line for line in error.splitlines() if line.startswith("[")]
            stopped_in.append(steps[-1].split()[1] if steps else "index")
    assert {"index", "faces", "train", "score"} <= set(stopped_in)
    assert code == 0
    assert debris(store) == []


def test_a_disk_that_fills_up_in_training_loses_no_finished_cell(
    before: Finished,
    unharmed: dict[str, Any],
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from dfdbench_plugins.composed import training

    def full(self: training.Run) -> None:
        path = str(self.folder / "resume.tmp")
        raise OSError(errno.ENOSPC, "No space left on device", path)

    unharmed["recipe"]["lr"] = 0.04
    with monkeypatch.context() as patch:
        patch.setattr(training.Run, "save_resume", full)
        code, said = run(unharmed)
    assert code == 4
    assert "error: the disk is full: cannot write to " in said and "resume.tmp" in said
    assert no_new_training(tmp_path / ".dfdbench", before)
    assert run(unharmed)[0] == 0


def test_a_disk_that_is_full_at_the_end_costs_no_cell(
    unharmed: dict[str, Any],
    dfdbench: Dfdbench,
    write_spec: Write,
    crops: Path,
    disk: Disk,
) -> None:
    out = disk("size=16k") / "out"
    command = ("run", write_spec(unharmed), "--data", crops, "--workers", 0, "--out", out)
    code, _, error = dfdbench(*command)
    assert code == 4
    assert f"cannot write the results to {out}: No space left on device" in error
    disk("size=4096k")
    assert dfdbench(*command)[0] == 0
    assert {path.name for path in out.iterdir()} >= {"leaderboard.md", "metrics.json", "scores"}


# Interruption

HALTS_IN_EPOCH_3 = """
import signal, sys, time
from dfdbench import cli
from dfdbench_plugins.composed.training import Run

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
step = Run.step

def halting(self, *arguments):
    step(self, *arguments)
    if self.epoch == 2:
        print("in epoch 3", flush=True)
        time.sleep(600)

Run.step = halting
cli.main()
"""


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [
        (signal.SIGINT, 130, "interrupted: finished cells are kept; run the same command again"),
        (signal.SIGKILL, -signal.SIGKILL, ""),
    ],
)
def test_a_run_that_was_stopped_goes_on_and_ends_with_the_same_bytes(
    small: dict[str, Any],
    dfdbench: Dfdbench,
    write_spec: Write,
    crops: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    code: int,
    message: str,
) -> None:
    small["detectors"] = {"ln": {"backbone": TINY, "peft": "ln_tuning"}}
    small["recipe"]["epochs"] = 4
    command = ["run", write_spec(small), "--data", crops, "--workers", 0, "--device", "cpu"]
    store = tmp_path / "stopped"
    halting = [sys.executable, "-c", HALTS_IN_EPOCH_3, *map(str, command), "--store", str(store)]
    with subprocess.Popen(
        halting, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            said = ""
            while "in epoch 3" not in said:
                said = process.stderr.readline()  # what a plugin prints goes there
                assert said, "ended before epoch 3"
            process.send_signal(number)
            _, error = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == code
    assert message in error and "Traceback" not in error
    before = finished(store)
    assert stages(store, set(before)) >= {"index", "faces"}
    (partial,) = store.glob("partial/*")
    assert (partial / "scratch" / "resume.safetensors").is_file()
    assert not (tmp_path / "results").exists()

    from dfdbench_plugins.composed.training import Run as Training

    epochs: list[int] = []
    one_epoch = Training.one_epoch

    def counted(self: Training, *arguments: Any) -> dict[str, Any]:
        epochs.append(self.epoch + 1)
        return one_epoch(self, *arguments)

    monkeypatch.setattr(Training, "one_epoch", counted)
    assert dfdbench(*command, "--store", store)[0] == 0
    assert epochs == [3, 4], "the two finished epochs are not trained again"
    assert before.items() <= finished(store).items()
    assert debris(store) == []
    resumed = rows_of(tmp_path / "results" / "tiny")["ln"]
    assert dfdbench(*command, "--store", tmp_path / "whole")[0] == 0
    assert epochs == [3, 4, 1, 2, 3, 4]
    whole = rows_of(tmp_path / "results" / "tiny")["ln"]
    files = "cells/*/*/checkpoint.safetensors"
    (one,), (other,) = store.glob(files), (tmp_path / "whole").glob(files)
    assert one.parent.name == other.parent.name
    assert one.read_bytes() == other.read_bytes()
    same = ("video", "frame", "interval", "threshold", "fit", "key")
    assert {name: resumed[name] for name in same} == {name: whole[name] for name in same}
