"""Writes robustness.md, .csv, .png and .svg; only if those that are there say something else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dfdbench.leaderboard import robustness_tables
from dfdbench.leaderboard.merging import Row
from dfdbench.leaderboard.robustness import curves
from dfdbench.store import write_text

STEM = "robustness"


def write(rows: Sequence[Row], out: Path, benchmark: str = "") -> None:
    """Write what is left under perturbations into ``out``; where nothing was perturbed, nothing."""
    paths = {suffix: out / f"{STEM}{suffix}" for suffix in (".md", ".csv", ".png", ".svg")}
    texts: dict[str, str] = {}
    if curves(rows):
        texts[".md"] = robustness_tables.to_markdown(rows, benchmark)
        texts[".csv"] = robustness_tables.to_csv(rows)
        if all(paths[suffix].is_file() for suffix in texts) and all(
            paths[suffix].read_text(encoding="utf-8") == text for suffix, text in texts.items()
        ):
            return
    for path in paths.values():
        path.unlink(missing_ok=True)
    if texts:
        from dfdbench.leaderboard import robustness_plot  # matplotlib takes a second

        robustness_plot.draw(rows, out / STEM)
    # Last: tables that are there say that the pictures are there, too.
    for suffix, text in texts.items():
        write_text(paths[suffix], text)
