"""Frames of video files: their numbers, their number, and what damage does to them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from conftest import SHARED
from videos import background, numbered, read_stamp, stamp, write_video

from dfdbench.api import Frame, Video
from dfdbench.errors import UnreadableError
from dfdbench.media import ImageFiles, decode, encode, open_frames
from dfdbench.media.video import VideoFile

LAYOUTS = [
    ("h264", ".mp4", 3),
    ("h264", ".mov", 2),
    ("h264", ".mkv", 3),
    ("h264", ".avi", 2),
    ("libx265", ".mp4", 3),
    ("mpeg4", ".mp4", 2),
    ("mpeg4", ".avi", 2),
    ("mpeg4", ".m4v", 0),
    ("vp9", ".webm", 0),
    ("vp8", ".webm", 0),
    ("mpeg2video", ".mpg", 2),
    ("mpeg1video", ".mpeg", 0),
    ("libsvtav1", ".mp4", 0),
]
OPTIONS = {
    "h264": {"preset": "medium"},  # ultrafast has neither B-frames nor several references
    "libx265": {"preset": "fast", "x265-params": "log-level=none:pools=none:frame-threads=1"},
    "vp9": {"deadline": "good", "cpu-used": "6", "auto-alt-ref": "1", "lag-in-frames": "16"},
    "vp8": {"deadline": "good", "cpu-used": "6", "auto-alt-ref": "1", "lag-in-frames": "16"},
    "libsvtav1": {"preset": "12", "svtav1-params": "lp=1"},
}


def open_(path: Path) -> VideoFile:
    frames = open_frames(path.parent, Video("one", 0, (path.name,)))
    assert isinstance(frames, VideoFile)
    return frames


def stamps(frames: Sequence[Frame]) -> list[int]:
    return [read_stamp(frame.image) for frame in frames if frame.image is not None]


def all_of(path: Path) -> list[np.ndarray]:
    """Every frame as plain decoding gives it."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 frames of H.264 with B-frames, a key frame every 10, in an MP4 file."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    options = {"preset": "medium", "g": "10"}
    return write_video(path, numbered(40), b_frames=2, options=options)


# frames are the right ones


@pytest.mark.parametrize(("codec", "suffix", "b_frames"), LAYOUTS)
def test_every_frame_comes_with_its_own_number(
    codec: str, suffix: str, b_frames: int, tmp_path: Path
) -> None:
    path = tmp_path / f"clip{suffix}"
    try:
        write_video(path, numbered(60), codec, b_frames=b_frames, options=OPTIONS.get(codec))
    except av.error.FFmpegError as error:
        pytest.skip(f"needs an encoder for {codec} ({error})")
    frames = open_(path)
    assert len(frames) == 60
    wanted = [0, 1, 3, 7, 8, 20, 33, 34, 35, 50, 58, 59]
    read = list(frames.read(wanted))
    assert [frame.index for frame in read] == wanted
    assert stamps(read) == wanted
    plain = all_of(path)
    assert len(plain) == 60
    for frame in read:  # leaving frames out changes none of those that are read
        np.testing.assert_array_equal(frame.image, plain[frame.index])


def test_any_selection_gives_the_same_pixels_as_decoding_everything(clip: Path) -> None:
    plain, frames = all_of(clip), open_(clip)
    for positions in ([39], [5, 6], list(range(0, 40, 7)), list(range(1, 40, 2)), list(range(40))):
        read = list(frames.read(positions))
        assert [frame.index for frame in read] == positions
        for frame in read:
            np.testing.assert_array_equal(frame.image, plain[frame.index])


def test_b_frames_are_left_out_where_they_are_not_wanted(clip: Path) -> None:
    decoded = []
    frames = open_(clip)
    plain = frames._frames

    def counting(*arguments: object) -> object:
        for frame in plain(*arguments):  # type: ignore[arg-type]
            decoded.append(frame)
            yield frame

    frames._frames = counting  # type: ignore[method-assign, assignment]
    assert stamps(list(frames.read([0, 39]))) == [0, 39]
    assert len(decoded) < 30


def test_a_variable_frame_rate_changes_no_number(tmp_path: Path) -> None:
    gaps = np.random.default_rng(0).integers(5, 400, 50)
    times = np.cumsum(gaps).tolist()
    for suffix, codec in ((".mp4", "h264"), (".mkv", "h264"), (".webm", "vp9")):
        path = write_video(
            tmp_path / f"vfr{suffix}", numbered(50), codec, timestamps=times, b_frames=2
        )
        wanted = [0, 2, 11, 24, 25, 48, 49]
        frames = open_(path)
        assert len(frames) == 50
        assert stamps(list(frames.read(wanted))) == wanted


