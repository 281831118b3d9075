"""What a figure rests on: training data, who chose the checkpoint, what was seen before, faces.

Two lines follow one protocol where they agree on

- the train set, by name and by the fingerprint of its videos,
- the data that chose the checkpoint: validation, none, or a test set (not the rule: which
  validation metric or epoch is taken belongs to a detector),
- whether it is known that no test set was seen, and whether that was observed or only declared,
- the recipe of the faces, which says how many frames a video gives, and
- the ``--limit`` of a trial.

Only such lines compete for the best of a column and for ranks. That a test set was seen by consent
does not make another protocol: the cell is marked and left out of the competition by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dfdbench.leaderboard.merging import Row, group
from dfdbench.leaderboard.notes import UNTRAINED

Protocol = Mapping[str, Any]
Seen = Literal["zero-shot", "leaked", "unknown"]


class Declared(BaseModel):
    """What is said of a detector that was trained elsewhere; nobody here can check it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trained_on: str = Field("", description="its training data, in words")
    selection: str = Field("", description="how its checkpoint was chosen, in words")
    seen: Seen = Field("unknown", description="whether training or selection saw a test set")


def of_row(
    row: Row,
    *,
    seeds: Sequence[int] = (),
    frames: tuple[int, int] | None = None,
    train_data: str = "",
    declared: Declared | None = None,
) -> dict[str, Any]:
    """The protocol of a finished row.

    Args:
        row: with its fit, faces, videos, leak and trial.
        seeds: of the whole benchmark.
        frames: fewest and most faces that a video of the test set gave.
        train_data: fingerprint of the training videos.
        declared: what is said of a detector that does not train here.
    """
    fit = row["fit"]
    said = Declared() if fit or declared is None else declared
    seen: Seen = said.seen
    if fit:
        seen = "leaked" if row.get("leak") or fit.get("selected_on") == "test" else "zero-shot"
    videos = row["videos"]
    return {
        "train_set": said.trained_on or row["train_set"],
        "train_data": train_data,
        "selection": fit.get("selection") or said.selection or "none",
        "selected_on": fit.get("selected_on", "none"),
        "seeds": list(seeds) if fit else [],
        "seen": seen,
        "declared": said != Declared(),
        "frames": span(*frames) if frames else "",
        "faces": row.get("faces", {}).get("recipe", ""),
        "scored": videos["real"] + videos["fake"] - videos["unscored"],
        "unscored": videos["unscored"],
        "trial": row.get("trial"),
    }


def span(few: int, most: int) -> str:
    """``4 to 32``, or ``32``."""
    return str(most) if few == most else f"{few} to {most}"


def key(rows: Iterable[Row]) -> tuple[tuple[Any, ...], ...]:
    """Equal for lines of one protocol; several parts where the rows of a line disagree."""
    return tuple(sorted({_key(row["protocol"]) for row in rows}, key=repr))


def seen(rows: Iterable[Row]) -> str:
    """The worst that is known of any of these rows; empty where there is none."""
    found = {row["protocol"]["seen"] for row in rows}
    return next((word for word in ("leaked", "unknown", "zero-shot") if word in found), "")


def letters(keys: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], str]:
    """A for the protocol of most lines, then B, ...; those whose lines do not compete come last."""
    counted = Counter(keys).most_common()
    ordered = sorted(counted, key=lambda found: (_doubtful(found[0]), -found[1]))
    return {found: _letter(n) for n, (found, _) in enumerate(ordered)}


def describe(protocols: Sequence[Protocol], faces: bool) -> str:
    """What the rows of a line rest on, in a phrase; with the recipe of the ``faces`` or without."""
    kinds = group(protocols, _key).values()
    return "; or ".join(dict.fromkeys(_phrase(mine, faces) for mine in kinds))


def _key(protocol: Protocol) -> tuple[Any, ...]:
    names = ("train_set", "train_data", "selected_on", "declared", "faces", "trial")
    return (*(protocol[name] for name in names), protocol["seen"] == "unknown")


def _doubtful(parts: tuple[Any, ...]) -> bool:
    """Whether a key is of lines that a test set selected, of trials, or of what is unknown."""
    return any(
        unknown or selected_on == "test" or trial is not None
        for _, _, selected_on, _, _, trial, unknown in parts
    )


def _letter(n: int) -> str:
    return chr(ord("A") + n) if n < 26 else f"P{n + 1}"


def _phrase(protocols: Sequence[Protocol], faces: bool) -> str:
    """Of protocols with one key, which differ in what is said of a single test set alone."""
    one = protocols[0]
    leaks = any(protocol["seen"] == "leaked" for protocol in protocols)
    if one["declared"]:
        where = "what is not said" if one["train_set"] == UNTRAINED else str(one["train_set"])
        parts = [f"trained elsewhere on {where}", f"{one['seen']}, as declared and not checked"]
    elif one["seen"] == "unknown":
        parts = ["trained elsewhere", "what it has seen is unknown"]
    else:
        seen_ = "zero-shot" + " but for cells with §" * leaks
        parts = [f"trained on {one['train_set']}", _CHOSEN[one["selected_on"]]]
        parts += [seen_] if one["selected_on"] != "test" else []
    if faces:
        parts.append(f"faces: {one['faces']}")
    if one["trial"] is not None:
        parts.append(f"a trial with --limit {one['trial']}")
    return ", ".join(parts)


_CHOSEN = {
    "validation": "checkpoint chosen on validation",
    "test": "checkpoint chosen on a test set",
    "none": "checkpoint not chosen by any figure",
}
