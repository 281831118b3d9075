"""Comparisons of detectors, from score files to sentences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from boards import row
from numpy.random import default_rng

from dfdbench import comparison, leaderboard, metrics, results
from dfdbench.comparison import board, paired, ranks, text
from dfdbench.comparison.paired import Contender, Difference, compare, holm
from dfdbench.comparison.ranks import average_ranks, critical_difference
from dfdbench.errors import DataError, MissingError
from dfdbench.leaderboard import ranks_plot
from dfdbench.metrics import delong


def contender(p_fake: Any, label: Any = None, ids: Any = None, people: Any = None) -> Contender:
    scores = np.atleast_2d(np.asarray(p_fake, dtype=np.float64))
    count = scores.shape[1]
    names = np.asarray([f"v{n:03d}" for n in range(count)] if ids is None else ids)
    labels = np.arange(count) % 2 if label is None else np.asarray(label)
    return Contender("some", names, labels, scores, names if people is None else people)


def pair(count: int = 200, seeds: int = 1, gain: float = 0.5) -> tuple[Contender, Contender]:
    """Two detectors that find the same videos hard; the first is the better one."""
    rng = default_rng(0)
    label = np.arange(count) % 2
    hard = rng.normal(size=count) + label
    first = hard + gain * label + 0.5 * rng.normal(size=(seeds, count))
    second = hard + 0.5 * rng.normal(size=(seeds, count))
    return contender(1 / (1 + np.exp(-first))), contender(1 / (1 + np.exp(-second)))


def test_the_difference_is_that_of_the_aurocs_with_its_interval_around_it() -> None:
    a, b = pair(gain=0.2)
    found = compare(a, b, resamples=2000)
    assert found is not None and found.interval is not None
    first, second = (metrics.auroc(each.label, each.p_fake[0]) for each in (a, b))
    assert found.aurocs == (pytest.approx(first), pytest.approx(second))
    assert found.difference == pytest.approx(first - second)
    low, high = found.interval
    assert low < found.difference < high
    assert (found.real, found.fake, found.left_out) == (100, 100, 0)
    assert found.p is not None and found.p_delong is not None
    assert found.p == pytest.approx(found.p_delong, rel=0.3)


def test_both_see_the_same_samples_so_a_detector_does_not_differ_from_itself() -> None:
    a, _ = pair()
    found = compare(a, a, resamples=100)
    assert found is not None
    assert (found.difference, found.interval, found.p, found.p_delong) == (0, [0, 0], 1, 1)


def test_the_interval_of_a_pair_is_narrower_than_that_of_either() -> None:
    a, b = pair(gain=0.2)
    found = compare(a, b, resamples=500)
    assert found is not None and found.interval is not None
    alone = metrics.intervals(a.label, a.p_fake[0], a.video_id, 0, 500)["auroc"]
    assert alone is not None
    assert np.ptp(found.interval) < 0.8 * np.ptp(alone)


def test_swapping_the_detectors_turns_the_sign() -> None:
    a, b = pair()
    one, other = compare(a, b, resamples=200), compare(b, a, resamples=200)
    assert one is not None and other is not None and one.interval and other.interval
    assert other.difference == -one.difference
    assert other.interval == pytest.approx([-end for end in one.interval[::-1]])
    assert (one.p, one.p_delong) == (other.p, other.p_delong)


def test_several_seeds_are_compared_by_their_means_under_the_same_draws() -> None:
    a, b = pair(seeds=3)
    found = compare(a, b, resamples=300)
    assert found is not None and found.interval is not None
    means = [np.mean([metrics.auroc(x.label, p) for p in x.p_fake]) for x in (a, b)]
    assert found.aurocs == (pytest.approx(means[0]), pytest.approx(means[1]))
    singles = [compare(contender(a.p_fake[n]), contender(b.p_fake[n]), 0, 300) for n in range(3)]
    widths = [np.ptp(one.interval) for one in singles if one and one.interval]
    assert np.ptp(found.interval) < min(widths)  # noise of single trainings averages out


def test_delongs_p_of_one_seed_is_that_of_the_plain_test() -> None:
    a, b = pair(60)
    found = compare(a, b, resamples=0)
    assert found is not None
    placed = delong.placements(a.label, np.vstack([a.p_fake, b.p_fake]))
    variance = delong.variance_of_difference(*placed)
    assert found.p_delong == pytest.approx(delong.p_value(found.difference, variance))
    assert (found.interval, found.p) == (None, None)


def test_only_videos_that_both_scored_count_and_the_others_are_counted() -> None:
    a = contender([0.1, 0.9, 0.2, 0.8, 0.3], ids=["a", "b", "c", "d", "e"])
    b = contender([0.9, 0.1, 0.2], [1, 0, 1], ids=["b", "c", "x"])
    found = compare(a, b, resamples=10)
    assert found is not None
    assert (found.real, found.fake, found.left_out) == (1, 1, 4)
    assert found.aurocs == (1.0, 1.0)
    assert found.interval is None  # one video of each class


def test_videos_of_one_class_in_common_are_no_comparison() -> None:
    a = contender([0.1, 0.9], ids=["a", "b"])
    b = contender([0.1, 0.9], ids=["a", "c"])
    assert compare(a, b) is None


def test_contradicting_labels_are_refused() -> None:
    a, b = contender([0.1, 0.9], [0, 1]), contender([0.1, 0.9], [1, 0])
    with pytest.raises(DataError, match="video 'v000' is real for one"):
        compare(a, b)


def test_people_are_drawn_where_the_rows_say_so_and_delong_is_left_out() -> None:
    people = np.repeat([f"person {n}" for n in range(20)], 10)
    a, b = (contender(x.p_fake, people=people) for x in pair())
    found = compare(a, b, resamples=200)
    assert found is not None and found.p_delong is None and found.p is not None


def test_holm_corrects_by_the_number_that_is_left_and_never_falls() -> None:
    # Sorted: .01 x 4, .02 x 3, .03 x 2 -> .06, .5 x 1.
    assert holm([0.02, 0.5, None, 0.01, 0.03]) == pytest.approx([0.06, 0.5, None, 0.04, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def write_row(folder: Path, detector: str, test: str, p: Any, label: Any, **more: Any) -> Any:
    """A row with its score file; a frame a video."""
    ids = [f"{test}/{n:03d}" for n in range(len(label))]
    figure = metrics.auroc(np.asarray(label), np.asarray(p))
    found = row(detector, test, auroc=figure, folder=str(folder), **more)
    found["interval"] |= {"seed": 0, "resamples": 200}
    path = folder / results.SCORES / results.score_file(found)
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"video_id": ids, "frame_index": [0] * len(ids), "path": ids}
    pq.write_table(pa.table({**columns, "label": label, "p_fake": p}), path)
    return found


def rows_of(folder: Path, **more: Any) -> list[Any]:
    """Three detectors on two test sets: good, its equal, and one that guesses."""
    rng, label = default_rng(1), np.arange(120) % 2
    rows = []
    for test in ("x", "y"):
        hard = rng.normal(size=120) + 1.5 * label
        for detector, logit in (
            ("good", hard + 0.3 * rng.normal(size=120)),
            ("equal", hard + 0.3 * rng.normal(size=120)),
            ("guess", rng.normal(size=120)),
        ):
            p = 1 / (1 + np.exp(-logit))
            rows.append(write_row(folder, detector, test, p, label, **more.get(detector, {})))
    return rows


def test_every_line_meets_the_best_of_its_column(tmp_path: Path) -> None:
    rows = rows_of(tmp_path)
    found = comparison.of_board(rows)
    assert json.loads(json.dumps(found)) == found
    assert [one["test_set"] for one in found] == ["x", "x", "y", "y"]
    for one in found:
        mine = [row for row in rows if row["test_set"] == one["test_set"]]
        column = {row["detector"]: row["video"]["auroc"] for row in mine}
        assert one["b"] == max(column, key=lambda name: column[name])
        assert one["difference"] == pytest.approx(column[one["a"]] - column[one["b"]])
        assert one["videos"] == 120
        assert one["p_holm"] >= one["p"]
    guesses = [one for one in found if one["a"] == "guess"]
    assert all(one["p_holm"] < 0.001 and one["interval"][1] < 0 for one in guesses)
    cells = leaderboard.rank(rows, "", found).lines
    tied = {line.detector: [cell.tied for cell in line.cells.values()] for line in cells}
    assert tied["guess"] == [False, False]


def test_lines_that_do_not_compete_are_not_the_best_and_not_compared(tmp_path: Path) -> None:
    rows = rows_of(tmp_path)
    label = np.arange(120) % 2
    cheat = 0.1 + 0.8 * label
    rows += [
        write_row(tmp_path, "chosen", "x", cheat, label, fit={"selected_on": "test"}),
        write_row(tmp_path, "seen", "x", cheat, label, leak="ffpp shares 3 videos with x"),
        write_row(tmp_path, "good", "x", cheat, label, perturbation="blur"),
    ]
    found = comparison.of_board(rows)
    names = {one["a"] for one in found} | {one["b"] for one in found}
    assert names == {"good", "equal", "guess"}


def test_rows_without_score_files_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    rows = rows_of(tmp_path)
    (tmp_path / results.SCORES / results.score_file(rows[0])).unlink()
    with pytest.raises(MissingError, match="good-ffpp-42-x"):
        comparison.of_board(rows)


def test_cross_set_auroc_takes_reals_of_one_set_and_fakes_of_the_other(tmp_path: Path) -> None:
    # Scores of y lie .5 above those of x: a detector of data sets.
    label = [0, 0, 1, 1]
    rows = [
        write_row(tmp_path, "a", "x", [0.1, 0.3, 0.2, 0.4], label),
        write_row(tmp_path, "a", "y", [0.6, 0.8, 0.7, 0.9], label),
    ]
    found = comparison.cross_sets(rows)
    assert [(one["real_of"], one["fake_of"], one["auroc"]) for one in found] == [
        ("x", "y", 1.0), ("y", "x", 0.0),
    ]  # fmt: skip
    assert {one["interval"] for one in found} == {None}
    assert (found[0]["detector"], found[0]["train_set"], found[0]["seed"]) == ("a", "ffpp", 42)
    assert comparison.cross_sets(rows[:1]) == []


def test_cross_set_intervals_hold_their_figures(tmp_path: Path) -> None:
    for one in comparison.cross_sets(rows_of(tmp_path)):
        low, high = one["interval"]
        assert 0 < low < one["auroc"] < high < 1


def test_nemenyis_critical_differences_are_those_of_the_published_table() -> None:
    # Demsar 2006, table 5: q at 0.05 of 2, 3, 4, 5 and 10 classifiers; 6 n = k (k + 1) leaves q.
    for count, q in {2: 1.960, 3: 2.343, 4: 2.569, 5: 2.728, 10: 3.164}.items():
        tests = count * (count + 1)
        found = critical_difference(count, tests)
        assert found == pytest.approx(q / np.sqrt(6), abs=3e-4)


def test_ranks_are_averaged_and_equal_figures_share_one() -> None:
    found = average_ranks({"a": [0.9, 0.7, 0.8], "b": [0.8, 0.7, 0.9], "c": [0.7, 0.6, 0.5]})
    # a: 1, 1.5, 2; b: 2, 1.5, 1; c: 3, 3, 3.
    assert found.average == {"a": 1.5, "b": 1.5, "c": 3.0}


def test_with_few_test_sets_ranks_say_that_they_can_show_nothing() -> None:
    found = average_ranks({"a": [0.9, 0.8], "b": [0.8, 0.7], "c": [0.7, 0.6]})
    # 2.343 * sqrt(3 * 4 / 12): above 2, the largest difference of three ranks.
    assert found.critical == pytest.approx(2.343, abs=1e-3)
    assert "can differ by 2 at most" in found.powerless
    # Of the 36 pairs of orders the 6 equal ones spread the averages this far.
    assert found.p == pytest.approx(1 / 6, abs=0.015)
    single = average_ranks({"a": [0.9], "b": [0.8], "c": [0.7]})
    assert (single.critical, single.p) == (None, None)
    assert single.powerless.endswith("there is only 1 test set")
    assert average_ranks({"a": [1, 1], "b": [0, 0]}).powerless.endswith(
        "there are only 2 detectors"
    )


def test_groups_are_the_longest_runs_within_the_critical_difference() -> None:
    average = {"a": 1.0, "b": 1.8, "c": 2.9, "d": 4.3}
    found = ranks.Ranks(average, 10, critical=1.5)
    assert found.groups() == [("a", "b"), ("b", "c"), ("c", "d")]
    assert ranks.Ranks(average, 10, critical=2.0).groups() == [("a", "b", "c"), ("c", "d")]
    assert ranks.Ranks(average, 10, critical=0.5).groups() == []


def test_friedmans_test_finds_one_order_on_ten_test_sets_and_none_in_noise() -> None:
    rng = default_rng(0)
    steady = {name: (level + 0.01 * rng.random(10)).tolist()
              for name, level in (("a", 0.9), ("b", 0.8), ("c", 0.7))}  # fmt: skip
    assert average_ranks(steady).p == pytest.approx(1e-4, abs=1e-6)  # 1 of 10,000 orders
    noise = {name: rng.random(10).tolist() for name in "abc"}
    assert (average_ranks(noise).p or 0) > 0.05
    assert average_ranks({name: [0.5, 0.5] for name in "abc"}).p == 1.0


def difference(value: float, interval: list[float] | None, p: float | None) -> Difference:
    return Difference(value, (0.9, 0.9 - value), interval, p, p, 178, 340, 0)


def test_the_verdict_is_a_sentence() -> None:
    won = difference(0.013, [0.004, 0.022], 0.004)
    assert text.verdict("ln_norm", "ln", "cdfv2", won, 0.004) == (
        "ln_norm beats ln on cdfv2 by 1.3 points (0.4 to 2.2), p = 0.004"
    )
    lost = difference(-0.013, [-0.022, -0.004], 0.0001)
    assert text.verdict("ln", "ln_norm", "cdfv2", lost, 0.0001) == (
        "ln_norm beats ln on cdfv2 by 1.3 points (0.4 to 2.2), p < 0.001"
    )
    open_ = difference(0.003, [-0.005, 0.011], 0.41)
    assert text.verdict("ln_norm", "ln", "dfdc", open_, 0.41) == (
        "ln_norm and ln cannot be told apart on dfdc: 0.3 points (-0.5 to 1.1), p = 0.41"
    )


def test_what_is_significant_alone_but_not_among_many_is_no_win() -> None:
    found = difference(0.013, [0.001, 0.025], 0.03)
    assert "beats" in text.verdict("a", "b", "x", found, 0.03)
    assert "cannot be told apart" in text.verdict("a", "b", "x", found, 0.09)
    assert [" beats " in said for said in text.verdicts("a", "b", {"x": found, "y": found})] == [
        False, False,
    ]  # fmt: skip


def test_what_cannot_be_said_is_said() -> None:
    assert "one class only" in text.verdict("a", "b", "x", None, None)
    said = text.verdict("a", "b", "x", difference(0.1, None, None), None)
    assert said.startswith("a and b differ by 10.0 points on x; how sure that is cannot be said")


def test_the_table_fits_80_columns_with_long_names_and_large_sets() -> None:
    one = Difference(-0.1234, (0.8, 0.9234), [-0.2222, -0.1111], 1e-9, 1e-9, 99_999, 99_999, 0)
    drawn = text.table({"a_rather_long_name_of_a_test_set_" * 2: one, "y": None})
    assert max(map(len, drawn.splitlines())) <= 80
    assert "-12.3" in drawn and "[-22.2, -11.1]" in drawn and "one class" in drawn


def test_the_diagram_is_drawn_twice_with_equal_bytes_as_png_and_svg(tmp_path: Path) -> None:
    figures = {name: [0.9 - n / 20] * 12 for n, name in enumerate("abcdef")}
    found = average_ranks(figures)
    for name in ("one", "two"):
        assert ranks_plot.critical_difference(found, tmp_path / name)
    assert (tmp_path / "one.png").read_bytes()[:4] == b"\x89PNG"
    for suffix in (".png", ".svg"):
        first, second = (tmp_path / f"{name}{suffix}" for name in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()
    assert not ranks_plot.critical_difference(average_ranks({"a": [0.9]}), tmp_path / "none")
    assert not (tmp_path / "none.png").exists()


def test_seeds_of_a_line_are_read_together_and_only_videos_that_all_scored(tmp_path: Path) -> None:
    label = [0, 1, 0, 1]
    rows = [
        write_row(tmp_path, "a", "x", [0.1, 0.9, 0.2, 0.8], label, seed=1),
        write_row(tmp_path, "a", "x", [0.2, 0.7, 0.3, 0.6], label, seed=2),
    ]
    path = tmp_path / results.SCORES / results.score_file(rows[1])
    pq.write_table(pq.read_table(path).slice(1), path)
    found = paired.contender(rows)
    assert found.video_id.tolist() == ["x/001", "x/002", "x/003"]
    assert found.p_fake.tolist() == [[0.9, 0.2, 0.8], [0.7, 0.3, 0.6]]
    assert set(board.by_test_set(rows)["x"]) == {("ffpp", "a")}
