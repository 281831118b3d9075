"""Frames of a video file, each decoded in order and known by its exact number."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from av.error import ExitError, FFmpegError
from av.video.frame import PictureType

from dfdbench.api import Frame, FrameSource, Video
from dfdbench.errors import UnreadableError
from dfdbench.media import open_masks
from dfdbench.media.opening import Clock, open_video

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    _Decoded = tuple[int, NDArray[np.uint8] | None, str]

TIME_LIMIT = 300.0
"""Seconds that all reading of one video may take."""

TIMED = ("mov", "matroska")
"""Containers that store when each single frame is shown; the others count as they decode."""


class VideoFile:
    """The frames of a video file; see :class:`dfdbench.api.FrameSource`.

    Decoding is in order and on one thread. Frames are turned as the file tells players to.
    Damage that the decoder notices costs the frames that it hits and those predicted from them, up
    to the next key frame: they come with an error. Where frames have no time stamps of their own
    (AVI, MPEG), the numbers after damage may be off by what the damage swallowed.

    Args:
        root: the folder that the file's path is relative to.
        video: its ``files`` is the one video file.
        time_limit: seconds that reading may take, all calls together, without the caller's time.
    """

    def __init__(self, root: Path | None, video: Video, time_limit: float = TIME_LIMIT) -> None:
        self.video = video
        self.masks: FrameSource | None = open_masks(root, video)
        self._path = ((root or Path()) / video.files[0]).absolute()
        self._clock = Clock(time_limit)

    def __len__(self) -> int:
        """Number of frames, by counting packets: the counts that containers state may be wrong.

        Raises:
            UnreadableError: as :meth:`read`.
        """
        self._clock.resume()
        return self._scan.frames

    def read(self, positions: Sequence[int]) -> Iterator[Frame]:
        """Yield the frames at ``positions``; one that does not decode is a frame with an error.

        Raises:
            UnreadableError: there is no file, it cannot be opened, is no video, has no frame, or
                takes longer than the time limit.
        """
        self._clock.resume()
        for index, image, reason in self._read(deque(positions)):
            yield Frame(index, self.video.files[0], image, error=reason)
            self._clock.resume()

    def _read(self, waiting: deque[int]) -> Iterator[_Decoded]:
        # Frames that no other one needs are left out at first; whatever that leaves open, be it by
        # damage or by wrong time stamps, is decoded again in full.
        for skip in (True, False) if self._scan.numbers else (False,):
            for index, image, reason in self._decoded(frozenset(waiting), skip):
                if skip and (image is None or index != waiting[0]):
                    break
                while waiting[0] < index:
                    yield waiting.popleft(), None, "does not decode"
                yield waiting.popleft(), image, reason
                if not waiting:
                    return
        for index in waiting:
            yield index, None, "the video ends before this frame"

    def _decoded(self, wanted: frozenset[int], skip: bool) -> Iterator[_Decoded]:
        """The wanted ones of the frames that decode, in ascending order."""
        numbers = self._scan.numbers
        needed = {pts for pts, n in numbers.items() if n in wanted} if skip else None
        held: list[_Decoded] = []
        damage, index = "", -1
        with open_video(self._path, self._clock) as (container, stream):
            for count, frame in enumerate(self._frames(container, stream, needed)):
                if isinstance(frame, str):
                    damage = frame
                    continue
                if frame.is_corrupt:
                    damage = "damaged"
                elif frame.key_frame:
                    damage = ""
                if frame.pict_type != PictureType.B:
                    # B-frames come before the frame that they are predicted from.
                    yield from _spoil(held, damage)
                    held = []
                number = numbers.get(frame.pts, -1) if numbers else count
                if number in wanted and number > index:
                    index = number
                    held.append((index, None if damage else _picture(frame), damage))
        yield from held

    def _frames(
        self, container: InputContainer, stream: VideoStream, needed: set[int | None] | None
    ) -> Iterator[VideoFrame | str]:
        """Decode; a packet that fails gives the reason in a frame's place.

        Where ``needed`` names time stamps, frames that are not among them and that no other frame
        is predicted from may be left out.
        """
        context = stream.codec_context
        for packet in self._packets(container, stream):
            if needed is not None:
                wanted = packet is None or packet.pts in needed
                context.skip_frame = "DEFAULT" if wanted else "NONREF"
            try:
                yield from context.decode(packet)
            except FFmpegError as error:
                yield f"damaged: {error.strerror}"

    def _packets(
        self, container: InputContainer, stream: VideoStream
    ) -> Iterator[Packet[VideoStream] | None]:
        """The stream's packets, up to its end or to damage of the container; None ends them."""
        try:
            for packet in container.demux(stream):
                self._clock.check()
                if packet.size:
                    yield packet
        except ExitError:
            self._clock.fail()
        except FFmpegError:
            pass  # what is behind is missing, and counts as such where the container has an index
        yield None

    @cached_property
    def _scan(self) -> _Scan:
        """Count the frames, without decoding them."""
        with open_video(self._path, self._clock) as (container, stream):
            packets = [
                (p.pts, p.dts)
                for p in self._packets(container, stream)
                if p is not None and _is_shown(p, stream.codec_context.name)
            ]
            timed = container.format.name.startswith(TIMED)
            stated = sum(not entry.is_discard for entry in stream.index_entries)
        if not packets:
            raise UnreadableError("has no frame")
        times = {pts for pts, _ in packets if pts is not None}
        if not timed or len(times) < len(packets):
            return _Scan(len(packets), {})
        numbers: dict[int | None, int] = {pts: n for n, pts in enumerate(sorted(times))}
        if container.format.name.startswith("mov") and stated > len(packets):
            # A part is missing. A frame is shown when it has been read or later, so that only up
            # to the time of the last one read every frame is there and the numbers are right.
            end = packets[-1][1] or 0
            return _Scan(stated, {pts: numbers[pts] for pts in times if pts <= end})
        return _Scan(len(packets), numbers)


class _Scan(NamedTuple):
    """How many frames there are, and each one's number by its time stamp where all have one."""

    frames: int
    numbers: Mapping[int | None, int]


def _is_shown(packet: Packet[VideoStream], codec: str) -> bool:
    """Whether a packet's frame is shown, unlike one that an edit list cuts away."""
    # VP8 has frames that others are only predicted from: bit 4 is the format's `show_frame`.
    hidden = codec == "vp8" and not memoryview(packet)[0] >> 4 & 1
    return not packet.is_discard and not hidden


def _spoil(held: list[_Decoded], damage: str) -> list[_Decoded]:
    """The frames as they are, or without their pictures where there is damage."""
    return [(n, None, reason or damage) for n, _, reason in held] if damage else held


def _picture(frame: VideoFrame) -> NDArray[np.uint8]:
    """The frame as players show it, (H, W, 3) uint8 RGB.

    The conversion is FFmpeg's default: the same pixels as those of OpenCV's VideoCapture, by which
    DeepfakeBench reads videos.
    """
    image = np.asarray(frame.to_ndarray(format="rgb24", threads=1), np.uint8)
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return image
    # (x, y) is shown at (ax + cy, bx + dy), in 16.16 fixed point. Source: ISO/IEC 14496-12, 8.3.2.
    a, b, _, c, d = np.frombuffer(data, np.int32)[:5].tolist()
    turned = abs(b) > abs(a)
    if turned:
        image = image.transpose(1, 0, 2)
    right, down = (c, b) if turned else (a, d)
    return np.ascontiguousarray(image[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1])
