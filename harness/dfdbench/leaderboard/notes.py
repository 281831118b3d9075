"""The sentences below a leaderboard: what its figures are, and what is not as it should be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

UNTRAINED = "none"
"""The train set of a detector that does not train."""


def selection_label(row: Row) -> str:
    """How the checkpoint of a finished row was chosen, e.g. ``last epoch, no validation``.

    Empty where nothing is known of it.
    """
    fit = row["fit"]
    if not fit:
        said = row["protocol"]["selection"]
        return "" if said == "none" else f"{said}, as declared"
    how = str(fit.get("selection", "none")).replace(" map", " mAP").replace(" auroc", " AUROC")
    if how == "none":
        return "not trained here"
    if fit.get("selected_on") == "test":
        return f"{how} of a test set"
    if fit.get("selected_on") == "validation":
        return how if "validation" in how else f"{how} on validation"
    return f"{how}, no validation" if row.get("threshold_from") == "0.5, no validation" else how


def leaked(row: Row) -> bool:
    """Whether a row's test set was seen before: by what was found, or as an owner declares."""
    declared = not row.get("fit") and row.get("protocol", {}).get("seen") == "leaked"
    return bool(row.get("leak")) or declared


def legend(rows: Sequence[Row], protocols: Mapping[str, str]) -> tuple[str, ...]:
    """What the figures are, a sentence each; ``protocols`` are phrases by their letters."""
    done = [row for row in rows if row["status"] == "done"]
    said = [_figures(done)]
    seeds = sorted({row["seed"] for row in rows if row["train_set"] != UNTRAINED})
    if len(seeds) > 1:
        said.append(
            "±: sample standard deviation over seeds "
            f"{_and(seeds)}; the interval is then the mean of the seeds' intervals."
        )
    said += _protocols(protocols, seeds)
    if videos := _videos(done):
        said.append(f"Videos, real + fake (faces a video): {videos}.")
    said += [f"Faces: {recipe}." for recipe in _recipes(done)]
    said.append(
        "Mean: over the test sets where any detector has a value; none if one of them is lacking. "
        "Rank: average place on the test sets; equal figures share theirs."
    )
    if any(row["fit"].get("selected_on") == "test" for row in done if row.get("fit")):
        said.append("†: the checkpoint was selected on a test set; too good, never marked as best.")
    if any(leaked(row) for row in rows):
        said.append("§: the detector has seen videos or people of this test set; never the best.")
    if any(row["protocol"]["seen"] == "unknown" for row in done):
        said.append(
            "?: trained elsewhere, and whether it has seen a test set is unknown; competes only "
            "where that is so of every line."
        )
    counts = {test: set(map(videos_scored, mine)) for test, mine in _by_test(done).items()}
    if any(len(found) > 1 for found in counts.values()):
        said.append("°: rests on fewer videos than another figure of its column; see the notes.")
    limits = sorted({row["trial"] for row in rows if row.get("trial") is not None})
    if limits:
        few = _and([f"--limit {n}" for n in limits])
        said.append(f"‡: trial run on few videos ({few}), not a result.")
    return tuple(said)


def videos_scored(row: Row) -> int:
    """Number of videos that a finished row has a score of."""
    videos = row["videos"]
    return int(videos["real"] + videos["fake"] - videos["unscored"])


def _by_test(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["test_set"], []).append(row)
    return found


def notes(rows: Sequence[Row], perturbed: int = 0) -> tuple[str, ...]:
    """Failed, blocked and missing cells, undefined ones, unscored videos, rows left out."""
    said = [
        *_grouped(rows, _failure),
        *dict.fromkeys(f"seen before: {row['leak']}" for row in rows if row.get("leak")),
        *_grouped(rows, _undefined, by_test=True),
        *_grouped(rows, _unscored, by_test=True),
        *_grouped(rows, _unreadable, by_test=True),
        *_yields(rows),
    ]
    if perturbed:
        said.append(
            f"{perturbed} results under a perturbation are in robustness.md and in the CSV, not in "
            "this table."
        )
    return tuple(said)


def _figures(done: Sequence[Row]) -> str:
    how = dict.fromkeys(
        f"{row['interval']['method']}, {row['interval']['resamples']:,} resamples."
        for row in done
        if row["interval"].get("resamples")
    )
    said = "Figures: video-level AUROC in %, a video's score being the mean of its frames."
    return " ".join([said, *(f"[low, high]: {method}" for method in how)])


def _protocols(protocols: Mapping[str, str], seeds: Sequence[int]) -> list[str]:
    """What the lines rest on, and how those of different protocols are kept apart."""
    seed = f"; seed{'s' * (len(seeds) > 1)} {_and(seeds)}" if seeds else ""
    if len(protocols) < 2:
        return [f"Protocol: {phrase}{seed}." for phrase in protocols.values()]
    said = [f"Protocol {letter}: {phrase}." for letter, phrase in protocols.items()]
    said += [f"Trained with{seed.removeprefix(';')}."] * bool(seeds)
    said.append(
        "Only lines of one protocol compete for the best and for ranks. A rank in brackets is the "
        "place that a line of another protocol would take among those of protocol A."
    )
    return said


