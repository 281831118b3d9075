"""The pictures of a benchmark: what is drawn, and what is left out and said so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from boards import failed, row

from dfdbench import leaderboard
from dfdbench.leaderboard import interval_plot, plots, score_plots
from dfdbench.leaderboard.scored import Scored


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures, which are not written."""
    figures: list[Any] = []
    for module in (plots, score_plots, interval_plot):
        monkeypatch.setattr(module, "save", lambda figure, path: figures.append(figure))
    return figures


def videos(real: list[float], fake: list[float], method: str = "swap") -> Scored:
    label = np.repeat([0, 1], [len(real), len(fake)])
    kind = np.where(label == 1, method, "real")
    ids = np.asarray([str(n) for n in range(len(label))])
    return Scored(ids, label, np.asarray(real + fake), kind)


def titles(figure: Any) -> list[str]:
    return [ax.get_title() for ax in figure.axes]


def test_a_picture_is_written_as_png_and_as_svg_without_a_date(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert score_plots.roc_curves({"a": [videos([0.1], [0.9])]}, tmp_path / name, "test")
    assert (tmp_path / "one.png").read_bytes()[:4] == b"\x89PNG"
    svg = (tmp_path / "one.svg").read_text()
    assert "<svg" in svg and "dc:date" not in svg and "Matplotlib" not in svg
    for suffix in (".png", ".svg"):
        first, second = (tmp_path / f"{name}{suffix}" for name in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()


def test_a_roc_curve_over_seeds_is_their_mean_at_each_rate(drawn: list[Any]) -> None:
    perfect, reversed_ = videos([0.1, 0.2], [0.8, 0.9]), videos([0.8, 0.9], [0.1, 0.2])
    assert score_plots.roc_curves({"a": [perfect, reversed_]}, Path("x"), "test")
    _, line = drawn[0].axes[0].lines
    assert line.get_label() == "a (50.0)"
    assert np.interp(0.5, line.get_xdata(), line.get_ydata()) == pytest.approx(0.5)
    assert line.get_ydata()[-1] == 1


def test_of_many_detectors_the_first_ones_are_drawn_and_the_title_says_so(
    drawn: list[Any],
) -> None:
    many = {f"d{n}": [videos([0.1, 0.4], [0.3, 0.9])] for n in range(15)}
    assert score_plots.roc_curves(many, Path("x"), "test")
    assert score_plots.histograms(many, Path("x"), "test")
    curves, panels = drawn
    assert len(curves.axes[0].lines) == 1 + score_plots.CURVES
    assert "the 10 highest of 15 detectors" in curves.get_suptitle()
    assert titles(panels) == [f"d{n}" for n in range(score_plots.PANELS)]
    assert "the 12 highest of 15 detectors" in panels.get_suptitle()


def test_a_histogram_has_a_row_for_real_and_each_method_and_takes_seeds_together(
    drawn: list[Any],
) -> None:
    seeds = [videos([0.02, 0.03], [0.97]), videos([0.02, 0.52], [0.97, 0.98], "redraw")]
    assert score_plots.histograms({"a": seeds}, Path("x"), "test")
    (ax,) = drawn[0].axes
    assert [text.get_text() for text in ax.get_yticklabels()] == ["real", "redraw", "swap"]
    real = ax.patches[0].get_data()
    # Three of four reals are in the first bin, one in the eleventh; the highest is 0.85.
    assert real.values[[0, 10]] == pytest.approx([0.85, 0.85 / 3])
    assert np.count_nonzero(real.values) == 2


def test_a_reliability_curve_shows_each_seed_and_their_mean_ece(drawn: list[Any]) -> None:
    seeds = [
        {"bins": 2, "binning": "equal mass", "ece": ece, "curve": [[0.2, 0.1, 5], [0.8, 1.0, 5]]}
        for ece in (0.1, 0.2)
    ]
    assert score_plots.reliability({"a": seeds}, Path("x"), "test")
    (ax,) = drawn[0].axes
    assert ax.get_title() == "a\nECE 15.0 %"
    assert [list(line.get_ydata()) for line in ax.lines[1:]] == [[0.1, 1.0], [0.1, 1.0]]
    assert "2 bins, equal mass" in drawn[0].get_suptitle()


def test_bars_begin_at_chance_and_carry_their_intervals(drawn: list[Any]) -> None:
    board = leaderboard.rank(
        [row("a", auroc=0.9, interval=[0.85, 0.95]), row("b", auroc=0.4), failed("c"),
         row("c", "dfd"), row("a", "dfd"), row("b", "dfd")], "two"
    )  # fmt: skip
    assert interval_plot.interval_bars(board, Path("x"))
    assert titles(drawn[0]) == ["cdfv2", "dfd"]
    ax = drawn[0].axes[0]
    names = [text.get_text() for text in ax.get_yticklabels()]
    bars = {names[round(bar.get_y() + 0.31)]: bar for bar in ax.patches}
    assert set(bars) == {"a", "b"}
    assert (bars["a"].get_x(), bars["a"].get_width()) == (50, pytest.approx(40))
    assert bars["b"].get_width() == pytest.approx(-10)
    assert list(ax.lines[0].get_xdata()) == [85, 95]
    assert "failed" in [text.get_text() for text in ax.texts]


def test_validation_is_drawn_by_detector_as_the_mean_and_range_of_its_seeds(
    drawn: list[Any],
) -> None:
    rows = [
        row(name, seed=seed, fit={"history": [
            {"epoch": n, "video": {"auroc": value + n / 10}} for n in range(1, epochs + 1)]})
        for name, seed, value, epochs in (("a", 1, 0.5, 3), ("a", 2, 0.6, 4), ("b", 1, 0.3, 2))
    ]  # fmt: skip
    assert plots.validation_curves([*rows, *rows], Path("x"))
    (ax,) = drawn[0].axes
    a, b = ax.lines
    assert list(a.get_xdata()) == [1, 2, 3]
    assert list(a.get_ydata()) == pytest.approx([65, 75, 85])
    assert list(b.get_ydata()) == pytest.approx([40, 50])
    (band,) = ax.collections
    low, high = band.get_paths()[0].get_extents().intervaly
    assert (low, high) == (pytest.approx(60), pytest.approx(90))


def test_with_nothing_to_draw_nothing_is_written(tmp_path: Path) -> None:
    one_class = {"a": [videos([0.1, 0.2], [])]}
    assert not score_plots.roc_curves(one_class, tmp_path / "x", "test")
    assert not score_plots.histograms({"a": [videos([], [])]}, tmp_path / "x", "test")
    assert not score_plots.reliability({"a": []}, tmp_path / "x", "test")
    assert not interval_plot.interval_bars(leaderboard.rank([failed("a")]), tmp_path / "x")
    assert not plots.validation_curves([row("a"), failed("b")], tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_lines_are_named_with_their_train_set_where_there_are_several() -> None:
    assert plots.line_name("ln", "ffpp", True) == "ln on ffpp"
    assert plots.line_name("ln", "ffpp", False) == plots.line_name("ln", "none", True) == "ln"
