"""Every metric of scores that count several times, for many weightings at once.

A bootstrap sample is a weight for each cluster, such as a video with all its frames. The scores are
sorted once; what each sample needs then follows from running weights of both classes. What comes
out equals the metrics of scores that are repeated as often as they weigh.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dfdbench.api import FAKE, REAL
from dfdbench.metrics.names import FPRS, METRICS, Labels, Scores

Weights = NDArray[np.int64]
BLOCK = 1 << 17
"""Scores times samples that are worked on at once: 1 MB an array, which a core's cache holds."""


class Curve(NamedTuple):
    """Running weights at the K distinct scores, from the highest down, of B samples.

    Both classes weigh something in each sample. Every figure is (B,).

    Attributes:
        real: (B, K) weight of the reals with this score.
        fake: (B, K) the same of the fakes.
        reals: (B, K) weight of the reals with this score or a higher one.
        fakes: (B, K) the same of the fakes.
        work: two (B, K) float64 arrays for whatever comes up.
    """

    real: Weights
    fake: Weights
    reals: Weights
    fakes: Weights
    work: tuple[NDArray[np.float64], NDArray[np.float64]]

    def auroc(self) -> Scores:
        """Area under the ROC curve: a real counts the fakes above it, and half of its equals."""
        above = 2 * _dot(self.real, self.fakes) - _dot(self.real, self.fake)
        found: Scores = above / (2 * self.reals[:, -1] * self.fakes[:, -1])
        return found

    def precision_of_fakes(self) -> Scores:
        """AP of the fakes: precision at each score, by the weight of the fakes that have it."""
        upto, precision = self.work
        np.add(self.reals, self.fakes, out=upto)
        # Where nothing weighs anything yet, the fakes of this score weigh nothing either.
        np.divide(self.fakes, np.maximum(upto, 1, out=upto), out=precision)
        return _dot(self.fake, precision) / self.fakes[:, -1]

    def precision_of_reals(self) -> Scores:
        """AP of the reals, whose own scores are high where p(fake) is low."""
        reals, upto = self.work
        np.subtract(self.real, self.reals, out=reals)
        np.add(reals, self.reals[:, -1:], out=reals)
        np.subtract(self.fake, self.fakes, out=upto)
        np.add(upto, self.fakes[:, -1:], out=upto)
        np.add(upto, reals, out=upto)
        np.divide(reals, np.maximum(upto, 1, out=upto), out=upto)
        return _dot(self.real, upto) / self.reals[:, -1]

    def eer(self) -> Scores:
        """The crossing of the interpolated ROC with the falling diagonal."""
        rows = np.arange(len(self.reals))
        every_real, every_fake = self.reals[:, -1], self.fakes[:, -1]
        low, high = np.zeros_like(rows), np.full_like(rows, self.reals.shape[1] - 1)
        while (low < high).any():
            middle = (low + high) // 2
            # FPR + TPR >= 1 in whole numbers, so that no rounding moves the crossing.
            risen = self.reals[rows, middle] * every_fake + self.fakes[rows, middle] * every_real
            beyond = risen >= every_real * every_fake
            low, high = np.where(beyond, low, middle + 1), np.where(beyond, middle, high)
        x, y = self.reals[rows, low] / every_real, self.fakes[rows, low] / every_fake
        step_x, step_y = self.real[rows, low] / every_real, self.fake[rows, low] / every_fake
        # From the point before the crossing to the one after it the gap falls by step_x + step_y.
        part = (1 - (x - step_x) - (y - step_y)) / (step_x + step_y)
        found: Scores = x - step_x + part * step_x
        return found

    def tpr_at_fpr(self, fpr: float) -> Scores:
        """The largest TPR of a score whose FPR is at most ``fpr``."""
        found = np.empty(len(self.reals))
        for row, (reals, fakes) in enumerate(zip(self.reals, self.fakes, strict=True)):
            allowed = int(fpr * reals[-1]) + 1
            while allowed / reals[-1] > fpr:
                allowed -= 1
            last = np.searchsorted(reals, allowed, "right")
            found[row] = fakes[last - 1] / fakes[-1] if last else 0.0
        return found


