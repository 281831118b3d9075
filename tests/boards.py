"""Result rows for the tests of the leaderboard."""

from typing import Any

import numpy as np

from dfdbench import metrics
from dfdbench.leaderboard import protocol


def row(detector: str, test_set: str = "cdfv2", **changes: Any) -> dict[str, Any]:
    """A finished row with a video-level AUROC of 0.9 and an interval of 0.85 to 0.95."""
    level = dict.fromkeys(metrics.METRICS, 0.5) | {"auroc": changes.pop("auroc", 0.9)}
    interval = changes.pop("interval", [0.85, 0.95])
    fit = {
        "selection": "best video map", "selected_on": "validation", "epoch": 3,
        "trainable": 104_450, "parameters": 303_966_208,
    }  # fmt: skip
    declared = changes.pop("declared", None)
    made = {
        "detector": detector, "train_set": "ffpp", "seed": 42, "test_set": test_set,
        "perturbation": "none", "status": "done", "reason": "", "trial": None,
        "data": f"da7a{test_set}", "key": f"{detector}-{test_set}",
        "fit": fit | changes.pop("fit", {}),
        "video": level, "frame": level | {"auroc": 0.8},
        "interval": {
            "method": metrics.INTERVAL, "resamples": 2000,
            "video": {"auroc": interval}, "frame": {"auroc": [0.78, 0.82]},
        },
        "undefined": "",
        "videos": {"real": 178, "fake": 340, "unscored": 0},
        "frames": {"real": 5696, "fake": 10880, "unscored": 0},
        "threshold": 0.4, "threshold_from": "validation EER", "duration": 1.0,
    } | changes  # fmt: skip
    if made["train_set"] == "none":
        made["fit"] = {}
    train_data = "7ra1n" if made["fit"] else ""
    rests_on = protocol.of_row(
        made, seeds=[42], frames=(32, 32), train_data=train_data, declared=declared
    )
    return {"protocol": rests_on, **made}


def closed(detector: str, test_set: str = "cdfv2", **changes: Any) -> dict[str, Any]:
    """A finished row of a detector that does not train here."""
    return row(detector, test_set, **{"train_set": "none", "seed": 0} | changes)


def failed(detector: str, test_set: str = "cdfv2", **changes: Any) -> dict[str, Any]:
    """A row without figures."""
    return {
        "detector": detector, "train_set": "ffpp", "seed": 42, "test_set": test_set,
        "perturbation": "none", "status": "failed", "reason": "NaN loss at step 12",
    } | changes  # fmt: skip


def demo() -> list[dict[str, Any]]:
    """Six detectors on three test sets, with long names."""
    rng = np.random.default_rng(1)
    rows = []
    for name in (
        "linear_probe", "ln", "ln_norm", "ln_norm_unal", "ln_norm_unal_slerp", "mobilenet_v3",
    ):  # fmt: skip
        for test in ("identities", "manipulation", "camera"):
            value = float(rng.uniform(0.6, 0.9))
            rows.append(
                row(name, test, auroc=value, interval=[value - 0.061, value + 0.057],
                    videos={"real": 99, "fake": 99, "unscored": 0})
            )  # fmt: skip
    return rows


def versus(
    a: str, b: str, test_set: str = "cdfv2", p: float = 0.5, interval: Any = (-0.02, 0.01)
) -> dict[str, Any]:
    """A comparison of two detectors on one train set."""
    return {
        "train_set_a": "ffpp", "a": a, "train_set_b": "ffpp", "b": b, "test_set": test_set,
        "difference": -0.005, "interval": list(interval), "p": p, "p_delong": p, "p_holm": p,
        "videos": 518,
    }  # fmt: skip