def test_frames_that_an_edit_list_cuts_away_do_not_count(tmp_path: Path) -> None:
    # Copy the packets 5 frames earlier: the file's edit list then starts 5 frames in.
    whole = write_video(tmp_path / "whole.mp4", numbered(30), options={"preset": "medium"})
    cut = tmp_path / "cut.mp4"
    with av.open(str(whole)) as source, av.open(str(cut), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.size:
                packet.pts -= 5 * packet.duration
                packet.dts -= 5 * packet.duration
                packet.stream = copy
                target.mux(packet)
    frames = open_(cut)
    read = list(frames.read(range(len(frames))))
    assert len(read) == len(all_of(cut)) == 25
    assert stamps(read) == list(range(5, 30))


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_rotation_is_applied_as_players_do(rotation: int, tmp_path: Path) -> None:
    upright = next(numbered(1, 96, 64))
    upright[40:, 70:] = (200, 30, 30)
    lying = np.rot90(upright, -rotation // 90)  # a player turns counter-clockwise
    path = write_video(tmp_path / "turned.mp4", [lying] * 3, rotation=rotation)
    (frame,) = open_(path).read([1])
    assert frame.image is not None and frame.image.shape == upright.shape
    assert np.abs(frame.image.astype(int) - upright).mean() < 4
    assert frame.image.flags.c_contiguous


def test_a_mirrored_video_is_mirrored_back(tmp_path: Path) -> None:
    path = write_video(tmp_path / "plain.mp4", [stamp(np.zeros((64, 96, 3), np.uint8), 77)] * 3)
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44
    assert content[matrix : matrix + 4] == bytes((0, 1, 0, 0))  # 1 in 16.16 fixed point
    content[matrix : matrix + 4] = (-65536).to_bytes(4, "big", signed=True)
    path.write_bytes(content)
    (frame,) = open_(path).read([0])
    assert frame.image is not None
    assert read_stamp(frame.image[:, ::-1]) == 77


@pytest.mark.parametrize(
    ("codec", "suffix", "size", "pix_fmt"),
    [
        ("h264", ".mp4", (97, 65), ""),
        ("vp9", ".webm", (101, 67), ""),
        ("h264", ".mp4", (96, 64), "gray"),
        ("h264", ".mp4", (96, 64), "yuv420p10le"),
        ("h264", ".mp4", (96, 64), "yuvj420p"),
        ("vp9", ".webm", (96, 64), "yuva420p"),
        ("ffv1", ".mkv", (97, 65), "bgra"),
    ],
)
def test_odd_sizes_grey_ten_bits_and_alpha_become_rgb(
    codec: str, suffix: str, size: tuple[int, int], pix_fmt: str, tmp_path: Path
) -> None:
    path = tmp_path / f"clip{suffix}"
    write_video(path, numbered(4, *size), codec, pix_fmt=pix_fmt)
    for frame, wanted in zip(open_(path).read(range(4)), numbered(4, *size), strict=True):
        assert frame.image is not None
        assert frame.image.shape == (size[1], size[0], 3) and frame.image.dtype == np.uint8
        assert read_stamp(frame.image) == frame.index
        assert np.abs(frame.image.astype(int) - wanted).mean() < 6


def test_colours_are_red_green_blue(tmp_path: Path) -> None:
    image = np.zeros((64, 96, 3), np.uint8)
    image[:] = (200, 40, 90)
    (frame,) = open_(write_video(tmp_path / "a.mp4", [image])).read([0])
    assert frame.image is not None
    assert np.abs(frame.image.reshape(-1, 3).mean(0) - (200, 40, 90)).max() < 4


@pytest.mark.parametrize("matrix", ["", "bt709"])
def test_pixels_are_those_of_opencv(matrix: str, tmp_path: Path) -> None:
    options = {"x264-params": f"colormatrix={matrix}"} if matrix else {}
    path = write_video(tmp_path / "a.mp4", [background(96, 64)] * 2, options=options)
    found, pixels = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG).read()
    (frame,) = open_(path).read([0])
    assert found
    np.testing.assert_array_equal(frame.image, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))


def test_a_second_reading_gives_the_same(clip: Path) -> None:
    frames = open_(clip)
    first, second = (list(frames.read([3, 30])) for _ in range(2))
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.image, two.image)


