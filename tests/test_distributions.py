"""The distributions below plugins/: each alone, all together, by what any third party has."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from dfdbench import plan, registry
from dfdbench import spec as specs
from dfdbench.registry import Registry
from dfdbench.runtime import Runtime

PLUGINS = {path.parent.name: path.parent for path in ROOT.glob("plugins/*/pyproject.toml")}
PROVIDED = {
    "effort": {("peft", "effort")},
    "lsda": {("detector", "lsda")},
    "sbi": {("dataset", "sbi"), ("preprocessor", "sbi_faces")},
    "temporal": {("detector", "temporal")},
}
PUBLIC = {"dfdbench", "dfdbench.api", "dfdbench.encoder", "dfdbench.errors", "dfdbench.faces"}

# `dfdbench ls` with the distributions of some folders and no others, whatever is installed here.
LIST = """
import sys
from importlib import metadata
folders = sys.argv[1:]
sys.path[:0] = folders
found = [p for d in metadata.distributions(path=folders) for p in d.entry_points]
metadata.entry_points = lambda group: [p for p in found if p.group == group]
sys.argv = ["dfdbench", "ls"]
from dfdbench.cli import main
try:
    main()
finally:
    print("heavy:", [name for name in ("torch", "safetensors") if name in sys.modules])
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each distribution's wheel, unpacked into a folder of its own."""
    for needed in ("pip", "hatchling"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"needs {needed} to build distributions")
    folder = tmp_path_factory.mktemp("distributions")
    build = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    build += ["--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder)]
    done = subprocess.run([*build, *map(str, PLUGINS.values())], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in PLUGINS:
        (wheel,) = folder.glob(f"dfdbench_{name}-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / name)
    return {name: folder / name for name in PLUGINS}


def listed(*folders: Path) -> tuple[set[tuple[str, str, str]], str]:
    """``(kind, name, distribution)`` of what `ls` shows of third parties, and the last line."""
    done = subprocess.run([sys.executable, "-c", LIST, *folders], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert not [line for line in lines if "left out" in line]
    rows = [line.split() for line in lines if " dfdbench-" in line]
    return {(row[0], row[1], f"{row[2]} {row[3]}") for row in rows}, last


def expected(*names: str) -> set[tuple[str, str, str]]:
    return {(*one, f"dfdbench-{name} 0.1.0") for name in names for one in PROVIDED[name]}


@pytest.mark.parametrize("name", PROVIDED)
def test_a_distribution_alone_is_listed_with_what_it_provides(
    name: str, installed: dict[str, Path]
) -> None:
    found, last = listed(installed[name])
    assert found == expected(name)
    assert last == "heavy: []", "a list of components needs none of the libraries that do the work"


def test_all_distributions_together_are_listed(installed: dict[str, Path]) -> None:
    assert set(PLUGINS) == set(PROVIDED)
    found, _ = listed(*installed.values())
    assert found == expected(*PROVIDED)


def test_a_wheel_holds_its_package_and_nothing_else(installed: dict[str, Path]) -> None:
    for name, folder in installed.items():
        assert {path.name for path in folder.iterdir()} == {
            f"dfdbench_{name}", f"dfdbench_{name}-0.1.0.dist-info",
        }  # fmt: skip


def test_an_extra_names_each_distribution() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    for name, folder in PLUGINS.items():
        with (folder / "pyproject.toml").open("rb") as file:
            project = tomllib.load(file)["project"]
        assert extras[name] == [project["name"]] == [f"dfdbench-{name}"]
        assert "dfdbench" in project["dependencies"]


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("name", PROVIDED)
def test_a_distribution_uses_what_any_third_party_may(name: str) -> None:
    files = sorted((PLUGINS[name] / f"dfdbench_{name}").rglob("*.py"))
    used = {module for file in files for module in imported(file)}
    own = f"dfdbench_{name}"
    assert {m for m in used if m.startswith("dfdbench") and m.partition(".")[0] != own} <= PUBLIC
    assert "dfdbench.api" in used


@pytest.fixture
def everything() -> Registry:
    """The built-ins and the modules below plugins/, whether they are installed or not."""
    own = Registry()
    for module in import_module(registry.BUILTINS).MODULES:
        own.register(import_module(module), "dfdbench", registry.own_version())
    for name in PROVIDED:
        own.register(import_module(f"dfdbench_{name}"), f"dfdbench-{name}", "0.1.0")
    return own


def test_the_bundled_comparison_has_a_row_for_every_distribution(everything: Registry) -> None:
    spec = specs.load("specs/detectors.yaml", everything)
    parts = [spec.faces, *spec.detectors.values()]
    parts += [train_set.dataset for train_set in spec.train_sets.values()]  # type: ignore[misc]
    used = {part.name for component in parts for part in component.walk()}
    assert {name for provided in PROVIDED.values() for _, name in provided} <= used
    baselines = specs.load("specs/baselines.yaml", everything)
    assert list(baselines.detectors) == ["xception", "efficientnet_b4"]
    assert set(baselines.detectors) < set(spec.detectors)


def test_people_who_are_trained_on_through_sbi_are_found_in_the_test_set(
    everything: Registry, runtime: Runtime
) -> None:
    people = {"use": "synthetic_faces", "identities": 2}
    raw: dict[str, Any] = {
        "name": "leak",
        "faces": {"use": "sbi_faces", "of": "precropped"},
        "train_sets": {"sbi": {"dataset": {"use": "sbi", "of": people}, "train": "test"}},
        "test_sets": {"same": {"dataset": people}, "others": {"dataset": people, "split": "val"}},
    }
    runtime.registry = everything
    made = plan.make(specs.validate(raw, everything), runtime)
    (leak,) = made.leaks
    assert leak.other == "same" and len(leak.people) == 2
    assert len(leak.videos) == 2, "the two real videos; the fakes were not trained on"
