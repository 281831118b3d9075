"""Pictures of a benchmark as PNG, told apart by colour and by line style.

Colours: Okabe & Ito 2008, which readers with any common colour blindness can tell apart. Figures
are made without pyplot, so that nothing global changes and no display is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from dfdbench.metrics import auroc, undefined
from dfdbench.metrics.bootstrap import Labels, Scores

# Without the yellow (#F0E442), which is too light on white.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STYLES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "v", "D", "P", "X")


Histories = Mapping[str, Sequence[Mapping[str, Any]]]


def histories(rows: Sequence[Mapping[str, Any]]) -> Histories:
    """The training of each row that has one, by detector, train set and seed."""
    return {
        f"{row['detector']} {row['train_set']} {row['seed']}": row["fit"]["history"]
        for row in rows
        if row.get("fit", {}).get("history")
    }


def learning_curves(histories: Histories, path: Path) -> bool:
    """Metrics on validation, the loss with its terms, and the learning rate over the epochs.

    ``histories`` is name -> ``Fit.history``: records with ``epoch`` and, where they are known,
    ``video`` (metrics in [0, 1]), ``loss`` (a number, or its terms, which are added up) and ``lr``.
    Panels without data are left out; with none at all nothing is written, and the result is False.
    """
    drawn: dict[str, dict[str, tuple[list[int], list[float]]]] = {}
    for title, value in _panels(histories).items():
        for name, history in histories.items():
            points = [(record["epoch"], value(record)) for record in history]
            known = [(epoch, y) for epoch, y in points if y is not None]
            if known:
                epochs, values = map(list, zip(*known, strict=True))
                drawn.setdefault(title, {})[name] = (epochs, values)
    if not drawn:
        return False
    columns = min(3, len(drawn))
    rows = -(-len(drawn) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.4 * rows + 1), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flatten())
    for ax, (title, curves) in zip(axes, drawn.items(), strict=False):
        for n, name in enumerate(histories):
            if name in curves:
                ax.plot(*curves[name], **_look(n), marker=MARKERS[n % len(MARKERS)], label=name)
        _dress(ax, "epoch", title)
        ax.xaxis.get_major_locator().set_params(integer=True)
    for ax in axes[len(drawn) :]:
        ax.set_axis_off()
    _legend_below(figure, axes)
    _save(figure, path)
    return True


def roc_curves(
    scores: Mapping[str, tuple[Labels, Scores]], path: Path, title: str = "", low_fpr: float = 1e-3
) -> bool:
    """ROC curves of detectors on one test set, plain and with a logarithmic FPR axis.

    ``scores`` is name -> (labels (N,), p(fake) (N,)); scores that are NaN are left out, and so is
    a detector whose scores have one class only. ``low_fpr`` is the left end of the logarithmic
    axis. With nothing to draw nothing is written, and the result is False.
    """
    kept = {name: (y[~np.isnan(p)], p[~np.isnan(p)]) for name, (y, p) in scores.items()}
    kept = {name: pair for name, pair in kept.items() if not undefined(pair[0])}
    if not kept:
        return False
    figure = Figure(figsize=(8.8, 5.0), layout="constrained")
    plain, zoomed = axes = figure.subplots(1, 2)
    chance = np.geomspace(low_fpr, 1, 100)
    for ax in axes:
        ax.plot(chance, chance, color="0.7", linewidth=1)
        for n, name in enumerate(scores):
            if name in kept:
                fpr, tpr, _ = roc_curve(*kept[name])
                label = f"{name} ({100 * auroc(*kept[name]):.1f})"
                ax.plot(fpr, tpr, **_look(n), label=label)
        _dress(ax, "false positive rate", "true positive rate")
    zoomed.set(xscale="log", xlim=(low_fpr, 1), ylabel="")
    plain.set(xlim=(-0.01, 1), ylim=(0, 1.01))
    zoomed.set(ylim=(0, 1.01))
    figure.suptitle(f"{title}: ROC (AUROC in %)" if title else "ROC (AUROC in %)", fontsize=11)
    _legend_below(figure, axes)
    _save(figure, path)
    return True


def _panels(histories: Histories) -> dict[str, Callable[[Mapping[str, Any]], float | None]]:
    """What is drawn, by title; the terms of a loss only where some training has several."""
    losses = [record.get("loss") for history in histories.values() for record in history]
    several = [loss for loss in losses if isinstance(loss, Mapping) and len(loss) > 1]
    terms = dict.fromkeys(name for loss in several for name in loss)
    return {
        "AUROC on validation videos (%)": partial(_metric, name="auroc"),
        "mAP on validation videos (%)": partial(_metric, name="map"),
        "training loss": _loss,
        **{f"training loss: {name}": partial(_term, name=name) for name in terms},
        "learning rate": lambda record: record.get("lr"),
    }


def _metric(record: Mapping[str, Any], name: str) -> float | None:
    value = record.get("video", {}).get(name)
    return None if value is None else 100 * float(value)


def _loss(record: Mapping[str, Any]) -> float | None:
    loss = record.get("loss")
    return float(sum(loss.values())) if isinstance(loss, Mapping) else loss


def _term(record: Mapping[str, Any], name: str) -> float | None:
    loss = record.get("loss")
    return loss.get(name) if isinstance(loss, Mapping) else None


def _look(n: int) -> dict[str, Any]:
    """Colour and style of the n-th line: 28 pairs before one comes back."""
    return {
        "color": COLOURS[n % len(COLOURS)],
        "linestyle": STYLES[n % len(STYLES)],
        "linewidth": 1.6,
        "markersize": 4.5,
    }


def _dress(ax: Axes, x: str, y: str) -> None:
    ax.set(xlabel=x, ylabel=y)
    ax.grid(color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def _legend_below(figure: Figure, axes: Sequence[Axes]) -> None:
    handles: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=3, frameon=False,
        handlelength=3.5,
    )  # fmt: skip


def _save(figure: Figure, path: Path) -> None:
    # No software version in the file: equal results give equal bytes.
    figure.savefig(path, format="png", dpi=150, metadata={"Software": None})
