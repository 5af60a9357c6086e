"""The picture inside black bars, and the times of frames, as they are found in video files."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from mocrop.pipeline.errors import Reason
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.vectors import read_motion
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.frame_times import FrameTimes
from mocrop.pipeline.video.orientation import Orientation

MakeVideo = Callable[..., Path]
Picture = npt.NDArray[np.uint8]
WIDTH, HEIGHT = 128, 96
WHOLE = (0, 0, WIDTH, HEIGHT)
X264 = {"x264-params": "scenecut=0:bframes=0:ref=1:threads=1"}


def read(path: Path, log: ClipLog | None = None) -> ClipMotion:
    return read_motion(path, clip="A/clip", log=log or ClipLog(0))


def seconds(path: Path, log: ClipLog | None = None) -> list[float]:
    times = read(path, log).seconds
    assert times is not None
    assert times.dtype == np.float64
    return times.round(9).tolist()


def moving(count: int, *, size: tuple[int, int] = (WIDTH, HEIGHT)) -> list[Picture]:
    """Frames of a bright texture of blocks that moves right by 2 pixels a frame."""
    width, height = size
    shape = (-(-height // 8), -(-(width + 2 * count) // 8), 3)
    ground = np.random.default_rng(0).integers(90, 230, shape, dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    return [ground[:height, 2 * (count - n) : 2 * (count - n) + width].copy() for n in range(count)]


def barred(frames: Sequence[Picture], left: int, top: int, right: int, bottom: int) -> list[Picture]:
    """The same frames with bars of so many pixels painted over them."""
    painted = [frame.copy() for frame in frames]
    for frame in painted:
        frame[:top] = frame[:, :left] = frame[len(frame) - bottom :] = frame[:, frame.shape[1] - right :] = 0
    return painted


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "options"),
    [
        ("libx264", "yuv420p", X264),
        ("libx264", "yuv420p", {"x264-params": "bframes=3:threads=1"}),
        ("libx264", "yuvj420p", X264),
        ("libx264", "yuv444p10le", X264),
        ("libx264", "gray", X264),
        ("libx264", "gray10le", X264),
        ("libx264rgb", "rgb24", X264),
        ("mpeg4", "yuv420p", {"b": "4M"}),
        ("mpeg2video", "yuv420p", {"b": "4M"}),
    ],
    ids=str,
)
def test_bars_are_found_whatever_the_codec_and_its_pixels(
    make_video: MakeVideo, tmp_path: Path, codec: str, pix_fmt: str, options: dict[str, str]
) -> None:
    frames = barred(moving(20), 0, 16, 0, 16)
    made = make_video(tmp_path / "a.mkv", frames=frames, codec=codec, pix_fmt=pix_fmt, options=options)
    assert read(made).picture == (0, 16, WIDTH, HEIGHT - 16)
    plain = make_video(tmp_path / "b.mkv", frames=moving(20), codec=codec, pix_fmt=pix_fmt, options=options)
    assert read(plain).picture == WHOLE


@pytest.mark.parametrize("bars", [(16, 0, 0, 0), (0, 16, 0, 0), (0, 0, 16, 0), (0, 0, 0, 16), (16, 16, 32, 16)])
def test_bars_are_found_at_every_side(make_video: MakeVideo, tmp_path: Path, bars: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = bars
    path = make_video(tmp_path / "a.mp4", frames=barred(moving(20), *bars), codec="libx264", options=X264)
    assert read(path).picture == (left, top, WIDTH - right, HEIGHT - bottom)


EIGHT = [Orientation(transposed=t, mirrored=m, flipped=f) for t, m, f in itertools.product((False, True), repeat=3)]


@pytest.mark.parametrize("orientation", EIGHT, ids=str)
def test_the_picture_is_that_of_the_upright_frame(
    orientation: Orientation, make_oriented: MakeVideo, tmp_path: Path
) -> None:
    frames = barred(moving(20), 16, 32, 0, 0)
    path = make_oriented(tmp_path / "a.mp4", frames=frames, orientation=orientation, said_by="container", options=X264)
    assert read(path).picture == (16, 32, WIDTH, HEIGHT)


def test_what_headers_crop_is_no_part_of_the_frame(
    make_video: MakeVideo, make_cropped: MakeVideo, tmp_path: Path
) -> None:
    whole = make_video(tmp_path / "a.mp4", frames=barred(moving(20), 16, 32, 0, 16), codec="libx264", options=X264)
    assert read(make_cropped(whole, tmp_path / "a.h264", left=6, top=32)).picture == (10, 0, WIDTH - 6, HEIGHT - 48)


def test_mpeg4_frames_between_key_frames_are_looked_at(make_video: MakeVideo, tmp_path: Path) -> None:
    """All but the first 12 frames of a clip with one key frame have no bars."""
    frames = moving(40)
    frames[:12] = barred(frames[:12], 0, 16, 0, 16)
    path = make_video(tmp_path / "a.avi", frames=frames, codec="mpeg4", key_interval=400, options={"b": "4M"})
    assert read(path).picture == WHOLE


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_bars_that_come_and_go_are_picture(make_video: MakeVideo, tmp_path: Path, codec: str) -> None:
    frames = moving(48)
    frames[10:] = barred(frames[10:], 0, 16, 0, 16)
    assert read(make_video(tmp_path / "a.mp4", frames=frames, codec=codec)).picture == WHOLE
    frames = barred(moving(48), 0, 16, 0, 16)
    frames[30:44] = moving(14)
    assert read(make_video(tmp_path / "b.mp4", frames=frames, codec=codec)).picture == WHOLE


def test_a_clip_that_fades_in_and_out_keeps_its_picture_and_loses_its_bars(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    light = np.interp(np.arange(48), (0, 12, 36, 47), (0, 1, 1, 0))
    faded = [(frame * share).astype(np.uint8) for frame, share in zip(moving(48), light, strict=True)]
    assert read(make_video(tmp_path / "a.mp4", frames=faded, codec="libx264")).picture == WHOLE
    path = make_video(tmp_path / "b.mp4", frames=barred(faded, 0, 16, 0, 16), codec="libx264")
    assert read(path).picture == (0, 16, WIDTH, HEIGHT - 16)


def test_a_subtitle_for_a_second_ends_a_bar(make_video: MakeVideo, tmp_path: Path) -> None:
    frames = barred(moving(60), 0, 16, 0, 32)
    for frame in frames[20:45]:
        frame[72:80, 30:100:4] = 255
    path = make_video(tmp_path / "a.mp4", frames=frames, codec="libx264", options=X264)
    picture = read(path).picture
    assert picture is not None
    assert picture[:3] == (0, 16, WIDTH)
    assert 80 <= picture[3] <= 88  # coding spreads letters over their block


@pytest.mark.parametrize(("count", "found"), [(1, False), (7, False), (8, True)])
def test_a_few_frames_do_not_tell(make_video: MakeVideo, tmp_path: Path, count: int, found: bool) -> None:
    path = make_video(tmp_path / "a.mp4", frames=barred(moving(count), 0, 16, 0, 16), codec="libx264", options=X264)
    assert read(path).picture == ((0, 16, WIDTH, HEIGHT - 16) if found else WHOLE)


def test_a_clip_whose_frames_change_their_size_has_no_bars(make_video: MakeVideo, tmp_path: Path) -> None:
    large = make_video(tmp_path / "1.ts", frames=barred(moving(20), 0, 16, 0, 16), codec="libx264", options=X264)
    assert read(large).picture == (0, 16, WIDTH, HEIGHT - 16)
    small = barred(moving(20, size=(64, 48)), 0, 8, 0, 8)
    path = make_video(tmp_path / "2.ts", frames=small, codec="libx264", options=X264)
    path.write_bytes(large.read_bytes() + path.read_bytes())
    assert read(path).picture == WHOLE


@pytest.mark.parametrize("size", [(2, 2), (16, 16), (95, 63), (250, 2)])
def test_tiny_and_odd_frames_without_bars_are_whole(
    make_video: MakeVideo, tmp_path: Path, size: tuple[int, int]
) -> None:
    assert read(make_video(tmp_path / "a.avi", frames=moving(9, size=size))).picture == (0, 0, *size)


def test_times_are_those_at_which_frames_are_shown(make_video: MakeVideo, tmp_path: Path) -> None:
    """In the order in which they are shown, where B-frames are decoded in another; the first one counts as 0."""
    pts = [100, 101, 102, 110, 111, 130, 131, 90_000]
    options = {"x264-params": "bframes=2:b-adapt=0:threads=1"}
    path = make_video(tmp_path / "a.mkv", frames=moving(8), codec="libx264", options=options, pts=pts, rate=50)
    log = ClipLog(0)
    assert seconds(path, log) == [(each - 100) / 50 for each in pts]
    assert Reason.TIMES_BY_RATE not in log.reasons


def test_frames_that_an_edit_list_hides_have_no_times(make_video: MakeVideo, tmp_path: Path) -> None:
    """MP4 of B-frames begins after its first decoding time, which an edit list takes back."""
    options = {"x264-params": "bframes=2:b-adapt=0:threads=1"}
    path = make_video(tmp_path / "a.mp4", frames=moving(9), codec="libx264", options=options)
    assert b"elst" in path.read_bytes()
    assert seconds(path) == [n / 25 for n in range(9)]


def test_without_times_frames_are_spaced_by_the_rate(make_video: MakeVideo, tmp_path: Path) -> None:
    """A bare stream of H.264 has none; FFmpeg says that it has 25 a second."""
    path = make_video(tmp_path / "a.h264", frames=moving(10), codec="libx264", options=X264)
    log = ClipLog(0)
    assert seconds(path, log) == [n / 25 for n in range(10)]
    assert log.reasons == [Reason.TIMES_BY_RATE]
    assert log.messages[-1].endswith(
        "have no presentation times; they count as evenly spaced, 25 a second, its average rate"
    )


class Stream:
    """What of a stream its frames' times depend on."""

    def __init__(self, time_base: Fraction | None, average_rate: Fraction | None) -> None:
        self.time_base, self.average_rate = time_base, average_rate


