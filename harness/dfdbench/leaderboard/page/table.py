"""The table of the page: readable without a script, and in a browser's reading mode."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from dfdbench.leaderboard import Board, Cell, Line, PublishedCell
from dfdbench.leaderboard.notes import UNTRAINED
from dfdbench.leaderboard.tables import NOTHING, confidence, marked_name, percent, place, spread

Place = tuple[str, str, str]
"""Detector, train set, test set."""

BEST, TIED = "best of its column", "cannot be told from the best"


def table(board: Board, places: Mapping[Place, int]) -> str:
    """The whole ``<table>``; ``places`` numbers the cells that have evidence."""
    lowest = axis_start(board)
    heads = [
        _header("Detector", "text"),
        _header("Train set", "text"),
        *(_header(test, "figure") for test in board.test_sets),
        _header("Mean", "figure"),
        _header("Rank", "low", "average place on the test sets"),
        *[_header("Protocol", "text")] * (len(board.protocols) > 1),
        _header("Trained", "figure", "number of parameters that trained"),
        '<th scope="col">Checkpoint</th>',
    ]
    body = "\n".join(_row(line, board, places, lowest) for line in board.lines)
    # Where the axis begins above chance its line is left of the bar, out of sight.
    chance = (0.5 - lowest) / (1 - lowest)
    return (
        f'<table id="board" style="--chance:{chance:.3f}">\n'
        f'<caption class="unseen">{escape(board.benchmark)}: {CAPTION}</caption>\n'
        f"<thead><tr>{''.join(heads)}</tr></thead>\n<tbody>\n{body}\n</tbody>\n"
        f"{_published(board, len(heads))}</table>"
    )


CAPTION = "video-level AUROC in percent with 95 percent intervals, a row a detector"


def axis_start(board: Board) -> float:
    """Where the drawn intervals begin: the lowest end, rounded down to a tenth, 0.9 at most."""
    cells = [cell for line in board.lines for cell in line.cells.values() if cell.auroc is not None]
    lowest = min((min(cell.interval or (cell.auroc or 1,)) for cell in cells), default=0.5)
    return min(math.floor(10 * lowest + 1e-9) / 10, 0.9)


def _header(name: str, sort: str, title: str = "") -> str:
    said = f' title="{escape(title)}"' if title else ""
    return (
        f'<th scope="col" data-sort="{sort}"{said}>'
        f'<button type="button" class="sort">{escape(name)}</button></th>'
    )


def _row(line: Line, board: Board, places: Mapping[Place, int], lowest: float) -> str:
    train_set = "" if line.train_set == UNTRAINED else line.train_set
    cells = [
        f'<th scope="row">{_name(marked_name(line))}</th>',
        f"<td>{escape(train_set) or NOTHING}</td>",
        *(
            _cell(line.cells[test], places.get((line.detector, line.train_set, test)), lowest)
            for test in board.test_sets
        ),
        _value(line.mean, percent(line.mean), line.best_mean),
        _value(line.rank, place(line)),
        *[f"<td>{escape(line.protocol)}</td>"] * (len(board.protocols) > 1),
        _value(line.trainable, NOTHING if line.trainable is None else f"{line.trainable:,}"),
        f'<td class="checkpoint">{escape(line.selection) or NOTHING}</td>',
    ]
    return f"<tr{_filtered(train=line.train_set, seen=line.seen)}>{''.join(cells)}</tr>"


def _published(board: Board, width: int) -> str:
    """Figures of others as rows of another kind, in a part of the table that is theirs alone."""
    if not board.published:
        return ""
    rows = []
    for line in board.published:
        name = line.detector + " †" * line.selected_on_test
        said = f"{line.citation}, level {line.level}" + f", as {line.here}" * bool(line.here)
        read = f"{line.source}; confidence {confidence(line)}"
        cells = [
            f'<th scope="row" title="{escape(read)}">{_name(name)}'
            f'<span class="tag">{escape(said)}</span></th>',
            f"<td>{escape(line.train_set)}</td>",
            *(_published_cell(line.cells.get(test)) for test in board.test_sets),
            "<td></td>" * (width - 2 - len(board.test_sets)),
        ]
        rows.append(f"<tr{_filtered(train=line.train_set)}>{''.join(cells)}</tr>")
    title = "Published figures: not measured here, not ranked"
    body = "\n".join(rows)
    return (
        f'<tbody class="divider"><tr><th scope="rowgroup" colspan="{width}"><span>{title}</span>'
        f'</th></tr></tbody>\n<tbody class="published">\n{body}\n</tbody>\n'
    )


def _published_cell(cell: PublishedCell | None) -> str:
    if cell is None:
        return f'<td class="number none">{NOTHING}</td>'
    shown = percent(cell.value)
    if cell.difference is not None:
        shown += f" <small>({100 * cell.difference:+.1f})</small>"
        shown += _marks("≠" * (cell.covered is False))
    return f'<td class="number" data-value="{cell.value:.6g}">{shown}</td>'


def _name(name: str) -> str:
    """A name that may be broken behind its underlines."""
    return escape(name).replace("_", "_<wbr>")


def _filtered(**properties: str) -> str:
    """Attributes that the filters go by."""
    return "".join(f' data-{name}="{escape(value)}"' for name, value in properties.items() if value)


def _marks(marks: Iterable[str]) -> str:
    return "".join(f' <span class="mark">{mark}</span>' for mark in marks)


def _value(value: Any, text: str, best: bool = False) -> str:
    if value is None:
        return f'<td class="number">{text}</td>'
    shown = f"<b>{text}</b>{_unseen(BEST)}" if best else text
    return f'<td class="number" data-value="{value:.6g}">{shown}</td>'


def _cell(cell: Cell, place: int | None, lowest: float) -> str:
    if cell.auroc is None:
        text = NOTHING if cell.status == "absent" else cell.status
        return f'<td class="figure none">{escape(text)}</td>'
    figure = percent(cell.auroc)
    shown = f"<b>{figure}</b>{_unseen(BEST)}" if cell.best else figure
    if cell.tied:
        shown += f'<span class="mark" aria-hidden="true">≈</span>{_unseen(TIED)}'
    shown += _marks("§" * cell.leaked + "°" * cell.fewer)
    if cell.std is not None:
        shown += f"<small>{spread(cell)}</small>"
    shown += _bar(cell, lowest)
    if place is not None:
        shown = (
            f'<button type="button" class="cell" tabindex="-1" data-cell="{place}">{shown}</button>'
        )
    return f'<td class="figure" data-value="{cell.auroc:.6g}">{shown}</td>'


def _bar(cell: Cell, lowest: float) -> str:
    """The interval as a line on an axis from ``lowest`` to 1, and as figures."""
    if cell.interval is None:
        return ""
    scale = 1 - lowest
    at, low, high = (
        f"{(value - lowest) / scale:.3f}" for value in (cell.auroc or 0, *cell.interval)
    )
    words = "–".join(percent(end) for end in cell.interval)  # noqa: RUF001, a range in figures
    return f'<i class="bar" style="--at:{at};--low:{low};--high:{high}"></i><small>{words}</small>'


def _unseen(text: str) -> str:
    return f'<span class="unseen"> {text}</span>'
