"""Curves over the strength of a perturbation, what is retained, and how it is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from boards import closed, failed, row

from dfdbench import spec as specs
from dfdbench.leaderboard import robustness_files, robustness_tables
from dfdbench.leaderboard.robustness import Curve, curves, mean_retained
from dfdbench.leaderboard.robustness_plot import draw
from dfdbench.registry import Registry


def at(value: float, auroc: float, curve: str = "jpeg", **changes: Any) -> dict[str, Any]:
    """A row at one strength of a sweep, with an interval of 0.04 to either side."""
    changes.setdefault("interval", [auroc - 0.04, auroc + 0.04])
    detector = changes.pop("detector", "ln")
    zero = changes.pop("zero", False)
    place = {"curve": curve, "option": "quality", "value": value, "zero": zero}
    return row(
        detector, perturbation=f"{curve}_{value}", auroc=auroc, strength=place, **changes
    )  # fmt: skip


def sweep(detector: str = "ln", curve: str = "jpeg", clean: bool = True) -> list[dict[str, Any]]:
    """A clean AUROC of 0.9, then 0.9, 0.7 and 0.5: 100, 50 and 0 % of 0.4 are left."""
    points = [at(v, a, curve, detector=detector) for v, a in ((90, 0.9), (50, 0.7), (10, 0.5))]
    return [row(detector)] * clean + points


def one(rows: list[dict[str, Any]]) -> Curve:
    (curve,) = curves(rows)
    return curve


# Curves


def test_a_curve_holds_its_strengths_in_the_order_of_the_spec() -> None:
    curve = one(sweep())
    assert (curve.detector, curve.train_set, curve.test_set) == ("ln", "ffpp", "cdfv2")
    assert (curve.name, curve.option) == ("jpeg", "quality")
    assert [(p.value, p.auroc) for p in curve.points] == [(90, 0.9), (50, 0.7), (10, 0.5)]
    assert curve.points[1].interval == (pytest.approx(0.66), pytest.approx(0.74))
    assert (curve.clean.value, curve.clean.auroc) == (None, 0.9)


def test_what_is_retained_is_the_mean_share_of_the_clean_auroc_above_chance() -> None:
    # (0.9 - 0.5, 0.7 - 0.5, 0.5 - 0.5) / (0.9 - 0.5) = 1, 0.5 and 0.
    curve = one(sweep())
    assert curve.retained == pytest.approx(0.5)
    assert curve.retained_std is None


def test_strength_zero_does_not_count_for_what_is_retained() -> None:
    curve = one([*sweep(), at(0, 0.9, zero=True)])
    assert [point.zero for point in curve.points] == [False, False, False, True]
    assert curve.retained == pytest.approx(0.5)


def test_an_auroc_below_chance_counts_as_a_negative_share() -> None:
    curve = one([row("ln"), at(50, 0.9), at(10, 0.3)])
    assert curve.retained == pytest.approx((1 - 0.5) / 2)


def test_over_seeds_shares_are_averaged_and_spread() -> None:
    # Seed 1: 0.2 / 0.4 = 0.5; seed 2: 0.1 / 0.25 = 0.4. Mean 0.45, deviation 0.1 / sqrt(2).
    rows = [
        row("ln", seed=1), at(10, 0.7, seed=1),
        row("ln", seed=2, auroc=0.75, interval=[0.7, 0.8]), at(10, 0.6, seed=2),
    ]  # fmt: skip
    curve = one(rows)
    assert curve.retained == pytest.approx(0.45)
    assert curve.retained_std == pytest.approx(0.1 / 2**0.5)
    (point,) = curve.points
    assert (point.auroc, point.seeds) == (pytest.approx(0.65), 2)
    assert point.interval == (pytest.approx(0.61), pytest.approx(0.69))


@pytest.mark.parametrize(
    "rows",
    [
        [row("ln", auroc=0.53, interval=[0.49, 0.57]), at(10, 0.52)],
        [row("ln", interval=None), at(10, 0.7)],
        [at(10, 0.7)],
        [*sweep(), {**at(5, 0.5), **failed("ln", perturbation="jpeg_5")}],
        [row("ln"), at(10, 0.7), row("ln", seed=1)],
    ],
    ids=["clean at chance", "no interval", "no clean row", "a strength failed", "a seed lacks one"],
)  # fmt: skip
def test_nothing_is_said_to_be_retained_where_that_is_not_known(rows: list[dict[str, Any]]) -> None:
    assert one(rows).retained is None


def test_each_perturbation_detector_and_test_set_has_a_curve_of_its_own() -> None:
    rows = [*sweep(), *sweep(curve="blur", clean=False), *sweep("probe")]
    rows += [{**each, "test_set": "dfdc"} for each in sweep()]
    found = [(curve.detector, curve.test_set, curve.name) for curve in curves(rows)]
    assert found == [
        ("ln", "cdfv2", "jpeg"), ("ln", "cdfv2", "blur"), ("probe", "cdfv2", "jpeg"),
        ("ln", "dfdc", "jpeg"),
    ]  # fmt: skip


def test_a_perturbation_of_one_strength_is_a_curve_of_one_point() -> None:
    curve = one([row("ln"), row("ln", perturbation="noise", auroc=0.8, strength=None)])
    assert (curve.name, curve.option, curve.retained) == ("noise", "", pytest.approx(0.75))
    assert [point.value for point in curve.points] == [None]


def test_the_mean_over_perturbations_needs_all_of_them() -> None:
    half, none = one(sweep()), one([at(10, 0.7)])
    assert mean_retained([half, half]) == pytest.approx(0.5)
    assert mean_retained([half, none]) is None
    assert mean_retained([]) is None


# Tables


def test_the_table_has_a_column_for_each_perturbation_and_their_mean() -> None:
    rows = [*sweep(), *sweep("probe"), row("ln", perturbation="noise", auroc=0.8, strength=None)]
    assert robustness_tables.table(rows) == [
        ["Detector", "Test set", "Clean", "jpeg", "noise", "Mean retained"],
        ["ln", "cdfv2", "90.0 [85.0, 95.0]", "50.0", "75.0", "62.5"],
        ["probe", "cdfv2", "90.0 [85.0, 95.0]", "50.0", "–", "–"],  # noqa: RUF001
    ]


def test_train_sets_are_named_where_there_are_several() -> None:
    rows = [*sweep(), *({**each, "train_set": "other"} for each in sweep())]
    head, first, second = robustness_tables.table(rows)
    assert head[:3] == ["Detector", "Train set", "Test set"]
    assert (first[1], second[1]) == ("ffpp", "other")


def test_the_markdown_says_what_retained_means_and_gives_every_figure() -> None:
    rows = [*sweep(), closed("api"), {**at(5, 0.5), **failed("ln", perturbation="jpeg_5")}]
    text = robustness_tables.to_markdown(rows, "paper")
    assert text.startswith("# paper: robustness\n")
    assert "(AUROC - 50) / (clean AUROC - 50)" in text
    assert "95 % percentile bootstrap over videos" in text
    lines = [" ".join(line.replace("|", " ").split()) for line in text.splitlines()]
    assert "Detector Test set clean quality 90 quality 50 quality 10 quality 5" in lines
    assert (
        "ln cdfv2 90.0 [85.0, 95.0] 90.0 [86.0, 94.0] 70.0 [66.0, 74.0] 50.0 [46.0, 54.0] failed"
    ) in lines
    assert "- failed: ln on cdfv2 under jpeg_5: NaN loss at step 12" in text
    assert "- not perturbed, because it scores without the faces: api" in text


@pytest.mark.parametrize(
    ("change", "sign", "text"),
    [
        ({"trial": 8}, "‡", "‡: trial run on few videos"),
        ({"leak": "3 videos"}, "§", "§: the detector has seen videos or people"),
        ({"fit": {"selected_on": "test"}}, "†", "†: the checkpoint was selected on a test set"),
    ],
)
def test_what_is_no_fair_result_is_marked(change: dict[str, Any], sign: str, text: str) -> None:
    marked = [{**each, **change} for each in sweep()]
    assert one(marked).marks == sign
    assert robustness_tables.table(marked)[1][0] == f"ln {sign}"
    assert text in robustness_tables.to_markdown(marked)
    assert sign not in robustness_tables.to_markdown(sweep())


def test_the_csv_has_a_line_for_each_point(tmp_path: Path) -> None:
    path = tmp_path / "robustness.csv"
    path.write_text(robustness_tables.to_csv(sweep()), encoding="utf-8")
    table = pd.read_csv(path)
    assert table.clean.tolist() == [1, 0, 0, 0]
    assert table.strength.fillna(-1).tolist() == [-1, 90, 50, 10]
    assert table.auroc.tolist() == [0.9, 0.9, 0.7, 0.5]
    assert table.low.tolist() == pytest.approx([0.85, 0.86, 0.66, 0.46])
    assert table.retained.tolist() == pytest.approx([0.5] * 4)
    assert set(table.curve) == {"jpeg"} and set(table.option) == {"quality"}


# Files


def test_pictures_are_drawn_of_sweeps_alone_and_are_the_same_each_time(tmp_path: Path) -> None:
    rows = [*sweep(), *sweep("probe"), *sweep(curve="blur", clean=False)]
    assert draw(rows, tmp_path / "one") and draw(rows, tmp_path / "two")
    for suffix in (".png", ".svg"):
        first, second = (tmp_path / f"{name}{suffix}" for name in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()
    single = [row("ln"), row("ln", perturbation="noise", strength=None)]
    assert not draw(single, tmp_path / "none")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "one.png", "one.svg", "two.png", "two.svg",
    ]  # fmt: skip


def test_a_strength_that_failed_is_left_out_of_the_picture(tmp_path: Path) -> None:
    rows = [*sweep(), {**at(5, 0.5), **failed("ln", perturbation="jpeg_5")}]
    assert draw(rows, tmp_path / "some")
    only = [failed("ln"), {**at(5, 0.5), **failed("ln", perturbation="jpeg_5")}]
    assert not draw(only, tmp_path / "empty")
    assert not (tmp_path / "empty.png").exists()


def test_files_are_written_again_only_where_they_say_something_else(tmp_path: Path) -> None:
    robustness_files.write([row("ln")], tmp_path)
    assert list(tmp_path.iterdir()) == []
    robustness_files.write(sweep(), tmp_path)
    names = ["robustness.csv", "robustness.md", "robustness.png", "robustness.svg"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    (tmp_path / "robustness.png").write_bytes(b"mine")
    robustness_files.write(sweep(), tmp_path)
    assert (tmp_path / "robustness.png").read_bytes() == b"mine"
    robustness_files.write([*sweep(), at(5, 0.5)], tmp_path)
    assert (tmp_path / "robustness.png").read_bytes() != b"mine"
    robustness_files.write([row("ln")], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_bundled_benchmark_trains_nothing_that_the_demo_has_not_trained(
    registry: Registry,
) -> None:
    mine = specs.load("specs/robustness.yaml", registry)
    demo = specs.load("specs/demo.yaml", registry)
    assert mine.train_sets == demo.train_sets and mine.faces == demo.faces
    assert mine.seeds == demo.seeds
    assert {name: demo.test_sets[name] for name in mine.test_sets} == mine.test_sets
    assert {name: demo.detectors[name] for name in mine.detectors} == mine.detectors
    swept = {each.transform.name for each in mine.strengths().values()}
    assert swept == {"jpeg", "gaussian_blur", "resize", "gaussian_noise", "h264"}
    assert mine.strengths()["noise_0"].transform.does_nothing()
