"""The figures of a test set by what is known of its videos: method, face size, length, ..."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdbench.api import FAKE, REAL
from dfdbench.metrics.bootstrap import Draws, ends, resampled_auroc
from dfdbench.metrics.definitions import auroc, undefined
from dfdbench.metrics.names import Labels, Scores

NO_PROPERTY = ("video_id", "label", "target_id", "source_id")
EDGES = {
    "face_size": ((64, 128, 256), "px"),
    "length": ((100, 300, 1000), "frames"),
    "faces": ((8, 16, 32), "faces"),
}
"""Where the groups of a column of numbers start, and its unit."""
MOST = 50
"""A column with more values than this names its videos and does not group them."""
UNKNOWN = "unknown"


def breakdown(
    columns: Mapping[str, NDArray[Any]],
    labels: Labels,
    scores: Scores,
    clusters: NDArray[Any],
    seed: int = 0,
    resamples: int = 2000,
) -> dict[str, dict[str, dict[str, Any]]]:
    """AUROC, its interval and the videos by each column: ``{column: {value: {...}}}``.

    ``columns`` hold what is known of each of V videos, as text or numbers, None where it is not
    known; ``clusters`` (V,) are what the interval draws. Fakes of a value are compared with reals
    of the same value, or with all reals where reals have none, as of a method. Numbers fall into
    ranges (``EDGES``, else quarters of the videos), of which the start belongs to the range.
    ``auroc`` is None with one class, ``interval`` with fewer than two clusters of a class.
    """
    found = {}
    for name, values in columns.items():
        groups = {} if name in NO_PROPERTY else _groups(name, values)
        if set(groups) <= {UNKNOWN}:
            continue
        of_fakes_only = all(empty(value) for value in values[labels == REAL])
        found[name] = {
            value: _figures(
                (mine & (labels == FAKE)) | (labels == REAL) if of_fakes_only else mine,
                labels, scores, clusters, seed, resamples,
            )
            for value, mine in groups.items()
            if not of_fakes_only or (mine & (labels == FAKE)).any()
        }  # fmt: skip
    return found


def empty(value: Any) -> bool:
    """Whether a cell of a table holds nothing."""
    return value is None or value == "" or value != value  # NaN differs from itself


def _groups(name: str, values: NDArray[Any]) -> dict[str, NDArray[np.bool_]]:
    """The videos (V,) of each value or range of values, unknown ones last; none: too many."""
    absent = np.asarray([empty(value) for value in values], dtype=bool)
    there = values[~absent]
    if all(isinstance(value, int | float) for value in there):
        groups = _ranges(name, np.where(absent, np.nan, values).astype(np.float64))
    else:
        texts = values.astype(np.str_)
        names = np.unique(texts[~absent])
        if len(names) > MOST:
            return {}
        groups = {str(text): ~absent & (texts == text) for text in names}
    groups[UNKNOWN] = absent
    return {value: mine for value, mine in groups.items() if mine.any()}


def _ranges(name: str, numbers: NDArray[np.float64]) -> dict[str, NDArray[np.bool_]]:
    there = numbers[~np.isnan(numbers)]
    if not len(there):
        return {}
    edges, unit = EDGES.get(name, (np.unique(np.quantile(there, (0.25, 0.5, 0.75))), ""))
    said = [f"{edge:g}" for edge in edges]
    between = (f"{a} to {b} {unit}" for a, b in pairwise(said))
    names = [f"below {said[0]} {unit}", *between, f"{said[-1]} {unit}".rstrip() + " or more"]
    place = np.where(np.isnan(numbers), -1, np.searchsorted(edges, numbers, "right"))
    return {text.rstrip(): place == n for n, text in enumerate(names)}


def _figures(
    mine: NDArray[np.bool_],
    labels: Labels,
    scores: Scores,
    clusters: NDArray[Any],
    seed: int,
    resamples: int,
) -> dict[str, Any]:
    y, p = labels[mine], scores[mine]
    draws = Draws.of(y, clusters[mine], seed, resamples)
    drawn = {"auroc": resampled_auroc(y, p, draws)} if draws.resamples else {}
    return {
        "auroc": None if undefined(y) else auroc(y, p),
        "interval": ends(drawn, ("auroc",))["auroc"],
        "real": int((y == REAL).sum()),
        "fake": int((y == FAKE).sum()),
    }
