"""Third-party plugins, installed as real distributions, and what the registry makes of them."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from conftest import ROOT, Write

from dfdbench import describe, hookimpl, hookspecs
from dfdbench import registry as registry_module
from dfdbench.api import Regularizer, Transform
from dfdbench.component import Component
from dfdbench.errors import PluginError
from dfdbench.registry import HOOKS, KINDS, Registry, own_version, source_hash

PLUGINS = ROOT / "tests" / "plugins"
SOURCES = [str(ROOT / name) for name in ("harness", "plugins", "benchmarks")]
# The distributions below plugins/ may be installed editable too, and would be found without these.
SOURCES += [str(path.parent) for path in ROOT.glob("plugins/*/pyproject.toml")]
DFDBENCH = "from dfdbench.cli import main; main()"

Command = Callable[..., subprocess.CompletedProcess[str]]


# Installed into an environment of its own


def empty_environment(folder: Path) -> Path:
    """A new environment without any plugin; returns its Python."""
    for needed in ("pip", "hatchling"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"needs {needed} to install plugins")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    packages = sysconfig.get_path("purelib", vars={"base": str(folder / "env")})
    # Dependencies are borrowed. A folder named in a .pth file does not have its own .pth files
    # read, so that an editable dfdbench would not be found in it: the sources are named as well.
    borrowed = dict.fromkeys([*SOURCES, *map(sysconfig.get_path, ("purelib", "platlib"))])
    (Path(packages) / "borrowed.pth").write_text("\n".join(borrowed) + "\n", encoding="utf-8")
    return folder / "env" / "bin" / "python"


def install(python: Path, distribution: Path) -> None:
    """Build the distribution in a folder, which is written to, and install it."""
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    pip += ["install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    done = subprocess.run([*pip, distribution], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def call(python: Path, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python in an environment, in a folder, without the sources that the tests name."""
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [str(python), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True)


def environment(folder: Path, name: str) -> Command:
    """A new environment with the plugin ``name`` in it; returns its ``dfdbench``."""
    python = empty_environment(folder)
    shutil.copytree(PLUGINS / name, folder / name)
    install(python, folder / name)
    return lambda *arguments: call(python, folder, "-c", DFDBENCH, *arguments)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Command:
    return environment(tmp_path_factory.mktemp("example"), "example")


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Command:
    return environment(tmp_path_factory.mktemp("taken"), "taken")


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Command:
    return environment(tmp_path_factory.mktemp("broken"), "broken")


def test_an_installed_plugin_is_listed_with_its_distribution_and_version(example: Command) -> None:
    done = example("ls")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert any(
        line.startswith("regularizer bounded dfdbench-example 1.2.3 Keeps every feature")
        for line in lines
    )
    assert any(line.startswith("detector halves dfdbench-example 1.2.3") for line in lines)
    assert any(line.startswith(f"regularizer slerp dfdbench {own_version()}") for line in lines), (
        "the built-ins are still there"
    )


def test_the_options_of_an_installed_component_are_shown(example: Command) -> None:
    done = example("show", "bounded")
    assert done.returncode == 0
    assert "regularizer bounded (dfdbench-example 1.2.3)" in done.stdout
    assert "scale: float = 1" in done.stdout
    assert "regularizers: [{use: bounded, scale: 1}]" in done.stdout


def test_an_installed_regularizer_and_detector_appear_on_the_leaderboard(
    example: Command, spec: dict[str, Any], crops: Path, write_spec: Write, tmp_path: Path
) -> None:
    tiny = spec["detectors"]["probe"]["backbone"]
    spec["detectors"] = {
        "own": {"use": "halves", "c": 10.0},
        "composed": {
            "backbone": tiny, "peft": "linear_probe",
            "regularizers": [{"use": "bounded", "scale": 2.0}],
        },
    }  # fmt: skip
    done = example(
        "run", write_spec(spec), "--data", crops, "--store", tmp_path / "store",
        "--out", tmp_path / "out", "--workers", 0, "--device", "cpu",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "out" / "metrics.json").read_text())["rows"]
    found = {row["detector"]: row for row in rows}
    assert {name: row["status"] for name, row in found.items()} == {
        "own": "done", "composed": "done",
    }  # fmt: skip
    # The fakes' left half is brighter by 40 of 255, which is all that this detector looks at.
    assert found["own"]["video"]["auroc"] == 1.0
    assert found["own"]["fit"]["trainable"] == 13
    board = (tmp_path / "out" / "leaderboard.md").read_text()
    assert "own" in board and "composed" in board
    assert "own" in done.stdout and "composed" in done.stdout
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    for component in ("detector.halves", "regularizer.bounded"):
        about = plan["plugins"][component]
        assert (about["distribution"], about["version"]) == ("dfdbench-example", "1.2.3")
        assert about["module"] == "dfdbench_example"


