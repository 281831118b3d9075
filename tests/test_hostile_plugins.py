"""Plugins that do what they must not: nobody else's results change, and the message is clear."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from conftest import write_face
from test_plugins import DFDBENCH, SOURCES

from dfdbench import config, results
from dfdbench import plan as planning
from dfdbench import registry as registry_module
from dfdbench import spec as specs
from dfdbench.errors import SpecError
from dfdbench.executors import CellError, chosen, execute
from dfdbench.executors.local import Local
from dfdbench.executors.processes import Processes
from dfdbench.plan import Cell
from dfdbench.run import faces_only, run
from dfdbench.runtime import Runtime
from dfdbench.shared_state import SharedState, apart, quiet
from dfdbench.stages import score
from dfdbench.store import Store

PLUGIN = r'''
import os
import random
import subprocess
import sys
import time

import numpy as np

from dfdbench import hookimpl
from dfdbench.api import Detector, Fit

print("welcome to the hostile plugin")


def vandalise():
    import torch

    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.use_deterministic_algorithms(True)
    np.seterr(all="raise")
    os.environ["DFDBENCH_STORE"] = os.environ["DFDBENCH_DATA"] = "/nowhere"
    os.chdir("/")


def bright(faces):
    return faces.images(32)[:, :, :16].mean((1, 2, 3)) / 255


class Hostile(Detector):
    """Does in scoring what its option says."""

    name = "hostile"
    trains = False
    what: str = ""

    def fit(self, train, validation, context):
        return Fit()

    def score(self, faces, context):
        return getattr(self, self.what)(faces)

    def vandal(self, faces):
        vandalise()
        return bright(faces)

    def printer(self, faces):
        print("a line of Python")
        os.write(1, b"a line of C\n")
        subprocess.run(["echo", "a line of a child"])
        return bright(faces)

    def raiser(self, faces):
        return faces.images(32)[:, 99]

    def quitter(self, faces):
        sys.exit(3)

    def nan(self, faces):
        return np.full(len(faces), np.nan)

    def short(self, faces):
        return bright(faces)[1:]

    def table(self, faces):
        return bright(faces)[:, None]

    def decided(self, faces):
        return (bright(faces) > 0.5).astype(int)

    def words(self, faces):
        return ["fake"] * len(faces)

    def nothing(self, faces):
        return None

    def infinite(self, faces):
        return bright(faces) + np.inf

    def scribbler(self, faces):
        found = bright(faces)
        faces.labels[:] = 1
        faces.video_id[:] = "x"
        return found

    def victim(self, faces):
        import torch

        drawn = random.random() + np.random.rand() + float(torch.rand(1))
        state = [str(torch.zeros(1).dtype), torch.is_grad_enabled(), os.getcwd() == "/",
                 "DFDBENCH_DATA" in os.environ, np.geterr()["divide"]]
        return (bright(faces) + drawn + len(str(state))) % 1

    def sleeper(self, faces):
        time.sleep(600)


@hookimpl
def dfdbench_detectors():
    return [Hostile]
'''

WORDS = (
    "vandal", "printer", "raiser", "quitter", "nan", "short", "table", "decided", "words",
    "nothing", "infinite", "scribbler",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin above as an installed distribution, and four real and four fake crops."""
    root = tmp_path_factory.mktemp("hostile")
    info = root / "dfdbench_hostile-6.6.6.dist-info"
    info.mkdir()
    (root / "dfdbench_hostile.py").write_text(PLUGIN)
    about = "Metadata-Version: 2.1\nName: dfdbench-hostile\nVersion: 6.6.6\n"
    (info / "METADATA").write_text(about)
    (info / "entry_points.txt").write_text("[dfdbench]\nhostile = dfdbench_hostile\n")
    for n in range(8):
        write_face(root / "TEST" / ("real", "DF")[n % 2] / f"{n:03d}" / "0.png", n, bool(n % 2))
    return root


def spec_of(*words: str) -> dict[str, Any]:
    """Every one of the words is a detector that scores the eight crops."""
    return {
        "name": "hostile",
        "faces": "precropped",
        "test_sets": {"test": {"dataset": {"use": "image_folder", "path": "TEST"}, "split": "all"}},
        "detectors": {word: {"use": "hostile", "what": word} for word in words},
    }


