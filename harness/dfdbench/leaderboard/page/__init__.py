"""One self-contained page: the leaderboard, and behind each of its figures the evidence for it.

The table stands in the HTML and is complete without a script. The evidence is one block of JSON;
the script makes drawings of it in the reader's browser. Nothing is loaded from anywhere: a content
security policy in the page forbids it. Names come from users, so that here everything is escaped
and the script writes text nodes only.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from dfdbench.leaderboard.board import Board, Line
from dfdbench.leaderboard.merging import group
from dfdbench.leaderboard.notes import UNTRAINED
from dfdbench.leaderboard.page import table
from dfdbench.leaderboard.page.table import Place
from dfdbench.leaderboard.tables import percent, spread, to_json
from dfdbench.store import key_of

Evidence = Mapping[Place, Sequence[Mapping[str, Any]]]
"""What :func:`evidence.of_row` says of each seed of a place."""

Sweeps = Mapping[Place, Sequence[Mapping[str, Any]]]
"""What :func:`evidence.sweeps` says of a place."""

Faces = Mapping[str, Mapping[str, str]]
"""Test set -> video -> a face as data URI."""

FILE = "index.html"
PARTS = ("template.html", "page.css", "charts.js", "page.js")
LACKING = "No scores of this row lie in its results folder, so nothing can be drawn."


def to_html(
    board: Board,
    evidence: Evidence,
    sweeps: Sweeps | None = None,
    faces: Faces | None = None,
    stamp: str = "",
) -> str:
    """The page; equal results give equal text.

    Args:
        board: what the table shows.
        evidence: of its cells; a finished one that has none says so when it is opened.
        sweeps: of the cells that were perturbed.
        faces: shown beside the worst videos; without them no picture of anybody is in the page.
        stamp: kept in the page for :func:`holds`.
    """
    source = {name: _source(name) for name in PARTS}
    places = [
        (line.detector, line.train_set, test)
        for line in board.lines
        for test in board.test_sets
        if line.cells[test].auroc is not None
    ]
    script = source["charts.js"] + source["page.js"]
    return Template(source["template.html"]).substitute(
        title=escape(board.benchmark or "Leaderboard"),
        lead=escape(board.legend[0] if board.legend else ""),
        stamp=escape(stamp),
        style=source["page.css"],
        script=script,
        script_hash=_hash(script),
        filters=_filters(board),
        table=table.table(board, {place: n for n, place in enumerate(places)}),
        key=_key(board),
        words=_words(board),
        faces=escape(WITH_FACES) if faces else "",
        evidence=_embedded(_document(board, places, evidence, sweeps or {}, faces or {})),
    )


WITH_FACES = (
    " It shows faces of people in the data sets: mind the licences of the data before you share it."
)


def stamp(board: Board, rows: Iterable[Mapping[str, Any]], faces: bool) -> str:
    """What a page is made of, as 64 hexadecimal digits: results, this package's files, faces."""
    keys = sorted(str(row["key"]) for row in rows if row.get("key"))
    parts = [_source(path.name) for path in _files() if path.name.endswith((*PARTS, ".py"))]
    return key_of({"board": to_json(board), "rows": keys, "parts": parts, "faces": faces})


def holds(path: Path, stamp: str) -> bool:
    """Whether a file is the page with this stamp."""
    try:
        with path.open(encoding="utf-8") as file:
            return f'name="dfdbench-stamp" content="{stamp}"' in file.read(2000)
    except (OSError, UnicodeDecodeError):
        return False


