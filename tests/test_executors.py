"""Executors: the same bytes however cells are computed, whatever happens to who does it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import Dfdbench, Write

from chaos import Chaos, contents, debris, published, survivors
from dfdbench import config, errors
from dfdbench.errors import DfdbenchError, MissingError, SpecError, TrainingError
from dfdbench.executors import CellError, attempt, raise_told, told
from dfdbench.plan import Cell
from dfdbench.runtime import Runtime
from dfdbench.store.notes import Notes

PLUGIN = """
import os, signal, time
from pathlib import Path

import numpy as np

from dfdbench import hookimpl
from dfdbench.api import Detector, Fit
from dfdbench.errors import TrainingError


class Odd(Detector):
    \"\"\"Does in training what its option says.\"\"\"

    name = "odd"
    what: str
    folder: str
    n: int = 0

    def fit(self, train, validation, context):
        with (Path(self.folder) / f"starts-{self.n}").open("a") as file:
            file.write(".")
        starts = len((Path(self.folder) / f"starts-{self.n}").read_text())
        if self.what == "die" or (self.what == "die once" and starts == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.what == "fail":
            raise TrainingError("the odd one cannot train")
        if self.what == "break":
            raise IndexError("no such feature")
        if self.what == "wait" and not (context.scratch / "epoch").exists():
            context.scratch.mkdir(exist_ok=True)
            (context.scratch / "epoch").write_text("1")
            (Path(self.folder) / f"waits-{self.n}").write_text(str(os.getpid()))
            time.sleep(600)
        if self.what in ("slow", "long"):
            time.sleep(1.5 if self.what == "slow" else 4)
        notes = {}
        if self.what == "tell":
            import cv2, torch

            notes = {"torch": str(torch.get_num_threads()), "opencv": str(cv2.getNumThreads())}
        np.save(context.folder / "mean.npy", train.images(32).mean())
        return Fit(trainable=1, parameters=1, notes=notes)

    def score(self, faces, context):
        mean = np.load(context.folder / "mean.npy")
        return 1 / (1 + np.exp(-0.1 * (faces.images(32).mean(axis=(1, 2, 3)) - mean)))


@hookimpl
def dfdbench_detectors():
    return [Odd]
"""

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install the plugin above, for this process and those that it starts; its folder."""
    folder = tmp_path / "odd"
    info = folder / "dfdbench_odd-0.1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "dfdbench_odd.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dfdbench-odd\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[dfdbench]\nodd = dfdbench_odd\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    )
    monkeypatch.delitem(sys.modules, "dfdbench_odd", raising=False)
    return folder


