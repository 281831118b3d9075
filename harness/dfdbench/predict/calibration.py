"""What a score means, by the videos that a detector was validated on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdbench.api import FAKE, REAL

LEAST = 1e-6
"""Scores nearer than this to 0 or 1 count as that far from it: their log odds are infinite."""


@dataclass(frozen=True)
class Level:
    """A logistic curve and a threshold for the scores of videos, or of single frames.

    Attributes:
        slope: of the log odds, above 0.
        intercept: of the log odds.
        threshold: from this score on something is called fake.
        real: how many real ones they are from.
        fake: how many fake ones.
    """

    slope: float
    intercept: float
    threshold: float
    real: int
    fake: int

    def probability(self, score: float) -> float:
        """The share of fakes among what scores so, where fakes are as frequent as they were.

        >>> round(Level(2.0, 0.0, 0.5, 10, 10).probability(0.75), 3)
        0.9
        """
        odds = float(np.clip(self.slope * _log_odds(score) + self.intercept, -500, 500))
        return 1 / (1 + math.exp(-odds))  # 500: the exponential of more has no float


@dataclass(frozen=True)
class Calibration:
    """What validation says of videos, and of single frames such as photographs."""

    video: Level
    frame: Level

    def of(self, kind: str) -> Level:
        """The level of a file: that of videos, else that of frames."""
        return self.video if kind == "video" else self.frame

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Calibration:
        """From what :meth:`to_dict` gave."""
        return cls(Level(**value["video"]), Level(**value["frame"]))


def fit(labels: NDArray[Any], scores: NDArray[Any]) -> Level | None:
    """Platt's curve through scores (N,) with labels (N,); the threshold is that of equal errors.

    The targets are Platt's, which keep the curve finite where the scores separate the classes:
    (fakes + 1) / (fakes + 2) for a fake and 1 / (reals + 2) for a real one. None where a class is
    missing, or where higher scores do not mean fake. Source: Platt 1999, Probabilistic outputs for
    support vector machines, section 2.2.
    """
    from sklearn.linear_model import LogisticRegression

    from dfdbench import metrics

    there = ~np.isnan(scores)
    labels, scores = labels[there], scores[there]
    real, fake = int(np.sum(labels == REAL)), int(np.sum(labels == FAKE))
    threshold = metrics.eer_threshold(labels, scores)
    if not real or not fake or threshold is None:
        return None
    target = np.where(labels == FAKE, (fake + 1) / (fake + 2), 1 / (real + 2))
    # A soft target is a sample of each class, weighted by how much it belongs there.
    x = np.tile(_log_odds(scores), 2)[:, None]
    y = np.repeat([FAKE, REAL], len(scores))
    model = LogisticRegression(C=np.inf, max_iter=1000)
    model.fit(x, y, sample_weight=np.concatenate([target, 1 - target]))
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    return Level(slope, intercept, float(threshold), real, fake) if slope > 0 else None


def from_scores(path: Path) -> Calibration | None:
    """The calibration by a file of validation scores, a row a frame; None where they give none."""
    import pyarrow.parquet as pq

    from dfdbench import metrics

    table = pq.read_table(path)
    labels, p_fake = table["label"].to_numpy(), table["p_fake"].to_numpy()
    ids = np.asarray(table["video_id"].to_pylist(), dtype=np.str_)
    videos = metrics.video_scores(ids, labels, p_fake)
    video, frame = fit(videos.label, videos.p_fake), fit(labels, p_fake)
    return Calibration(video, frame) if video is not None and frame is not None else None


def _log_odds(scores: Any) -> Any:
    p = np.clip(scores, LEAST, 1 - LEAST)
    return np.log(p) - np.log1p(-p)
