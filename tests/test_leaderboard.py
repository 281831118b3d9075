"""From rows to a board, and from a board to tables that a stranger can read."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from boards import demo, failed, row

from dfdbench import leaderboard
from dfdbench.errors import DataError
from dfdbench.leaderboard import merging, plots, tables, terminal


def test_lines_are_ranked_by_their_mean_and_the_best_of_a_column_is_bold() -> None:
    board = leaderboard.rank(
        [row("a", "x", auroc=0.9), row("a", "y", auroc=0.7),
         row("b", "x", auroc=0.8), row("b", "y", auroc=0.9)], "two"
    )  # fmt: skip
    assert [(line.detector, line.mean) for line in board.lines] == [
        ("b", pytest.approx(0.85)), ("a", pytest.approx(0.8)),
    ]  # fmt: skip
    text = tables.to_markdown(board)
    first, second = (next(x for x in text.splitlines() if x.startswith(f"| {n} ")) for n in "ba")
    assert "**90.0** [85.0, 95.0]" in first and "**85.0**" in first
    assert "**90.0** [85.0, 95.0]" in second and "| 80.0 |" in " ".join(second.split())


def test_several_seeds_become_mean_and_standard_deviation() -> None:
    rows = [row("a", seed=seed, auroc=value) for seed, value in ((1, 0.80), (2, 0.84), (3, 0.88))]
    (line,) = leaderboard.rank(rows).lines
    cell = line.cells["cdfv2"]
    assert (cell.auroc, cell.std, cell.seeds) == (pytest.approx(0.84), pytest.approx(0.04), 3)
    assert "**84.0** ± 4.0 [85.0, 95.0]" in tables.to_markdown(leaderboard.rank(rows))


def test_a_failed_cell_is_named_with_its_reason_and_the_others_stand() -> None:
    board = leaderboard.rank([row("a"), failed("b"), failed("b", "dfd"), row("a", "dfd")])
    for text in (tables.to_markdown(board), terminal.to_terminal(board)):
        assert "failed" in text
        assert "failed: b on cdfv2 and dfd: NaN loss at step 12" in " ".join(text.split())
    b = next(line for line in board.lines if line.detector == "b")
    assert b.mean is None


def test_an_undefined_cell_shows_its_reason_and_no_number() -> None:
    one = row("a", "reals", undefined="only real videos", interval=None)
    one["video"] = dict.fromkeys(one["video"])
    board = leaderboard.rank([row("a"), one])
    assert board.lines[0].cells["reals"].status == "undefined"
    assert "only real videos" in tables.to_markdown(board)


def test_a_line_that_a_test_set_selected_is_marked_and_never_the_best() -> None:
    chosen = row("cheat", auroc=0.99, fit={**row("a")["fit"], "selected_on": "test"})
    board = leaderboard.rank([row("a", auroc=0.9), chosen])
    cheat = next(line for line in board.lines if line.detector == "cheat")
    honest = next(line for line in board.lines if line.detector == "a")
    assert cheat.on_test and not cheat.cells["cdfv2"].best and honest.cells["cdfv2"].best
    assert "selected on a test set" in tables.to_markdown(board)
    assert "selected on a test set" in " ".join(terminal.to_terminal(board).split())


def test_a_checkpoint_without_validation_says_so() -> None:
    last = row("a", fit={"selection": "last epoch", "selected_on": "none", "epoch": 10,
                         "trainable": 5, "parameters": 9},
               threshold_from="0.5, no validation")  # fmt: skip
    assert "last epoch, no validation" in tables.to_markdown(leaderboard.rank([last]))


def test_trials_are_marked() -> None:
    text = tables.to_markdown(leaderboard.rank([row("a", trial=8)]))
    assert "‡" in text and "--limit 8" in text


def test_unscored_videos_and_unreadable_images_are_stated() -> None:
    one = row("a", videos={"real": 5, "fake": 6, "unscored": 2},
              frames={"real": 5, "fake": 6, "unscored": 2},
              unreadable={"test": 3, "train": 1})  # fmt: skip
    said = " ".join(tables.to_markdown(leaderboard.rank([one])).split())
    assert "2 of 11 videos" in said
    assert "3 in test, 1 in train" in said


def test_the_terminal_table_of_six_detectors_and_three_sets_fits_80_columns() -> None:
    text = terminal.to_terminal(leaderboard.rank(demo(), "demo"))
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("\ndetector") == 0 and text.startswith("detector")  # one table, not several
    assert all(name in text for name in ("identities", "manipulation", "camera", "mobilenet_v3"))


def test_more_columns_than_fit_follow_in_further_tables() -> None:
    rows = [row("a", f"a_rather_long_test_set_{n}") for n in range(9)]
    text = terminal.to_terminal(leaderboard.rank(rows))
    assert max(map(len, text.splitlines())) <= 80
    assert all(f"a_rather_long_test_set_{n}" in text for n in range(9))


def test_the_csv_has_every_figure_on_a_line_of_its_own() -> None:
    lines = list(csv.DictReader(io.StringIO(tables.to_csv([row("a"), failed("b")]))))
    auroc = next(x for x in lines if x["metric"] == "auroc" and x["level"] == "video")
    assert (auroc["value"], auroc["low"], auroc["high"]) == ("0.9", "0.85", "0.95")
    assert {x["level"] for x in lines if x["detector"] == "a"} == {"video", "frame"}
    (only,) = [x for x in lines if x["detector"] == "b"]
    assert (only["status"], only["reason"], only["value"]) == ("failed", "NaN loss at step 12", "")


def test_the_json_has_a_schema_version_and_plain_numbers() -> None:
    board = json.loads(tables.to_json(leaderboard.rank([row("a")], "one")))
    assert board["schema"] == 1
    assert board["lines"][0]["cells"]["cdfv2"]["auroc"] == 0.9


def test_rows_of_two_machines_merge_and_a_finished_cell_wins_over_a_failed_one() -> None:
    found = merging.merge(
        {
            "here": {"schema": 2, "rows": [row("a"), failed("b")]},
            "there": {"schema": 2, "rows": [row("b")]},
        }
    )
    assert [(r["detector"], r["status"]) for r in found] == [("a", "done"), ("b", "done")]


def test_one_test_set_on_different_data_is_refused_or_kept_apart() -> None:
    folders = {
        "here": {"schema": 2, "rows": [row("a", data="1" * 64)]},
        "there": {"schema": 2, "rows": [row("b", data="2" * 64)]},
    }
    with pytest.raises(DataError, match="'cdfv2' stands for different data"):
        merging.merge(folders)
    apart = merging.merge(folders, keep_apart=True)
    assert {r["test_set"] for r in apart} == {"cdfv2@11111111", "cdfv2@22222222"}


def test_another_schema_is_refused() -> None:
    with pytest.raises(DataError, match="schema 1, this version reads 2"):
        merging.merge({"here": {"schema": 1, "rows": []}})


def test_learning_curves_are_drawn_where_there_are_any(tmp_path: Path) -> None:
    history = [
        {"epoch": n, "loss": {"cross_entropy": 1 / n}, "video": {"auroc": 0.5 + n / 10, "map": 0.5}}
        for n in (1, 2, 3)
    ]
    assert plots.learning_curves({"a": history}, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert not plots.learning_curves({"a": []}, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_a_figure_that_rests_on_fewer_videos_is_marked() -> None:
    whole, part = (
        {"real": 178, "fake": 340, "unscored": 0},
        {"real": 178, "fake": 340, "unscored": 1},
    )
    rows = [row("a", auroc=0.9, videos=whole), row("b", auroc=0.8, videos=part)]
    board = leaderboard.rank(rows)
    assert {line.detector: line.cells["cdfv2"].fewer for line in board.lines} == {
        "a": False, "b": True,
    }  # fmt: skip
    assert "80.0 °" in tables.to_markdown(board) and "90.0 °" not in tables.to_markdown(board)
    assert any(said.startswith("°") for said in board.legend)
    assert "unscored: b on cdfv2: 1 of 518 videos" in " ".join(board.notes)
    rows[0]["videos"] = part
    legend = leaderboard.rank(rows).legend
    assert not any(said.startswith("°") for said in legend), "all lack as many"
