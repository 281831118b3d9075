"""Two detectors on the same videos: the difference of their AUROCs, and how sure it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdbench import results
from dfdbench.errors import DataError
from dfdbench.leaderboard import scored
from dfdbench.leaderboard.ranking import ALPHA
from dfdbench.metrics import delong, undefined
from dfdbench.metrics.bootstrap import ENDS, IDENTITY, Draws, people, resampled
from dfdbench.metrics.names import Labels, Scores
from dfdbench.metrics.weighted import Sorted

Row = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Contender:
    """What a detector, trained with S seeds, says of the V videos that every seed scored.

    Attributes:
        name: as a message calls it.
        video_id: (V,), ascending.
        label: (V,) 0 real, 1 fake.
        p_fake: (S, V) in [0, 1].
        cluster: (V,) what a bootstrap draws: the video itself, or the person in it.
        drawn: what :meth:`resampled` has found before.
    """

    name: str
    video_id: NDArray[np.str_]
    label: Labels
    p_fake: Scores
    cluster: NDArray[np.str_]
    drawn: dict[tuple[int, int], Scores] = field(default_factory=dict, repr=False)

    def at(self, places: NDArray[np.intp]) -> Contender:
        """The same of some videos, by their ascending places; itself where these are all."""
        if len(places) == len(self.video_id):
            return self
        return Contender(
            self.name, self.video_id[places], self.label[places], self.p_fake[:, places],
            self.cluster[places],
        )  # fmt: skip

    def resampled(self, seed: int, resamples: int) -> Scores:
        """Mean AUROC over seeds of each bootstrap sample; none where a class has one cluster.

        Contenders with the same videos see the same samples. What was drawn once is kept.
        """
        if (seed, resamples) not in self.drawn:
            draws = Draws.of(self.label, self.cluster, seed, resamples)
            levels = [Sorted(self.label, p, draws.member, draws.clusters) for p in self.p_fake]
            aurocs = [one.get("auroc", np.empty(0)) for one in resampled(levels, draws, True)]
            self.drawn[seed, resamples] = np.mean(aurocs, axis=0)
        return self.drawn[seed, resamples]


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much the video-level AUROC of a is higher than that of b, both means over seeds.

    Attributes:
        difference: in [-1, 1].
        aurocs: of a and of b, on the videos that both scored.
        interval: 95 % percentile interval [low, high] of the paired bootstrap; None where a class
            has fewer than two clusters or there were no resamples.
        p: two-sided, from the difference and its standard deviation under the bootstrap; None as
            the interval. Unlike a count of samples beyond 0 it is not limited by their number, so
            that it can be corrected for many comparisons.
        p_delong: of DeLong's test; None where a class has fewer than two videos, or where people
            are drawn, since the test takes all videos for independent.
        real: real videos that both scored.
        fake: fake ones.
        left_out: videos that only one of them scored.
    """

    difference: float
    aurocs: tuple[float, float]
    interval: list[float] | None
    p: float | None
    p_delong: float | None
    real: int
    fake: int
    left_out: int


def contender(rows: Sequence[Row]) -> Contender:
    """The videos behind the finished rows of one line and test set, a row a seed.

    Raises:
        MissingError: the scores are not in the folders of the rows.
        DataError: a file of scores is damaged.
    """
    seeds = [scored.read(row) for row in rows]
    common = seeds[0].video_id
    for other in seeds[1:]:
        common = np.intersect1d(common, other.video_id, assume_unique=True)
    places = [np.searchsorted(seed.video_id, common) for seed in seeds]
    p_fake = [seed.p_fake[place] for seed, place in zip(seeds, places, strict=True)]
    cluster = common
    if rows[0]["interval"].get("cluster") == IDENTITY:
        about = results.videos(rows[0]).to_pydict()
        person = dict(zip(about["video_id"], about["target_id"], strict=True))
        cluster = people(common, [person.get(name) for name in common.tolist()])
    label = seeds[0].label[places[0]]
    return Contender(str(rows[0]["detector"]), common, label, np.stack(p_fake), cluster)


def compare(a: Contender, b: Contender, seed: int = 0, resamples: int = 2000) -> Difference | None:
    """The difference on the videos that both scored; None where a class has no such video.

    Both see the same bootstrap samples. With several seeds the figures are about the mean of these
    very trainings: how other seeds would turn out is not in the interval.

    Raises:
        DataError: a video is real for one and fake for the other.
    """
    common, mine, other = np.intersect1d(
        a.video_id, b.video_id, assume_unique=True, return_indices=True
    )
    left_out = len(a.video_id) + len(b.video_id) - 2 * len(common)
    a, b = a.at(mine), b.at(other)
    if (a.label != b.label).any():
        name = str(common[a.label != b.label][0])
        raise DataError(
            f"video {name!r} is real for one of {a.name} and {b.name} and fake for the other: "
            "their scores are of different data, which cannot be compared"
        )
    if undefined(a.label):
        return None
    aurocs, p_delong = _delong(a, b)
    value = aurocs[0] - aurocs[1]
    drawn = a.resampled(seed, resamples) - b.resampled(seed, resamples)
    fakes = int(a.label.sum())
    return Difference(
        difference=value,
        aurocs=aurocs,
        interval=[float(end) for end in np.quantile(drawn, ENDS)] if len(drawn) else None,
        p=delong.p_value(value, float(np.var(drawn, ddof=1))) if len(drawn) > 1 else None,
        p_delong=p_delong,
        real=len(a.label) - fakes,
        fake=fakes,
        left_out=left_out,
    )


def _delong(a: Contender, b: Contender) -> tuple[tuple[float, float], float | None]:
    """Both AUROCs and the p of their difference by DeLong's test.

    The mean of AUROCs over seeds is the AUROC of the mean placements.
    """
    reals, fakes = (
        np.stack([of_a.mean(axis=0), of_b.mean(axis=0)])
        for of_a, of_b in zip(
            delong.placements(a.label, a.p_fake), delong.placements(b.label, b.p_fake), strict=True
        )
    )
    aurocs = float(fakes[0].mean()), float(fakes[1].mean())
    if min(reals.shape[1], fakes.shape[1]) < 2 or (a.cluster != a.video_id).any():
        return aurocs, None
    variance = delong.variance_of_difference(reals, fakes)
    return aurocs, delong.p_value(aurocs[0] - aurocs[1], variance)


def holm(p: Sequence[float | None]) -> list[float | None]:
    """The p values corrected for their number, None left alone; 1 at most. Source: Holm 1979."""
    known = sorted((value, n) for n, value in enumerate(p) if value is not None)
    found: list[float | None] = [None] * len(p)
    highest = 0.0
    for before, (value, n) in enumerate(known):
        highest = max(highest, min(1.0, value * (len(known) - before)))
        found[n] = highest
    return found


def apart(interval: Sequence[float] | None, p_holm: float | None) -> bool:
    """Whether a difference is one: by the corrected p and by the interval alike."""
    if interval is None or p_holm is None:
        return False
    return p_holm < ALPHA and not interval[0] <= 0 <= interval[1]


def settings(rows: Iterable[Row]) -> tuple[int, int]:
    """Seed and number of the draws that the rows' own intervals were made with."""
    first = next(iter(rows))["interval"]
    return int(first.get("seed", 0)), int(first["resamples"])
