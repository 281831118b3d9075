"""Figures that others published: beside ours, compared at their level, never ranked."""

from __future__ import annotations

import csv
import io
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from boards import row

from dfdbench import leaderboard
from dfdbench import spec as specs
from dfdbench.errors import SpecError
from dfdbench.leaderboard import Board, PublishedLine, published, tables, terminal
from dfdbench.leaderboard.published import Published
from dfdbench.registry import Registry

HEAD = "detector,train_set,test_set,level,metric,value,citation,source,confidence,note\n"
TABLE = HEAD + """\
Ours,FF,CDF,video,auroc,0.9312,P 2025,card,high,
Ours,FF,CDF,video,auc_mean,0.5,P 2025,card,high,
Theirs,FF,CDF,video,auroc,0.99,P 2025,card,medium,starred
Theirs,DFDC,CDF,video,auroc,0.1,P 2025,card,high,another train set
Framed,FF,CDF,frame,auroc,0.75,Q 2023,table,high,"best of three, selected on test"
Silent,FF,CDF,unstated,auroc,0.85,R 2024,table,high,
"""  # fmt: skip


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "figures.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


def section(table: Path, **detectors: str) -> Published:
    return Published(
        files=(str(table),), train_sets={"ffpp": ("FF",)}, test_sets={"cdfv2": ("CDF",)},
        detectors={name: (value,) for name, value in detectors.items()}, notes=("Mind the data.",),
    )  # fmt: skip


def ranked(said: Published, *rows: dict[str, Any]) -> Board:
    reported = {"figures": published.figures(said), "notes": said.notes}
    return leaderboard.rank(rows or [row("ln")], "b", (), reported)


def line_of(board: Board, detector: str) -> PublishedLine:
    (line,) = (line for line in board.published if line.detector == detector)
    return line


def test_a_published_figure_is_compared_with_the_line_of_the_same_method(table: Path) -> None:
    board = ranked(section(table, ln="Ours"), row("ln", auroc=0.9, interval=[0.85, 0.95]))
    line = line_of(board, "Ours")
    cell = line.cells["cdfv2"]
    assert (line.here, line.level, cell.value, cell.measured) == ("ln", "video", 0.9312, 0.9)
    assert cell.difference == pytest.approx(-0.0312) and cell.covered is True
    assert "| 93.12 (-3.1) " in tables.to_markdown(board)


def test_a_published_figure_outside_of_our_interval_is_marked(table: Path) -> None:
    board = ranked(section(table, ln="Ours"), row("ln", auroc=0.9, interval=[0.89, 0.91]))
    assert line_of(board, "Ours").cells["cdfv2"].covered is False
    assert "93.12 (-3.1 ≠)" in tables.to_markdown(board)
    assert "93.12 (-3.1 ≠)" in terminal.to_terminal(board)


def test_several_seeds_are_compared_by_their_mean_and_mean_interval(table: Path) -> None:
    rows = [row("ln", seed=n, auroc=0.9 + n / 100, interval=[0.9, 0.94 + n / 100]) for n in (0, 2)]
    cell = line_of(ranked(section(table, ln="Ours"), *rows), "Ours").cells["cdfv2"]
    assert cell.measured == pytest.approx(0.91) and cell.covered is True


def test_a_frame_level_figure_is_compared_with_our_frame_level_one(table: Path) -> None:
    board = ranked(section(table, ln="Framed"), row("ln", auroc=0.9))
    line = line_of(board, "Framed")
    assert line.level == "frame" and line.cells["cdfv2"].measured == 0.8  # not 0.9, of videos
    said = " ".join(board.published_notes)
    assert "Level frame: the AUROC of frames. It is not comparable with the video-level" in said


def test_where_the_level_is_not_stated_nothing_is_compared(table: Path) -> None:
    board = ranked(section(table, ln="Silent"))
    cell = line_of(board, "Silent").cells["cdfv2"]
    assert (cell.measured, cell.difference, cell.covered) == (None, None, None)
    assert "does not say whether of videos or frames" in " ".join(board.published_notes)


def test_figures_that_were_selected_on_test_are_marked(table: Path) -> None:
    board = ranked(section(table))
    assert line_of(board, "Framed").selected_on_test
    assert not line_of(board, "Theirs").selected_on_test
    text = tables.to_markdown(board)
    assert "| Framed † " in text and "†: selected on test" in text


