"""Data sets of face crops in the layout ``<folder>/<source>/<video>/<frame>.png``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from dfdbench.api import FAKE, REAL, DatasetAdapter, Video
from dfdbench.errors import DataError, MissingError, SpecError

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
LISTS = Path("config") / "datasets"


class ImageFolder(DatasetAdapter):
    """Crops by source and video, as the paper's authors lay them out.

    A source is real iff its name holds ``real``. Without list files there is one split, ``all``;
    with ``config/datasets/<folder>/<split>/<source>.txt`` beside the data, each split is the
    crops that its lists name, one path a line.
    """

    name: ClassVar[str] = "image_folder"

    root: Path | None = Field(None, description="folder of the data; default: that of --data")
    path: str = Field(description="folder of this data set below the root, such as FF")
    sources: tuple[str, ...] = Field((), description="only these sources; empty: all")
    real: str = Field("real", description="a source whose name holds this is real, else fake")

    def folder(self, root: Path | None) -> Path | None:
        """The root that files are relative to."""
        return self.root or root

    def videos(self, root: Path | None, split: str) -> Iterator[Video]:
        """Videos sorted by source and name; see :class:`dfdbench.api.DatasetAdapter`."""
        base = self.folder(root)
        if base is None or not (base / self.path).is_dir():
            looked = base / self.path if base else f"{self.path} (no --data was given)"
            raise MissingError(
                f"no folder {looked}; image_folder wants <source>/<video>/<frame>.png in it. "
                "Name the folder above it with --data, or as `root:` of the data set"
            )
        lists = base / LISTS / self.path
        if lists.is_dir():
            files = self._listed(base, lists, split)
        elif split == "all":
            files = self._found(base)
        else:
            raise SpecError(
                f"image_folder {self.path}: there is no split {split!r} without the lists "
                f"{LISTS / self.path / split}/<source>.txt; without lists, the split is `all`"
            )
        for (source, name), paths in sorted(files.items()):
            target, _, other = name.partition("_")
            fake = self.real not in source
            paths = sorted(paths)
            yield Video(
                id=f"{self.path}/{source}/{name}",
                label=FAKE if fake else REAL,
                files=tuple(paths),
                frame_indices=_indices(paths),
                method=source if fake else "",
                target_id=f"{self.path}/{target}" if fake else f"{self.path}/{name}",
                source_id=f"{self.path}/{other}" if fake and other else "",
            )

    def _found(self, base: Path) -> dict[tuple[str, str], list[str]]:
        """Every crop on the disk, by source and video."""
        return self._grouped(
            file.relative_to(base).as_posix()
            for file in (base / self.path).glob("*/*/*")
            if file.suffix.lower() in SUFFIXES
        )

    def _listed(self, base: Path, lists: Path, split: str) -> dict[tuple[str, str], list[str]]:
        """The crops that a split's lists name, each seen to be below the root."""
        folder = lists / split
        if not folder.is_dir():
            known = ", ".join(sorted(p.name for p in lists.iterdir() if p.is_dir())) or "none"
            raise SpecError(f"{self.path} has no split {split!r} in {lists}; there are {known}")
        names = []
        for file in sorted(folder.glob("*.txt")):
            for line in file.read_text(encoding="utf-8").splitlines():
                if not line.strip():
                    continue
                path = line.strip().replace("\\", "/")
                if not path.startswith(f"{self.path}/"):
                    path = f"{self.path}/{path}"
                if not (base / path).resolve().is_relative_to(base.resolve()):
                    raise DataError(f"{file}: {line.strip()!r} leaves the data folder {base}")
                if len(Path(path).relative_to(self.path).parts) != 3:
                    raise DataError(f"{file}: {line.strip()!r} is not <source>/<video>/<frame>")
                names.append(path)
        return self._grouped(names)

    def _grouped(self, paths: Iterator[str] | list[str]) -> dict[tuple[str, str], list[str]]:
        groups: dict[tuple[str, str], list[str]] = {}
        for path in paths:
            source, video, _ = Path(path).relative_to(self.path).parts
            if not self.sources or source in self.sources:
                groups.setdefault((source, video), []).append(path)
        return groups


def _indices(paths: list[str]) -> tuple[int, ...]:
    """Frame numbers from names such as ``015.png``; empty unless every name is a number."""
    stems = [Path(path).stem for path in paths]
    return tuple(map(int, stems)) if all(stem.isdecimal() for stem in stems) else ()
