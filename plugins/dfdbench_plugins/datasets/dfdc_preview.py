"""DFDC preview (DFDCP): the first, smaller part of the Deepfake Detection Challenge."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import ClassVar

from dfdbench.api import REAL, Video
from dfdbench.errors import DataError
from dfdbench_plugins.datasets.layout import Distributed
from dfdbench_plugins.datasets.lists import entries_of, inside, label_of

REAL_FOLDER = "original_videos"


class DfdcPreview(Distributed):
    """Videos and splits by ``dataset.json``; the folder of a fake is its method.

    The folder below the method is the target's, and of a fake ``1_2_C_001`` the other of the two
    numbers is the source's.
    """

    name: ClassVar[str] = "dfdc_preview"
    title: ClassVar[str] = "DFDC preview"
    names: ClassVar[tuple[str, ...]] = ("dfdcp", "dfdcpreview*", "pdfdc", "dfdc")
    marks: ClassVar[tuple[str, ...]] = ("dataset.json", "method_A", "method_B")
    asked: ClassVar[str] = "on Meta AI's page of the Deepfake Detection Challenge, as the preview"
    splits: ClassVar[tuple[str, ...]] = ("train", "test")

    def listed(self, folder: Path, split: str) -> Iterator[Video]:
        """The videos whose ``set`` is the split."""
        path = self.needed(folder, "dataset.json", where="it comes with the videos")
        for name, entry in entries_of(path).items():
            where = f"{path}: {name!r}"
            label = label_of(entry.get("label"), where)
            chosen = str(entry.get("set")).strip().casefold()
            if chosen not in self.splits:
                raise DataError(f"{where}: its set is {entry.get('set')!r}, not train or test")
            if chosen != split:
                continue
            file = PurePosixPath(inside(name, where))
            method = file.parts[0]
            if (method == REAL_FOLDER) != (label == REAL):
                raise DataError(f"{where} is {entry['label']}, and its folder is {method}")
            id = file.with_suffix("").as_posix()
            method = method if label else ""
            yield self.video(label, file.as_posix(), id, _people(file, label), method)


def _people(file: PurePosixPath, label: int) -> tuple[str, str]:
    target = file.parts[1] if len(file.parts) > 2 else ""
    pair = re.match(r"(\d+)_(\d+)_", file.stem)
    if label == REAL or pair is None or target not in pair.groups():
        return target, ""
    return target, pair[1] if pair[2] == target else pair[2]