@dataclass(frozen=True)
class Ran:
    """What a command did and wrote."""

    code: int
    out: str
    error: str
    folder: Path

    def row(self, detector: str) -> dict[str, Any]:
        rows = results.read([self.folder])[str(self.folder)]["rows"]
        return next(row for row in rows if row["detector"] == detector)

    def scores(self, detector: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = results.scores(self.row(detector)).to_pylist()
        return found


def command(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """dfdbench in a process of its own, with the plugin installed."""
    path = os.pathsep.join(map(str, [folder, *SOURCES]))
    return subprocess.run(
        [sys.executable, "-c", DFDBENCH, *map(str, arguments)],
        cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
    )  # fmt: skip


def ran(folder: Path, name: str, *words: str) -> Ran:
    spec = folder / f"{name}.yaml"
    spec.write_text(json.dumps(spec_of(*words)))  # JSON is YAML
    done = command(
        folder, "run", spec, "--data", folder, "--store", folder / f"store-{name}",
        "--out", folder / name, "--device", "cpu", "--workers", 0,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr, folder / name)


@pytest.fixture(scope="module")
def together(folder: Path) -> Ran:
    """All of them, and then the victim."""
    return ran(folder, "together", *WORDS, "victim")


@pytest.fixture
def cells(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Runtime, list[Cell]]]:
    """Score cells of detectors that do these words, with their faces in the store."""

    def make(*words: str) -> tuple[Runtime, list[Cell]]:
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, [folder, *SOURCES])))
        registry = registry_module.load()
        runtime = Runtime(registry, Store(tmp_path / "store"), folder, "cpu")
        plan = planning.make(specs.validate(spec_of(*words), registry), runtime)
        run(faces_only(plan), runtime, Local(runtime))
        return runtime, [cell for cell in plan.cells.values() if cell.stage == "score"]

    return make


def test_what_a_plugin_changes_in_the_process_does_not_change_other_results(
    together: Ran, cells: Callable[..., tuple[Runtime, list[Cell]]]
) -> None:
    runtime, (alone,) = cells("victim")
    execute(alone, runtime)
    expected = pq.read_table(runtime.store.path(alone.key) / score.FILE).to_pylist()
    assert together.row("victim")["status"] == "done"
    assert together.scores("victim") == expected
    assert len({face["p_fake"] for face in expected}) == 8


def test_what_plugins_print_comes_out_on_standard_error(together: Ran, folder: Path) -> None:
    printed = ("welcome to the hostile", "a line of Python", "a line of C", "a line of a child")
    for line in printed:
        assert line not in together.out
        assert line in together.error
    assert together.out.splitlines()[-2].startswith("wrote ")
    listed = command(folder, "ls", "detector")
    assert listed.stdout.startswith("kind")
    assert listed.stderr == "welcome to the hostile plugin\n"


def test_a_plugin_that_raises_fails_its_own_row_and_leaves_a_trace(together: Ran) -> None:
    row = together.row("raiser")
    assert row["status"] == "failed"
    assert row["reason"].startswith("IndexError: index 99 is out of bounds")
    trace = (together.folder / "failures" / "score-raiser-none-0-test-none.txt").read_text()
    assert "in raiser" in trace and "IndexError" in trace


def test_a_plugin_that_ends_the_process_fails_its_own_row(together: Ran) -> None:
    assert together.row("quitter")["reason"] == "RuntimeError: a plugin called sys.exit(3)"
    trace = (together.folder / "failures" / "score-quitter-none-0-test-none.txt").read_text()
    assert "in quitter" in trace
    assert together.code == 4


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("nan", "scored none of 8 faces: all are NaN, which marks a face that cannot be scored"),
        ("short", "gave 8 faces scores of the shape (7,); `score` returns one number a face, the "
         "shape (8,)"),
        ("table", "gave 8 faces scores of the shape (8, 1); "),
        ("decided", "returned ndarray of the type int64; `score` returns an array of floating-"),
        ("words", "returned list of the type <U4; "),
        ("nothing", "returned NoneType of the type object; "),
        ("infinite", "gave the score inf, which is no probability in [0, 1]"),
    ],
)  # fmt: skip
def test_scores_that_are_none_are_refused_with_what_is_wanted(
    together: Ran, word: str, says: str
) -> None:
    row = together.row(word)
    assert row["status"] == "failed"
    assert row["reason"].startswith(f"score {word} none 0 test none: the detector 'hostile' {says}")


