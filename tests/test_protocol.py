"""What a figure rests on, and who competes with whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from boards import closed, failed, row, versus

from dfdbench import leaderboard
from dfdbench import spec as specs
from dfdbench.errors import SpecError
from dfdbench.leaderboard import Board, Line, protocol, tables, terminal
from dfdbench.leaderboard.protocol import Declared
from dfdbench.registry import Registry


def lines_of(board: Board) -> dict[str, Line]:
    return {line.detector: line for line in board.lines}


def sets(detector: str, *values: float, **how: Any) -> list[dict[str, Any]]:
    return [row(detector, f"t{n}", auroc=value, **how) for n, value in enumerate(values)]


def test_a_row_says_what_it_rests_on() -> None:
    found = protocol.of_row(
        row("a", videos={"real": 5, "fake": 7, "unscored": 2}, faces={"recipe": "precropped"}),
        seeds=[1, 2], frames=(4, 32), train_data="f00",
    )  # fmt: skip
    assert found == {
        "train_set": "ffpp", "train_data": "f00", "selection": "best video map",
        "selected_on": "validation", "seeds": [1, 2], "seen": "zero-shot", "declared": False,
        "frames": "4 to 32", "faces": "precropped", "scored": 10, "unscored": 2, "trial": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("made", "seen"),
    [
        (row("a"), "zero-shot"),
        (row("a", leak="t0 shares 2 videos"), "leaked"),
        (row("a", fit={"selected_on": "test"}), "leaked"),
        (closed("a"), "unknown"),
        (closed("a", declared=Declared(trained_on="FF++", seen="zero-shot")), "zero-shot"),
        (row("a", declared=Declared(seen="unknown")), "zero-shot"),  # it was seen to train here
    ],
)
def test_whether_a_test_set_was_seen(made: dict[str, Any], seen: str) -> None:
    assert made["protocol"]["seen"] == seen


@pytest.mark.parametrize(
    "other",
    [
        {"train_set": "dfdc"},
        {"fit": {"selected_on": "none"}},
        {"faces": {"recipe": "frames 8", "expected": 0, "identical": 0}},
        {"trial": 8},
        {"protocol": {**row("b")["protocol"], "train_data": "0ther"}},
    ],
)
def test_what_differs_in_the_protocol_does_not_compete(other: dict[str, Any]) -> None:
    rows = [row("a", auroc=0.8), row("a2", auroc=0.7), row("b", auroc=0.9, **other)]
    found = lines_of(leaderboard.rank(rows))
    assert found["a"].cells["cdfv2"].best and not found["b"].cells["cdfv2"].best
    assert (found["a"].protocol, found["a2"].protocol, found["b"].protocol) == ("A", "A", "B")
    assert (found["a"].rank, found["a2"].rank, found["b"].rank) == (1.0, 2.0, 1.0)
    assert [found[name].guest for name in ("a", "a2", "b")] == [False, False, True]


def test_the_rule_that_picks_an_epoch_belongs_to_the_detector() -> None:
    rows = [row("a"), row("b", fit={"selection": "best frame auroc"})]
    assert {line.protocol for line in leaderboard.rank(rows).lines} == {"A"}


def test_each_protocol_has_a_best_of_its_own_where_it_has_several_lines() -> None:
    rows = [
        row("a", auroc=0.9), row("b", auroc=0.8),
        row("c", train_set="dfdc", auroc=0.7), row("d", train_set="dfdc", auroc=0.6),
    ]  # fmt: skip
    found = lines_of(leaderboard.rank(rows))
    assert [name for name in found if found[name].cells["cdfv2"].best] == ["a", "c"]
    assert [found[name].rank for name in "abcd"] == [1.0, 2.0, 1.0, 2.0]


def test_average_ranks_share_ties_and_need_every_test_set() -> None:
    rows = [*sets("a", 0.9, 0.8, 0.7), *sets("b", 0.9, 0.7, 0.8), *sets("c", 0.5, 0.9, 0.6),
            *sets("d", 0.95, 0.95)]  # fmt: skip
    rows.append(failed("d", "t2"))
    found = lines_of(leaderboard.rank(rows))
    # t0: a and b share 1 and 2, c is 3; t1: c, a, b; t2: b, a, c. d has no place on t2.
    assert found["a"].rank == pytest.approx((1.5 + 2 + 2) / 3)
    assert found["b"].rank == pytest.approx((1.5 + 3 + 1) / 3)
    assert found["c"].rank == pytest.approx((3 + 1 + 3) / 3)
    assert found["d"].rank is None


def test_a_test_set_that_was_seen_counts_for_no_rank() -> None:
    rows = [*sets("a", 0.9, 0.6), *sets("b", 0.8, 0.7)]
    for each in rows:
        if each["test_set"] == "t0":
            each["leak"] = "t0 shares 1 videos"
    found = lines_of(leaderboard.rank(rows))
    assert (found["a"].rank, found["b"].rank) == (2.0, 1.0)
    assert not found["a"].cells["t0"].best and found["b"].cells["t1"].best


def test_a_closed_detector_is_placed_among_the_others_without_changing_their_ranks() -> None:
    trained = [row("a", auroc=0.9), row("b", auroc=0.7)]
    board = leaderboard.rank([*trained, closed("vendor", auroc=0.8)])
    found = lines_of(board)
    assert [line.detector for line in board.lines] == ["a", "vendor", "b"]
    assert (found["vendor"].rank, found["vendor"].guest) == (2.0, True)
    assert (found["a"].rank, found["b"].rank) == (1.0, 2.0)
    assert board.protocols["B"] == "trained elsewhere, what it has seen is unknown"
    for text in (tables.to_markdown(board), terminal.to_terminal(board)):
        assert "vendor ?" in text and "(2.0)" in text
        assert "whether it has seen a test set is unknown" in " ".join(text.split())


def test_the_best_closed_detector_is_not_the_best_of_the_board() -> None:
    found = lines_of(leaderboard.rank([row("a", auroc=0.8), closed("vendor", auroc=0.99)]))
    assert found["a"].cells["cdfv2"].best and found["a"].best_mean
    assert not found["vendor"].cells["cdfv2"].best and not found["vendor"].best_mean


def test_closed_detectors_compete_where_there_are_no_others() -> None:
    found = lines_of(leaderboard.rank([closed("x", auroc=0.9), closed("y", auroc=0.8)]))
    assert found["x"].cells["cdfv2"].best
    assert (found["x"].rank, found["y"].rank, found["y"].guest) == (1.0, 2.0, False)


def test_what_an_owner_declares_is_shown_as_declared() -> None:
    said = Declared(trained_on="FF++ c23", selection="best on validation", seen="zero-shot")
    board = leaderboard.rank([row("a"), row("b"), closed("vendor", declared=said)])
    assert board.protocols["B"] == (
        "trained elsewhere on FF++ c23, zero-shot, as declared and not checked"
    )
    text = tables.to_markdown(board)
    assert "vendor ?" not in text and "| best on validation, as declared | B " in text


def test_what_is_declared_to_have_seen_the_test_set_is_never_the_best() -> None:
    said = Declared(trained_on="everything", seen="leaked")
    rows = [closed("x", auroc=0.99, declared=said), closed("y", auroc=0.9, declared=said)]
    board = leaderboard.rank([row("a"), *rows])
    found = lines_of(board)
    assert found["x"].cells["cdfv2"].leaked and found["x"].rank is None
    assert [name for name in found if found[name].cells["cdfv2"].best] == ["a"]
    assert "99.0 §" in tables.to_markdown(board)


def test_one_protocol_needs_no_letters() -> None:
    text = tables.to_markdown(leaderboard.rank([row("a"), row("b")]))
    assert "Protocol |" not in text
    assert (
        "- Protocol: trained on ffpp, checkpoint chosen on validation, zero-shot; seed 42." in text
    )


@pytest.mark.parametrize(
    ("p", "interval", "tied"),
    [(0.5, (-0.02, 0.01), True), (0.001, (-0.02, -0.01), False), (0.001, (-0.02, 0.01), True),
     (0.06, (-0.02, -0.01), True)],
)  # fmt: skip
def test_what_cannot_be_told_from_the_best_is_marked(
    p: float, interval: tuple[float, float], tied: bool
) -> None:
    rows = [row("a", auroc=0.9), row("b", auroc=0.88), row("c", auroc=0.6)]
    board = leaderboard.rank(rows, "", [versus("b", "a", p=p, interval=interval)])
    found = lines_of(board)
    assert [found[name].cells["cdfv2"].tied for name in "abc"] == [False, tied, False]
    assert ("88.0 ≈" in tables.to_markdown(board)) is tied
    assert ("88.0≈" in terminal.to_terminal(board)) is tied


def test_without_comparisons_nothing_is_called_equal() -> None:
    text = tables.to_markdown(leaderboard.rank([row("a", auroc=0.9), row("b", auroc=0.89)]))
    assert "≈" not in text


def test_a_failed_line_has_neither_protocol_nor_rank() -> None:
    found = lines_of(leaderboard.rank([row("a"), row("b", auroc=0.8), failed("c")]))
    assert (found["c"].protocol, found["c"].rank, found["c"].seen) == ("", None, "")


def test_a_spec_declares_only_what_does_not_train_here(
    spec: dict[str, Any], registry: Registry, tmp_path: Path
) -> None:
    spec["detectors"]["vendor"] = {"use": "scores", "path": str(tmp_path / "scores.csv")}
    spec["declared"] = {"vendor": {"trained_on": "FF++", "seen": "zero-shot"}}
    assert specs.validate(spec, registry).declared["vendor"].seen == "zero-shot"
    spec["declared"] = {"ln": {"seen": "zero-shot"}}
    with pytest.raises(SpecError, match=r"declared\.ln: 'ln' trains here"):
        specs.validate(spec, registry)
    spec["declared"] = {"vendor": {"sen": "zero-shot"}}
    with pytest.raises(SpecError, match=r"declared.vendor.sen: .* did you mean 'seen'"):
        specs.validate(spec, registry)
