"""H.264 by libx264, in memory: the frames of a clip encoded at one quality and decoded again.

Colours are converted here and not by FFmpeg's scaler, whose results depend on the processor.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import cv2
import numpy as np
from av.codec.context import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream
from numpy.typing import NDArray

from dfdbench.errors import MissingError

ENCODER = "libx264"
FRAMES_A_SECOND = 25
# Luma and the two chromas from 8-bit red, green and blue. Source: ITU-R BT.601-7, 2.5.
_TO_YUV = np.array(
    [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]
)
_TO_YUV = (_TO_YUV / 255).astype(np.float32)
_TO_RGB = np.linalg.inv(_TO_YUV)
_OFFSET = np.array([16, 128, 128], dtype=np.float32)


def recode(images: NDArray[np.uint8], crf: int) -> NDArray[np.uint8]:
    """The images (N, H, W, 3) RGB as the frames of a clip of quality ``crf``, 0 to 51.

    4:2:0 and limited range, as nearly all videos are, so that not even ``crf`` 0 gives the images
    back. An odd side is filled up by its last row or column for the encoder. libx264's preset is
    ``medium``, on one thread: with several its choices would depend on their number.

    Raises:
        MissingError: this build of PyAV has no libx264.
    """
    height, width = images.shape[1:3]
    fill = ((0, 0), (0, height % 2), (0, width % 2), (0, 0))
    even = np.pad(images, fill, mode="edge")
    encoder = _encoder(even.shape[2], even.shape[1], crf)
    decoder = _decoder()
    decoded = [
        np.asarray(frame.to_ndarray(), np.uint8)
        for packet in [*_packets(encoder, even), None]
        for frame in decoder.decode(packet)
    ]
    if len(decoded) != len(images):
        raise RuntimeError(f"{len(images)} frames went into {ENCODER}, {len(decoded)} came out")
    return np.stack([_to_rgb(planes)[:height, :width] for planes in decoded])


def _packets(
    encoder: VideoCodecContext, images: NDArray[np.uint8]
) -> Iterator[Packet[VideoStream]]:
    for n, image in enumerate(images):
        frame = av.VideoFrame.from_ndarray(_to_planes(image), format="yuv420p")
        frame.pts = n
        yield from encoder.encode(frame)
    yield from encoder.encode(None)


def _encoder(width: int, height: int, crf: int) -> VideoCodecContext:
    if ENCODER not in av.codecs_available:
        raise MissingError(
            f"PyAV {av.__version__} has no {ENCODER}, which the transform `h264` needs; the wheels "
            "of `pip install av` bring it"
        )
    encoder = CodecContext.create(ENCODER, "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, FRAMES_A_SECOND)
    encoder.framerate = Fraction(FRAMES_A_SECOND)
    encoder.thread_count = 1
    encoder.options = {"crf": str(crf), "preset": "medium"}
    return encoder


def _decoder() -> VideoCodecContext:
    decoder = CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    return decoder


def _to_planes(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) RGB of even sides to (H * 3 / 2, W): luma, then the chromas of half the sides."""
    height, width = image.shape[:2]
    yuv = image.astype(np.float32) @ _TO_YUV.T + _OFFSET
    # INTER_AREA by a factor of two is the mean of four pixels.
    small = cv2.resize(yuv[..., 1:], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    flat = np.concatenate([yuv[..., 0].ravel(), small[..., 0].ravel(), small[..., 1].ravel()])
    planes = np.asarray(np.rint(flat).clip(0, 255), np.uint8)
    return planes.reshape(height * 3 // 2, width)


def _to_rgb(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The inverse of :func:`_to_planes`, with chromas interpolated linearly."""
    width = planes.shape[1]
    height = planes.shape[0] * 2 // 3
    luma, chroma = np.split(planes.ravel().astype(np.float32), [height * width])
    small = np.ascontiguousarray(chroma.reshape(2, height // 2, width // 2).transpose(1, 2, 0))
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    yuv = np.concatenate([luma.reshape(height, width, 1), large], axis=2)
    rgb = (yuv - _OFFSET) @ _TO_RGB.T
    return np.asarray(np.rint(rgb).clip(0, 255), np.uint8)
