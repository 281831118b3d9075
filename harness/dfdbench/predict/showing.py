"""Predictions as a table of 80 columns, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dfdbench.predict.calibration import Calibration
from dfdbench.predict.finding import Trained
from dfdbench.predict.pipeline import Found

WIDTH = 80
NOTHING = "-"
MIDDLE = 0.5


def threshold(trained: Trained, found: Found) -> float:
    """From which score on this file is called fake."""
    return trained.calibration.of(found.kind).threshold if trained.calibration else MIDDLE


def verdict(trained: Trained, found: Found) -> str:
    """``fake`` or ``real``; empty where there is no score."""
    if found.score is None:
        return ""
    return "fake" if found.score >= threshold(trained, found) else "real"


def to_terminal(trained: Trained, found: Sequence[Found]) -> str:
    """One line a file, and below it what the figures mean."""
    names = [each.path.name for each in found]
    if len(set(names)) < len(names):  # as of frames in a folder for each video
        names = [str(each.path) for each in found]
    name = min(max(len("file"), *map(len, names)), 30)
    lines = [f"{'file':<{name}}  faces/frames  score  p(fake)  verdict"]
    lines.append("  ".join("-" * width for width in (name, 12, 5, 7, 7)))
    for each, called in zip(found, names, strict=True):
        start = f"{_cut(called, name):<{name}}  "
        if each.score is None:
            lines += _wrapped(start, f"{_looked(each)}{each.reason}")
            continue
        p = _calibrated(trained.calibration, each.kind, each.score)
        shown = NOTHING if p is None else f"{p:.3f}"
        counts = f"{len(each.looks)}/{each.frames}"
        verdict_ = verdict(trained, each)
        lines.append(f"{start}{counts:>12}  {each.score:.3f}  {shown:>7}  {verdict_:>7}".rstrip())
    kinds = list(dict.fromkeys(each.kind for each in found if each.score is not None))
    return "\n".join([*lines, "", *_wrapped("", meaning(trained, kinds))])


def meaning(trained: Trained, kinds: Sequence[str]) -> str:
    """What scores, probabilities and verdicts are, for files of these kinds."""
    said = f"Scores are by {trained.title}: the mean over a file's frames."
    known = trained.calibration
    if known is None:
        return (
            f"{said} They are not calibrated, because there are no validation scores that rank "
            f"fakes above reals: a verdict is the score against {MIDDLE}, and a score is no "
            "probability."
        )
    for kind in kinds:
        level = known.of(kind)
        one, what = ("A video", "videos") if kind == "video" else ("An image", "frames")
        said += (
            f" {one} is called fake from {level.threshold:.3f} on, where both errors were equal "
            f"on validation. p(fake) is calibrated on the same {level.real:,} real and "
            f"{level.fake:,} fake {what}; with another share of fakes, or other manipulations, it "
            "means less."
        )
    return said


def to_dict(trained: Trained, found: Sequence[Found]) -> dict[str, Any]:
    """Everything, as JSON values; null where there is no figure."""
    known = trained.calibration
    return {
        "schema": 1,
        "detector": {
            "title": trained.title,
            "key": trained.key or None,
            "ids": dict(trained.ids or {}),
            "options": trained.detector.to_spec(),
            "faces": trained.preprocessor.to_spec(),
        },
        "calibration": known.to_dict() if known else None,
        "files": [_file(trained, each) for each in found],
    }


def _file(trained: Trained, found: Found) -> dict[str, Any]:
    known, value = trained.calibration, found.score
    frames: dict[int, list[dict[str, Any]]] = {}
    for look in found.looks:
        corners = None if look.corners is None else look.corners.round(2).tolist()
        face = {"score": _number(look.score), "corners": corners}
        frames.setdefault(look.frame, []).append(face)
    return {
        "file": str(found.path),
        "kind": found.kind,
        "score": value,
        "p_fake": None if value is None else _calibrated(known, found.kind, value),
        "threshold": threshold(trained, found),
        "verdict": verdict(trained, found) or None,
        "reason": found.reason or None,
        "unreadable": found.unreadable,
        "frames_looked_at": found.frames,
        "frames": [
            {
                "frame": n,
                "score": _number(score),
                "p_fake": None if math.isnan(score) else _calibrated(known, "image", score),
                "faces": frames[n],
            }
            for n, score in found.by_frame.items()
        ],
    }


def _calibrated(known: Calibration | None, kind: str, score: float) -> float | None:
    return known.of(kind).probability(score) if known else None


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _looked(found: Found) -> str:
    """How many frames were looked at, where that is more than one."""
    return f"{found.frames} frames: " if found.frames > 1 else ""


def _cut(text: str, width: int) -> str:
    half = (width - 2) // 2
    return text if len(text) <= width else f"{text[:half]}..{text[half + 2 - width :]}"


def _wrapped(start: str, text: str) -> list[str]:
    """``text`` behind ``start``, its further lines below its first."""
    import textwrap

    return textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=" " * len(start))
