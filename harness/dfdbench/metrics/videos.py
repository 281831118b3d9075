"""From the scores of frames to those of videos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dfdbench.api import FAKE, REAL
from dfdbench.errors import DataError
from dfdbench.metrics.names import Labels, Scores


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
