"""The one definition of each metric.

Everywhere labels are (N,) in {0, 1} with 0 real and 1 fake, and scores are (N,) p(fake), higher
meaning more fake. A face or video is called fake where its score reaches the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from dfdbench.api import FAKE, REAL
from dfdbench.errors import DataError
from dfdbench.metrics.bootstrap import INTERVAL, Labels, Scores, intervals

FPRS = (0.001, 0.01, 0.05)
METRICS = (
    "auroc", "map", "ap", "eer", *(f"tpr_at_fpr_{x}" for x in FPRS), "acc", "balanced_acc", "brier",
)  # fmt: skip
VALIDATION_EER, NO_VALIDATION = "validation EER", "0.5, no validation"


@dataclass(frozen=True, slots=True)
class VideoScores:
    """The scores of V videos, sorted by id.

    Attributes:
        video_id: (V,) unique ids.
        label: (V,) 0 real, 1 fake.
        p_fake: (V,) mean of the video's scored frames; NaN where no frame has a score.
        index: (N,) the video, 0 to V - 1, of each frame.
        frames_unscored: number of frames whose score is NaN.
    """

    video_id: NDArray[Any]
    label: Labels
    p_fake: Scores
    index: NDArray[np.intp]
    frames_unscored: int

    @property
    def unscored(self) -> int:
        """Number of videos without any score."""
        return int(np.isnan(self.p_fake).sum())


def video_scores(video_id: ArrayLike, label: ArrayLike, p_fake: ArrayLike) -> VideoScores:
    """Mean of the frame probabilities of each video; frames with NaN are left out and counted.

    ``video_id``, ``label`` and ``p_fake`` are (N,), one a frame, in any order.

    Raises:
        DataError: a score outside [0, 1], a label that is not 0 or 1, a video with both labels.
    """
    frame_label, p = np.asarray(label), np.asarray(p_fake, dtype=np.float64)
    _check_frames(frame_label, p)
    ids, index = np.unique(np.asarray(video_id), return_inverse=True)
    frames = np.bincount(index, minlength=len(ids))
    fakes = np.bincount(index, weights=frame_label, minlength=len(ids))
    both = ids[(fakes > 0) & (fakes < frames)]
    if len(both):
        raise DataError(
            f"{len(both)} of {len(ids)} videos have frames of both labels, such as "
            f"{str(both[0])!r}; give the real and the fake one ids of their own"
        )
    scored = ~np.isnan(p)
    count = np.bincount(index[scored], minlength=len(ids))
    total = np.bincount(index[scored], weights=p[scored], minlength=len(ids))
    mean = np.full(len(ids), np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return VideoScores(ids, (fakes > 0).astype(np.int64), mean, index, int((~scored).sum()))


def undefined(labels: Labels, things: str = "videos") -> str:
    """Why a metric of two classes has no value on these labels; empty where it has one."""
    if not len(labels):
        return f"no {things} with a score"
    if (labels == FAKE).all():
        return f"only fake {things}"
    return f"only real {things}" if (labels == REAL).all() else ""


def auroc(labels: Labels, scores: Scores) -> float:
    """Area under the ROC curve, in [0, 1]; a tie of a real and a fake counts as half."""
    _need_both(labels)
    return float(roc_auc_score(labels, scores))


def average_precision(labels: Labels, scores: Scores, positive: int = FAKE) -> float:
    """AP of the class ``positive``, in [0, 1]: mean precision by steps of recall."""
    _need_both(labels)
    # -scores and not 1 - scores, whose rounding would make ties.
    return float(average_precision_score(labels == positive, scores if positive else -scores))


def mean_average_precision(labels: Labels, scores: Scores) -> float:
    """Mean of AP(real) and AP(fake), in [0, 1]."""
    return (average_precision(labels, scores, REAL) + average_precision(labels, scores)) / 2


def eer(labels: Labels, scores: Scores) -> float:
    """Equal error rate, in [0, 1]: the root x of 1 - x - ROC(x) on the interpolated ROC."""
    _need_both(labels)
    fpr, tpr, _ = roc_curve(labels, scores)
    gap = 1 - fpr - tpr  # falls from 1 to -1 along the curve, so there is one crossing
    k = int(np.argmax(gap <= 0))
    part = gap[k - 1] / (gap[k - 1] - gap[k])
    return float(fpr[k - 1] + part * (fpr[k] - fpr[k - 1]))


def tpr_at_fpr(labels: Labels, scores: Scores, fpr: float) -> float:
    """The largest TPR of a threshold whose FPR is at most ``fpr``; both in [0, 1].

    Nothing is interpolated: below 1 / ``fpr`` reals it is the TPR without any false alarm.
    """
    _need_both(labels)
    x, y, _ = roc_curve(labels, scores, drop_intermediate=False)
    return float(y[x <= fpr].max())


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
    fpr, tpr, at = roc_curve(labels, scores, drop_intermediate=False)
    # At at[k] and down to at[k + 1] the decisions are the same; at[0] is infinite.
    # 1e-9: of thresholds at the same distance the one with the fewest errors.
    distance = np.abs(1 - tpr - fpr) + 1e-9 * (1 - tpr + fpr)
    k = int(np.argmin(distance[1:])) + 1
    if k + 1 == len(at):
        return float(at[k])
    middle = float((at[k] + at[k + 1]) / 2)
    return middle if middle > at[k + 1] else float(at[k])


def measure(labels: Labels, scores: Scores, threshold: float) -> dict[str, float | None]:
    """All of ``METRICS``; each None where one class is missing. No score may be NaN."""
    if undefined(labels):
        return dict.fromkeys(METRICS)
    found = {
        "auroc": auroc(labels, scores),
        "map": mean_average_precision(labels, scores),
        "ap": average_precision(labels, scores),
        "eer": eer(labels, scores),
        "acc": accuracy(labels, scores, threshold),
        "balanced_acc": balanced_accuracy(labels, scores, threshold),
        "brier": brier(labels, scores),
    }
    found |= {f"tpr_at_fpr_{x}": tpr_at_fpr(labels, scores, x) for x in FPRS}
    return {name: found[name] for name in METRICS}


def evaluate(
    video_id: ArrayLike,
    label: ArrayLike,
    p_fake: ArrayLike,
    *,
    threshold: float | None = None,
    threshold_from: str = VALIDATION_EER,
    seed: int = 0,
    resamples: int = 2000,
) -> dict[str, Any]:
    """The metrics of one set of scores at video and frame level, ready for JSON.

    ``video_id``, ``label`` and ``p_fake`` are (N,), one a frame. The ``threshold`` serves both
    levels; None is 0.5, and the result says so. ``resamples`` 0 leaves the intervals out. In the
    result ``real`` and ``fake`` count all videos or frames, ``unscored`` those without a score.

    Raises:
        DataError: the scores or labels are wrong (see :func:`video_scores`).
    """
    if threshold is None:
        threshold, threshold_from = 0.5, NO_VALIDATION
    videos = video_scores(video_id, label, p_fake)
    frame_label, p = np.asarray(label), np.asarray(p_fake, dtype=np.float64)
    levels = {
        "video": (videos.label, videos.p_fake, np.arange(len(videos.label))),
        "frame": (frame_label, p, videos.index),
    }
    result: dict[str, Any] = {"interval": {"method": INTERVAL, "resamples": resamples}}
    for level, (y, score, video) in levels.items():
        kept = ~np.isnan(score)
        y, score, video = y[kept], score[kept], video[kept]
        result[level] = measure(y, score, threshold)
        result["interval"][level] = intervals(y, score, video, seed, resamples)
        if level == "video":
            result["undefined"] = undefined(y)
    return result | {
        "videos": _counts(videos.label, videos.unscored),
        "frames": _counts(frame_label, videos.frames_unscored),
        "threshold": float(threshold),
        "threshold_from": threshold_from,
    }


def _counts(labels: Labels, unscored: int) -> dict[str, int]:
    fake = int((labels == FAKE).sum())
    return {"real": len(labels) - fake, "fake": fake, "unscored": unscored}


def _need_both(labels: Labels) -> None:
    if reason := undefined(labels, "labels"):
        raise ValueError(f"undefined: {reason}")


def _check_frames(labels: NDArray[Any], p: Scores) -> None:
    wrong = np.flatnonzero(~np.isin(labels, (REAL, FAKE)))
    if len(wrong):
        raise DataError(f"label {labels[wrong[0]]!r} of frame {wrong[0]} is neither 0 nor 1")
    wrong = np.flatnonzero((p < 0) | (p > 1))
    if len(wrong):
        raise DataError(
            f"{len(wrong)} of {len(p)} scores are no probabilities in [0, 1], such as "
            f"{p[wrong[0]]} of frame {wrong[0]}; map logits through a sigmoid first"
        )
