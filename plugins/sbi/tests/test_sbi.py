from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfdbench import registry as registries
from dfdbench.api import FAKE, REAL, DatasetAdapter, Face, FacePreprocessor, Frame, Video
from dfdbench.testing import conformance
from dfdbench_sbi import Sbi, SbiFaces, blending

SIZE = 64
MARKS = np.array([(22.0, 26.0), (42.0, 26.0), (32.0, 36.0), (25.0, 46.0), (39.0, 46.0)])


def face(seed: int = 0) -> Any:
    """Smooth colours: what is blended differs from it where it is moved or recoloured."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 220, (8, 8, 3)).astype(np.uint8)
    return np.kron(coarse, np.ones((8, 8, 1), np.uint8))


class People(DatasetAdapter):
    """Two real videos and a fake, of two frames each."""

    name = "people"

    def videos(self, root: Path | None, split: str) -> Iterator[Video]:
        yield Video("a", REAL, target_id="ann")
        yield Video("a_b", FAKE, method="swap", target_id="ann", source_id="bob")
        yield Video("b", REAL, target_id="bob")

    def frames(self, root: Path | None, video: Video) -> Any:
        assert video.method in ("", "swap"), "the data set knows nothing of blending"
        return Frames(video)


class Frames:
    masks = None

    def __init__(self, video: Video) -> None:
        self.video = video

    def __len__(self) -> int:
        return 2

    def read(self, positions: Sequence[int]) -> Iterator[Frame]:
        for n in positions:
            yield Frame(n, "", face(n))


class Whole(FacePreprocessor):
    """The frame shrunk by half, with the landmarks as they are in the frame."""

    name = "whole"
    finds: bool = True

    def faces(self, frames: Any) -> Iterator[Face]:
        transform = np.array([[0.5, 0, 0], [0, 0.5, 0]])
        for frame in frames.read(range(len(frames))):
            image = np.ascontiguousarray(frame.image[::2, ::2])
            marks = MARKS if self.finds else None
            yield Face(frame, image, b"bytes", landmarks=marks, transform=transform)


ADAPTER = Sbi(of=People())


def faces_of(number: int, preprocessor: FacePreprocessor) -> list[Face]:
    video = list(ADAPTER.videos(None, "train"))[number]
    return list(preprocessor.faces(ADAPTER.frames(None, video)))


def test_every_real_video_is_listed_twice_and_no_fake_of_the_data_set() -> None:
    found = [(v.id, v.label, v.method, v.target_id) for v in ADAPTER.videos(None, "train")]
    assert found == [
        ("a", REAL, "", "ann"), ("sbi/a", FAKE, "sbi", "ann"),
        ("b", REAL, "", "bob"), ("sbi/b", FAKE, "sbi", "bob"),
    ]  # fmt: skip


def test_a_real_face_passes_byte_for_byte_and_its_copy_is_blended() -> None:
    real, copy = (faces_of(n, SbiFaces(of=Whole())) for n in (0, 1))
    plain = faces_of(0, Whole())
    for one, two, three in zip(real, plain, copy, strict=True):
        assert one.encoded == b"bytes" and np.array_equal(one.image, two.image)  # type: ignore[arg-type]
        assert three.encoded is None, "the bytes of the real face are not those of the blended one"
        assert three.image is not None and three.image.shape == (32, 32, 3)
        assert not np.array_equal(one.image, three.image)  # type: ignore[arg-type]


def test_a_face_is_blended_in_the_same_way_every_time_and_each_in_its_own() -> None:
    first, again = (faces_of(1, SbiFaces(of=Whole())) for _ in range(2))
    other = faces_of(1, SbiFaces(of=Whole(), seed=1))
    assert all(np.array_equal(x.image, y.image) for x, y in zip(first, again, strict=True))  # type: ignore[arg-type]
    assert not np.array_equal(first[0].image, other[0].image)  # type: ignore[arg-type]
    rngs = [np.random.default_rng(n) for n in range(2)]
    one, two = (blending.self_blended(face(), MARKS, rng) for rng in rngs)
    assert not np.array_equal(one, two)


def test_landmarks_are_taken_to_the_faces_own_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def record(image: Any, landmarks: Any, rng: Any) -> Any:
        seen.append(landmarks)
        return image

    monkeypatch.setattr(blending, "self_blended", record)
    faces_of(1, SbiFaces(of=Whole()))
    assert np.array_equal(seen[0], MARKS / 2)


def test_a_face_without_landmarks_is_left_out_with_the_reason() -> None:
    found = faces_of(1, SbiFaces(of=Whole(finds=False)))
    assert [one.image for one in found] == [None, None]
    assert found[0].reason == "whole found no landmarks, and sbi_faces needs them"
    assert all(one.image is not None for one in faces_of(0, SbiFaces(of=Whole(finds=False))))


def test_blending_is_linear_in_the_mask() -> None:
    source = np.full((1, 3, 3), 200, np.uint8)
    target = np.full((1, 3, 3), 100, np.uint8)
    mask = np.array([[0.0, 0.25, 1.0]])
    assert blending.mixed(source, target, mask)[0, :, 0].tolist() == [100, 125, 200]


def test_the_outline_of_a_face_holds_its_landmarks_and_lies_where_they_say() -> None:
    mask = blending.ellipse(MARKS, SIZE)
    assert all(mask[int(y), int(x)] == 1 for x, y in MARKS)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    # Eyes at y 26 and 20 apart, mouth at y 46: 26 - 10 to 46 + 14, and 32 -+ 24.
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (16, 60, 8, 56)


def test_the_outline_leans_with_the_face() -> None:
    turned = np.array([(x, y + (x - 32) / 2) for x, y in MARKS])
    mask = blending.ellipse(turned, SIZE)
    left, right = (np.flatnonzero(mask[:, x]).mean() for x in (20, 44))
    assert right - left == pytest.approx(12, abs=1)  # a slope of 1/2 over 24 pixels


def test_the_mask_is_soft_and_ends_inside_the_face() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        outline = blending.ellipse(4 * MARKS, 4 * SIZE, rng)
        mask = blending.softened(blending.bent(outline, rng), rng)
        assert mask.min() == 0 and 0.99 < mask.max() <= 1
        assert ((mask > 0.05) & (mask < 0.95)).any(), "no edge between"
        assert mask[0].max() == mask[:, 0].max() == 0


def test_a_mask_grows_or_shrinks_by_which_blur_is_wider() -> None:
    class Fixed:
        def __init__(self, *values: float) -> None:
            self.values = np.array(values)

        def uniform(self, *_: Any) -> Any:
            return self.values

    mask = blending.ellipse(MARKS, SIZE)
    shrunk = blending.softened(mask, Fixed(0.04, 0.01))  # type: ignore[arg-type]
    kept = blending.softened(mask, Fixed(0.01, 0.04))  # type: ignore[arg-type]
    assert (shrunk > 0.01).sum() < (kept > 0.01).sum()
    assert (shrunk > 0.01).sum() < mask.sum() < (kept > 0.01).sum()


def test_only_the_inner_part_of_an_unaltered_target_changes() -> None:
    changed = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        altered_source = rng.random() < 0.5
        found = blending.self_blended(face(), MARKS, np.random.default_rng(seed))
        if altered_source:
            changed += 1
            assert np.array_equal(found[0], face()[0]) and np.array_equal(found[:, 0], face()[:, 0])
            assert not np.array_equal(found[26:46, 22:42], face()[26:46, 22:42])
    assert 0 < changed < 12


RESOLVE = registries.load().resolve
RENDERED = {"use": "synthetic_faces", "identities": 2, "video_frames": 2, "size": 64}

test_adapter_conformance = conformance(
    Sbi.model_validate({"of": RENDERED}, context=RESOLVE),
)
test_preprocessor_conformance = conformance(
    SbiFaces.model_validate({"of": {"use": "precropped", "size": 32}}, context=RESOLVE)
)
