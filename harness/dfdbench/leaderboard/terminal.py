"""Writes a leaderboard as plain tables that fit a terminal, intervals below their figures."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from tabulate import tabulate

from dfdbench.leaderboard import published
from dfdbench.leaderboard.board import Board, Cell, Line, PublishedLine
from dfdbench.leaderboard.merging import group
from dfdbench.leaderboard.notes import UNTRAINED
from dfdbench.leaderboard.tables import (
    NOTHING,
    marked_name,
    percent,
    place,
    published_figure,
    ranges,
    spread,
)

ROOM = 28
"""Characters of a name; they leave room for two test sets beside the longest one."""


def to_terminal(board: Board, width: int = 80) -> str:
    """Tables no wider than ``width`` characters.

    Where the test sets do not fit beside each other, they follow in further tables. Of published
    figures those are shown that correspond to a line.
    """
    lines = board.lines
    several = len({line.train_set for line in lines} - {UNTRAINED}) > 1
    first = _column("detector", [_name(line, several) for line in lines])
    columns = [
        _column(test, [_cell(line.cells[test]) for line in lines]) for test in board.test_sets
    ]
    columns.append(_column("mean\nrank", [_mean(line) for line in lines]))
    protocols = len(board.protocols) > 1
    header = "trained" + "\nprotocol" * protocols
    columns.append(_column(header, [_trained(line, protocols) for line in lines]))
    marks = "*: best of its column. trained: number of parameters that trained."
    if any(cell.tied for line in lines for cell in line.cells.values()):
        marks = f"≈: cannot be told from the best of its column. {marks}"
    said = [*board.legend, marks, *_checkpoints(lines), *board.notes]
    parts = [*_fitted(first, columns, width), _wrapped(said, width)]
    parts += _published(board, width)
    return "\n\n".join(parts) + "\n"


def _published(board: Board, width: int) -> list[str]:
    """The published figures of methods that are on the board, and how many more there are."""
    shown = [line for line in board.published if line.here]
    parts = []
    if shown:
        first = _column("published for", [_here(line) for line in shown])
        columns = [
            _column(test, [published_figure(line.cells.get(test)) for line in shown])
            for test in board.test_sets
        ]
        parts += [*_fitted(first, columns, width), _wrapped(published.notes(shown), width)]
    if board.published:
        more = len({line.detector for line in board.published if not line.here})
        also = f", figures of {more} more detectors" * bool(more)
        parts.append(f"What to know of published figures{also}: see leaderboard.md.")
    return parts


def _here(line: PublishedLine) -> str:
    mark = " †" * line.selected_on_test
    return f"{line.here}{mark}\n{line.level}, {line.citation}"


def _checkpoints(lines: Sequence[Line]) -> list[str]:
    """How checkpoints were chosen; of which detectors, where they differ."""
    chosen = group((line for line in lines if line.selection), lambda line: line.selection)
    return [
        f"Checkpoint: {how}" + (f" ({_names(mine)})." if len(chosen) > 1 else ".")
        for how, mine in chosen.items()
    ]


def _names(lines: Iterable[Line]) -> str:
    return ", ".join(dict.fromkeys(line.detector for line in lines))


def _cell(cell: Cell) -> str:
    if cell.auroc is None:
        return NOTHING if cell.status == "absent" else cell.status
    figure = (
        percent(cell.auroc)
        + "*" * cell.best
        + "≈" * cell.tied
        + "§" * cell.leaked
        + "°" * cell.fewer
    )
    return f"{figure}{spread(cell)}\n{ranges(cell)}".rstrip()


def _name(line: Line, several_train_sets: bool) -> str:
    lines = textwrap.wrap(marked_name(line), ROOM)
    if several_train_sets and line.train_set != UNTRAINED:
        lines.append(f"  on {line.train_set}")
    return "\n".join(lines)


def _mean(line: Line) -> str:
    return f"{percent(line.mean)}{'*' * line.best_mean}\n{place(line)}"


def _trained(line: Line, protocols: bool) -> str:
    return _short(line.trainable) + f"\n{line.protocol or NOTHING}" * protocols


def _short(count: int | None) -> str:
    """104450 as ``104 k``: four characters of figures at most."""
    if count is None:
        return NOTHING
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if count >= size:
            return f"{count / size:.{0 if count >= 100 * size else 1}f}{unit}"
    return str(count)


def _column(header: str, texts: Sequence[str]) -> list[str]:
    wrapped = [line for part in header.split("\n") for line in textwrap.wrap(part, ROOM)]
    return ["\n".join(wrapped), *texts]


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


def _wrapped(texts: Iterable[str], width: int) -> str:
    return "\n".join(textwrap.fill(text, width, subsequent_indent="  ") for text in texts)
