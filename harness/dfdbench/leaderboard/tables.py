"""Writes a leaderboard as Markdown or JSON, and its rows as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from tabulate import tabulate

from dfdbench.leaderboard.board import Board, Cell, Line, PublishedCell, PublishedLine
from dfdbench.leaderboard.merging import Row
from dfdbench.leaderboard.notes import UNTRAINED

SCHEMA = 1
SCHEMA_FILE = "leaderboard.schema.json"
IDENTITY = (
    "detector", "train_set", "seed", "test_set", "perturbation", "status", "reason", "trial",
    "leak", "data", "key",
)  # fmt: skip
FIGURE = ("level", "metric", "value", "low", "high", "threshold", "threshold_from")
FIT = ("selection", "selected_on", "epoch", "trainable")
PROTOCOL = ("seen", "frames", "faces")
VIDEOS = ("videos_real", "videos_fake", "videos_unscored")
REPORTED = ("level", "value", "citation", "source", "confidence", "note")
NOTHING = "–"  # noqa: RUF001, as a table shows an empty place


def to_markdown(board: Board) -> str:
    """One table with every column, the best of each in bold, and what the reader has to know."""
    headers = ["Detector", "Train set", *board.test_sets, "Mean", "Rank", "Trainable"]
    protocols = len(board.protocols) > 1
    headers += ["Checkpoint", *["Protocol"] * protocols]
    table = [
        [
            marked_name(line),
            NOTHING if line.train_set == UNTRAINED else line.train_set,
            *(_cell(line.cells[test]) for test in board.test_sets),
            _bold(percent(line.mean), line.best_mean),
            place(line),
            NOTHING if line.trainable is None else f"{line.trainable:,}",
            line.selection or NOTHING,
            *[line.protocol or NOTHING] * protocols,
        ]
        for line in board.lines
    ]
    align = ["left", "left", *["left"] * len(board.test_sets), *["right"] * 3, "left"]
    align += ["left"] * protocols
    said = [*board.legend, "**Bold**: best of its column."]
    if any(cell.tied for line in board.lines for cell in line.cells.values()):
        said.append("≈: a paired comparison cannot tell the figure from the best of its column.")
    parts = [f"# {board.benchmark or 'Leaderboard'}", _pipe(table, headers, align), _bullets(said)]
    if board.notes:
        parts += ["## Notes", _bullets(board.notes)]
    if board.published:
        parts += ["## Published, not measured here", _published(board)]
        parts.append(_bullets(board.published_notes))
    return "\n\n".join(parts) + "\n"


def to_json(board: Board) -> str:
    """The board as JSON text; figures in [0, 1], not rounded, null where there is none."""
    head = {"$schema": SCHEMA_FILE, "schema": SCHEMA}
    return json.dumps({**head, **asdict(board)}, indent=1, allow_nan=False) + "\n"


def json_schema() -> str:
    """The JSON schema of what :func:`to_json` writes, made from the types of the board."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(Board).json_schema(mode="serialization")
    own = {"$schema": {"const": SCHEMA_FILE}, "schema": {"const": SCHEMA}}
    return json.dumps(
        {
            **schema,
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "A leaderboard of dfdbench",
            "properties": {**own, **schema["properties"]},
            "required": [*own, *schema["properties"]],
            "additionalProperties": False,
        },
        indent=1,
    ) + "\n"  # fmt: skip


def to_csv(rows: Iterable[Row], reported: Iterable[Mapping[str, Any]] = ()) -> str:
    """Every figure on a line of its own: cell, level, metric, value in [0, 1], interval.

    A cell that has not been computed is one line with its status and reason and no figure; so is
    a figure that others ``reported``, with the status ``published``.
    """
    text = io.StringIO()
    columns = (*IDENTITY, *FIGURE, *FIT, *PROTOCOL, *VIDEOS, *REPORTED[2:])
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        writer.writerows(_csv_lines(row))
    for figure in reported:
        names = ("detector", "train_set", "test_set", *REPORTED)
        found = {name: figure[name] for name in names}
        writer.writerow({**found, "metric": "auroc", "status": "published"})
    return text.getvalue()


