"""DeLong's variance of AUROCs that were measured on the same reals and fakes.

Sources: DeLong, DeLong & Clarke-Pearson 1988; by ranks: Sun & Xu 2014.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from dfdbench.api import FAKE, REAL
from dfdbench.metrics.names import Labels, Scores

ENDS = (0.025, 0.975)


def placements(labels: Labels, scores: Scores) -> tuple[Scores, Scores]:
    """For each real (K, R) the share of fakes above it, for each fake (K, F) of reals below it.

    Equal scores count half. The mean of either is the AUROC.
    """
    real, fake = scores[:, labels == REAL], scores[:, labels == FAKE]
    both = rankdata(np.concatenate([real, fake], axis=1), axis=1)  # equal ones share a mean rank
    # A rank among all less the rank in the own class counts the other class below.
    fakes_below = both[:, : real.shape[1]] - rankdata(real, axis=1)
    reals_below = both[:, real.shape[1] :] - rankdata(fake, axis=1)
    return 1 - fakes_below / fake.shape[1], reals_below / real.shape[1]


def covariance(reals: Scores, fakes: Scores) -> Scores:
    """Covariance (K, K) of the AUROCs of K detectors, from their placements (K, R) and (K, F).

    Raises:
        ValueError: a class has fewer than two scores, which do not vary.
    """
    if min(reals.shape[1], fakes.shape[1]) < 2:
        raise ValueError("undefined: DeLong's variance needs two reals and two fakes")
    spread = np.cov(reals) / reals.shape[1] + np.cov(fakes) / fakes.shape[1]
    return np.reshape(spread, (len(reals), len(reals)))


def variance_of_difference(reals: Scores, fakes: Scores) -> float:
    """Variance of the difference of two AUROCs, from their placements (2, R) and (2, F)."""
    found = covariance(reals, fakes)
    return float(found[0, 0] + found[1, 1] - 2 * found[0, 1])


def p_value(difference: float, variance: float) -> float:
    """Two-sided p of a difference that is 0 in truth, by the normal distribution.

    Without any variance, as where two detectors sort all videos alike, 1 for no difference, else 0.
    """
    if variance <= 0:
        return float(difference == 0)
    return float(2 * norm.sf(abs(difference) / np.sqrt(variance)))


def interval(auroc: float, variance: float) -> list[float] | None:
    """95 % interval [low, high] of an AUROC by its logit, which keeps it inside [0, 1].

    None where all or none of the pairs are in order, or the scores do not vary: there the variance
    is 0 and says nothing.
    """
    if variance <= 0 or not 0 < auroc < 1:
        return None
    logit, spread = np.log(auroc / (1 - auroc)), np.sqrt(variance) / (auroc * (1 - auroc))
    found: NDArray[Any] = 1 / (1 + np.exp(-(logit + norm.ppf(ENDS) * spread)))
    return [float(end) for end in found]
