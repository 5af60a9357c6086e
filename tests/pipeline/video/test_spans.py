"""When frames are shown, and which of them a span holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.span import Span
from mocrop.pipeline.video import spans
from mocrop.pipeline.video.open import OpenVideo, open_video
from mocrop.pipeline.video.span_decoder import merged
from mocrop.pipeline.video.spans import KnownTimes, TimedFrames, may_be_entered, read_times, times_us, told_times
from mocrop.pipeline.video.timeline import Timeline

MakeVideo = Callable[..., Path]
Videos = Callable[[str], Path]


@given(st.lists(st.integers(0, 10**6), unique=True, min_size=1), st.fractions(Fraction(1, 10**7), 3))
def test_times_are_rounded_as_exact_fractions_are(pts: list[int], time_base: Fraction) -> None:
    pts.sort()
    assert times_us(list(pts), time_base) == [round((each - pts[0]) * time_base * 10**6) for each in pts]


def test_half_a_microsecond_goes_to_the_even_one() -> None:
    assert times_us([0, 1, 3, 5], Fraction(1, 2 * 10**6)) == [0, 0, 2, 2]


@pytest.mark.parametrize("pts", [[0, None, 2], [0, 2, 1], [0, 1, 1]])
def test_times_that_are_missing_or_do_not_ascend_are_none(pts: list[int | None]) -> None:
    assert times_us(pts, Fraction(1, 25)) is None


@given(st.lists(st.integers(0, 400), unique=True, min_size=1, max_size=30), st.integers(0, 450), st.integers(1, 450))
def test_neighbouring_spans_share_no_frame_and_lose_none(times: list[int], start: int, length: int) -> None:
    times.sort()
    timed = TimedFrames(
        timeline=Timeline(frames=len(times), key_frames=np.array([0]), shown=None, starts=np.array([0])),
        pts=list(times),
        times_us=np.array(times),
        step_us=1,
        by_rate="",
    )
    one, other = timed.numbers(Span(start, start + length)), timed.numbers(Span(start + length, start + length + 100))
    assert [times[number] for number in one] == [time for time in times if start <= time < start + length]
    assert one.stop == other.start


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=12))
def test_merged_ranges_hold_each_number_once(pairs: list[tuple[int, int]]) -> None:
    zones = [range(start, start + length) for start, length in pairs]
    runs = merged(zones)
    assert [number for run in runs for number in run] == sorted({number for zone in zones for number in zone})
    assert all(before.stop < after.start for before, after in pairwise(runs))


def test_where_times_are_not_usable_a_decoder_counts_the_frames(videos: Videos) -> None:
    """Headers tell the frames of both; of the AVI file with B-frames they do not tell when each is shown."""
    usable, not_usable = (read_times(videos(name), clip="A/a") for name in ("h264-open.mp4", "h264-open.avi"))
    assert usable.by_rate == ""
    assert usable.timeline.shown is not None
    assert not_usable.by_rate == (
        "its frames do not come in order; they count as evenly spaced, 25 a second, its average rate"
    )
    assert not_usable.timeline.shown is None
    assert usable.times_us.tolist() == not_usable.times_us.tolist() == [40_000 * n for n in range(60)]
    assert usable.end_us == 2_400_000


@pytest.mark.parametrize(
    ("name", "entered"),
    [("h264-open.mp4", True), ("vp9.webm", True), ("mpeg4.avi", True), ("mpeg2.mkv", False), ("h264-open.avi", False)],
)
def test_decoding_enters_where_headers_and_times_tell(name: str, entered: bool, videos: Videos) -> None:
    assert may_be_entered(videos(name)) is entered


@pytest.mark.parametrize(("flags", "entered"), [("+ilme", False), ("+aic", True)])
def test_interlaced_mpeg4_with_b_frames_is_not_entered(
    flags: str, entered: bool, make_video: MakeVideo, tmp_path: Path
) -> None:
    """How far apart its fields are, FFmpeg's decoder tells by the first B-frame that it sees."""
    path = make_video(tmp_path / "a.mp4", frames=60, options={"bf": "2", "flags": flags})
    assert (len(read_times(path, clip="A/a").timeline.starts) > 1) == entered
    without = make_video(tmp_path / "b.mp4", frames=60, options={"flags": flags})
    assert len(read_times(without, clip="A/b").timeline.starts) > 1


def test_a_video_of_gradual_refreshes_is_not_entered(make_video: MakeVideo, tmp_path: Path) -> None:
    options = {"x264-params": "keyint=20:intra-refresh=1:bframes=0", "preset": "ultrafast"}
    path = make_video(tmp_path / "a.mp4", frames=320, codec="libx264", key_interval=20, options=options)
    assert not may_be_entered(path)


class WhileOpen:
    """A stream that must not be asked once its file is closed, which frees what it would answer from."""

    def __init__(self, stream: object) -> None:
        self.stream, self.is_open = stream, True

    def __getattr__(self, name: str) -> object:
        assert self.is_open
        return getattr(self.stream, name)


def test_nothing_is_asked_of_a_video_after_it_is_closed(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time base was: in one run of two it was another, and one worker cut all segments."""
    packets_of, streams = spans.packets_of, list[WhileOpen]()

    @contextmanager
    def watched(path: Path, *, clip: str, log: ClipLog) -> Iterator[OpenVideo]:
        with open_video(path, clip=clip, log=log) as video:
            streams.append(WhileOpen(video.stream))
            yield replace(video, stream=streams[-1])  # type: ignore[arg-type]
            streams[-1].is_open = False

    monkeypatch.setattr(spans, "open_video", watched)
    monkeypatch.setattr(spans, "packets_of", lambda video: packets_of(replace(video, stream=video.stream.stream)))
    path = make_video(tmp_path / "a.mp4", frames=30)
    assert may_be_entered(path)
    assert read_times(path, clip="A/a").by_rate == ""
    assert [stream.is_open for stream in streams] == [False, False]


def test_what_is_no_video_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"text")
    assert not may_be_entered(tmp_path / "a.mp4")
    assert not may_be_entered(tmp_path / "gone.mp4")


def test_a_video_is_read_once_until_it_changes(make_video: MakeVideo, tmp_path: Path) -> None:
    path, packets = make_video(tmp_path / "a.mp4", frames=10), []
    known = KnownTimes()
    for _ in range(2):
        assert known.of(path, clip="A/a", tick=lambda: packets.append(1)).timeline.frames == 10
    assert len(packets) == 10
    make_video(path, frames=12)
    assert known.of(path, clip="A/a", tick=lambda: packets.append(1)).timeline.frames == 12


def test_headers_tell_exact_times_without_decoding(make_video: MakeVideo, tmp_path: Path) -> None:
    pts = [0, 1, 2, 10]
    path = make_video(tmp_path / "c.mp4", frames=4, codec="libx264", options={"bf": "2"}, pts=pts)
    told = told_times(path, clip="c")
    assert told.known
    assert told.seconds == [Fraction(each, 25) for each in pts]


def test_headers_that_tell_too_little_are_said_to(make_video: MakeVideo, tmp_path: Path) -> None:
    told = told_times(make_video(tmp_path / "c.mpg", frames=4, codec="mpeg2video"), clip="c")
    assert (told.known, told.seconds) == (False, None)


@pytest.mark.real
def test_times_that_do_not_ascend_are_told_as_none(real_clips: Path) -> None:
    told = told_times(real_clips / "videos/Archery/v_Archery_g21_c01.avi", clip="c")
    assert (told.known, told.seconds) == (True, None)
