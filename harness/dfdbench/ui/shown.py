"""What the page shows of one file; nothing here knows what draws it."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dfdbench.predict import pipeline, showing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dfdbench.predict.finding import Trained
    from dfdbench.runtime import Runtime

BLUE, VERMILION = "#0072B2", "#D55E00"
"""Of real and fake; the colour-blind can tell them apart (Okabe & Ito 2008)."""


@dataclass(frozen=True)
class Shown:
    """One file on the page.

    Attributes:
        said: Markdown: verdict, score and what they mean, or why there is none.
        faces: each face (S, S, 3) uint8 as the detector saw it, and its score, behind the number
            of its frame where there are several.
        timeline: the scores over the frames of a video; None where there are less than two.
    """

    said: str
    faces: list[tuple[NDArray[np.uint8], str]]
    timeline: Figure | None


def show(trained: Trained, path: Path, runtime: Runtime) -> Shown:
    """Score a file; one that cannot be read or has no face is said to be so."""
    (found,) = pipeline.predict(trained, [path], runtime)
    name = html.escape(path.name)
    if found.score is None:
        frames = f" ({found.frames} frames)" if found.frames > 1 else ""
        return Shown(f"## No score\n\n**{name}**: {html.escape(found.reason)}{frames}", [], None)
    known = trained.calibration
    p = f", p(fake) {known.of(found.kind).probability(found.score):.3f}" if known else ""
    counts = (
        f"{len(found.looks)} faces in {found.frames} frames" if found.frames > 1 else "one face"
    )
    said = (
        f"## {showing.verdict(trained, found).capitalize()}\n\n**{name}**: score "
        f"{found.score:.3f}{p}, from {counts}.\n\n{showing.meaning(trained, [found.kind])}"
    )
    several = found.frames > 1
    faces = [
        (look.image, f"{look.frame}: {look.score:.2f}" if several else f"{look.score:.3f}")
        for look in found.looks
    ]
    return Shown(said, faces, timeline(found, showing.threshold(trained, found)))


def timeline(found: pipeline.Found, threshold: float) -> Figure | None:
    """The scores over the frames, and the threshold."""
    scores = {n: score for n, score in found.by_frame.items() if not np.isnan(score)}
    if len(scores) < 2:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 2.4), layout="constrained")
    axes = figure.subplots()
    axes.plot(list(scores), list(scores.values()), color="0.6", linewidth=1, zorder=1)
    colours = [VERMILION if score >= threshold else BLUE for score in scores.values()]
    axes.scatter(list(scores), list(scores.values()), c=colours, s=24, zorder=2)
    axes.axhline(threshold, color="0.3", linestyle="--", linewidth=1)
    axes.annotate(
        "fake from here on", (1, threshold), (-4, 3), ("axes fraction", "data"),
        textcoords="offset points", ha="right", fontsize=8, color="0.3",
    )  # fmt: skip
    axes.set(xlabel="frame", ylabel="score", ylim=(-0.03, 1.03))
    return figure
