"""Every hook has a test and an example, and the guide for authors does what it says."""

from __future__ import annotations

import importlib
import inspect
import re
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Dfdbench, write_face
from test_conformance import names
from test_plugins import DFDBENCH, call, empty_environment, install
from wrong_plugins import OF_KINDS

from dfdbench import hookspecs, scaffold
from dfdbench import registry as registry_module
from dfdbench.registry import HOOKS, KINDS, Registry
from dfdbench.testing import Case, checks
from dfdbench.testing.suite import run_one

GUIDE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
MODULES = {
    text.splitlines()[0].removeprefix("# "): text for kind, text in BLOCKS if kind == "python"
}
PLUGINS = [name.removesuffix(".py") for name in MODULES if not name.startswith("test_")]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The modules of the guide, installed as one distribution, and data for its data set."""
    info = tmp_path / "dfdbench_guide-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dfdbench-guide\nVersion: 0.1.0\n")
    points = "".join(f"{name} = {name}\n" for name in PLUGINS)
    (info / "entry_points.txt").write_text(f"[dfdbench]\n{points}")
    for name, text in MODULES.items():
        (tmp_path / name).write_text(text)
        monkeypatch.delitem(sys.modules, name.removesuffix(".py"), raising=False)
    for n in range(8):
        kind = ("real", "fake")[n % 2]
        write_face(tmp_path / "data" / "pairs" / kind / f"{n}.png", n, bool(n % 2), size=64)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.fixture
def registry(written: Path) -> Registry:
    return registry_module.load()


def components_of(registry: Registry) -> dict[str, Any]:
    return {
        entry.cls.name: entry.cls
        for _, entry in registry.entries()
        if entry.distribution == "dfdbench-guide"
    }


def test_every_hook_has_an_example_in_the_guide(registry: Registry) -> None:
    hooks = {
        name for text in MODULES.values() for name in re.findall(r"^def (dfdbench_\w+)", text, re.M)
    }
    assert hooks == set(HOOKS)
    assert {cls.kind for cls in components_of(registry).values()} == set(KINDS)


def test_every_hook_has_tests_for_built_ins_faults_and_a_new_plugin() -> None:
    assert {name.partition(".")[0] for name in names()} == set(KINDS)
    assert {wrong.kind for wrong in OF_KINDS} == set(KINDS)
    for kind, hook in KINDS.items():
        module = scaffold.files("mine", kind)["dfdbench_mine.py"]
        assert f"def {hook}():" in module


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_says_when_it_is_called(hook: str) -> None:
    text = inspect.getdoc(getattr(hookspecs, hook)) or ""
    _, promise, example = text.split("\n\n")
    assert "`` is called" in promise or "In training" in promise or "`` gets" in promise
    assert example.startswith("Example: ")


@pytest.mark.parametrize(
    "name", ["colours", "pairs", "middle", "darker", "patches", "scales", "blend", "lines"]
)
def test_an_example_of_the_guide_keeps_its_contract(
    name: str, registry: Registry, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(written)
    component = components_of(registry)[name]()
    case = Case(component, written / "data", data=written / "data")
    found = [run_one(check, case) for check in checks(component.kind)]
    assert [f"{r.check.name}: {r.why}" for r in found if r.outcome != "ok"] == []


def test_the_guide_shows_every_component_that_is_tested(registry: Registry) -> None:
    assert sorted(components_of(registry)) == sorted(
        ["colours", "pairs", "middle", "darker", "patches", "scales", "blend", "lines"]
    )


def test_the_test_of_the_guide_has_a_case_for_each_check(written: Path) -> None:
    module = importlib.import_module("test_colours")
    (mark,) = module.test_conformance.pytestmark
    assert len(mark.args[1]) == 2 * len(checks("detector"))


def test_the_spec_of_the_guide_runs(written: Path, dfdbench: Dfdbench) -> None:
    (text,) = (text for kind, text in BLOCKS if kind == "yaml")
    (written / "mine.yaml").write_text(text)
    code, out, error = dfdbench(
        "run", "mine.yaml", "--data", "data", "--device", "cpu", "--workers", 0
    )
    assert code == 0, error
    assert "colours" in out and "small" in out
    (epochs,) = (written / "epochs").glob("*.jsonl")  # the other detector has none
    assert len(epochs.read_text().splitlines()) == 2


def test_the_metadata_of_the_guide_names_its_module() -> None:
    (text,) = (text for kind, text in BLOCKS if kind == "toml")
    project = tomllib.loads(text)["project"]
    assert project["entry-points"]["dfdbench"] == {"colours": "colours"}
    assert project["name"] == scaffold.distribution("colours")


def test_the_commands_that_test_the_examples_succeed(written: Path, dfdbench: Dfdbench) -> None:
    _, text = [(kind, text) for kind, text in BLOCKS if kind == "bash"][1]
    for line in text.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "dfdbench"
        code, out, error = dfdbench(*arguments)
        assert code == 0, out + error
        assert " 0 failed" not in out and out.splitlines()[-1].endswith(" ok")


@pytest.mark.slow
def test_the_commands_that_make_a_plugin_work_in_an_environment_of_their_own(
    tmp_path: Path,
) -> None:
    python, folder = empty_environment(tmp_path), tmp_path
    _, text = next((kind, text) for kind, text in BLOCKS if kind == "bash")
    done = []
    for line in text.splitlines():
        program, *arguments = shlex.split(line, comments=True)
        done.append(program)
        if program == "cd":
            folder = folder / arguments[0]
        elif program == "pip":
            assert arguments == ["install", "-e", "."]
            install(python, folder)  # an editable one needs a package that is not here
        else:
            first = {"dfdbench": ["-c", DFDBENCH], "python": []}[program]
            found = call(python, folder, *first, *arguments)
            assert found.returncode == 0, found.stdout + found.stderr
    assert done == ["dfdbench", "cd", "pip", "python", "dfdbench", "dfdbench"]


def test_other_blocks_of_the_guide_are_of_a_kind_that_is_tested() -> None:
    assert {kind for kind, _ in BLOCKS} == {"bash", "python", "yaml", "toml"}
    assert len([kind for kind, _ in BLOCKS if kind == "bash"]) == 2
