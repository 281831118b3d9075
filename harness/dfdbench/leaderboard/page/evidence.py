"""What stands behind a figure: curve, histogram and worst videos of a row, small enough to embed.

Everything is in whole numbers, thousandths where it is a share or a probability: a page shows no
more digits, and 560 cells have to fit into 2 MB.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from dfdbench.leaderboard.robustness import Curve
from dfdbench.leaderboard.scored import Scored
from dfdbench.metrics import undefined
from dfdbench.metrics.bootstrap import Labels, Scores

BINS = 20
POINTS = 120
"""Corners of an embedded ROC curve at most."""
TOLERANCE = 0.002
"""How far a thinned curve may lie from the whole one: half a pixel of a drawing of 250."""
WORST = 10
PARTS = 12
"""Values of a property of videos that are shown."""
Z = 1.96

Points = NDArray[np.floating[Any]]


def of_row(row: Mapping[str, Any], videos: Scored) -> dict[str, Any]:
    """The evidence of a finished row, ready for JSON.

    ``roc``: x and y of the corners by turns, each as its step from the one before; empty where a
    class is missing. ``kinds``: name -> counts of ``BINS`` equal bins of [0, 1]. ``calibration``:
    mean p, share of fakes, its 95 % interval and number of videos of each bin, None where the row
    has none. ``worst``: id, kind, p and wrong-way share of each (see :func:`worst`). ``figures``:
    metric -> value, and the ends of its interval where it has one. ``parts``: property of a video
    -> name, reals, fakes, then AUROC with its interval as far as they are known.
    """
    return {
        "seed": row["seed"],
        "threshold": _thousandths(row["threshold"]),
        "threshold_from": row["threshold_from"],
        "unscored": row["videos"]["unscored"],
        "roc": _steps(_roc(videos)),
        "kinds": {kind: histogram(videos.p_fake[videos.kind == kind]) for kind in videos.kinds},
        "calibration": _calibration(row.get("calibration")),
        "worst": worst(videos),
        "figures": _figures(row),
        "parts": {
            column: _parts(found)
            for column, found in (row.get("breakdown") or {}).items()
            if len(found) > 1
        },
    }


def _figures(row: Mapping[str, Any]) -> dict[str, list[int]]:
    intervals = row["interval"]["video"]
    return {
        name: [_thousandths(each) for each in (value, *(intervals.get(name) or ()))]
        for name, value in row["video"].items()
        if value is not None
    }


def _parts(found: Mapping[str, Mapping[str, Any]]) -> list[list[Any]]:
    """The ``PARTS`` values with most videos, in their order."""
    size = {name: part["real"] + part["fake"] for name, part in found.items()}
    largest = sorted(size, key=lambda name: -size[name])[:PARTS]
    said = []
    for name, part in found.items():
        if name in largest:
            known = [] if part["auroc"] is None else [part["auroc"], *(part["interval"] or ())]
            said.append([name, part["real"], part["fake"], *map(_thousandths, known)])
    return said


def sweeps(found: Iterable[Curve]) -> list[dict[str, Any]]:
    """What is left of a cell's AUROC under perturbations, one entry a sweep.

    ``points``: strength (``clean`` first), AUROC and the ends of its interval in thousandths.
    """
    said: list[dict[str, Any]] = []
    for curve in found:
        points = [("clean", curve.clean)]
        points += [(f"{p.value:g}", p) for p in curve.points if p.value is not None and not p.zero]
        said.append(
            {
                "name": curve.name,
                "option": curve.option,
                "retained": None if curve.retained is None else _thousandths(curve.retained),
                "points": [
                    [name, *map(_thousandths, (point.auroc, *(point.interval or ())))]
                    for name, point in points
                    if point.auroc is not None
                ],
            }
        )
    return [sweep for sweep in said if len(sweep["points"]) > 1]


def histogram(scores: Scores) -> list[int]:
    """Counts of ``BINS`` equal bins of [0, 1]; 1.0 is in the last one."""
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    return [int(count) for count in np.bincount(bins, minlength=BINS)]


def worst(videos: Scored, count: int = WORST) -> list[list[Any]]:
    """The videos that cost most AUROC: id, kind, p(fake) and wrong-way share in thousandths.

    The wrong-way share of a fake is the share of reals that score higher, that of a real the share
    of fakes that score lower, a tie counting half; its mean over a class is 1 - AUROC. So reals
    and fakes are found alike, however far a detector's scores lie on one side. Equal ones are
    ordered by their distance from the label, then by id. With one class only the distance counts.
    """
    distance = np.abs(videos.label - videos.p_fake)
    share = _wrong_way(videos.label, videos.p_fake)
    order = np.lexsort((videos.video_id, -distance, -share))[:count]
    return [
        [str(videos.video_id[n]), str(videos.kind[n]), _thousandths(videos.p_fake[n]),
         _thousandths(share[n])]
        for n in order
    ]  # fmt: skip


def _wrong_way(label: Labels, p_fake: Scores) -> Scores:
    share = np.zeros(len(label))
    if undefined(label):
        return share
    real, fake = np.sort(p_fake[label == 0]), np.sort(p_fake[label == 1])

    def rank(among: Scores, of: Scores) -> Scores:
        """The share of ``among`` below each of ``of``, ties as half."""
        ends = np.searchsorted(among, of, "left") + np.searchsorted(among, of, "right")
        return np.asarray(ends / (2 * len(among)))

    share[label == 1] = 1 - rank(real, p_fake[label == 1])
    share[label == 0] = rank(fake, p_fake[label == 0])
    return np.round(share, 9)  # 1 - 1/3 and 2/3 are equal


def _roc(videos: Scored) -> Points:
    if undefined(videos.label):
        return np.empty((0, 2))
    fpr, tpr, _ = roc_curve(videos.label, videos.p_fake)
    return thinned(np.column_stack([fpr, tpr]))


def thinned(curve: Points, tolerance: float = TOLERANCE, points: int = POINTS) -> Points:
    """Corners (K, 2), K <= ``points``, of a line (N, 2); no left-out one lies far from it.

    Source: Ramer 1972 and Douglas & Peucker 1973; the tolerance grows until there are few enough.
    """
    while True:
        keep = np.zeros(len(curve), dtype=bool)
        keep[[0, -1]] = True
        open_parts = [(0, len(curve) - 1)]
        while open_parts:
            start, end = open_parts.pop()
            if end - start < 2:
                continue
            distance = _distances(curve[start + 1 : end], curve[start], curve[end])
            far = int(np.argmax(distance))
            if distance[far] > tolerance:
                middle = start + 1 + far
                keep[middle] = True
                open_parts += [(start, middle), (middle, end)]
        if keep.sum() <= points:
            return curve[keep]
        tolerance *= 1.25


def _distances(points: Points, start: Points, end: Points) -> Scores:
    """Of points (N, 2) from the straight line through two others."""
    along = end - start
    length = float(np.hypot(*along))
    offset = points - start
    if length == 0:
        return np.asarray(np.hypot(offset[:, 0], offset[:, 1]))
    return np.asarray(np.abs(along[0] * offset[:, 1] - along[1] * offset[:, 0]) / length)


def _steps(curve: Points) -> list[int]:
    whole = np.round(1000 * curve).astype(int)
    steps = np.diff(whole, axis=0, prepend=np.zeros((1, 2), dtype=int))
    return [int(step) for step in steps.ravel()]


def _calibration(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not found or not found["curve"]:
        return None
    curve = [
        [_thousandths(mean), _thousandths(share), *_wilson(share, int(count)), int(count)]
        for mean, share, count in found["curve"]
    ]
    return {
        "ece": _thousandths(found["ece"]), "bins": found["bins"], "binning": found["binning"],
        "curve": curve,
    }  # fmt: skip


def _wilson(share: float, count: int) -> Sequence[int]:
    """95 % interval of a share of ``count`` videos, in thousandths. Source: Wilson 1927."""
    spread = Z * np.sqrt(share * (1 - share) / count + Z * Z / (4 * count * count))
    middle, scale = share + Z * Z / (2 * count), 1 + Z * Z / count
    return _thousandths((middle - spread) / scale), _thousandths((middle + spread) / scale)


def _thousandths(value: float) -> int:
    return round(1000 * float(value))