@pytest.fixture
def odds(odd: Path, spec: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """``spec`` with a detector of the plugin for each of the words."""

    def make(*words: str) -> dict[str, Any]:
        spec["detectors"] = {
            f"{word.replace(' ', '_')}_{n}": {
                "use": "odd",
                "what": word,
                "folder": str(odd),
                "n": n,
            }
            for n, word in enumerate(words)
        }
        spec.pop("recipe", None)
        return spec

    return make


@pytest.fixture
def run(dfdbench: Dfdbench, write_spec: Write, crops: Path) -> Run:
    """Run a spec over the crops: ``(exit code, standard error)``."""

    def call(content: dict[str, Any], *arguments: object) -> tuple[int, str]:
        code, _, error = dfdbench(
            "run", write_spec(content), "--data", crops, "--workers", 0, *arguments
        )
        return code, error

    return call


@pytest.fixture(autouse=True)
def no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody's own configuration decides over these tests."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nothing"))
    monkeypatch.delenv("DFDBENCH_CONFIG", raising=False)
    yield


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Make a text the user's configuration."""

    def write(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text)
        monkeypatch.setenv("DFDBENCH_CONFIG", str(path))
        return path

    return write


def rows_of(results: Path) -> dict[str, dict[str, Any]]:
    rows = json.loads((results / "metrics.json").read_text())["rows"]
    return {row["detector"]: row for row in rows}


# The configuration


def test_without_a_file_everything_runs_in_one_process() -> None:
    options = config.load().executor
    assert (options.use, options.local.jobs) == ("local", 1)


def test_the_file_names_the_executor_and_the_command_wins(
    configured: Callable[[str], Path],
) -> None:
    configured("executor: {use: slurm, slurm: {partition: gpu, jobs: 7}, local: {jobs: 3}}\n")
    options = config.load().executor
    assert (options.use, options.slurm.partition, options.slurm.jobs) == ("slurm", "gpu", 7)
    assert options.with_command(None, 9).slurm.jobs == 9
    local = options.with_command("local", None)
    assert (local.use, local.local.jobs) == ("local", 3)
    assert options.with_command("local", 2).local.jobs == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("executer: {use: ray}", "executer: unknown option 'executer'; did you mean 'executor'?"),
        ("executor: {ray: {adress: auto}}",
         "executor.ray.adress: unknown option 'adress'; did you mean 'address'?"),
        ("executor: {use: rey}", "executor.use: Input should be 'local', 'ray' or 'slurm'"),
        ("executor: {local: {jobs: 0}}", "executor.local.jobs: Input should be greater than or"),
        ("executor: [", "not YAML 1.2"),
        ("ray", "a mapping is needed, not 'ray'"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_refused_before_anything_is_touched(
    configured: Callable[[str], Path], run: Run, spec: dict[str, Any], tmp_path: Path, text: str,
    message: str,
) -> None:  # fmt: skip
    path = configured(text)
    code, said = run(spec)
    assert code == 2
    assert f"error: {path}" in said and message in said
    assert not (tmp_path / ".dfdbench").exists()


def test_a_configuration_that_is_named_and_not_there_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DFDBENCH_CONFIG", "nowhere.yaml")
    with pytest.raises(SpecError, match=r"no file nowhere\.yaml, which DFDBENCH_CONFIG names"):
        config.load()


def test_an_unknown_executor_names_the_closest(run: Run, spec: dict[str, Any]) -> None:
    code, said = run(spec, "--executor", "slrum")
    assert (code, said) == (
        2, "error: --executor slrum: there is no such executor; did you mean 'slurm'?\n",
    )  # fmt: skip


@pytest.mark.parametrize(("name", "library"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_missing_library_is_said_with_the_command_that_brings_it(
    run: Run, spec: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str,
    library: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(config.importlib.util, "find_spec", lambda _: None)
    code, said = run(spec, "--executor", name)
    assert (code, said) == (
        3,
        f"error: the executor {name} needs {library}, which is not installed: "
        f"pip install 'dfdbench[{name}]'\n",
    )
    assert not (tmp_path / ".dfdbench" / "plans").exists()


# Errors on their way between processes


class OwnError(TrainingError):
    """An error of a plugin."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TrainingError("no loss"), TrainingError),
        (OwnError("no loss"), TrainingError),
        (SpecError("one", "two"), SpecError),
        (MissingError("no weights"), MissingError),
        (errors.StoreError("full"), errors.StoreError),
    ],
)
def test_a_foreseen_error_comes_back_as_its_class(
    error: DfdbenchError, expected: type[DfdbenchError]
) -> None:
    with pytest.raises(expected) as caught:
        raise_told(json.loads(json.dumps(told(error))))
    assert (type(caught.value), str(caught.value)) == (expected, str(error))


def test_any_other_error_comes_back_with_its_traceback(runtime: Runtime) -> None:
    report = attempt(Cell("nothing", "0" * 64, {}, {}, {}), lambda: runtime)
    with pytest.raises(CellError) as caught:
        raise_told(report)
    assert caught.value.reason == "KeyError: 'nothing'"
    assert "STAGES[cell.stage]" in caught.value.trace
    assert raise_told(None) is None  # type: ignore[func-returns-value]


# Processes of this machine


@pytest.mark.slow
def test_two_processes_give_the_same_bytes_as_one(
    run: Run, spec: dict[str, Any], tmp_path: Path
) -> None:
    spec["seeds"] = [1, 2]
    assert run(spec, "--store", "one", "--out", "first")[0] == 0
    code, said = run(spec, "--store", "two", "--out", "second", "--jobs", 2)
    assert code == 0
    assert "19 cells, 0 of them in the store" in said and "[19/19] evaluate" in said
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert debris(tmp_path / "two", tmp_path / "second") == []
    assert json.loads((tmp_path / "first" / "leaderboard.json").read_text()) == json.loads(
        (tmp_path / "second" / "leaderboard.json").read_text()
    )


@pytest.mark.slow
def test_each_process_has_its_share_of_the_threads(
    run: Run, odds: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = odds("tell", "tell")
    # No more than two: torch takes no more than there are cores.
    for named, cores, share in (("1", 8, "1"), ("", 4, "2")):
        monkeypatch.setenv("OMP_NUM_THREADS", named)
        monkeypatch.setattr("dfdbench.executors.processes.cores", lambda count=cores: count)
        store = f"store-{named}-{cores}"
        assert run(content, "--jobs", 2, "--store", store)[0] == 0
        fits = [
            json.loads(path.read_text()) for path in tmp_path.glob(f"{store}/cells/*/*/fit.json")
        ]
        assert [fit["notes"] for fit in fits] == [{"torch": share, "opencv": share}] * 2


def test_gpus_are_taken_in_turn(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    from dfdbench.executors import processes

    given: list[dict[str, str]] = []

    class Free:
        handle = None

        def __init__(self, site: object, pins: dict[str, str], limit: float | None) -> None:
            given.append(pins)

        def take(self, handle: Any) -> None:
            self.handle = handle

    monkeypatch.setattr(processes, "Worker", Free)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    runtime.device = "auto"
    executor = processes.Processes(runtime, 3)
    for n in range(3):
        executor.submit(Cell("train", str(n), {}, {}, {}))
    assert [pins["CUDA_VISIBLE_DEVICES"] for pins in given] == ["2", "5", "2"]
    runtime.device = "cuda:1"
    assert processes.Processes(runtime, 3).gpus == []


@pytest.mark.slow
def test_a_process_that_dies_is_tried_once_more(
    run: Run, odds: Callable[..., dict[str, Any]], odd: Path, tmp_path: Path
) -> None:
    code, said = run(odds("die once", "slow"), "--jobs", 2)
    assert code == 0
    assert "train die_once_0 crops 1: its process was ended by SIGKILL; it is tried again" in said
    assert (odd / "starts-0").read_text() == ".."
    assert debris(tmp_path / ".dfdbench", tmp_path / "results") == []


@pytest.mark.slow
def test_a_process_that_dies_twice_is_the_failure_of_its_own_rows(
    run: Run, odds: Callable[..., dict[str, Any]], odd: Path, tmp_path: Path
) -> None:
    code, said = run(odds("die", "slow", "break", "fail"), "--jobs", 2)
    assert code == 4
    assert (odd / "starts-0").read_text() == ".."
    rows = rows_of(tmp_path / "results" / "tiny")
    assert {name: row["status"] for name, row in rows.items()} == {
        "die_0": "failed", "slow_1": "done", "break_2": "failed", "fail_3": "failed",
    }  # fmt: skip
    reason = rows["die_0"]["reason"]
    assert reason == (
        "train die_0 crops 1: its process was ended by SIGKILL, and so did another one before; "
        "where memory ran out, take fewer --jobs or a smaller batch_size"
    )
    assert f"failed: {reason}" in said
    assert "failed: train fail_3 crops 1: the odd one cannot train" in said
    assert rows["break_2"]["reason"] == "IndexError: no such feature"
    (trace,) = (tmp_path / "results" / "tiny" / "failures").iterdir()
    assert 'raise IndexError("no such feature")' in trace.read_text()


@pytest.mark.slow
def test_the_first_failure_ends_the_others_where_that_is_asked_for(
    run: Run, odds: Callable[..., dict[str, Any]], odd: Path, tmp_path: Path
) -> None:
    start = time.monotonic()
    code, said = run(odds("wait", "fail"), "--jobs", 2, "--fail-fast")
    assert code == 4
    assert "error: the odd one cannot train" in said
    assert time.monotonic() - start < 60
    waits = odd / "waits-0"
    assert not waits.exists() or not Path(f"/proc/{waits.read_text()}").exists()


def test_faces_that_cannot_be_read_stop_the_run_before_training(
    run: Run, odds: Callable[..., dict[str, Any]], odd: Path, crops: Path, tmp_path: Path
) -> None:
    (crops / "TEST" / "real" / "000" / "000.png").write_text("not an image")
    code, said = run(odds("slow", "slow"), "--jobs", 2)
    assert code == 3
    assert "1 of 24 images or videos cannot be read: TEST/real/000/000.png" in said
    assert not list(odd.glob("starts-*"))
    assert not (tmp_path / "results").exists()


def waiting(odd: Path, count: int) -> list[int]:
    """The processes that wait in training, once there are so many."""
    until = time.monotonic() + 90
    while len(found := list(odd.glob("waits-*"))) < count or not all(
        path.read_text() for path in found
    ):
        assert time.monotonic() < until, "nothing trains"
        time.sleep(0.1)
    return [int(path.read_text()) for path in found]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_run_that_is_stopped_stops_its_processes_and_can_go_on(
    run: Run, odds: Callable[..., dict[str, Any]], odd: Path, write_spec: Write, crops: Path,
    tmp_path: Path, number: int, code: int,
) -> None:  # fmt: skip
    content = odds("wait", "wait")
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from dfdbench.cli import main; main()"
    )
    command = [sys.executable, "-c", program, "run", write_spec(content), "--data", crops]
    command += ["--workers", "0", "--jobs", "2", "--store", tmp_path / "store"]
    mark = str(tmp_path)
    with subprocess.Popen(
        list(map(str, command)), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        cwd=tmp_path, env={**os.environ, "DFDBENCH_CHAOS": mark},
    ) as process:  # fmt: skip
        try:
            pids = waiting(odd, 2)
            assert len(set(pids) | {process.pid}) == 3
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == code
    assert "Traceback" not in said
    if number == signal.SIGINT:
        assert "interrupted: finished cells are kept; run the same command again" in said
        assert not list((tmp_path / "store" / "running").iterdir())
    assert survivors(mark) == []
    assert len(list(tmp_path.glob("store/partial/*/scratch/epoch"))) == 2
    code, said = run(content, "--jobs", 2, "--store", tmp_path / "store")
    assert code == 0, "they go on from what they left"
    assert "[1/8] train wait_0 crops 1" in said
    assert debris(tmp_path / "store", tmp_path / "results") == []


# Kills and two runs at once


@pytest.mark.slow
def test_kills_and_a_second_run_leave_no_trace_in_the_results(
    write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path
) -> None:
    arguments = [str(write_spec(spec)), "--data", str(crops), "--workers", "0", "--jobs", "2"]
    chaos = Chaos(tmp_path / "chaos", arguments, seed=1)
    chaos.undisturbed()
    assert chaos.killed("killed", 3).wrong == []
    assert chaos.together("two").wrong == []


# Ray


def ray_cluster() -> Any:
    """A head and another node of one core each, on this machine alone."""
    from ray.cluster_utils import Cluster

    node = {
        "num_cpus": 1, "object_store_memory": 80 * 2**20, "node_ip_address": "127.0.0.1",
        "include_dashboard": False,
    }  # fmt: skip
    cluster = Cluster(initialize_head=True, head_node_args=node)
    cluster.add_node(**{key: node[key] for key in node if key != "include_dashboard"})
    return cluster


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # before the import: loopback
    pytest.importorskip("ray", reason="needs Ray: pip install 'dfdbench[ray]'")
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("ray")
@pytest.mark.parametrize("shared", [True, False])
def test_ray_gives_the_same_bytes_with_and_without_a_shared_store(
    run: Run, odds: Callable[..., dict[str, Any]], tmp_path: Path,
    configured: Callable[[str], Path], shared: bool,
) -> None:  # fmt: skip
    content = odds("fine", "break")
    assert run(content, "--store", "one")[0] == 4
    apart = "" if shared else (
        f", shared_store: false, worker_store: {tmp_path}/worker, faces_store: {tmp_path}/two"
    )  # fmt: skip
    configured(f"executor: {{use: ray, ray: {{memory_mb: 80{apart}}}}}\n")
    code, said = run(content, "--store", "two")
    assert code == 4, said
    assert "failed: train break_1 crops 1: IndexError: no such feature" in said, said
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    if not shared:  # what workers decode stays with them
        one = {key: cell for key, cell in one.items() if cell[0]["stage"] != "pixels"}
    assert one == two
    assert (tmp_path / "worker").exists() != shared


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("ray")
def test_cells_of_a_killed_node_are_computed_on_another(
    run: Run, odds: Callable[..., dict[str, Any]], odd: Path, tmp_path: Path,
    configured: Callable[[str], Path],
) -> None:  # fmt: skip
    content = odds(*["long"] * 4)
    assert run(content, "--store", "one", "--jobs", 2)[0] == 0
    for path in odd.glob("starts-*"):
        path.unlink()
    cluster = ray_cluster()
    over, notes = threading.Event(), Notes(tmp_path / "two")
    seen: dict[str, set[int]] = {}

    def has_begun(title: str) -> bool:
        found = re.match(r"train long_(\d+) ", title)
        return bool(found) and (odd / f"starts-{found[1]}").exists()

    def disturb() -> None:
        killed = False
        while not over.wait(0.02):
            for key, when in published(tmp_path / "two").items():
                seen.setdefault(key, set()).add(when)
            (node,) = cluster.worker_nodes or (None,)
            if killed or node is None:
                continue
            raylet = node.all_processes["raylet"][0].process.pid
            there = [
                note["pid"]
                for note in notes.running().values()
                if parent_of(note["pid"]) == raylet and has_begun(note["title"])
            ]
            if there:  # a dead machine takes the raylet and its workers with it
                killed = True
                for pid in (raylet, *there):
                    os.kill(pid, signal.SIGKILL)

    watcher = ThreadPoolExecutor(1)
    disturbed = watcher.submit(disturb)
    try:
        configured(f"executor: {{use: ray, ray: {{address: '{cluster.address}'}}}}\n")
        code, said = run(content, "--store", "two")
    finally:
        over.set()
        watcher.shutdown()
        cluster.shutdown()
    disturbed.result()
    assert code == 0, said
    starts = "".join(path.read_text() for path in odd.glob("starts-*"))
    assert len(starts) >= 5, "the killed node computed none of them"
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert {len(times) for times in seen.values()} == {1}, "a cell was published twice"
    assert debris(tmp_path / "two", tmp_path / "results") == []


# Slurm, as submitit imitates it


SLURM = "executor: {use: slurm, slurm: {cluster: local, poll: 0.1, minutes: 5%s}}\n"


@pytest.mark.slow
def test_jobs_give_the_same_bytes_and_leave_no_logs(
    run: Run, spec: dict[str, Any], tmp_path: Path, configured: Callable[[str], Path]
) -> None:
    assert run(spec, "--store", "one")[0] == 0
    configured(SLURM % "")
    code, said = run(spec, "--store", "two", "--jobs", 2)
    assert code == 0, said
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert debris(tmp_path / "two", tmp_path / "results") == []


@pytest.mark.slow
def test_a_failed_job_tells_its_reason_and_one_that_dies_is_submitted_again(
    run: Run, odds: Callable[..., dict[str, Any]], odd: Path, tmp_path: Path,
    configured: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from submitit.core.core import Job

    monkeypatch.setattr(Job, "_results_timeout_s", 0.5)  # for slow file systems
    configured(SLURM % ", max_retries: 1, jobs: 3")
    code, said = run(odds("die once", "break", "die"))
    assert code == 4
    rows = rows_of(tmp_path / "results" / "tiny")
    assert rows["die_once_0"]["status"] == "done"
    assert rows["break_1"]["reason"] == "IndexError: no such feature"
    assert "train die_2 crops 1: 2 jobs gave no answer, the last of them" in rows["die_2"]["reason"]
    assert (odd / "starts-2").read_text() == ".."
    assert "gave no answer; it is submitted again" in said


def test_a_job_that_is_preempted_is_submitted_with_the_same_work(runtime: Runtime) -> None:
    from dfdbench.executors.on_slurm import Work

    work = Work(Cell("train", "0" * 64, {}, {}, {}), runtime.site())
    assert work.checkpoint().function is work


def test_without_slurm_the_message_says_so(run: Run, spec: dict[str, Any]) -> None:
    code, said = run(spec, "--executor", "slurm")
    assert code == 3
    assert "error: no Slurm here" in said and "take another --executor" in said
