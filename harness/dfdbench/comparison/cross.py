"""The reals of one test set against the fakes of another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import permutations
from typing import Any

import numpy as np

from dfdbench.api import FAKE, REAL
from dfdbench.leaderboard import scored
from dfdbench.leaderboard.merging import group
from dfdbench.metrics import delong

Row = Mapping[str, Any]


def cross_sets(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """AUROC of every detector, train set and seed for each pair of test sets, ready for JSON.

    A detector that sees fakes separates the reals of any set from the fakes of any other about as
    well as within a set. One that tells data sets apart does so far better in one direction than
    in the other. ``interval`` is DeLong's on the logit scale, with all videos taken for
    independent; None where all pairs are in order or a class has fewer than two videos. Rows under
    a perturbation take no part.

    Raises:
        MissingError: a folder lacks scores.
        DataError: a file of scores is damaged.
    """
    clean = [row for row in rows if row["status"] == "done" and row["perturbation"] == "none"]
    found = []
    for ids, mine in group(clean, lambda r: (r["detector"], r["train_set"], r["seed"])).items():
        classes: dict[tuple[str, int], Any] = {}
        for row in mine if len(mine) > 1 else ():
            videos = scored.read(row)
            for label in (REAL, FAKE):
                classes[row["test_set"], label] = videos.p_fake[videos.label == label]
        for real_of, fake_of in permutations([row["test_set"] for row in mine], 2):
            names = dict(zip(("detector", "train_set", "seed"), ids, strict=True))
            figures = _figures(classes[real_of, REAL], classes[fake_of, FAKE])
            found.append({**names, "real_of": real_of, "fake_of": fake_of, **figures})
    return found


def _figures(real: Any, fake: Any) -> dict[str, Any]:
    if not len(real) or not len(fake):
        return {"auroc": None, "interval": None}
    labels = np.repeat([REAL, FAKE], [len(real), len(fake)])
    scores = np.concatenate([real, fake])[None]
    reals, fakes = delong.placements(labels, scores)
    auroc = float(fakes.mean())
    enough = min(len(real), len(fake)) >= 2
    variance = float(delong.covariance(reals, fakes)[0, 0]) if enough else 0.0
    return {"auroc": auroc, "interval": delong.interval(auroc, variance)}
