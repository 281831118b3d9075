"""The store: all of a cell or none of it, whatever happens and whoever else is writing."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dfdbench.errors import StoreError
from dfdbench.store import Store, canonical, key_of, write_text

KEY = key_of("a cell")


def debris(store: Store) -> list[str]:
    """Whatever unfinished cells have left."""
    return [str(path.relative_to(store.root)) for path in store.root.glob("partial/**/*")]


def test_a_finished_cell_is_there_with_all_its_files_and_a_record(store: Store) -> None:
    with store.compute(KEY, {"stage": "train", "title": "train ln"}) as folder:
        assert folder is not None
        (folder / "scores").mkdir()
        (folder / "scores" / "one.txt").write_text("1")
        assert not store.has(KEY) and not store.path(KEY).exists()
    assert store.has(KEY)
    assert (store.path(KEY) / "scores" / "one.txt").read_text() == "1"
    meta = store.meta(KEY)
    assert (meta["stage"], meta["title"], meta["key"]) == ("train", "train ln", KEY)
    assert meta["duration"] >= 0
    assert debris(store) == []


def test_a_cell_is_flushed_before_it_is_published_in_one_step(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def record_sync(descriptor: int) -> None:
        done.append(f"flush {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name}")
        fsync(descriptor)

    def record_move(source: Path, target: Path) -> None:
        done.append(f"move {Path(source).name} to {Path(target).name}")
        replace(source, target)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc to name open files")
    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(os, "replace", record_move)
    with store.compute(KEY, {}) as folder:
        assert folder is not None
        (folder / "weights").write_text("w")
    published = done.index(f"move {KEY} to {KEY}")
    assert {"flush weights", "flush meta.json", f"flush {KEY}"} <= set(done[:published])
    assert done[published + 1 :] == [f"flush {KEY[:2]}"]  # the entry in the parent folder


def test_a_finished_cell_is_not_computed_again(store: Store) -> None:
    with store.compute(KEY, {"run": 1}):
        pass
    with store.compute(KEY, {"run": 2}) as folder:
        assert folder is None
    assert store.meta(KEY)["run"] == 1


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt()])
def test_an_error_leaves_nothing(store: Store, error: BaseException) -> None:
    with pytest.raises(type(error)), store.compute(KEY, {}) as folder:
        assert folder is not None
        (folder / "half.txt").write_text("half")
        raise error
    assert not store.has(KEY)
    assert debris(store) == []


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt()])
def test_a_resumable_cell_finds_its_folder_again(store: Store, error: BaseException) -> None:
    with pytest.raises(type(error)), store.compute(KEY, {}, resumable=True) as folder:
        assert folder is not None
        (folder / "epoch.txt").write_text("3")
        raise error
    assert not store.has(KEY)
    with store.compute(KEY, {}, resumable=True) as folder:
        assert folder is not None
        assert (folder / "epoch.txt").read_text() == "3"
    assert store.has(KEY)
    assert debris(store) == []


def test_a_resumable_cell_that_wrote_nothing_leaves_no_folder(store: Store) -> None:
    with pytest.raises(ValueError, match="early"), store.compute(KEY, {}, resumable=True):
        raise ValueError("early")
    assert debris(store) == []


def test_what_a_killed_process_left_of_a_cell_that_cannot_resume_is_thrown_away(
    store: Store,
) -> None:
    store.partial(KEY).mkdir()
    (store.partial(KEY) / "half.txt").write_text("half")
    with store.compute(KEY, {}) as folder:
        assert folder is not None
        assert list(folder.iterdir()) == []
    assert [path.name for path in store.path(KEY).iterdir()] == ["meta.json"]


RACER = """
import sys, time
from pathlib import Path
from dfdbench.store import Store

root, key, name = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
store = Store(root)
(root / f"ready-{name}").touch()
while not (root / "go").exists():
    time.sleep(0.005)
