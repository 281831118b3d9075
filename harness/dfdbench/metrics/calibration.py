"""How far p(fake) can be read as a probability."""

from __future__ import annotations

from typing import Any

import numpy as np

from dfdbench.metrics.definitions import undefined
from dfdbench.metrics.names import Labels, Scores

BINS = 10


def calibration(labels: Labels, scores: Scores, bins: int = BINS) -> dict[str, Any]:
    """Expected calibration error and reliability curve of V videos, ready for JSON.

    ``ece``, in [0, 1], is the mean over the videos of the distance between mean p(fake) and share
    of fakes in the video's bin. ``curve`` holds ``[mean p(fake), share of fakes, videos]`` of each
    bin, ascending. Bins have about equal numbers of videos, equal scores always share one, so
    there may be fewer than ``bins``. With one class ``ece`` is None and the curve empty.

    A perfectly calibrated detector does not reach 0 either, since shares of few videos scatter. The
    share of fakes is the test set's: on a set with another share, the same scores are calibrated
    otherwise. Sources: Naeini et al. 2015; equal masses: Nguyen & O'Connor 2015.
    """
    curve: list[list[float]] = []
    if not undefined(labels):
        order = np.argsort(scores, kind="stable")
        p, y = scores[order], labels[order]
        # A bin starts at each score that stands at a multiple of V / bins, or first among equals.
        starts = np.searchsorted(p, p[np.arange(bins) * len(p) // bins])
        curve = [
            [float(mine.mean()), float(fakes.mean()), len(mine)]
            for mine, fakes in zip(
                *(np.split(each, np.unique(starts)[1:]) for each in (p, y)), strict=True
            )
        ]
    ece = sum(n * abs(mean - share) for mean, share, n in curve) / len(labels) if curve else None
    return {"bins": bins, "binning": "equal mass", "ece": ece, "curve": curve}
