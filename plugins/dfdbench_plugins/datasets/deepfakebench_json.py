"""Reads DeepfakeBench's JSON files: {set: {label: {split: {[level:] {video: {frames}}}}}}."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfdbench.errors import DataError, MissingError, SpecError
from dfdbench_plugins.datasets.lists import json_of

LEVELS = {"raw", "c23", "c40"}
Entries = dict[tuple[str, str], dict[str, list[str]]]
"""Frames and masks, each sorted by number, by label and name of a video."""

ASKED = "Crops and JSON files are linked in the repository SCLBD/DeepfakeBench"


def find(folder: Path, dataset: str) -> Path:
    """The JSON file of a data set near its crops; raises MissingError where there is none."""
    places = [
        f"{above}{dataset}.json" for above in ("dataset_json/", "", "preprocessing/dataset_json/")
    ]
    for place in places:
        if (folder / place).is_file():
            return folder / place
    raise MissingError(
        f"deepfakebench {dataset}: no {', '.join(places)} in {folder}; name the file as `file:`. "
        f"{ASKED}"
    )


@dataclass(frozen=True)
class Listing:
    """One data set of one JSON file.

    Attributes:
        path: the file.
        compression: level to take where the file has levels.
        labels: label -> split -> what it holds.
    """

    path: Path
    compression: str
    labels: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, path: Path, dataset: str, compression: str) -> Listing:
        """The data set of a name, or the only one that the file has.

        Raises:
            MissingError: there is no such file.
            DataError: it is none of these files.
        """
        if not path.is_file():
            raise MissingError(f"no JSON file {path}; name another as `file:`. {ASKED}")
        content = json_of(path)
        names = list(content) if isinstance(content, dict) else []
        name = names[0] if len(names) == 1 else dataset
        labels = content[name] if name in names else None
        if not isinstance(labels, dict) or not all(isinstance(x, dict) for x in labels.values()):
            raise DataError(
                f"{path} has no data set {dataset!r} of labels and splits; it has "
                f"{', '.join(map(repr, names)) or 'none'}"
            )
        return cls(path, compression, labels)

    def split(self, split: str) -> Entries:
        """Everything that a split lists.

        Raises:
            SpecError: no label has the split.
            MissingError: the level of compression is not there.
            DataError: something is not as these files have it.
        """
        known = {name: None for splits in self.labels.values() for name in splits}
        if split not in known:
            raise SpecError(f"{self.path} has no split {split!r}; there are {', '.join(known)}")
        found: Entries = {}
        for label, splits in self.labels.items():
            where = f"{self.path}: {label}, {split}"
            for name, entry in self._level(splits.get(split, {}), where).items():
                if not isinstance(entry, dict) or not isinstance(entry.get("frames"), list):
                    raise DataError(
                        f"{where}: {name!r} is no video with a list of frames; released files "
                        "have such faults in some splits. Take another split, or write it anew"
                    )
                kinds = {kind: entry.get(kind) or [] for kind in ("frames", "masks")}
                found[label, name] = {kind: _sorted(paths) for kind, paths in kinds.items()}
        return found

    def _level(self, videos: Any, where: str) -> dict[str, Any]:
        if not isinstance(videos, dict):
            raise DataError(f"{where} is a {type(videos).__name__}, not a mapping of videos")
        if not videos or not set(videos) <= LEVELS:
            return videos
        if self.compression not in videos:
            there = ", ".join(videos)
            raise MissingError(
                f"{where} has no {self.compression}; there is {there}. Set `compression:`"
            )
        return self._level(videos[self.compression], where)

    def kept(self, split: str) -> Entries:
        """What a split lists, less the test videos (of another split) and videos without frames.

        Raises:
            DataError: of its real or of its fake videos, the test videos are all.
        """
        listed = {key: entry for key, entry in self.split(split).items() if entry["frames"]}
        tested = self._tested(split)
        kept = {key: entry for key, entry in listed.items() if key not in tested}
        for kind in (True, False):
            of_kind = [key for key in listed if key[0].casefold().endswith("real") == kind]
            if of_kind and not any(key in kept for key in of_kind):
                raise DataError(
                    f"{self.path}: all {len(of_kind)} {'real' if kind else 'fake'} videos of "
                    f"{split!r} are in 'test' too, a known fault of some released files; results "
                    f"on seen videos mean nothing. Take {split!r} from another data set"
                )
        return kept

    def _tested(self, split: str) -> Entries:
        has_test = split != "test" and any("test" in splits for splits in self.labels.values())
        return self.split("test") if has_test else {}

    def notes(self, split: str) -> list[str]:
        """A sentence for each reason why videos of a split are left out."""
        listed = self.split(split)
        twice = len(listed.keys() & self._tested(split).keys())
        empty = sum(not entry["frames"] for entry in listed.values())
        said = []
        if twice:
            said.append(
                f"{self.path.name}: {twice} of {len(listed)} videos of {split!r} are in 'test' "
                f"too; they are left out of {split!r}"
            )
        if empty:
            said.append(f"{self.path.name}: {empty} videos of {split!r} have no frame, left out")
        return said

    def prefix(self, frames: Sequence[str], folder: Path) -> str:
        """What the paths begin with that ``folder`` stands for now.

        Found once, on the first frame of up to 20 videos: what is left is the longest end of a
        path that is there. Raises MissingError where none is.
        """
        for frame in frames[:20]:
            parts = frame.split("/")
            for n in range(len(parts)):
                rest = "/".join(parts[n:])
                if (
                    rest[:1] not in ("", "/")
                    and ".." not in parts[n:]
                    and (folder / rest).is_file()
                ):
                    return frame.removesuffix(rest)
        if not frames:
            return ""
        raise MissingError(
            f"{self.path}: no crop of it is below {folder}, nor is the end of any path, such as "
            f"{frames[0]}; name the folder that its data sets are in as `root:`"
        )


def _sorted(paths: Sequence[Any]) -> list[str]:
    plain = [posixpath.normpath(str(path).replace("\\", "/")) for path in paths]

    def number(path: str) -> tuple[int, str]:
        stem = posixpath.splitext(posixpath.basename(path))[0]
        return (int(stem) if stem.isdecimal() else -1, path)

    return sorted(plain, key=number)
