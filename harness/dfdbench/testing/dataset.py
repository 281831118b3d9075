"""Checks of data-set adapters, on data that the caller names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dfdbench.api import FAKE, REAL, DatasetAdapter, Frame, Video
from dfdbench.errors import MissingError, SpecError
from dfdbench.testing.case import Case, fail, require
from dfdbench.testing.suite import check, check_where

NO_SPLIT = "no_such_split"
SOME = 4
"""Videos that are looked into."""


def _it(case: Case) -> DatasetAdapter:
    assert isinstance(case.component, DatasetAdapter)
    return case.component


def use(case: Case) -> None:
    """List the videos and read a frame."""
    if no_data(case):
        return
    videos = _listed(case)
    _read(case, videos[0], [0])


def _listed(case: Case) -> list[Video]:
    return list(_it(case).videos(case.data, case.split))


def _videos(case: Case) -> list[Video]:
    return case.once("videos", lambda: _listed(case))


def _read(case: Case, video: Video, positions: Sequence[int]) -> list[Frame]:
    return list(_it(case).frames(case.data, video).read(positions))


def no_data(case: Case) -> str:
    """Why there is nothing to list; empty where there are videos."""
    try:
        videos = _videos(case)
    except MissingError as error:
        if case.data is None:
            return "it needs data: name its folder as `data` and its split as `split`"
        return f"{case.data} does not hold its data: {error}"
    return "" if videos else f"the split {case.split!r} has no video"


@check_where(no_data)
def videos_have_an_id_and_a_label(case: Case) -> None:
    """Ids are unique; a real video has no method and no source; lists of one video agree."""
    seen: set[str] = set()
    for video in _videos(case):
        require(isinstance(video, Video), f"videos gives {type(video).__name__}, not a Video")
        require(video.id and video.id not in seen, f"the id {video.id!r} is empty or given twice")
        seen.add(video.id)
        require(video.label in (REAL, FAKE), f"the label of {video.id} is {video.label!r}")
        made = video.method or video.source_id
        require(video.label == FAKE or not made, f"{video.id} is real and has {made!r} in it")
        count = len(video.files)
        for name, allowed in (
            ("frame_indices", (0, count)), ("masks", (0, 1, count)), ("sha256", (0, count)),
        ):  # fmt: skip
            found = len(getattr(video, name))
            require(found in allowed, f"{video.id} has {count} files and {found} {name}")


@check_where(no_data)
def the_same_videos_come_every_time(case: Case) -> None:
    """The order is part of a result, so it may not be that of a file system or of a set."""
    require(_listed(case) == _videos(case), "listed twice, the videos differ or change places")


@check_where(no_data)
def files_are_there_below_the_folder(case: Case) -> None:
    """``Video.files`` are relative to ``folder``, so that a result does not depend on where."""
    folder = _it(case).folder(case.data)
    for video in _videos(case):
        for name in (*video.files, *video.masks):
            path = Path(name)
            if folder is not None:
                fits = not path.is_absolute() and ".." not in path.parts
                require(fits, f"{name} of {video.id} is not relative to {folder}")
            require((folder or Path()).joinpath(path).is_file(), f"{video.id}: no file {name}")


@check_where(no_data)
def frames_can_be_read(case: Case) -> None:
    """(H, W, 3) uint8, the same when they are read again or one by one."""
    for video in _videos(case)[:SOME]:
        count = len(_it(case).frames(case.data, video))
        require(count >= 1, f"{video.id} has no frame")
        positions = list(range(min(count, 3)))
        frames = _read(case, video, positions)
        require(len(frames) == len(positions), f"{video.id}: {len(frames)} of {len(positions)}")
        for position, frame in zip(positions, frames, strict=True):
            image = frame.image
            if image is None:
                fail(f"frame {position} of {video.id} cannot be read: {frame.error}")
            fits = image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8
            require(fits, f"frame {position} of {video.id} is {image.shape} {image.dtype}")
            alone = _read(case, video, [position])[0]
            same = alone.index == frame.index and np.array_equal(alone.image, image)  # type: ignore[arg-type]
            require(same, f"frame {position} of {video.id} differs when it is read by itself")


@check_where(no_data)
def an_unknown_split_is_refused(case: Case) -> None:
    """SpecError that names the split, and best those that there are; not an empty list."""
    try:
        found = list(_it(case).videos(case.data, NO_SPLIT))
    except SpecError as error:
        require(NO_SPLIT in str(error), f"the message does not name the split: {error}")
        return
    except Exception as error:
        fail(f"the split {NO_SPLIT!r} raises {type(error).__name__} instead of SpecError: {error}")
    fail(f"the split {NO_SPLIT!r} gives {len(found)} videos instead of a SpecError")


@check
def missing_data_says_where_it_was_looked_for(case: Case) -> None:
    """MissingError that names the place and the way out, also without any ``--data``."""
    for root in (case.new_folder(), None):
        try:
            list(_it(case).videos(root, case.split))
        except MissingError as error:
            said = str(error)
            named = root is None or str(root) in said
            way = any(
                word in said for word in ("--data", "root", *type(case.component).model_fields)
            )
            require(named and way, f"the message does not say where and how to mend it: {said!r}")
        except Exception as error:
            fail(f"without data it raises {type(error).__name__} instead of MissingError: {error}")


@check_where(no_data)
def data_are_only_read(case: Case) -> None:
    """Data sets are shared, and often cannot be written."""
    folder = _it(case).folder(case.data)
    if folder is None:
        return
    before = _state(folder)
    use(case)
    changed = sorted(before ^ _state(folder))
    require(not changed, f"listing and reading writes {changed[0][0] if changed else ''}")


def _state(folder: Path) -> set[tuple[str, int]]:
    return {(str(path), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


CHECKS = (
    videos_have_an_id_and_a_label,
    the_same_videos_come_every_time,
    files_are_there_below_the_folder,
    frames_can_be_read,
    an_unknown_split_is_refused,
    missing_data_says_where_it_was_looked_for,
    data_are_only_read,
)