class Sorted:
    """N scores in descending order, ready to be measured under any weights of their C clusters."""

    def __init__(
        self,
        labels: Labels,
        scores: Scores,
        member: NDArray[np.integer[Any]],
        clusters: int,
        threshold: float = 0.5,
    ) -> None:
        """``member`` (N,) is the cluster, 0 to C - 1, of each score; no score may be NaN."""
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        self.member = member[order]
        self.fake = (labels[order] == FAKE).astype(np.int64)
        last = np.append(ranked[1:] != ranked[:-1], True)
        self.ends = None if last.all() else np.flatnonzero(last)  # None: there are no ties
        self.distinct = int(last.sum())
        right = (scores >= threshold) == labels
        real, fake = labels == REAL, labels == FAKE
        summed = (real, fake, right & real, right & fake, (scores - labels) ** 2)
        self.sums = np.stack([np.bincount(member, each, clusters) for each in summed], axis=1)
        self.whole = np.empty((4, 0, 0), dtype=np.int64)
        self.merged, self.work = self.whole, np.empty((2, 0, 0))

    def measure(self, weights: Weights, only_auroc: bool = False) -> dict[str, Scores]:
        """``METRICS``, each (B,), under weights (B, C); both classes must weigh something."""
        rows = max(1, BLOCK // len(self.member))
        parts = [
            self._measure(weights[first : first + rows], only_auroc)
            for first in range(0, len(weights), rows)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _measure(self, weights: Weights, only_auroc: bool) -> dict[str, Scores]:
        curve = self.curve(weights)
        found = {"auroc": curve.auroc()}
        if only_auroc:
            return found
        found["ap"] = curve.precision_of_fakes()
        found["map"] = (found["ap"] + curve.precision_of_reals()) / 2
        found["eer"] = curve.eer()
        found |= {f"tpr_at_fpr_{x}": curve.tpr_at_fpr(x) for x in FPRS}
        reals, fakes, right_reals, right_fakes, squares = (weights @ self.sums).T
        found["acc"] = (right_reals + right_fakes) / (reals + fakes)
        found["balanced_acc"] = (right_reals / reals + right_fakes / fakes) / 2
        found["brier"] = squares / (reals + fakes)
        return {name: found[name] for name in METRICS}

    def curve(self, weights: Weights) -> Curve:
        """Running weights under weights (B, C); valid until the next call, which writes over it."""
        rows = len(weights)
        if rows > self.whole.shape[1]:
            # Kept: to get memory from the system anew each time costs more than the sums.
            self.whole = np.empty((4, rows, len(self.member)), dtype=np.int64)
            self.merged = np.empty((4, rows, 0 if self.ends is None else self.distinct), np.int64)
            self.work = np.empty((2, rows, self.distinct))
        real, fake, reals, fakes = self.whole[:, :rows]
        np.take(weights, self.member, axis=1, out=real, mode="clip")  # "raise" would copy it again
        np.multiply(real, self.fake, out=fake)
        np.subtract(real, fake, out=real)
        np.cumsum(real, axis=1, out=reals)
        np.cumsum(fake, axis=1, out=fakes)
        work = self.work[0, :rows], self.work[1, :rows]
        if self.ends is None:
            return Curve(real, fake, reals, fakes, work)
        real, fake, upto_real, upto_fake = self.merged[:, :rows]
        for upto, one, whole in ((upto_real, real, reals), (upto_fake, fake, fakes)):
            np.take(whole, self.ends, axis=1, out=upto, mode="clip")
            one[:, 0] = upto[:, 0]
            np.subtract(upto[:, 1:], upto[:, :-1], out=one[:, 1:])
        return Curve(real, fake, upto_real, upto_fake, work)


def _dot(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Inner product of each row of (B, K) with the other's."""
    found: NDArray[Any] = np.einsum("ij,ij->i", a, b)
    return found