def test_one_frame_and_large_and_tiny_ones(tmp_path: Path) -> None:
    one = open_(write_video(tmp_path / "one.mp4", numbered(1)))
    assert (len(one), stamps(list(one.read([0])))) == (1, [0])
    tiny = open_(write_video(tmp_path / "tiny.mkv", [np.full((1, 1, 3), 9, np.uint8)], "ffv1"))
    (frame,) = tiny.read([0])
    assert frame.image is not None and frame.image.shape == (1, 1, 3)
    large = stamp(np.full((4320, 7680, 3), 90, np.uint8), 5)
    assert stamps(list(open_(write_video(tmp_path / "8k.mp4", [large])).read([0]))) == [5]


# which files are videos, and what their masks are


def test_a_video_suffix_in_any_case_makes_a_video_and_anything_else_images(tmp_path: Path) -> None:
    for suffix in ("mp4", "AVI", "mov", "Mkv", "webm", "m4v", "mpg", "MPEG"):
        assert isinstance(open_frames(tmp_path, Video("a", 0, (f"a.{suffix}",))), VideoFile)
    for files in (("a.png",), ("a.mp4", "b.mp4"), ()):
        assert isinstance(open_frames(tmp_path, Video("a", 0, files)), ImageFiles)


def test_masks_are_a_video_or_images_of_their_own(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "m.png").write_bytes(encode(np.full((4, 4, 3), 255, np.uint8)))
    shutil.copy(clip, tmp_path / "clip.mp4")
    frames = open_frames(tmp_path, Video("a", 1, ("clip.mp4",), masks=("clip.mp4",)))
    assert frames.masks is not None and stamps(list(frames.masks.read([7]))) == [7]
    frames = open_frames(tmp_path, Video("a", 1, ("clip.mp4",), masks=("m.png",)))
    assert isinstance(frames.masks, ImageFiles)
    assert open_(clip).masks is None


def test_names_with_spaces_quotes_colons_and_other_letters_are_read(
    clip: Path, tmp_path: Path
) -> None:
    for name in ("a b.mp4", 'it\'s "so".mp4', "łódź 顔.mp4", "http:x.mp4", "%d.mp4", "-i.mp4"):
        shutil.copy(clip, tmp_path / name)
        frames = open_(tmp_path / name)
        (frame,) = frames.read([4])
        assert (len(frames), read_stamp(frame.image), frame.path) == (40, 4, name)  # type: ignore[arg-type]


def test_a_title_in_another_encoding_does_not_matter(clip: Path, tmp_path: Path) -> None:
    content = clip.read_bytes().replace(b"VideoHandler", b"Vid\xe9oHandler")
    assert b"Vid\xe9oHandler" in content
    (tmp_path / "latin.mp4").write_bytes(content)
    assert len(open_(tmp_path / "latin.mp4")) == 40


def test_png_keeps_every_bit() -> None:
    rng = np.random.default_rng(0)
    for size in ((256, 256), (1, 1), (3, 7)):
        image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        np.testing.assert_array_equal(decode(encode(image)), image)
        np.testing.assert_array_equal(decode(encode(image[::-1, ::-1])), image[::-1, ::-1])


# what cannot be read


def refusal(path: Path) -> str:
    with pytest.raises(UnreadableError) as refused:
        len(open_(path))
    with pytest.raises(UnreadableError) as again:
        list(open_(path).read([0]))
    assert str(again.value) == str(refused.value)
    return str(refused.value)


def test_what_is_no_video_is_refused_with_a_short_reason(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "text.mp4").write_text("These are words.\n" * 400)
    (tmp_path / "list.mp4").write_text(f"#EXTM3U\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n")
    (tmp_path / "zeros.avi").write_bytes(bytes(5000))
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[:2000])
    os.mkfifo(tmp_path / "pipe.mp4")
    no_video = "is no video, or a damaged one (Invalid data found when processing input)"
    assert refusal(tmp_path / "absent.mp4") == "no such file"
    assert refusal(tmp_path / "empty.mp4") == "is empty (0 bytes)"
    assert refusal(tmp_path / "folder.mp4") == "is a folder"
    assert refusal(tmp_path / "pipe.mp4") == "is not a regular file"
    assert refusal(tmp_path / "text.mp4") == no_video
    assert refusal(tmp_path / "list.mp4").startswith("is no video")
    assert refusal(tmp_path / "zeros.avi") == no_video
    assert refusal(tmp_path / "cut.mp4") == no_video  # the table of frames was at its end


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_without_permission_is_refused(clip: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(clip, tmp_path / "secret.mp4"))
    path.chmod(0)
    assert refusal(path) == "no permission to read it"


