"""Pictures of scores on one test set: ROC curves, histograms, reliability.

A detector is a name with one :class:`Scored` a seed, the highest AUROC first. Of more detectors
than fit into a picture the first ones are drawn, and the title says so. With nothing to draw
nothing is written, and the result is False.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from dfdbench.leaderboard.plots import COLOURS, MARKERS, dress, foot, legend, look, panels, save
from dfdbench.leaderboard.scored import Scored
from dfdbench.metrics import auroc, undefined

Seeds = Mapping[str, Sequence[Scored]]
Curve = NDArray[np.floating[Any]]

CURVES, PANELS, KINDS = 10, 12, 6
LOW_FPR = 1e-3
BINS = 20


def roc_curves(detectors: Seeds, path: Path, title: str) -> bool:
    """ROC curves, plain and with a logarithmic FPR axis; the mean over seeds at each FPR."""
    kept = {
        name: both
        for name, seeds in detectors.items()
        if (both := [seed for seed in seeds if not undefined(seed.label)])
    }
    if not kept:
        return False
    shown = dict(list(kept.items())[:CURVES])
    figure, axes = panels(2, 2, (3.9, 3.9), top=0.45, below=len(shown))
    chance = np.geomspace(LOW_FPR, 1, 100)
    for ax in axes:
        ax.plot(chance, chance, color="0.6", linewidth=1)
    for n, (name, seeds) in enumerate(shown.items()):
        fpr, tpr = _mean_curve(seeds)
        figures = [100 * auroc(seed.label, seed.p_fake) for seed in seeds]
        for ax in axes:
            ax.plot(fpr, tpr, **look(n), label=f"{name} ({np.mean(figures):.1f})")
    dress(axes[0], "false positive rate", "true positive rate")
    dress(axes[1], "false positive rate, logarithmic", "")
    axes[0].set(xlim=(-0.01, 1), ylim=(0, 1.01))
    axes[1].set(xscale="log", xlim=(LOW_FPR, 1), ylim=(0, 1.01))
    axes[1].xaxis.set_major_formatter("{x:g}")
    legend(figure, axes)
    return _titled(figure, f"{title}: ROC of videos (AUROC in %){_few(kept, CURVES)}", path)


def histograms(detectors: Seeds, path: Path, title: str) -> bool:
    """Distributions of the scores, a panel a detector, a row for real and each method.

    Every row has its own height; the seeds are taken together.
    """
    kept = {name: seeds for name, seeds in detectors.items() if any(len(seed) for seed in seeds)}
    if not kept:
        return False
    shown = dict(list(kept.items())[:PANELS])
    found = {kind for seeds in shown.values() for seed in seeds for kind in seed.kinds}
    kinds = sorted(found, key=lambda kind: (kind != "real", kind))[: KINDS + 1]
    left = 0.3 + 0.08 * max(map(len, kinds))
    size = (2.4, 0.32 * len(kinds) + 0.1)
    figure, axes = panels(len(shown), 3, size, left=left, shared=True)
    for ax, (name, seeds) in zip(axes, shown.items(), strict=True):
        _rows(ax, seeds, kinds)
        ax.set_title(name, fontsize=10)
    axes[0].set(xlim=(0, 1), ylim=(-len(kinds) + 0.95, 1.05), xticks=[0, 0.5, 1])
    axes[0].set_yticks([0.3 - n for n in range(len(kinds))], kinds)
    few = f"; the first {KINDS} of {len(found) - 1} methods" if len(found) > KINDS + 1 else ""
    foot(figure, "p(fake) of a video")
    return _titled(figure, f"{title}: scores of videos{_few(kept, PANELS)}{few}", path)


def reliability(curves: Mapping[str, Sequence[Mapping[str, Any]]], path: Path, title: str) -> bool:
    """Share of fakes over the mean p(fake) of each bin, a panel a detector, a line a seed.

    ``curves`` is name -> the ``calibration`` of its rows.
    """
    kept = {
        name: both
        for name, found in curves.items()
        if (both := [seed for seed in found if seed["curve"]])
    }
    if not kept:
        return False
    shown = dict(list(kept.items())[:PANELS])
    figure, axes = panels(len(shown), 4, (1.9, 1.9), shared=True)
    for ax, (name, seeds) in zip(axes, shown.items(), strict=True):
        ax.plot([0, 1], [0, 1], color="0.6", linewidth=1)
        for n, seed in enumerate(seeds):
            points = np.asarray(seed["curve"], dtype=float).reshape(-1, 3)
            ax.plot(
                points[:, 0], points[:, 1], color=COLOURS[1], linewidth=1.2, markersize=4,
                marker=MARKERS[n % len(MARKERS)], clip_on=False,
            )  # fmt: skip
        ece = np.mean([100 * seed["ece"] for seed in seeds])
        dress(ax, "", "")
        ax.set_title(f"{name}\nECE {ece:.1f} %", fontsize=9)
        ax.tick_params(labelbottom=True)
    axes[0].set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    foot(figure, "across: mean p(fake) of a bin; up: share of fakes in it")
    one = next(iter(shown.values()))[0]
    how = f"{one['bins']} bins, {one['binning']}"
    return _titled(figure, f"{title}: reliability ({how}){_few(kept, PANELS)}", path)


def _mean_curve(seeds: Sequence[Scored]) -> tuple[Curve, Curve]:
    """FPR and TPR: the curve itself of one seed, else the mean on all rates that occur."""
    curves: list[tuple[Curve, Curve]] = [roc_curve(seed.label, seed.p_fake)[:2] for seed in seeds]
    if len(curves) == 1:
        return curves[0]
    grid = np.unique(np.concatenate([fpr for fpr, _ in curves]))
    heights = np.mean([np.interp(grid, fpr, tpr) for fpr, tpr in curves], axis=0)
    return np.concatenate([[0.0], grid]), np.concatenate([[0.0], heights])


def _rows(ax: Axes, seeds: Sequence[Scored], kinds: Sequence[str]) -> None:
    """Histograms below each other, real in another colour and hatched."""
    edges = np.linspace(0, 1, BINS + 1)
    for n, kind in enumerate(kinds):
        scores = np.concatenate([seed.p_fake[seed.kind == kind] for seed in seeds])
        counts = np.histogram(scores, edges)[0]
        if len(scores):
            real = kind == "real"
            ax.stairs(
                0.85 * counts / counts.max() - n, edges, baseline=-n, fill=True, linewidth=0.6,
                facecolor="0.8" if real else COLOURS[1], edgecolor="0.4" if real else COLOURS[1],
                hatch="///" if real else None,
            )  # fmt: skip
        ax.axhline(-n, color="0.6", linewidth=0.8)
    ax.grid(axis="x", color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left", "bottom"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.tick_params(labelbottom=True)


def _titled(figure: Figure, title: str, path: Path) -> bool:
    figure.suptitle(title, fontsize=11, y=1 - 0.12 / figure.get_figheight(), va="top")
    save(figure, path)
    return True


def _few(all_of: Mapping[str, Any], most: int) -> str:
    return f"; the {most} highest of {len(all_of)} detectors" if len(all_of) > most else ""
