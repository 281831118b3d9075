"""DeepSpeak's tables as rows of one form: one metadata table, or the three of the release."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dfdbench.errors import DataError
from dfdbench_plugins.datasets.layout import VIDEOS
from dfdbench_plugins.tables import read_table

USUAL = {
    "split": ("split", "set"),
    "path": ("file_location", "video_file", "video-file", "path"),
    "label": ("label", "type"),
    "method": ("generator", "engine", "video_generator", "method"),
    "target": ("identity_target", "identity-target", "identity", "real_identity"),
    "source": ("identity_source", "identity-source"),
}
"""What people call the columns of one table."""
SPLITS = "annotations-split-def.csv"
KINDS = {"real": "annotations-real.csv", "fake": "annotations-fake.csv"}
NO_GENERATOR = {"", "real", "none", "nan"}

Row = dict[str, str]
"""split, path, label (real or fake), method, target, source, where (for messages)."""


def of_table(path: Path, columns: Mapping[str, str]) -> list[Row]:
    """Rows of one metadata table. Raises DataError where a column or a label is missing."""
    table = read_table(path, [*columns.values(), *(c for some in USUAL.values() for c in some)])
    found: dict[str, list[Any]] = {}
    for name, usual in USUAL.items():
        given = [columns[name]] if name in columns else usual
        column = next((c for c in given if c in table), None)
        if column is not None:
            found[name] = table[column]
        elif name in columns or name in ("split", "path"):
            raise _no_column(path, name, " or ".join(given), table)
    if "label" not in found and "method" not in found:
        raise _no_column(path, "label", "label or type, nor one of generators", table)
    rows = []
    for n in range(len(found["split"])):
        row = {name: str(found[name][n] or "").strip() if name in found else "" for name in USUAL}
        row["where"] = f"{path}, row {n + 1}"
        if "label" not in found:
            row["label"] = "real" if row["method"].casefold() in NO_GENERATOR else "fake"
        row["label"] = {"0": "real", "1": "fake"}.get(row["label"], row["label"].casefold())
        if row["label"] not in KINDS:
            raise DataError(f"{row['where']}: the label is {row['label']!r}, not real, fake, 0, 1")
        rows.append(row)
    return rows


def _no_column(path: Path, name: str, usual: str, table: Mapping[str, Any]) -> DataError:
    return DataError(
        f"{path} has no column {usual} (it has {', '.join(table)}); map it with "
        f"`columns: {{{name}: ...}}`"
    )


def of_release(folder: Path) -> list[Row]:
    """Rows of the release: two tables of videos, and one with the split of each identity.

    A fake is in the split of its target. Videos are found by name, wherever they were unpacked.
    """
    split_of = {row["identity"]: row["split"] for row in _table(folder / SPLITS)}
    there: dict[str, str] = {}
    for above, _, names in os.walk(folder):
        for name in names:
            if os.path.splitext(name)[1].lower() in VIDEOS:
                there[name] = (Path(above) / name).relative_to(folder).as_posix()
    rows = []
    for label, file in KINDS.items():
        for n, row in enumerate(_table(folder / file), start=1):
            target = row.get("identity-target") or row.get("identity", "")
            name = row.get("video-file", "").replace("\\", "/")
            where = f"{folder / file}, row {n}"
            if not name or target not in split_of:
                raise DataError(f"{where} has no video-file, or {SPLITS} lacks its {target!r}")
            rows.append({
                "split": split_of[target], "path": there.get(name.rpartition("/")[2], name),
                "label": label, "method": row.get("engine", ""), "target": target,
                "source": row.get("identity-source", ""), "where": where,
            })  # fmt: skip
    return rows


def _table(path: Path) -> list[Row]:
    if not path.is_file():
        raise DataError(f"{path.name} is not beside {SPLITS}; the release has it. Get it again")
    text = ("identity", "identity-target", "identity-source", "video-file", "engine", "split")
    columns = read_table(path, text)
    if path.name == SPLITS and not {"identity", "split"} <= set(columns):
        raise DataError(f"{path} has the columns {', '.join(columns)}, not identity and split")
    cells = zip(*columns.values(), strict=True)
    return [{c: str(v or "") for c, v in zip(columns, row, strict=True)} for row in cells]