def test_sound_alone_and_a_cover_picture_are_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    assert refusal(path) == "has no video stream"


def test_a_stream_without_frames_is_refused(tmp_path: Path) -> None:
    for suffix in ("avi", "mkv"):
        path = tmp_path / f"none.{suffix}"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            container.start_encoding()
        assert refusal(path) == "has no frame"


def test_reading_stops_when_the_time_is_up_and_the_callers_time_does_not_count(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    frames = VideoFile(clip.parent, Video("a", 0, (clip.name,)), time_limit=5)
    for _ in frames.read([0, 10, 20]):
        now[0] += 100  # the caller looks at the frame
    reading = frames.read([0, 39])
    next(reading)
    plain = frames._clock.check

    def slow() -> None:
        now[0] += 1
        plain()

    monkeypatch.setattr(frames._clock, "check", slow)
    with pytest.raises(UnreadableError, match="did not finish within 5 s"):
        list(reading)


# damage


def damaged(path: Path, clip: Path) -> list[Frame]:
    """Read all frames; those that decode are the undamaged ones."""
    plain, frames = all_of(clip), open_(path)
    read = list(frames.read(range(len(frames))))
    assert [frame.index for frame in read] == list(range(len(frames)))
    for frame in read:
        assert (frame.image is None) == bool(frame.error)
        if frame.image is not None:
            np.testing.assert_array_equal(frame.image, plain[frame.index])
    return read


def test_a_flipped_bit_costs_the_frames_up_to_the_next_key_frame(
    clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with av.open(str(clip)) as container:
        keys = [p.pos for p in container.demux(video=0) if p.size and p.is_keyframe]
    content = bytearray(clip.read_bytes())
    content[keys[2] + 80 : keys[2] + 90] = bytes(10)
    path = tmp_path / "flipped.mp4"
    path.write_bytes(content)
    lost = [frame.index for frame in damaged(path, clip) if frame.error]
    assert set(range(20, 30)) <= set(lost) <= set(range(17, 30))
    (frame,) = open_(path).read([25])
    assert frame.error.startswith("damaged")
    assert capfd.readouterr() == ("", "")  # FFmpeg's own log stays silent


def test_of_a_truncated_video_the_frames_that_are_there_are_kept(
    clip: Path, tmp_path: Path
) -> None:
    fast = tmp_path / "fast.mp4"  # the table of frames before the frames
    with (
        av.open(str(clip)) as source,
        av.open(str(fast), "w", options={"movflags": "faststart"}) as target,
    ):
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.size:
                packet.stream = copy
                target.mux(packet)
    content = fast.read_bytes()
    start = content.index(b"mdat")
    path = tmp_path / "cut.mp4"
    end = start + (len(content) - start) // 2
    path.write_bytes(content[:end])
    with av.open(str(fast)) as container:
        whole = sum(p.pos + p.size <= end for p in container.demux(video=0) if p.size)
    read = damaged(path, clip)
    lost = [frame.index for frame in read if frame.error]
    assert len(read) == 40
    # The last ones before the end wait for B-frames that are gone.
    assert whole - 4 <= lost[0] <= whole and lost == list(range(lost[0], 40))
    assert read[-1].error == "the video ends before this frame"


def test_random_damage_raises_nothing_else_and_hangs_nowhere(clip: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    whole = np.frombuffer(clip.read_bytes(), np.uint8)
    for n in range(40):
        content = whole.copy()
        places = rng.integers(0, len(content), 1 + n % 8)
        content[places] ^= rng.integers(1, 256, len(places), dtype=np.uint8)
        path = tmp_path / f"{n}.mp4"
        path.write_bytes(content.tobytes())
        try:
            frames = open_(path)
            read = list(frames.read(range(len(frames))))
        except UnreadableError:
            continue
        assert [frame.index for frame in read] == list(range(len(frames)))


# real clips


@pytest.mark.parametrize("name", ["carphone_pristine", "single_face", "no_face"])
def test_real_clips_give_the_frames_of_plain_decoding(name: str) -> None:
    path = SHARED / "data" / "videos" / f"{name}.mp4"
    if not path.is_file():
        pytest.skip("needs the real clips of ../shared/data/videos")
    plain, frames = all_of(path), open_(path)
    assert len(frames) == len(plain)
    for frame in frames.read(list(range(0, len(plain), 9))):
        np.testing.assert_array_equal(frame.image, plain[frame.index])
