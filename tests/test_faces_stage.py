"""The stage that takes faces: kept by video, the same bytes however it is run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import write_face

from dfdbench import media
from dfdbench.api import Face, FacePreprocessor, FrameSource, Video
from dfdbench.data import faceparts
from dfdbench.errors import UnreadableError
from dfdbench_plugins.datasets.image_folder import ImageFolder
from dfdbench_plugins.precropped import Precropped


class Picky(FacePreprocessor):
    """Refuses one video, finds nothing in odd frames."""

    name: ClassVar[str] = "picky"

    def faces(self, frames: FrameSource) -> Iterator[Face]:
        if frames.video.id == "v3":
            raise UnreadableError("a text file")
        for frame in frames.read(range(len(frames))):
            assert frame.image is not None
            if frame.index % 2:
                yield Face(frame, None, reason="no face found")
            else:
                yield Face(frame, frame.image, transform=np.eye(2, 3),
                           landmarks=np.zeros((5, 2)))  # fmt: skip


@pytest.fixture
def videos(tmp_path: Path) -> list[Video]:
    """Six videos of three frames; odd ones are fake."""
    found = []
    for n in range(6):
        files = tuple(f"v{n}/{frame}.png" for frame in range(3))
        for frame, file in enumerate(files):
            write_face(tmp_path / file, 10 * n + frame, bool(n % 2))
        found.append(Video(f"v{n}", n % 2, files, method="DF" * (n % 2)))
    return found


def job(parts: faceparts.Parts, root: Path, videos: list[Video], n: int) -> faceparts.Job:
    adapter = ImageFolder(path="")
    return faceparts.Job(adapter, Picky(), root, videos[n], parts.path(n))


def whole(folder: Path) -> dict[str, str]:
    """Every file of a finished cell but the record of its making, by its sha256."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and faceparts.SCRATCH not in path.parts and path.name != "meta.json"
    }


def test_counts_are_by_class_and_by_reason(tmp_path: Path, videos: list[Video]) -> None:
    folder = tmp_path / "cell"
    folder.mkdir()
    parts = faceparts.Parts(folder, len(videos))
    taken = [faceparts.take(job(parts, tmp_path, videos, n)) for n in parts.todo()]
    assert taken == [2, 2, 2, 0, 2, 2]
    parts.fold(videos, last=True)
    summary = parts.summary()
    assert summary["yield"]["real"] == {
        "videos": 3, "videos_without_face": 0, "frames": 9, "faces": 6, "unreadable": 0,
        "expected": 0, "identical": 0,
    }  # fmt: skip
    assert summary["yield"]["fake"]["videos_without_face"] == 1
    assert (summary["faces"], summary["misses"], summary["unreadable"]) == (10, 6, 1)
    assert summary["examples"] == ["v3: a text file"]
    misses = pq.read_table(folder / "misses-00000.parquet").to_pylist()
    assert len(misses) == 6
    assert {"video_id": "v3", "frame_index": -1, "label": 1, "method": "DF", "path": "",
            "reason": "a text file", "unreadable": True} in misses  # fmt: skip


def test_an_interruption_costs_no_video_and_changes_no_byte(
    tmp_path: Path, videos: list[Video], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faceparts, "SHARD_BYTES", 10_000)  # two or three videos a shard
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    for folder in (straight, broken):
        folder.mkdir()
    parts = faceparts.Parts(straight, len(videos))
    for n in parts.todo():
        faceparts.take(job(parts, tmp_path, videos, n))
        parts.fold(videos)
    parts.fold(videos, last=True)
    assert len(parts.shards) > 1

    parts = faceparts.Parts(broken, len(videos))
    for n in (5, 0, 2, 1):  # as several processes finish them; then the power fails
        faceparts.take(job(parts, tmp_path, videos, n))
        parts.fold(videos)
    assert parts.folded > 0, "shards were written before the end"
    again = faceparts.Parts(broken, len(videos))
    assert again.todo() == [3, 4]
    for n in again.todo():
        faceparts.take(job(again, tmp_path, videos, n))
        again.fold(videos)
    again.fold(videos, last=True)
    assert whole(broken) == whole(straight)
    assert again.summary() == parts.__class__(straight, len(videos)).summary()


def test_a_shard_that_a_kill_left_unlisted_is_written_again(
    tmp_path: Path, videos: list[Video]
) -> None:
    folder = tmp_path / "cell"
    folder.mkdir()
    parts = faceparts.Parts(folder, len(videos))
    for n in parts.todo():
        faceparts.take(job(parts, tmp_path, videos, n))
    debris = folder / "shard-00000"
    debris.mkdir()
    (debris / "data-00000-of-00001.arrow").write_bytes(b"half a shard")
    parts.fold(videos, last=True)
    from dfdbench.faces import _read

    assert len(_read(folder)) == 10


def test_a_face_keeps_its_landmarks_and_pixels_have_a_hash(
    tmp_path: Path, videos: list[Video]
) -> None:
    folder = tmp_path / "cell"
    folder.mkdir()
    parts = faceparts.Parts(folder, 1)
    faceparts.take(job(parts, tmp_path, videos, 0))
    parts.fold(videos[:1], last=True)
    from dfdbench.faces import _read

    row = _read(folder)[0]
    assert row["transform"] == [1, 0, 0, 0, 1, 0]
    assert row["landmarks"] == [0.0] * 10
    pixels = media.decode((tmp_path / "v0" / "0.png").read_bytes())
    assert row["sha256"] == hashlib.sha256(pixels.tobytes()).hexdigest()


def test_faces_that_somebody_else_made_have_no_transform(
    tmp_path: Path, videos: list[Video]
) -> None:
    folder = tmp_path / "cell"
    folder.mkdir()
    parts = faceparts.Parts(folder, 1)
    faceparts.take(
        faceparts.Job(ImageFolder(path=""), Precropped(), tmp_path, videos[0], parts.path(0))
    )
    parts.fold(videos[:1], last=True)
    from dfdbench.faces import _read

    assert _read(folder)[0]["transform"] is None
    assert json.loads((folder / "scratch" / "shards.json").read_text())[0]["until"] == 1
