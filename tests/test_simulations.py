"""Whether intervals and tests keep what they promise, on scores whose true AUROC is known.

Scores are normal with standard deviation 1 and means ``SHIFT`` apart, through a sigmoid, which
leaves every order as it is: the true AUROC is Phi(SHIFT / sqrt 2). As in a benchmark, all score
sets of the same videos see the same bootstrap samples.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.random import default_rng
from scipy.stats import norm

from dfdbench.metrics import bootstrap, delong
from dfdbench.metrics.bootstrap import Draws
from dfdbench.metrics.weighted import Sorted

VIDEOS = 100
"""Of each class."""
SETS = 1000
SHIFT = 1.5
LABELS = np.repeat([0, 1], VIDEOS)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def samples(labels, videos, resamples):
    """The cluster of each score, and how often each of these videos is in each sample."""
    draws = Draws.of(labels, videos, 0, resamples)
    return draws, np.concatenate(list(draws.blocks(resamples)))


def aurocs(labels, scores, drawn):
    """Under the samples, (resamples,)."""
    draws, weights = drawn
    return Sorted(labels, scores, draws.member, draws.clusters).measure(weights, True)["auroc"]


def test_the_shortcut_of_these_simulations_is_what_intervals_give():
    scores = sigmoid(default_rng(0).normal(size=2 * VIDEOS) + SHIFT * LABELS)
    drawn = aurocs(LABELS, scores, samples(LABELS, np.arange(2 * VIDEOS), 200))
    found = bootstrap.intervals(LABELS, scores, np.arange(2 * VIDEOS), 0, 200)["auroc"]
    assert found == bootstrap.ends({"auroc": drawn}, ("auroc",))["auroc"]


def test_intervals_cover_the_true_auroc_in_93_to_97_percent_of_1000_draws():
    truth = norm.cdf(SHIFT / np.sqrt(2))
    rng, drawn = default_rng(1), samples(LABELS, np.arange(2 * VIDEOS), 1000)
    covered = 0
    for _ in range(SETS):
        scores = sigmoid(rng.normal(size=2 * VIDEOS) + SHIFT * LABELS)
        low, high = np.quantile(aurocs(LABELS, scores, drawn), bootstrap.ENDS)
        covered += low <= truth <= high
    assert 0.93 <= covered / SETS <= 0.97, covered


def test_delongs_intervals_cover_the_true_auroc_in_93_to_97_percent_of_1000_draws():
    truth = norm.cdf(SHIFT / np.sqrt(2))
    logits = default_rng(2).normal(size=(SETS, 2 * VIDEOS)) + SHIFT * LABELS
    reals, fakes = delong.placements(LABELS, sigmoid(logits))
    ends = [
        delong.interval(fake.mean(), delong.covariance(real[None], fake[None])[0, 0])
        for real, fake in zip(reals, fakes, strict=True)
    ]
    covered = sum(low <= truth <= high for low, high in ends)
    assert 0.93 <= covered / SETS <= 0.97, covered


def test_paired_tests_call_3_to_7_percent_of_equal_detectors_different():
    rng, drawn = default_rng(3), samples(LABELS, np.arange(2 * VIDEOS), 500)
    found = {"bootstrap": 0, "interval": 0, "DeLong": 0}
    for _ in range(SETS):
        shared = rng.normal(size=2 * VIDEOS)  # a video is hard for both: correlation one half
        own = rng.normal(size=(2, 2 * VIDEOS))
        pair = sigmoid((shared + own) / np.sqrt(2) + SHIFT * LABELS)
        reals, fakes = delong.placements(LABELS, pair)
        difference = np.diff(fakes.mean(axis=1))[0]
        resampled = np.subtract(*(aurocs(LABELS, scores, drawn) for scores in pair))
        low, high = np.quantile(resampled, bootstrap.ENDS)
        found["interval"] += not low <= 0 <= high
        found["bootstrap"] += delong.p_value(difference, resampled.var(ddof=1)) < 0.05
        variance = delong.variance_of_difference(reals, fakes)
        found["DeLong"] += delong.p_value(difference, variance) < 0.05
    for name, count in found.items():
        assert 0.03 <= count / SETS <= 0.07, (name, count)


def test_videos_must_be_drawn_where_the_frames_of_a_video_are_alike():
    frames, sets = 6, 200
    videos = np.repeat(np.arange(2 * VIDEOS), frames)
    labels = np.repeat(LABELS, frames)
    truth = norm.cdf(SHIFT / np.sqrt(2))
    rng = default_rng(4)
    each = {"videos": videos, "frames": np.arange(len(labels))}
    drawn = {what: samples(labels, clusters, 300) for what, clusters in each.items()}
    covered = dict.fromkeys(drawn, 0)
    for _ in range(sets):
        own = np.sqrt(0.8) * np.repeat(rng.normal(size=2 * VIDEOS), frames)
        noise = np.sqrt(0.2) * rng.normal(size=len(labels))
        scores = sigmoid(own + noise + SHIFT * labels)
        for what, how in drawn.items():
            low, high = np.quantile(aurocs(labels, scores, how), bootstrap.ENDS)
            covered[what] += low <= truth <= high
    assert covered["videos"] / sets == pytest.approx(0.95, abs=0.035), covered
    assert covered["frames"] / sets < 0.75, covered
