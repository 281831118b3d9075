"""The main job end to end, on small crops and a small network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import Dfdbench, Write
from safetensors.numpy import load_file


def finished(store: Path) -> dict[str, int]:
    """Key of every finished cell -> when it was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in store.glob("cells/*/*/meta.json")}


def checkpoints(store: Path) -> dict[str, Any]:
    return {
        path.parent.name: path.read_bytes()
        for path in store.glob("cells/*/*/checkpoint.safetensors")
    }


def test_a_run_writes_everything_that_the_documentation_lists(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path
) -> None:
    code, out, _ = dfdbench("run", write_spec(spec), "--data", crops)
    assert code == 0
    results = tmp_path / "results" / "tiny"
    for name in (
        "leaderboard.md",
        "leaderboard.csv",
        "leaderboard.json",
        "metrics.json",
        "plan.json",
    ):
        assert (results / name).stat().st_size > 0
    assert "probe" in out and "ln" in out
    assert max(map(len, out.splitlines())) <= 80
    rows = json.loads((results / "metrics.json").read_text())["rows"]
    assert [(row["detector"], row["status"]) for row in rows] == [("probe", "done"), ("ln", "done")]
    assert rows[1]["fit"]["selection"] == "best video map"
    assert rows[1]["threshold_from"] == "validation EER"
    assert rows[0]["fit"]["trainable"] == 2 * 64 + 2
    plan = json.loads((results / "plan.json").read_text())
    assert plan["environment"]["libraries"]["torch"]
    assert plan["plugins"]["backbone.timm"]["distribution"] == "dfdbench"
    assert plan["spec"]["recipe"] == spec["recipe"]


def test_scores_are_one_table_for_pandas(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path
) -> None:
    dfdbench("run", write_spec(spec), "--data", crops)
    table = pd.read_parquet(tmp_path / "results" / "tiny" / "scores")
    assert list(table.columns) == [
        "detector", "train_set", "seed", "test_set", "perturbation", "video_id", "frame_index",
        "path", "label", "p_fake",
    ]  # fmt: skip
    assert len(table) == 2 * 24
    assert table.p_fake.between(0, 1).all()
    assert set(table.path.map(lambda path: path.split("/")[1])) == {"real", "DF"}
    rows = json.loads((tmp_path / "results" / "tiny" / "metrics.json").read_text())["rows"]
    from sklearn.metrics import roc_auc_score

    ln = table[table.detector == "ln"].groupby("video_id").agg({"label": "first", "p_fake": "mean"})
    assert rows[1]["video"]["auroc"] == pytest.approx(roc_auc_score(ln.label, ln.p_fake))


def test_a_second_run_computes_nothing(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path
) -> None:
    path = write_spec(spec)
    _, first, _ = dfdbench("run", path, "--data", crops)
    before = finished(tmp_path / ".dfdbench")
    _, second, said = dfdbench("run", path, "--data", crops)
    assert finished(tmp_path / ".dfdbench") == before
    assert second == first
    assert "11 cells, 11 of them in the store" in said


def test_only_the_detector_that_changed_is_computed_again(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path
) -> None:
    path = write_spec(spec)
    dfdbench("run", path, "--data", crops)
    _, _, said = dfdbench("run", path, "--data", crops, "--set", "detectors.ln.recipe.lr=0.02")
    assert "11 cells, 7 of them in the store" in said


def test_two_runs_of_one_seed_give_the_same_bytes(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path
) -> None:
    path = write_spec(spec)
    dfdbench("run", path, "--data", crops, "--store", "one")
    dfdbench("run", path, "--data", crops, "--store", "two")
    one, two = checkpoints(tmp_path / "one"), checkpoints(tmp_path / "two")
    assert len(one) == 2
    assert one == two


def test_another_seed_gives_other_weights(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path
) -> None:
    spec["seeds"] = [1, 2]
    code, _, _ = dfdbench("run", write_spec(spec), "--data", crops, "--only", "ln")
    heads = {
        load_file(path)["head.weight"].tobytes()
        for path in tmp_path.glob(".dfdbench/cells/*/*/checkpoint.safetensors")
    }
    assert code == 0
    assert len(heads) == 2


def test_only_computes_the_named_detector(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path
) -> None:
    path = write_spec(spec)
    _, out, _ = dfdbench("run", path, "--data", crops, "--only", "probe")
    assert "\nln " not in out and "\nprobe " in out
    code, _, error = dfdbench("run", path, "--data", crops, "--only", "prob")
    assert (code, "it has probe, ln" in error) == (2, True)


def test_a_limit_marks_every_result_as_a_trial(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path
) -> None:
    code, out, _ = dfdbench("run", write_spec(spec), "--data", crops, "--limit", 2)
    assert code == 0
    rows = json.loads((tmp_path / "results" / "tiny" / "metrics.json").read_text())["rows"]
    assert [row["trial"] for row in rows] == [2, 2]
    assert rows[0]["videos"] == {"real": 2, "fake": 2, "unscored": 0}
    assert "trial" in out
    assert "trial" in (tmp_path / "results" / "tiny" / "leaderboard.md").read_text()


