"""Jobs in processes: none is lost, whatever one of them does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dfdbench.data import workers


def work(job: tuple[str, Path]) -> int:
    """Return 1, raise, die or hang, as the job says; each start leaves a byte."""
    what, folder = job
    name = what.split("-")[0]
    with (folder / f"{what}.starts").open("a") as file:
        file.write(".")
    (folder / f"{os.getpid()}.pid").touch()
    if name == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "hang":
        time.sleep(600)
    if name == "raise":
        raise ZeroDivisionError("a bug in a plugin")
    return 1


def names(folder: Path, *jobs: str) -> list[tuple[str, Path]]:
    return [(name, folder) for name in jobs]


def test_every_job_gives_its_result(tmp_path: Path) -> None:
    jobs = names(tmp_path, *(f"ok-{n}" for n in range(20)))
    assert sum(workers.spread(work, jobs, 2, 60, no_job_is_lost)) == 20


def no_job_is_lost(job: tuple[str, Path], reason: str) -> int:
    raise AssertionError(f"{job[0]} was lost: {reason}")


def test_a_job_that_ends_its_process_is_lost_and_no_other(tmp_path: Path) -> None:
    lost: dict[str, str] = {}

    def note(job: tuple[str, Path], reason: str) -> int:
        lost[job[0]] = reason
        return 100

    jobs = names(
        tmp_path, *(f"ok-{n}" for n in range(8)), "die-1", *(f"ok-{n}" for n in range(8, 12))
    )
    results = list(workers.spread(work, jobs, 2, 60, note))
    assert sorted(results) == [1] * 12 + [100]
    assert list(lost) == ["die-1"]
    assert "ended the process" in lost["die-1"]
    assert (tmp_path / "die-1.starts").read_text() == "..", "once among others, once alone"


def test_a_job_that_never_ends_is_lost_after_the_limit(tmp_path: Path) -> None:
    lost: list[str] = []

    def note(job: tuple[str, Path], reason: str) -> int:
        lost.append(f"{job[0]}: {reason}")
        return 100

    start = time.monotonic()
    results = list(workers.spread(work, names(tmp_path, "hang-1", "ok-1", "ok-2"), 2, 3, note))
    assert sorted(results) == [1, 1, 100]
    assert lost == ["hang-1: reading it ended the process, or took more than 3 s"]
    assert time.monotonic() - start < 60


def test_an_error_of_a_job_is_raised_not_swallowed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError, match="a bug in a plugin"):
        list(workers.spread(work, names(tmp_path, "ok-1", "raise-1"), 2, 60, no_job_is_lost))


ORPHANED = """
import sys
from pathlib import Path
import test_workers as jobs
from dfdbench.data import workers

if __name__ == "__main__":
    work = jobs.names(Path(sys.argv[1]), "ok-1", "note-2", "hang-3")
    for done in workers.spread(jobs.work, work, 2, 600, jobs.no_job_is_lost):
        print(done, flush=True)
"""


def test_the_processes_of_a_killed_parent_end(tmp_path: Path) -> None:
    script = tmp_path / "orphaned.py"
    script.write_text(ORPHANED)
    with subprocess.Popen(
        [sys.executable, script, tmp_path],
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        while not (tmp_path / "hang-3.starts").exists():
            assert parent.poll() is None
            time.sleep(0.05)
        children = [int(path.name[:-4]) for path in tmp_path.glob("*.pid")]
        assert children
        parent.kill()
    until = time.monotonic() + 30
    while any(map(alive, children)):
        assert time.monotonic() < until, "a process outlives its parent"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
