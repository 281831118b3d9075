"""What is wrong inside a split, and what two splits share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import Dfdbench, Write, write_face

from dfdbench.api import FAKE, REAL, Video
from dfdbench.data.index import Index
from dfdbench.data.integrity import Leak, examine, shared


def index(*rows: tuple[str, int, str], people: bool = False) -> Index:
    """An index of videos of one file each: (id, label, hash)."""
    videos = tuple(
        Video(id, label, files=(f"{id}.mp4",), method="DF" if label else "",
              target_id=id[0] if people else "", source_id=id[1:] if people and label else "")
        for id, label, _ in rows
    )  # fmt: skip
    return Index(videos, tuple((sha,) for _, _, sha in rows), "fingerprint")


def test_counts_of_a_sound_split_say_nothing_more() -> None:
    found = examine(index(("a", REAL, "1"), ("ab", FAKE, "2"), ("cd", FAKE, "3"), people=True))
    assert (found.real, found.fake, found.methods, found.people) == (1, 2, 1, 4)
    assert found.sentences() == []


def test_a_missing_class_is_said_first() -> None:
    assert examine(index(("a", REAL, "1"))).sentences()[0] == "no fake video"
    assert examine(index(("a", FAKE, "1"))).sentences()[0] == "no real video"


def test_equal_content_is_counted_and_contradictions_are_named() -> None:
    found = examine(index(("a", REAL, "1"), ("b", REAL, "1"), ("c", FAKE, "1"), ("d", FAKE, "2")))
    assert found.duplicates == ("b.mp4", "c.mp4")
    assert found.contradictory == 1
    (said,) = found.sentences()
    assert said == ("2 files have the content of another, 1 of them real and fake, such as b.mp4")


def test_files_without_content_are_no_duplicates_of_each_other() -> None:
    assert examine(index(("a", REAL, ""), ("b", FAKE, ""))).duplicates == ()


def test_videos_are_shared_by_content_and_in_one_data_set_by_id() -> None:
    train = index(("a", REAL, "1"), ("b", FAKE, "2"))
    test = index(("x", REAL, "1"), ("b", FAKE, "9"), ("z", FAKE, "3"))
    assert shared(train, test, one_data_set=False) == (["x"], [])
    assert shared(train, test, one_data_set=True) == (["x", "b"], [])


def test_people_are_shared_in_one_data_set_only() -> None:
    train = index(("a", REAL, "1"), ("bc", FAKE, "2"), people=True)
    test = index(("c", REAL, "3"), ("da", FAKE, "4"), people=True)
    assert shared(train, test, one_data_set=True) == ([], ["a", "c"])
    assert shared(train, test, one_data_set=False) == ([], [])


def test_a_leak_is_a_sentence() -> None:
    leak = Leak("ffpp", "train", "cdfv2", ("a", "b", "c", "d"), ())
    assert str(leak) == (
        "test set cdfv2 shares 4 videos (a, b, c, ...) with train of train set ffpp"
    )


@pytest.fixture
def leaking(spec: dict[str, Any], crops: Path) -> dict[str, Any]:
    """The test set holds a crop that is in training, byte for byte."""
    seen = (crops / "TRAIN" / "real" / "000" / "000.png").read_bytes()
    (crops / "TEST" / "real" / "000" / "000.png").write_bytes(seen)
    return spec


def test_a_leak_stops_the_run_and_check_shows_it(
    leaking: dict[str, Any], dfdbench: Dfdbench, write_spec: Write, crops: Path
) -> None:
    path = write_spec(leaking)
    code, _, said = dfdbench("run", path, "--data", crops)
    assert code == 3
    assert "test set test shares 1 videos (TEST/real/000) with train of train set crops" in said
    assert "accept_leaks" in said
    code, shown, _ = dfdbench("check", path, "--data", crops)
    assert code == 3
    assert "train and test are not apart:" in shown
    assert "stops a run" in " ".join(shown.split())


def test_an_accepted_leak_is_marked_and_never_the_best(
    leaking: dict[str, Any], dfdbench: Dfdbench, write_spec: Write, crops: Path
) -> None:
    leaking["test_sets"]["test"]["accept_leaks"] = ["crops"]
    write_face(crops / "CLEAN" / "real" / "a" / "0.png", 77, False)
    write_face(crops / "CLEAN" / "DF" / "a_b" / "0.png", 78, True)
    leaking["test_sets"]["clean"] = {"dataset": {"use": "image_folder", "path": "CLEAN"},
                                     "split": "all"}  # fmt: skip
    code, shown, said = dfdbench("run", write_spec(leaking), "--data", crops)
    assert code == 0, said
    board = Path("results/tiny/leaderboard.md").read_text(encoding="utf-8")
    rows = [line for line in board.splitlines() if line.startswith("| ln") or "| probe" in line]
    assert rows and all(row.count("§") == 1 for row in rows)
    assert not any("**" in row.split("|")[3] for row in rows), "the leaked column has no best"
    assert "§: the detector has seen" in board
    assert "seen before: test set test shares 1 videos" in board
    code, shown, _ = dfdbench("check", write_spec(leaking), "--data", crops)
    assert code == 0
    assert "accepted, its rows are marked" in " ".join(shown.split())


def test_an_unknown_train_set_cannot_be_accepted(
    spec: dict[str, Any], dfdbench: Dfdbench, write_spec: Write, crops: Path
) -> None:
    spec["test_sets"]["test"]["accept_leaks"] = ["nobody"]
    code, _, said = dfdbench("check", write_spec(spec), "--data", crops)
    assert code == 2
    assert "test_sets.test.accept_leaks: no train set 'nobody'" in said
