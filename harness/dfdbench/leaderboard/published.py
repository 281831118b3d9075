"""Figures that others published, beside ours: the same test sets by name, nothing measured here.

A table of published figures is a CSV with the columns of ``COLUMNS``. Its ``level`` is video,
frame, or unstated where the publication does not say. A ``note`` that contains "selected on test"
means that the figures chose their own checkpoint. Rows of other metrics than ``auroc`` are kept in
the tables and not shown.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dfdbench.leaderboard.board import Cell, PublishedCell, PublishedLine
from dfdbench.leaderboard.merging import group

COLUMNS = (
    "detector", "train_set", "test_set", "level", "metric", "value", "citation", "source",
    "confidence", "note",
)  # fmt: skip
LEVELS = ("video", "unstated", "frame")
BUNDLED = "dfdbench_benchmarks"
FOLDER = "reported"

Figure = Mapping[str, Any]
Names = Annotated[
    tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)
]
"""One name, or several where publications call a thing differently."""
Measured = Mapping[tuple[str, str, str, str], Cell]
"""Train set, detector, test set and level -> our figure."""


class Published(BaseModel):
    """Which published figures a benchmark shows, and what its own names are called there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        description="tables that come with dfdbench, by name, or paths of CSV files"
    )
    train_sets: dict[str, Names] = Field(description="train set of the spec -> published names")
    test_sets: dict[str, Names] = Field(description="test set of the spec -> published names")
    detectors: dict[str, Names] = Field(
        {}, description="detector of the spec -> published names of the same method"
    )
    notes: tuple[str, ...] = Field(
        (), description="what a reader has to know when comparing, a sentence each"
    )

    @model_validator(mode="after")
    def _every_name_is_there(self) -> Published:
        rows = [row for file in self.files for row in read(file)]
        for section, column in (
            ("train_sets", "train_set"), ("test_sets", "test_set"), ("detectors", "detector"),
        ):  # fmt: skip
            known = list(dict.fromkeys(row[column] for row in rows))
            for name in (name for names in getattr(self, section).values() for name in names):
                if name not in known:
                    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
                    hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known)}"
                    raise ValueError(
                        f"{section}: {name!r} is not in {', '.join(self.files)}; {hint}"
                    )
        return self


def read(file: str) -> list[dict[str, Any]]:
    """The rows of a table, ``value`` as a number; by the name of a bundled one, or by path.

    Raises:
        ValueError: no such table; a column is missing; a level or value that cannot be.
    """
    there = Path(str(resources.files(BUNDLED))) / FOLDER
    path = Path(file)
    if not path.is_file():
        path = there / f"{file}.csv"
    if not path.is_file():
        bundled = ", ".join(sorted(known.stem for known in there.glob("*.csv")))
        raise ValueError(f"no published figures at {file!r}, and none bundled; bundled: {bundled}")
    with path.open(encoding="utf-8", newline="") as stream:
        rows: list[dict[str, Any]] = list(csv.DictReader(stream))
    if lacking := [name for name in COLUMNS if not rows or name not in rows[0]]:
        raise ValueError(f"{path.name} has no column {', '.join(lacking)}, or no row at all")
    for line, row in enumerate(rows, start=2):
        row["value"] = _number(row, f"{path.name}, line {line}")
    return rows


def figures(section: Published) -> list[dict[str, Any]]:
    """The figures of a section in the spec's names, as JSON values; ``here`` names our detector.

    A published detector that several of ours correspond to comes once for each.
    """
    train_sets, test_sets = _reversed(section.train_sets), _reversed(section.test_sets)
    detectors = _reversed(section.detectors)
    return [
        {
            **{name: row[name] for name in COLUMNS if name != "metric"},
            "train_set": train_set,
            "test_set": test_set,
            "here": here,
            "selected_on_test": "selected on test" in row["note"],
        }
        for file in section.files
        for row in read(file)
        if row["metric"] == "auroc"
        for train_set in train_sets.get(row["train_set"], ())
        for test_set in test_sets.get(row["test_set"], ())
        for here in detectors.get(row["detector"], ("",))
    ]


