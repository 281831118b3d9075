"""The command line and what the README says of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Dfdbench, Write

from dfdbench.registry import KINDS

HEAVY = {"torch", "torchvision", "open_clip", "timm", "sklearn", "datasets", "ray", "matplotlib"}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["ls"], ["show", "composed"], ["run", "--help"], ["ls", "backbone"]]
)
def test_commands_that_only_describe_import_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys, json\n"
        f"sys.argv = ['dfdbench', *{arguments!r}]\n"
        "from dfdbench import cli\n"
        "try:\n    cli.main()\nexcept SystemExit as e:\n    assert not e.code, e.code\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert HEAVY.isdisjoint(json.loads(done.stdout.splitlines()[-1]))


def test_ls_names_every_kind_and_who_provides_each_component(dfdbench: Dfdbench) -> None:
    code, out, _ = dfdbench("ls")
    assert code == 0
    assert {line.split()[0] for line in out.splitlines()[1:] if line[:1].strip()} == set(KINDS)
    assert re.search(r"regularizer +slerp +dfdbench \d", out)
    assert max(map(len, out.splitlines())) <= 80


def test_ls_of_an_unknown_kind_names_the_kinds(dfdbench: Dfdbench) -> None:
    code, _, error = dfdbench("ls", "optimizer")
    assert code == 2
    assert "the kinds are dataset, preprocessor" in error


def test_show_prints_type_default_and_meaning_of_each_option(dfdbench: Dfdbench) -> None:
    code, out, _ = dfdbench("show", "slerp")
    assert code == 0
    assert "high: float = 1\n      largest fraction of the way" in out
    assert "regularizers: [{use: slerp, low: 0, high: 1}]" in out


@pytest.mark.parametrize("name", ["composed", "manifest", "open_clip", "jpeg", "lora"])
def test_show_fits_a_terminal(dfdbench: Dfdbench, name: str) -> None:
    _, out, _ = dfdbench("show", name)
    assert max(map(len, out.splitlines())) <= 100


def test_show_of_an_unknown_component_names_the_closest(dfdbench: Dfdbench) -> None:
    code, _, error = dfdbench("show", "slrep")
    assert (code, error) == (2, "error: no component 'slrep'; did you mean 'slerp'?\n")


@pytest.mark.parametrize(
    "arguments", [["run"], ["runn", "x"], ["run", "a", "b"], ["run", "x", "--limit", "0"]]
)
def test_a_wrong_command_ends_with_2(dfdbench: Dfdbench, arguments: list[str]) -> None:
    code, _, error = dfdbench(*arguments)
    assert code == 2
    assert error.startswith("error: ")


def test_a_wrong_device_is_refused_before_anything_else(dfdbench: Dfdbench) -> None:
    code, _, error = dfdbench("run", "specs/demo.yaml", "--device", "gpu")
    assert (code, "auto, cpu, cuda" in error) == (2, True)


def test_check_of_the_paper_without_data_says_what_was_looked_for(dfdbench: Dfdbench) -> None:
    code, out, _ = dfdbench("check", "specs/paper.yaml")
    assert code == 3
    assert "missing data:" in out and "cdfv2 (test): Celeb-DF: no folder" in out
    assert "celeb-deepfakeforensics" in out, "where the data is asked for"
    assert "missing weights:" in out and "ViT-L-14" in out
    code, _, error = dfdbench("run", "specs/paper.yaml")
    assert code == 3
    assert "Celeb-DF: no folder" in error


def test_the_real_sample_without_its_folder_ends_with_3_and_a_sentence(dfdbench: Dfdbench) -> None:
    code, _, error = dfdbench("run", "specs/real_sample.yaml", "--store", "store")
    assert code == 3
    assert "no folder ../shared/data/real-faces/FF" in error


def test_the_plugin_of_the_readme_is_complete(
    dfdbench: Dfdbench,
    write_spec: Write,
    spec: dict[str, Any],
    crops: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n# brightness.py\n(.*?)```", text, re.DOTALL)
    assert code is not None
    (tmp_path / "brightness.py").write_text(code[1], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    info = tmp_path / "dfdbench_brightness-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: dfdbench-brightness\nVersion: 0.1.0\n"
    )
    (info / "entry_points.txt").write_text("[dfdbench]\nbrightness = brightness\n")
    assert "dfdbench-brightness 0.1.0" in dfdbench("ls", "detector")[1]
    spec["detectors"]["bright"] = "brightness"
    status, _, error = dfdbench("run", write_spec(spec), "--data", crops, "--only", "bright")
    assert status == 0, error
    (row,) = json.loads((tmp_path / "results" / "tiny" / "metrics.json").read_text())["rows"]
    assert row["video"]["auroc"] > 0.9


def test_the_spec_of_the_readme_validates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dfdbench import registry
    from dfdbench import spec as specs

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert block is not None
    path = tmp_path / "mine.yaml"
    path.write_text(block[1], encoding="utf-8")
    assert list(specs.load(str(path), registry.load()).detectors) == ["ln", "closed"]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150


def test_show_prints_a_bundled_spec_to_begin_with(dfdbench: Dfdbench) -> None:
    spec = ROOT / "benchmarks" / "dfdbench_benchmarks" / "specs" / "demo.yaml"
    assert dfdbench("show", "specs/demo.yaml") == (0, spec.read_text(encoding="utf-8"), "")
    code, _, error = dfdbench("show", "specs/dmo.yaml")
    assert code == 2 and "no spec at 'specs/dmo.yaml'" in error and "specs/demo.yaml" in error
