"""Writes a leaderboard as LaTeX tables with booktabs, to be read in by a paper."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from dfdbench.leaderboard.board import Board, Cell, Line, PublishedCell
from dfdbench.leaderboard.notes import UNTRAINED
from dfdbench.leaderboard.tables import NOTHING, as_published, percent, place, ranges, spread

SETS = 5
"""Test sets beside each other; more follow in further tables, as a page is no wider."""

WIDE = 32
"""Characters of a name that stands on one line."""

HEAD = r"""% In a document with \usepackage{booktabs}: \input{leaderboard}"""

_PLAIN = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''",
    "†": r"$^{\dagger}$", "‡": r"$^{\ddagger}$", "§": r"$^{\S}$", "≈": r"$\approx$",
    "°": r"$^{\circ}$",
    "≠": r"$\neq$", "±": r"$\pm$", "\u2013": "--", "\u2014": "---", "\u00d7": r"$\times$",
    "²": r"$^2$", "\u2019": "'", "“": "``", "”": "''", "…": r"\ldots{}", "\n": " ", "\t": " ",
}  # fmt: skip
ACCENTS = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327"
"""Signs on a letter that LaTeX sets in any encoding of fonts."""


def to_latex(board: Board) -> str:
    """Tables of the lines and of published figures, and what the reader has to know."""
    parts = [HEAD]
    for tests in _chunks(board.test_sets):
        parts.append(_lines(board, tests, last=not tests or tests[-1] == board.test_sets[-1]))
    said = [*board.legend, "Bold: best of its column."]
    if any(cell.tied for line in board.lines for cell in line.cells.values()):
        said.append("≈: a paired comparison cannot tell the figure from the best of its column.")
    parts.append(_notes([*said, *board.notes]))
    if board.published:
        parts += [_published(board, tests) for tests in _chunks(board.test_sets)]
        parts.append(_notes(["Published, not measured here.", *board.published_notes]))
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """A text as LaTeX shows it literally."""
    return "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character in _PLAIN:
        return _PLAIN[character]
    base, accent = (*unicodedata.normalize("NFD", character), "", "")[:2]
    if " " <= base <= "~" and (not accent or accent in ACCENTS):
        return character
    return f"[U+{ord(character):04X}]"


def _lines(board: Board, tests: Sequence[str], last: bool) -> str:
    """One table of these test sets; the last one has the columns of the whole line too."""
    protocols = len(board.protocols) > 1
    several = len({line.train_set for line in board.lines} - {UNTRAINED}) > 1
    headers = ["Detector", *["Trained on"] * several, *tests, *["Mean", "Rank", "Trained"] * last]
    headers += ["Protocol"] * protocols
    rows = []
    for line in board.lines:
        row = [_name(line), *[_train_set(line)] * several]
        row += [_cell(line.cells[test]) for test in tests]
        row += _totals(line) * last
        rows.append(row + [escape(line.protocol or NOTHING)] * protocols)
    align = "l" + "l" * several + "l" * len(tests) + "rrr" * last + "c" * protocols
    return _tabular(align, headers, rows)


def _published(board: Board, tests: Sequence[str]) -> str:
    headers = ["Published", "Level", *tests, "Citation"]
    rows = [
        [
            _stacked(
                _wrapped(escape(line.detector) + _mark("†", line.selected_on_test)),
                escape(f"method of {line.here}") if line.here else "",
            ),
            escape(line.level),
            *(_published_cell(line.cells.get(test)) for test in tests),
            escape(line.citation),
        ]
        for line in board.published
    ]
    return _tabular("ll" + "l" * len(tests) + "l", headers, rows)


def _tabular(align: str, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = [" & ".join(row) + r" \\" for row in rows]
    head = " & ".join(escape(header) for header in headers) + r" \\"
    return "\n".join(
        [
            r"\begin{center}\footnotesize\setlength{\tabcolsep}{3pt}",
            rf"\begin{{tabular}}{{{align}}}",
            r"\toprule",
            head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{center}",
        ]
    )


def _stacked(figure: str, below: str) -> str:
    """A figure with something small below it."""
    if not below:
        return figure
    return rf"\begin{{tabular}}[t]{{@{{}}l@{{}}}}{figure}\\[-2pt]{{\tiny {below}}}\end{{tabular}}"


def _wrapped(name: str) -> str:
    """A name that may be a whole sentence, no wider than a third of a page."""
    return rf"\parbox[t]{{4.4cm}}{{\raggedright {name}}}" if len(name) > WIDE else name


def _cell(cell: Cell) -> str:
    if cell.auroc is None:
        return escape(NOTHING if cell.status == "absent" else cell.status)
    marks = _mark("≈", cell.tied) + _mark("§", cell.leaked) + _mark("°", cell.fewer)
    figure = _bold(percent(cell.auroc), cell.best) + marks + escape(spread(cell))
    return _stacked(figure, escape(ranges(cell)))


def _published_cell(cell: PublishedCell | None) -> str:
    if cell is None:
        return escape(NOTHING)
    if cell.difference is None:
        return as_published(cell)
    differs = _mark("≠", cell.covered is False)
    return _stacked(as_published(cell), f"(${100 * cell.difference:+.1f}${differs})")


def _name(line: Line) -> str:
    marks = " ?" * (line.seen == "unknown"), _mark("†", line.on_test)
    return escape(line.detector) + "".join(marks) + _mark("‡", line.trial is not None)


def _train_set(line: Line) -> str:
    return escape(NOTHING if line.train_set == UNTRAINED else line.train_set)


def _totals(line: Line) -> list[str]:
    count = NOTHING if line.trainable is None else f"{line.trainable:,}"
    return [_bold(escape(percent(line.mean)), line.best_mean), escape(place(line)), escape(count)]


def _bold(text: str, best: bool) -> str:
    return rf"\textbf{{{text}}}" if best else text


def _mark(sign: str, shown: bool) -> str:
    return escape(sign) if shown else ""


def _notes(texts: Iterable[str]) -> str:
    body = "\\par\n".join(escape(text) for text in texts)
    return f"{{\\footnotesize\\setlength{{\\parindent}}{{0pt}}\n{body}\\par}}"


def _chunks(tests: Sequence[str]) -> list[Sequence[str]]:
    return [tests[n : n + SETS] for n in range(0, len(tests), SETS)] or [()]