def _document(
    board: Board, places: Sequence[Place], evidence: Evidence, sweeps: Sweeps, faces: Faces
) -> dict[str, Any]:
    """Everything that the script draws; ids of videos stand once for each test set."""
    ids: dict[str, dict[str, int]] = {test: {} for test in board.test_sets}
    lines = {(line.detector, line.train_set): line for line in board.lines}
    cells: list[dict[str, Any]] = []
    best: dict[str, int] = {}
    for n, (detector, train_set, test) in enumerate(places):
        line, found = lines[detector, train_set], evidence.get((detector, train_set, test))
        cell: dict[str, Any] = {"detector": detector, "test_set": test, "said": _said(line, test)}
        if found:
            cell["seeds"] = [_interned(each, ids[test]) for each in found]
        else:
            cell["lacking"] = LACKING
        if swept := sweeps.get((detector, train_set, test)):
            cell["sweeps"] = swept
        if line.cells[test].best:
            best.setdefault(test, n)
        cells.append(cell)
    return {
        "cells": cells,
        "best": best,
        "ids": {test: list(known) for test, known in ids.items()},
        "faces": {test: dict(found) for test, found in faces.items()},
    }


def _interned(seed: Mapping[str, Any], known: dict[str, int]) -> dict[str, Any]:
    worst = [[known.setdefault(name, len(known)), *rest] for name, *rest in seed["worst"]]
    return {**seed, "worst": worst}


def _said(line: Line, test: str) -> str:
    """The sentence below the name of an opened cell."""
    cell = line.cells[test]
    figure = f"AUROC {percent(cell.auroc)} %"
    if cell.interval:
        figure += f", 95 % interval {' to '.join(percent(end) for end in cell.interval)}"
    if cell.std is not None:
        figure += f",{spread(cell)} over {cell.seeds} seeds"
    trained = "" if line.train_set == UNTRAINED else f"trained on {line.train_set}"
    said = [figure, trained, line.selection, "seen before" * cell.leaked]
    return "; ".join(part for part in said if part)


def _filters(board: Board) -> str:
    """A choice for each property of a line that has several values."""
    choices = {
        "train": ("Train set", [line.train_set for line in board.lines]),
        "seen": ("Test sets seen", [line.seen for line in board.lines if line.seen]),
    }
    said = []
    for name, (title, values) in choices.items():
        known = group(values, str)
        if len(known) > 1:
            options = "".join(f'<option value="{escape(v)}">{escape(v)}</option>' for v in known)
            said.append(
                f'<label>{title} <select name="{name}"><option value="">all</option>{options}'
                "</select></label>"
            )
    if board.published:
        said.append(
            '<label><input type="checkbox" id="published" checked> published figures</label>'
        )
    return "\n".join(said)


def _key(board: Board) -> str:
    start = round(100 * table.axis_start(board))
    marks = {
        "≈: a paired comparison cannot tell it from the best.": any(
            cell.tied for line in board.lines for cell in line.cells.values()
        ),
        "(Rank): the place that a line of another protocol would take.": any(
            line.guest for line in board.lines
        ),
    }
    said = [
        f"Bars: 95 % intervals, from {start} to 100 %"
        + ("; the thin upright line is chance, 50 %." if start < 50 else "."),
        "<b>Bold</b>: best of its column.",
        *(text for text, shown in marks.items() if shown),
        "A figure opens its evidence; arrow keys lead from figure to figure.",
    ]
    return " ".join(said)


def _words(board: Board) -> str:
    """Everything that stands below the table, a section each."""
    protocols = [f"{letter}: {said}" for letter, said in board.protocols.items()]
    sections = {
        "What the figures are": board.legend[1:],
        "Protocols": protocols if len(protocols) > 1 else (),
        "Published figures": board.published_notes,
        "Notes": board.notes,
    }
    return "\n".join(
        f'<section class="words">\n<h2>{title}</h2>\n<ul>\n{_items(said)}\n</ul>\n</section>'
        for title, said in sections.items()
        if said
    )


def _items(said: Iterable[str]) -> str:
    return "\n".join(f"<li>{escape(text)}</li>" for text in said)


def _embedded(document: Mapping[str, Any]) -> str:
    """JSON that no content can end early: a ``<`` in it is written as an escape."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c")


def _hash(script: str) -> str:
    """The source expression of a content security policy that lets this script run alone."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _files() -> list[Any]:
    return sorted(resources.files(__package__).iterdir(), key=lambda path: path.name)


def _source(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
