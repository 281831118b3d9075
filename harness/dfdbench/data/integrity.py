"""What may be wrong with the data of a split, and what two splits share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from dfdbench.api import FAKE, REAL, Video
from dfdbench.data.index import Index


@dataclass(frozen=True)
class Findings:
    """What a reader should know of a split.

    Attributes:
        real: number of real videos.
        fake: number of fake videos.
        methods: number of manipulations.
        people: number of identities that the adapter knows.
        faults: files that are not there or cannot be read, with the reason.
        duplicates: files whose content occurs elsewhere in the split, by name.
        contradictory: how many of those are in a real and in a fake video.
        notes: what the adapter says of this copy of the data.
    """

    real: int
    fake: int
    methods: int
    people: int
    faults: tuple[tuple[str, str], ...] = ()
    duplicates: tuple[str, ...] = ()
    contradictory: int = 0
    notes: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """What is wrong, the gravest first; empty where nothing is."""
        said = []
        if not self.real or not self.fake:
            said.append(f"no {'real' if not self.real else 'fake'} video")
        if self.faults:
            file, reason = self.faults[0]
            more = f" and {len(self.faults) - 1:,} more" if len(self.faults) > 1 else ""
            said.append(f"files that cannot be used: {file} ({reason}){more}")
        if self.duplicates:
            both = f", {self.contradictory:,} of them real and fake" if self.contradictory else ""
            said.append(
                f"{len(self.duplicates):,} files have the content of another{both}, such as "
                f"{self.duplicates[0]}"
            )
        return [*said, *self.notes]


@dataclass(frozen=True)
class Leak:
    """What a train set shares with another split.

    Attributes:
        train_set: id of the train set.
        role: ``train`` or ``validation``: which of its splits.
        other: id of the test set; empty: it is the train set's own validation split.
        videos: ids of the shared videos, as the other split has them.
        people: identities that occur in both.
        accepted: the spec says that it knows.
    """

    train_set: str
    role: str
    other: str
    videos: tuple[str, ...]
    people: tuple[str, ...]
    accepted: bool = False

    def __str__(self) -> str:
        """E.g. ``test set cdfv2 shares 2 videos (a, b) with train of train set ffpp``."""
        parts = [
            f"{len(found):,} {what} ({', '.join(found[:3])}{', ...' if len(found) > 3 else ''})"
            for what, found in (("videos", self.videos), ("people", self.people))
            if found
        ]
        other = f"test set {self.other}" if self.other else "its validation split"
        return (
            f"{other} shares {' and '.join(parts)} with {self.role} of train set {self.train_set}"
        )


def examine(index: Index, notes: tuple[str, ...] = ()) -> Findings:
    """Look for what may be wrong inside one split."""
    where: dict[str, tuple[str, int]] = {}
    duplicates: list[str] = []
    contradictory = 0
    for video, hashes in zip(index.videos, index.hashes, strict=True):
        for file, sha in zip(video.files, hashes, strict=False):
            first = where.setdefault(sha, (file, video.label)) if sha else (file, video.label)
            if first[0] != file:
                duplicates.append(file)
                contradictory += first[1] != video.label
    labels = Counter(video.label for video in index.videos)
    return Findings(
        real=labels[REAL],
        fake=labels[FAKE],
        methods=len({video.method for video in index.videos if video.label == FAKE}),
        people=len(_people(index.videos)),
        faults=index.faults,
        duplicates=tuple(duplicates),
        contradictory=contradictory,
        notes=notes,
    )


def shared(first: Index, second: Index, one_data_set: bool) -> tuple[list[str], list[str]]:
    """Ids of videos of ``second`` that ``first`` has too, and the people of both.

    Videos by content always; videos and people by id only where both are of one data set: ids of
    different data sets (``000``) may be equal by chance.
    """
    ids = {video.id for video in first.videos} if one_data_set else set()
    contents = {sha for hashes in first.hashes for sha in hashes if sha}
    videos = [
        video.id
        for video, hashes in zip(second.videos, second.hashes, strict=True)
        if video.id in ids or not contents.isdisjoint(hashes)
    ]
    people = _people(first.videos) & _people(second.videos) if one_data_set else set()
    return videos, sorted(people)


def _people(videos: tuple[Video, ...]) -> set[str]:
    return {one for video in videos for one in (video.target_id, video.source_id) if one}
