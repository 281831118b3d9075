"""Draws boxes and scores: on every frame of a video, or on an image."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdbench import media
from dfdbench.api import REAL, Frame, Video
from dfdbench.errors import DataError, SpecError
from dfdbench.predict.finding import Trained
from dfdbench.predict.pipeline import Found, Look
from dfdbench.predict.showing import threshold

FAKE_COLOUR, REAL_COLOUR = (213, 94, 0), (0, 114, 178)
"""Vermilion and blue, which the colour-blind can tell apart (Okabe & Ito 2008)."""
IMAGES = (".png", ".jpg", ".jpeg", ".webp")
STRIP = 0.06
"""Height of the timeline, as a share of the frame's."""

Picture = NDArray[np.uint8]


def check(found_in: list[Path], out: Path) -> None:
    """See that there is one file, and that it can become ``out``.

    Raises:
        SpecError: several files, or another kind of file.
    """
    if len(found_in) != 1:
        raise SpecError(f"--render draws one file, not {len(found_in)}; call predict for each")
    kinds: tuple[str, ...] = IMAGES
    if found_in[0].name.lower().endswith(media.VIDEO_SUFFIXES):
        kinds = (".mp4", ".mkv", ".mov")
    if out.suffix.lower() not in kinds:
        raise SpecError(f"--render {out}: {found_in[0].name} becomes one of {', '.join(kinds)}")


def render(trained: Trained, found: Found, out: Path) -> None:
    """Write the file again with boxes and scores; it is there whole or not at all.

    Between two frames that were scored, the box moves evenly from one to the other, and the score
    is that of the nearer one.

    Raises:
        DataError: the file cannot be read.
    """
    limit = threshold(trained, found)
    temporary = out.with_name(f".{out.stem}.part{out.suffix}")
    frames = _frames(found.path)
    try:
        if found.kind == "image":
            _write_image(next(frames), found, limit, temporary)
        else:
            _write_video(frames, found, limit, temporary)
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)


def _frames(path: Path) -> Iterator[Frame]:
    """All frames in order; those that cannot be read are left out."""
    source = media.open_frames(None, Video(path.name, REAL, files=(str(path.absolute()),)))
    for frame in source.read(range(len(source))):
        if frame.image is not None:
            yield frame


def _write_image(frame: Frame, found: Found, limit: float, out: Path) -> None:
    from PIL import Image

    assert frame.image is not None
    picture = frame.image.copy()
    for look in found.looks:
        draw(picture, look.corners, look.score, limit)
    Image.fromarray(picture).save(out)


def _write_video(frames: Iterator[Frame], found: Found, limit: float, out: Path) -> None:
    import av

    with av.open(str(out), "w") as container:
        stream: Any = None
        last = 0
        for frame in frames:
            assert frame.image is not None
            picture = _even(frame.image)
            if stream is None:
                rate, count = _rate_and_count(found.path)
                line = timeline(found, count, (picture.shape[0], picture.shape[1]), limit)
                options = {"crf": "20", "preset": "veryfast"}
                stream = container.add_stream("libx264", rate=rate, options=options)
                stream.width, stream.height = picture.shape[1], len(picture) + len(line)
                stream.pix_fmt = "yuv420p"
                stream.codec_context.time_base = 1 / rate
            draw(picture, *between(found.looks, frame.index), limit)
            whole = np.vstack([picture, marked(line, frame.index, count)])
            encoded = av.VideoFrame.from_ndarray(whole, format="rgb24")
            encoded.pts, encoded.time_base = frame.index, 1 / rate
            container.mux(stream.encode(encoded))
            last = frame.index
        if stream is None:
            raise DataError(f"{found.path}: no frame can be read, up to {last}")
        container.mux(stream.encode(None))


def _rate_and_count(path: Path) -> tuple[Fraction, int]:
    """Frames a second, 25 where the file does not say, and how many frames there are."""
    from dfdbench.media.opening import Clock, open_video
    from dfdbench.media.video import TIME_LIMIT, VideoFile

    with open_video(path, Clock(TIME_LIMIT)) as (_, stream):
        rate = stream.average_rate or Fraction(25)
    count = len(VideoFile(None, Video(path.name, REAL, files=(str(path.absolute()),))))
    return Fraction(rate).limit_denominator(60000), count


def _even(image: Picture) -> Picture:
    """A copy whose sides are even, as the encoder needs them: a line or column is cut off."""
    height, width = (side - side % 2 for side in image.shape[:2])
    return np.ascontiguousarray(image[:height, :width]).copy()


def between(looks: list[Look], frame: int) -> tuple[NDArray[np.float64] | None, float]:
    """Where the box is at a frame, and the score of the nearest frame that has one.

    Outside the frames that were scored there is no box: nobody has looked there.
    """
    if not looks or not looks[0].frame <= frame <= looks[-1].frame:
        return None, float("nan")
    after = next(n for n, look in enumerate(looks) if look.frame >= frame)
    b = looks[after]
    a = looks[after - 1] if after and b.frame != frame else b
    share = (frame - a.frame) / (b.frame - a.frame) if a is not b else 0.0
    corners = None
    if a.corners is not None and b.corners is not None:
        corners = (1 - share) * a.corners + share * b.corners
    return corners, (a if share < 0.5 else b).score


def draw(picture: Picture, corners: Any, score: float, limit: float) -> None:
    """Draw a box with its score into a picture, in place."""
    import cv2

    if corners is None or np.isnan(score):
        return
    colour = FAKE_COLOUR if score >= limit else REAL_COLOUR
    thick = max(1, round(min(picture.shape[:2]) / 240))
    points = np.round(corners).astype(np.int32)
    cv2.polylines(picture, [points], True, colour, thick, cv2.LINE_AA)
    text, scale = f"{'fake' if score >= limit else 'real'} {score:.2f}", thick * 0.45
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    left = int(np.clip(points[:, 0].min(), 0, max(picture.shape[1] - width - 4, 0)))
    top = int(np.clip(points[:, 1].min() - height - below - 4, 0, picture.shape[0]))
    box = (left, top), (left + width + 4, top + height + below + 4)
    cv2.rectangle(picture, *box, colour, -1)
    place = (left + 2, top + height + 2)
    cv2.putText(
        picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (255,) * 3, thick, cv2.LINE_AA
    )


def timeline(found: Found, count: int, frame: tuple[int, int], limit: float) -> Picture:
    """A strip to put below a frame (height, width): a bar for each scored one, as high as that."""
    width, tall = frame[1], max(12, 2 * round(frame[0] * STRIP / 2))
    strip = np.full((tall, width, 3), 32, np.uint8)
    for n, score in found.by_frame.items():
        if np.isnan(score):
            continue
        x = round(n / max(count - 1, 1) * (width - 1))
        wide = max(1, width // 160)
        bar = max(1, round(score * (tall - 2)))
        colour = FAKE_COLOUR if score >= limit else REAL_COLOUR
        strip[tall - bar :, max(0, x - wide) : x + wide + 1] = colour
    strip[tall - 1 - round(limit * (tall - 2))] = 200  # the threshold
    return strip


def marked(strip: Picture, frame: int, count: int) -> Picture:
    """A copy of the timeline with a line at the frame."""
    out = strip.copy()
    x = round(frame / max(count - 1, 1) * (strip.shape[1] - 1))
    out[:, max(0, x - 1) : x + 1] = 255
    return out