def test_without_validation_the_last_epoch_is_taken_and_the_row_says_so(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path
) -> None:
    del spec["train_sets"]["crops"]["validation"]
    _, out, _ = dfdbench("run", write_spec(spec), "--data", crops)
    rows = json.loads((tmp_path / "results" / "tiny" / "metrics.json").read_text())["rows"]
    assert rows[0]["fit"]["selection"] == "last epoch"
    assert rows[0]["fit"]["epoch"] == 3
    assert rows[0]["threshold_from"] == "0.5, no validation"
    assert "last epoch, no validation" in out


def test_selection_on_a_test_set_is_marked(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path
) -> None:
    del spec["train_sets"]["crops"]["validation"]
    spec["train_sets"]["crops"]["select_on_test"] = "test"
    _, out, _ = dfdbench("run", write_spec(spec), "--data", crops)
    rows = json.loads((tmp_path / "results" / "tiny" / "metrics.json").read_text())["rows"]
    assert rows[0]["fit"]["selected_on"] == "test"
    assert "selected on a test set" in " ".join(out.split())


def test_a_detector_that_fails_does_not_stop_the_others(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path
) -> None:
    bad = {"use": "timm", "model": "test_resnet", "size": 32, "pretrained": "none"}
    spec["detectors"] = {"bad": {"backbone": bad, "peft": "ln_tuning"}, **spec["detectors"]}
    code, out, _ = dfdbench("run", write_spec(spec), "--data", crops)
    assert code == 4
    rows = json.loads((tmp_path / "results" / "tiny" / "metrics.json").read_text())["rows"]
    assert {row["detector"]: row["status"] for row in rows} == {
        "bad": "failed", "probe": "done", "ln": "done",
    }  # fmt: skip
    assert "LayerNorm" in rows[0]["reason"]
    assert "failed" in out and "LayerNorm" in out


def test_a_test_set_with_one_class_is_undefined_and_no_number(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path
) -> None:
    only_real = {
        "dataset": {"use": "image_folder", "path": "TEST", "sources": ["real"]},
        "split": "all",
    }
    spec["test_sets"]["reals"] = only_real
    code, out, _ = dfdbench("run", write_spec(spec), "--data", crops)
    assert code == 0
    rows = json.loads((tmp_path / "results" / "tiny" / "metrics.json").read_text())["rows"]
    one = next(row for row in rows if row["test_set"] == "reals")
    assert one["video"]["auroc"] is None
    assert one["undefined"] == "only real videos"
    assert "only real videos" in " ".join(out.split())


def test_scores_of_a_closed_detector_get_a_row(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path
) -> None:
    lines = ["video_id,p_fake"]
    for video in range(6):
        lines += [f"TEST/real/{video:03d},0.{video}", f"TEST/DF/{video:03d}_{video + 1:03d},0.9"]
    (tmp_path / "closed.csv").write_text("\n".join(lines[:-1]) + "\n")
    spec["detectors"]["closed"] = {"use": "scores", "path": str(tmp_path / "closed.csv")}
    code, _, _ = dfdbench("run", write_spec(spec), "--data", crops, "--only", "closed")
    assert code == 0
    (row,) = json.loads((tmp_path / "results" / "tiny" / "metrics.json").read_text())["rows"]
    assert (row["train_set"], row["video"]["auroc"]) == ("none", 1.0)
    assert row["videos"] == {"real": 6, "fake": 6, "unscored": 1}


def test_perturbed_scores_stand_beside_the_clean_ones(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path
) -> None:
    spec["perturbations"] = {"noise": {"use": "gaussian_noise", "sigma": 60}}
    code, _, _ = dfdbench("run", write_spec(spec), "--data", crops, "--only", "ln")
    assert code == 0
    table = pd.read_parquet(tmp_path / "results" / "tiny" / "scores")
    clean, noisy = (table[table.perturbation == name].p_fake for name in ("none", "noise"))
    assert len(clean) == len(noisy) == 24
    assert abs(clean.to_numpy() - noisy.to_numpy()).max() > 1e-4


def test_check_lists_every_cell_and_computes_none(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path
) -> None:
    path = write_spec(spec)
    code, out, _ = dfdbench("check", path, "--data", crops)
    assert code == 0
    assert "3 cells done, 11 cells to do" in out
    dfdbench("run", path, "--data", crops)
    _, out, _ = dfdbench("check", path, "--data", crops)
    assert "14 cells done" in out and "to do" not in out


def test_leaderboards_of_two_folders_merge(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path
) -> None:
    path = write_spec(spec)
    dfdbench("run", path, "--data", crops, "--only", "ln", "--out", "one")
    dfdbench("run", path, "--data", crops, "--only", "probe", "--out", "two")
    code, out, _ = dfdbench("leaderboard", "one", "two")
    assert code == 0
    assert "\nln " in out and "\nprobe " in out


def test_scores_that_did_not_change_are_not_written_again(
    spec: dict[str, Any], dfdbench: Dfdbench, write_spec: Write, crops: Path
) -> None:
    path = write_spec(spec)
    assert dfdbench("run", path, "--data", crops)[0] == 0
    folder = Path("results/tiny/scores")
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    assert dfdbench("run", path, "--data", crops, "--set", "detectors.ln.recipe.lr=3e-3")[0] == 0
    after = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"ln-crops-1-test-none.parquet"}
