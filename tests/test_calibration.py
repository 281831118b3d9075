"""ECE and reliability curve, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dfdbench.metrics import calibration


def test_bins_hold_equal_numbers_of_videos_and_their_gaps_are_weighted():
    # Two bins of three: means .2 and .8, shares of fakes 1/3 and 2/3.
    scores = np.array([0.9, 0.1, 0.2, 0.3, 0.7, 0.8])
    found = calibration(np.array([1, 0, 0, 1, 0, 1]), scores, bins=2)
    assert found["curve"] == [
        [pytest.approx(0.2), pytest.approx(1 / 3), 3],
        [pytest.approx(0.8), pytest.approx(2 / 3), 3],
    ]
    assert found["ece"] == pytest.approx((abs(0.2 - 1 / 3) + abs(0.8 - 2 / 3)) / 2)
    assert (found["bins"], found["binning"]) == (2, "equal mass")


def test_equal_scores_share_a_bin():
    # Bins would start at places 0, 2 and 4; the four equal scores begin at 1.
    found = calibration(np.array([0, 0, 1, 1, 1, 1]), np.array([0.1, 0.5, 0.5, 0.5, 0.5, 0.9]), 3)
    assert [count for *_, count in found["curve"]] == [1, 5]
    assert found["curve"][1][:2] == [pytest.approx(2.9 / 5), pytest.approx(4 / 5)]


def test_scores_that_are_the_label_are_calibrated():
    labels = np.array([0, 1] * 50)
    assert calibration(labels, labels.astype(float))["ece"] == 0.0


def test_a_detector_that_says_80_percent_and_is_right_in_half_is_off_by_30():
    found = calibration(np.array([0, 1] * 20), np.full(40, 0.8))
    assert found["curve"] == [[pytest.approx(0.8), 0.5, 40]]
    assert found["ece"] == pytest.approx(0.3)


def test_every_video_is_in_one_bin_whatever_their_number():
    rng = np.random.default_rng(0)
    for count in range(2, 40):
        labels = rng.integers(0, 2, count)
        labels[:2] = 0, 1
        found = calibration(labels, np.round(rng.random(count), 1))
        assert sum(n for *_, n in found["curve"]) == count
        assert [mean for mean, *_ in found["curve"]] == sorted(m for m, *_ in found["curve"])


def test_one_class_has_no_calibration():
    found = calibration(np.array([1, 1]), np.array([0.3, 0.4]))
    assert (found["ece"], found["curve"]) == (None, [])
