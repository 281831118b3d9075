"""DeLong's variance, against a count over all pairs of reals and fakes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.random import default_rng

from dfdbench import metrics
from dfdbench.metrics import delong
from dfdbench.metrics.bootstrap import auroc_resamples


def scores_of(rng, count, detectors=2, digits=17):
    labels = rng.integers(0, 2, count)
    labels[:4] = 0, 0, 1, 1
    own = rng.normal(size=count) + labels
    scores = 1 / (1 + np.exp(-(own + rng.normal(size=(detectors, count)))))
    return labels, np.round(scores, digits)


def by_all_pairs(labels, scores):
    """AUROCs and covariance from the matrix of every fake against every real."""
    wins = []
    for row in scores:
        real, fake = row[labels == 0], row[labels == 1]
        wins.append((fake[:, None] > real) + 0.5 * (fake[:, None] == real))
    found = np.empty((len(wins), len(wins)))
    aurocs = [win.mean() for win in wins]
    for r, first in enumerate(wins):
        for s, second in enumerate(wins):
            f, n = first.shape
            of_fakes = (first.mean(axis=1) - aurocs[r]) @ (second.mean(axis=1) - aurocs[s])
            of_reals = (first.mean(axis=0) - aurocs[r]) @ (second.mean(axis=0) - aurocs[s])
            found[r, s] = of_fakes / (f - 1) / f + of_reals / (n - 1) / n
    return aurocs, found


def test_aurocs_and_covariances_equal_a_count_over_all_pairs_on_200_score_sets():
    rng = default_rng(0)
    for n in range(200):
        count = int(rng.integers(4, 80))
        labels, scores = scores_of(rng, count, detectors=3, digits=1 if n % 2 else 17)
        aurocs, covariance = by_all_pairs(labels, scores)
        placed = delong.placements(labels, scores)
        for each in placed:
            assert each.mean(axis=1) == pytest.approx(aurocs, abs=1e-12)
        assert delong.covariance(*placed) == pytest.approx(covariance, abs=1e-12)


def test_the_variance_of_two_and_two_by_hand():
    # Reals .1 and .4, fakes .35 and .8. Fakes have 1/2 and 1 of the reals below them, the reals
    # 1 and 1/2 of the fakes above: variances 1/8 each, over 2 scores each: 1/16 + 1/16.
    reals, fakes = delong.placements(np.array([0, 0, 1, 1]), np.array([[0.1, 0.4, 0.35, 0.8]]))
    assert (reals.tolist(), fakes.tolist()) == ([[1.0, 0.5]], [[0.5, 1.0]])
    assert delong.covariance(reals, fakes).tolist() == [[0.125]]


def test_the_variance_agrees_with_the_bootstrap():
    labels, scores = scores_of(default_rng(2), 400)
    placed = delong.placements(labels, scores)
    spread = np.sqrt(np.diag(delong.covariance(*placed)))
    videos = np.arange(400)
    drawn = [auroc_resamples(labels, row, videos, 0, 2000) for row in scores]
    assert np.std(drawn, axis=1) == pytest.approx(spread, rel=0.05)
    difference = np.sqrt(delong.variance_of_difference(*placed))
    assert np.std(drawn[0] - drawn[1]) == pytest.approx(difference, rel=0.05)


def test_a_difference_of_1_96_standard_deviations_has_p_0_05():
    assert delong.p_value(1.959964 * 0.02, 0.02**2) == pytest.approx(0.05, abs=1e-6)
    assert delong.p_value(-1.959964 * 0.02, 0.02**2) == pytest.approx(0.05, abs=1e-6)


def test_equal_orders_have_p_1():
    labels, scores = scores_of(default_rng(3), 50, detectors=1)
    placed = delong.placements(labels, np.vstack([scores, scores**2]))
    assert delong.variance_of_difference(*placed) == pytest.approx(0, abs=1e-18)
    assert delong.p_value(0.0, 0.0) == 1.0
    assert delong.p_value(0.5, 0.0) == 0.0


def test_the_interval_stays_below_1_and_is_none_where_classes_do_not_overlap():
    # AUROC .98 with standard deviation .01: logit 3.892 +- 1.96 * .01 / (.98 * .02).
    low, high = delong.interval(0.98, 0.01**2)
    assert (low, high) == (pytest.approx(0.94747, abs=1e-4), pytest.approx(0.99255, abs=1e-4))
    assert delong.interval(1.0, 0.0) is None


def test_one_real_has_no_variance():
    placed = delong.placements(np.array([0, 1, 1]), np.array([[0.2, 0.3, 0.1]]))
    assert placed[1].mean() == metrics.auroc(np.array([0, 1, 1]), np.array([0.2, 0.3, 0.1]))
    with pytest.raises(ValueError, match="needs two reals and two fakes"):
        delong.covariance(*placed)
