"""Care of the store: what is damaged is found, what is unused goes, and nothing else does."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Dfdbench, Write
from filelock import FileLock

from dfdbench.cli.store import readable
from dfdbench.errors import StoreError
from dfdbench.progress import Silent
from dfdbench.store import Store, care, key_of
from dfdbench.store.verify import verify

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # sha256 of "abc"

Cell = Callable[..., str]


@pytest.fixture
def cell(store: Store) -> Cell:
    """Finish a cell that holds ``abc.txt`` and ``d/five.bin``, of 3 and 5 bytes; gives its key."""

    def finish(title: str, old: bool = False, **meta: Any) -> str:
        key = key_of(title)
        with store.compute(key, {"stage": "train", "title": title, **meta}) as folder:
            assert folder is not None
            (folder / "abc.txt").write_bytes(b"abc")
            (folder / "d").mkdir()
            (folder / "d" / "five.bin").write_bytes(b"12345")
            (folder / "scratch").mkdir()
            (folder / "scratch" / "epoch").write_bytes(b"much")
        if old:
            record = store.meta(key)
            del record["files"]
            (store.path(key) / "meta.json").write_text(json.dumps(record))
        return key

    return finish


def damaged(store: Store) -> list[str]:
    return [str(each) for each in verify(store, Silent()).damaged]


# verify


def test_a_cell_records_size_and_content_of_its_files_but_not_of_scratch(
    store: Store, cell: Cell
) -> None:
    files = store.meta(cell("train ln"))["files"]
    assert files["abc.txt"] == {"size": 3, "sha256": ABC}
    assert files["d/five.bin"]["size"] == 5
    assert list(files) == ["abc.txt", "d/five.bin"]


def test_a_sound_store_is_counted(store: Store, cell: Cell) -> None:
    cell("one")
    cell("two")
    found = verify(store, Silent())
    assert (found.cells, found.files, found.size, found.unverifiable) == (2, 4, 16, 0)
    assert found.damaged == ()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: (path / "abc.txt").unlink(), "abc.txt is not there"),
        (lambda path: (path / "abc.txt").write_bytes(b"ab"), "abc.txt has 2 bytes instead of 3"),
        (lambda path: (path / "abc.txt").write_bytes(b"abd"), "abc.txt has another content"),
        (lambda path: (path / "d" / "more").touch(), "d/more does not belong to it"),
    ],
)
def test_each_damage_is_named_with_the_cell(
    store: Store, cell: Cell, damage: Callable[[Path], None], said: str
) -> None:
    key = cell("train ln")
    cell("sound")
    damage(store.path(key))
    assert damaged(store) == [f"train ln ({key}): {said}"]


@pytest.mark.parametrize("content", ["", "[]", '{"key": "another", "files": {}}', '{"files": 1}'])
def test_a_broken_record_is_a_damage(store: Store, cell: Cell, content: str) -> None:
    key = cell("train ln")
    (store.path(key) / "meta.json").write_text(content)
    assert damaged(store) == [f"a cell ({key}): meta.json cannot be read"]


def test_a_cell_that_lost_its_record_is_damaged_and_can_be_computed_again(
    store: Store, cell: Cell
) -> None:
    key = cell("train ln")
    (store.path(key) / "meta.json").unlink()
    (store.path(key) / "stale").touch()
    assert damaged(store) == [f"a cell ({key}): meta.json cannot be read"]
    assert cell("train ln") == key
    assert damaged(store) == []


def test_cells_of_an_older_version_are_counted_and_not_called_damaged(
    store: Store, cell: Cell
) -> None:
    key = cell("old", old=True)
    (store.path(key) / "abc.txt").write_bytes(b"changed")
    found = verify(store, Silent())
    assert (found.cells, found.unverifiable, found.damaged) == (0, 1, ())


def test_verify_says_that_all_is_well(store: Store, cell: Cell, dfdbench: Dfdbench) -> None:
    cell("one")
    code, said, _ = dfdbench("store", "verify", "--store", store.root)
    assert (code, said) == (0, "1 of 1 cells are as they were written (2 files, 8 B read)\n")


def test_verify_lists_damage_says_the_way_out_and_goes_it(
    store: Store, cell: Cell, dfdbench: Dfdbench
) -> None:
    broken, reader = cell("train ln"), cell("score ln", inputs={"train": key_of("train ln")})
    (store.path(broken) / "abc.txt").write_bytes(b"abd")
    code, said, error = dfdbench("store", "verify", "--store", store.root)
    assert code == 4
    assert said.startswith("1 of 2 cells are as they were written")
    assert f"train ln ({broken}): abc.txt has another content" in error
    assert "dfdbench store verify --remove" in error
    assert store.has(broken)
    code, said, _ = dfdbench("store", "verify", "--store", store.root, "--remove")
    assert code == 0
    assert "removed 1 cells; the next run computes them again" in said
    assert not store.has(broken) and store.has(reader)
    assert dfdbench("store", "verify", "--store", store.root)[0] == 0


def test_a_damaged_cell_in_use_stays(store: Store, cell: Cell, dfdbench: Dfdbench) -> None:
    key = cell("train ln")
    (store.path(key) / "abc.txt").unlink()
    with FileLock(store.root / "locks" / f"{key}.lock"):
        code, _, error = dfdbench("store", "verify", "--store", store.root, "--remove")
    assert code == 4
    assert key in error and "in use" in error
    assert store.has(key)


@pytest.mark.parametrize("command", ["verify", "prune"])
def test_no_store_is_made_where_there_is_none(
    dfdbench: Dfdbench, tmp_path: Path, command: str
) -> None:
    code, _, error = dfdbench("store", command, "--store", tmp_path / "typo")
    assert code == 2
    assert "no store at" in error and "--store" in error
    assert not (tmp_path / "typo").exists()


# what is unused


def names(items: list[care.Item]) -> set[tuple[str, str]]:
    return {(item.kind, item.name) for item in items}


def test_a_recorded_plan_replaces_the_one_of_its_name(store: Store) -> None:
    store.record_plan("paper", ["b", "a", "a"])
    store.record_plan("demo", ["c"])
    assert care.recorded(store) == {"paper": {"a", "b"}, "demo": {"c"}}
    store.record_plan("paper", ["d"])
    assert care.recorded(store)["paper"] == {"d"}
    record = json.loads((store.root / "plans" / "paper.json").read_text())
    assert (record["name"], record["keys"], record["when"][-6:]) == ("paper", ["d"], "+00:00")


def test_a_plan_that_cannot_be_read_stops_everything(store: Store, cell: Cell) -> None:
    store.record_plan("paper", [cell("used")])
    (store.root / "plans" / "paper.json").write_text("{}")
    with pytest.raises(StoreError, match=r"paper.json cannot be read .* run its benchmark again"):
        care.recorded(store)


def test_what_no_plan_uses_is_unused(store: Store, cell: Cell) -> None:
    used, unused = cell("used"), cell("unused")
    items, old = care.unused(store, {used})
    assert names(items) == {(care.CELL, unused)}
    meta = (store.path(unused) / "meta.json").stat().st_size
    assert items[0].size == 8 + meta
    assert old == []


def test_pixels_are_used_as_long_as_their_faces_are(store: Store, cell: Cell) -> None:
    faces, stale = cell("faces"), "0" * 64
    kept = cell("pixels of faces", stage="pixels", faces=faces)
    orphan = cell("pixels of nothing", stage="pixels", faces=stale)
    assert names(care.unused(store, {faces})[0]) == {(care.CACHE, orphan)}
    both = {(care.CACHE, orphan), (care.CACHE, kept)}
    assert names(care.unused(store, {faces}, caches=True)[0]) == both


def test_old_cells_are_unused_only_on_demand(store: Store, cell: Cell) -> None:
    used, old = cell("used", old=True), cell("old", old=True)
    pixels = cell("pixels", old=True, stage="pixels", faces="gone")
    items, kept = care.unused(store, {used})
    assert (items, names(kept)) == ([], {(care.CELL, old), (care.CACHE, pixels)})
    items, kept = care.unused(store, {used}, unrecorded=True)
    assert (names(items), kept) == ({(care.CELL, old), (care.CACHE, pixels)}, [])


def test_unfinished_cells_and_locks_are_unused_unless_planned_or_held(
    store: Store, cell: Cell
) -> None:
    finished = cell("finished")
    for name in ("planned", "held", "left"):
        store.partial(name).mkdir()
        (store.partial(name) / "epoch").write_bytes(b"1234567")
    for name in ("stale", "busy", "left", "coming"):
        (store.root / "locks" / f"{name}.lock").touch()
    with (
        FileLock(store.root / "locks" / "held.lock"),
        FileLock(store.root / "locks" / "busy.lock"),
    ):
        items, _ = care.unused(store, {finished, "planned", "coming"})
    assert names(items) == {(care.PARTIAL, "left"), (care.LOCK, "stale")}
    assert items[0].size == 7


def test_notes_of_processes_that_are_gone_are_removed_those_of_live_ones_stay(
    store: Store, cell: Cell
) -> None:
    for key in ("gone", "live"):
        store.notes.begin(key, "train ln")
    store.notes.fail("dropped", "train ln", "NaN loss")
    store.notes.fail("wanted", "train ln", "NaN loss")
    with FileLock(store.root / "locks" / "live.lock"):
        items, _ = care.unused(store, {"wanted"})
        notes = {item.name for item in items if item.kind == care.NOTE}
        assert notes == {"running/gone.json", "failed/dropped.json"}
        care.remove(store, items)
    assert set(store.notes.running()) == {"live"}
    assert set(store.notes.failed()) == {"wanted"}


def test_logs_of_slurm_jobs_stay_for_a_week(store: Store, cell: Cell) -> None:
    now = time.time()
    for name, age in (("old", 8), ("new", 6)):
        folder = store.root / "jobs" / name
        folder.mkdir(parents=True)
        (folder / "log.out").write_text("said")
        for path in (folder / "log.out", folder):
            os.utime(path, (now, now - age * 24 * 3600))
    items, _ = care.unused(store, ())
    assert [(i.name, i.size) for i in items if i.kind == care.LOG] == [("jobs/old", 4)]
    care.remove(store, items)
    assert [path.name for path in (store.root / "jobs").iterdir()] == ["new"]


def test_looking_changes_nothing(store: Store, cell: Cell) -> None:
    cell("one")
    store.partial("left").mkdir()
    (store.root / "locks" / "stale.lock").touch()
    before = sorted(store.root.rglob("*"))
    care.unused(store, set())
    assert sorted(store.root.rglob("*")) == before


def test_hashes_of_files_that_are_gone_are_dropped(store: Store, tmp_path: Path) -> None:
    for name in ("stays", "goes"):
        (tmp_path / name).write_bytes(b"abc")
    store.content_hashes([tmp_path / "stays", tmp_path / "goes"])
    (tmp_path / "goes").unlink()
    items, _ = care.unused(store, set())
    assert names(items) == {(care.HASH, str(tmp_path / "goes"))}
    assert care.remove(store, items) == items
    db = sqlite3.connect(store.root / "hashes.sqlite")
    assert db.execute("SELECT path FROM hashes").fetchall() == [(str(tmp_path / "stays"),)]
    db.close()


# removal


def test_what_is_removed_is_gone_with_its_lock_and_the_rest_stays(store: Store, cell: Cell) -> None:
    used, unused = cell("used"), cell("unused")
    store.record_plan("paper", [used])
    items, _ = care.unused(store, {used})
    assert care.remove(store, items) == items
    assert store.finished() == [used]
    assert [path.stem for path in (store.root / "locks").iterdir()] == [used]
    assert list((store.root / "removed").iterdir()) == []
    assert care.unused(store, {used}) == ([], [])
    assert cell("unused") == unused and store.has(unused)


def test_a_locked_cell_is_never_removed(store: Store, cell: Cell) -> None:
    key = cell("unused")
    items, _ = care.unused(store, set())
    with FileLock(store.root / "locks" / f"{key}.lock"):
        assert care.remove(store, items) == []
    assert store.has(key)


def test_a_cell_that_a_plan_has_claimed_meanwhile_stays(store: Store, cell: Cell) -> None:
    key = cell("claimed")
    items, _ = care.unused(store, set())
    store.record_plan("new", [key])
    assert care.remove(store, items) == []
    assert store.has(key)


def test_an_interrupted_removal_leaves_no_half_of_a_cell_and_is_finished_later(
    store: Store, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = cell("unused")
    with monkeypatch.context() as patch:
        real = shutil.rmtree

        def killed(path: Path, ignore_errors: bool = False) -> None:
            if path.is_dir():
                (path / "abc.txt").unlink()
                raise KeyboardInterrupt
            real(path, ignore_errors)

        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            care.remove(store, care.unused(store, set())[0])
    assert store.finished() == []
    items, _ = care.unused(store, set())
    assert (care.LEFT, key) in names(items)
    care.remove(store, items)
    assert care.unused(store, set()) == ([], [])


# the command


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Somebody at a terminal, who agrees; the questions that were asked."""
    import typer

    asked: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)

    def agree(question: str) -> bool:
        asked.append(question)
        return True

    monkeypatch.setattr(typer, "confirm", agree)
    return asked


