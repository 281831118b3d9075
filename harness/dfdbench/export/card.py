"""The model card of an exported detector, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from dfdbench import results
from dfdbench.export import TOLERANCE, Exported
from dfdbench.spec.sweeps import CLEAN
from dfdbench.store import write_text

if TYPE_CHECKING:
    from dfdbench.predict.calibration import Level
    from dfdbench.predict.finding import Trained

SEEN = {
    "zero-shot": "zero-shot: neither trained nor chosen on data of this test set",
    "leaked": "leaked: it has seen videos or people of this test set",
    "unknown": "unknown: what it was trained on is not known here",
}

Row = Mapping[str, Any]


def rows_of(trained: Trained, folder: Path) -> list[Row]:
    """The finished rows of a detector in a results folder, without perturbation.

    Raises:
        MissingError, DataError: the folder cannot be read.
    """
    document = results.read([folder])[str(folder)]
    ids = dict(trained.ids or {})
    return [
        row
        for row in document["rows"]
        if row["status"] == "done"
        and row["perturbation"] == CLEAN
        and all(row.get(name) == value for name, value in ids.items())
    ]


def write(trained: Trained, made: Exported, rows: Sequence[Row], path: Path) -> None:
    """Write the card."""
    write_text(path, text(trained, made, rows))


def text(trained: Trained, made: Exported, rows: Sequence[Row]) -> str:
    """The card; says of everything that is not known that it is not."""
    parts = [
        f"# {trained.title}",
        "A deepfake detector for faces, trained and measured with dfdbench."
        if trained.key
        else "A deepfake detector for faces; its weights were trained elsewhere.",
        _use(trained, made),
        _figures(rows),
        _calibration(trained),
        _training(trained, rows),
        _limits(rows),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _use(trained: Trained, made: Exported) -> str:
    size = made.size
    faces = ", ".join(
        f"{name} {value}"
        for name, value in trained.preprocessor.to_spec().items()
        if name != "use" and value is not None
    )
    call = f"`dfdbench predict {made.path.name} FILE...`"
    how = "The weights of the whole network; they need its code to run."
    if made.path.suffix != ".safetensors":
        how = f"To score images and videos: {call}."
    return "\n\n".join(
        [
            "## Use",
            how,
            f"- **Input** `faces`: (N, 3, {size}, {size}) uint8, RGB, any N. Resizing and "
            "normalising are inside.\n"
            "- **Output** `p_fake`: (N,) float32 in [0, 1]. The score of a video is the mean over "
            "its frames.\n"
            f"- **Faces** must be taken as in training: `{trained.preprocessor.name}`"
            f"{f' with {faces}' if faces else ''}.\n"
            f"- **Checked** before it was written: on {made.faces} faces p(fake) was within "
            f"{made.difference:.1g} of the original ({TOLERANCE:g} allowed), with scores from "
            f"{made.low:.3f} to {made.high:.3f}.",
        ]
    )


def _figures(rows: Sequence[Row]) -> str:
    if not rows:
        return "## Figures\n\nNone: no results folder was given, or it has no finished row of this."
    table = []
    for row in rows:
        interval = row["interval"]["video"].get("auroc")
        auroc = row["video"]["auroc"]
        shown = "undefined" if auroc is None else f"{100 * auroc:.1f}"
        if interval:
            shown += f" [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"
        videos = row["videos"]
        seen = row["protocol"]["seen"]
        table.append([row["test_set"], shown, videos["real"], videos["fake"], seen])
    headers = ["Test set", "Video AUROC in % [95 %]", "Real videos", "Fake videos", "Protocol"]
    notes = [SEEN[seen] for seen in dict.fromkeys(row["protocol"]["seen"] for row in rows)]
    notes += dict.fromkeys(f"{row['test_set']}: {row['leak']}" for row in rows if row.get("leak"))
    if any(row.get("trial") for row in rows):
        notes.append("**a trial on a few videos of each class: the figures mean nothing**")
    lines = tabulate(table, headers, tablefmt="pipe", disable_numparse=True)
    return "\n\n".join(["## Figures", lines, "\n".join(f"- {note}" for note in notes)])


def _calibration(trained: Trained) -> str:
    known = trained.calibration
    if known is None:
        return (
            "## Calibration\n\nNone: there are no validation scores that rank fakes above reals. "
            "A score orders faces; it is no probability, and nobody chose 0.5 as a threshold."
        )
    lines = [_level("video", known.video), _level("single frame or image", known.frame)]
    return "\n\n".join(["## Calibration", "By Platt's curve on validation.", "\n".join(lines)])


def _level(what: str, level: Level) -> str:
    return (
        f"- A {what} is called fake from {level.threshold:.4f} on, where both errors were equal; "
        f"p = 1 / (1 + exp(-({level.slope:.4f} log(s / (1 - s)) {level.intercept:+.4f}))) for a "
        f"score s. From {level.real:,} real and {level.fake:,} fake."
    )


def _training(trained: Trained, rows: Sequence[Row]) -> str:
    said = []
    fit = rows[0]["fit"] if rows else {}
    if fit:
        chosen = {"validation": "on validation", "test": "**on a test set**", "none": ""}
        said.append(
            f"- Checkpoint: {fit['selection']} {chosen[fit['selected_on']]}".rstrip()
            + (f", epoch {fit['epoch']}" if fit["epoch"] else "")
        )
        said.append(f"- {fit['trainable']:,} of {fit['parameters']:,} parameters were trained")
    said += [f"- {name.replace('_', ' ')}: {value}" for name, value in (trained.ids or {}).items()]
    if trained.key:
        said.append(f"- key of the training: `{trained.key}`")
    return "\n\n".join(["## Training", "\n".join(said), _options(trained)])


def _options(trained: Trained) -> str:
    from io import StringIO

    from ruamel.yaml import YAML

    yaml, stream = YAML(typ="safe", pure=True), StringIO()
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    yaml.dump(trained.detector.identity(), stream)
    return f"```yaml\n{stream.getvalue()}```"


def _limits(rows: Sequence[Row]) -> str:
    said = [
        "It says how a face resembles the fakes that it was trained on. Of manipulations, cameras "
        "and compressions that are not in the table above nothing is known.",
        "It sees one face a frame. A video in which another person was manipulated looks real to "
        "it.",
        "Whoever knows the detector can change a video until it passes. It is no proof, neither of "
        "a forgery nor of an original.",
        "How well it does for people of different age, sex or skin is not measured here.",
    ]
    if rows and all(row["protocol"]["seen"] != "zero-shot" for row in rows):
        said.insert(0, "No figure above is from data that it is known not to have seen.")
    return "\n\n".join(["## Limits", "\n".join(f"- {each}" for each in said)])
