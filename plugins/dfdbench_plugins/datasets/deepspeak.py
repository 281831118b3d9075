"""DeepSpeak, version 1 or 2: people talking to their webcams, with modern fakes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from pydantic import Field

from dfdbench.api import FAKE, REAL, Video
from dfdbench_plugins.datasets import deepspeak_tables as tables
from dfdbench_plugins.datasets.layout import Distributed
from dfdbench_plugins.datasets.lists import inside

Column = Literal["split", "path", "label", "method", "target", "source"]


class DeepSpeak(Distributed):
    """Videos and splits by one metadata table, or by the release's ``annotations-*.csv``.

    Without a column of labels, a video is real where its generator is empty or ``real``.
    """

    name: ClassVar[str] = "deepspeak"
    title: ClassVar[str] = "DeepSpeak"
    marks: ClassVar[tuple[str, ...]] = ("*.csv", "metadata/*.csv")
    asked: ClassVar[str] = (
        "on request: faridlab/deepspeak_v1 (or deepspeak_v1_1, deepspeak_v2) on Hugging Face"
    )
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")

    version: Literal["v1", "v2"] = Field("v1", description="v1 or v2, part of the folder's name")
    table: Path | None = Field(None, description="the CSV; default: the only one in the folder")
    columns: dict[Column, str] = Field(
        {}, description="what the table calls its columns, such as {label: type}"
    )

    def known_as(self) -> tuple[str, ...]:
        """Names of the version's folder."""
        return (f"deepspeak{self.version}*", f"ds{self.version}*", "deepspeak")

    def listed(self, folder: Path, split: str) -> Iterator[Video]:
        """The rows of the split."""
        rows = self._rows(folder)
        known = sorted({row["split"] for row in rows})
        if split not in known:
            raise self.no_split(split, known)
        for row in (row for row in rows if row["split"] == split):
            file = inside(row["path"], row["where"])
            id = f"{self.version}/{PurePosixPath(file).with_suffix('')}"
            if row["label"] == "real":
                yield self.video(REAL, file, id, (row["target"] or id, ""))
            else:
                yield self.video(FAKE, file, id, (row["target"], row["source"]), row["method"])

    def _rows(self, folder: Path) -> list[tables.Row]:
        if self.table is None and (folder / tables.SPLITS).is_file():
            return tables.of_release(folder)
        found = sorted(folder.glob("*.csv")) or sorted(folder.glob("metadata/*.csv"))
        path = self.table or (found[0] if len(found) == 1 else None)
        if path is None or not path.is_file():
            places = [path or folder, *found]
            raise self.absent("single metadata table", places, "`table:` names the one to read")
        return tables.of_table(path, {str(name): column for name, column in self.columns.items()})
