"""The page of a leaderboard: what is in it, what is behind a figure, and what it never does."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from boards import failed, row, versus
from conftest import Dfdbench, Write
from pages import METHODS, html, results_folder
from sklearn.metrics import roc_auc_score, roc_curve

from dfdbench import leaderboard
from dfdbench.errors import MissingError
from dfdbench.leaderboard import page, pictures, plots, scored
from dfdbench.leaderboard.board import PublishedCell, PublishedLine
from dfdbench.leaderboard.page import evidence, thumbnails
from dfdbench.leaderboard.robustness import Curve, Point
from dfdbench.leaderboard.scored import Scored


def videos(real: list[float], fake: list[float]) -> Scored:
    """Videos r0, r1, ... and f0, f1, ... with these scores."""
    ids = [f"f{n}" for n in range(len(fake))] + [f"r{n}" for n in range(len(real))]
    label = np.repeat([1, 0], [len(fake), len(real)])
    kind = np.where(label == 1, "swap", "real")
    return Scored(np.asarray(ids), label, np.asarray(fake + real), kind)


def embedded(text: str) -> Any:
    """The evidence in a page."""
    found = re.search(r'<script type="application/json" id="evidence">(.*?)</script>', text)
    assert found
    return json.loads(found[1])


# What is behind a figure


def test_a_roc_curve_is_embedded_by_the_steps_between_its_corners() -> None:
    found = evidence.of_row(row("a"), videos([0.1, 0.6], [0.4, 0.9]))
    # (0, 0), (0, 1/2), (1/2, 1/2), (1/2, 1), (1, 1): one of the two fakes is above every real.
    assert found["roc"] == [0, 0, 0, 500, 500, 0, 0, 500, 500, 0]


@pytest.mark.parametrize("count", [40, 500, 5000])
def test_a_thinned_curve_looks_like_the_whole_one(count: int) -> None:
    rng = np.random.default_rng(count)
    label = rng.integers(2, size=count)
    fpr, tpr, _ = roc_curve(label, label + rng.normal(size=count))
    curve = np.column_stack([fpr, tpr])
    thin = evidence.thinned(curve)
    assert len(thin) <= evidence.POINTS and thin[0].tolist() == [0, 0]
    # Along the diagonal the curve is a function, also where it rises upright.
    whole, seen = (((c[:, 0] + c[:, 1]), (c[:, 1] - c[:, 0])) for c in (curve, thin))
    distance = np.abs(whole[1] - np.interp(whole[0], *seen)) / np.sqrt(2)
    assert distance.max() < 0.006


def test_a_score_of_one_is_in_the_last_bin() -> None:
    counts = evidence.histogram(np.array([0.0, 0.049, 0.05, 0.999, 1.0]))
    assert (counts[0], counts[1], counts[-1], sum(counts)) == (2, 1, 2, 5)


def test_the_worst_videos_cost_most_auroc_whichever_class_they_are_of() -> None:
    found = evidence.worst(videos([0.6, 0.7, 0.95], [0.65, 0.9, 0.99]), count=3)
    # r2 (0.95) lies above two of three fakes; f0 (0.65) below two of three reals; f1 and r1 one.
    assert found == [
        ["r2", "real", 950, 667], ["f0", "swap", 650, 667], ["r1", "real", 700, 333],
    ]  # fmt: skip


def test_the_misplaced_share_of_a_class_is_one_minus_its_auroc() -> None:
    rng = np.random.default_rng(5)
    some = videos(
        rng.uniform(0, 0.8, 40).round(1).tolist(), rng.uniform(0.2, 1, 30).round(1).tolist()
    )
    found = evidence.worst(some, count=70)
    auroc = roc_auc_score(some.label, some.p_fake)
    for kind in ("real", "swap"):
        shares = [share / 1000 for _, name, _, share in found if name == kind]
        assert np.mean(shares) == pytest.approx(1 - auroc, abs=5e-4)


def test_videos_of_one_class_have_no_curve_and_are_ordered_by_their_scores() -> None:
    found = evidence.of_row(row("a"), videos([0.2, 0.9, 0.4], []))
    assert found["roc"] == []
    assert [name for name, *_ in found["worst"]] == ["r1", "r2", "r0"]


def test_a_bin_of_the_reliability_curve_has_wilsons_interval() -> None:
    calibration = {"bins": 1, "binning": "equal mass", "ece": 0.1, "curve": [[0.4, 0.5, 10]]}
    found = evidence.of_row(row("a", calibration=calibration), videos([0.1], [0.9]))
    # Wilson 1927 for 5 of 10: 0.2366 to 0.7634.
    assert found["calibration"]["curve"] == [[400, 500, 237, 763, 10]]
    assert evidence.of_row(row("a"), videos([0.1], [0.9]))["calibration"] is None


def test_a_sweep_begins_with_the_clean_faces_and_leaves_out_what_has_no_figure() -> None:
    points = (
        Point(0.0, True, "done", 0.9, (0.85, 0.95)),
        Point(10.0, False, "done", 0.7, (0.6, 0.8)),
        Point(20.0, False, "failed"),
    )
    clean = Point(None, False, "done", 0.9, (0.85, 0.95))
    curve = Curve("ln", "ffpp", "cdfv2", "blur", "sigma", clean, points, retained=0.5)
    (found,) = evidence.sweeps([curve])
    assert found["points"] == [["clean", 900, 850, 950], ["10", 700, 600, 800]]
    assert (found["name"], found["option"], found["retained"]) == ("blur", "sigma", 500)


def test_the_scored_videos_of_a_row_know_their_methods(tmp_path: Path) -> None:
    (one,) = results_folder(tmp_path, ["a"], ["cdfv2"], real=3, fake=4)
    found = scored.read(one)
    assert found.kinds == ["real", "redraw", "reenact", "swap"]
    assert found.kind.tolist() == ["real"] * 3 + ["swap", "redraw", "reenact", "swap"]
    assert roc_auc_score(found.label, found.p_fake) == one["video"]["auroc"]
    (tmp_path / "videos" / "cdfv2.parquet").unlink()
    assert scored.read(one).kinds == ["real", "fake"]


# The page


def test_the_page_shows_every_figure_with_its_interval_and_its_marks() -> None:
    rows = [row("a", auroc=0.912, interval=[0.9, 0.925]), row("b", auroc=0.905), failed("c")]
    board = leaderboard.rank(rows, "two", [versus("b", "a")])
    text = page.to_html(board, {})
    assert "<b>91.2</b>" in text and "90.0–92.5" in text  # noqa: RUF001, a range in figures
    assert "≈</span>" in text and "cannot be told from the best" in text
    assert '<td class="figure none">failed</td>' in text
    assert "NaN loss at step 12" in text
    assert "Bars: 95 % intervals, from 80 to 100 %" in text


def test_names_that_look_like_markup_stay_names() -> None:
    evil = '</script><img src=x onerror="alert(1)">&$title'
    one = row(evil, train_set=evil)
    board = leaderboard.rank([one], evil)
    found = evidence.of_row(one, videos([0.1, 0.2], [0.3]))
    found["worst"] = [[evil, evil, 500, 500]]
    text = page.to_html(board, {(evil, evil, "cdfv2"): [found]})
    assert "<img" not in text and text.count("</script>") == 2
    (cell,) = embedded(text)["cells"]
    assert cell["detector"] == evil
    assert embedded(text)["ids"]["cdfv2"] == [evil]


def test_the_page_asks_for_nothing_and_allows_only_its_own_script(tmp_path: Path) -> None:
    text = html(results_folder(tmp_path, ["a", "b"], ["cdfv2"]))
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert not re.findall(r'(?:src|href)=(?!"data:,")', text.partition("<script")[0])
    assert "default-src 'none'" in text and "script-src 'sha256-" in text
    assert "data:image" not in text


def test_forty_detectors_on_fourteen_sets_fit_into_two_megabytes() -> None:
    rng = np.random.default_rng(2)
    detectors = [f"detector_with_a_name_{n}" for n in range(40)]
    tests = [f"test_set_{n}" for n in range(14)]
    label = np.repeat([0, 1], [900, 1600])
    kind = np.where(label == 0, "real", np.asarray(["swap", "redraw", "reenact", "mouth"])[
        np.arange(2500) % 4])  # fmt: skip
    ids = np.asarray([f"YouTube-real/id{n % 59}_id{n % 7}_{n:05d}" for n in range(2500)])
    calibration = {"bins": 15, "binning": "equal mass", "ece": 0.1,
                   "curve": [[n / 15, n / 15, 167] for n in range(15)]}  # fmt: skip
    part = {"auroc": 0.9, "interval": [0.85, 0.95], "real": 900, "fake": 400}
    parts = {"method": dict.fromkeys(METHODS, part), "face_size": dict.fromkeys("abcd", part),
             "length": dict.fromkeys("abc", part)}  # fmt: skip
    one = row("a", calibration=calibration, breakdown=parts)
    one["interval"]["video"] = {name: [0.85, 0.95] for name in one["video"]}
    found = {}
    for detector in detectors:
        scores = 1 / (1 + np.exp(-rng.normal(size=2500) - 1.5 * label))
        behind = evidence.of_row(one, Scored(ids, label, scores, kind))
        found |= {(detector, "ffpp", test): [behind] for test in tests}
    board = leaderboard.rank([row(d, t) for d in detectors for t in tests], "large")
    text = page.to_html(board, found)
    assert len(embedded(text)["cells"]) == 560
    assert len(text.encode()) < 2_000_000


def test_a_cell_whose_scores_are_not_there_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "_save", lambda figure, path: None)
    rows = results_folder(tmp_path, ["a", "b"], ["cdfv2"])
    (tmp_path / "scores" / "b-ffpp-42-cdfv2-none.parquet").unlink()
    pictures.write({"schema": 1, "rows": rows}, tmp_path)
    cells = {c["detector"]: c for c in embedded((tmp_path / page.FILE).read_text())["cells"]}
    assert "lacking" in cells["b"] and "lacking" not in cells["a"]


def test_figures_of_others_are_another_kind_of_row() -> None:
    board = leaderboard.rank([row("a"), row("a", "dfd")], "two")
    cells = {"cdfv2": PublishedCell(0.95, "high", "", 0.9, -0.05, False)}
    theirs = PublishedLine("A", "a", "ffpp", "video", True, "arXiv:1", "Table 1", cells)
    text = page.to_html(replace(board, published=(theirs,), published_notes=("Theirs.",)), {})
    part = text.partition('<tbody class="published">')[2].partition("</tbody>")[0]
    assert "A †" in part and "arXiv:1, level video, as a" in part
    assert '95.0 <small>(-5.0)</small> <span class="mark">≠</span>' in part
    assert "<button" not in part
    assert "not measured here, not ranked" in text and "Theirs." in text


def test_a_filter_is_there_where_lines_differ() -> None:
    one = page.to_html(leaderboard.rank([row("a"), row("b")]), {})
    two = page.to_html(leaderboard.rank([row("a"), row("b", train_set="dfdc")]), {})
    assert "<select name=" not in one
    assert '<select name="train">' in two and '<option value="dfdc">' in two


# The folder


def test_equal_results_give_equal_pages_and_plots(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        folder = tmp_path / name
        rows = results_folder(folder, ["a", "b"], ["cdfv2"])
        assert pictures.write({"schema": 1, "benchmark": "x", "rows": rows}, folder)
        files = [folder / page.FILE, *sorted((folder / pictures.PLOTS).iterdir())]
        written.append({file.name: file.read_bytes() for file in files})
    assert written[0] == written[1]
    assert set(written[0]) == {"index.html"} | {
        f"{stem}.{suffix}"
        for stem in ("auroc", "validation", "roc-cdfv2", "scores-cdfv2", "reliability-cdfv2")
        for suffix in ("png", "svg")
    }


def test_nothing_is_drawn_again_until_a_result_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "_save", lambda figure, path: path.write_bytes(b""))
    rows = results_folder(tmp_path, ["a"], ["cdfv2"], real=5, fake=6)
    mine = tmp_path / pictures.PLOTS / "mine.png"
    mine.parent.mkdir()
    mine.write_bytes(b"")
    assert pictures.write({"schema": 1, "rows": rows}, tmp_path)
    assert not pictures.write({"schema": 1, "rows": rows}, tmp_path)
    rows[0]["key"] = "another"
    (tmp_path / pictures.PLOTS / "roc-old.svg").write_text("of a test set that is gone")
    assert pictures.write({"schema": 1, "rows": rows}, tmp_path)
    left = [path.name for path in (tmp_path / pictures.PLOTS).glob("*")]
    assert "mine.png" in left and "roc-old.svg" not in left


def test_faces_are_shown_on_demand_and_taken_out_again(
    dfdbench: Dfdbench, write_spec: Write, spec: dict[str, Any], crops: Path, tmp_path: Path
) -> None:
    del spec["detectors"]["ln"]
    path, out = write_spec(spec), tmp_path / "results" / "tiny" / page.FILE
    arguments = ("run", path, "--data", crops)
    assert dfdbench(*arguments)[0] == 0
    assert "data:image" not in out.read_text()
    assert dfdbench(*arguments, "--with-faces")[0] == 0
    shown = embedded(out.read_text())
    assert set(shown["faces"]["test"]) == set(shown["ids"]["test"])
    assert all(uri.startswith("data:image/webp;base64,") for uri in shown["faces"]["test"].values())
    assert "mind the licences" in out.read_text()
    assert dfdbench(*arguments)[0] == 0
    assert "data:image" not in out.read_text()


def test_faces_that_are_not_in_the_store_are_an_error_that_says_what_to_do(
    runtime: Any, tmp_path: Path
) -> None:
    one = row("a", folder=str(tmp_path))
    cells = {one["key"]: {"inputs": {"scores": "s"}}, "s": {"inputs": {"faces": "f"}}}
    (tmp_path / "plan.json").write_text(json.dumps({"cells": cells}))
    found = {("a", "ffpp", "cdfv2"): [{"worst": [["v", "swap", 1, 1]]}]}
    with pytest.raises(MissingError, match="does not hold the faces of cdfv2; give the one"):
        thumbnails.of([one], found, runtime.store)
    (tmp_path / "plan.json").unlink()
    with pytest.raises(MissingError, match="does not say where the faces of cdfv2 are"):
        thumbnails.of([one], found, runtime.store)
