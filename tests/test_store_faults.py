"""The store under faults of disk, clock and other processes."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Dfdbench, Disk, Write

from chaos import contents
from dfdbench.errors import StoreError
from dfdbench.store import Store, key_of

KEY = key_of("a cell")


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_store_that_turns_read_only_is_said_and_keeps_what_is_there(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path,
    disk: Disk, tmp_path: Path, jobs: int,
) -> None:  # fmt: skip
    store = disk("size=32m,rw") / "store"
    where = ("--data", crops, "--workers", 0, "--store", store, "--jobs", jobs)
    assert dfdbench("run", write_spec(spec), *where, "--only", "probe")[0] == 0
    before = contents(store)
    disk("size=32m,ro")
    code, out, error = dfdbench("run", write_spec(spec), *where)
    assert (code, out) == (4, "")
    assert f"error: cannot write to the store {store}: Read-only file system" in error
    assert "make it writable, or name another one with --store" in error
    assert "Traceback" not in error
    code, out, _ = dfdbench("status", write_spec(spec), *where[:2], "--store", store)
    assert (code, "7 done" in out) == (0, True)
    disk("size=32m,rw")
    assert dfdbench("run", write_spec(spec), *where)[0] == 0
    assert before.items() <= contents(store).items()


def test_a_cell_whose_store_turns_read_only_meanwhile_is_said(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel does so after a fault of the disk; `mount` refuses while a lock is held open."""

    def refuse(source: object, target: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(target))

    with (
        monkeypatch.context() as faulty,
        pytest.raises(StoreError, match="Read-only file system"),
        store.compute(KEY, {}),
    ):
        faulty.setattr(os, "replace", refuse)
    assert not store.has(KEY)
    with store.compute(KEY, {}) as folder:
        assert folder is not None
    assert store.has(KEY)


def test_a_clock_that_jumps_back_changes_no_duration_and_no_result(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = time.time
    with store.compute(KEY, {}) as folder:
        assert folder is not None
        monkeypatch.setattr(time, "time", lambda: clock() - 86_400)
        (folder / "value").write_text("1")
    assert 0 <= store.meta(KEY)["duration"] < 60
    with store.compute(KEY, {}) as folder:
        assert folder is None, "a finished cell stays finished, whatever the time"


def test_a_file_that_is_as_old_as_before_but_changed_is_hashed_again(
    store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"abc")
    (first,) = store.content_hashes([path])
    path.write_bytes(b"abcd")
    os.utime(path, ns=(0, 0))  # as after a restored backup, or with a clock that was set back
    (second,) = store.content_hashes([path])
    assert first != second


def test_a_lock_file_that_a_dead_process_left_holds_nobody_up(store: Store) -> None:
    """The system lets go of a lock with its process; only the file stays, from wherever it came."""
    lock = store.root / "locks" / f"{KEY}.lock"
    lock.write_text("4242\nanother-host\n")
    os.utime(lock, (0, 0))
    store.notes.begin(KEY, "train ln")
    start = time.monotonic()
    with store.compute(KEY, {}) as folder:
        assert folder is not None
    assert time.monotonic() - start < 5
    assert store.has(KEY)


def test_what_is_adopted_is_as_it_was_computed(store: Store, tmp_path: Path) -> None:
    with store.compute(KEY, {"stage": "train", "host": "there"}) as folder:
        assert folder is not None
        (folder / "d").mkdir()
        (folder / "d" / "x").write_bytes(b"abc")
    meta = store.meta(KEY)
    other = Store(tmp_path / "other")
    other.partial(KEY).mkdir()
    (other.partial(KEY) / "half").touch()
    for _ in range(2):  # a second time changes nothing
        other.adopt(KEY, {k: meta[k] for k in meta if k != "files"}, {"d/x": b"abc"})
    assert other.meta(KEY) == meta
    assert sorted(path.name for path in other.path(KEY).rglob("*")) == ["d", "meta.json", "x"]
