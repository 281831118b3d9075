"""Opens video files, and says of those that cannot be opened why."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

import av
from av.error import ExitError, FFmpegError
from av.stream import Disposition

from dfdbench.errors import UnreadableError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

# Only these are opened: others, such as playlists, could name further files.
FORMATS = "mov,matroska,avi,mpeg,mpegts,mpegvideo,asf,flv,ogg"


class Clock:
    """Counts the seconds that reading takes, with pauses."""

    def __init__(self, limit: float) -> None:
        self.limit = self.left = limit
        self.since = time.monotonic()

    def resume(self) -> None:
        """Go on after a pause."""
        self.since = time.monotonic()

    def check(self) -> None:
        """Raise UnreadableError where the time is up."""
        now = time.monotonic()
        self.left -= now - self.since
        self.since = now
        if self.left < 0:
            self.fail()

    def fail(self) -> NoReturn:
        """Say that the time is up."""
        raise UnreadableError(f"did not finish within {self.limit:g} s")


@contextmanager
def open_video(path: Path, clock: Clock) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The opened file and its video stream, ready to decode on one thread.

    Raises:
        UnreadableError: the path is not that of a video; its message is the reason.
    """
    with _regular_file(path) as file:
        try:
            container = av.open(
                file,
                "r",
                metadata_errors="replace",  # titles are in whatever encoding
                options={"format_whitelist": FORMATS},
                timeout=(clock.limit, clock.limit),
            )
        except ExitError:
            clock.fail()
        except EOFError:
            raise UnreadableError("has no frame") from None
        except FFmpegError as error:
            raise UnreadableError(f"is no video, or a damaged one ({error.strerror})") from None
        with container:
            yield container, _video_stream(container)


@contextmanager
def _regular_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file with content; anything else, such as a pipe, might never answer."""
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise UnreadableError("is a folder" if path.is_dir() else "is not a regular file")
        if not state.st_size:
            raise UnreadableError("is empty (0 bytes)")
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise UnreadableError("no such file") from None
    except PermissionError:
        raise UnreadableError("no permission to read it") from None
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from None


def _video_stream(container: InputContainer) -> VideoStream:
    # A cover picture counts as a video stream too.
    videos = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not videos:
        raise UnreadableError("has no video stream")
    if videos[0].codec_context is None:
        raise UnreadableError("no decoder for its video stream")
    videos[0].thread_type = "NONE"
    videos[0].codec_context.thread_count = 1
    return videos[0]
