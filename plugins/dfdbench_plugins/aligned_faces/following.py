"""Follows faces through a video, and picks the one whose crops are kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from dfdbench_plugins.aligned_faces.alignment import landmarks_in_crop, similarity, warp
from dfdbench_plugins.aligned_faces.detection import Detection

LOOK_WEIGHT = 2.0
SAME = 1.6
"""Largest cost at which two faces may be one. On real clips a person costs at most 0.53 from one
frame looked at to the next, and 1 more after a jump; others at the same place cost 1.2 to 2.5."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A face in a frame, with what is kept of it once the frame is gone.

    Attributes:
        detection: where it is.
        look: (256,) float64, mean 0 and norm 1: see :func:`look_of`.
        image: the crop, (S, S, 3) uint8 RGB.
        transform: (2, 3), maps the frame's x and y to those of ``image``.
    """

    detection: Detection
    look: NDArray[np.float64]
    image: NDArray[np.uint8]
    transform: NDArray[np.float64]


@dataclass
class Track:
    """One face through the video.

    Attributes:
        faces: by the position of the frame in the list of frames.
        look: sum of the looks.
        last: the face as it was seen last.
    """

    faces: dict[int, Candidate] = field(default_factory=dict)
    look: NDArray[np.float64] = field(default_factory=lambda: np.zeros(256))
    last: Candidate | None = None

    def add(self, position: int, face: Candidate) -> None:
        """Go on with ``face``."""
        self.faces[position] = self.last = face
        self.look = self.look + face.look

    @property
    def area(self) -> float:
        """Sum of the areas of its boxes."""
        return sum(face.detection.area for face in self.faces.values())


def look_of(image: NDArray[np.uint8], landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a face looks like: 16 x 16 grey values between brows and chin, (256,) float64.

    Mean 0 and norm 1 (0 where all values are equal), so that the product of two looks is their
    correlation: 0.7 to 1 for one person in a clip, rarely above 0.5 for two.
    """
    crop = warp(image, similarity(landmarks, landmarks_in_crop("deepfakebench", 64, 0.8)), 64)
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float64).ravel()
    centred: NDArray[np.float64] = small - small.mean()
    norm = np.linalg.norm(centred)
    return centred / norm if norm > 0 else centred


def link(frames: Sequence[Sequence[Candidate]]) -> list[Track]:
    """Sort the faces of successive frames into tracks, one a person.

    Where no frame shows two faces, all belong to one.
    """
    alone = all(len(faces) < 2 for faces in frames)
    tracks: list[Track] = []
    for position, faces in enumerate(frames):
        chosen: dict[int, int] = {}
        if tracks and faces:
            chosen = {0: 0} if alone else {f: t for t, f in pairs(costs(tracks, faces))}
        for f, face in enumerate(faces):
            if f not in chosen:
                tracks.append(Track())
            tracks[chosen.get(f, -1)].add(position, face)
    return tracks


def costs(tracks: Sequence[Track], faces: Sequence[Candidate]) -> NDArray[np.float64]:
    """How unlike each track's next face each face is, by place, size and look; (T, F).

    A place farther than the face is wide costs 1, however far: after a cut, looks decide.
    """
    before = [track.last.detection for track in tracks if track.last is not None]
    now = [face.detection for face in faces]
    old, new = (np.array([each.landmarks.mean(0) for each in side]) for side in (before, now))
    sides, widths = (np.sqrt([each.area for each in side]) for side in (before, now))
    distance = np.linalg.norm(old[:, None] - new, axis=2) / ((sides[:, None] + widths) / 2)
    growth = np.abs(np.log(sides[:, None] / widths))
    looks = np.array([face.look for face in faces]).T  # (256, F)
    last = np.array([track.last.look for track in tracks if track.last is not None])
    mean = np.array([track.look / (np.linalg.norm(track.look) or 1) for track in tracks])
    unlike = 1 - np.maximum(last @ looks, mean @ looks)
    total: NDArray[np.float64] = np.minimum(distance, 1) + np.minimum(growth, 1)
    total += LOOK_WEIGHT * unlike
    return total


def pairs(table: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Rows and columns that belong together at little cost in sum, none above ``SAME``.

    table (T, F), costs. The cheapest pairs first, then exchanges between two as long as that saves.
    """
    rows, columns = np.unravel_index(np.argsort(table, axis=None, kind="stable"), table.shape)
    found: dict[int, int] = {}
    for t, f in zip(rows.tolist(), columns.tolist(), strict=True):
        if t not in found and f not in found.values() and table[t, f] <= SAME:
            found[t] = f
    improved = True
    while improved:
        improved = False
        for a, b in combinations(found, 2):
            here, there = found[a], found[b]
            now, then = table[a, here] + table[b, there], table[a, there] + table[b, here]
            if then < now - 1e-9 and max(table[a, there], table[b, here]) <= SAME:
                found[a], found[b] = there, here
                improved = True
    return list(found.items())


def covered(mask: NDArray[np.uint8], box: Iterable[float], frame: tuple[int, int]) -> int:
    """How many pixels of a mask (H, W, 3; above 127) a box covers.

    Args:
        mask: of any size; it is stretched over the frame.
        box: x, y, w, h in the frame.
        frame: its height and width.
    """
    x, y, w, h = box
    down, right = mask.shape[0] / frame[0], mask.shape[1] / frame[1]
    top, bottom = (max(round(v * down), 0) for v in (y, y + h))
    left, end = (max(round(v * right), 0) for v in (x, x + w))
    return int(np.count_nonzero(mask[top:bottom, left:end].max(axis=2, initial=0) > 127))
