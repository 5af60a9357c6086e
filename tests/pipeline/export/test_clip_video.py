"""The frames of a clip from its own file: those of a plain decode, at the times of the file, in videos of all kinds."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.export.boxes import ClipBoxes
from mocrop.pipeline.export.clip_video import ClipVideo, with_clip_video
from mocrop.pipeline.export.crop_encoder import EvenCrops
from mocrop.pipeline.export.pace import EvenPace
from mocrop.pipeline.outcome import ClipLog, ClipTask
from mocrop.pipeline.span import Span
from mocrop.pipeline.video.decoder import PlainDecode
from mocrop.pipeline.video.frame_times import FrameTimes
from mocrop.pipeline.video.open import open_video
from tests.conftest import MakeVideo
from tests.pipeline.stages.cut_segments import frames_in, some_spans
from tests.pipeline.stages.test_segments import break_packet
from tests.pipeline.video.kinds_of_video import VIDEOS, fingerprint

Read = tuple[list[str], list[float], ClipLog]


def read(path: Path, span: tuple[float, float] | None = None) -> Read:
    """Fingerprints and times, seconds, of the frames of a clip, and what was noted."""
    log = ClipLog(0)
    cut = None if span is None else Span.seconds(*span)

    def use(video: ClipVideo) -> tuple[list[str], list[float]]:
        shown = [(fingerprint(each.frame), float(each.time * video.time_base)) for each in video.frames]
        return [each for each, _ in shown], [each for _, each in shown]

    task = ClipTask(position=0, name="A/a", path=str(path), span=cut)
    return (*with_clip_video(task, use, max_damaged=0.25, log=log), log)


@pytest.mark.parametrize("name", VIDEOS)
def test_all_frames_come_at_their_times(name: str, videos: Callable[[str], Path]) -> None:
    path, times = videos(name), FrameTimes()
    wanted = []
    with open_video(path, clip="A/a", log=ClipLog(0)) as video:
        for frame in PlainDecode(video).frames():
            times.add(frame)
            wanted.append(fingerprint(frame))
        seconds = times.seconds(video.stream, ClipLog(0))
    frames, found, _ = read(path)
    assert frames == wanted
    assert found == pytest.approx(seconds.tolist(), abs=1e-6)


@pytest.mark.parametrize("name", VIDEOS)
def test_the_frames_of_a_segment_are_those_whose_time_is_in_it(name: str, videos: Callable[[str], Path]) -> None:
    path = videos(name)
    for span in some_spans(2.2, 4, seed=3):
        wanted = frames_in(path, span)
        if not wanted:
            with pytest.raises(ClipError):
                read(path, span)
            continue
        frames, seconds, _ = read(path, span)
        assert frames == wanted
        assert seconds[0] == 0
        assert seconds == sorted(set(seconds))
        assert seconds[-1] < span[1] - span[0]


def test_frames_without_times_count_as_evenly_spaced(tmp_path: Path, make_video: MakeVideo) -> None:
    path = make_video(tmp_path / "a.avi", frames=12, rate=10)
    with_times, seconds, log = read(path)
    assert not log.reasons
    raw = make_video(tmp_path / "b.h264", frames=12, rate=10, codec="libx264")
    frames, seconds, log = read(raw)
    if Reason.TIMES_BY_RATE in log.reasons:
        assert np.diff(seconds) == pytest.approx([np.diff(seconds)[0]] * 11)
    assert len(frames) == len(with_times) == 12


def test_times_that_do_not_ascend_are_noted_once_and_all_frames_come(
    tmp_path: Path, make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(tmp_path / "a.mp4", frames=12, rate=10, codec="libx264")
    decoded = PlainDecode.frames

    def one_is_late(self: PlainDecode, **options: object) -> object:
        for number, frame in enumerate(decoded(self, **options)):  # type: ignore[arg-type]
            if number == 6:
                frame.pts = 0
            yield frame

    monkeypatch.setattr(PlainDecode, "frames", one_is_late)
    frames, seconds, log = read(path)
    assert len(frames) == 12
    assert seconds == pytest.approx([n / 10 for n in range(12)])
    assert log.reasons == [Reason.TIMES_BY_RATE]
    assert "do not come in order" in log.messages[0]


def test_a_segment_after_the_end_of_its_video_fails(tmp_path: Path, make_video: MakeVideo) -> None:
    path = make_video(tmp_path / "a.mp4", frames=12, rate=10, codec="libx264")
    with pytest.raises(ClipError, match=r"begins at 5\.000 s") as caught:
        read(path, (5, 6))
    assert caught.value.reason is Reason.OUTSIDE_VIDEO
    *_, log = read(path, (0.5, 9))
    assert log.reasons == [Reason.SPAN_CUT]


def test_a_file_that_is_cut_off_fails(tmp_path: Path, make_video: MakeVideo) -> None:
    path = make_video(tmp_path / "a.avi", frames=60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ClipError) as caught:
        read(path)
    assert caught.value.reason is Reason.TRUNCATED


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_broken_frame_is_noted_on_the_segments_that_it_spoils(
    suffix: str, tmp_path: Path, make_video: MakeVideo
) -> None:
    """Key frames are 0, 12, 24, 36, 48; frame 30 is broken. A segment from 32 on refers to it, one from 36 does not."""
    path = make_video(tmp_path / f"a.{suffix}", frames=60, codec="libx264", size=(160, 120))
    break_packet(path, 30)
    for span, spoilt in (((0, 1.0), False), ((0.8, 1.4), True), ((1.28, 1.4), True), ((1.44, 2), False)):
        frames, _, log = read(path, span)
        assert frames == frames_in(path, span)
        assert (Reason.DAMAGED_FRAMES in log.reasons) == spoilt


def boxes(*lefts: float, numbers: list[int], width: float = 0.5) -> ClipBoxes:
    return ClipBoxes.of(numbers, [CropBox(left=left, top=0, right=left + width, bottom=1) for left in lefts])


def test_boxes_that_are_all_the_same_do_not_move() -> None:
    assert not boxes(0.25, 0.25, numbers=[0, 9]).moves
    assert boxes(0.25, 0.26, numbers=[0, 9]).moves


def test_boxes_of_more_frames_than_a_clip_has_are_an_error() -> None:
    boxes(0, 0.5, numbers=[0, 9]).require_frames(10, clip="A/a")
    with pytest.raises(ClipError, match="for 10 frames, and it has 9"):
        boxes(0, 0.5, numbers=[0, 9]).require_frames(9, clip="A/a")
    of_all = ClipBoxes.of([0], [CropBox(left=0, top=0, right=1, bottom=1)], frames=10)
    of_all.require_frames(10, clip="A/a")
    for other in (9, 11):
        with pytest.raises(ClipError, match=f"for 10 frames, and it has {other}"):
            of_all.require_frames(other, clip="A/a")


def test_cuts_hold_their_boxes_are_even_inside_and_of_one_size() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        width = float(rng.uniform(0.05, 0.95))
        made = boxes(*rng.uniform(0, 1 - width, 4).tolist(), numbers=[0, 3, 4, 11], width=width)
        picture = (int(rng.integers(10, 100)) * 2, 40)
        crops = EvenCrops.of(made, picture)
        for number in range(14):
            left, top, right, bottom = crops.at(number)
            exact = made.at(number).pixels(*picture)
            assert left % 2 == right % 2 == top % 2 == bottom % 2 == 0
            assert (right - left, bottom - top) == crops.size
            assert 0 <= left <= exact[0] < exact[2] <= right <= picture[0]
            assert (right - left) - (exact[2] - exact[0]) <= 4


def test_an_even_pace_is_that_of_the_filter_fps() -> None:
    """At 3 frames a second, frames at 0, 0.2, 0.5 and 1.2 s are nearest to the thirds 0, 1, 2 (rounded up) and 4."""
    pace = EvenPace(Fraction(3), Fraction(1, 10))
    kept = [each for number, time in enumerate((0, 2, 5, 12)) for each in pace.take(None, number, time)]  # type: ignore[arg-type]
    kept += pace.rest()
    assert [(each.time, each.number) for each in kept] == [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3)]