with store.compute(key, {"by": name}) as folder:
    if folder is not None:
        (root / f"computed-{name}").touch()
        time.sleep(0.3)  # long enough for the others to ask for it
        (folder / "value.txt").write_text(name)
print((store.path(key) / "value.txt").read_text())
"""


def test_three_processes_that_race_for_a_cell_compute_it_once(store: Store) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(store.root), KEY, name],
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two", "three")
    ]
    while len(list(store.root.glob("ready-*"))) < 3:
        assert all(racer.poll() is None for racer in racers)
    (store.root / "go").touch()
    seen = {racer.communicate(timeout=60)[0].strip() for racer in racers}
    (winner,) = store.root.glob("computed-*")
    assert seen == {winner.name.removeprefix("computed-")}
    assert {store.meta(KEY)["by"]} == seen
    assert debris(store) == []


def test_equal_values_have_equal_keys_whatever_their_order() -> None:
    first = {"stage": "train", "config": {"lr": 1e-5, "epochs": 3}, "inputs": ["a", "b"]}
    second = {"inputs": ["a", "b"], "config": {"epochs": 3, "lr": 0.00001}, "stage": "train"}
    assert canonical(first) == canonical(second)
    assert key_of(first) == key_of(second)
    assert key_of(first) != key_of({**first, "inputs": ["b", "a"]})
    # echo -n '{"a":[0.5,null],"b":1}' | sha256sum
    assert key_of({"b": 1, "a": [0.5, None]}) == (
        "a0e9efb45133394cdb2715f19808ddbb2a34dceb99f39f09a23578958b03e29a"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}])
def test_a_value_without_one_text_has_no_key(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        key_of({"value": value})


def test_content_hashes_are_remembered_until_a_file_changes(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dfdbench import store as module

    read: list[str] = []
    sha256_of = module.sha256_of

    def counted(path: Path) -> str:
        read.append(path.name)
        return sha256_of(path)

    monkeypatch.setattr(module, "sha256_of", counted)
    one, two = tmp_path / "one.bin", tmp_path / "two.bin"
    one.write_bytes(b"abc")
    two.write_bytes(b"abc")
    first = store.content_hashes([one, two])
    # The test vector of FIPS 180-2.
    assert first == ["ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"] * 2
    assert Store(store.root).content_hashes([one, two]) == first
    assert read == ["one.bin", "two.bin"]
    two.write_bytes(b"abd")  # the same size
    os.utime(two, ns=(one.stat().st_atime_ns, one.stat().st_mtime_ns + 1))
    again = store.content_hashes([one, two])
    assert read == ["one.bin", "two.bin", "two.bin"]
    assert again[0] == first[0] and again[1] != first[1]


def test_the_content_of_a_missing_file_is_an_error_that_names_it(
    store: Store, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        store.content_hashes([tmp_path / "gone.png"])


def test_a_text_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results" / "leaderboard.md"
    write_text(path, "first\n")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(path, "second\n")
    assert path.read_text() == "first\n"
    assert [each.name for each in path.parent.iterdir()] == ["leaderboard.md"]


def test_a_full_disk_is_said_in_a_sentence_and_leaves_nothing(store: Store) -> None:
    with pytest.raises(StoreError, match="the disk is full") as caught, store.compute(KEY, {}):
        raise OSError(errno.ENOSPC, "No space left on device", str(store.partial(KEY) / "weights"))
    assert "name another store with --store" in str(caught.value)
    assert str(store.partial(KEY) / "weights") in str(caught.value)
    assert debris(store) == []


def test_an_error_that_is_not_of_the_store_passes_as_it_is(store: Store, tmp_path: Path) -> None:
    with pytest.raises(PermissionError), store.compute(KEY, {}):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "data" / "x.png"))


@pytest.mark.parametrize("below", ["", "store"])
def test_a_store_where_no_folder_can_be_made_says_so(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="cannot write to the store") as caught:
        Store(tmp_path / "file" / below)
    assert "name another one with --store" in str(caught.value)
