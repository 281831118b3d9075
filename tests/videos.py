"""Videos made on the spot: numbered frames in any codec, and pictures that hold a face."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from dfdbench.api import Frame, FrameSource, Video

Image = NDArray[np.uint8]

ENCODERS = {"h264": "libx264", "vp9": "libvpx-vp9", "vp8": "libvpx", "mpeg4": "mpeg4"}
FAST = {
    "libx264": {"preset": "ultrafast", "crf": "18"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "20", "b": "0"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "b": "2M"},
    "mpeg4": {"qscale": "3"},
}
BLOCK, BITS = 8, 8  # a stamp is 64 x 16 pixels: 8 blocks a row, 2 rows


def write_video(
    path: Path,
    frames: Iterable[Image],
    codec: str = "h264",
    *,
    fps: int = 25,
    rotation: int = 0,
    timestamps: Sequence[int] | None = None,
    b_frames: int = 0,
    pix_fmt: str = "",
    options: dict[str, str] | None = None,
) -> Path:
    """Write RGB frames as a video whose container follows from the suffix of ``path``.

    Args:
        path: where to.
        frames: (H, W, 3) uint8, all of one size.
        codec: a key of ``ENCODERS`` or an encoder's own name.
        fps: frames a second where there are no ``timestamps``.
        rotation: degrees counter-clockwise that a player has to turn the frames.
        timestamps: milliseconds of each frame, for a variable frame rate.
        b_frames: most consecutive B-frames.
        pix_fmt: empty: yuv420p, or yuv444p for a side of odd length.
        options: of the encoder, above those of ``FAST``.
    """
    encoder = ENCODERS.get(codec, codec)
    unit = Fraction(1, 1000) if timestamps is not None else Fraction(1, fps)
    chosen = {**FAST.get(encoder, {}), "threads": "1", **(options or {})}
    with av.open(str(path), "w") as container:
        stream: Any = None
        for n, image in enumerate(frames):
            height, width = image.shape[:2]
            if stream is None:
                stream = container.add_stream(encoder, rate=fps, options=chosen)
                stream.width, stream.height = width, height
                odd = height % 2 or width % 2
                stream.pix_fmt = pix_fmt or ("yuv444p" if odd and codec == "h264" else "yuv420p")
                stream.codec_context.time_base = unit
                if b_frames:
                    stream.codec_context.max_b_frames = b_frames
                if rotation:
                    stream.set_display_rotation(rotation)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = (timestamps[n] if timestamps else n), unit
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode(None))
    return path


def stamp(frame: Image, index: int) -> Image:
    """A copy with the number 0 to 65535 as black and white blocks in its upper left corner.

    The frame is at least 16 pixels high and 64 wide.
    """
    out = frame.copy()
    for bit in range(2 * BITS):
        top, left = BLOCK * (bit // BITS), BLOCK * (bit % BITS)
        out[top : top + BLOCK, left : left + BLOCK] = 255 * (index >> bit & 1)
    return out


def read_stamp(image: Image) -> int:
    """The number that :func:`stamp` wrote; every block has to be clearly black or white."""
    index = 0
    for bit in range(2 * BITS):
        top, left = BLOCK * (bit // BITS), BLOCK * (bit % BITS)
        value = image[top + 2 : top + BLOCK - 2, left + 2 : left + BLOCK - 2].mean()
        assert not 90 < value < 165, f"bit {bit} of the stamp is grey ({value:.0f})"
        index |= int(value > 128) << bit
    return index


def numbered(count: int, width: int = 96, height: int = 64) -> Iterator[Image]:
    """Stamped frames over a picture that moves, so that encoders use all their frame types."""
    ys, xs = np.mgrid[:height, :width]
    for n in range(count):
        wave = 127 + 90 * np.sin((xs + 3 * n) / 9) * np.cos((ys - 2 * n) / 7)
        yield stamp(np.repeat(wave[..., None], 3, 2).astype(np.uint8), n)


# pictures of faces


def background(width: int, height: int, seed: int = 0) -> Image:
    """Smooth coloured texture without a face."""
    small = np.random.default_rng(seed).integers(40, 200, (height // 24 + 2, width // 24 + 2, 3))
    return cv2.resize(small.astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)


def astronaut(height: int = 256) -> Image:
    """Head and shoulders of the public-domain portrait, ``height`` pixels high and as wide."""
    from skimage import data

    head = data.astronaut()[0:256, 96:352]
    return cv2.resize(head, (height, height), interpolation=cv2.INTER_AREA)


def other(face: Image) -> Image:
    """Another person, as far as pictures go: mirrored, darker, and of another tint."""
    tint = np.array([0.55, 0.7, 0.95])
    return (face[:, ::-1] * tint).astype(np.uint8)


def rendered(height: int) -> Image:
    """A person of the demo, darker than the astronaut, ``height`` pixels high and as wide."""
    from dfdbench_plugins.synthetic_faces.seeds import SEEDS
    from dfdbench_plugins.synthetic_faces.video import SyntheticVideo, render_video

    person = SEEDS["test"][6]
    (image,) = render_video(SyntheticVideo(person, person, None, None, "phone"), 1, 112)
    return cv2.resize(image, (height, height), interpolation=cv2.INTER_CUBIC)


def place(frame: Image, face: Image, centre: tuple[float, float]) -> Image:
    """A copy of ``frame`` with ``face`` around ``centre`` (x, y), cut at the frame's borders."""
    out = frame.copy()
    left, top = round(centre[0] - face.shape[1] / 2), round(centre[1] - face.shape[0] / 2)
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + face.shape[1], frame.shape[1]), min(top + face.shape[0], frame.shape[0])
    if x0 < x1 and y0 < y1:
        out[y0:y1, x0:x1] = face[y0 - top : y1 - top, x0 - left : x1 - left]
    return out


def who(face: Image | None) -> str:
    """Whom a crop shows: the ``astronaut``, the ``rendered`` person, or nobody."""
    if face is None:
        return ""
    quarter = len(face) // 4
    bright = face[quarter:-quarter, quarter:-quarter].mean()
    assert not 110 < bright < 140, f"neither bright nor dark ({bright:.0f})"
    return "astronaut" if bright > 125 else "rendered"


@dataclass
class Pictures:
    """Frames that lie in memory, as a :class:`dfdbench.api.FrameSource`; None: not readable."""

    images: Sequence[Image | None]
    masks: FrameSource | None = None
    video: Video = field(default_factory=lambda: Video("pictures", 0))
    read_at: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.images)

    def read(self, positions: Sequence[int]) -> Iterator[Frame]:
        assert list(positions) == sorted(set(positions))
        for position in positions:
            self.read_at.append(position)
            image = self.images[position]
            yield Frame(position, "", image, error="" if image is not None else "torn")
