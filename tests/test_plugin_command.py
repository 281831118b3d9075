"""The commands for authors: `plugin new` and `plugin test`."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch  # noqa: F401 # here, since pytester takes back what is imported in a test
from conftest import Dfdbench

from dfdbench import scaffold
from dfdbench.errors import SpecError
from dfdbench.registry import KINDS
from dfdbench.testing import checks

pytest_plugins = ["pytester"]


def test_new_writes_a_distribution_and_says_what_comes_next(
    dfdbench: Dfdbench, tmp_path: Path
) -> None:
    code, out, error = dfdbench("plugin", "new", "bright_faces", "--out", "mine")
    assert (code, error) == (0, "")
    assert out.splitlines() == [
        "wrote mine/dfdbench-bright-faces/pyproject.toml",
        "wrote mine/dfdbench-bright-faces/README.md",
        "wrote mine/dfdbench-bright-faces/dfdbench_bright_faces.py",
        "wrote mine/dfdbench-bright-faces/tests/test_dfdbench_bright_faces.py",
        "next: cd mine/dfdbench-bright-faces && pip install -e . && python -m pytest",
    ]
    there = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert there == {line.split()[1] for line in out.splitlines()[:-1]}
    module = (tmp_path / "mine/dfdbench-bright-faces/dfdbench_bright_faces.py").read_text()
    assert "class BrightFaces(Detector):" in module and 'dfdbench_api = "1"' in module


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_passes_its_own_tests(kind: str, pytester: pytest.Pytester) -> None:
    """Those of its own; that it passes the suite stands in test_testing.py, check by check."""
    name = f"own_{kind}"
    for path, text in scaffold.files(name, kind).items():
        file = pytester.path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    pytester.syspathinsert()
    arguments = ("-p", "no:cacheprovider", "-W", "error", "-k", "not test_conformance")
    ran = pytester.runpytest_inprocess(*arguments)
    ran.assert_outcomes(passed=1, deselected=ran.parseoutcomes()["deselected"])
    assert ran.parseoutcomes()["deselected"] % len(checks(kind)) == 0


@pytest.mark.skipif(importlib.util.find_spec("ruff") is None, reason="needs ruff")
def test_what_is_written_is_formatted_and_has_nothing_to_lint(tmp_path: Path) -> None:
    for kind in KINDS:
        folder = scaffold.write(f"new_{kind}", kind, tmp_path)
        for command in (["check", "--select", "E,F,I,UP,B,SIM"], ["format", "--check"]):
            ruff = [sys.executable, "-m", "ruff", *command, "--no-cache"]
            done = subprocess.run([*ruff, "."], cwd=folder, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Bright", "'Bright' is no name for a plugin: small letters, digits and single _"),
        ("2d", "is no name for a plugin"),
        ("a__b", "is no name for a plugin"),
        ("../x", "is no name for a plugin"),
        ("a-b", "is no name for a plugin"),
        ("detector", "would make a class Detector, which has a meaning already"),
        ("none", "would make a class None, which has a meaning already; choose another, such as "
         "my_none"),
    ],
)  # fmt: skip
def test_a_name_that_cannot_be_one_is_refused(
    name: str, message: str, dfdbench: Dfdbench, tmp_path: Path
) -> None:
    code, out, error = dfdbench("plugin", "new", name)
    assert (code, out) == (2, "")
    assert message in error
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_an_installed_plugin_has_is_refused(dfdbench: Dfdbench, tmp_path: Path) -> None:
    code, _, error = dfdbench("plugin", "new", "slerp", "--kind", "regularizer")
    assert code == 2
    assert "provides the regularizer 'slerp' already; choose another name" in error
    assert dfdbench("plugin", "new", "slerp", "--kind", "transform")[0] == 0


def test_an_unknown_kind_names_the_kinds(dfdbench: Dfdbench) -> None:
    code, _, error = dfdbench("plugin", "new", "mine", "--kind", "metric")
    assert code == 2
    assert "--kind metric: there is no such kind; there are dataset, preprocessor" in error


@pytest.mark.parametrize("what", ["folder", "file"])
def test_nothing_is_overwritten(what: str, dfdbench: Dfdbench, tmp_path: Path) -> None:
    target = tmp_path / "dfdbench-mine"
    if what == "folder":
        target.mkdir()
        (target / "notes.txt").write_text("mine")
    else:
        target.write_text("mine")
    code, _, error = dfdbench("plugin", "new", "mine")
    assert code == 2
    assert "dfdbench-mine is there already; choose another name or another --out" in error
    assert [path.name for path in tmp_path.iterdir()] == ["dfdbench-mine"]


def test_nothing_half_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, written = Path.write_text, []

    def full(self: Path, *arguments: object, **options: object) -> int:
        written.append(self)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        return own(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(SpecError, match=r"cannot write .*dfdbench-mine: No space left on device"):
        scaffold.write("mine", "detector", tmp_path)
    assert list(tmp_path.iterdir()) == []


# plugin test

LOUD = '''
from dfdbench import hookimpl
from dfdbench.api import DatasetAdapter, Regularizer


class Loud(Regularizer):
    """Says what it does."""

    name = "loud"
    words: str = "a rather long line that says that features are projected, for everybody to see"

    def project(self, z):
        if self.words:
            print(self.words)
        return z


class Nowhere(DatasetAdapter):
    """Has no data."""

    name = "nowhere"
    folder_name: str

    def videos(self, root, split):
        from dfdbench.errors import MissingError

        raise MissingError(f"nowhere: no folder {root}; name one with --data")


@hookimpl
def dfdbench_regularizers():
    return [Loud]


@hookimpl
def dfdbench_datasets():
    return [Nowhere]
'''


@pytest.fixture
def loud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "plugin" / "dfdbench_loud-0.3.dist-info"
    info.mkdir(parents=True)
    (tmp_path / "plugin" / "dfdbench_loud.py").write_text(LOUD)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dfdbench-loud\nVersion: 0.3\n")
    (info / "entry_points.txt").write_text("[dfdbench]\nloud = dfdbench_loud\n")
    monkeypatch.syspath_prepend(tmp_path / "plugin")
    monkeypatch.delitem(sys.modules, "dfdbench_loud", raising=False)


@pytest.mark.usefixtures("loud")
def test_each_check_is_a_line_and_a_failed_one_says_why(dfdbench: Dfdbench) -> None:
    code, out, _ = dfdbench("plugin", "test", "loud")
    lines = out.splitlines()
    assert code == 4
    assert lines[0] == "regularizer loud (dfdbench-loud 0.3)"
    assert max(map(len, lines)) <= 80
    count = len(checks("regularizer"))
    assert lines[-1] == f"{count} checks: {count - 1} ok, 1 failed"
    failed = lines.index("FAILED  use prints nothing")
    assert lines[failed + 1].startswith("        it prints 'a rather long line")
    assert "        Contract: Standard output is the command's; say what is worth saying" in out
    assert sum(line.startswith("ok      ") for line in lines) == count - 1


@pytest.mark.usefixtures("loud")
def test_options_are_given_as_in_a_spec(dfdbench: Dfdbench) -> None:
    code, out, _ = dfdbench("plugin", "test", "regularizer.loud", "--set", "words=''")
    assert (code, out.splitlines()[-1].endswith(" ok")) == (0, True)


@pytest.mark.usefixtures("loud")
def test_what_cannot_be_checked_says_what_it_lacks(dfdbench: Dfdbench) -> None:
    code, out, _ = dfdbench("plugin", "test", "nowhere", "--set", "folder_name=x")
    assert code == 0
    assert "-       frames can be read\n        it needs data: name its folder" in out
    assert out.splitlines()[-1].endswith(" 6 not run")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["slrep"], "no component 'slrep'; did you mean 'slerp'?"),
        (["slerp", "--set", "low"], "--set 'low' is not OPTION=VALUE"),
        (["slerp", "--set", "low=2"], "regularizer slerp: low: Input should be less than or equal"),
        (["timm"], "backbone timm: model: Field required; give it with --set"),
        (["slerp", "--set", "low=[1"], "'[1' is no YAML"),
    ],
)
def test_a_wrong_command_is_refused(arguments: list[str], message: str, dfdbench: Dfdbench) -> None:
    code, out, error = dfdbench("plugin", "test", *arguments)
    assert (code, out) == (2, "")
    assert message in error