def test_published_lines_are_never_ranked_nor_the_best(table: Path) -> None:
    board = ranked(section(table), row("ln", auroc=0.9), row("probe", auroc=0.8))
    assert [line.detector for line in board.lines] == ["ln", "probe"]
    assert [line.rank for line in board.lines] == [1.0, 2.0] and board.lines[0].best_mean
    own, _, others = tables.to_markdown(board).partition("## Published, not measured here")
    assert "Theirs" not in own and "99.0" in others and "**99" not in others


def test_lines_that_correspond_come_first_then_videos_then_frames(table: Path) -> None:
    found = ranked(section(table, ln="Silent")).published
    assert [line.detector for line in found] == ["Silent", "Ours", "Theirs", "Framed"]
    assert line_of(ranked(section(table)), "Theirs").cells["cdfv2"].confidence == "medium"


def test_source_citation_confidence_and_notes_are_told(table: Path) -> None:
    text = tables.to_markdown(ranked(section(table)))
    assert "| medium       | P 2025; card  |" in text
    assert (
        "- starred (P 2025; confidence medium): Theirs on cdfv2" in text
        and "- Mind the data." in text
    )


def test_the_csv_has_published_figures_as_rows_of_another_kind(table: Path) -> None:
    text = tables.to_csv([row("ln")], published.figures(section(table)))
    found = [x for x in csv.DictReader(io.StringIO(text)) if x["status"] == "published"]
    assert {x["detector"] for x in found} == {"Ours", "Theirs", "Framed", "Silent"}
    (one,) = (x for x in found if x["detector"] == "Framed")
    assert (one["level"], one["value"], one["citation"]) == ("frame", "0.75", "Q 2023")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.9312", "93.12", r"line 2: an AUROC of 93.12 is not in \[0, 1\]; write 0.9662"),
        ("0.9312", "high", "line 2: the value 'high' is not a number"),
        ("CDF,frame", "CDF,clip", "line 6: the level 'clip' is none of video, unstated, frame"),
        ("citation", "paper", "has no column citation"),
    ],
)
def test_a_wrong_table_says_what_is_wrong(table: Path, old: str, new: str, message: str) -> None:
    table.write_text(TABLE.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        published.read(str(table))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"files": ["yermakov"]},
            "no published figures at 'yermakov', and none bundled; bundled: ",
        ),
        ({"test_sets": {"test": "CDFF"}}, "'CDFF' is not in .*; did you mean 'CDF'"),
        ({"test_sets": {"tets": "CDF"}}, "published.test_sets: the spec has no 'tets' there"),
        ({"detectors": {"ln": "Our"}}, "detectors: 'Our' is not in .*; did you mean 'Ours'"),
        ({"detector": {}}, "unknown option 'detector'; did you mean 'detectors'"),
    ],
)
def test_names_are_checked_before_anything_runs(
    spec: dict[str, Any], registry: Registry, table: Path, change: dict[str, Any], message: str
) -> None:
    named = {"files": [str(table)], "train_sets": {"crops": "FF"}, "test_sets": {"test": "CDF"}}
    assert specs.validate({**spec, "published": named}, registry).published is not None
    with pytest.raises(SpecError, match=message):
        specs.validate({**spec, "published": {**named, **change}}, registry)


def test_the_paper_is_shown_with_what_its_authors_published(registry: Registry) -> None:
    said = specs.load("specs/paper.yaml", registry).published
    assert said is not None
    found = {(f["here"], f["test_set"]): f["value"] for f in published.figures(said) if f["here"]}
    assert len(found) == 20  # four of the five rows on five test sets
    assert found["linear_probe", "cdfv2"] == 0.7813 and found["ln_norm", "dsv1"] == 0.8881
    assert found["ln_norm_unal_slerp", "dfd"] == 0.98
    levels = {f["level"] for f in published.figures(said)}
    assert levels == {"video", "frame", "unstated"}


@pytest.mark.parametrize("name", ["paper", "deepfakebench", "gend"])
def test_bundled_figures_have_a_source_and_a_place_on_the_board(
    name: str, registry: Registry
) -> None:
    loaded = specs.load(f"specs/{name}.yaml", registry)
    assert loaded.published is not None
    found = published.figures(loaded.published)
    assert {f["test_set"] for f in found} == set(loaded.published.test_sets)
    assert all(f["citation"] and f["source"] and f["confidence"] for f in found)


def test_every_bundled_table_can_be_read() -> None:
    folder = Path(str(resources.files(published.BUNDLED))) / published.FOLDER
    names = sorted(path.stem for path in folder.glob("*.csv"))
    assert names == ["yan2023_deepfakebench", "yan2024_effort", "yermakov2025"]
    assert [len(published.read(name)) for name in names] == [270, 221, 63]
