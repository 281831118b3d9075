"""The command that compares two detectors: compare."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from dfdbench.errors import MissingError, SpecError

WIDTH = 80


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="a detector, or DETECTOR@TRAIN_SET")],
    b: Annotated[str, typer.Argument(metavar="B", help="another one")],
    where: Annotated[
        str, typer.Argument(metavar="SPEC", help="a results folder, or a spec that was run")
    ],
    out: Annotated[
        Path | None, typer.Option(help="folder of the diagram of ranks [default: the results]")
    ] = None,
) -> None:
    """Compare two detectors on the same videos, and rank all of them over the test sets."""
    from dfdbench import leaderboard, results
    from dfdbench.comparison import board, ranks, text
    from dfdbench.leaderboard import ranks_plot

    folder = _folder(where)
    rows = results.read([folder])[str(folder)]["rows"]
    first, second = _line(rows, a), _line(rows, b)
    if first == second:
        raise SpecError(f"{a} and {b} are the same; give two detectors")
    found = board.of_pair(rows, first, second)
    if not found:
        raise MissingError(
            f"{folder}: there is no test set on which both {a} and {b} have a figure"
        )
    print(f"{text.table(found)}\n")
    _say(f"A: {a}, B: {b}. {text.LEGEND}")
    shown = leaderboard.rank(rows)
    names = {a: first, b: second}
    print()
    _say(*text.verdicts(a, b, found), *text.cautions(shown, names, found))
    ranked, without = ranks.of_board(shown)
    print()
    _say(*text.ranking(ranked, without))
    if ranks_plot.critical_difference(ranked, (out or folder) / "ranks"):
        print(f"wrote {out or folder}/ranks.png and ranks.svg")


def _folder(where: str) -> Path:
    """A results folder: itself, or that of a spec."""
    folder = Path(where)
    if folder.is_dir():
        return folder
    from dfdbench import registry, spec

    folder = Path("results") / spec.load(where, registry.load()).name
    if not folder.is_dir():
        raise MissingError(f"no {folder}; run `dfdbench run {where}` first, or give its folder")
    return folder


def _line(rows: Sequence[Any], text: str) -> tuple[str, str]:
    """Train set and detector that a command names."""
    lines = dict.fromkeys((row["train_set"], row["detector"]) for row in rows)
    detector, _, train_set = text.partition("@")
    found = [name for name in lines if name[1] == detector and train_set in ("", name[0])]
    if len(found) == 1:
        return found[0]
    if found:
        ways = ", ".join(f"{detector}@{name}" for name, _ in found)
        raise SpecError(f"{text} was trained on several train sets; take one of {ways}")
    known = dict.fromkeys(name for _, name in lines)
    close = difflib.get_close_matches(detector, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known)}"
    raise SpecError(f"no detector {text!r} in these results; {hint}")


def _say(*sentences: str) -> None:
    for sentence in sentences:
        print(textwrap.fill(sentence.rstrip(".") + ".", WIDTH, subsequent_indent="  "))
