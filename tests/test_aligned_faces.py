"""From the frames of a video to the aligned faces of one person."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import SHARED
from videos import (
    Image,
    Pictures,
    astronaut,
    background,
    other,
    place,
    rendered,
    who,
    write_video,
)

from dfdbench.api import Face, Video
from dfdbench.errors import DataError
from dfdbench.media import encode, open_frames
from dfdbench_plugins.aligned_faces import AlignedFaces
from dfdbench_plugins.aligned_faces.alignment import (
    TEMPLATES,
    landmarks_in_crop,
    similarity,
    square,
    warp,
)
from dfdbench_plugins.aligned_faces.choice import linspace, outwards
from dfdbench_plugins.aligned_faces.detection import (
    MODEL,
    Detection,
    checked_model,
    detector,
    refined,
    single_thread,
)
from dfdbench_plugins.aligned_faces.following import Candidate, covered, link, look_of, pairs

WIDTH, HEIGHT = 480, 270
EMPTY = background(WIDTH, HEIGHT)
THRESHOLD = 0.6


def scene(*people: tuple[Image, float]) -> Image:
    """A frame with each picture around this x, half-way down."""
    frame = EMPTY
    for picture, x in people:
        frame = place(frame, picture, (x, HEIGHT / 2))
    return frame


def take(images: Any, **options: Any) -> list[Face]:
    source = images if isinstance(images, Pictures) else Pictures(images)
    return list(AlignedFaces(**options).faces(source))


@pytest.fixture(scope="module")
def large() -> Image:
    return astronaut(180)


@pytest.fixture(scope="module")
def small() -> Image:
    return rendered(100)


# which frames


def test_linspace_takes_both_ends_and_truncates() -> None:
    assert linspace(100, 4) == [0, 33, 66, 99]
    assert linspace(10, 4) == [0, 3, 6, 9]
    assert linspace(9, 4) == [0, 2, 5, 8]  # 8/3 = 2.67 and 16/3 = 5.33
    assert linspace(250, 32)[:4] == [0, 8, 16, 24]  # steps of 249/31 = 8.03
    assert linspace(3, 32) == [0, 1, 2]
    assert (linspace(1, 32), linspace(7, 1), linspace(0, 32)) == ([0], [0], [])


def test_outwards_starts_in_the_middle_and_goes_to_the_farthest() -> None:
    assert list(outwards(9)) == [4, 0, 8, 2, 6, 1, 3, 5, 7]
    assert list(outwards(10)) == [5, 0, 9, 2, 7, 1, 3, 4, 6, 8]
    assert [list(outwards(n)) for n in (0, 1, 2)] == [[], [0], [1, 0]]


@pytest.mark.parametrize("count", [3, 8, 31, 64])
def test_outwards_is_the_farthest_first_order_with_ties_to_the_smaller(count: int) -> None:
    chosen = [count // 2]
    while len(chosen) < count:
        left = [n for n in range(count) if n not in chosen]
        chosen.append(max(left, key=lambda n: (min(abs(n - c) for c in chosen), -n)))
    assert list(outwards(count)) == chosen


def test_outwards_is_lazy_and_names_every_frame_of_a_long_video_once() -> None:
    assert list(islice(outwards(100_000), 3)) == [50_000, 0, 99_999]
    assert sorted(outwards(5000)) == list(range(5000))


# alignment


def test_the_template_lies_in_the_crop_where_it_was_worked_out_by_hand() -> None:
    # (38.2946 / 112 * 256 + 256 * 0.15) / 1.3 = (87.5305 + 38.4) / 1.3, and so on
    points = landmarks_in_crop("deepfakebench", 256, 1.3)
    np.testing.assert_allclose(points[0], (96.8696, 120.4331), atol=1e-3)
    np.testing.assert_allclose(points[2], (128.0443, 155.6687), atol=1e-3)
    np.testing.assert_allclose(landmarks_in_crop("gend", 100, 1)[4], (63, 82))
    # (0.34 * 100 + 25) / 1.5
    np.testing.assert_allclose(
        landmarks_in_crop("gend", 100, 1.5)[0], (39.3333, 47.3333), atol=1e-3
    )


def test_a_quarter_turn_doubled_and_shifted_is_found_exactly() -> None:
    source = np.array([(0, 0), (1, 0), (0, 2), (3, 1), (2, 2)], float)
    target = np.array([(10, 20), (10, 22), (6, 20), (8, 26), (6, 24)], float)  # (10-2y, 20+2x)
    np.testing.assert_allclose(similarity(source, target), [(0, -2, 10), (2, 0, 20)], atol=1e-12)


def test_the_transform_is_the_one_of_scikit_image_on_noisy_points() -> None:
    from skimage.transform import estimate_transform

    rng = np.random.default_rng(0)
    for _ in range(20):
        source = rng.normal(size=(5, 2)) * 40 + 200
        target = TEMPLATES["gend"] * 256 + rng.normal(size=(5, 2))
        expected = estimate_transform("similarity", source, target).params[:2]
        np.testing.assert_allclose(similarity(source, target), expected, rtol=1e-6, atol=1e-6)


def test_mirrored_landmarks_are_not_mirrored_back() -> None:
    points = TEMPLATES["deepfakebench"]
    a, b = similarity(points * (-1, 1), points)[:, :2]
    assert np.linalg.det([a, b]) > 0


def test_landmarks_that_coincide_or_are_not_finite_are_an_error() -> None:
    for value in (3.0, np.nan):
        with pytest.raises(ValueError, match="coincide, or are not finite"):
            similarity(np.full((5, 2), value), TEMPLATES["gend"])


def test_warp_shifts_whole_pixels_without_change_and_is_black_outside() -> None:
    image = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    crop = warp(image, np.array([[1.0, 0, -6], [0, 1, -5]]), 4)
    np.testing.assert_array_equal(crop[:3, :2], image[5:, 6:])
    assert not crop[3:].any() and not crop[:, 2:].any()


def test_the_square_around_a_box_is_cut_out_as_it_is_and_halved() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    # centre (20, 18), side max(4, 8) * 1.5 = 12: x from 14 and y from 12
    crop = warp(image, square((18, 14, 4, 8), 12, 1.5), 12)
    np.testing.assert_array_equal(crop, image[12:24, 14:26])
    half = warp(image, square((18, 14, 4, 8), 6, 1.5), 6)
    means = image[12:24, 14:26].astype(float).reshape(6, 2, 6, 2, 3).mean((1, 3))
    assert np.abs(half - means).max() <= 1


# detection


def test_yunet_finds_the_portrait_and_the_eye_on_the_images_left_first() -> None:
    image = place(background(640, 360), astronaut(160), (300, 180))
    (found,) = detector(THRESHOLD).detect(image)
    eye, other_eye, nose, mouth, other_mouth = found.landmarks
    assert eye[0] < nose[0] < other_eye[0] and mouth[0] < other_mouth[0]
    assert eye[1] < nose[1] < mouth[1]
    x, y, w, h = found.box
    assert x < eye[0] and other_eye[0] < x + w and y < eye[1] and mouth[1] < y + h
    assert found.area == w * h and THRESHOLD < found.score <= 1


@pytest.mark.parametrize("height", [64, 96, 160, 256])
def test_faces_of_many_sizes_are_found_and_nothing_on_the_background(height: int) -> None:
    for picture in (astronaut(height), other(astronaut(height))):
        image = place(background(640, 360), picture, (300, 180))
        assert len(detector(THRESHOLD).detect(image)) == 1
    for seed in range(8):
        assert detector(THRESHOLD).detect(background(640, 360, seed)) == []


def test_the_rendered_faces_of_the_demo_are_found() -> None:
    from dfdbench_plugins.synthetic_faces import SyntheticFaces

    dataset = SyntheticFaces(identities=3, video_frames=2)
    for video in dataset.videos(None, "test"):
        faces = list(AlignedFaces(size=112).faces(dataset.frames(None, video)))
        assert [face.reason for face in faces] == ["", ""]


def test_a_large_image_gives_the_place_in_its_own_pixels() -> None:
    portrait = place(background(640, 360), astronaut(160), (300, 180))
    (small_,) = detector(THRESHOLD).detect(portrait)
    (large_,) = detector(THRESHOLD).detect(np.kron(portrait, np.ones((4, 4, 1), np.uint8)))
    np.testing.assert_allclose(large_.landmarks, small_.landmarks * 4, atol=4)


@pytest.mark.parametrize("size", [(1, 1), (1, 1000), (1000, 1), (7, 3), (4320, 7680)])
def test_an_image_of_any_size_without_a_face_gives_none(size: tuple[int, int]) -> None:
    assert detector(THRESHOLD).detect(np.full((*size, 3), 128, np.uint8)) == []


def test_the_detector_is_made_once_a_threshold() -> None:
    assert detector(THRESHOLD) is detector(THRESHOLD)
    assert detector(THRESHOLD) is not detector(0.7)


def test_another_network_or_none_is_refused_with_both_hashes_and_the_way_out(
    tmp_path: Path,
) -> None:
    assert len(checked_model(MODEL)) == 232589
    (tmp_path / "net.onnx").write_bytes(b"")
    # e3b0c442...: the sha256 of nothing
    with pytest.raises(
        DataError, match=r"net\.onnx has the sha256 e3b0c442.* 8f2383e4.*; install dfdbench again"
    ):
        checked_model(tmp_path / "net.onnx")
    with pytest.raises(DataError, match=r"none\.onnx cannot be read .*; install dfdbench again"):
        checked_model(tmp_path / "none.onnx")


def test_opencv_runs_on_one_thread_inside_and_as_before_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        with single_thread():
            assert cv2.getNumThreads() == 1
        assert cv2.getNumThreads() == 2
        with pytest.raises(ZeroDivisionError), single_thread():
            1 / 0  # noqa: B018
        assert cv2.getNumThreads() == 2
        take([EMPTY])
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)


@pytest.mark.parametrize("height", [140, 240])
def test_a_closer_look_finds_how_a_face_is_turned(height: int) -> None:
    def angle(landmarks: Any) -> float:
        across = similarity(TEMPLATES["gend"], landmarks)[:, 0]
        return float(np.degrees(np.arctan2(across[1], across[0])))

    network, angles = detector(THRESHOLD), {}
    for turn in (0, 20, -20):
        matrix = cv2.getRotationMatrix2D((height / 2, height / 2), turn, 1)
        picture = cv2.warpAffine(
            astronaut(height), matrix, (height, height), borderMode=cv2.BORDER_REPLICATE
        )
        image = scene((picture, 200))
        (first,) = network.detect(image)
        second = refined(network, image, first)
        angles[turn] = angle(first.landmarks), angle(second.landmarks)
        assert np.abs(second.landmarks - first.landmarks).max() < 0.2 * first.box[2]
    for turn in (20, -20):  # the image's y points down
        first_, second_ = (angles[turn][n] - angles[0][n] + turn for n in (0, 1))
        assert abs(first_) > 6 and abs(second_) < 5


def test_a_closer_look_at_nothing_changes_nothing() -> None:
    marks = TEMPLATES["gend"] * 50 + 100
    face = Detection((100.0, 100.0, 50.0, 50.0), marks, 0.9)
    assert refined(detector(THRESHOLD), EMPTY, face) is face


# crops


@pytest.mark.parametrize("template", ["deepfakebench", "gend"])
def test_eyes_nose_and_mouth_of_a_crop_lie_on_the_template(template: Any, large: Image) -> None:
    turned = cv2.warpAffine(large, cv2.getRotationMatrix2D((90, 90), 20, 1), (180, 180))
    for picture in (large, turned):
        (face,) = take([scene((picture, 200))], template=template)
        assert face.image is not None and face.image.shape == (256, 256, 3)
        (found,) = detector(THRESHOLD).detect(face.image)
        wanted = landmarks_in_crop(template, 256, 1.3)
        assert np.abs(found.landmarks - wanted).max() < 12  # of 256 pixels


@pytest.mark.parametrize("align", [True, False])
def test_the_transform_rebuilds_the_crop_byte_for_byte(align: bool, large: Image) -> None:
    frame = scene((large, 30))  # cut by the border: part of the crop is black
    (face,) = take([frame], align=align, size=200)
    assert face.image is not None and face.transform is not None and face.landmarks is not None
    assert (face.landmarks.shape, face.transform.shape) == ((5, 2), (2, 3))
    np.testing.assert_array_equal(warp(frame, face.transform, 200), face.image)
    assert not face.image[:, 0].any()
    inside = face.landmarks @ face.transform[:, :2].T + face.transform[:, 2]
    assert (inside > 30).all() and (inside < 170).all()


def test_without_alignment_the_crop_is_upright_and_as_large_as_the_box(large: Image) -> None:
    turned = cv2.warpAffine(large, cv2.getRotationMatrix2D((90, 90), 20, 1), (180, 180))
    frame = scene((turned, 200))
    (box,) = detector(THRESHOLD).detect(frame)
    (face,) = take([frame], align=False, scale=1.5, size=128)
    assert face.transform is not None
    zoom = 128 / (max(box.box[2:]) * 1.5)
    np.testing.assert_allclose(face.transform[:, :2], [(zoom, 0), (0, zoom)])


def test_frames_keep_neither_picture_nor_bytes(large: Image) -> None:
    for face in take([scene((large, 200)), EMPTY]):
        assert face.frame.image is None and face.frame.encoded is None


# misses


def test_every_frame_gives_a_face_or_the_reason_for_none(large: Image, small: Image) -> None:
    both = scene((large, 130), (small, 350))
    faces = take([both, EMPTY, None, scene((small, 350)), both])
    assert [face.frame.index for face in faces] == [0, 1, 2, 3, 4]
    assert [face.reason for face in faces] == [
        "",
        "no face found",
        "torn",
        "the followed face is not in this frame",
        "",
    ]
    assert [face.unreadable for face in faces] == [False, False, True, False, False]


def test_a_video_without_faces_or_frames_gives_only_reasons() -> None:
    for choose in ("linspace", "at_least"):
        faces = take([EMPTY] * 5, choose=choose)
        assert [face.reason for face in faces] == ["no face found"] * 5
        assert take([], choose=choose) == []
        (face,) = take([np.zeros((1, 1, 3), np.uint8)], choose=choose)
        assert face.image is None and not face.unreadable


# one person


def test_the_larger_of_two_is_followed_while_they_come_near_each_other(
    large: Image, small: Image
) -> None:
    # From 110 and 370 to 165 and 300, where the pictures nearly touch, and back.
    ways = [(110 + 55 * s, 370 - 70 * s) for s in np.sin(np.linspace(0, np.pi, 12))]
    faces = take([scene((large, a), (small, b)) for a, b in ways])
    assert [who(face.image) for face in faces] == ["astronaut"] * 12


def test_two_who_pass_each_other_are_not_mixed_up(large: Image, small: Image) -> None:
    steps = np.linspace(0, 1, 12)
    images = [scene((small, 380 - 270 * s), (large, 100 + 270 * s)) for s in steps]
    faces = take(images)
    assert {who(face.image) for face in faces} == {"astronaut"}
    assert all(who(face.image) == "astronaut" for face in faces)


def test_two_who_swap_places_at_a_cut_are_told_apart_by_their_looks(
    large: Image, small: Image
) -> None:
    before, after = scene((large, 120), (small, 360)), scene((small, 120), (large, 360))
    faces = take([before] * 3 + [after] * 3 + [before] * 2)
    assert [who(face.image) for face in faces] == ["astronaut"] * 8


def test_a_person_who_leaves_is_not_replaced_by_the_one_who_stays(
    large: Image, small: Image
) -> None:
    stays = [scene((small, 400), (large, 170))] * 6
    leaves = [scene((small, 400), (large, 170 - 80 * n)) for n in range(6)]
    faces = take(stays + leaves)
    shown = [who(face.image) for face in faces]
    assert shown[:7] == ["astronaut"] * 7 and shown[-3:] == [""] * 3
    assert "rendered" not in shown
    assert faces[-1].reason == "the followed face is not in this frame"


def test_a_person_who_comes_back_elsewhere_is_known_again(large: Image, small: Image) -> None:
    there, gone = scene((large, 120), (small, 380)), scene((small, 380))
    back = scene((large, 300))
    faces = take([there, there, gone, gone, back, back])
    assert [who(face.image) for face in faces] == ["astronaut"] * 2 + [""] * 2 + ["astronaut"] * 2


def test_faces_that_are_always_alone_are_one_person(large: Image, small: Image) -> None:
    faces = take([scene((large, 120)), EMPTY, scene((small, 380)), scene((large, 300))])
    assert [face.reason for face in faces] == ["", "no face found", "", ""]


def test_the_one_who_is_seen_longer_wins_over_one_large_face(large: Image, small: Image) -> None:
    images = [scene((small, 380))] * 6 + [scene((large, 120), (small, 380))]
    assert [who(face.image) for face in take(images)] == ["rendered"] * 7


def test_masks_choose_the_manipulated_person_whatever_their_size(
    large: Image, small: Image
) -> None:
    images = [scene((large, 120), (small, 360))] * 3
    mask = np.zeros((HEIGHT // 2, WIDTH // 2, 3), np.uint8)  # half as large as the frames
    mask[50:80, 165:195] = 255
    faint = np.full_like(mask, 127)  # 127 does not count
    for masks, wanted in (
        ([mask] * 3, "rendered"),
        ([mask[:, ::-1]] * 3, "astronaut"),
        ([faint, mask, None], "rendered"),
        ([mask], "rendered"),  # masks may be fewer
        ([faint] * 3, "astronaut"),  # the largest where no mask says anything
        ([], "astronaut"),
    ):
        faces = take(Pictures(images, masks=Pictures(masks)))
        assert [who(face.image) for face in faces] == [wanted] * 3


def test_masks_are_not_read_where_there_is_one_person(large: Image) -> None:
    masks = Pictures([None])
    take(Pictures([scene((large, 120))], masks=masks))
    assert masks.read_at == []


def test_covered_counts_the_pixels_of_the_mask_below_the_box() -> None:
    mask = np.zeros((10, 20, 3), np.uint8)
    mask[2:6, 4:10] = (0, 128, 0)
    assert covered(mask, (4, 2, 6, 4), (10, 20)) == 24
    assert covered(mask, (8, 4, 4, 4), (20, 40)) == 4  # x from 4 to 6, y from 2 to 4
    assert covered(mask, (-5, -5, 4, 4), (10, 20)) == 0
    assert covered(mask, (15, 8, 50, 50), (10, 20)) == 0


def test_pairs_are_the_cheapest_in_sum_and_none_is_too_dear() -> None:
    # 0.1 + 1.5 = 1.6 against 0.5 + 0.6 = 1.1
    assert sorted(pairs(np.array([[0.1, 0.5], [0.6, 1.5]]))) == [(0, 1), (1, 0)]
    assert pairs(np.array([[0.1], [0.2]])) == [(0, 0)]
    assert pairs(np.array([[9.0]])) == []


def test_the_same_look_whatever_the_size_the_place_and_the_light(large: Image) -> None:
    def look(frame: Image) -> np.ndarray:
        (found,) = detector(THRESHOLD).detect(frame)
        return look_of(frame, found.landmarks)

    one = look(scene((large, 120)))
    assert one.shape == (256,) and abs(one @ one - 1) < 1e-9 and abs(one.sum()) < 1e-6
    assert one @ look(scene((cv2.resize(large, (120, 120)), 300))) > 0.8
    assert one @ look(scene(((large * 0.6).astype(np.uint8), 120))) > 0.95
    assert one @ look(scene((other(large), 120))) < 0.9
    flat = np.full((64, 64, 3), 7, np.uint8)
    assert not look_of(flat, TEMPLATES["gend"] * 64).any()


def test_three_people_are_three_tracks(large: Image) -> None:
    def candidate(x: float, look: int) -> Candidate:
        marks = TEMPLATES["gend"] * 50 + (x, 0)
        found = Detection((x, 0.0, 50.0, 50.0), marks, 0.9)
        return Candidate(found, np.eye(256)[look], large, np.zeros((2, 3)))

    frames = [[candidate(100 * k, k) for k in order] for order in ((0, 1, 2), (2, 0, 1), (1,))]
    tracks = link(frames)
    assert [sorted(track.faces) for track in tracks] == [[0, 1], [0, 1, 2], [0, 1]]
    for k, track in enumerate(tracks):
        assert {face.detection.box[0] for face in track.faces.values()} == {100.0 * k}
    assert tracks[1].area == 3 * 2500


# at least so many


def test_at_least_goes_on_until_enough_frames_have_a_face(large: Image) -> None:
    face = scene((large, 200))
    pictures = Pictures([face if n % 2 else EMPTY for n in range(17)])
    # order 8 0 16 4 12 2 6 10 14 1 3 5 ...: the odd frames come last
    faces = take(pictures, choose="at_least", frames=3)
    assert [f.frame.index for f in faces] == [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16]
    assert [f.frame.index for f in faces if f.image is not None] == [1, 3, 5]
    assert len(pictures.read_at) == len(set(pictures.read_at))  # no frame is read twice


def test_at_least_reads_no_more_frames_than_needed_where_all_have_a_face(large: Image) -> None:
    pictures = Pictures([scene((large, 200))] * 9)
    faces = take(pictures, choose="at_least", frames=4)
    assert [f.frame.index for f in faces] == pictures.read_at == [0, 2, 4, 8]


def test_at_least_takes_all_there_are_where_they_are_too_few(large: Image) -> None:
    images = [scene((large, 200)), None, EMPTY, scene((large, 210)), EMPTY]
    faces = take(images, choose="at_least", frames=32)
    assert [f.reason for f in faces] == ["", "torn", "no face found", "", "no face found"]


# files


def test_faces_come_out_of_a_video_file_and_a_folder_of_frames_alike(
    tmp_path: Path, large: Image
) -> None:
    images = [scene((large, 100 + 4 * n)) for n in range(20)]
    write_video(tmp_path / "clip.mp4", images, b_frames=2, options={"crf": "10"})
    names = tuple(f"{n:03d}.png" for n in range(20))
    for name, image in zip(names, images, strict=True):
        (tmp_path / name).write_bytes(encode(image))
    preprocessor = AlignedFaces(frames=5)
    clip = list(preprocessor.faces(open_frames(tmp_path, Video("a", 0, ("clip.mp4",)))))
    folder = list(preprocessor.faces(open_frames(tmp_path, Video("a", 0, names))))
    assert [face.frame.index for face in clip] == [0, 4, 9, 14, 19]
    assert [face.frame.path for face in folder] == [names[n] for n in (0, 4, 9, 14, 19)]
    for one, two in zip(clip, folder, strict=True):
        assert one.image is not None and two.image is not None
        assert np.abs(one.image.astype(int) - two.image).mean() < 12


def test_a_second_run_gives_the_same_bytes(large: Image, small: Image) -> None:
    images = [scene((large, 110 + 5 * n), (small, 370)) for n in range(4)]
    for one, two in zip(take(images), take(images), strict=True):
        np.testing.assert_array_equal(one.image, two.image)


@pytest.mark.parametrize("choose", ["linspace", "at_least"])
@pytest.mark.parametrize(
    ("name", "has_face"), [("carphone_pristine", True), ("single_face", True), ("no_face", False)]
)
def test_real_clips(name: str, has_face: bool, choose: Any) -> None:
    folder = SHARED / "data" / "videos"
    if not folder.is_dir():
        pytest.skip("needs the real clips of ../shared/data/videos")
    frames = open_frames(folder, Video(name, 0, (f"{name}.mp4",)))
    faces = list(AlignedFaces(choose=choose).faces(frames))
    assert {face.reason for face in faces} == {"" if has_face else "no face found"}
    assert len(faces) == (32 if has_face or choose == "linspace" else len(frames))


def test_a_face_is_found_in_every_real_crop(real_faces: Path) -> None:
    files = sorted(str(p.relative_to(real_faces)) for p in real_faces.rglob("*.png"))
    frames = open_frames(real_faces, Video("all", 0, tuple(files)))
    faces = list(AlignedFaces(frames=32).faces(frames))
    assert [face.reason for face in faces] == [""] * 32


@pytest.mark.parametrize("every", [1, 4, 100])
def test_two_real_people_are_told_apart_across_cuts(every: int) -> None:
    folder = SHARED / "data" / "videos"
    if not folder.is_dir():
        pytest.skip("needs the real clips of ../shared/data/videos")

    def people(name: str) -> list[Image]:
        frames = open_frames(folder, Video(name, 0, (f"{name}.mp4",)))
        read = frames.read(linspace(len(frames), 16))
        return [cv2.resize(f.image, (440, 360)) for f in read if f.image is not None]

    images, sides = [], []
    for n, pair in enumerate(zip(people("carphone_pristine"), people("single_face"), strict=True)):
        swapped = n // every % 2 == 1  # the camera looks from the other side
        images.append(np.hstack(pair[::-1] if swapped else pair))
        sides.append(swapped)
    faces = take(images)
    shown = [
        (face.landmarks[:, 0].mean() > 440) != swapped
        for face, swapped in zip(faces, sides, strict=True)
        if face.landmarks is not None
    ]
    assert len(shown) == 16 and len(set(shown)) == 1