def _videos(done: Sequence[Row]) -> str:
    counts: dict[str, str] = {}
    for row in done:
        videos = row["videos"]
        frames = row["protocol"]["frames"]
        counts.setdefault(row["test_set"], f"{videos['real']:,} + {videos['fake']:,} ({frames})")
    return "; ".join(f"{test} {count}" for test, count in counts.items())


def _recipes(done: Sequence[Row]) -> list[str]:
    """How the faces were made, and what share of rebuilt ones is as it was."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for row in done:
        if faces := row.get("faces"):
            counts = found.setdefault(faces["recipe"], {})
            counts[row["test_set"]] = faces["expected"], faces["identical"]
    said = []
    for recipe, tests in found.items():
        expected = sum(wanted for wanted, _ in tests.values())
        if expected:
            identical = sum(same for _, same in tests.values())
            share = f"{100 * identical / expected:.1f} % of {expected:,}"
            recipe += f"; identical to the byte: {share} test faces"
        said.append(recipe)
    return said


def _yields(rows: Sequence[Row]) -> list[str]:
    """Test sets on which frames gave no face, by class: a difference biases the figures."""
    said = {}
    for row in rows:
        found = row.get("faces", {}).get("yield", {})
        if all(counts["faces"] == counts["frames"] for counts in found.values() if counts):
            continue
        parts = [
            f"{name} {counts['faces']:,} of {counts['frames']:,} frames, "
            f"{counts['videos'] - counts['videos_without_face']:,} of {counts['videos']:,} videos"
            for name, counts in found.items()
            if counts
        ]
        said[row["test_set"]] = f"faces found on {row['test_set']}: {'; '.join(parts)}"
    return list(said.values())


def _failure(row: Row) -> tuple[str, str]:
    reason = " ".join(str(row.get("reason", "")).split())
    return ("", "") if row["status"] == "done" else (row["status"], reason or "no reason given")


def _undefined(row: Row) -> tuple[str, str]:
    return ("undefined", row["undefined"]) if row.get("undefined") else ("", "")


def _unscored(row: Row) -> tuple[str, str]:
    if row["status"] != "done":
        return "", ""
    parts = [
        f"{counts['unscored']:,} of {counts['real'] + counts['fake']:,} {things}"
        for things, counts in (("videos", row["videos"]), ("frames", row["frames"]))
        if counts["unscored"]
    ]
    return ("unscored", " and ".join(parts)) if parts else ("", "")


def _unreadable(row: Row) -> tuple[str, str]:
    """Images that `on_bad_face: skip` left out, by what they were for."""
    counts = {what: n for what, n in row.get("unreadable", {}).items() if n}
    said = ", ".join(f"{n:,} in {what}" for what, n in counts.items())
    return ("images left out because they cannot be read", said) if said else ("", "")


def _grouped(rows: Sequence[Row], what: Any, by_test: bool = False) -> list[str]:
    """``failed: ln on cdfv2 and dfd: NaN loss``: one sentence for all cells of one reason."""
    train_sets = {row["train_set"] for row in rows if row["train_set"] != UNTRAINED}
    seeds = {row["seed"] for row in rows if row["train_set"] != UNTRAINED}
    found: dict[tuple[str, ...], tuple[dict[str, None], dict[str, None]]] = {}
    for row in rows:
        word, reason = what(row)
        if not word:
            continue
        name = _cell_name(row, len(train_sets) > 1, len(seeds) > 1)
        key = (word, reason, row["test_set"] if by_test else name)
        names, tests = found.setdefault(key, ({}, {}))
        names[name], tests[row["test_set"]] = None, None
    everything = {row["test_set"]: 0 for row in rows}
    for row in rows:
        everything[row["test_set"]] += 1

    def who(names: Mapping[str, None], tests: Mapping[str, None]) -> str:
        if by_test and len(names) == everything[next(iter(tests))] > 1:
            return "every detector"
        return _and(names)

    return [
        f"{key[0]}: {who(names, tests)} on {_and(tests)}: {key[1]}"
        for key, (names, tests) in found.items()
    ]


def _cell_name(row: Row, train_set: bool, seed: bool) -> str:
    """``ln``, or ``ln (ffpp, seed 2)`` as far as it takes to tell the runs apart."""
    parts = [str(row["train_set"])] * train_set + [f"seed {row['seed']}"] * seed
    trained = parts and row["train_set"] != UNTRAINED
    return f"{row['detector']} ({', '.join(parts)})" if trained else str(row["detector"])


def _and(things: Iterable[object]) -> str:
    *most, last = map(str, things)
    return f"{', '.join(most)} and {last}" if most else last