class Frame:
    def __init__(self, pts: int | None) -> None:
        self.pts = pts


def times(pts: Sequence[int | None], *, time_base: Fraction | None, rate: Fraction | None) -> tuple[list[float], str]:
    """Seconds of frames, and what is noted."""
    collected, log = FrameTimes(), ClipLog(0)
    for each in pts:
        collected.add(Frame(each))  # type: ignore[arg-type]
    found = collected.seconds(Stream(time_base, rate), log)  # type: ignore[arg-type]
    assert len(found) == len(pts)
    assert np.all(np.diff(found) > 0)
    return found.tolist(), " ".join(log.messages)


TENTH = Fraction(1, 10)


@pytest.mark.parametrize(
    ("pts", "time_base", "rate", "expected", "said"),
    [
        ([5, 6, 9], TENTH, None, [0, 0.1, 0.4], ""),
        ([-5, 0, 1 << 60], Fraction(1), None, [0, 5, float((1 << 60) + 5)], ""),
        ([7], TENTH, None, [0], ""),
        ([5, None, 9], TENTH, Fraction(2), [0, 0.5, 1], "have no presentation times; .* 2 a second, its average rate"),
        ([None] * 3, TENTH, None, [0, 0.04, 0.08], "have no presentation times; .* 25 a second, as it names no rate"),
        ([5, 5, 9], TENTH, Fraction(2), [0, 0.5, 1], "do not come in order; .* 2 a second"),
        ([5, 9, 8], TENTH, Fraction(0), [0, 0.04, 0.08], "do not come in order; .* 25 a second, as it names no rate"),
        ([5, 6, 7], Fraction(0), Fraction(2), [0, 0.5, 1], "have no presentation times; .* 2 a second"),
        ([5, 6, 7], None, Fraction(2), [0, 0.5, 1], "have no presentation times; .* 2 a second"),
        ([0, 1, 2], Fraction(1, 1 << 1100), Fraction(2), [0, 0.5, 1], "do not come in order; .* 2 a second"),
    ],
)
def test_times_ascend_from_0_whatever_the_file_says(
    pts: list[int | None], time_base: Fraction | None, rate: Fraction | None, expected: list[float], said: str
) -> None:
    found, noted = times(pts, time_base=time_base, rate=rate)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert re.search(said, noted)
    assert bool(said) == bool(noted)


