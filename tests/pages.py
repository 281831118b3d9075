"""Results folders for the tests of the page and the plots: rows with scores that they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from boards import row
from sklearn.metrics import roc_auc_score

from dfdbench import leaderboard, results
from dfdbench.leaderboard import page, scored
from dfdbench.leaderboard.page.evidence import of_row

METHODS = ("swap", "redraw", "reenact")


def video_id(test: str, n: int) -> str:
    """As long as the ids of real data sets are."""
    return f"{test}/id{n % 59:02d}_id{n % 7:02d}_{n:05d}"


def results_folder(
    folder: Path,
    detectors: Sequence[str] = ("ln_norm", "ln", "linear_probe"),
    tests: Sequence[str] = ("cdfv2", "dfd"),
    real: int = 60,
    fake: int = 90,
    seeds: Sequence[int] = (42,),
) -> list[dict[str, Any]]:
    """Rows of ``metrics.json`` with score files and tables of videos in ``folder``.

    The first detector is the best one. Each video has one frame.
    """
    rng = np.random.default_rng(3)
    rows = []
    for test in tests:
        _videos(folder, test, real, fake)
        hard = rng.normal(size=real + fake)  # a video is hard for every detector
        for place, detector in enumerate(detectors):
            for seed in seeds:
                label = np.repeat([0, 1], [real, fake])
                logit = (2.0 - 0.5 * place / len(detectors) * 3) * label + hard
                logit = logit + 0.3 * rng.normal(size=len(label)) - 1
                rows.append(_row(folder, detector, test, seed, label, 1 / (1 + np.exp(-logit))))
    return rows


def html(rows: Sequence[dict[str, Any]], **more: Any) -> str:
    """The page of rows that know their folder."""
    evidence: dict[Any, Any] = {}
    for each in rows:
        place = (each["detector"], each["train_set"], each["test_set"])
        evidence.setdefault(place, []).append(of_row(each, scored.read(each)))
    return page.to_html(leaderboard.rank(rows, "paper"), evidence, **more)


def _row(
    folder: Path, detector: str, test: str, seed: int, label: Any, p_fake: Any
) -> dict[str, Any]:
    auroc = float(roc_auc_score(label, p_fake))
    history = [
        {"epoch": n, "loss": 1 / n, "video": {"auroc": auroc - 0.3 / n, "map": 0.5}}
        for n in range(1, 11)
    ]
    part = {"auroc": auroc, "interval": [auroc - 0.05, auroc], "real": 60, "fake": 30}
    found = row(
        detector,
        test,
        seed=seed,
        auroc=auroc,
        interval=[auroc - 0.03, min(auroc + 0.025, 1.0)],
        key=f"{detector}-{test}-{seed}",
        folder=str(folder),
        calibration=_calibration(label, p_fake),
        breakdown={"method": dict.fromkeys(METHODS, part)},
        videos={"real": int((label == 0).sum()), "fake": int((label == 1).sum()), "unscored": 0},
        fit={"history": history},
    )
    names = [video_id(test, n) for n in range(len(label))]
    columns = {name: pa.array([found[name]] * len(label)) for name in results.IDS}
    columns |= {
        "video_id": pa.array(names), "frame_index": pa.array([0] * len(label)),
        "path": pa.array(names), "label": pa.array(label), "p_fake": pa.array(p_fake),
    }  # fmt: skip
    path = folder / results.SCORES / results.score_file(found)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return found


def _videos(folder: Path, test: str, real: int, fake: int) -> None:
    count = real + fake
    methods = [""] * real + [METHODS[n % 3] for n in range(fake)]
    table = pa.table(
        {
            "video_id": [video_id(test, n) for n in range(count)],
            "label": [0] * real + [1] * fake,
            "method": methods,
            "target_id": pa.nulls(count, pa.string()),
            "source_id": pa.nulls(count, pa.string()),
            "faces": [1] * count,
            "length": [300] * count,
            "face_size": [120.0] * count,
        }
    )
    path = folder / results.VIDEOS / f"{test}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def _calibration(label: Any, p_fake: Any, bins: int = 10) -> dict[str, Any]:
    parts = np.array_split(np.argsort(p_fake), min(bins, len(label)))
    curve = [[float(p_fake[part].mean()), float(label[part].mean()), len(part)] for part in parts]
    ece = sum(abs(p - share) * n for p, share, n in curve) / len(label)
    return {"bins": bins, "binning": "equal mass", "ece": ece, "curve": curve}
