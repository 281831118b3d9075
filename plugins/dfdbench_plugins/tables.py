"""Reads the tables that users write: CSV with a header, or Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dfdbench.errors import DataError


def read_table(path: Path, text: Sequence[str] = ()) -> dict[str, list[Any]]:
    """The columns of a table by name.

    Args:
        path: a ``.parquet`` file, anything else is read as CSV.
        text: columns of a CSV that are text whatever they look like; ``000`` keeps its zeros.

    Raises:
        DataError: not a table.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        if path.suffix == ".parquet":
            table = parquet.read_table(path)
        else:
            types = csv.ConvertOptions(column_types={name: pa.string() for name in text})
            table = csv.read_csv(path, convert_options=types)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} cannot be read as a table: {error}") from error
    return {name: table[name].to_pylist() for name in table.column_names}
