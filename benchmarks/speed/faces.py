"""How fast aligned faces come out of video files, on one core and on two."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import measure
from measure import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FACES, SECONDS, FPS, WIDTH, HEIGHT = 32, 10, 25, 1280, 720
BITS = 3_000_000  # a second
CLIP_TARGET, RATIO_TARGET = 1.2, 1.8


def pictures() -> Iterator[NDArray[np.uint8]]:
    """A portrait that moves before a background that does too, with a camera's noise."""
    import cv2
    import numpy as np
    from skimage import data

    rng = np.random.default_rng(0)
    small = rng.integers(40, 200, (40, 64, 3)).astype(np.uint8)
    wall = cv2.resize(small, (WIDTH + 200, HEIGHT + 100), interpolation=cv2.INTER_CUBIC)
    wall = np.clip(wall + rng.normal(0, 10, wall.shape), 0, 255).astype(np.uint8)
    face = cv2.resize(data.astronaut()[0:256, 96:352], (420, 420), interpolation=cv2.INTER_CUBIC)
    noise = rng.normal(0, 2, (16, HEIGHT, WIDTH, 3)).round().astype(np.int16)
    for n in range(SECONDS * FPS):
        frame = wall[n // 4 :][:HEIGHT, n // 2 :][:, :WIDTH].copy()
        left = int(430 + 200 * np.sin(n / 40))
        top = int(150 + 100 * np.cos(n / 25))
        frame[top : top + 420, left : left + 420] = face
        yield np.clip(frame + noise[n % 16], 0, 255).astype(np.uint8)


def write(path: Path) -> None:
    """The clip as H.264 with B-frames and one key frame."""
    import av

    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(
            "libx264", rate=FPS, options={"preset": "medium", "b": str(BITS), "bf": "3"}
        )
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for image in pictures():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def faces_of(path: Path) -> int:
    """What the faces stage does with a video: read, find, align, encode; number of faces."""
    from dfdbench.api import Video
    from dfdbench.media import encode, open_frames
    from dfdbench_plugins.aligned_faces import AlignedFaces

    frames = open_frames(path.parent, Video("clip", 0, (path.name,)))
    faces = [face.image for face in AlignedFaces(frames=FACES).faces(frames)]
    return len([encode(image) for image in faces if image is not None])


def parts(path: Path) -> dict[str, measure.Work]:
    """The same in its parts, each on the result of the one before."""
    from dfdbench.api import Video
    from dfdbench.media import encode, open_frames
    from dfdbench_plugins.aligned_faces import AlignedFaces, detection
    from dfdbench_plugins.aligned_faces.choice import linspace
    from dfdbench_plugins.aligned_faces.looking import _candidate

    options = AlignedFaces(frames=FACES)
    detector = detection.detector(options.threshold)

    def decode() -> list[Any]:
        frames = open_frames(path.parent, Video("clip", 0, (path.name,)))
        return [frame.image for frame in frames.read(linspace(len(frames), FACES))]

    images = decode()
    first = [detector.detect(image)[0] for image in images]
    found = [detection.refined(detector, *pair) for pair in zip(images, first, strict=True)]
    pairs = list(zip(images, found, strict=True))
    crops = [_candidate(options, image, face).image for image, face in pairs]
    return {
        "counting and decoding": decode,
        "detection": lambda: [detector.detect(image) for image in images],
        "closer look for landmarks": lambda: [
            detection.refined(detector, *pair) for pair in zip(images, first, strict=True)
        ],
        "alignment and warp": lambda: [_candidate(options, *pair) for pair in pairs],
        "PNG": lambda: [encode(crop) for crop in crops],
    }


def one_clip(path: Path, rounds: int) -> list[Row]:
    """The time that a clip takes in this process, and where it goes."""
    assert faces_of(path) == FACES
    works = {"whole": lambda: faces_of(path), **parts(path)}
    took = measure.medians(measure.in_turn(works, rounds))
    rate = path.stat().st_size * 8 / SECONDS / 1e6
    rows = [
        Row(
            f"{FACES} aligned faces of a {SECONDS} s {HEIGHT}p clip ({rate:.1f} Mbit/s), one core",
            f"{took['whole']:.2f} s",
            f"{SECONDS / took['whole']:.1f} times real time",
            f"<= {CLIP_TARGET} s",
            took["whole"] <= CLIP_TARGET,
        )
    ]
    for name, seconds in list(took.items())[1:]:
        rows.append(Row(f"of that, {name}", f"{seconds:.2f} s", f"{seconds / took['whole']:.0%}"))
    return rows


def several(paths: list[Path], rounds: int) -> list[Row]:
    """Clips a second with one process and with two, both of them started and warm."""
    pools = {count: ProcessPoolExecutor(count, mp_context=get_context("spawn")) for count in (1, 2)}
    works = {
        str(count): lambda pool=pool: list(pool.map(faces_of, paths))
        for count, pool in pools.items()
    }
    took = measure.medians(measure.in_turn(works, rounds))
    for pool in pools.values():
        pool.shutdown()
    one, two = (len(paths) / took[count] for count in ("1", "2"))
    what = f"{len(paths)} such clips"
    return [
        Row(f"{what}, 1 process", f"{one:.2f} clips/s, {one * FACES:.0f} faces/s"),
        Row(
            f"{what}, 2 processes",
            f"{two:.2f} clips/s, {two * FACES:.0f} faces/s",
            f"{two / one:.2f} times one process",
            f">= {RATIO_TARGET} times",
            two / one >= RATIO_TARGET,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=24, help="clips for one and two processes")
    parser.add_argument("--rounds", type=int, default=5, help="of one clip; a third for several")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    import cv2

    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / "clip000.mp4"
        write(first)
        paths = [first.with_name(f"clip{n:03d}.mp4") for n in range(options.clips)]
        for path in paths[1:]:
            shutil.copy(first, path)
        rows = one_clip(first, options.rounds)
        rows += several(paths, max(1, options.rounds // 3))
        print(measure.table(rows))


if __name__ == "__main__":
    main()
