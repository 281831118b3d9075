"""How sure a metric is: bootstrap over videos.

Labels are (N,) in {0, 1} and scores (N,) p(fake), as in :mod:`dfdbench.metrics`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdbench.api import FAKE, REAL

Labels = NDArray[np.integer[Any]]
Scores = NDArray[np.floating[Any]]

INTERVAL = "95 % percentile bootstrap over videos, stratified by class"


def intervals(
    labels: Labels, scores: Scores, videos: NDArray[Any], seed: int = 0, resamples: int = 2000
) -> dict[str, list[float] | None]:
    """95 % percentile bootstrap interval ``{"auroc": [low, high]}``; see :func:`auroc_resamples`.

    None where there are no resamples or a class has fewer than two videos: drawing one video
    again and again would look like certainty.
    """
    groups = (len(np.unique(videos[labels == value])) for value in (REAL, FAKE))
    if resamples < 1 or min(groups) < 2:
        return {"auroc": None}
    drawn = auroc_resamples(labels, scores, videos, seed, resamples)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"auroc": [float(low), float(high)]}


def auroc_resamples(
    labels: Labels, scores: Scores, videos: NDArray[Any], seed: int, resamples: int
) -> Scores:
    """AUROC of ``resamples`` bootstrap samples, (resamples,).

    Videos are drawn with replacement, as many of each class as there are, and all frames of a
    video come together; ``videos`` (N,) names the video of each score. The draws depend only on
    the seed and the sorted videos of each class, so two detectors scored on the same videos see
    the same samples. Source: Efron & Tibshirani 1993, chapters 8 and 13.
    """
    rng = np.random.default_rng(seed)
    real, real_video, reals = _sorted_class(labels, scores, videos, REAL)
    fake, fake_video, fakes = _sorted_class(labels, scores, videos, FAKE)
    below, upto = np.searchsorted(real, fake, "left"), np.searchsorted(real, fake, "right")
    running = np.zeros(len(real) + 1)  # running[i]: weight of the i lowest reals
    drawn = np.empty(resamples)
    for b in range(resamples):
        real_weight = np.bincount(rng.integers(reals, size=reals), minlength=reals)[real_video]
        fake_weight = np.bincount(rng.integers(fakes, size=fakes), minlength=fakes)[fake_video]
        np.cumsum(real_weight, out=running[1:])
        # Reals below count 1 and ties count half: the mean of "below" and "up to".
        wins = fake_weight @ (running[below] + running[upto]) / 2
        drawn[b] = wins / (running[-1] * fake_weight.sum())
    return drawn


def _sorted_class(
    labels: Labels, scores: Scores, videos: NDArray[Any], value: int
) -> tuple[Scores, NDArray[np.intp], int]:
    """Scores of a class in ascending order, the video of each as 0 to V - 1, and V."""
    mine = labels == value
    order = np.argsort(scores[mine], kind="stable")
    names, video = np.unique(videos[mine], return_inverse=True)
    return scores[mine][order], video[order], len(names)