@pytest.mark.real
def test_real_bars_are_found(real_clips: Path) -> None:
    """Two letterboxed clips, one with a logo in its bar, a framed one, and one of a black piano without bars."""
    expected = {
        "Surfing/v_Surfing_g10_c01": (0, 30, 320, 210),
        "PlayingPiano/v_PlayingPiano_g07_c01": (0, 12, 320, 240),
        "BasketballDunk/v_BasketballDunk_g23_c01": (13, 41, 307, 200),
        "PlayingPiano/v_PlayingPiano_g15_c01": (0, 0, 320, 240),
    }
    for name, picture in expected.items():
        found = read(real_clips / "videos" / f"{name}.avi").picture
        assert found is not None
        assert np.abs(np.subtract(found, picture)).max() <= 1, name


@pytest.mark.real
def test_b_frames_of_a_real_avi_are_spaced_by_its_rate(real_clips: Path) -> None:
    """AVI has no presentation times, and FFmpeg's guesses are not in order."""
    log = ClipLog(0)
    found = seconds(real_clips / "videos/Archery/v_Archery_g03_c01.avi", log)
    assert found == [n / 25 for n in range(len(found))]
    assert log.reasons == [Reason.TIMES_BY_RATE]
    assert "do not come in order" in log.messages[0]
