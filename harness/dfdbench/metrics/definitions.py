"""The one definition of each metric.

Everywhere labels are (N,) in {0, 1} with 0 real and 1 fake, and scores are (N,) p(fake), higher
meaning more fake. A face or video is called fake where its score reaches the threshold.
"""

from __future__ import annotations

import numpy as np

from dfdbench.api import FAKE, REAL
from dfdbench.metrics.names import METRICS, Labels, Scores
from dfdbench.metrics.weighted import Curve, Sorted

ONCE = np.ones((1, 1), dtype=np.int64)


def undefined(labels: Labels, things: str = "videos") -> str:
    """Why a metric of two classes has no value on these labels; empty where it has one."""
    if not len(labels):
        return f"no {things} with a score"
    if (labels == FAKE).all():
        return f"only fake {things}"
    return f"only real {things}" if (labels == REAL).all() else ""


def auroc(labels: Labels, scores: Scores) -> float:
    """Area under the ROC curve, in [0, 1]; a tie of a real and a fake counts as half."""
    return float(_curve(labels, scores).auroc()[0])


def average_precision(labels: Labels, scores: Scores, positive: int = FAKE) -> float:
    """AP of the class ``positive``, in [0, 1]: mean precision by steps of recall.

    Equal scores are one step; reals are sought from the lowest p(fake) up.
    """
    curve = _curve(labels, scores)
    found = curve.precision_of_fakes() if positive == FAKE else curve.precision_of_reals()
    return float(found[0])


def mean_average_precision(labels: Labels, scores: Scores) -> float:
    """Mean of AP(real) and AP(fake), in [0, 1]."""
    return (average_precision(labels, scores, REAL) + average_precision(labels, scores)) / 2


def eer(labels: Labels, scores: Scores) -> float:
    """Equal error rate, in [0, 1]: the root x of 1 - x - ROC(x) on the interpolated ROC."""
    return float(_curve(labels, scores).eer()[0])


def tpr_at_fpr(labels: Labels, scores: Scores, fpr: float) -> float:
    """The largest TPR of a threshold whose FPR is at most ``fpr``; both in [0, 1].

    Nothing is interpolated: below 1 / ``fpr`` reals it is the TPR without any false alarm.
    """
    return float(_curve(labels, scores).tpr_at_fpr(fpr)[0])


def accuracy(labels: Labels, scores: Scores, threshold: float) -> float:
    """Share of right decisions at a threshold that was fixed elsewhere, in [0, 1]."""
    return float(((scores >= threshold) == labels).mean())


def balanced_accuracy(labels: Labels, scores: Scores, threshold: float) -> float:
    """Mean of the accuracies on reals and on fakes, in [0, 1]."""
    _need_both(labels)
    right = (scores >= threshold) == labels
    return float((right[labels == REAL].mean() + right[labels == FAKE].mean()) / 2)


def brier(labels: Labels, scores: Scores) -> float:
    """Mean squared difference of p(fake) and label, in [0, 1]; 0 is perfect. Source: Brier 1950."""
    return float(np.mean((scores - labels) ** 2))


def eer_threshold(labels: Labels, scores: Scores) -> float | None:
    """The threshold where FPR and FNR are closest, for use on validation; NaN scores are left out.

    It lies half-way between two neighbouring scores, so that it favours neither of them. None
    where a class has no score.
    """
    labels, scores = labels[~np.isnan(scores)], scores[~np.isnan(scores)]
    if undefined(labels):
        return None
    curve = _curve(labels, scores)
    at = np.unique(scores)[::-1]
    fpr, tpr = curve.reals[0] / curve.reals[0, -1], curve.fakes[0] / curve.fakes[0, -1]
    # At at[k] and down to at[k + 1] the decisions are the same.
    # 1e-9: of thresholds at the same distance the one with the fewest errors.
    k = int(np.argmin(np.abs(1 - tpr - fpr) + 1e-9 * (1 - tpr + fpr)))
    if k + 1 == len(at):
        return float(at[k])
    middle = float((at[k] + at[k + 1]) / 2)
    return middle if middle > at[k + 1] else float(at[k])


def measure(labels: Labels, scores: Scores, threshold: float) -> dict[str, float | None]:
    """All of ``METRICS``; each None where one class is missing. No score may be NaN."""
    if undefined(labels):
        return dict.fromkeys(METRICS)
    found = _once(labels, scores, threshold).measure(ONCE)
    return {name: float(value[0]) for name, value in found.items()}


def _curve(labels: Labels, scores: Scores) -> Curve:
    _need_both(labels)
    return _once(labels, scores).curve(ONCE)


def _once(labels: Labels, scores: Scores, threshold: float = 0.5) -> Sorted:
    """All scores as one cluster, which ``ONCE`` takes as they are."""
    return Sorted(labels, scores, np.zeros(len(labels), dtype=np.intp), 1, threshold)


def _need_both(labels: Labels) -> None:
    if reason := undefined(labels, "labels"):
        raise ValueError(f"undefined: {reason}")