def test_prune_of_a_store_without_plans_removes_nothing(
    store: Store, cell: Cell, dfdbench: Dfdbench
) -> None:
    key = cell("precious")
    code, _, error = dfdbench("store", "prune", "--store", store.root, "--yes")
    assert code == 2
    assert "no plan is recorded" in error and "`dfdbench run SPEC` records" in error
    assert "--unrecorded" in error
    assert store.has(key)
    code, _, _ = dfdbench("store", "prune", "--store", store.root, "--yes", "--unrecorded")
    assert code == 0 and not store.has(key)


def test_prune_keeps_the_cells_that_are_older_than_plans(
    store: Store, cell: Cell, dfdbench: Dfdbench
) -> None:
    used, old = cell("used"), cell("old", old=True)
    store.record_plan("paper", [used])
    code, said, _ = dfdbench("store", "prune", "--store", store.root, "--yes")
    assert code == 0
    assert "keeps what these use: paper" in said
    assert "keeps 1 cells" in said and "nothing to remove" in said
    assert store.finished() == sorted([used, old])


def test_prune_without_a_terminal_only_says_what_it_would_do(
    store: Store, cell: Cell, dfdbench: Dfdbench
) -> None:
    store.record_plan("paper", [cell("used")])
    unused = cell("unused")
    (store.path(unused) / "abc.txt").write_bytes(b"x" * 2_000_000)
    code, said, _ = dfdbench("store", "prune", "--store", store.root)
    assert code == 0
    assert "cells of no recorded plan         1  2.0 MB" in said
    assert "say --yes" in said
    assert store.has(unused)


