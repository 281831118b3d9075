"""What ``dvc metrics`` and ``dvc plots`` show of a benchmark, from the rows of its results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

GRID = 100
"""Steps of the false positive rate in a ROC curve."""


def aurocs(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """``DETECTOR-TRAIN_SET`` -> test set -> video-level AUROC, mean over seeds; their mean last."""
    values: dict[str, dict[str, list[float]]] = {}
    clean: dict[str, set[str]] = {}
    for row in rows:
        if row["video"]["auroc"] is not None:
            line, column = f"{row['detector']}-{row['train_set']}", _panel(row)
            values.setdefault(line, {}).setdefault(column, []).append(row["video"]["auroc"])
            if column == row["test_set"]:
                clean.setdefault(line, set()).add(column)
    found = {}
    for line, columns in values.items():
        means = {column: fmean(figures) for column, figures in columns.items()}
        own = [means[column] for column in clean.get(line, ())]
        found[line] = means | ({"mean": fmean(own)} if own else {})
    return found


def curves(rows: Sequence[Mapping[str, Any]], videos: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Points of the ROC curves, averaged over seeds at each false positive rate of a grid.

    ``videos`` are labels and scores by the ``key`` of a row.
    """
    import numpy as np
    from sklearn.metrics import roc_curve

    from dfdbench.metrics import undefined

    several = len({row["train_set"] for row in rows}) > 1
    grid = [n / GRID for n in range(GRID + 1)]
    found: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        labels, scores = videos[row["key"]]
        if undefined(labels):
            continue
        fpr, tpr, _ = roc_curve(labels, scores)
        line = f"{row['detector']} {row['train_set']}" if several else row["detector"]
        found.setdefault((_panel(row), line), []).append(np.interp(grid, fpr, tpr))
    points = []
    for (panel, line), curve in found.items():
        heights = [round(float(height), 4) for height in np.mean(curve, axis=0)]
        points += [
            {"test_set": panel, "detector": line, "fpr": x, "tpr": y}
            for x, y in [(0.0, 0.0), *zip(grid, heights, strict=True)]
        ]
    return points


def _panel(row: Mapping[str, Any]) -> str:
    """The test set, and what it was perturbed by."""
    clean = row["perturbation"] == "none"
    return row["test_set"] if clean else f"{row['test_set']} {row['perturbation']}"