def lines(
    found: Iterable[Figure], tests: Sequence[str], measured: Measured
) -> tuple[PublishedLine, ...]:
    """A line for each published detector, train set and publication; ours compared at its level.

    Those that correspond to a line of the board come first, then by level. Where a figure's level
    is not stated, nothing is compared with it.
    """
    shown = [figure for figure in found if figure["test_set"] in tests]
    names = ("detector", "here", "train_set", "level", "selected_on_test", "citation", "source")
    made = [
        PublishedLine(
            **dict(zip(names, identity, strict=True)),
            cells={figure["test_set"]: _cell(figure, measured) for figure in mine},
        )
        for identity, mine in group(shown, lambda f: tuple(f[name] for name in names)).items()
    ]
    return tuple(sorted(made, key=lambda line: (not line.here, LEVELS.index(line.level))))


def notes(shown: Sequence[PublishedLine], said: Iterable[str] = ()) -> tuple[str, ...]:
    """What a reader has to know of these lines, a sentence each."""
    if not shown:
        return ()
    found = ["AUROC in % as published; none of it was measured here, none of it is ranked."]
    if any(cell.difference is not None for line in shown for cell in line.cells.values()):
        found.append(
            "In brackets: ours minus the published figure in points, at the level that is named. "
            "≠: the interval of ours does not cover the published figure."
        )
    levels = {line.level for line in shown}
    if "frame" in levels:
        found.append(
            "Level frame: the AUROC of frames. It is not comparable with the video-level figures "
            "of the leaderboard; a difference is to our frame-level AUROC."
        )
    if "unstated" in levels:
        found.append(
            "Level unstated: the publication does not say whether of videos or frames, so nothing "
            "is compared with it."
        )
    if any(line.selected_on_test for line in shown):
        found.append("†: selected on test, the figures chose their own checkpoint; too good.")
    return (*found, *_remarks(shown), *said)


def _remarks(shown: Sequence[PublishedLine]) -> list[str]:
    """The notes of the figures, each with the detectors and test sets that it is about."""
    said: dict[str, dict[str, list[str]]] = {}
    for line in shown:
        for test, cell in line.cells.items():
            if cell.note:
                source = f"({line.citation}; confidence {cell.confidence})"
                where = said.setdefault(f"{cell.note} {source}", {})
                where.setdefault(line.detector, []).append(test)
    return [
        f"{note}: " + "; ".join(f"{who} on {', '.join(tests)}" for who, tests in where.items())
        if sum(map(len, where.values())) <= 6
        else f"{note}: {', '.join(where)}"
        for note, where in said.items()
    ]


def _cell(figure: Figure, measured: Measured) -> PublishedCell:
    where = (figure["train_set"], figure["here"], figure["test_set"], figure["level"])
    ours, value = measured.get(where), float(figure["value"])
    compared = ours is not None and ours.auroc is not None
    interval = ours.interval if ours else None
    return PublishedCell(
        value=value,
        confidence=figure["confidence"],
        note=figure["note"],
        measured=ours.auroc if ours else None,
        difference=ours.auroc - value if ours and ours.auroc is not None else None,
        covered=interval[0] <= value <= interval[1] if compared and interval else None,
    )


def _reversed(names: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Published name -> ids of the spec."""
    found: dict[str, list[str]] = {}
    for mine, theirs in names.items():
        for name in theirs:
            found.setdefault(name, []).append(mine)
    return found


def _number(row: Mapping[str, Any], where: str) -> float:
    if row["level"] not in LEVELS:
        raise ValueError(f"{where}: the level {row['level']!r} is none of {', '.join(LEVELS)}")
    try:
        value = float(row["value"])
    except (TypeError, ValueError):
        raise ValueError(f"{where}: the value {row['value']!r} is not a number") from None
    if row["metric"] == "auroc" and not 0 <= value <= 1:
        raise ValueError(f"{where}: an AUROC of {value} is not in [0, 1]; write 0.9662, not 96.62")
    return value
