"""A results folder is what its scores give: verified, changed by hand, merged, verified again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from boards import row as board_row
from conftest import Dfdbench, Write

from dfdbench import metrics, results
from dfdbench.leaderboard import files, merging, protocol
from dfdbench.leaderboard.verify import verify

VIDEOS, FRAMES = 12, 3


def _row(
    detector: str, seed: int, test_set: str, folder: Path, perturbation: str = "none", **how: Any
) -> dict[str, Any]:
    """A finished row with scores of 12 videos of 3 frames, written where a reader finds them."""
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(VIDEOS) % 2, FRAMES)
    columns = {
        "video_id": np.repeat([f"v{n:02d}" for n in range(VIDEOS)], FRAMES).tolist(),
        "frame_index": list(range(FRAMES)) * VIDEOS,
        "path": [f"{n}.png" for n in range(VIDEOS * FRAMES)],
        "label": label.tolist(),
        "p_fake": np.clip(0.1 * label + rng.uniform(0, 0.9, len(label)), 0, 1).tolist(),
    }
    known = {
        "video_id": [f"v{n:02d}" for n in range(VIDEOS + 1)],  # the last one gave no face
        "label": [*(np.arange(VIDEOS) % 2).tolist(), 1],
        "method": [*["", "swap", "", "redraw"] * 3, "swap"],
        "target_id": [f"p{n // 2}" for n in range(VIDEOS + 1)],
        "source_id": [None] * (VIDEOS + 1),
        "faces": [FRAMES] * VIDEOS + [0],
        "length": [30] * (VIDEOS + 1),
        "face_size": [100.0] * VIDEOS + [None],
    }
    row = board_row(
        detector, test_set, key=f"{detector}{test_set}{perturbation}", data="da7a" * 16,
        perturbation=perturbation, strength=None,
    )  # fmt: skip
    about = {name: np.asarray(values, dtype=object) for name, values in known.items()}
    arguments = {name: np.asarray(columns[name]) for name in ("video_id", "label", "p_fake")}
    found = metrics.evaluate(**arguments, threshold=0.5, resamples=50, about=about, **how)
    row |= json.loads(json.dumps(found))
    row["videos"]["fake"] += 1
    row["videos"]["unscored"] += 1
    row["protocol"] = protocol.of_row(row, seeds=[42], frames=(3, 3), train_data="7ra1n")
    (folder / "scores").mkdir(parents=True, exist_ok=True)
    (folder / "videos").mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), folder / "scores" / results.score_file(row))
    pq.write_table(pa.table(known), folder / "videos" / f"{test_set}.parquet")
    return row


def _write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    read = [{**row, "folder": str(folder)} for row in rows]
    document = {"schema": merging.SCHEMA, "benchmark": "b", "rows": rows, "published": {}}
    document |= files.compared(read)
    (folder / "metrics.json").write_text(json.dumps(document), encoding="utf-8")
    files.write_board(document, folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    here = tmp_path / "b"
    return _write(here, [_row("ln", 1, "cdfv2", here), _row("probe", 2, "cdfv2", here)])


def _change(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "metrics.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def test_what_was_written_is_what_the_scores_give(folder: Path) -> None:
    found = verify(folder)
    assert (found.rows, found.differences) == (2, [])
    assert found.figures > 2 * 2 * 3 * len(metrics.METRICS)  # both levels, value and two ends


def test_intervals_over_identities_are_recomputed_over_identities(tmp_path: Path) -> None:
    row = _row("ln", 1, "cdfv2", tmp_path, cluster="identity")
    assert row["interval"]["cluster"] == "identity"
    assert verify(_write(tmp_path, [row])).differences == []


@pytest.mark.parametrize(
    ("path", "figure"),
    [
        (("video", "auroc"), "video.auroc"),
        (("frame", "eer"), "frame.eer"),
        (("interval", "video", "auroc", 1), "interval.video.auroc.1"),
        (("calibration", "ece"), "calibration.ece"),
        (("breakdown", "method", "swap", "auroc"), "breakdown.method.swap.auroc"),
        (("videos", "unscored"), "videos.unscored"),
        (("protocol", "scored"), "protocol.scored"),
    ],
)
def test_a_figure_that_somebody_changed_is_named_with_what_it_should_be(
    folder: Path, path: tuple[Any, ...], figure: str
) -> None:
    def change(document: dict[str, Any]) -> None:
        place = document["rows"][1]
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] += 1e-6

    _change(folder, change)
    found = verify(folder).differences
    first = found[0]
    assert (first.where, first.figure) == ("probe-ffpp-42-cdfv2-none", figure)
    assert first.stored == pytest.approx(first.recomputed + 1e-6, abs=1e-12)


def test_tables_are_compared_with_the_figures_as_they_should_be(folder: Path) -> None:
    _change(folder, lambda document: document["rows"][0]["video"].update(auroc=0.999))
    assert [each.where for each in verify(folder).differences] == ["ln-ffpp-42-cdfv2-none"]
    files.write_board(json.loads((folder / "metrics.json").read_text(encoding="utf-8")), folder)
    wrong = {each.where for each in verify(folder).differences}
    assert wrong == {"ln-ffpp-42-cdfv2-none", "leaderboard.md", "leaderboard.csv",
                     "leaderboard.json", "leaderboard.tex"}  # fmt: skip


def test_tables_of_perturbed_faces_are_verified_too(tmp_path: Path) -> None:
    rows = [_row("ln", 1, "cdfv2", tmp_path), _row("ln", 2, "cdfv2", tmp_path, "noise")]
    _write(tmp_path, rows)
    assert verify(tmp_path).differences == []
    path = tmp_path / "robustness.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("noise", "n0ise"), encoding="utf-8")
    (found,) = verify(tmp_path).differences
    assert (found.where, found.figure) == ("robustness.csv", "line 2")


def test_a_comparison_that_somebody_changed_is_found(folder: Path) -> None:
    _change(folder, lambda document: document["comparisons"][0].update(p_holm=0.001))
    (found,) = verify(folder).differences
    assert (found.where, found.figure, found.stored) == (
        "metrics.json", "comparisons.0.p_holm", 0.001
    )  # fmt: skip


def test_a_table_that_somebody_changed_is_found_with_its_line(folder: Path) -> None:
    path = folder / "leaderboard.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[3] = lines[3].replace("video", "vide0")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (found,) = verify(folder).differences
    assert (found.where, found.figure) == ("leaderboard.csv", "line 4")
    assert "vide0" in found.stored and "vide0" not in found.recomputed


def test_a_score_that_somebody_changed_changes_the_figures(folder: Path) -> None:
    path = folder / "scores" / "ln-ffpp-42-cdfv2-none.parquet"
    columns = pq.read_table(path).to_pydict()
    columns["p_fake"][0] = 0.99
    pq.write_table(pa.table(columns), path)
    found = verify(folder).differences
    assert {each.where for each in found} >= {"ln-ffpp-42-cdfv2-none", "leaderboard.csv"}
    assert "probe-ffpp-42-cdfv2-none" not in {each.where for each in found}
    assert "frame.brier" in {each.figure for each in found}


def test_scores_that_are_gone_or_wrong_are_differences_too(folder: Path) -> None:
    path = folder / "scores" / "ln-ffpp-42-cdfv2-none.parquet"
    columns = pq.read_table(path).to_pydict()
    columns["p_fake"][0] = 1.5
    pq.write_table(pa.table(columns), path)
    (found,) = verify(folder).differences
    assert "1 of 36 scores are no probabilities in [0, 1]" in str(found.recomputed)
    path.unlink()
    (found,) = verify(folder).differences
    assert found.figure == "scores" and "copy the whole folder" in str(found.recomputed)


def test_verify_ends_with_3_where_something_differs(folder: Path, dfdbench: Dfdbench) -> None:
    code, out, _ = dfdbench("verify", folder)
    assert code == 0 and "as they were written" in out
    _change(folder, lambda document: document["rows"][0]["video"].update(auroc=0.999))
    code, out, _ = dfdbench("verify", folder)
    assert code == 3
    assert "ln-ffpp-42-cdfv2-none: video.auroc\n  stored      0.999\n  recomputed  0." in out


def test_folders_of_two_groups_become_one_that_verifies(
    folder: Path, dfdbench: Dfdbench, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    _write(other, [_row("third", 3, "cdfv2", other)])
    code, out, _ = dfdbench("leaderboard", folder, other, "--out", "both")
    assert code == 0 and "\nthird " in out
    merged = json.loads(Path("both/metrics.json").read_text(encoding="utf-8"))
    assert merged["benchmark"] == "b" and len(merged["comparisons"]) == 2
    assert all("folder" not in row for row in merged["rows"])
    assert len(list(Path("both/scores").iterdir())) == 3
    assert verify(Path("both")).differences == []
    code, _, error = dfdbench("leaderboard", folder, other, "--out", other)
    assert code == 2 and "is one of the folders to merge" in error


def test_a_test_set_that_was_kept_apart_verifies_under_both_names(
    folder: Path, dfdbench: Dfdbench, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    _write(other, [{**_row("third", 3, "cdfv2", other), "data": "07e5" * 16}])
    code, _, error = dfdbench("leaderboard", folder, other)
    assert code == 3 and "'cdfv2' stands for different data" in error
    code, out, _ = dfdbench("leaderboard", folder, other, "--keep-apart", "--out", "both")
    assert code == 0 and "cdfv2@da7ada7a" in out and "cdfv2@07e507e5" in out
    assert verify(Path("both")).differences == []


def test_folders_without_scores_still_merge_and_say_what_is_lacking(
    folder: Path, dfdbench: Dfdbench
) -> None:
    shutil.rmtree(folder / "scores")
    code, out, _ = dfdbench("leaderboard", folder)
    assert code == 0
    assert "no detectors are compared with each other: no " in out and "\nprobe " in out


def test_a_closed_detector_is_ranked_against_two_trained_ones_under_its_own_protocol(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path
) -> None:
    lines = ["video_id,p_fake"]
    for video in range(6):
        lines += [f"TEST/real/{video:03d},0.{video}", f"TEST/DF/{video:03d}_{video + 1:03d},0.9"]
    lines[-2] = "TEST/real/005,0.95"  # above all five fakes that have a score
    (tmp_path / "vendor.csv").write_text("\n".join(lines[:-1]) + "\n")
    spec["detectors"]["vendor"] = {"use": "scores", "path": str(tmp_path / "vendor.csv")}
    (tmp_path / "reported.csv").write_text(
        "detector,train_set,test_set,level,metric,value,citation,source,confidence,note\n"
        "LN,FF,CDF,video,auroc,0.25,P 2025,card,high,\n"
    )
    spec["published"] = {
        "files": [str(tmp_path / "reported.csv")], "train_sets": {"crops": "FF"},
        "test_sets": {"test": "CDF"}, "detectors": {"ln": "LN"},
    }  # fmt: skip
    code, out, _ = dfdbench("run", write_spec(spec), "--data", crops)
    assert code == 0
    text = Path("results/tiny/leaderboard.json").read_text(encoding="utf-8")
    board = json.loads(text)
    found = {line["detector"]: line for line in board["lines"]}
    vendor, trained = found["vendor"], [found["ln"], found["probe"]]
    value = vendor["cells"]["test"]["auroc"]
    assert value == pytest.approx(25 / 30) and not vendor["cells"]["test"]["best"]
    others = [line["cells"]["test"]["auroc"] for line in trained]
    place = 1 + sum((other > value) + (other == value) / 2 for other in others)
    assert (vendor["seen"], vendor["guest"], vendor["rank"]) == ("unknown", True, place)
    assert [line["seen"] for line in trained] == ["zero-shot"] * 2
    assert sorted(line["rank"] for line in trained) in ([1.0, 2.0], [1.5, 1.5])
    assert {line["protocol"] for line in trained} == {"A"} and vendor["protocol"] == "B"
    assert "vendor ?" in out and f"({place:.1f})" in out
    said = " ".join(out.split())
    assert "Protocol B: trained elsewhere, what it has seen is unknown." in said
    assert "vendor on test: 1 of 12 videos and 2 of 24 frames" in said
    (published,) = board["published"]
    ours = found["ln"]["cells"]["test"]["auroc"]
    assert (published["here"], published["cells"]["test"]["measured"]) == ("ln", ours)
    assert f"25.0 ({100 * ours - 25:+.1f} ≠)" in out
    rows = json.loads(Path("results/tiny/metrics.json").read_text(encoding="utf-8"))["rows"]
    labels = {row["detector"]: row["protocol"] for row in rows}
    assert (labels["vendor"]["scored"], labels["vendor"]["unscored"]) == (11, 1)
    assert (labels["ln"]["frames"], labels["ln"]["seeds"]) == ("2", [1])
    assert len(labels["ln"]["train_data"]) == 64 and labels["vendor"]["train_data"] == ""
    assert verify(Path("results/tiny")).differences == []