def _csv_lines(row: Row) -> list[dict[str, Any]]:
    fit, videos, rests_on = (row.get(name) or {} for name in ("fit", "videos", "protocol"))
    shared = {name: row.get(name) for name in (*IDENTITY, "threshold", "threshold_from")}
    shared |= {name: fit.get(name) for name in FIT}
    shared |= {name: rests_on.get(name) for name in PROTOCOL}
    shared |= {f"videos_{name}": count for name, count in videos.items()}
    if row["status"] != "done":
        return [shared]
    lines = []
    for level in ("video", "frame"):
        for metric, value in row[level].items():
            low, high = row["interval"][level].get(metric) or (None, None)
            reason = row["undefined"] and f"undefined: {row['undefined']}" if value is None else ""
            figure = {"level": level, "metric": metric, "value": value, "low": low, "high": high}
            lines.append(shared | figure | {"reason": reason or row.get("reason")})
    return lines


def marked_name(line: Line) -> str:
    """The detector with what keeps it from being the best."""
    unknown = " ?" * (line.seen == "unknown")
    return line.detector + unknown + " †" * line.on_test + " ‡" * (line.trial is not None)


def percent(value: float | None) -> str:
    """``96.2``, or a dash."""
    return NOTHING if value is None else f"{100 * value:.1f}"


def ranges(cell: Cell) -> str:
    """``[95.0, 97.1]``, or nothing."""
    return f"[{percent(cell.interval[0])}, {percent(cell.interval[1])}]" if cell.interval else ""


def spread(cell: Cell) -> str:
    """`` ± 0.4`` over seeds, or nothing."""
    return "" if cell.std is None else f" ± {percent(cell.std)}"


def place(line: Line) -> str:
    """The average rank, of a guest in brackets."""
    if line.rank is None:
        return NOTHING
    return f"({line.rank:.1f})" if line.guest else f"{line.rank:.1f}"


def as_published(cell: PublishedCell) -> str:
    """``96.62``, with the second decimal where it was printed."""
    text = f"{100 * cell.value:.2f}"
    return text[:-1] if text.endswith("0") else text


def published_figure(cell: PublishedCell | None) -> str:
    """``96.62 (-0.5 ≠)``: a published figure, and how far ours is from it."""
    if cell is None:
        return NOTHING
    if cell.difference is None:
        return as_published(cell)
    differs = " ≠" * (cell.covered is False)
    return f"{as_published(cell)} ({100 * cell.difference:+.1f}{differs})"


def _published(board: Board) -> str:
    headers = ["Published detector", "Here", "Level", *board.test_sets, "Confidence", "Source"]
    table = [
        [
            line.detector + " †" * line.selected_on_test,
            line.here or NOTHING,
            line.level,
            *(published_figure(line.cells.get(test)) for test in board.test_sets),
            confidence(line),
            f"{line.citation}; {line.source}",
        ]
        for line in board.published
    ]
    return _pipe(table, headers, ["left"] * len(headers))


def confidence(line: PublishedLine) -> str:
    """How sure it is that the figures were read rightly; of which test sets, where they differ."""
    found: dict[str, list[str]] = {}
    for test, cell in line.cells.items():
        found.setdefault(cell.confidence, []).append(test)
    if len(found) == 1:
        return next(iter(found))
    return "; ".join(f"{word} ({', '.join(tests)})" for word, tests in found.items())


def _cell(cell: Cell) -> str:
    if cell.auroc is None:
        return NOTHING if cell.status == "absent" else cell.status
    figure = (
        _bold(percent(cell.auroc), cell.best)
        + " ≈" * cell.tied
        + " §" * cell.leaked
        + " °" * cell.fewer
    )
    return f"{figure}{spread(cell)} {ranges(cell)}".rstrip()


def _bold(text: str, best: bool) -> str:
    return f"**{text}**" if best else text


def _pipe(table: list[list[str]], headers: list[str], align: list[str]) -> str:
    escaped = [[text.replace("|", "\\|") for text in row] for row in table]
    how = align if table else None
    return str(tabulate(escaped, headers, "pipe", disable_numparse=True, colalign=how))


def _bullets(texts: Iterable[str]) -> str:
    return "\n".join(f"- {' '.join(text.split())}" for text in texts)
