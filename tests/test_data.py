"""Data-set adapters, the face stage and the decoded faces."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_face
from PIL import Image

from dfdbench import media, plan
from dfdbench import spec as specs
from dfdbench.api import DatasetAdapter, Transform, Video
from dfdbench.data.index import build, read_videos
from dfdbench.errors import DataError, MissingError, SpecError
from dfdbench.executors import execute
from dfdbench.faces import open_faces
from dfdbench.registry import Registry
from dfdbench.runtime import Runtime
from dfdbench.store import Store
from dfdbench_plugins.precropped import spread


def adapter(registry: Registry, **options: Any) -> DatasetAdapter:
    found = registry.resolve("dataset", options)
    assert isinstance(found, DatasetAdapter)
    return found


def by_id(videos: Any) -> dict[str, Video]:
    return {video.id: video for video in videos}


# the authors' layout


def test_a_source_is_real_iff_its_name_holds_real_and_a_video_is_its_whole_path(
    registry: Registry, tmp_path: Path
) -> None:
    for source in ("DF", "F2F", "real", "YouTube-real", "Real"):
        write_face(tmp_path / "FF" / source / "000_003" / "012.png", 1, False)
    found = by_id(adapter(registry, use="image_folder", path="FF").videos(tmp_path, "all"))
    assert {name: video.label for name, video in found.items()} == {
        "FF/DF/000_003": 1,
        "FF/F2F/000_003": 1,
        "FF/real/000_003": 0,
        "FF/YouTube-real/000_003": 0,
        "FF/Real/000_003": 1,  # case-sensitive
    }


def test_a_fake_a_b_shows_the_target_a_with_the_face_of_b(
    registry: Registry, tmp_path: Path
) -> None:
    write_face(tmp_path / "FF" / "DF" / "000_003" / "012.png", 1, True)
    write_face(tmp_path / "FF" / "real" / "000" / "012.png", 1, False)
    found = by_id(adapter(registry, use="image_folder", path="FF").videos(tmp_path, "all"))
    fake, real = found["FF/DF/000_003"], found["FF/real/000"]
    assert (fake.target_id, fake.source_id, fake.method) == ("FF/000", "FF/003", "DF")
    assert (real.target_id, real.source_id, real.method) == ("FF/000", "", "")
    assert (fake.files, fake.frame_indices) == (("FF/DF/000_003/012.png",), (12,))


def test_list_files_make_the_splits_with_windows_line_ends_and_slashes_too(
    registry: Registry, tmp_path: Path
) -> None:
    for source, video in (("real", "000"), ("real", "001"), ("DF", "000_003")):
        for frame in ("000", "001"):
            write_face(tmp_path / "FF" / source / video / f"{frame}.png", 1, False)
    lists = tmp_path / "config" / "datasets" / "FF"
    (lists / "train").mkdir(parents=True)
    (lists / "val").mkdir()
    (lists / "train" / "real.txt").write_bytes(b"FF/real/000/000.png\r\nFF\\real\\000\\001.png\r\n")
    (lists / "train" / "DF.txt").write_text("DF/000_003/001.png\n\n")
    (lists / "val" / "real.txt").write_text("FF/real/001/000.png\n")
    one = adapter(registry, use="image_folder", path="FF")
    found = by_id(one.videos(tmp_path, "train"))
    assert {name: video.files for name, video in found.items()} == {
        "FF/DF/000_003": ("FF/DF/000_003/001.png",),
        "FF/real/000": ("FF/real/000/000.png", "FF/real/000/001.png"),
    }
    assert list(by_id(one.videos(tmp_path, "val"))) == ["FF/real/001"]
    with pytest.raises(SpecError, match=r"no split 'test' .* there are train, val"):
        list(one.videos(tmp_path, "test"))


def test_a_list_that_leaves_the_data_folder_is_refused(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "FF").mkdir()
    lists = tmp_path / "config" / "datasets" / "FF" / "train"
    lists.mkdir(parents=True)
    (lists / "real.txt").write_text("../../secret/000/000.png\n")
    with pytest.raises(DataError, match=r"real.txt: .* leaves the data folder"):
        list(adapter(registry, use="image_folder", path="FF").videos(tmp_path, "train"))


def test_a_missing_folder_says_where_it_was_looked_for(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"no folder .*/FF; .*<source>/<video>/<frame>.png"):
        list(adapter(registry, use="image_folder", path="FF").videos(tmp_path, "all"))


def test_the_real_sample_is_read_as_its_authors_meant_it(
    registry: Registry, real_faces: Path
) -> None:
    train = list(adapter(registry, use="image_folder", path="FF").videos(real_faces, "all"))
    test = list(adapter(registry, use="image_folder", path="CDFv2").videos(real_faces, "all"))
    assert (len(train), sum(len(v.files) for v in train), sum(v.label for v in train)) == (5, 20, 4)
    assert (len(test), sum(len(v.files) for v in test), sum(v.label for v in test)) == (3, 12, 1)


# manifests


def test_a_manifest_maps_its_columns_and_keeps_the_zeros_of_ids(
    registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "m.csv").write_text(
        "file,is_fake,video_id,split,method,target_id,frame_index\n"
        "a.png,1,000,test,swap,p1,7\nb.png,1,000,test,swap,p1,9\nc.png,0,001,test,,p2,7\n"
        "d.png,0,002,train,,p3,1\n"
    )
    one = adapter(
        registry,
        use="manifest",
        table=str(tmp_path / "m.csv"),
        columns={"path": "file", "label": "is_fake"},
    )
    found = by_id(one.videos(tmp_path, "test"))
    assert list(found) == ["000", "001"]
    assert found["000"].files == ("a.png", "b.png")
    assert found["000"].frame_indices == (7, 9)
    assert (found["000"].label, found["000"].method, found["000"].target_id) == (1, "swap", "p1")
    assert (found["001"].label, found["001"].method) == (0, "")


def test_a_manifest_reads_parquet_as_it_reads_csv(registry: Registry, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"path": ["a.png"], "label": ["fake"], "video_id": ["000"], "split": ["test"]}
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    one = adapter(registry, use="manifest", table=str(tmp_path / "m.parquet"))
    assert [(v.id, v.label) for v in one.videos(None, "test")] == [("000", 1)]


def test_the_paths_of_a_manifest_count_by_content_in_a_key(
    registry: Registry, tmp_path: Path
) -> None:
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_text("path,label,video_id,split\n")
    one, two = (
        adapter(registry, use="manifest", table=str(tmp_path / name))
        for name in ("one.csv", "two.csv")
    )
    assert one.identity() == two.identity()
    (tmp_path / "two.csv").write_text("path,label,video_id,split\na,0,0,0\n")
    assert one.identity() != two.identity()


# rendered faces


def test_rendered_videos_are_the_same_each_time_and_pair_with_their_original(
    registry: Registry,
) -> None:
    one = adapter(registry, use="synthetic_faces", identities=3, video_frames=2)
    videos = list(one.videos(None, "test"))
    assert [video.label for video in videos] == [0, 1] * 3
    real, fake = videos[:2]
    assert fake.target_id == real.target_id
    first, again = (
        [frame.image for frame in one.frames(None, fake).read([0, 1])] for _ in range(2)
    )
    original = [frame.image for frame in one.frames(None, real).read([0, 1])]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert original[0] is not None and original[0].shape == (112, 112, 3)
    assert not np.array_equal(first[0], original[0])
    assert not np.array_equal(first[0], first[1])


def test_the_splits_of_rendered_faces_share_no_person_and_no_donor(registry: Registry) -> None:
    one = adapter(registry, use="synthetic_faces", identities=40)
    people = {}
    for split in ("train", "val", "test"):
        videos = list(one.videos(None, split))
        people[split] = {v.target_id for v in videos} | {v.source_id for v in videos if v.source_id}
    assert people["train"].isdisjoint(people["val"] | people["test"])
    assert people["val"].isdisjoint(people["test"])


def test_rendered_people_of_the_test_set_may_not_be_trained_on(
    registry: Registry, runtime: Runtime, spec: dict[str, Any]
) -> None:
    few = {"use": "synthetic_faces", "identities": 3}
    spec["train_sets"] = {"r": {"dataset": few, "train": "test"}}
    spec["test_sets"] = {"t": {"dataset": {**few, "identities": 2, "video_frames": 2}}}
    with pytest.raises(DataError, match=r"test set t shares 4 videos .* with train of train set r"):
        plan.make(specs.validate(spec, registry), runtime).refuse_leaks()


def test_a_donor_of_rendered_faces_serves_one_video(registry: Registry) -> None:
    one = adapter(registry, use="synthetic_faces", identities=7, fakes=3)
    donors = [video.source_id for video in one.videos(None, "test") if video.label]
    assert len(set(donors)) == len(donors) == 21


def test_the_encoder_of_the_demo_was_trained_on_nobody_of_the_benchmark() -> None:
    from dfdbench_plugins.synthetic_faces.seeds import SEEDS

    for part, seeds in SEEDS.items():
        if part != "pretrain":
            assert set(SEEDS["pretrain"]).isdisjoint(seeds), part


# index


def test_an_index_comes_back_as_it_was_written(
    registry: Registry, crops: Path, store: Store, tmp_path: Path
) -> None:
    videos = list(adapter(registry, use="image_folder", path="TEST").videos(crops, "all"))
    index = build(videos, crops, store, "test")
    index.write(tmp_path / "index.parquet")
    assert read_videos(tmp_path / "index.parquet") == videos


def test_a_fingerprint_is_of_the_content_and_not_of_the_place(
    registry: Registry, crops: Path, store: Store, tmp_path: Path
) -> None:
    one = adapter(registry, use="image_folder", path="TEST")
    first = build(one.videos(crops, "all"), crops, store, "test").fingerprint
    moved = crops.rename(tmp_path / "moved")
    assert build(one.videos(moved, "all"), moved, store, "test").fingerprint == first
    write_face(moved / "TEST" / "real" / "000" / "000.png", 4711, False)
    assert build(one.videos(moved, "all"), moved, store, "test").fingerprint != first


# faces


def test_a_face_that_has_the_size_already_is_stored_byte_for_byte(
    runtime: Runtime, spec: dict[str, Any], crops: Path, registry: Registry
) -> None:
    faces = face_cell(runtime, spec, registry)
    from dfdbench.faces import _read

    row = _read(runtime.store.path(faces.key))[0]
    assert row["image"]["bytes"] == (crops / row["path"]).read_bytes()


def test_decoded_faces_are_the_plain_path_of_pillow_to_the_bit(
    runtime: Runtime, spec: dict[str, Any], crops: Path, registry: Registry
) -> None:
    opened = open_faces(runtime.store, face_cell(runtime, spec, registry).key, "test")
    plain = []
    for path in opened.path:
        with Image.open(crops / str(path)) as image:
            plain.append(
                np.asarray(image.convert("RGB").resize((24, 24), Image.Resampling.BICUBIC))
            )
    assert np.array_equal(opened.images(24), np.stack(plain))
    assert np.array_equal(opened.take([3, 1]).images(24), np.stack([plain[3], plain[1]]))


def test_a_perturbation_acts_on_the_stored_face_before_it_is_resized(
    runtime: Runtime, spec: dict[str, Any], crops: Path, registry: Registry
) -> None:
    flip = registry.resolve("transform", "flip")
    assert isinstance(flip, Transform)
    key = face_cell(runtime, spec, registry).key
    clean, flipped = (
        open_faces(runtime.store, key, "test"),
        open_faces(runtime.store, key, "test", flip),
    )
    assert np.array_equal(flipped.images(), clean.images()[:, :, ::-1])


def test_faces_of_several_sizes_need_the_size_option(
    runtime: Runtime, spec: dict[str, Any], crops: Path, registry: Registry
) -> None:
    write_face(crops / "TEST" / "real" / "000" / "000.png", 1, False, size=40)
    with pytest.raises(DataError, match=r"2 sizes, such as .*; set `size:` of precropped"):
        face_cell(runtime, spec, registry)
    spec["faces"] = {"use": "precropped", "size": 32}
    opened = open_faces(runtime.store, face_cell(runtime, spec, registry).key, "test")
    assert opened.images().shape == (24, 32, 32, 3)


@pytest.mark.parametrize("workers", [0, 2])
def test_several_processes_give_the_same_faces(
    runtime: Runtime, spec: dict[str, Any], crops: Path, registry: Registry, workers: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from dfdbench.stages import faces as stage

    monkeypatch.setattr(stage, "POOL_FROM", 1)
    runtime.workers = workers
    opened = open_faces(runtime.store, face_cell(runtime, spec, registry).key, "test")
    files = sorted(p.relative_to(crops).as_posix() for p in crops.glob("TEST/*/*/*.png"))
    assert opened.path.tolist() == files


def face_cell(runtime: Runtime, spec: dict[str, Any], registry: Registry) -> plan.Cell:
    """Compute the faces of the test set."""
    made = plan.make(specs.validate(spec, registry), runtime)
    cell = next(c for c in made.cells.values() if c.stage == "faces" and c.ids["set"] == "test")
    execute(cell, runtime)
    return cell


def test_frames_are_spread_evenly_with_both_ends() -> None:
    assert spread(10, 4) == [0, 3, 6, 9]
    assert spread(3, 8) == [0, 1, 2]
    assert spread(5, None) == [0, 1, 2, 3, 4]
    assert spread(7, 1) == [0]


def test_png_keeps_every_bit() -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    assert np.array_equal(media.decode(media.encode(image)), image)


def test_an_image_of_another_shape_is_resized_by_its_shorter_side_and_cropped() -> None:
    image = np.zeros((20, 40, 3), np.uint8)
    image[:, 10:30] = 200  # the central square
    assert (media.resize(image, 10, "bilinear")[:, 2:8] == 200).all()
    assert media.resize(image, 10, "bicubic").shape == (10, 10, 3)


def test_a_truncated_image_is_an_error() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)).save(
        buffer, "PNG"
    )
    with pytest.raises((OSError, ValueError, SyntaxError)):
        media.decode(buffer.getvalue()[:2000])
