"""Trains the detector under test on small faces, and compares scores."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdbench.api import SCRATCH, Context, Detector, Fit
from dfdbench.component import sha256_of
from dfdbench.faces import Faces
from dfdbench.stages.score import probabilities
from dfdbench.testing import samples
from dfdbench.testing.case import Case, Failed, fail

TOLERANCE = 1e-4
"""Of scores, which rounding changes with the size of a batch."""

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Training:
    """A finished training: its folder without scratch, what it said, and its scores.

    ``files`` has the sha256 of each file as the training left it, before anything was scored.
    """

    folder: Path
    files: dict[str, str]
    fit: Fit
    records: list[dict[str, Any]]
    scores: Scores


def it(case: Case) -> Detector:
    """The detector under test."""
    assert isinstance(case.component, Detector)
    return case.component


def unseen(case: Case) -> Faces:
    """Faces to score: 14 of 8 videos, which are in no training."""
    return samples.faces(3, videos=8, size=case.size, name="test")


def given(folder: Path, heard: samples.Heard | None = None) -> Context:
    """What the detector gets besides faces."""
    return Context(folder, seed=1, log=heard or samples.Heard())


def train_in(
    case: Case, folder: Path, heard: samples.Heard | None = None, validated: bool = True,
    seed: int = 1,
) -> Fit:  # fmt: skip
    """Train on faces of this seed, with or without others to choose the checkpoint by."""
    train = samples.faces(seed, size=case.size)
    validation = samples.faces(2, videos=8, size=case.size, name="validation")
    return it(case).fit(train, validation if validated else None, given(folder, heard))


def scores_of(detector: Detector, faces: Faces, folder: Path) -> Scores:
    """Scores (N,), seen to be probabilities."""
    try:
        return probabilities(detector.score(faces, given(folder)), len(faces))
    except ValueError as error:
        raise Failed(f"it {error}") from error


def training_of(case: Case) -> Training:
    """A training that the checks share; of a detector that does not train, scores alone."""

    def train() -> Training:
        folder, heard, fit = case.new_folder(), samples.Heard(), Fit()
        if it(case).trains:
            fit = train_in(case, folder, heard)
            shutil.rmtree(folder / SCRATCH, ignore_errors=True)
        files = contents(folder)
        scores = scores_of(it(case), unseen(case), folder)
        return Training(folder, files, fit, heard.records, scores)

    return case.once("training", train)


def same(found: Scores, wanted: Scores, what: str, tolerance: float = TOLERANCE) -> None:
    """Fail where scores differ by more than rounding."""
    differ = ~np.isclose(found, wanted, rtol=0, atol=tolerance, equal_nan=True)
    if differ.any():
        n = int(differ.argmax())
        fail(
            f"{what}: {differ.sum()} of {len(found)} scores differ, such as {wanted[n]:.6f} and "
            f"{found[n]:.6f}"
        )


def contents(folder: Path) -> dict[str, str]:
    """Relative path -> sha256 of each file below a folder."""
    return {
        path.relative_to(folder).as_posix(): sha256_of(path)
        for path in folder.rglob("*")
        if path.is_file()
    }
