"""DVC and `dfdbench run` as two runners of one truth."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, Dfdbench, Write
from ruamel.yaml import YAML

from dfdbench import dvc
from dfdbench import spec as specs
from dfdbench.dvc import figures
from dfdbench.registry import Registry

DVC = Path(sys.executable).with_name("dvc")
needs_dvc = pytest.mark.skipif(not DVC.is_file(), reason="needs the extra dfdbench[dvc]")

Run = Callable[..., str]


def finished(project: Path) -> set[str]:
    """Keys of the finished cells."""
    return {path.parent.name for path in project.glob(".dfdbench/cells/*/*/meta.json")}


def stages_of(project: Path, keys: set[str]) -> dict[str, int]:
    """How many of these cells each stage has."""
    found: dict[str, int] = {}
    for key in keys:
        meta = json.loads((project / f".dfdbench/cells/{key[:2]}/{key}/meta.json").read_text())
        found[meta["stage"]] = found.get(meta["stage"], 0) + 1
    return found


def ran(said: str) -> list[str]:
    """The stages that DVC ran, in order."""
    return [line.split("'")[1] for line in said.splitlines() if "Running stage" in line]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder that looks like a DVC repository; nothing in it is run by DVC."""
    (tmp_path / ".dvc").mkdir()
    return tmp_path


