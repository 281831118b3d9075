"""What is measured of a set of scores, and how sure it is.

The definitions are in :mod:`dfdbench.metrics.definitions`. Everywhere labels are (N,) in {0, 1}
with 0 real and 1 fake, and scores are (N,) p(fake), higher meaning more fake.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dfdbench.api import FAKE
from dfdbench.metrics.bootstrap import (
    IDENTITY,
    INTERVAL,
    METHODS,
    VIDEO,
    Draws,
    ends,
    intervals,
    people,
    resampled,
)
from dfdbench.metrics.breakdown import breakdown
from dfdbench.metrics.calibration import calibration
from dfdbench.metrics.definitions import (
    accuracy,
    auroc,
    average_precision,
    balanced_accuracy,
    brier,
    eer,
    eer_threshold,
    mean_average_precision,
    measure,
    tpr_at_fpr,
    undefined,
)
from dfdbench.metrics.names import FPRS, METRICS, Labels, Scores
from dfdbench.metrics.videos import VideoScores, video_scores
from dfdbench.metrics.weighted import Sorted

__all__ = [
    "FPRS", "INTERVAL", "METRICS", "NO_VALIDATION", "VALIDATION_EER", "VideoScores", "accuracy",
    "auroc", "average_precision", "balanced_accuracy", "breakdown", "brier", "calibration", "eer",
    "eer_threshold", "evaluate", "intervals", "mean_average_precision", "measure", "tpr_at_fpr",
    "undefined", "video_scores",
]  # fmt: skip

VALIDATION_EER, NO_VALIDATION = "validation EER", "0.5, no validation"

Level = tuple[Labels, Scores, NDArray[Any]]
"""Labels, scores without NaN, and the cluster of each."""


def evaluate(
    video_id: ArrayLike,
    label: ArrayLike,
    p_fake: ArrayLike,
    *,
    threshold: float | None = None,
    threshold_from: str = VALIDATION_EER,
    seed: int = 0,
    resamples: int = 2000,
    cluster: str = VIDEO,
    about: Mapping[str, Sequence[Any]] | None = None,
) -> dict[str, Any]:
    """The metrics of one set of scores at video and frame level, ready for JSON.

    ``video_id``, ``label`` and ``p_fake`` are (N,), one a frame. The ``threshold`` serves both
    levels; None is 0.5, and the result says so. ``resamples`` 0 leaves the intervals out, and
    ``cluster`` is what is drawn for them, ``video`` or ``identity``. ``about`` holds what is known
    of the videos, as columns of which one is ``video_id``: figures are broken down by them, and
    ``target_id`` is the identity. Where no identity is known, videos are drawn, and the result
    says so. In the result ``real`` and ``fake`` count all videos or frames, ``unscored`` those
    without a score.

    Raises:
        DataError: the scores or labels are wrong (see :func:`video_scores`).
    """
    if threshold is None:
        threshold, threshold_from = 0.5, NO_VALIDATION
    videos = video_scores(video_id, label, p_fake)
    frame_label, p = np.asarray(label), np.asarray(p_fake, dtype=np.float64)
    columns = _columns(about or {}, videos.video_id)
    cluster, clusters = _clusters(cluster, videos.video_id, columns.get("target_id"))
    scored, frames = ~np.isnan(videos.p_fake), ~np.isnan(p)
    levels: dict[str, Level] = {
        "video": (videos.label[scored], videos.p_fake[scored], clusters[scored]),
        "frame": (frame_label[frames], p[frames], clusters[videos.index[frames]]),
    }
    of_videos = levels["video"]
    known = {name: values[scored] for name, values in columns.items()}
    how = {"method": METHODS[cluster], "resamples": resamples, "cluster": cluster, "seed": seed}
    return {
        "interval": how | _intervals(levels, threshold, seed, resamples),
        **{name: measure(level[0], level[1], threshold) for name, level in levels.items()},
        "undefined": undefined(of_videos[0]),
        "calibration": calibration(*of_videos[:2]),
        "breakdown": breakdown(known, *of_videos, seed, resamples),
        "videos": _counts(videos.label, videos.unscored),
        "frames": _counts(frame_label, videos.frames_unscored),
        "threshold": float(threshold),
        "threshold_from": threshold_from,
    }


def _intervals(
    levels: Mapping[str, Level], threshold: float, seed: int, resamples: int
) -> dict[str, Any]:
    """The number of clusters, and the intervals of all levels under the same draws."""
    draws = {
        name: Draws.of(labels, clusters, seed, resamples)
        for name, (labels, _, clusters) in levels.items()
    }
    first = draws["video"]
    if not first.resamples:
        return {"clusters": first.clusters, **{name: dict.fromkeys(METRICS) for name in levels}}
    ranked = [
        Sorted(labels, scores, draws[name].member, first.clusters, threshold)
        for name, (labels, scores, _) in levels.items()
    ]
    drawn = zip(levels, resampled(ranked, first), strict=True)
    return {"clusters": first.clusters, **{name: ends(figures) for name, figures in drawn}}


def _columns(about: Mapping[str, Sequence[Any]], ids: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """What is known of the videos ``ids`` (V,): columns (V,) of objects, None where nothing is."""
    place = {name: n for n, name in enumerate(about.get("video_id", ()))}
    places = [place.get(name) for name in ids.tolist()]
    found = {}
    for column, values in about.items():
        known = [None if n is None else values[n] for n in places]
        found[column] = np.asarray([*known, None], dtype=object)[:-1]  # None: never a 2-D array
    return found


def _clusters(
    cluster: str, ids: NDArray[Any], target_id: NDArray[Any] | None
) -> tuple[str, NDArray[Any]]:
    """What is drawn, and the name of what each video belongs to."""
    if cluster == IDENTITY and target_id is not None and any(target_id):
        return IDENTITY, people(ids, target_id.tolist())
    return VIDEO, ids


def _counts(labels: Labels, unscored: int) -> dict[str, int]:
    fake = int((labels == FAKE).sum())
    return {"real": len(labels) - fake, "fake": fake, "unscored": unscored}
