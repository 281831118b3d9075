"""How far a benchmark is: seen from another process, and never wrong for long."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Dfdbench, Write
from filelock import FileLock
from test_executors import PLUGIN, no_configuration, odd, odds, waiting  # noqa: F401

from dfdbench.plan import Cell
from dfdbench.status import Running, Status, look, to_text
from dfdbench.store import Store, key_of

NOW = 1_800_000_000.0


def cell(stage: str, name: str, *inputs: Cell) -> Cell:
    needs = {str(n): each.key for n, each in enumerate(inputs)}
    return Cell(stage, key_of([stage, name]), {"detector": name}, needs, {})


FACES = cell("faces", "test")
TRAIN = cell("train", "ln", FACES)
OTHER = cell("train", "probe", FACES)
SCORE = cell("score", "ln", FACES, TRAIN)
CELLS = [FACES, TRAIN, OTHER, SCORE]


def test_a_new_benchmark_waits(store: Store) -> None:
    found = look(CELLS, store)
    assert found == Status(0, (), (), {"faces": 1, "train": 2, "score": 1}, 0)
    assert to_text(found, "tiny", NOW) == (
        "tiny: 4 cells: 0 done, 0 running, 0 failed, 4 waiting\nwaiting: 1 faces, 2 train, 1 score"
    )


def test_a_cell_is_running_while_it_is_computed_and_done_after_it(store: Store) -> None:
    with store.compute(FACES.key, {"title": FACES.title}) as folder:
        assert folder is not None
        (one,) = look(CELLS, Store(store.root)).running
        assert (one.title, one.host, one.pid) == ("faces test", platform.node(), os.getpid())
        assert abs(one.since - time.time()) < 60
        assert not one.stale
    assert look(CELLS, store) == Status(1, (), (), {"train": 2, "score": 1}, 0)
    assert not list((store.root / "running").iterdir())


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt()])
def test_an_error_ends_the_note(store: Store, error: BaseException) -> None:
    with pytest.raises(type(error)), store.compute(TRAIN.key, {"title": "t"}, resumable=True):
        raise error
    assert look(CELLS, store).running == ()


def note(store: Store, of: Cell, **changes: Any) -> None:
    store.notes.begin(of.key, of.title)
    path = store.root / "running" / f"{of.key}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_note_of_a_process_that_is_gone_is_stale(store: Store) -> None:
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    ended.wait()
    note(store, TRAIN, pid=ended.pid)
    assert [each.stale for each in look(CELLS, store).running] == [True]


def test_on_another_machine_the_lock_tells_whether_the_process_is_gone(store: Store) -> None:
    note(store, TRAIN, host="elsewhere", pid=1)
    with FileLock(store.root / "locks" / f"{TRAIN.key}.lock"):
        assert [each.stale for each in look(CELLS, store).running] == [False]
    assert [each.stale for each in look(CELLS, store).running] == [True]


def test_a_live_process_with_the_number_of_a_dead_one_does_not_count(store: Store) -> None:
    note(store, TRAIN, pid=os.getpid())  # nobody holds the lock
    assert [each.stale for each in look(CELLS, store).running] == [True]


def test_the_next_computation_replaces_a_stale_note(store: Store) -> None:
    note(store, TRAIN, pid=1, host="elsewhere")
    with store.compute(TRAIN.key, {"title": TRAIN.title}):
        (one,) = look(CELLS, store).running
        assert (one.host, one.stale) == (platform.node(), False)
    assert not list((store.root / "running").iterdir())


def test_a_failure_is_remembered_until_the_cell_is_done(store: Store) -> None:
    store.notes.fail(TRAIN.key, TRAIN.title, "the loss is not finite")
    found = look(CELLS, store)
    assert found.failed == (("train ln", "the loss is not finite"),)
    assert (found.waiting, found.blocked) == ({"faces": 1, "train": 1, "score": 1}, 1)
    assert "waiting: 1 faces, 1 train, 1 score; 1 of them need one that failed" in to_text(
        found, "tiny", NOW
    )
    with store.compute(TRAIN.key, {}):
        assert look(CELLS, store).failed == ()
    assert not list((store.root / "failed").iterdir())


@pytest.mark.parametrize("text", ["", "{", "[]", '{"title": "x"}'])
def test_a_note_that_is_not_whole_is_no_note(store: Store, text: str) -> None:
    for folder in ("running", "failed"):
        (store.root / folder).mkdir()
        (store.root / folder / f"{TRAIN.key}.json").write_text(text)
    assert look(CELLS, store).waiting["train"] == 2


def test_notes_that_cannot_be_written_stop_nothing(store: Store) -> None:
    (store.root / "running").write_text("no folder")
    (store.root / "failed").write_text("no folder")
    store.notes.fail(TRAIN.key, TRAIN.title, "why")
    with store.compute(TRAIN.key, {}):
        pass
    assert store.has(TRAIN.key)
    assert look(CELLS, store).done == 1


def test_the_text_fits_a_terminal_whatever_is_in_it() -> None:
    running = tuple(
        Running(f"train a_very_long_detector_{n} ffpp_c23 42", "node.of.a.cluster", n, NOW, n > 2)
        for n in range(30)
    )  # fmt: skip
    text = to_text(
        Status(5, running, (("train ln", "it failed " * 30),), {"score": 3}, 1), "x", NOW
    )
    assert max(map(len, text.splitlines())) <= 80
    assert "x: 39 cells: 5 done, 3 running, 27 interrupted, 1 failed, 3 waiting" in text
    assert "interrupted: the process is gone; the next run goes on from there" in text
    assert "  and 7 more" in text


def test_a_clock_that_was_set_back_gives_no_negative_time() -> None:
    one = Running("train ln", "here", 7, NOW + 3600, False)
    assert "  train ln: here, pid 7, for 0 s" in to_text(Status(0, (one,), (), {}, 0), "x", NOW)


@pytest.mark.slow
def test_status_before_during_and_after_a_run(
    dfdbench: Dfdbench,
    odds: Callable[..., dict[str, Any]],  # noqa: F811
    odd: Path,  # noqa: F811
    write_spec: Write,
    crops: Path,
    tmp_path: Path,
) -> None:
    spec = write_spec(odds("wait", "fail"))
    where = ("--data", crops)
    code, out, _ = dfdbench("status", spec, *where)
    assert (code, out.splitlines()[0]) == (
        0, "tiny: 11 cells: 0 done, 0 running, 0 failed, 11 waiting",
    )  # fmt: skip
    command = [sys.executable, "-c", "from dfdbench.cli import main; main()", "run", spec, *where]
    with subprocess.Popen(
        [*map(str, command), "--workers", "0", "--jobs", "2"], cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            (pid,) = waiting(odd, 1)
            assert process.stderr is not None
            while "failed: " not in process.stderr.readline():
                pass
            _, out, _ = dfdbench("status", spec, *where)
        finally:
            process.kill()
    assert "tiny: 11 cells: 3 done, 1 running, 1 failed, 6 waiting" in out
    assert f"  train wait_0 crops 1: {platform.node()}, pid {pid}, for " in out
    assert "  train fail_1 crops 1: the odd one cannot train" in out
    assert "3 of them need one that failed" in out
    time.sleep(1)
    _, out, _ = dfdbench("status", spec, *where, "--watch")  # no terminal: once
    assert "tiny: 11 cells: 3 done, 0 running, 1 interrupted, 1 failed, 6 waiting" in out
    assert dfdbench("run", spec, *where, "--workers", 0)[0] == 4
    _, out, _ = dfdbench("status", spec, *where)
    assert out.startswith("tiny: 11 cells: 7 done, 0 running, 1 failed, 3 waiting")


def test_status_without_the_data_says_what_is_missing(
    dfdbench: Dfdbench, spec: dict[str, Any], write_spec: Write, tmp_path: Path
) -> None:
    code, _, error = dfdbench("status", write_spec(spec), "--data", tmp_path / "nowhere")
    assert code == 3
    assert "error: " in error and "TEST" in error