def test_a_plugin_that_writes_into_the_faces_changes_no_label(together: Ran) -> None:
    found = together.scores("scribbler")
    assert [score["label"] for score in found] == [
        score["label"] for score in together.scores("vandal")
    ]
    assert len({score["video_id"] for score in found}) == 8


# The state that a process shares


def test_apart_puts_everything_back_and_starts_every_time_alike(tmp_path: Path) -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(1))

    before = SharedState.now()
    draws = []
    for _ in range(2):
        with apart(7):
            draws.append(draw())
            torch.set_default_dtype(torch.float64)
            torch.set_grad_enabled(False)
            np.seterr(all="raise")
            os.environ["A_PLUGIN"] = "1"
            os.chdir(tmp_path)
        assert before.changes() == []
    assert draws[0] == draws[1]
    with apart(8):
        assert draw() != draws[0]
    assert "A_PLUGIN" not in os.environ


def test_apart_puts_everything_back_after_an_error() -> None:
    before = SharedState.now()
    with pytest.raises(KeyError), apart(1):
        torch.set_default_dtype(torch.float64)
        raise KeyError
    assert before.changes() == []


def test_what_changed_is_named() -> None:
    before = SharedState.now()
    random.seed(5)
    torch.manual_seed(5)
    assert before.changes() == ["Python's global generator", "torch's global generator"]
    before.restore()
    assert before.changes() == []


def test_quiet_sends_all_output_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    print("before")
    with quiet():
        print("inside")
        os.write(1, b"of C\n")
    print("after")
    printed = capfd.readouterr()
    assert printed.out == "before\nafter\n"
    assert sorted(printed.err.splitlines()) == ["inside", "of C"]


# A time limit


@pytest.mark.slow
def test_a_cell_that_hangs_is_stopped_and_says_where_and_by_which_limit(
    cells: Callable[..., tuple[Runtime, list[Cell]]],
) -> None:
    runtime, (hanging, first, last) = cells("sleeper", "vandal", "printer")

    def compute(executor: Processes, cell: Cell) -> None:
        executor.submit(cell)
        (ended,) = executor.wait()
        ended.result()

    with Processes(runtime, 1, limit=600) as executor:
        compute(executor, first)  # now all that a cell imports is there
        (worker,) = executor.workers
        assert worker is not None
        worker.limit = 2
        with pytest.raises(CellError) as caught:
            compute(executor, hanging)
        compute(executor, last)
    assert caught.value.reason == (
        "score sleeper none 0 test none: stopped after 2 s, the limit for a cell; where it needs "
        "more, raise --cell-limit, or executor.local.cell_limit of the configuration"
    )
    assert re.search(r"line \d+ in sleeper", caught.value.trace)
    assert [runtime.store.has(cell.key) for cell in (first, hanging, last)] == [True, False, True]


def test_with_a_limit_cells_are_computed_in_a_process_that_can_be_stopped(
    runtime: Runtime,
) -> None:
    options = config.ExecutorOptions()
    assert isinstance(chosen(options, runtime), Local)
    limited = chosen(options.with_command(None, None, 60), runtime)
    assert isinstance(limited, Processes)
    assert (limited.slots, limited.limit) == (1, 60)
    several = chosen(options.with_command("local", 3, 60), runtime)
    assert isinstance(several, Processes)
    assert (several.slots, several.limit) == (3, 60)


def test_a_limit_of_the_configuration_is_taken_and_the_command_wins() -> None:
    configured = config.Config.model_validate({"executor": {"local": {"cell_limit": 30}}}).executor
    assert configured.with_command(None, None).local.cell_limit == 30
    assert configured.with_command(None, None, 90).local.cell_limit == 90


@pytest.mark.parametrize(
    ("use", "limit", "message"),
    [
        (None, 0, "--cell-limit 0: it is a number of seconds above 0"),
        ("ray", 60, "--cell-limit: the executor ray does not know it"),
        ("slurm", 60, "its own is executor.slurm.minutes"),
    ],
)
def test_a_limit_that_cannot_be_kept_is_refused(
    use: str | None, limit: float, message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        config.ExecutorOptions().with_command(use, None, limit)
