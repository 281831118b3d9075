"""Which seeds belong to which part of the embedded benchmark.

Every identity (a face and its clips) and every donor (the second face of a manipulation) is a
number; the ranges below are disjoint, so no face is seen in two parts. A donor serves exactly one
manipulated video and appears nowhere else.
"""

import numpy as np

# half-open [first, last): the encoder's pretraining never sees a face of the benchmark
SEEDS: dict[str, range] = {
    "pretrain": range(0, 100_000),
    "train": range(100_000, 200_000),
    "val": range(200_000, 300_000),
    "test": range(300_000, 400_000),
    "train_donors": range(400_000, 500_000),
    "val_donors": range(500_000, 600_000),
    "test_donors": range(600_000, 900_000),
}

# separates the streams that one number feeds, so that e.g. skin and noise are independent
STREAMS = {"identity": 1, "skin": 2, "clip": 3, "motion": 4, "film": 5, "manipulation": 6}


def stream(name: str, *numbers: int) -> np.random.Generator:
    """Return the generator of one stream; the same name and numbers give the same draws."""
    return np.random.default_rng(np.random.SeedSequence([STREAMS[name], *numbers]))
