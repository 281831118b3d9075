"""What the modules of the metrics share: names of metrics, types of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.integer[Any]]
Scores = NDArray[np.floating[Any]]

FPRS = (0.001, 0.01, 0.05)
METRICS = (
    "auroc", "map", "ap", "eer", *(f"tpr_at_fpr_{x}" for x in FPRS), "acc", "balanced_acc", "brier",
)  # fmt: skip
