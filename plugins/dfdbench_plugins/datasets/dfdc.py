"""DFDC: the Deepfake Detection Challenge."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import ClassVar

from dfdbench.api import FAKE, REAL, Video
from dfdbench_plugins.datasets.layout import Distributed
from dfdbench_plugins.datasets.lists import entries_of, inside, label_of, rows_of

METHODS = {REAL: "", FAKE: "unknown"}


class Dfdc(Distributed):
    """``test`` by ``labels.csv``, ``train`` by the parts' ``metadata.json``.

    Of a fake in ``train`` the target is the video that it was made from; whose face was put in is
    not known, nor is anything of ``test``. The field ``split`` of the parts is always ``train``
    and is not read.
    """

    name: ClassVar[str] = "dfdc"
    title: ClassVar[str] = "DFDC"
    names: ClassVar[tuple[str, ...]] = ("dfdc", "dfdctest", "dfdctrain", "deepfakedetectionch*")
    marks: ClassVar[tuple[str, ...]] = (
        "labels.csv", "test/labels.csv", "videos/labels.csv",
        "dfdc_train_part_*", "*/dfdc_train_part_*",
    )  # fmt: skip
    asked: ClassVar[str] = "at Kaggle, `Deepfake Detection Challenge`, and on Meta AI's DFDC page"
    splits: ClassVar[tuple[str, ...]] = ("train", "test")

    def listed(self, folder: Path, split: str) -> Iterator[Video]:
        """The videos that the table of the split, or its tables, list."""
        return self._test(folder) if split == "test" else self._train(folder)

    def _test(self, folder: Path) -> Iterator[Video]:
        path = self.needed(folder, "labels.csv", "test/labels.csv", "videos/labels.csv")
        beside = path.parent.relative_to(folder).as_posix()
        found = self.clips(folder, beside, "test", ".")
        above = PurePosixPath(next(iter(found.values()))).parent
        for where, row in rows_of(path, "filename", "label"):
            file = inside(row["filename"], where)
            stem = PurePosixPath(file).stem
            label = label_of(row["label"], where)
            place = found.get(stem, (above / file).as_posix())
            yield self.video(label, place, stem, ("" if label else stem, ""), METHODS[label])

    def _train(self, folder: Path) -> Iterator[Video]:
        parts = sorted(folder.glob("**/dfdc_train_part_*/metadata.json"))
        if not parts:
            raise self.absent("dfdc_train_part_*/metadata.json", [folder])
        for path in parts:
            for name, entry in entries_of(path).items():
                file = inside(name, f"{path}")
                label = label_of(entry.get("label"), f"{path}: {name!r}")
                original = PurePosixPath(str(entry.get("original") or "")).stem
                stem = PurePosixPath(file).stem
                place = path.parent.relative_to(folder) / file
                people = (original if label else stem, "")
                yield self.video(label, place.as_posix(), stem, people, METHODS[label])