@pytest.fixture
def call(tmp_path: Path, crops: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in ``tmp_path``; returns what it printed."""
    # As in a checkout: the stages find dfdbench in .venv, and nothing of it is on PATH.
    script = tmp_path / ".venv" / "bin" / "dfdbench"
    script.parent.mkdir(parents=True)
    script.write_text(f"#!{sys.executable}\nfrom dfdbench.cli import main\nmain()\n")
    script.chmod(0o755)
    folders = [str(ROOT / name) for name in ("harness", "plugins", "benchmarks")]
    environment = {
        **os.environ,
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(tmp_path / ".site"),
        "DFDBENCH_DATA": str(crops),
        "PYTHONPATH": os.pathsep.join(folders),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    environment.pop("DFDBENCH_STORE", None)

    def run(program: str | Path, *arguments: object, fails: bool = False) -> str:
        done = subprocess.run(
            [str(program), *map(str, arguments)],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert bool(done.returncode) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture
def repository(tmp_path: Path, call: Run, write_spec: Write, spec: dict[str, Any]) -> Run:
    """Git and DVC with the tiny spec and its ``dvc.yaml``; runs DVC."""
    (tmp_path / ".gitignore").write_text("/results\n.dfdbench\n.venv\n.site\n/data\n")
    call("git", "init", "--quiet")
    call("git", "config", "user.email", "somebody@example.org")
    call("git", "config", "user.name", "Somebody")
    call(DVC, "init", "--quiet")
    write_spec(spec)
    call(tmp_path / ".venv/bin/dfdbench", "dvc", "spec.yaml", "--out", "dvc.yaml")
    call("git", "add", ".")
    call("git", "commit", "--quiet", "--message", "a benchmark")

    def run(*arguments: object, fails: bool = False) -> str:
        return call(DVC, *arguments, fails=fails)

    return run


def test_the_committed_files_are_what_the_generator_writes(registry: Registry) -> None:
    for name, up in (("demo", "."), ("paper", "../..")):
        source = f"benchmarks/dfdbench_benchmarks/specs/{name}.yaml"
        spec = specs.load(str(ROOT / source), registry)
        path = ROOT / ("dvc.yaml" if up == "." else f"benchmarks/{name}/dvc.yaml")
        assert path.read_text(encoding="utf-8") == dvc.generate(spec, source, up)
    template = ROOT / ".dvc" / "plots" / f"{dvc.TEMPLATE}.json"
    assert json.loads(template.read_text()) == dvc.ROC


def test_a_second_call_changes_nothing(
    project: Path, dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any]
) -> None:
    write_spec(spec)
    code, out, _ = dfdbench("dvc", "spec.yaml")
    assert code == 0
    assert "wrote benchmarks/tiny/dvc.yaml: 8 stages" in out
    path = project / "benchmarks/tiny/dvc.yaml"
    first, when = path.read_text(), path.stat().st_mtime_ns
    assert dfdbench("dvc", "spec.yaml")[0] == 0
    assert (path.read_text(), path.stat().st_mtime_ns) == (first, when)
    content = YAML(typ="safe", pure=True).load(first)
    assert content["stages"]["plan"]["wdir"] == "../.."
    assert content["vars"][1] == "../../spec.yaml"


def test_a_file_of_an_older_spec_is_replaced_and_an_edited_one_is_not(
    project: Path, dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any]
) -> None:
    write_spec(spec)
    dfdbench("dvc", "spec.yaml", "--out", "dvc.yaml")
    path = project / "dvc.yaml"
    del spec["train_sets"]["crops"]
    spec["detectors"] = {"closed": {"use": "scores", "path": str(path)}}
    del spec["recipe"]
    write_spec(spec)
    assert dfdbench("dvc", "spec.yaml", "--out", "dvc.yaml")[0] == 0
    assert "train" not in YAML(typ="safe", pure=True).load(path.read_text())["stages"]
    path.write_text(path.read_text().replace("the leaderboard", "my leaderboard"))
    code, _, error = dfdbench("dvc", "spec.yaml", "--out", "dvc.yaml")
    assert code == 2
    assert "dvc.yaml was edited by hand" in error and "--force overwrites it" in error
    assert "my leaderboard" in path.read_text()
    assert dfdbench("dvc", "spec.yaml", "--out", "dvc.yaml", "--force")[0] == 0
    assert "my leaderboard" not in path.read_text()


def test_where_dvc_could_not_follow_nothing_is_written(
    tmp_path: Path, dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any]
) -> None:
    write_spec(spec)
    code, _, error = dfdbench("dvc", "spec.yaml")
    assert (code, "run `git init` and `dvc init` first" in error) == (2, True)
    (tmp_path / ".dvc").mkdir()
    code, _, error = dfdbench("dvc", "specs/demo.yaml")
    assert (code, "copy the spec into your project" in error) == (2, True)
    assert not (tmp_path / "benchmarks").exists()


def test_a_large_benchmark_evaluates_all_test_sets_in_one_stage(
    registry: Registry, spec: dict[str, Any]
) -> None:
    spec["test_sets"] = {f"test{n}": spec["test_sets"]["test"] for n in range(20)}
    spec["detectors"] = {f"ln{n}": spec["detectors"]["ln"] for n in range(7)}
    large = specs.validate(spec, registry)
    assert dvc.count(large) == 2 + 1 + 20 + 7 + 7
    stage = YAML(typ="safe", pure=True).load(dvc.generate(large, "spec.yaml"))["stages"]["evaluate"]
    assert list(stage["matrix"]) == ["detector", "train_set"]
    assert "--test-set" not in stage["cmd"]


def test_nothing_in_the_package_imports_dvc() -> None:
    for path in (ROOT / "harness").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] == "dvc"], path


def test_a_roc_curve_is_averaged_over_seeds_at_each_false_positive_rate() -> None:
    def row(key: str, seed: int) -> dict[str, Any]:
        return {"detector": "ln", "train_set": "ff", "test_set": "cdf", "perturbation": "none",
                "seed": seed, "key": key, "video": {"auroc": 1.0 if seed else 0.5}}  # fmt: skip

    rows = [row("perfect", 1), row("blind", 0)]
    perfect = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])
    blind = np.array([0, 1]), np.array([0.5, 0.5])
    points = figures.curves(rows, {"perfect": perfect, "blind": blind})
    assert len(points) == 1 + 101
    assert points[0] == {"test_set": "cdf", "detector": "ln", "fpr": 0.0, "tpr": 0.0}
    at = {point["fpr"]: point["tpr"] for point in points}
    assert (at[0.0], at[0.5], at[1.0]) == (0.5, 0.75, 1.0)
    assert figures.aurocs(rows) == {"ln-ff": {"cdf": 0.75, "mean": 0.75}}


def test_a_stage_without_its_plan_says_what_to_run(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("DFDBENCH_DATA", str(crops))
    monkeypatch.setenv("DFDBENCH_STORE", str(crops.parent / ".dfdbench"))
    path = write_spec(spec)
    for arguments in (["report"], ["train", "--detector", "ln", "--train-set", "crops"]):
        code, _, error = dfdbench("stage", arguments[0], path, *arguments[1:])
        assert code == 3
        assert "there is no results/tiny/dvc/plan/" in error and "run `dvc repro`" in error
    code, _, error = dfdbench("stage", "train", path, "--detector", "l", "--train-set", "crops")
    assert (code, "tiny has no detector 'l'; it has probe, ln" in error) == (2, True)


def test_a_stage_whose_plan_is_of_another_state_computes_nothing(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("DFDBENCH_DATA", str(crops))
    path = write_spec(spec)
    assert dfdbench("stage", "plan", path)[0] == 0
    planned = finished(tmp_path)
    spec["detectors"]["ln"]["recipe"] = {"lr": 0.02}
    path = write_spec(spec)
    code, _, error = dfdbench("stage", "train", path, "--detector", "ln", "--train-set", "crops")
    assert (code, "run `dvc repro` again" in error) == (3, True)
    assert finished(tmp_path) == planned


def test_the_plan_removes_what_stages_wrote_for_a_detector_that_is_gone(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("DFDBENCH_DATA", str(crops))
    old, kept = (tmp_path / f"results/tiny/dvc/train/{n}/crops.json" for n in ("old", "ln"))
    for path in (old, kept):
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    assert dfdbench("stage", "plan", write_spec(spec))[0] == 0
    assert kept.exists() and not old.exists()


@pytest.mark.slow
def test_every_part_of_the_plan_is_what_its_stage_plans_by_itself(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("DFDBENCH_DATA", str(crops))
    # Two test sets of the same data share cells; one train set selects on a test set.
    (tmp_path / "closed.csv").write_text("video_id,p_fake\nTEST/real/000,0.1\nTEST/DF/000_001,1\n")
    spec["test_sets"]["again"] = spec["test_sets"]["test"]
    manifest = spec["train_sets"]["crops"]["dataset"]
    spec["train_sets"]["on_test"] = {"dataset": manifest, "select_on_test": "again"}
    spec["detectors"] = {
        "ln": spec["detectors"]["ln"],
        "closed": {"use": "scores", "path": str(tmp_path / "closed.csv")},
    }
    spec["recipe"]["epochs"] = 1
    path = write_spec(spec)
    assert dfdbench("stage", "plan", path)[0] == 0
    top = tmp_path / "results/tiny/dvc"
    plans = sorted((top / "plan").rglob("*/*.json"))
    assert len(plans) == 2 + 2 + 2 * 2 + 2 * 2 * 2
    for plan in plans:
        stage, *ids = plan.relative_to(top / "plan").with_suffix("").parts
        options = [f"--{stage.split('_')[0]}-set"] if stage.endswith("_faces") else []
        options = options or ["--detector", "--train-set", "--test-set"][: len(ids)]
        pairs = [item for pair in zip(options, ids, strict=True) for item in pair]
        name = "faces" if stage.endswith("_faces") else stage
        code, _, error = dfdbench("stage", name, path, *pairs)
        assert code == 0, error
        wrote = json.loads((top / plan.relative_to(top / "plan")).read_text())["cells"]
        assert set(wrote) == set(json.loads(plan.read_text())["cells"])
    code, out, _ = dfdbench("stage", "evaluate", path, "--detector", "ln", "--train-set", "crops")
    assert (code, out.count("wrote")) == (0, 2), "both test sets, as a large benchmark asks for"
    assert dfdbench("stage", "report", path)[0] == 0
    before = finished(tmp_path)
    dfdbench("run", path)
    assert finished(tmp_path) == before


@needs_dvc
@pytest.mark.slow
def test_what_dvc_computed_a_run_does_not_compute_again_and_dvc_does_if_it_is_lost(
    repository: Run, call: Run, tmp_path: Path
) -> None:
    repository("repro")
    keys = finished(tmp_path)
    computed = stages_of(tmp_path, keys)
    assert [computed[stage] for stage in ("faces", "train", "score", "evaluate")] == [3, 2, 4, 2]
    assert "11 cells, 11 of them in the store" in call(
        tmp_path / ".venv/bin/dfdbench", "run", "spec.yaml"
    )
    assert finished(tmp_path) == keys
    said = repository("repro")
    assert ran(said) == ["plan"]
    shown = json.loads(repository("metrics", "show", "--json"))
    files = next(iter(shown.values()))["data"]
    assert {Path(path).stem for path in files} == {"probe-crops", "ln-crops"}
    repository("plots", "show", "--out", "plots")
    page = (tmp_path / "plots/index.html").read_text()
    assert '"detector": "ln"' in page and '"test_set": "test"' in page
    dag = repository("dag", "--dot")
    evaluated = '"evaluate@ln-crops-test"'
    assert f'{evaluated} -> "report"' in dag and f'"train@ln-crops" -> {evaluated}' in dag
    for folder in (".dfdbench", "results", ".dvc/cache"):  # as in a fresh clone with a dvc.lock
        shutil.rmtree(tmp_path / folder)
    repository("repro")
    assert finished(tmp_path) == keys
    shutil.rmtree(tmp_path / ".dfdbench")
    assert "Running stage 'report'" not in repository("repro"), "its results are all there"
    repository("repro", "--single-item", "--force", "report")
    assert finished(tmp_path) == keys


@needs_dvc
@pytest.mark.slow
def test_what_changes_in_the_spec_is_computed_and_nothing_else_in_either_runner(
    repository: Run, call: Run, tmp_path: Path, write_spec: Write, spec: dict[str, Any]
) -> None:
    call(tmp_path / ".venv/bin/dfdbench", "run", "spec.yaml")
    keys = finished(tmp_path)
    repository("repro")
    assert finished(tmp_path) == keys, "dvc repro after a run computes no cell"
    call("git", "add", ".")
    call("git", "commit", "--quiet", "--message", "results")
    rates = [f"spec.yaml:+detectors.ln.recipe.{name}=1e-9" for name in ("lr", "min_lr")]
    said = repository("exp", "run", "--set-param", rates[0], "--set-param", rates[1])
    assert ran(said) == ["plan", "train@ln-crops", "evaluate@ln-crops-test", "report"]
    added, again = finished(tmp_path) - keys, {"train": 1, "score": 2, "evaluate": 1}
    assert stages_of(tmp_path, added) == again
    titles = {
        json.loads((tmp_path / f".dfdbench/cells/{k[:2]}/{k}/meta.json").read_text())["title"]
        for k in added
    }
    assert all(" ln crops 1" in title for title in titles)
    diff = json.loads(repository("metrics", "diff", "--json"))
    assert [Path(path).stem for path in diff] == ["ln-crops"], "only this detector changed"
    assert diff[next(iter(diff))]["test"]["diff"] < 0
    keys = finished(tmp_path)
    call(tmp_path / ".venv/bin/dfdbench", "run", "spec.yaml")
    assert finished(tmp_path) == keys, "a run after dvc repro computes no cell"
    rate = "detectors.ln.recipe.lr=0.03"
    call(tmp_path / ".venv/bin/dfdbench", "run", write_spec(spec), "--set", rate)
    assert stages_of(tmp_path, finished(tmp_path) - keys) == again, "as with DVC"
    # The dvc.yaml is a template: it follows a detector that comes or goes.
    spec["detectors"]["bitfit"] = {**spec["detectors"]["ln"], "peft": "bitfit"}
    del spec["detectors"]["probe"]
    write_spec(spec)
    assert ran(repository("repro")) == [
        "plan", "train@bitfit-crops", "evaluate@bitfit-crops-test", "report",
    ], "what DVC has seen before, it takes from its cache"  # fmt: skip
    board = (tmp_path / "results/tiny/leaderboard.md").read_text()
    assert "bitfit" in board and "probe" not in board
    lines = {path.stem for path in (tmp_path / "results/tiny/dvc/auroc").iterdir()}
    assert lines == {"ln-crops", "bitfit-crops"}
