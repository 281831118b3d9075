"""Finds faces and their landmarks: YuNet, a small convolutional network."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfdbench.errors import DataError
from dfdbench_plugins.aligned_faces.alignment import landmarks_in_crop, similarity, warp

MODEL = Path(__file__).with_name("face_detection_yunet_2023mar.onnx")
SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
LONG_SIDE, CLOSE_UP = 640, 224  # pixels
LOOKS, UPRIGHT = 2, 8.0  # times, degrees
OVERLAP, MOST = 0.3, 5000  # of boxes of one face, and of boxes before that: OpenCV's defaults


@dataclass(frozen=True, slots=True)
class Detection:
    """A face in a frame, in the frame's pixels.

    Attributes:
        box: x and y of the upper left corner, width, height.
        landmarks: (5, 2) float64; eye on the image's left, other eye, nose, mouth corner on the
            image's left, other corner.
        score: 0 to 1.
    """

    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float64]
    score: float

    @property
    def area(self) -> float:
        """Width times height of the box."""
        return self.box[2] * self.box[3]


class Detector:
    """YuNet with one threshold. Source: Wu, Peng, Yu: YuNet, 2023; OpenCV's model zoo (MIT)."""

    def __init__(self, threshold: float) -> None:
        model = np.frombuffer(checked_model(MODEL), np.uint8)
        nothing = np.empty(0, np.uint8)
        with _quiet():
            self._net: Any = cv2.FaceDetectorYN.create(
                "onnx", model, nothing, (LONG_SIDE, LONG_SIDE), threshold, OVERLAP, MOST
            )
        self._lock = Lock()  # the network keeps the size of the image between two calls

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """The faces in an image (H, W, 3) uint8 RGB, the largest first."""
        height, width = image.shape[:2]
        factor = min(1.0, LONG_SIDE / max(height, width))
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        if factor < 1:
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        with self._lock:
            self._net.setInputSize(size)
            _, rows = self._net.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        if rows is None:
            return []
        zoom = np.array([width / size[0], height / size[1]])
        points = rows[:, :14].astype(np.float64).reshape(-1, 7, 2) * zoom
        found = [
            Detection((*corner, *extent), marks, float(row[14]))
            for row, (corner, extent, *_), marks in zip(
                rows, points.tolist(), points[:, 2:], strict=True
            )
            if np.isfinite(row).all() and min(extent) > 0 and np.ptp(marks, axis=0).max() > 0
        ]
        return sorted(found, key=lambda each: (-each.area, each.box))


@lru_cache(maxsize=8)
def detector(threshold: float) -> Detector:
    """The process's detector with this threshold."""
    return Detector(threshold)


def checked_model(path: Path) -> bytes:
    """The network as a file's bytes.

    Raises:
        DataError: the file is missing, or is not the one that was released.
    """
    advice = "install dfdbench again"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"the face detector {path} cannot be read ({error}); {advice}") from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256:
        raise DataError(
            f"the face detector {path} has the sha256 {digest} instead of {SHA256}; {advice}"
        )
    return content


def refined(detector: Detector, image: NDArray[np.uint8], face: Detection) -> Detection:
    """The face with landmarks from a closer look at it, turned upright and 224 pixels wide.

    On a small face YuNet's landmarks hardly turn with the head: where real faces 60 to 175 pixels
    wide were turned by 25 degrees, 7 to 20 of them were missed (root mean square), and 2 to 3 with
    the closer look, which is repeated where it shows that the face is turned by more than 8.
    Landmarks stay as they are where no face is found in the middle.
    """
    target = landmarks_in_crop("deepfakebench", CLOSE_UP, 1)
    for _ in range(LOOKS):
        there = similarity(face.landmarks, target)
        found = detector.detect(warp(image, there, CLOSE_UP))
        off = [np.linalg.norm((each.landmarks - target).mean(axis=0)) for each in found]
        if not off or min(off) > CLOSE_UP / 8:
            break
        marks = found[int(np.argmin(off))].landmarks
        back = np.linalg.inv(there[:, :2])
        face = replace(face, landmarks=(marks - there[:, 2]) @ back.T)
        across, down = similarity(marks, target)[:, 0]
        if abs(np.degrees(np.arctan2(down, across))) < UPRIGHT:
            break
    return face


@contextmanager
def single_thread() -> Iterator[None]:
    """OpenCV on one thread, because a process a core is used; afterwards as before."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without OpenCV's warning that it ignores which device the network should run on."""
    log = cv2.utils.logging
    before = log.getLogLevel()
    log.setLogLevel(log.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        log.setLogLevel(before)