def test_a_taken_name_is_an_error_that_names_both_distributions(taken: Command) -> None:
    for command in (["ls"], ["check", "specs/demo.yaml"]):
        done = taken(*command)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr == (
            f"error: two plugins provide the regularizer 'slerp': dfdbench {own_version()} and "
            "dfdbench-taken 0.4; uninstall one of them, or rename its component\n"
        )


def test_a_plugin_that_fails_at_import_is_reported_and_left_out(broken: Command) -> None:
    done = broken("ls")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == (
        "left out: broken (dfdbench-broken 0.9): ModuleNotFoundError: "
        "No module named 'a_library_that_nobody_has'"
    )
    assert "slerp" in done.stdout


def test_only_a_spec_that_needs_a_plugin_that_fails_at_import_is_refused(
    broken: Command, spec: dict[str, Any], crops: Path, write_spec: Write, tmp_path: Path
) -> None:
    options = ("--data", crops, "--store", tmp_path / "store")
    assert broken("check", write_spec(spec), *options).returncode == 0
    spec["detectors"]["ln"]["regularizers"] = ["fancy"]
    done = broken("check", write_spec(spec), *options)
    assert done.returncode == 2
    assert "detectors.ln.regularizers.0: unknown regularizer 'fancy'" in done.stderr
    assert "plugin broken (dfdbench-broken 0.9) was left out: ModuleNotFoundError" in done.stderr


# What the registry refuses


def plugin(**hooks: Any) -> ModuleType:
    """A plugin module named ``my_plugin`` whose hooks return these values."""
    module = ModuleType("my_plugin")
    for name, value in hooks.items():
        setattr(module, name, hookimpl(lambda value=value: value))
    return module


class Fine(Regularizer):
    """Does nothing."""

    name = "fine"


class Unfinished(Transform):
    """Lacks both methods."""

    name = "unfinished"


class Shouting(Regularizer):
    """Has a name that no spec can hold."""

    name = "Fine!"


class Nameless(Regularizer):
    """Has no name."""


@pytest.mark.parametrize(
    ("hooks", "message"),
    [
        ({"dfdbench_regularizers": ["fine"]}, "dfdbench_regularizers returns 'fine'"),
        ({"dfdbench_regularizers": [Fine()]}, "a concrete subclass of dfdbench.api.Regularizer"),
        ({"dfdbench_regularizers": [dict]}, "a concrete subclass of dfdbench.api.Regularizer"),
        ({"dfdbench_regularizers": [Unfinished]}, "a concrete subclass of dfdbench.api.Regularize"),
        ({"dfdbench_transforms": [Unfinished]}, "a concrete subclass of dfdbench.api.Transform"),
        ({"dfdbench_detectors": [Fine]}, "a concrete subclass of dfdbench.api.Detector"),
        ({"dfdbench_regularizers": Fine}, "not classes"),
        ({"dfdbench_regularizers": None}, "dfdbench_regularizers returns None, not classes"),
        ({"dfdbench_regularizers": [Shouting]}, r"Shouting.name is 'Fine!', not \[a-z0-9_\]\+"),
        ({"dfdbench_regularizers": [Nameless]}, r"Nameless.name is '', not \[a-z0-9_\]\+"),
        ({"dfdbench_regularisers": [Fine]}, "dfdbench_regularisers.*the hooks are .*regularizers"),
        ({}, "has no hook"),
    ],
)
def test_a_plugin_that_breaks_the_contract_is_an_error_that_names_it(
    hooks: dict[str, Any], message: str
) -> None:
    registry = Registry()
    with pytest.raises(PluginError, match=message) as caught:
        registry.register(plugin(**hooks), "acme-plugins", "3.1")
    assert str(caught.value).startswith("plugin my_plugin of acme-plugins 3.1")
    assert caught.value.exit_code == 2
    assert registry.entries() == []