def test_prune_asks_at_a_terminal(
    store: Store, cell: Cell, dfdbench: Dfdbench, terminal: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    used, unused = cell("used"), cell("unused")
    store.record_plan("paper", [used])
    with monkeypatch.context() as patch:
        patch.setattr("typer.confirm", lambda question: False)
        assert dfdbench("store", "prune", "--store", store.root)[0] == 0
    assert store.has(unused)
    code, said, _ = dfdbench("store", "prune", "--store", store.root)
    assert code == 0 and "removed 1 of 1" in said
    assert len(terminal) == 1 and terminal[0].startswith("remove ")
    assert store.finished() == [used]


def test_prune_can_forget_a_plan(store: Store, cell: Cell, dfdbench: Dfdbench) -> None:
    one, two = cell("one"), cell("two")
    store.record_plan("paper", [one])
    store.record_plan("demo", [two])
    code, _, error = dfdbench("store", "prune", "--store", store.root, "--forget", "papre")
    assert code == 2 and "recorded are demo, paper" in error
    command = ("store", "prune", "--store", store.root, "--forget", "paper")
    assert dfdbench(*command)[0] == 0
    assert set(care.recorded(store)) == {"demo", "paper"} and store.has(one), "it only said so"
    assert dfdbench(*command, "--yes")[0] == 0
    assert set(care.recorded(store)) == {"demo"}
    assert store.finished() == [two]
    code, _, error = dfdbench("store", "prune", "--store", store.root, "--forget", "demo", "--yes")
    assert code == 2 and "no plan is left" in error
    assert store.has(two)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_store_can_be_verified(store: Store, cell: Cell, dfdbench: Dfdbench) -> None:
    cell("one")
    store.root.chmod(0o500)
    try:
        assert dfdbench("store", "verify", "--store", store.root)[0] == 0
    finally:
        store.root.chmod(0o700)


def test_a_run_leaves_a_sound_store_of_which_nothing_is_unused(
    spec: dict[str, Any], crops: Path, dfdbench: Dfdbench, write_spec: Write, tmp_path: Path
) -> None:
    spec["detectors"].pop("ln")
    place = ("--store", tmp_path / "store")
    code, _, error = dfdbench("run", write_spec(spec), "--data", crops, "--device", "cpu", *place)
    assert code == 0, error
    assert dfdbench("store", "verify", *place)[0] == 0
    before = Store(tmp_path / "store").finished()
    code, said, _ = dfdbench("store", "prune", *place, "--yes")
    assert code == 0 and "nothing to remove" in said
    spec["seeds"] = [2]
    code, _, error = dfdbench("run", write_spec(spec), "--data", crops, "--device", "cpu", *place)
    assert code == 0, error
    between = Store(tmp_path / "store").finished()
    code, said, _ = dfdbench("store", "prune", *place, "--yes")
    assert code == 0
    # Of seed 1: training, its scores on two splits, and one evaluation.
    assert len(before) == len(between) - 4 == len(Store(tmp_path / "store").finished())
    code, said, error = dfdbench("run", write_spec(spec), "--data", crops, *place)
    assert code == 0 and "cells, 0 of them" not in error


def test_sizes_are_written_for_people() -> None:
    sizes = (0, 999, 1000, 1_500_000, 3_400_000_000, 7_000_000_000_000)
    assert [readable(size) for size in sizes] == [
        "0 B", "999 B", "1.0 kB", "1.5 MB", "3.4 GB", "7000.0 GB",
    ]  # fmt: skip
