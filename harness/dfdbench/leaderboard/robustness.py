"""How much of a detector's AUROC is left under perturbations: curves, and one figure for each.

A curve is one detector, train set and test set under one perturbation, by its strength. Nothing
here reads or writes files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from dfdbench.leaderboard.merging import Row, group

CLEAN = "none"
RETAINED = (
    "Retained: (AUROC - 50) / (clean AUROC - 50) in %, mean over the strengths of the sweep but "
    "zero. 100: nothing is lost, 0: chance at every strength"
)


MARKS = {
    "†": "the checkpoint was selected on a test set; too good.",
    "§": "the detector has seen videos or people of this test set.",
    "‡": "trial run on few videos, not a result.",
}


@dataclass(frozen=True, slots=True)
class Point:
    """The result at one strength.

    Attributes:
        value: the strength; None: the clean faces, or a perturbation of one strength.
        zero: whether faces of this strength are the clean ones.
        status: done, undefined (only one class), failed, blocked, missing, or absent (no row).
        auroc: video-level AUROC in [0, 1], the mean over seeds.
        interval: 95 % interval (low, high); with several seeds the means of their ends.
        std: sample standard deviation over seeds; None with one seed.
    """

    value: float | None
    zero: bool
    status: str
    auroc: float | None = None
    interval: tuple[float, float] | None = None
    std: float | None = None
    seeds: int = 0


@dataclass(frozen=True, slots=True)
class Curve:
    """A detector's results on a test set under one perturbation.

    Attributes:
        name: the perturbation's id in the spec.
        option: what ``Point.value`` is a value of; empty where there is one strength only.
        clean: the result on the faces as they are.
        points: in the order of the spec.
        retained: see ``RETAINED``, as a share; the mean over seeds. None where a strength has no
            AUROC, or where the interval of the clean one reaches chance.
        retained_std: sample standard deviation over seeds; None with one seed.
        marks: the signs of ``MARKS`` that hold for it.
    """

    detector: str
    train_set: str
    test_set: str
    name: str
    option: str
    clean: Point
    points: tuple[Point, ...]
    retained: float | None = None
    retained_std: float | None = None
    marks: str = ""


def curves(rows: Iterable[Row]) -> list[Curve]:
    """The curves of these rows, in their order; empty where nothing was perturbed."""
    found = []
    for mine in group(rows, _line).values():
        by_id = group(mine, lambda row: row.get("perturbation", CLEAN))
        clean = by_id.pop(CLEAN, [])
        by_name = group(by_id.values(), lambda rows: str(_place(rows[0], "curve")))
        found += [_curve(name, clean, strengths) for name, strengths in by_name.items()]
    return found


def mean_retained(of: Sequence[Curve]) -> float | None:
    """Mean over the perturbations; None where one of them has no figure."""
    known = [curve.retained for curve in of if curve.retained is not None]
    return fmean(known) if known and len(known) == len(of) else None


def _line(row: Row) -> tuple[str, str, str]:
    return row["detector"], row["train_set"], row["test_set"]


def _place(row: Row, what: str) -> Any:
    """Where a row stands on its curve; a perturbation of one strength is a curve of one point."""
    alone = {"curve": row["perturbation"], "option": "", "value": None, "zero": False}
    return (row.get("strength") or alone)[what]


def _curve(name: str, clean: Sequence[Row], strengths: Sequence[Sequence[Row]]) -> Curve:
    """A curve from the clean rows and those of each strength, a row a seed."""
    first, start = strengths[0][0], _point(clean)
    points = tuple(_point(rows) for rows in strengths)
    shares = []
    if start.interval and start.interval[0] > 0.5:
        acting = [rows for rows, p in zip(strengths, points, strict=True) if not p.zero]
        found = [_retained(_value(row), acting, row["seed"]) for row in clean]
        shares = [share for share in found if share is not None]
    return Curve(
        *_line(first), name, _place(first, "option"), start, points,
        fmean(shares) if shares and len(shares) == len(clean) else None,
        stdev(shares) if len(shares) > 1 else None,
        _marks([*clean, *(row for rows in strengths for row in rows)]),
    )  # fmt: skip


def _marks(rows: Sequence[Row]) -> str:
    holds = (
        any((row.get("fit") or {}).get("selected_on") == "test" for row in rows),
        any(row.get("leak") for row in rows),
        any(row.get("trial") is not None for row in rows),
    )
    return "".join(sign for sign, true in zip(MARKS, holds, strict=True) if true)


def _retained(clean: float | None, acting: Sequence[Sequence[Row]], seed: object) -> float | None:
    """One seed's share of the AUROC above chance that is left, a mean over the strengths."""
    values = [_value(row) for rows in acting for row in rows if row["seed"] == seed]
    known = [value for value in values if value is not None]
    if clean is None or clean <= 0.5 or not known or len(known) < len(acting):
        return None
    return (fmean(known) - 0.5) / (clean - 0.5)


def _value(row: Row) -> float | None:
    value: float | None = row["video"]["auroc"] if row["status"] == "done" else None
    return value


def _point(rows: Sequence[Row]) -> Point:
    """The rows of one strength, one a seed."""
    if not rows:
        return Point(None, False, "absent")
    value, zero = _place(rows[0], "value"), _place(rows[0], "zero")
    valued = [row for row in rows if _value(row) is not None]
    if not valued:
        done = any(row["status"] == "done" for row in rows)
        return Point(value, zero, "undefined" if done else rows[0]["status"])
    values = [row["video"]["auroc"] for row in valued]
    ends = [row["interval"]["video"]["auroc"] for row in valued]
    interval = (
        (fmean(low for low, _ in ends), fmean(high for _, high in ends)) if all(ends) else None
    )
    std = stdev(values) if len(values) > 1 else None
    return Point(value, zero, "done", fmean(values), interval, std, len(values))
