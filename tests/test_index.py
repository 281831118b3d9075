"""The index: what comes back, what it is called, and files that cannot be used."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dfdbench.api import Video
from dfdbench.data.index import Index, build, read_videos
from dfdbench.errors import DataError
from dfdbench.store import Store, key_of
from dfdbench_plugins.datasets.manifest import Manifest

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # sha256 of "abc"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # of no bytes
KNOWN = "0" * 63 + "1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """``abc.png`` holds the three letters, ``empty.png`` nothing."""
    (tmp_path / "abc.png").write_bytes(b"abc")
    (tmp_path / "empty.png").write_bytes(b"")
    return tmp_path


def there_and_back(index: Index, folder: Path) -> list[Video]:
    index.write(folder / "index.parquet")
    return read_videos(folder / "index.parquet")


# what comes back


def test_every_kind_of_video_comes_back_as_it_went_in(folder: Path, store: Store) -> None:
    videos = [
        Video("made", 0, target_id="p"),
        Video("one file", 1, ("abc.png",), (0,), "swap", "t", "s"),
        Video("frames", 0, ("abc.png", "empty.png"), (7, 9), masks=("abc.png", "empty.png")),
        Video("one mask", 1, ("abc.png", "empty.png"), (0, 1), masks=("empty.png",)),
        Video("hashes", 1, ("a", "b"), (3, 2), sha256=(KNOWN, KNOWN)),
        Video("half", 1, ("x", "abc.png"), (0, 1), sha256=(KNOWN, "")),
        Video("made too", 1),
    ]
    index = build(videos, folder, store, "test")
    assert there_and_back(index, folder) == videos
    assert index.hashes == (
        (), (ABC,), (ABC, EMPTY), (ABC, EMPTY), (KNOWN, KNOWN), (KNOWN, ABC), (),
    )  # fmt: skip
    assert index.faults == ()


def test_the_table_has_a_row_for_each_file_with_its_hash(folder: Path, store: Store) -> None:
    videos = [
        Video("a", 1, ("abc.png", "empty.png"), method="swap"),
        Video("b", 0, ("abc.png",), sha256=(KNOWN,)),
    ]
    build(videos, folder, store, "test").write(folder / "index.parquet")
    rows = pq.read_table(folder / "index.parquet").to_pydict()
    assert rows["video_id"] == ["a", "a", "b"]
    assert rows["method"] == ["swap", "swap", ""]
    assert rows["path"] == ["abc.png", "empty.png", "abc.png"]
    assert rows["frame_index"] == [0, 1, 0]
    assert rows["sha256"] == [ABC, EMPTY, KNOWN]


def test_an_index_of_an_older_version_is_still_read(tmp_path: Path) -> None:
    columns = {
        "video_id": ["a", "a", "b"], "label": [0, 0, 1], "method": ["", "", "swap"],
        "target_id": ["p", "p", "q"], "source_id": ["", "", "r"],
        "path": ["1.png", "2.png", ""], "frame_index": [4, 5, 0], "sha256": ["x", "y", ""],
    }  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "old.parquet")
    assert read_videos(tmp_path / "old.parquet") == [
        Video("a", 0, ("1.png", "2.png"), (4, 5), target_id="p"),
        Video("b", 1, method="swap", target_id="q", source_id="r"),
    ]


# the fingerprint


def test_the_fingerprint_is_that_of_the_whole_list_however_many_videos(store: Store) -> None:
    videos = [Video(f"v{n}", n % 2, ("f",), (n,), sha256=(KNOWN,)) for n in range(2001)]
    whole = [[f"v{n}", n % 2, "", "", "", [n], [KNOWN]] for n in range(2001)]
    assert build(videos, None, store, "test").fingerprint == key_of(whole)


def test_a_known_hash_gives_the_fingerprint_of_the_file_that_has_it(
    folder: Path, store: Store
) -> None:
    read = build([Video("a", 0, ("abc.png",))], folder, store, "test")
    told = build([Video("a", 0, ("nowhere.png",), sha256=(ABC,))], folder, store, "test")
    other = build([Video("a", 0, ("abc.png",), sha256=(KNOWN,))], folder, store, "test")
    assert told.fingerprint == read.fingerprint != other.fingerprint
    assert told.faults == ()


def test_masks_count_by_their_content(folder: Path, store: Store) -> None:
    def print_of(*masks: str) -> str:
        return build([Video("a", 0, ("abc.png",), masks=masks)], folder, store, "t").fingerprint

    (folder / "copy.png").write_bytes(b"")
    assert print_of("empty.png") == print_of("copy.png")
    assert len({print_of(), print_of("empty.png"), print_of("abc.png")}) == 3


def test_files_with_a_known_hash_are_not_touched(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Path] = []
    monkeypatch.setattr(Path, "stat", lambda path, **_: looked.append(path))
    build([Video("a", 0, ("abc.png", "b"), sha256=(ABC, KNOWN))], folder, store, "test")
    assert looked == []


# files that cannot be used


@pytest.fixture
def faulty(folder: Path) -> Video:
    os.mkfifo(folder / "pipe.png")
    (folder / "folder.png").mkdir()
    (folder / "loop.png").symlink_to("loop.png")
    names = ("abc.png", "gone.png", "pipe.png", "folder.png", "loop.png", "abc.png/x.png")
    return Video("a", 0, (*names, "nul\0.png"), masks=("no-mask.png",))


def test_files_that_cannot_be_used_are_listed_with_the_reason(
    faulty: Video, folder: Path, store: Store
) -> None:
    index = build([faulty], folder, store, "test")
    assert index.hashes == ((ABC, "", "", "", "", "", ""),)
    assert index.faults == (
        ("gone.png", "is not there"),
        ("pipe.png", "is not a regular file"),
        ("folder.png", "is not a regular file"),
        ("loop.png", "cannot be read: Too many levels of symbolic links"),
        ("abc.png/x.png", "is not there"),
        ("nul\0.png", "cannot be read: embedded null byte"),
        ("no-mask.png", "is not there"),
    )


def test_a_file_without_permission_is_listed(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dfdbench import store as module

    def denied(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(module, "sha256_of", denied)  # root may read everything
    index = build([Video("a", 0, ("abc.png",))], folder, store, "test")
    assert index.faults == (("abc.png", "cannot be read: Permission denied"),)


def test_an_absent_file_changes_the_fingerprint_until_it_is_there_again(
    folder: Path, store: Store
) -> None:
    video = Video("a", 0, ("abc.png",))
    sound = build([video], folder, store, "test")
    (folder / "abc.png").rename(folder / "away.png")
    absent = build([video], folder, store, "test")
    assert absent.faults and absent.fingerprint != sound.fingerprint
    (folder / "away.png").rename(folder / "abc.png")
    assert build([video], folder, store, "test") == sound


def test_files_hashed_before_a_failure_are_remembered(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dfdbench import store as module

    with pytest.raises(FileNotFoundError, match="gone"):
        store.content_hashes([folder / "abc.png", folder / "gone.png"])
    monkeypatch.setattr(module, "sha256_of", lambda path: pytest.fail(f"reads {path} again"))
    assert store.content_hashes([folder / "abc.png"]) == [ABC]


@pytest.mark.parametrize(
    ("video", "message"),
    [
        (Video("a", 0, ("x", "y"), sha256=(KNOWN,)), "has 2 files and 1 hashes"),
        (Video("a", 0, ("x",), (1, 2), sha256=(KNOWN,)), "has 1 files and 2 frame numbers"),
        (Video("a", 0, ("x",), masks=("m", "n")), "has 1 files and 2 masks"),
        (Video("a", 2, ("x",)), "has the label 2, not 0 or 1"),
    ],
)
def test_a_video_that_contradicts_itself_is_refused(
    video: Video, message: str, store: Store
) -> None:
    with pytest.raises(DataError, match=message):
        build([video], None, store, "test")


# manifests


def manifest(folder: Path, text: str, **options: Any) -> Manifest:
    (folder / "m.csv").write_text(text)
    return Manifest(table=folder / "m.csv", **options)


def listed(one: Manifest, split: str = "t") -> dict[str, Video]:
    return {video.id: video for video in one.videos(None, split)}


def test_a_manifest_hands_on_the_hashes_that_it_knows(tmp_path: Path) -> None:
    one = manifest(
        tmp_path,
        "path,label,video_id,split,sha256\n"
        f"1.png,0,a,t,{ABC.upper()}\n2.png,0,a,t,\n3.png,1,b,t,{KNOWN}\n4.png,1,c,t,\n",
    )
    found = listed(one)
    assert found["a"].sha256 == (ABC, "")
    assert found["b"].sha256 == (KNOWN,)
    assert found["c"].sha256 == ()


def test_rows_of_a_video_are_brought_together_in_their_order(tmp_path: Path) -> None:
    rows = [(f"{n}.png", n // 10 % 2, f"v{n // 10}", n % 10) for n in range(100)]
    random.Random(0).shuffle(rows)
    text = "path,label,video_id,frame_index,split\n" + "".join(
        f"{path},{label},{video},{frame},{'t' if frame % 2 else 'u'}\n"
        for path, label, video, frame in rows
    )
    found = list(manifest(tmp_path, text).videos(None, "t"))
    odd = [row for row in rows if row[3] % 2]
    assert [video.id for video in found] == list(dict.fromkeys(row[2] for row in odd))
    for video in found:
        mine = [row for row in odd if row[2] == video.id]
        assert video.files == tuple(row[0] for row in mine)
        assert video.frame_indices == tuple(row[3] for row in mine)
        assert video.label == mine[0][1]


def test_identities_such_as_000_keep_their_zeros(tmp_path: Path) -> None:
    one = manifest(
        tmp_path, "path,label,video_id,split,target_id,source_id\n1.png,1,000_003,t,000,003\n"
    )
    video = listed(one)["000_003"]
    assert (video.target_id, video.source_id) == ("000", "003")


def test_a_parquet_manifest_of_pandas_types_is_read(tmp_path: Path) -> None:
    text = pa.array(["b", "b", "a"]).dictionary_encode()
    columns = {
        "path": ["1", "2", "3"], "label": pa.array([1, 1, 0], pa.int8()), "video_id": text,
        "split": pa.DictionaryArray.from_arrays([1, 1, 1], ["u", "t"]), "target_id": [0, 0, None],
        "frame_index": [7.0, 8.0, 9.0],
    }  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    assert list(Manifest(table=tmp_path / "m.parquet").videos(None, "t")) == [
        Video("b", 1, ("1", "2"), (7, 8), target_id="0"),
        Video("a", 0, ("3",), (9,)),
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (f"x.png,0,b,t,{KNOWN[1:]}", "row 3: the sha256 is '0.*1', not 64 hexadecimal digits"),
        (",0,b,t,", "row 3: the path is empty"),
        ("x.png,0,,t,", "row 3: the video_id is empty"),
        ("x.png,2,b,t,", "row 3: the label is '2', not real"),
        ("x.png,1,a,t,", r"video 'a' carry two labels, real and fake \(rows 2 to 3\)"),
        ("../x.png,0,b,t,", r"row 3: \.\./x\.png leaves the data folder"),
        ("d/../../x.png,0,b,t,", "row 3: .* leaves the data folder"),
        ("/etc/hosts,0,b,t,", "row 3: /etc/hosts leaves the data folder"),
    ],
)
def test_a_wrong_row_of_a_manifest_is_named(tmp_path: Path, row: str, message: str) -> None:
    head = "path,label,video_id,split,sha256"
    one = manifest(tmp_path, f"{head}\ny.png,1,z,u,\nx.png,0,a,t,\n{row}\n")
    with pytest.raises(DataError, match=message):
        list(one.videos(None, "t"))


def test_paths_that_only_look_as_if_they_left_the_folder_are_taken(tmp_path: Path) -> None:
    absolute = tmp_path / "real" / "1.png"
    one = manifest(
        tmp_path,
        "path,label,video_id,split\n"
        f"d/../1.png,0,a,t\n..1.png,0,b,t\nx..y/1.png,0,c,t\n{absolute},0,d,t\n",
    )
    assert len(listed(one)) == 4
    (tmp_path / "link").symlink_to(tmp_path)
    assert len(listed(Manifest(table=tmp_path / "m.csv", root=tmp_path / "link"))) == 4


def test_building_reads_what_the_manifest_leaves_open(folder: Path, store: Store) -> None:
    one = manifest(
        folder, f"path,label,video_id,split,sha256\nabc.png,0,a,t,\ngone.png,0,a,t,{KNOWN}\n"
    )
    index = build(one.videos(None, "t"), one.folder(None), store, "test")
    assert index.hashes == ((ABC, KNOWN),)
    assert hashlib.sha256(b"abc").hexdigest() == ABC
