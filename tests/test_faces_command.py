"""`dfdbench faces`: the same bytes however it runs, and a row for whatever gives no face."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import videos
from conftest import Dfdbench, Write
from test_faces_stage import whole

SPEC = {
    "name": "films",
    "faces": {"use": "aligned_faces", "frames": 4, "size": 64},
    "test_sets": {"uadfv": {"dataset": "uadfv"}},
}


def film(path: Path, n: int, frames: int = 6) -> None:
    """A face that moves, over a background of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ground, face = videos.background(208, 160, seed=n), videos.astronaut(144)
    videos.write_video(path, [videos.place(ground, face, (90 + 3 * i, 80)) for i in range(frames)])


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """UADFV with six real and six fake videos."""
    for n in range(12):
        film(tmp_path / "data" / "UADFV" / ("real", "fake")[n % 2] / f"{n:04d}.mp4", n)
    return tmp_path / "data"


def cell_of(store: Path) -> Path:
    (shard,) = store.glob("cells/*/*/shard-00000")
    return shard.parent


def command(spec: Path, data: Path, store: Path, workers: int) -> list[str]:
    return [
        sys.executable, "-c", "from dfdbench.cli import main; main()", "faces", str(spec),
        "--data", str(data),
        "--store", str(store), "--workers", str(workers), "--out", str(store / "out"),
    ]  # fmt: skip


def test_one_process_or_eight_or_a_kill_in_between_give_the_same_bytes(
    films: Path, write_spec: Write, dfdbench: Dfdbench, tmp_path: Path
) -> None:
    path = write_spec(SPEC)
    for workers in (0, 1, 8):
        where = ("--store", f"store{workers}", "--workers", workers)
        code, shown, said = dfdbench("faces", path, "--data", films, *where)
        assert code == 0, said
        assert "100.0 %" in shown
    straight = whole(cell_of(tmp_path / "store0"))
    assert len(straight) >= 5
    assert whole(cell_of(tmp_path / "store1")) == straight
    assert whole(cell_of(tmp_path / "store8")) == straight

    killed = tmp_path / "killed"
    words = command(path, films, killed, 1)
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while len(parts := list(killed.glob("partial/*/scratch/0*.parquet"))) < 3:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(killed.glob("cells/*/*/shard-*")), "killed before the end"
    before = {part.name: part.stat().st_mtime_ns for part in parts}
    (scratch,) = killed.glob("partial/*/scratch")
    kept = {name for name, t in before.items() if (scratch / name).stat().st_mtime_ns == t}
    assert kept == set(before)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert whole(cell_of(killed)) == straight


def test_videos_that_were_read_before_a_kill_are_not_read_again(
    films: Path, write_spec: Write, tmp_path: Path
) -> None:
    path, store = write_spec(SPEC), tmp_path / "store"
    words = command(path, films, store, 1)
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while len(list(store.glob("partial/*/scratch/0*.parquet"))) < 5:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # If one of the first five were opened again, it would now be a row with a reason.
    real = sorted((films / "UADFV" / "fake").iterdir())[:5]
    for video in real:
        state = video.stat()
        video.write_bytes(b"?" * state.st_size)
        os.utime(video, ns=(state.st_atime_ns, state.st_mtime_ns))
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    misses = (store / "out/faces/uadfv-test/misses.csv").read_text(encoding="utf-8")
    assert len(misses.splitlines()) == 1, misses


def test_whatever_gives_no_face_is_a_row_with_its_reason_and_stops_no_other(
    films: Path, write_spec: Write, dfdbench: Dfdbench
) -> None:
    real = films / "UADFV" / "real"
    whole_file = (real / "0000.mp4").read_bytes()
    (real / "empty.mp4").write_bytes(b"")
    (real / "text.mp4").write_text("this is no video")
    (real / "truncated.mp4").write_bytes(whole_file[: len(whole_file) // 3])
    flipped = bytearray(whole_file)
    for at in range(len(flipped) // 3, 2 * len(flipped) // 3, 7):
        flipped[at] ^= 0xFF
    (real / "flipped.mp4").write_bytes(bytes(flipped))
    (real / "folder.mp4").mkdir()
    os.mkfifo(real / "pipe.mp4")
    (real / "gone.mp4").symlink_to("nowhere.mp4")
    film(real / "one.mp4", 50, frames=1)
    videos.write_video(real / "dot.mp4", [np.zeros((2, 2, 3), np.uint8)] * 2)
    film(real / "a 'quoted' \"näme\" 名.mp4", 51)
    huge = videos.place(videos.background(7680, 4320), videos.astronaut(2000), (3840, 2160))
    videos.write_video(real / "8k.mp4", [huge])
    code, shown, said = dfdbench("faces", write_spec(SPEC), "--data", films)
    assert code == 0, said
    with open("results/films/faces/uadfv-test/misses.csv", encoding="utf-8") as file:
        rows: dict[str, list[str]] = {}
        for row in csv.DictReader(file):
            rows.setdefault(Path(row["path"]).name, []).append(row["reason"])
    assert rows["empty.mp4"] == ["is empty (0 bytes)"]
    assert "is no video" in rows["text.mp4"][0]
    assert rows["folder.mp4"] == ["is a folder"]
    assert rows["pipe.mp4"] == ["is not a regular file"]
    assert rows["gone.mp4"] == ["no such file"]
    assert all(rows["truncated.mp4"]) and all(rows["flipped.mp4"])
    assert set(rows["dot.mp4"]) == {"no face found"}
    assert not {"one.mp4", "8k.mp4", "a 'quoted' \"näme\" 名.mp4"} & set(rows), "these have faces"
    assert not [name for name in rows if name.startswith("00")], "the others lost nothing"
    code, shown, _ = dfdbench("check", write_spec(SPEC), "--data", films)
    assert "is not a regular file" in shown or "absent" in shown


def test_a_set_without_any_face_is_said_and_the_next_one_is_taken(
    films: Path, write_spec: Write, dfdbench: Dfdbench
) -> None:
    spec: dict[str, Any] = {**SPEC, "test_sets": {
        "blank": {"dataset": {"use": "uadfv", "root": str(films / "BLANK")}},
        **SPEC["test_sets"],  # type: ignore[dict-item]
    }}  # fmt: skip
    for n in range(2):
        path = films / "BLANK" / ("real", "fake")[n] / f"{n}.mp4"
        path.parent.mkdir(parents=True)
        videos.write_video(path, [videos.background(96, 64, seed=n)] * 3)
    code, shown, said = dfdbench("faces", write_spec(spec), "--data", films)
    assert code == 3
    assert "faces blank test: no video gave a face (no face found)" in said
    assert "uadfv" in shown and "100.0 %" in shown
