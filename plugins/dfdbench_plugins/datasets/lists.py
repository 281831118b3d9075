"""Reads what owners list their videos in: lines of text, CSV and JSON, and the paths in them."""

from __future__ import annotations

import csv
import io
import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dfdbench.api import FAKE, REAL
from dfdbench.errors import DataError

LABELS = {"real": REAL, "0": REAL, "fake": FAKE, "1": FAKE}


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Lines of a list that are not empty, with their numbers from 1; slashes for backslashes."""
    for number, line in enumerate(text_of(path).splitlines(), start=1):
        if line.strip():
            yield number, line.strip().replace("\\", "/")


def json_of(path: Path) -> Any:
    """The content of a JSON file. Raises DataError where it is none."""
    try:
        return json.loads(text_of(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not JSON: {error}; get the owners' file again") from error


def entries_of(path: Path) -> dict[str, dict[str, Any]]:
    """A JSON file that is a mapping of mappings. Raises DataError where it is none."""
    content = json_of(path)
    if not isinstance(content, dict):
        raise DataError(f"{path} is a {type(content).__name__}, not a mapping of file names")
    for name, entry in content.items():
        if not isinstance(entry, dict):
            raise DataError(f"{path}: {name!r} is {entry!r}, not a mapping with a label")
    return content


def rows_of(path: Path, *needed: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of a CSV with a header: where it is, and its cells by column in small letters.

    Raises:
        DataError: a needed column is missing, or a row is shorter than the header.
    """
    rows = csv.reader(io.StringIO(text_of(path)))
    header = [name.strip().casefold() for name in next(rows, [])]
    if not set(needed) <= set(header):
        raise DataError(f"{path} has the columns {', '.join(header)}, not {' and '.join(needed)}")
    for cells in rows:
        where = f"{path}, line {rows.line_num}"
        if cells and len(cells) < len(header):
            raise DataError(f"{where}: {','.join(cells)!r} has fewer cells than the header")
        if cells:
            yield where, dict(zip(header, cells, strict=False))


def label_of(value: Any, where: str) -> int:
    """0 of ``real`` or 0, 1 of ``fake`` or 1, in letters of any size. Raises DataError."""
    label = LABELS.get(str(value).strip().casefold())
    if label is None:
        raise DataError(f"{where}: the label is {value!r}, not real, fake, 0 or 1")
    return label


def text_of(path: Path) -> str:
    """The text of a file. Raises DataError where it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")  # -sig: some lists start with a BOM
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: {error}") from error


def inside(path: str, where: str) -> str:
    """A path of a list in its plain form. Raises DataError where it leaves the data folder."""
    plain = posixpath.normpath(path.strip().replace("\\", "/"))
    if plain.startswith(("/", "../")) or plain in ("..", ".") or re.match("[A-Za-z]:/", plain):
        raise DataError(f"{where}: {path!r} leaves the data folder")
    return plain
