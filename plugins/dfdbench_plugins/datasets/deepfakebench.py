"""Crops that DeepfakeBench made, by the JSON file that it lists a data set in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from dfdbench.api import FAKE, REAL, DatasetAdapter, Video
from dfdbench.errors import MissingError
from dfdbench_plugins.datasets.deepfakebench_json import ASKED, Listing, find
from dfdbench_plugins.datasets.layout import people_of
from dfdbench_plugins.datasets.lists import inside

PAIRED = ("FF", "DFD_", "CelebDF", "DF_")  # labels whose videos are named by who is seen


class DeepfakeBench(DatasetAdapter):
    """A video is a label and a name, so that ``000_003`` of four manipulations are four videos.

    A label is real iff it ends in ``real``. Faults of released files are not taken over: videos of
    ``train`` or ``val`` that are in ``test`` too are left out (``dfdbench check`` counts them),
    and a split that has nothing else is refused.
    """

    name: ClassVar[str] = "deepfakebench"

    dataset: str = Field(description="name of the file, such as FaceForensics++ or Celeb-DF-v2")
    file: Path | None = Field(
        None, description="the JSON; default: dataset_json/<dataset>.json or <dataset>.json in data"
    )
    root: Path | None = Field(None, description="folder that holds the crops; default: --data")
    compression: Literal["raw", "c23", "c40"] = Field(
        "c23", description="raw, c23 or c40, where the file has these levels"
    )

    def folder(self, root: Path | None) -> Path:
        """The folder that the crops are below; raises MissingError where none was given."""
        base = self.root or root
        if base is None or not base.is_dir():
            raise MissingError(
                f"deepfakebench {self.dataset}: no folder {base or '(no --data was given)'}; name "
                f"the one with DeepfakeBench's crops as `root:`, or with --data. {ASKED}"
            )
        return base

    def videos(self, root: Path | None, split: str) -> Iterator[Video]:
        """Videos sorted by label and name; see :class:`dfdbench.api.DatasetAdapter`."""
        folder = self.folder(root)
        listing = self._listing(folder)
        entries = listing.kept(split)
        prefix = listing.prefix([entry["frames"][0] for entry in entries.values()], folder)
        for (label, name), entry in sorted(entries.items()):
            frames, masks = (
                tuple(inside(path.removeprefix(prefix), str(listing.path)) for path in entry[role])
                for role in ("frames", "masks")
            )
            stems = [Path(path).stem for path in frames]
            family = self.name + "/" + label.replace("-", "_").partition("_")[0]
            kind = REAL if label.casefold().endswith("real") else FAKE
            target, source = people_of(name, kind) if label.startswith(PAIRED) else ("", "")
            yield Video(
                id=f"{self.name}/{label}/{name}", label=kind, files=frames,
                frame_indices=tuple(map(int, stems)) if all(map(str.isdecimal, stems)) else (),
                method=label if kind else "",
                target_id=f"{family}/{target}" if target else "",
                source_id=f"{family}/{source}" if source else "",
                masks=masks if len(masks) == len(frames) else (),
            )  # fmt: skip

    def notes(self, root: Path | None, split: str) -> list[str]:
        """What was left out of a split, a sentence for each fault of the file."""
        return self._listing(self.folder(root)).notes(split)

    def _listing(self, folder: Path) -> Listing:
        path = find(folder, self.dataset) if self.file is None else self.file
        return Listing.read(path, self.dataset, self.compression)
