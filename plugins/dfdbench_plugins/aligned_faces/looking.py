"""Looks at the chosen frames of a video, and keeps the faces of one person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dfdbench.api import Face, Frame, FrameSource
from dfdbench_plugins.aligned_faces import alignment, choice
from dfdbench_plugins.aligned_faces.detection import Detection, detector, refined
from dfdbench_plugins.aligned_faces.following import Candidate, Track, covered, link, look_of

if TYPE_CHECKING:
    from dfdbench_plugins.aligned_faces import AlignedFaces

MOST_FACES = 16
"""Faces of a frame that are followed, the largest ones: it bounds the memory for their crops."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame that was looked at.

    Attributes:
        position: of the frame among the video's.
        frame: without its picture.
        size: height and width of the picture.
        faces: what was found on it.
    """

    position: int
    frame: Frame
    size: tuple[int, int] = (0, 0)
    faces: tuple[Candidate, ...] = ()


def faces_of(options: AlignedFaces, frames: FrameSource) -> list[Face]:
    """The aligned faces of one person and the frames without, by position."""
    if options.choose == "at_least":
        return _at_least(options, frames)
    seen = _look(options, frames, choice.linspace(len(frames), options.frames))
    return _result(seen, _person(frames, seen))


def _at_least(options: AlignedFaces, frames: FrameSource) -> list[Face]:
    """Look from the middle outwards until enough frames show the person, or all were seen."""
    order, asked = choice.outwards(len(frames)), list[int]()
    seen: list[Seen] = []
    person, more, growth = Track(), options.frames, 1
    while batch := list(islice(order, more)):
        asked += batch
        seen += _look(options, frames, sorted(batch))
        seen.sort(key=lambda each: each.position)
        person = _person(frames, seen)
        hits = {seen[n].position for n in person.faces}
        if len(hits) >= options.frames:
            last = [n for n, position in enumerate(asked) if position in hits][options.frames - 1]
            needed = set(asked[: last + 1])
            return [
                face
                for each, face in zip(seen, _result(seen, person), strict=True)
                if each.position in needed
            ]
        # As many as are lacking; then more and more, since every round decodes the video anew.
        more, growth = (options.frames - len(hits)) * growth, growth * 2
    return _result(seen, person)


def _look(options: AlignedFaces, frames: FrameSource, positions: Sequence[int]) -> list[Seen]:
    """Find the faces on the frames at ``positions``, which ascend."""
    return [
        _seen(options, position, frame)
        for position, frame in zip(positions, frames.read(positions), strict=True)
    ]


def _seen(options: AlignedFaces, position: int, frame: Frame) -> Seen:
    # A frame of a large video takes megabytes: only crops are kept.
    bare = replace(frame, image=None, encoded=None)
    image = frame.image
    if image is None:
        return Seen(position, bare)
    network = detector(options.threshold)
    found = [refined(network, image, each) for each in network.detect(image)[:MOST_FACES]]
    faces = tuple(_candidate(options, image, each) for each in found)
    return Seen(position, bare, (image.shape[0], image.shape[1]), faces)


def _candidate(options: AlignedFaces, image: NDArray[np.uint8], detection: Detection) -> Candidate:
    """The crop of a detected face."""
    if options.align:
        target = alignment.landmarks_in_crop(options.template, options.size, options.scale)
        transform = alignment.similarity(detection.landmarks, target)
    else:
        transform = alignment.square(detection.box, options.size, options.scale)
    crop = alignment.warp(image, transform, options.size)
    return Candidate(detection, look_of(image, detection.landmarks), crop, transform)


def _person(frames: FrameSource, seen: Sequence[Seen]) -> Track:
    """The track whose crops are kept; an empty one where there is no face at all."""
    tracks = link([each.faces for each in seen])
    if len(tracks) < 2:
        return tracks[0] if tracks else Track()
    by_mask = _manipulated(frames.masks, seen, tracks) if frames.masks else [0] * len(tracks)
    best = max(range(len(tracks)), key=lambda n: (by_mask[n], tracks[n].area, -n))
    return tracks[best]


def _manipulated(masks: FrameSource, seen: Sequence[Seen], tracks: Sequence[Track]) -> list[int]:
    """How many pixels of the masks each track covers in sum."""
    pixels = [0] * len(tracks)
    there = [n for n, each in enumerate(seen) if each.faces and each.position < len(masks)]
    for n, mask in zip(there, masks.read([seen[n].position for n in there]), strict=True):
        for t, track in enumerate(tracks):
            if mask.image is not None and n in track.faces:
                box = track.faces[n].detection.box
                pixels[t] += covered(mask.image, box, seen[n].size)
    return pixels


def _result(seen: Sequence[Seen], person: Track) -> list[Face]:
    """A face for every frame that shows the person, the reason for none for the others."""
    return [_face(each, person.faces.get(n)) for n, each in enumerate(seen)]


def _face(seen: Seen, found: Candidate | None) -> Face:
    if found is not None:
        marks = found.detection.landmarks
        return Face(seen.frame, found.image, landmarks=marks, transform=found.transform)
    if seen.frame.error:
        return Face(seen.frame, None, reason=seen.frame.error, unreadable=True)
    missing = "the followed face is not in this frame" if seen.faces else "no face found"
    return Face(seen.frame, None, reason=missing)
