"""Predictions: from files to scores, calibrated on validation, as table, JSON and pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import SHARED, Dfdbench
from PIL import Image
from trained import Benchmark, Unasked, benchmark, by_brightness, picture
from videos import astronaut, background, numbered, place, write_video

from dfdbench import media
from dfdbench.api import Context, Video
from dfdbench.errors import DataError, DfdbenchError, MissingError, SpecError
from dfdbench.predict import calibration, finding, pipeline, render, showing
from dfdbench.predict.calibration import Calibration, Level
from dfdbench.runtime import Runtime
from dfdbench.store import META, Store
from dfdbench_plugins.aligned_faces import AlignedFaces
from dfdbench_plugins.precropped import Precropped


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return benchmark(tmp_path_factory.mktemp("benchmark"))


def grey_video(path: Path, values: Sequence[int]) -> Path:
    return write_video(path, [picture(value) for value in values])


def grey_image(path: Path, value: int, size: tuple[int, int] = (64, 64)) -> Path:
    Image.fromarray(picture(value, size)).save(path)
    return path


def test_a_video_scores_the_mean_of_its_frames_and_an_image_its_own(
    runtime: Runtime, tmp_path: Path
) -> None:
    video = grey_video(tmp_path / "clip.mp4", [51, 102, 153])
    image = grey_image(tmp_path / "photo.png", 204)
    found = pipeline.predict(by_brightness(Precropped(), tmp_path), [video, image], runtime)
    assert [each.kind for each in found] == ["video", "image"]
    assert list(found[0].by_frame) == [0, 1, 2]
    assert list(found[0].by_frame.values()) == pytest.approx([0.2, 0.4, 0.6], abs=0.01)
    assert found[0].score == pytest.approx(0.4, abs=0.01)
    assert found[1].score == pytest.approx(0.8, abs=1e-6)


def test_predictions_are_the_scores_that_the_benchmark_gave_the_same_files(
    trained: Benchmark,
) -> None:
    ln = finding.find(f"{trained.results}:ln:crops:1", trained.runtime)
    key = trained.key("score", detector="ln", seed=1, test_set="test")
    table = pq.read_table(trained.runtime.store.path(key) / "scores.parquet").to_pylist()
    files = [trained.runtime.data / row["path"] for row in table]  # type: ignore[operator]
    found = pipeline.predict(ln, files, trained.runtime)
    assert [each.score for each in found] == pytest.approx([r["p_fake"] for r in table], abs=1e-6)
    assert len({row["p_fake"] for row in table}) > 12


def test_a_video_of_300_frames_without_a_face_has_a_line_and_no_score(
    runtime: Runtime, tmp_path: Path
) -> None:
    path = write_video(tmp_path / "street.mp4", numbered(300))
    nobody = by_brightness(AlignedFaces(frames=16), tmp_path, detector=Unasked())
    found = pipeline.predict(nobody, [path], runtime)
    assert (found[0].frames, found[0].score, found[0].unreadable) == (16, None, False)
    assert "street.mp4  16 frames: no face found" in showing.to_terminal(nobody, found)
    assert pipeline.exit_code(found) == 0


def test_files_that_cannot_be_read_are_named_and_the_others_scored(
    runtime: Runtime, tmp_path: Path
) -> None:
    whole = grey_video(tmp_path / "whole.mp4", [100] * 40).read_bytes()
    (tmp_path / "torn.mp4").write_bytes(whole[: len(whole) // 3])
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    files = [tmp_path / n for n in ("torn.mp4", "notes.txt", "folder.png", "gone.png", "whole.mp4")]
    mine = by_brightness(Precropped(frames=4), tmp_path)
    found = pipeline.predict(mine, files, runtime)
    assert [each.unreadable for each in found] == [True, True, True, True, False]
    text = showing.to_terminal(mine, found)
    for said in ("notes.txt   not an image", "folder.png  is a folder", "gone.png    no such file"):
        assert said in text
    assert found[4].score == pytest.approx(100 / 255, abs=0.01)
    assert pipeline.exit_code(found) == 3


def test_a_face_is_aligned_as_in_training_and_its_box_is_where_it_was(
    runtime: Runtime, tmp_path: Path
) -> None:
    frame = place(background(480, 320), astronaut(200), (300, 170))
    path = write_video(tmp_path / "clip.mp4", [frame] * 8)
    preprocessor = AlignedFaces(frames=2, size=64)
    found = pipeline.predict(by_brightness(preprocessor, tmp_path), [path], runtime)
    source = media.open_frames(None, Video("clip", 0, files=(str(path),)))
    wanted = [face.image for face in preprocessor.faces(source)]
    assert [look.frame for look in found[0].looks] == [0, 7]
    for look, image in zip(found[0].looks, wanted, strict=True):
        assert image is not None and np.array_equal(look.image, image)
        assert look.corners is not None
        # The face is in the middle of the pasted square, a little above its centre.
        assert look.corners.mean(0) == pytest.approx([290, 150], abs=25)


def test_corners_of_a_picture_without_alignment_are_those_of_the_square_in_the_middle(
    tmp_path: Path,
) -> None:
    path = grey_image(tmp_path / "wide.png", 100, (60, 100))
    whole = pipeline.look_at(Precropped(), path).looks[0].corners
    square = pipeline.look_at(Precropped(size=32), path).looks[0].corners
    assert whole is not None and square is not None
    assert whole.tolist() == [[-0.5, -0.5], [99.5, -0.5], [99.5, 59.5], [-0.5, 59.5]]
    assert square.tolist() == [[19.5, -0.5], [79.5, -0.5], [79.5, 59.5], [19.5, 59.5]]


def test_real_people_in_real_clips_are_found(runtime: Runtime, tmp_path: Path) -> None:
    folder = SHARED / "data" / "videos"
    if not folder.is_dir():
        pytest.skip("needs the real clips of ../shared/data/videos")
    files = [folder / "single_face.mp4", folder / "no_face.mp4"]
    preprocessor = AlignedFaces(frames=3, size=64)
    found = pipeline.predict(by_brightness(preprocessor, tmp_path), files, runtime)
    assert found[0].score is not None and len(found[0].looks) == 3
    assert found[1].score is None and found[1].reason == "no face found"


def test_faces_of_several_sizes_cannot_be_scored_together(runtime: Runtime, tmp_path: Path) -> None:
    files = [grey_image(tmp_path / f"{n}.png", 9, (n, n)) for n in (32, 48)]
    with pytest.raises(DataError, match=r"2 sizes, \(32, 32\) and \(48, 48\) say"):
        pipeline.predict(by_brightness(Precropped(), tmp_path), files, runtime)


def test_a_detector_that_returns_no_probabilities_is_an_error(
    runtime: Runtime, tmp_path: Path
) -> None:
    class Odd(Unasked):
        def score(self, faces: Any, context: Context) -> Any:
            return np.full(len(faces), 1.5)

    odd = by_brightness(Precropped(), tmp_path, detector=Odd())
    with pytest.raises(DfdbenchError, match=r"gave the score 1\.5, which is no probability"):
        pipeline.predict(odd, [grey_image(tmp_path / "a.png", 9)], runtime)


# calibration


def test_platts_curve_gives_back_the_number_of_fakes_by_its_targets() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    scores = np.array([0.1, 0.2, 0.3, 0.6, 0.4, 0.7, 0.8, 0.9])
    level = calibration.fit(labels, scores)
    assert level is not None and (level.real, level.fake) == (4, 4)
    # The classes mirror each other around 0.5, so the curve goes through (0.5, 0.5); and a
    # logistic fit with an intercept sums to its targets: 4 * 5/6 + 4 * 1/6 = 4.
    assert level.intercept == pytest.approx(0, abs=1e-4)
    assert level.probability(0.5) == pytest.approx(0.5, abs=1e-4)
    assert sum(map(level.probability, scores)) == pytest.approx(4, abs=1e-3)
    assert 0.4 < level.threshold <= 0.6


def test_scores_that_separate_the_classes_stay_below_certainty() -> None:
    level = calibration.fit(np.array([0] * 8 + [1] * 8), np.array([0.01] * 8 + [0.99] * 8))
    assert level is not None
    assert level.probability(0.99) == pytest.approx(9 / 10, abs=1e-3)  # (8 + 1) / (8 + 2)
    assert level.probability(0.01) == pytest.approx(1 / 10, abs=1e-3)


def test_a_score_of_0_or_1_has_a_probability() -> None:
    level = Level(1.0, 0.0, 0.5, 1, 1)
    assert 0 < level.probability(0.0) < 1e-5 and 1 - 1e-5 < level.probability(1.0) < 1
    assert Level(1e6, 0.0, 0.5, 1, 1).probability(0.0) < 1e-200  # no overflow


@pytest.mark.parametrize(
    ("labels", "scores"),
    [([0, 0], [0.1, 0.2]), ([0, 0, 1, 1], [0.9, 0.8, 0.2, 0.1])],
    ids=["one class", "worse than chance"],
)
def test_validation_that_says_nothing_calibrates_nothing(labels: Any, scores: Any) -> None:
    assert calibration.fit(np.array(labels), np.array(scores)) is None


def test_videos_and_frames_are_calibrated_each_on_their_own(trained: Benchmark) -> None:
    found = finding.find(f"{trained.results}:ln:crops:1", trained.runtime).calibration
    assert found is not None
    assert (found.video.real, found.video.fake) == (6, 6)
    assert (found.frame.real, found.frame.fake) == (12, 12)
    key = trained.key("evaluate", detector="ln", seed=1)
    metrics = json.loads((trained.runtime.store.path(key) / "metrics.json").read_text())
    assert found.video.threshold == pytest.approx(metrics["threshold"])
    assert Calibration.from_dict(found.to_dict()) == found


# which detector is meant


def test_a_detector_is_found_by_results_spec_key_or_folder(trained: Benchmark) -> None:
    key = trained.key("train", detector="ln", seed=2)
    store = trained.runtime.store
    ways = [
        f"{trained.results}:ln:crops:2",
        f"{trained.spec}:ln:crops:2",
        key,
        key[:10],
        str(store.path(key)),
    ]
    found = [finding.find(way, trained.runtime) for way in ways]
    assert {each.key for each in found} == {key}
    assert {each.folder for each in found} == {store.path(key)}
    assert all(each.detector == found[0].detector for each in found)
    assert all(each.calibration == found[0].calibration is not None for each in found)
    assert found[0].title == "ln, trained on crops with seed 2"
    assert found[0].results == trained.results


def test_several_trainings_of_one_name_are_listed(trained: Benchmark) -> None:
    for where in (trained.results, trained.spec):
        with pytest.raises(SpecError, match=r":ln means 2 trainings; .*:ln:crops:1, .*:ln:crops:2"):
            finding.find(f"{where}:ln", trained.runtime)


def test_a_name_that_means_nothing_says_what_there_is(trained: Benchmark, tmp_path: Path) -> None:
    runtime = trained.runtime
    with pytest.raises(SpecError, match=r"has no detector 'lm'; it has ln"):
        finding.find(f"{trained.results}:lm", runtime)
    with pytest.raises(SpecError, match=r"has no training 'ln:crops:3'"):
        finding.find(f"{trained.results}:ln:crops:3", runtime)
    with pytest.raises(SpecError, match=rf"add one of its detectors: {trained.spec}:ln"):
        finding.find(str(trained.spec), runtime)
    with pytest.raises(SpecError, match="no training has a key that begins with 'abcdef'"):
        finding.find("abcdef", runtime)
    with pytest.raises(SpecError, match="name it as RESULTS:DETECTOR"):
        finding.find("ln", runtime)
    faces = trained.key("faces", set="test")
    with pytest.raises(SpecError, match="a cell of the stage 'faces'"):
        finding.find(str(runtime.store.path(faces)), runtime)
    empty = Runtime(runtime.registry, Store(tmp_path / "empty"), device="cpu")
    with pytest.raises(MissingError, match=r"is not in the store .*--store"):
        finding.find(f"{trained.results}:ln:crops:1", empty)
    with pytest.raises(MissingError, match=r"is not trained in the store .*run `dfdbench run"):
        finding.find(f"{trained.spec}:ln:crops:1", empty)


def test_a_detector_that_does_not_train_is_found_in_its_spec(
    trained: Benchmark, tmp_path: Path
) -> None:
    (tmp_path / "given.yaml").write_text(
        "name: given\nfaces: {use: aligned_faces, size: 64}\n"
        "test_sets: {test: {dataset: {use: image_folder, path: TEST}, split: all}}\n"
        "detectors:\n"
        "  table: {use: scores, path: scores.csv}\n"
        "  clip_ln: {use: released, model: clip_ln, weights: model.ckpt}\n"
    )
    with pytest.raises(SpecError, match=r"given\.yaml:table does not look at faces"):
        finding.find(f"{tmp_path}/given.yaml:table", trained.runtime)
    with pytest.raises(MissingError, match=r"released clip_ln: no weights file model\.ckpt"):
        finding.find(f"{tmp_path}/given.yaml:clip_ln", trained.runtime)


def test_a_training_taken_out_of_its_store_scores_uncalibrated(
    trained: Benchmark, tmp_path: Path
) -> None:
    import shutil

    copy = tmp_path / "ln"
    shutil.copytree(trained.runtime.store.path(trained.key("train", seed=1)), copy)
    assert (copy / META).is_file()
    runtime = Runtime(trained.runtime.registry, Store(tmp_path / "other"), device="cpu")
    found = finding.find(str(copy), runtime)
    assert found.calibration is None
    results = pipeline.predict(found, [grey_image(tmp_path / "a.png", 90, (32, 32))], runtime)
    text = showing.to_terminal(found, results)
    assert "not calibrated" in text and "against 0.5" in " ".join(text.split())


# what is shown


LEVELS = Calibration(Level(2.0, 0.0, 0.6, 50, 70), Level(1.0, 0.0, 0.3, 500, 700))


def test_the_table_has_80_columns_and_each_kind_its_threshold(
    runtime: Runtime, tmp_path: Path
) -> None:
    long = tmp_path / f"{'a_very_long_name_of_a_file' * 3}.mp4"
    files = [grey_video(long, [128] * 3), grey_image(tmp_path / "photo.png", 128)]
    mine = by_brightness(Precropped(), tmp_path, calibration=LEVELS)
    text = showing.to_terminal(mine, pipeline.predict(mine, files, runtime))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["file", "faces/frames", "score", "p(fake)", "verdict"]
    # 0.502: below the threshold of videos, above that of frames; the odds squared and as they are.
    assert lines[2].split()[1:] == ["3/3", "0.502", "0.504", "real"]
    assert lines[3].split()[1:] == ["1/1", "0.502", "0.502", "fake"]
    said = " ".join(text.split())
    assert "A video is called fake from 0.600 on" in said and "50 real and 70 fake videos" in said
    assert "A image" not in said and "An image is called fake from 0.300 on" in said


def test_files_of_one_name_are_told_apart_by_their_folders(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = [Path(folder) / "000.png" for folder in ("f10", "r10")]
    for file in files:
        file.parent.mkdir()
        grey_image(file, 128)
    mine = by_brightness(Precropped(), tmp_path, calibration=LEVELS)
    lines = showing.to_terminal(mine, pipeline.predict(mine, files, runtime)).splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["f10/000.png", "r10/000.png"]


def test_json_has_a_score_for_every_face_frame_and_file(runtime: Runtime, tmp_path: Path) -> None:
    files = [grey_video(tmp_path / "a.mp4", [51, 153]), tmp_path / "gone.png"]
    mine = by_brightness(Precropped(), tmp_path, calibration=LEVELS)
    found = pipeline.predict(mine, files, runtime)
    document = json.loads(json.dumps(showing.to_dict(mine, found), allow_nan=False))
    first, second = document["files"]
    assert first["score"] == pytest.approx(0.4, abs=0.01)
    assert [frame["frame"] for frame in first["frames"]] == [0, 1]
    assert first["frames"][1]["faces"][0]["score"] == first["frames"][1]["score"]
    assert len(first["frames"][0]["faces"][0]["corners"]) == 4
    assert first["p_fake"] == pytest.approx(LEVELS.video.probability(first["score"]))
    frame = first["frames"][1]
    assert frame["p_fake"] == pytest.approx(LEVELS.frame.probability(frame["score"]))
    assert (second["reason"], second["score"], second["unreadable"]) == ("no such file", None, True)


def test_the_command_predicts_prints_and_ends_with_3_for_a_bad_file(
    trained: Benchmark, dfdbench: Dfdbench, tmp_path: Path
) -> None:
    good = trained.folder / "data" / "TEST" / "real" / "000" / "000.png"
    arguments = ("predict", f"{trained.spec}:ln:crops:1", good, "--store", trained.folder / "store")
    code, out, err = dfdbench(*arguments)
    assert (code, err) == (0, "") and out.splitlines()[2].startswith("000.png")
    code, out, err = dfdbench(*arguments, tmp_path / "gone.png", "--json")
    assert code == 3 and err == f"error: {tmp_path / 'gone.png'}: no such file\n"
    assert len(json.loads(out)["files"]) == 2
    code, _, err = dfdbench(*arguments, good, "--render", tmp_path / "out.png")
    assert code == 2 and "--render draws one file, not 2" in err


# pictures


def frames_of(path: Path) -> list[Any]:
    source = media.open_frames(None, Video("drawn", 0, files=(str(path),)))
    return [frame.image for frame in source.read(range(len(source)))]


def test_a_rendered_video_has_every_frame_a_box_and_a_timeline(
    runtime: Runtime, tmp_path: Path
) -> None:
    frame = place(picture(90, (161, 241)), astronaut(120), (120, 85))  # odd sides
    path = write_video(tmp_path / "clip.mp4", [frame] * 12, options={"crf": "10"})
    mine = by_brightness(AlignedFaces(frames=3, size=64), tmp_path)
    (found,) = pipeline.predict(mine, [path], runtime)
    out = tmp_path / "out.mp4"
    render.render(mine, found, out)
    drawn = frames_of(out)
    assert len(drawn) == 12
    assert drawn[0].shape == (160 + 12, 240, 3)
    changed = np.abs(drawn[5][:160].astype(int) - frame[:160, :240]).sum(2) > 150
    assert found.looks[0].corners is not None
    left, top = found.looks[0].corners.min(0)
    right, bottom = found.looks[0].corners.max(0)
    xs = np.nonzero(changed[round(top + 30) : round(bottom - 5)].any(0))[0]  # below the words
    assert (xs.min(), xs.max()) == (pytest.approx(left, abs=4), pytest.approx(right, abs=4))
    assert (drawn[0][160:] > 230).all(2).any(0).nonzero()[0].max() < 10  # the mark begins left
    assert (drawn[11][160:] > 230).all(2).any(0).nonzero()[0].min() > 230  # and ends right
    assert [file.name for file in tmp_path.iterdir() if "part" in file.name] == []


def test_a_rendered_image_has_a_box(runtime: Runtime, tmp_path: Path) -> None:
    frame = place(background(240, 160), astronaut(120), (120, 85))
    Image.fromarray(frame).save(tmp_path / "photo.png")
    mine = by_brightness(AlignedFaces(size=64), tmp_path)
    (found,) = pipeline.predict(mine, [tmp_path / "photo.png"], runtime)
    render.render(mine, found, tmp_path / "out.png")
    drawn = media.decode((tmp_path / "out.png").read_bytes())
    assert drawn.shape == frame.shape and 200 < (drawn != frame).any(2).sum() < 5000


def test_a_box_moves_evenly_and_is_drawn_nowhere_else() -> None:
    square = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10]])
    looks = [
        pipeline.Look(4, square, picture(0), 0.2),
        pipeline.Look(8, square + 20, picture(0), 0.8),
    ]
    assert render.between(looks, 3)[0] is None and render.between(looks, 9)[0] is None
    for frame, shift, score in ((4, 0, 0.2), (5, 5, 0.2), (7, 15, 0.8), (8, 20, 0.8)):
        corners, shown = render.between(looks, frame)
        assert corners is not None and corners[0].tolist() == [shift, shift]
        assert shown == score


def test_only_one_file_of_a_fitting_kind_is_rendered() -> None:
    with pytest.raises(SpecError, match="draws one file, not 2"):
        render.check([Path("a.mp4"), Path("b.mp4")], Path("c.mp4"))
    with pytest.raises(SpecError, match=r"a\.mp4 becomes one of \.mp4, \.mkv, \.mov"):
        render.check([Path("a.mp4")], Path("out.png"))
    with pytest.raises(SpecError, match=r"a\.png becomes one of \.png"):
        render.check([Path("a.png")], Path("out.mp4"))
