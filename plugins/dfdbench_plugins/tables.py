"""Reads the tables that users write: CSV with a header, or Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfdbench.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


def read_table(path: Path, text: Sequence[str] = ()) -> dict[str, list[Any]]:
    """The columns of a small table by name, as Python values; see :func:`read_columns`."""
    table = read_columns(path, text)
    return {name: table[name].to_pylist() for name in table.column_names}


def read_columns(path: Path, text: Sequence[str] = ()) -> pa.Table:
    """A table of any size, column by column.

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
            return parquet.read_table(path)
        types = csv.ConvertOptions(column_types={name: pa.string() for name in text})
        return csv.read_csv(path, convert_options=types)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} cannot be read as a table: {error}") from error