def test_a_hook_that_wants_arguments_is_an_error_that_names_the_plugin() -> None:
    module = ModuleType("my_plugin")
    module.dfdbench_regularizers = hookimpl(lambda config: [Fine])  # type: ignore[attr-defined]
    with pytest.raises(PluginError, match=r"(?s)plugin my_plugin of acme 1\.0.*config"):
        Registry().register(module, "acme", "1.0")


def test_a_name_may_be_taken_in_another_kind_only() -> None:
    class Other(Transform):
        """A transform of the same name."""

        name = "fine"

        def augment(self, images: Any, rng: Any) -> Any:
            return images

        def perturb(self, images: Any) -> Any:
            return images

    registry = Registry()
    registry.register(plugin(dfdbench_regularizers=[Fine]), "one", "1.0")
    registry.register(plugin(dfdbench_transforms=[Other]), "two", "2.0")
    with pytest.raises(
        PluginError, match=r"two plugins provide the regularizer 'fine': one 1\.0 and three 3\.0"
    ):
        registry.register(plugin(dfdbench_regularizers=[Fine]), "three", "3.0")
    assert [(kind, e.provider) for kind, e in registry.entries()] == [
        ("transform", "two 2.0"), ("regularizer", "one 1.0"),
    ]  # fmt: skip


@pytest.mark.parametrize("type_", [set[str], frozenset[int], tuple[set[str], ...] | None])
def test_an_option_may_not_be_a_set(type_: Any) -> None:
    with pytest.raises(TypeError, match=r"Unordered\.words: a component's option may not be a set"):
        type(Regularizer)(
            "Unordered",
            (Regularizer,),
            {"__annotations__": {"words": type_}, "__module__": __name__, "words": None},
        )


def test_a_plugin_whose_hook_fails_is_left_out_and_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> list[type[Regularizer]]:
        raise RuntimeError("no licence found")

    module = ModuleType("my_plugin")
    module.dfdbench_regularizers = hookimpl(fail)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "my_plugin", module)
    point = metadata.EntryPoint("mine", "my_plugin", registry_module.GROUP)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point])
    registry = registry_module.load()
    assert registry.broken == {"mine": "RuntimeError: no licence found"}
    assert "left out: mine: RuntimeError: no licence found" in describe.components(registry)
    with pytest.raises(ValueError, match="plugin mine was left out: RuntimeError: no licence"):
        registry.resolve("regularizer", "fancy")
    assert registry.resolve("regularizer", "slerp").name == "slerp"


# Versions of the API


def found_with(monkeypatch: pytest.MonkeyPatch, folder: Path, source: str) -> Registry:
    """The registry where a module with this source is installed as ``mine``."""
    (folder / "my_other_plugin.py").write_text(source)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "my_other_plugin", raising=False)
    point = metadata.EntryPoint("mine", "my_other_plugin", registry_module.GROUP)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point])
    return registry_module.load()


FANCY = '''
from dfdbench import hookimpl
from dfdbench.api import Regularizer{more}

dfdbench_api = {version}


class Fancy(Regularizer):
    """Does nothing."""

    name = "fancy"


@hookimpl
def dfdbench_regularizers():
    return [Fancy]
'''


