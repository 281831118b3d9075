"""The conformance suite itself: each check finds its fault, and passes what has none."""

from __future__ import annotations

import textwrap
from pathlib import Path
from types import ModuleType

import pytest
from videos import numbered, write_video
from wrong_plugins import COMMON, IMPORTED, OF_KINDS, Wrong, good

from dfdbench.api import Regularizer
from dfdbench.registry import KINDS
from dfdbench.testing import Case, Check, Failed, checks, common, conformance, importing
from dfdbench.testing.suite import run_one

pytest_plugins = ["pytester"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos of each class, for the data set that `plugin new` writes."""
    root = tmp_path_factory.mktemp("data")
    folder = root / "GoodDataset" / "test"
    write_video(root / "clip.mp4", numbered(4))
    for n in range(4):
        (folder / ("real", "fake")[n % 2]).mkdir(parents=True, exist_ok=True)
        path = folder / ("real", "fake")[n % 2] / f"{n}.mp4"
        path.write_bytes((root / "clip.mp4").read_bytes())
    return root


def named(kind: str, name: str) -> Check:
    return next(check for check in checks(kind) if check.name == name)


def case_of(component: object, folder: Path, data: Path) -> Case:
    case = Case(component, folder, data)  # type: ignore[arg-type]
    if component.kind == "logger":  # type: ignore[attr-defined]
        case.component = type(component)(folder=folder / "epochs")  # type: ignore[call-arg,assignment]
    return case


@pytest.mark.parametrize("wrong", [*COMMON, *OF_KINDS], ids=lambda w: f"{w.kind}-{w.check}")
def test_a_check_finds_its_fault_and_passes_a_component_without_it(
    wrong: Wrong, data: Path, tmp_path: Path
) -> None:
    check = named(wrong.kind, wrong.check)
    found = run_one(check, case_of(wrong.component(), tmp_path, data))
    assert (found.outcome, wrong.says in found.why) == ("failed", True), found.why
    whole = run_one(check, case_of(good(wrong.kind)(), tmp_path, data))
    assert whole.outcome == "ok", whole.why


@pytest.mark.parametrize("name", IMPORTED)
def test_a_check_finds_what_an_import_does(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, says = IMPORTED[name]
    (tmp_path / f"with_{name}.py").write_text(source)
    (tmp_path / f"without_{name}.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    check = named("regularizer", name)
    component = good("regularizer")()
    found = run_one(check, Case(component, tmp_path, module=f"with_{name}"))
    assert (found.outcome, says in found.why) == ("failed", True), found.why
    assert run_one(check, Case(component, tmp_path, module=f"without_{name}")).outcome == "ok"


def test_there_is_a_fault_for_every_check() -> None:
    every = {
        (kind, check.name)
        for kind in KINDS
        for check in checks(kind)
        if check not in (*common.CHECKS, *importing.CHECKS)
    }
    assert {(wrong.kind, wrong.check) for wrong in OF_KINDS} == every
    assert {wrong.check for wrong in COMMON} == {check.name for check in common.CHECKS}
    assert set(IMPORTED) == {check.name for check in importing.CHECKS}


@pytest.mark.parametrize("kind", KINDS)
def test_every_check_has_a_sentence_and_a_contract(kind: str) -> None:
    names = [check.name for check in checks(kind)]
    assert len(names) == len(set(names))
    for check in checks(kind):
        assert " " in check.sentence
        assert check.contract.split("\n")[0].endswith((".", ";", ",")) or "\n" in check.contract


def test_a_failure_inside_the_plugin_names_its_place(tmp_path: Path) -> None:
    source = textwrap.dedent("""
        from dfdbench.api import Regularizer

        class Breaks(Regularizer):
            '''Fails.'''
            name = "breaks"

            def project(self, z):
                return z[:, 9_999]
    """)
    module = ModuleType("breaks")
    exec(compile(source, "/somewhere/breaks.py", "exec"), module.__dict__)
    found = run_one(named("regularizer", "features_keep_their_shape"),
                    Case(module.Breaks(), tmp_path))  # fmt: skip
    assert found.outcome == "failed"
    assert found.why.startswith("IndexError: ")
    assert found.why.endswith("(breaks.py, line 9, in project)")


def test_conformance_makes_a_test_of_each_check_and_component(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        mine="""
        from dfdbench.api import Regularizer

        class Fine(Regularizer):
            '''Does nothing.'''
            name = "fine"

        class Loud(Regularizer):
            '''Prints.'''
            name = "loud"

            def project(self, z):
                print("z")
                return z
        """,
        test_mine="""
        from dfdbench.testing import conformance
        from mine import Fine, Loud

        test_conformance = conformance(Fine(), Loud())
        """,
    )
    count = len(checks("regularizer"))
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    done.assert_outcomes(passed=2 * count - 1, failed=1)
    done.stdout.fnmatch_lines(
        ["*FAILED test_mine.py::test_conformance[[]loud-use_prints_nothing]*"]
    )


def test_a_check_that_a_case_lacks_something_for_is_not_run(tmp_path: Path) -> None:
    check = named("dataset", "frames_can_be_read")
    found = run_one(check, Case(good("dataset")(), tmp_path))
    assert (found.outcome, found.why) == (
        "not run", "it needs data: name its folder as `data` and its split as `split`",
    )  # fmt: skip


def test_the_fixtures_of_the_suite_are_there_for_plugins(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["dfdbench.testing.fixtures"]')
    pytester.makepyfile(
        """
        def test_samples(train_faces, other_faces, context, image_batch, feature_batch,
                         small_encoder, video_frames):
            assert len(train_faces) == 24 and train_faces.labels.mean() == 0.5
            assert not set(train_faces.video_id) & set(other_faces.video_id)
            assert context.folder.is_dir() and context.seed == 1
            assert image_batch.shape == (4, 3, 24, 20)
            assert feature_batch[0].shape == (12, 8)
            assert not any(p.requires_grad for p in small_encoder.parameters())
            assert len(video_frames) == 6
        """
    )
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_a_failed_check_is_an_assertion_for_pytest() -> None:
    assert issubclass(Failed, AssertionError)
    assert callable(conformance(type("Fine", (Regularizer,), {"name": "fine"})()))
