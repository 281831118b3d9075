"""Any data set that a table lists: one row a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from dfdbench import hookimpl
from dfdbench.api import FAKE, REAL, DatasetAdapter, Video
from dfdbench.errors import DataError, MissingError, SpecError
from dfdbench_plugins.tables import read_table

LABELS = {"real": REAL, "0": REAL, "fake": FAKE, "1": FAKE}
NEEDED = ("path", "label", "video_id", "split")
OPTIONAL = ("method", "source_id", "target_id", "frame_index")


class Manifest(DatasetAdapter):
    """A CSV or Parquet table with the columns path, label, video_id and split.

    ``label`` is ``real`` or ``fake``, 0 or 1. Optional columns: method, source_id, target_id,
    frame_index. Rows of one video_id are its frames, in the table's order.
    """

    name: ClassVar[str] = "manifest"

    table: Path = Field(description="the CSV (with a header) or Parquet file")
    root: Path | None = Field(
        None, description="folder that paths are relative to; default: --data, else the table's"
    )
    columns: dict[str, str] = Field(
        {}, description="what the table calls its columns, e.g. {label: is_fake}"
    )

    def folder(self, root: Path | None) -> Path | None:
        """The folder that the table's paths are relative to."""
        return self.root or root or self.table.parent

    def videos(self, root: Path | None, split: str) -> Iterator[Video]:
        """Videos in the order of their first row; see :class:`dfdbench.api.DatasetAdapter`."""
        rows = self._read()
        splits = [str(value) for value in rows["split"]]
        where = [n for n, value in enumerate(splits) if value == split]
        if not where:
            if not splits:
                raise DataError(f"{self.table} is empty: it has a header and no row")
            known = ", ".join(sorted(set(splits)))
            raise SpecError(f"{self.table}: no row has the split {split!r}; there are {known}")
        base = self.folder(root)
        groups: dict[str, list[int]] = {}
        for n in where:
            path = Path(str(rows["path"][n]))
            if base is not None and not (base / path).resolve().is_relative_to(base.resolve()):
                raise DataError(f"{self.table}, row {n + 1}: {path} leaves the data folder {base}")
            groups.setdefault(str(rows["video_id"][n]), []).append(n)
        for video_id, members in groups.items():
            yield self._video(video_id, rows, members)

    def _video(self, video_id: str, rows: dict[str, list[Any]], members: list[int]) -> Video:
        labels = {self._label(rows["label"][n], n) for n in members}
        if len(labels) > 1:
            raise DataError(
                f"{self.table}: the frames of video {video_id!r} carry two labels, real and fake "
                f"(rows {members[0] + 1} to {members[-1] + 1}); give them video ids of their own"
            )
        first = members[0]

        def text(column: str) -> str:
            return str(rows[column][first] or "") if column in rows else ""

        frames = rows.get("frame_index")
        return Video(
            id=video_id,
            label=labels.pop(),
            files=tuple(str(rows["path"][n]) for n in members),
            frame_indices=tuple(self._frame(frames[n], n) for n in members) if frames else (),
            method=text("method"),
            source_id=text("source_id"),
            target_id=text("target_id"),
        )

    def _label(self, value: Any, row: int) -> int:
        try:
            return LABELS[str(value).strip().lower()]
        except KeyError:
            raise DataError(
                f"{self.table}, row {row + 1}: the label is {value!r}, not real, fake, 0 or 1"
            ) from None

    def _frame(self, value: Any, row: int) -> int:
        try:
            return int(value)
        except (TypeError, ValueError):
            raise DataError(
                f"{self.table}, row {row + 1}: the frame_index is {value!r}, not a whole number"
            ) from None

    def _read(self) -> dict[str, list[Any]]:
        """The table by column, under the names of this class."""
        if not self.table.is_file():
            raise MissingError(f"no table {self.table}; write it, or name it as `table:`")
        unknown = set(self.columns) - {*NEEDED, *OPTIONAL}
        if unknown:
            raise SpecError(f"manifest: `columns` maps {min(unknown)!r}, which is no column of it")
        # Ids such as 000 are text: a number would lose their zeros.
        text = [self.columns.get(name, name) for name in ("video_id", "path", "split")]
        table = read_table(self.table, text)
        found: dict[str, list[Any]] = {}
        for column in (*NEEDED, *OPTIONAL):
            given = self.columns.get(column, column)
            if given in table:
                found[column] = table[given]
            elif column in NEEDED or column in self.columns:
                raise DataError(
                    f"{self.table} has no column {given!r} (it has "
                    f"{', '.join(table)}); map it with `columns: {{{column}: ...}}`"
                )
        return found


@hookimpl
def dfdbench_datasets() -> Sequence[type[DatasetAdapter]]:
    """This adapter."""
    return [Manifest]