@pytest.mark.parametrize("version", ['"1"', "1", "None"])
def test_a_plugin_for_this_version_of_the_api_is_taken_in(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = found_with(monkeypatch, tmp_path, FANCY.format(more="", version=version))
    assert found.broken == {}
    assert found.resolve("regularizer", "fancy").name == "fancy"


@pytest.mark.parametrize(
    ("version", "more", "way"),
    [
        ("2", "", "install a newer dfdbench, or a release of ? for version 1"),
        # What it needs is not there yet, so it cannot even be imported.
        ("2", ", Metric", "install a newer dfdbench, or a release of ? for version 1"),
        ("0", "", "install a release of ? for version 1"),
    ],
)
def test_a_plugin_for_another_version_is_left_out_unless_the_spec_needs_it(
    version: str, more: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = found_with(monkeypatch, tmp_path, FANCY.format(more=more, version=f'"{version}"'))
    says = (
        f"it was made for version {version} of the plugin API, and dfdbench {own_version()} has "
        f"version 1; {way}"
    )
    assert found.broken == {"mine": says}
    assert f"left out: mine: {says}" in describe.components(found)
    with pytest.raises(ValueError, match="plugin mine was left out: it was made for version"):
        found.resolve("regularizer", "fancy")
    assert found.resolve("regularizer", "slerp").name == "slerp"


def test_a_plugin_that_ends_the_process_at_import_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = found_with(monkeypatch, tmp_path, "import sys\nsys.exit('no licence')\n")
    assert found.broken == {"mine": "SystemExit: no licence"}


# Where a component comes from


def test_provenance_tells_module_distribution_version_and_source_of_every_part(
    registry: Registry,
) -> None:
    tiny = {"use": "timm", "model": "test_vit", "pretrained": "none"}
    detector = registry.resolve(
        "detector", {"backbone": tiny, "peft": "ln_tuning", "regularizers": ["slerp", "l2_norm"]}
    )
    found = {about["component"]: about for about in registry.provenance(detector)}
    assert list(found) == [
        "backbone.timm", "detector.composed", "peft.ln_tuning", "regularizer.l2_norm",
        "regularizer.slerp",
    ]  # fmt: skip
    file = Path(sys.modules["dfdbench_plugins.regularizers"].__file__ or "")
    source = hashlib.sha256(b"regularizers.py\0" + file.read_bytes() + b"\0").hexdigest()
    assert found["regularizer.slerp"] == {
        "component": "regularizer.slerp", "module": "dfdbench_plugins.regularizers",
        "distribution": "dfdbench", "version": own_version(), "source": source,
    }  # fmt: skip


def test_the_source_hash_of_a_package_covers_every_file_in_it(tmp_path: Path) -> None:
    def hash_of(text: str) -> str:
        module = ModuleType("package")
        module.__file__ = str(tmp_path / "__init__.py")
        (tmp_path / "__init__.py").write_text("")
        (tmp_path / "inner.py").write_text(text)
        return source_hash(module)

    assert hash_of("x = 1\n") == hash_of("x = 1\n") != hash_of("x = 2\n")


# Completeness


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_docstring_with_an_example(hook: str) -> None:
    text = inspect.getdoc(getattr(hookspecs, hook)) or ""
    first, _, rest = text.partition("\n")
    assert first.endswith(".")
    assert "Example: ``return [" in rest and "used as ``" in rest


def test_every_hook_specification_belongs_to_a_kind() -> None:
    named = {name for name in vars(hookspecs) if name.startswith("dfdbench_")}
    assert named == set(HOOKS)
    assert len(KINDS) == len(HOOKS)


def concrete(base: type[Component]) -> type[Component]:
    """The smallest component of a kind, named ``mine``."""
    methods = {name: lambda self, *inputs: None for name in base.__abstractmethods__}
    body = {"name": "mine", "__module__": __name__, "__doc__": "Mine.", **methods}
    made: type[Component] = type(base)(f"My{base.__name__}", (base,), body)
    return made


@pytest.mark.parametrize(("hook", "base"), HOOKS.items())
def test_every_hook_takes_a_component_of_its_kind_and_has_built_in_ones(
    hook: str, base: type[Component], registry: Registry
) -> None:
    mine = concrete(base)
    own = Registry()
    own.register(plugin(**{hook: [mine]}), "acme", "1.0")
    assert [(kind, entry.cls) for kind, entry in own.entries()] == [(base.kind, mine)]
    assert type(own.resolve(base.kind, "mine")) is mine
    assert own.provenance(own.resolve(base.kind, "mine"))[0]["distribution"] == "acme"
    builtin = [entry for _, entry in registry.entries(base.kind) if entry.distribution != "acme"]
    assert builtin, f"no built-in {base.kind}"
