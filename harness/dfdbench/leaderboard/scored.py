"""The scored videos of a row, as pictures need them: class, method and score of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdbench import metrics, results
from dfdbench.api import FAKE
from dfdbench.errors import MissingError
from dfdbench.metrics.bootstrap import Labels, Scores


@dataclass(frozen=True, slots=True)
class Scored:
    """V videos that have a score, sorted by id.

    Attributes:
        video_id: (V,) str.
        label: (V,) int64, 0 real, 1 fake.
        p_fake: (V,) float64 in [0, 1], the mean of a video's scored frames.
        kind: (V,) str, the method of a fake video, ``fake`` where it is not known, else ``real``.
    """

    video_id: NDArray[np.str_]
    label: Labels
    p_fake: Scores
    kind: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.label)

    @property
    def kinds(self) -> list[str]:
        """``real`` first, then the methods by their names."""
        return sorted(set(self.kind.tolist()), key=lambda kind: (kind != "real", kind))


def read(row: Mapping[str, Any]) -> Scored:
    """The scored videos of a finished row that was read from a folder.

    Raises:
        MissingError: the folder has no scores of this row.
        DataError: a file of scores is damaged.
    """
    table = results.scores(row)
    # Numbers instead of names: a video's frames are found 20 times faster.
    names = table["video_id"].combine_chunks().dictionary_encode()
    found = metrics.video_scores(
        names.indices.to_numpy(), table["label"].to_numpy(), table["p_fake"].to_numpy()
    )
    ids = np.asarray(names.dictionary.to_pylist(), dtype=np.str_)[found.video_id]
    order = np.argsort(ids)
    order = order[~np.isnan(found.p_fake[order])]
    ids, label = ids[order], found.label[order]
    return Scored(ids, label, found.p_fake[order], _kinds(row, ids, label))


def _kinds(row: Mapping[str, Any], ids: NDArray[np.str_], label: Labels) -> NDArray[np.str_]:
    try:
        videos = results.videos(row)
    except MissingError:  # a folder that an earlier version wrote
        methods = {}
    else:
        methods = dict(
            zip(videos["video_id"].to_pylist(), videos["method"].to_pylist(), strict=True)
        )
    kinds = [
        (methods.get(name) or "fake") if value == FAKE else "real"
        for name, value in zip(ids.tolist(), label.tolist(), strict=True)
    ]
    return np.asarray(kinds, dtype=np.str_)
