"""How sure a metric is: bootstrap over videos, or over the people in them.

Labels are (N,) in {0, 1} and scores (N,) p(fake), as in :mod:`dfdbench.metrics`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdbench.api import FAKE, REAL
from dfdbench.metrics.names import METRICS, Labels, Scores
from dfdbench.metrics.weighted import BLOCK, Sorted, Weights

VIDEO, IDENTITY = "video", "identity"
INTERVAL = "95 % percentile bootstrap over videos, stratified by class"
METHODS = {
    VIDEO: INTERVAL,
    IDENTITY: "95 % percentile bootstrap over people, a fake belonging to the person of its target "
    "video, stratified by the classes that a person has videos of",
}
ENDS = (0.025, 0.975)

__all__ = [
    "IDENTITY", "INTERVAL", "METHODS", "VIDEO", "Draws", "Interval", "Labels", "Scores",
    "auroc_resamples", "ends", "intervals", "people", "resampled", "resampled_auroc",
]  # fmt: skip

Interval = list[float] | None


@dataclass(frozen=True)
class Draws:
    """Which clusters each bootstrap sample holds, how often.

    Clusters are drawn with replacement, as many as there are, apart for those with reals only,
    with fakes only and with both. The draws depend on the seed and on the sorted names of the
    clusters in these strata alone: two detectors that scored the same videos see the same samples,
    and so do frames and videos. Source: Efron & Tibshirani 1993, chapters 6, 8 and 13.

    Attributes:
        member: (N,) the cluster, 0 to C - 1, of each score.
        strata: the clusters with reals only, with fakes only and with both, ascending.
        resamples: number of samples; 0: there is no saying how sure a figure is.
    """

    member: NDArray[np.intp]
    strata: tuple[NDArray[np.intp], ...]
    seed: int
    resamples: int

    @classmethod
    def of(cls, labels: Labels, names: NDArray[Any], seed: int, resamples: int) -> Draws:
        """Draws of the clusters whose ``names`` (N,) stand beside the labels.

        With fewer than two clusters of a class there are none: drawing one of them again and
        again would look like certainty.
        """
        clusters, member = np.unique(names, return_inverse=True)
        real, fake = (np.zeros(len(clusters), dtype=bool) for _ in (REAL, FAKE))
        real[member[labels == REAL]] = True
        fake[member[labels == FAKE]] = True
        strata = tuple(np.flatnonzero(which) for which in (real & ~fake, fake & ~real, real & fake))
        enough = min(real.sum(), fake.sum()) >= 2
        return cls(member, strata, seed, resamples if enough else 0)

    @property
    def clusters(self) -> int:
        """Number of clusters."""
        return sum(map(len, self.strata))

    def blocks(self, rows: int) -> Iterator[Weights]:
        """How often each sample holds each cluster, (up to ``rows``, C), until all are drawn."""
        # A source for each stratum, so that the draws do not depend on the size of the blocks.
        sources = [np.random.default_rng((self.seed, kind)) for kind in range(len(self.strata))]
        for first in range(0, self.resamples, rows):
            block = np.zeros((min(rows, self.resamples - first), self.clusters), dtype=np.int64)
            for rng, stratum in zip(sources, self.strata, strict=True):
                block[:, stratum] = _counts(rng, len(block), len(stratum))
            yield block


def _counts(rng: np.random.Generator, rows: int, size: int) -> Weights:
    """How often each of ``size`` things comes in as many draws of one, (rows, size)."""
    if not size:
        return np.zeros((rows, 0), dtype=np.int64)
    drawn = rng.integers(size, size=(rows, size)) + size * np.arange(rows)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size)


def resampled(
    levels: Sequence[Sorted], draws: Draws, only_auroc: bool = False
) -> list[dict[str, Scores]]:
    """The metrics of each level under the same draws, each (resamples,)."""
    parts: list[list[dict[str, Scores]]] = [[] for _ in levels]
    rows = max(1, BLOCK // max(len(level.member) for level in levels))
    for weights in draws.blocks(rows):
        for level, mine in zip(levels, parts, strict=True):
            mine.append(level.measure(weights, only_auroc))
    return [
        {name: np.concatenate([part[name] for part in mine]) for name in mine[0]} if mine else {}
        for mine in parts
    ]


def ends(drawn: Mapping[str, Scores], names: Sequence[str] = METRICS) -> dict[str, Interval]:
    """95 % percentile intervals [low, high] of what was drawn; None where nothing was.

    Such intervals run short where few pairs of videos are out of order. With normal scores and
    100 + 100 videos they covered a true AUROC of 0.64, 0.86 and 0.98 in 96, 95 and 91 % of 1,000
    draws, with 30 + 30 in 95, 94 and 83 %. Where all samples agree, as with classes that do not
    overlap, the ends are equal and say nothing of what more videos would show.
    """
    if not drawn:
        return dict.fromkeys(names)
    found = {}
    for name in names:
        low, high = np.quantile(drawn[name], ENDS)
        found[name] = [float(low), float(high)]
    return {**found}


def intervals(
    labels: Labels,
    scores: Scores,
    clusters: NDArray[Any],
    seed: int = 0,
    resamples: int = 2000,
    threshold: float = 0.5,
) -> dict[str, Interval]:
    """95 % interval of each of ``METRICS``; ``clusters`` (N,) names the video of each score.

    The threshold is taken as given: how well it was chosen is not in the interval. See
    :class:`Draws` for the samples and :func:`ends` for how far to trust the intervals.
    """
    draws = Draws.of(labels, clusters, seed, resamples)
    if not draws.resamples:
        return dict.fromkeys(METRICS)
    (drawn,) = resampled([Sorted(labels, scores, draws.member, draws.clusters, threshold)], draws)
    return ends(drawn)


def auroc_resamples(
    labels: Labels, scores: Scores, clusters: NDArray[Any], seed: int, resamples: int
) -> Scores:
    """AUROC of each bootstrap sample, (resamples,); empty where a class has one cluster only."""
    return resampled_auroc(labels, scores, Draws.of(labels, clusters, seed, resamples))


def resampled_auroc(labels: Labels, scores: Scores, draws: Draws) -> Scores:
    """AUROC under draws that were made from these labels, (resamples,)."""
    (drawn,) = resampled([Sorted(labels, scores, draws.member, draws.clusters)], draws, True)
    return drawn.get("auroc", np.empty(0))


def people(video_id: NDArray[Any], target_id: Sequence[str | None]) -> NDArray[np.str_]:
    """The cluster of each video where people are drawn, (V,).

    The real videos of a person and the fakes made from them belong together: they share the
    person's look, camera and surroundings. The person whose face was put in does not count, because
    through both, nearly all of a data set hangs together. A video of which no person is known
    stands for itself.
    """
    return np.asarray(
        [
            f"person {person}" if person else f"video {name}"
            for name, person in zip(video_id.tolist(), target_id, strict=True)
        ],
        dtype=np.str_,
    )
