"""Pictures of a benchmark, told apart by colour and by line style, and how every picture looks.

Colours: Okabe & Ito 2008, which readers with any common colour blindness can tell apart. Figures
are made without pyplot, so that nothing global changes and no display is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dfdbench.leaderboard.notes import UNTRAINED

# Without the yellow (#F0E442), which is too light on white.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STYLES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "v", "D", "P", "X")
LINES = 14
"""Detectors whose trainings share a panel."""
LEGEND = 3
"""Names beside each other in a legend."""

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
                ax.plot(*curves[name], **look(n), marker=MARKERS[n % len(MARKERS)], label=name)
        dress(ax, "epoch", title)
        ax.xaxis.get_major_locator().set_params(integer=True)
    for ax in axes[len(drawn) :]:
        ax.set_axis_off()
    legend_below(figure, axes)
    _save(figure, path)
    return True


def validation_curves(rows: Sequence[Mapping[str, Any]], path: Path) -> bool:
    """AUROC of the validation videos over the epochs, a line a detector, a panel a train set.

    With several seeds the line is their mean and the band reaches from the lowest to the highest;
    it ends with the shortest training. As :func:`learning_curves` where there is nothing to draw.
    Source: Yermakov et al. 2025, arXiv:2503.19683, figure 1, which compares regularizations so.
    """
    found: dict[str, dict[str, dict[int, list[tuple[int, float]]]]] = {}
    for row in rows:
        history = row.get("fit", {}).get("history") or ()
        points = [(record["epoch"], _metric(record, "auroc")) for record in history]
        known = [(epoch, value) for epoch, value in points if value is not None]
        if known:
            seeds = found.setdefault(row["train_set"], {}).setdefault(row["detector"], {})
            seeds[row["seed"]] = known
    if not found:
        return False
    names = list(dict.fromkeys(name for lines in found.values() for name in lines))
    shown = names[:LINES]
    figure, axes = panels(len(found), 3, (5.2, 3.4), top=0.35, below=len(shown), shared=True)
    for ax, (train_set, lines) in zip(axes, found.items(), strict=True):
        for name, seeds in lines.items():
            if name in shown:
                _draw_seeds(ax, list(seeds.values()), name, shown.index(name))
        dress(ax, "epoch", "AUROC on validation videos (%)" if ax is axes[0] else "")
        few = f" (the first {LINES} of {len(names)} detectors)" if names != shown else ""
        ax.set_title(f"trained on {train_set}{few}", fontsize=10)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(figure, axes)
    save(figure, path)
    return True


def _draw_seeds(ax: Axes, seeds: Sequence[Sequence[tuple[int, float]]], name: str, n: int) -> None:
    """One line of several trainings; each is (epoch, value) by epoch."""
    length = min(map(len, seeds))
    epochs = [epoch for epoch, _ in seeds[0][:length]]
    values = np.array([[value for _, value in seed[:length]] for seed in seeds])
    marker = MARKERS[n % len(MARKERS)]
    ax.plot(epochs, values.mean(axis=0), **look(n), marker=marker, label=name)
    if len(seeds) > 1:
        band = (values.min(axis=0), values.max(axis=0))
        ax.fill_between(epochs, *band, color=COLOURS[n % len(COLOURS)], alpha=0.15, linewidth=0)


def line_name(detector: str, train_set: str, several: bool) -> str:
    """A line's name in a picture; with its train set where there are ``several``."""
    return f"{detector} on {train_set}" if several and train_set != UNTRAINED else detector


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


def panels(
    count: int,
    columns: int,
    size: tuple[float, float],
    *,
    left: float = 0.7,
    top: float = 0.65,
    below: int = 0,
    shared: bool = False,
) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` equal panels, at most ``columns`` beside each other.

    Lengths are in inches: the ``size`` of a panel, what is ``left`` of the first one and on ``top``
    for titles. ``below`` names fit into a :func:`legend`; ``shared`` are the axes. A layout that
    matplotlib finds by itself takes as long as the drawing.
    """
    columns = min(columns, count)
    rows = -(-count // columns)
    across, down, bottom = 0.5, 0.6, 0.65 + 0.22 * -(-below // LEGEND)
    width = left + columns * size[0] + (columns - 1) * across + 0.25
    height = top + rows * size[1] + (rows - 1) * down + bottom
    figure = Figure(figsize=(width, height))
    edges = {
        "left": left / width, "right": 1 - 0.25 / width,
        "bottom": bottom / height, "top": 1 - top / height,
        "wspace": across / size[0], "hspace": down / size[1],
    }  # fmt: skip
    axes = figure.subplots(
        rows, columns, squeeze=False, gridspec_kw=edges, sharex=shared, sharey=shared
    )
    for ax in list(axes.flat)[count:]:
        ax.remove()
    return figure, list(axes.flat)[:count]


def legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend for all :func:`panels`, at the foot of the figure."""
    figure.legend(
        *_handles(axes), loc="lower center", ncols=LEGEND, frameon=False, handlelength=3.5,
        fontsize=9,
    )  # fmt: skip


def look(n: int) -> dict[str, Any]:
    """Colour and style of the n-th line: 28 pairs before one comes back."""
    return {
        "color": COLOURS[n % len(COLOURS)],
        "linestyle": STYLES[n % len(STYLES)],
        "linewidth": 1.6,
        "markersize": 4.5,
    }


def dress(ax: Axes, x: str, y: str) -> None:
    """Name the axes of a panel and give it a light grid."""
    ax.set(xlabel=x, ylabel=y)
    ax.grid(color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def foot(figure: Figure, said: str) -> None:
    """What the axes of all :func:`panels` are, at the foot of the figure."""
    figure.text(0.5, 0.12 / figure.get_figheight(), said, ha="center", fontsize=10)


def legend_below(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend for all panels, each name once."""
    figure.legend(
        *_handles(axes), loc="outside lower center", ncols=LEGEND, frameon=False, handlelength=3.5
    )


def _handles(axes: Sequence[Axes]) -> tuple[list[Any], list[str]]:
    handles: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    return list(handles.values()), list(handles)


def save(figure: Figure, stem: Path) -> None:
    """Write a figure as PNG and as SVG; equal results give equal bytes."""
    for suffix in (".png", ".svg"):
        _save(figure, stem.with_name(stem.name + suffix))


def _save(figure: Figure, path: Path) -> None:
    # No software version and no date in the file, and no random ids in an SVG.
    unsaid = {".png": {"Software": None}, ".svg": {"Creator": None, "Date": None}}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context({"svg.hashsalt": "dfdbench"}):
        figure.savefig(path, dpi=150, metadata=unsaid[path.suffix])
