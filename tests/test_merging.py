"""Results of several machines and groups become one, or it is said why they cannot."""

from __future__ import annotations

import json
from typing import Any

import pytest
from boards import closed, row, versus
from pydantic import TypeAdapter

from dfdbench import leaderboard
from dfdbench.errors import DataError
from dfdbench.leaderboard import Board, merging, tables

FIGURE = {"detector": "Theirs", "here": "", "train_set": "ffpp", "test_set": "cdfv2",
          "level": "video", "value": 0.9, "citation": "P", "source": "card", "confidence": "high",
          "note": "", "selected_on_test": False}  # fmt: skip


def document(*rows: dict[str, Any], name: str = "paper", **more: Any) -> dict[str, Any]:
    return {"schema": merging.SCHEMA, "benchmark": name, "rows": list(rows), **more}


def test_folders_of_one_benchmark_keep_its_name() -> None:
    both = {"a": document(row("x")), "b": document(row("y"))}
    assert merging.together(both)["benchmark"] == "paper"
    both["b"]["benchmark"] = "gend"
    assert merging.together(both)["benchmark"] == "merged"


def test_published_figures_of_several_folders_come_once() -> None:
    reported = {"figures": [FIGURE], "notes": ["Mind."]}
    other = {"figures": [FIGURE, {**FIGURE, "detector": "Others"}], "notes": ["Mind."]}
    found = merging.together(
        {"a": document(row("x"), published=reported), "b": document(row("y"), published=other)}
    )
    assert [f["detector"] for f in found["published"]["figures"]] == ["Theirs", "Others"]
    assert found["published"]["notes"] == ["Mind."]
    assert [line.detector for line in leaderboard.of_document(found).published] == [
        "Theirs", "Others",
    ]  # fmt: skip


def test_comparisons_of_the_parts_are_not_those_of_the_whole() -> None:
    one = document(row("a"), row("b", auroc=0.8), comparisons=[versus("b", "a")])
    assert "comparisons" not in merging.together({"here": one})


def test_a_cell_that_was_computed_in_two_ways_is_refused() -> None:
    both = {"a": document(row("x")), "b": document(row("x", key="another"))}
    with pytest.raises(DataError, match=r"x .* was computed in two ways, in a and in b; rename"):
        merging.together(both)


def test_train_sets_of_one_name_and_different_videos_do_not_compete() -> None:
    other = row("y", auroc=0.99)
    other["protocol"]["train_data"] = "0ther"
    found = merging.together({"a": document(row("x"), row("z")), "b": document(other)})
    board = leaderboard.of_document(found)
    assert {line.detector: line.protocol for line in board.lines} == {"x": "A", "z": "A", "y": "B"}
    assert not next(line for line in board.lines if line.detector == "y").cells["cdfv2"].best


def shown() -> Board:
    reported = {"figures": [{**FIGURE, "here": "a"}], "notes": []}
    one = row("one_class", "reals", undefined="only real videos", interval=None)
    one["video"] = dict.fromkeys(one["video"])
    rows = [row("a"), row("a", seed=2), row("b", auroc=0.8), closed("vendor"), one]
    return leaderboard.rank(rows, "b", [versus("b", "a")], reported)


def test_the_json_of_a_board_is_what_its_schema_says() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(tables.json_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    content = json.loads(tables.to_json(shown()))
    jsonschema.validate(content, schema, jsonschema.Draft202012Validator)
    for wrong in (
        {**content, "schema": 0},
        {**content, "more": 1},
        {name: content[name] for name in content if name != "lines"},
        {**content, "lines": [{**content["lines"][0], "mean": "high"}]},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema, jsonschema.Draft202012Validator)


def test_a_board_can_be_read_back_from_its_json() -> None:
    content = json.loads(tables.to_json(shown()))
    assert content.pop("$schema") == tables.SCHEMA_FILE
    assert content.pop("schema") == tables.SCHEMA
    assert TypeAdapter(Board).validate_python(content) == shown()
