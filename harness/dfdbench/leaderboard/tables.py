"""Writes a leaderboard as Markdown, JSON or a terminal table, and its rows as CSV."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from tabulate import tabulate

from dfdbench.leaderboard import Board, Cell, Line
from dfdbench.leaderboard.merging import Row, group
from dfdbench.leaderboard.notes import UNTRAINED

SCHEMA = 1
IDENTITY = (
    "detector", "train_set", "seed", "test_set", "perturbation", "status", "reason", "trial",
    "leak", "data", "key",
)  # fmt: skip
FIGURE = ("level", "metric", "value", "low", "high", "threshold", "threshold_from")
FIT = ("selection", "selected_on", "epoch", "trainable")
NOTHING = "–"  # noqa: RUF001, as a table shows an empty place


def to_markdown(board: Board) -> str:
    """One table with every column, the best of each in bold, and what the reader has to know."""
    headers = ["Detector", "Train set", *board.test_sets, "Mean", "Trainable", "Checkpoint"]
    table = [
        [
            _name(line),
            NOTHING if line.train_set == UNTRAINED else line.train_set,
            *(_markdown_cell(line.cells[test]) for test in board.test_sets),
            _bold(_percent(line.mean), line.best_mean),
            NOTHING if line.trainable is None else f"{line.trainable:,}",
            line.selection or NOTHING,
        ]
        for line in board.lines
    ]
    table = [[text.replace("|", "\\|") for text in row] for row in table]
    align = ["left", "left", *["left"] * len(board.test_sets), "right", "right", "left"]
    drawn = tabulate(
        table, headers, "pipe", disable_numparse=True, colalign=align if table else None
    )
    said = [*board.legend, "**Bold**: best of its column."]
    parts = [f"# {board.benchmark or 'Leaderboard'}", drawn, _bullets(said)]
    if board.notes:
        parts += ["## Notes", _bullets(board.notes)]
    return "\n\n".join(parts) + "\n"


def to_terminal(board: Board, width: int = 80) -> str:
    """Plain tables no wider than ``width`` characters, intervals below their figures.

    Where the test sets do not fit beside each other, they follow in further tables.
    """
    several = len({line.train_set for line in board.lines} - {UNTRAINED}) > 1
    first = _column("detector", [_stacked_name(line, several) for line in board.lines])
    columns = [
        _column(test, [_stacked_cell(line.cells[test]) for line in board.lines])
        for test in board.test_sets
    ]
    columns.append(_column("mean", [_starred(line.mean, line.best_mean) for line in board.lines]))
    columns.append(_column("trained", [_short(line.trainable) for line in board.lines]))
    marks = "*: best of its column. trained: number of parameters that trained."
    said = [*board.legend, marks, *_checkpoints(board.lines), *board.notes]
    parts = [*_fitted(first, columns, width), "\n".join(_wrapped(text, width) for text in said)]
    return "\n\n".join(parts) + "\n"


def to_json(board: Board) -> str:
    """The board as JSON text; figures in [0, 1], not rounded, null where there is none."""
    return json.dumps({"schema": SCHEMA, **asdict(board)}, indent=1, allow_nan=False) + "\n"


def to_csv(rows: Iterable[Row]) -> str:
    """Every figure on a line of its own: cell, level, metric, value in [0, 1], interval.

    A cell that has not been computed is one line with its status and reason and no figure.
    """
    text = io.StringIO()
    columns = (*IDENTITY, *FIGURE, *FIT, "videos_real", "videos_fake", "videos_unscored")
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        writer.writerows(_csv_lines(row))
    return text.getvalue()


def _checkpoints(lines: Sequence[Line]) -> list[str]:
    """How checkpoints were chosen; of which detectors, where they differ."""
    chosen = group((line for line in lines if line.selection), lambda line: line.selection)
    return [
        f"Checkpoint: {how}" + (f" ({_names(mine)})." if len(chosen) > 1 else ".")
        for how, mine in chosen.items()
    ]


def _names(lines: Iterable[Line]) -> str:
    return ", ".join(dict.fromkeys(line.detector for line in lines))


def _csv_lines(row: Row) -> list[dict[str, Any]]:
    fit, videos = row.get("fit") or {}, row.get("videos") or {}
    shared = {name: row.get(name) for name in (*IDENTITY, "threshold", "threshold_from")}
    shared |= {name: fit.get(name) for name in FIT}
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


def _name(line: Line) -> str:
    return line.detector + " †" * line.on_test + " ‡" * (line.trial is not None)


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.1f}"


def _range(cell: Cell) -> str:
    return f"[{_percent(cell.interval[0])}, {_percent(cell.interval[1])}]" if cell.interval else ""


def _spread(cell: Cell) -> str:
    return "" if cell.std is None else f" ± {_percent(cell.std)}"


def _bold(text: str, best: bool) -> str:
    return f"**{text}**" if best else text


def _markdown_cell(cell: Cell) -> str:
    if cell.auroc is None:
        return NOTHING if cell.status == "absent" else cell.status
    figure = _bold(_percent(cell.auroc), cell.best) + " §" * cell.leaked
    return f"{figure}{_spread(cell)} {_range(cell)}".rstrip()


def _stacked_cell(cell: Cell) -> str:
    if cell.auroc is None:
        return NOTHING if cell.status == "absent" else cell.status
    figure = _starred(cell.auroc, cell.best) + "§" * cell.leaked
    return f"{figure}{_spread(cell)}\n{_range(cell)}".rstrip()


def _stacked_name(line: Line, several_train_sets: bool) -> str:
    # 28 characters leave room for two test sets beside the longest name.
    lines = textwrap.wrap(_name(line), 28)
    if several_train_sets and line.train_set != UNTRAINED:
        lines.append(f"  on {line.train_set}")
    return "\n".join(lines)


def _starred(value: float | None, best: bool) -> str:
    return _percent(value) + "*" * best


def _short(count: int | None) -> str:
    """104450 as ``104 k``: four characters of figures at most."""
    if count is None:
        return NOTHING
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if count >= size:
            return f"{count / size:.{0 if count >= 100 * size else 1}f}{unit}"
    return str(count)


def _column(header: str, texts: Sequence[str]) -> list[str]:
    return ["\n".join(textwrap.wrap(header, 28)), *texts]


def _fitted(first: list[str], columns: list[list[str]], width: int) -> list[str]:
    """Tables of as many columns as fit beside the first one, in their order."""
    tables: list[str] = []
    taken: list[list[str]] = []
    for column in columns:
        if taken and _width(_draw([first, *taken, column])) > width:
            tables.append(_draw([first, *taken]))
            taken = []
        taken.append(column)
    return [*tables, _draw([first, *taken])]


def _draw(columns: Sequence[list[str]]) -> str:
    # The header is drawn as a row: tabulate makes real headers two characters wider than needed.
    ruled = [[head, "-" * _width("\n".join([head, *rest])), *rest] for head, *rest in columns]
    drawn = tabulate(list(zip(*ruled, strict=True)), tablefmt="plain", disable_numparse=True)
    return "\n".join(text.rstrip() for text in drawn.splitlines())


def _width(text: str) -> int:
    return max(map(len, text.splitlines()))


def _wrapped(text: str, width: int) -> str:
    return textwrap.fill(text, width, subsequent_indent="  ")


def _bullets(texts: Iterable[str]) -> str:
    return "\n".join(f"- {' '.join(text.split())}" for text in texts)
