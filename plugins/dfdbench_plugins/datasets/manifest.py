"""Any data set that a table lists: one row a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from dfdbench.api import FAKE, REAL, DatasetAdapter, Video
from dfdbench.errors import DataError, MissingError, SpecError
from dfdbench_plugins.tables import read_columns

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

LABELS = {"real": REAL, "0": REAL, "fake": FAKE, "1": FAKE}
NEEDED = ("path", "label", "video_id", "split")
OPTIONAL = ("method", "source_id", "target_id", "frame_index", "sha256")
LEAVES = r"(^|[/\\])\.\.([/\\]|$)|^[/\\]|^[A-Za-z]:"
"""A path that may lead out of the folder that it is joined to."""


class Manifest(DatasetAdapter):
    """A CSV or Parquet table with the columns path, label, video_id and split.

    ``label`` is ``real`` or ``fake``, 0 or 1. Optional columns: method, source_id, target_id,
    frame_index, sha256. Rows of one video_id are its frames, in the table's order. Files whose
    ``sha256`` the table gives are taken to have it, and not read before their faces are taken.
    A path may not leave the data folder by what is written in it; where a link inside the folder
    leads is up to its owner.
    """

    name: ClassVar[str] = "manifest"
    owns_ids: ClassVar[bool] = False

    table: Path = Field(description="the CSV (with a header) or Parquet file")
    root: Path | None = Field(
        None, description="folder that paths are relative to; default: --data, else the table's"
    )
    columns: dict[str, str] = Field(
        {}, description="what the table calls its columns, e.g. {label: is_fake}"
    )

    def folder(self, root: Path | None) -> Path:
        """The folder that the table's paths are relative to."""
        return self.root or root or self.table.parent

    def videos(self, root: Path | None, split: str) -> Iterator[Video]:
        """Videos in the order of their first row; see :class:`dfdbench.api.DatasetAdapter`."""
        import numpy as np

        rows = self._of_split(self._read(), split)
        self._check_paths(rows, self.folder(root))
        rows, starts = self._by_video(rows)
        labels = self._labels(rows, starts)
        files, frames, hashes = _values(rows["path"]), self._frames(rows), self._hashes(rows)
        first = rows.take(starts)
        empty = [""] * len(starts)
        texts = (
            [_text(value) for value in first[name].to_pylist()] if name in first.schema.names
            else empty
            for name in ("video_id", "method", "source_id", "target_id")
        )  # fmt: skip
        ends = np.append(starts[1:], len(rows)).tolist()
        for start, end, label, *about in zip(starts.tolist(), ends, labels, *texts, strict=True):
            known = hashes[start:end]
            yield Video(
                id=about[0],
                label=label,
                files=tuple(files[start:end]),
                frame_indices=tuple(frames[start:end]),
                method=about[1],
                source_id=about[2],
                target_id=about[3],
                sha256=tuple(known) if any(known) else (),
            )

    def _of_split(self, table: pa.Table, split: str) -> pa.Table:
        """The rows of a split, with their numbers in the table, from 1, as the column ``row``."""
        import numpy as np

        if not len(table):
            raise DataError(f"{self.table} is empty: it has a header and no row")
        codes, values = _distinct(table["split"])
        names = [str(value) for value in values]
        if split not in names:
            known = ", ".join(sorted(names))
            raise SpecError(f"{self.table}: no row has the split {split!r}; there are {known}")
        chosen = codes == names.index(split)
        rows = table.drop_columns(["split"]).append_column("row", [np.arange(1, len(table) + 1)])
        return rows if chosen.all() else rows.filter(chosen)

    def _by_video(self, rows: pa.Table) -> tuple[pa.Table, NDArray[np.int64]]:
        """The rows with those of a video together, and where each video starts."""
        import numpy as np

        self._refuse_empty(rows, "video_id")
        codes, _ = _distinct(rows["video_id"])
        if (np.diff(codes) < 0).any():
            order = np.argsort(codes, kind="stable")
            rows, codes = rows.take(order), codes[order]
        return rows, np.flatnonzero(np.diff(codes, prepend=-1))

    def _labels(self, rows: pa.Table, starts: NDArray[np.int64]) -> list[int]:
        """The label of each video."""
        import numpy as np

        codes, values = _distinct(rows["label"])
        known = [LABELS.get(str(value).strip().lower(), -1) for value in values]
        labels = np.array(known)[codes]
        if (wrong := np.flatnonzero(labels < 0)).size:
            raise DataError(
                f"{self._row(rows, wrong[0])}: the label is {values[codes[wrong[0]]]!r}, not real, "
                "fake, 0 or 1"
            )
        least = np.minimum.reduceat(labels, starts)
        if (both := np.flatnonzero(least != np.maximum.reduceat(labels, starts))).size:
            start, end = [*starts, len(rows)][both[0] : both[0] + 2]
            numbers = rows["row"][int(start)], rows["row"][int(end) - 1]
            raise DataError(
                f"{self.table}: the frames of video {str(rows['video_id'][int(start)])!r} carry "
                f"two labels, real and fake (rows {numbers[0]} to {numbers[1]}); give them video "
                "ids of their own"
            )
        found: list[int] = least.tolist()
        return found

    def _frames(self, rows: pa.Table) -> list[int]:
        """The frame number of each row, empty where the table gives none."""
        import pyarrow as pa

        if "frame_index" not in rows.column_names:
            return []
        column = rows["frame_index"]
        if pa.types.is_integer(column.type) and not column.null_count:
            return _values(column)
        return [self._frame(value, rows, n) for n, value in enumerate(column.to_pylist())]

    def _frame(self, value: Any, rows: pa.Table, n: int) -> int:
        try:
            return int(value)
        except (TypeError, ValueError):
            raise DataError(
                f"{self._row(rows, n)}: the frame_index is {value!r}, not a whole number"
            ) from None

    def _hashes(self, rows: pa.Table) -> list[str]:
        """The sha256 of each row in lower case, empty where unknown; an empty list: all are."""
        import pyarrow.compute as pc

        if "sha256" not in rows.column_names:
            return []
        column = pc.ascii_lower(pc.fill_null(rows["sha256"].cast("string"), ""))
        sound = pc.match_substring_regex(column, "^([0-9a-f]{64})?$")
        if (wrong := pc.index(sound, False).as_py()) >= 0:
            raise DataError(
                f"{self._row(rows, wrong)}: the sha256 is {column[wrong].as_py()!r}, not 64 "
                "hexadecimal digits; leave it empty where it is unknown"
            )
        return _values(column)

    def _check_paths(self, rows: pa.Table, base: Path) -> None:
        import pyarrow.compute as pc

        self._refuse_empty(rows, "path")
        doubtful = pc.indices_nonzero(pc.match_substring_regex(rows["path"], LEAVES)).to_pylist()
        for n in doubtful:
            path = rows["path"][n].as_py()
            if not _inside(base, path):
                raise DataError(f"{self._row(rows, n)}: {path} leaves the data folder {base}")

    def _refuse_empty(self, rows: pa.Table, name: str) -> None:
        import pyarrow.compute as pc

        lost = pc.fill_null(pc.equal(pc.cast(rows[name], "string"), ""), True)
        if (n := pc.index(lost, True).as_py()) >= 0:
            raise DataError(f"{self._row(rows, n)}: the {name} is empty")

    def _row(self, rows: pa.Table, n: int) -> str:
        return f"{self.table}, row {rows['row'][int(n)]}"

    def _read(self) -> pa.Table:
        """The table's columns under the names of this class."""
        if not self.table.is_file():
            raise MissingError(f"no table {self.table}; write it, or name it as `table:`")
        unknown = set(self.columns) - {*NEEDED, *OPTIONAL}
        if unknown:
            raise SpecError(f"manifest: `columns` maps {min(unknown)!r}, which is no column of it")
        # Ids such as 000 are text: a number would lose their zeros.
        names = {name: self.columns.get(name, name) for name in (*NEEDED, *OPTIONAL)}
        table = read_columns(self.table, [names[n] for n in names if n != "frame_index"])
        for column, given in names.items():
            needed = column in NEEDED or column in self.columns
            if needed and given not in table.column_names:
                raise DataError(
                    f"{self.table} has no column {given!r} (it has "
                    f"{', '.join(table.column_names)}); map it with `columns: {{{column}: ...}}`"
                )
        there = {name: given for name, given in names.items() if given in table.column_names}
        table = table.select(list(there.values())).rename_columns(list(there))
        return table.set_column(0, "path", table["path"].cast("string"))


def _distinct(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[Any]]:
    """(N,) the number of each value, and the values by number, in the order they come."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):  # its order need not be that of the rows
        column = column.cast(column.type.value_type)
    encoded = column.dictionary_encode(null_encoding="encode").unify_dictionaries()
    chunks = encoded.combine_chunks()
    return chunks.indices.to_numpy(), chunks.dictionary.to_pylist()


def _values(column: pa.ChunkedArray) -> list[Any]:
    """A column as a list; ``to_pylist`` would make each value through an object of its own."""
    values: list[Any] = column.to_numpy().tolist()
    return values


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _inside(base: Path, path: str) -> bool:
    """Whether a path lies below a folder, as written or where its links lead."""
    written = os.path.join(os.path.abspath(base), "")
    if os.path.abspath(base / path).startswith(written):
        return True
    return (base / path).resolve().is_relative_to(base.resolve())
