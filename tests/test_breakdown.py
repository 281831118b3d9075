"""Figures by method, face size, length and whatever else is known of videos."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dfdbench import metrics
from dfdbench.metrics import breakdown

REALS, SWAPS, REDRAWS = [0.1, 0.3, 0.5, 0.7], [0.2, 0.6], [0.8, 0.9]
LABELS = np.repeat([0, 1], 4)
SCORES = np.array(REALS + SWAPS + REDRAWS)


def broken_down(resamples=0, **columns):
    columns = {name: np.asarray([*values, None], object)[:-1] for name, values in columns.items()}
    return breakdown(columns, LABELS, SCORES, np.arange(8), 0, resamples)


def test_the_fakes_of_each_method_meet_all_reals():
    found = broken_down(method=[""] * 4 + ["swap"] * 2 + ["redraw"] * 2)["method"]
    # .2 is above one real, .6 above three: 4 of 8 pairs; .8 and .9 are above all.
    assert found["swap"] == {"auroc": 0.5, "interval": None, "real": 4, "fake": 2}
    assert found["redraw"] == {"auroc": 1.0, "interval": None, "real": 4, "fake": 2}
    assert list(found) == ["redraw", "swap"]


def test_faces_of_a_size_meet_faces_of_that_size():
    found = broken_down(face_size=[50.0, 64.0, 127.9, 300.0, 63.9, 128.0, 100.0, None])["face_size"]
    assert list(found) == [
        "below 64 px", "64 to 128 px", "128 to 256 px", "256 px or more", "unknown",
    ]  # fmt: skip
    assert found["below 64 px"] == {"auroc": 1.0, "interval": None, "real": 1, "fake": 1}
    # .8 against .3 and .5.
    assert found["64 to 128 px"] == {"auroc": 1.0, "interval": None, "real": 2, "fake": 1}
    assert found["128 to 256 px"]["auroc"] is None
    assert (found["unknown"]["real"], found["unknown"]["fake"]) == (0, 1)


def test_a_column_of_texts_that_reals_have_too_compares_within_each():
    found = broken_down(compression=["c23", "c40"] * 4)["compression"]
    # c23: reals .1 and .5, fakes .2 and .8: three of four pairs. c40: .3, .7 against .6, .9.
    assert {name: part["auroc"] for name, part in found.items()} == {"c23": 0.75, "c40": 0.75}
    assert {name: part["real"] for name, part in found.items()} == {"c23": 2, "c40": 2}


def test_other_numbers_fall_into_quarters():
    found = broken_down(bitrate=[1, 2, 3, 4, 5, 6, 7, 8])["bitrate"]
    assert list(found) == ["below 2.75", "2.75 to 4.5", "4.5 to 6.25", "6.25 or more"]
    assert [part["real"] + part["fake"] for part in found.values()] == [2, 2, 2, 2]


def test_parts_have_intervals_where_both_classes_have_two_videos():
    found = broken_down(200, compression=["c23"] * 3 + ["c40"] + ["c23"] * 4)["compression"]
    low, high = found["c23"]["interval"]
    assert 0 <= low <= found["c23"]["auroc"] <= high <= 1 and low < high
    assert found["c40"]["interval"] is None


def test_names_and_columns_without_a_value_are_no_breakdown():
    many = [f"clip {n}" for n in range(8)] * 8
    columns = {"target_id": ["a"] * 64, "note": [None, ""] * 32, "clip": many}
    values = {name: np.asarray(column, dtype=object) for name, column in columns.items()}
    labels = np.arange(64) % 2
    found = breakdown(values, labels, np.linspace(0, 1, 64), np.arange(64), 0, 0)
    assert list(found) == ["clip"]
    values["clip"] = np.asarray([f"clip {n}" for n in range(64)], dtype=object)
    assert breakdown(values, labels, np.linspace(0, 1, 64), np.arange(64), 0, 0) == {}


def test_evaluate_breaks_down_by_what_is_known_of_the_videos():
    about = {
        "video_id": ["b", "a", "c", "d", "gave no face"],
        "label": [0, 0, 1, 1, 1],
        "method": ["", "", "swap", None, "swap"],
        "length": [50, 500, 50, None, 50],
    }
    found = metrics.evaluate(
        ["a", "b", "c", "c", "d"], [0, 0, 1, 1, 1], [0.1, 0.4, 0.2, 0.4, 0.9],
        resamples=20, about=about,
    )["breakdown"]  # fmt: skip
    assert found["method"] == {
        "swap": {"auroc": 0.5, "interval": None, "real": 2, "fake": 1},
        "unknown": {"auroc": 1.0, "interval": None, "real": 2, "fake": 1},
    }
    # b scores .4 and c .3 on average.
    assert found["length"]["below 100 frames"]["auroc"] == 0.0
    assert found["length"]["300 to 1000 frames"]["auroc"] is None
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_alone_has_counts_and_no_figures(label):
    values = {"length": np.asarray([10, 20, 400], dtype=object)}
    found = breakdown(values, np.full(3, label), np.array([0.1, 0.2, 0.3]), np.arange(3), 0, 10)
    counts = [part["real"] + part["fake"] for part in found.get("length", {}).values()]
    assert counts in ([2, 1], [])
    assert all(part["auroc"] is None for part in found.get("length", {}).values())
