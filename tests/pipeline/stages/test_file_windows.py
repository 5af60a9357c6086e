"""Windows of a file that is read as it is, or through its H.264 form in memory: times are those of the file."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mocrop.pipeline.errors import Reason
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.policies.motion_v1 import MotionSettings
from mocrop.pipeline.stages.file_windows import read_windows
from mocrop.pipeline.stages.in_memory import ReadingSettings, read_file
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.stages.window_crops import WindowCrops
from mocrop.pipeline.stages.windows import WindowSettings

MakeVideo = Callable[..., Path]
X264 = {"x264-params": "scenecut=0:bframes=0:ref=1:threads=1"}


def reading(source: str, **crop: Any) -> ReadingSettings:
    settings = PrecropSettings(**{"name": "c", "size": 32, "frames": 4, "policy_settings": MotionSettings(), **crop})
    transcode = None if source == "original" else TranscodeSettings()
    return ReadingSettings(crop=settings, transcode=transcode, max_damaged=0.25)


def windows_of(path: Path, source: str, *, log: ClipLog | None = None, seconds: float = 1) -> list[WindowCrops]:
    windows = WindowSettings(seconds=seconds, stride_seconds=seconds)
    return list(read_windows(path, reading(source), windows, clip="c", log=log or ClipLog(0)))


@pytest.mark.parametrize("source", ["original", "h264"])
def test_a_window_longer_than_the_file_gives_what_the_whole_file_gives(
    make_video: MakeVideo, tmp_path: Path, source: str
) -> None:
    path = make_video(tmp_path / "c.mp4", frames=60, size=(96, 64), codec="mpeg4")
    whole = read_file(path, reading(source), clip="c", log=ClipLog(0)).crops
    (window,) = windows_of(path, source, seconds=100)
    assert window.crops is not None
    assert np.array_equal(window.crops.frames, whole.frames)
    assert (window.crops.numbers, window.crops.boxes) == (whole.numbers, whole.boxes)


@pytest.mark.real
@pytest.mark.parametrize("source", ["original", "h264"])
def test_frames_whose_times_do_not_ascend_are_evenly_spaced(real_clips: Path, source: str) -> None:
    path = real_clips / "videos/Archery/v_Archery_g21_c01.avi"  # 25 frames a second, times in the order of the file
    found = windows_of(path, source)
    assert [len(each.window.frames) for each in found[:-1]] == [25] * (len(found) - 1)
    assert [each.window.start for each in found] == list(range(len(found)))


@pytest.mark.parametrize("source", ["original", "h264"])
def test_irregular_times_are_those_of_the_file(make_video: MakeVideo, tmp_path: Path, source: str) -> None:
    pts = [*range(25), *range(25, 75, 5), 200, 201]  # a second of 25 frames, two of 5, five without, and two frames
    path = make_video(tmp_path / "c.mkv", frames=len(pts), codec="libx264", options=X264, pts=pts)
    found = windows_of(path, source)
    assert [(each.window.start, each.window.frames) for each in found] == [
        (0, range(0, 25)),
        (1, range(25, 30)),
        (2, range(30, 35)),
        (8, range(35, 37)),
    ]


def test_irregular_times_of_a_codec_that_only_a_decoder_tells_are_those_of_the_file(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    pts = [*range(25), *range(25, 75, 5)]
    path = make_video(tmp_path / "c.mkv", frames=len(pts), codec="mpeg2video", pts=pts)
    found = windows_of(path, "h264")
    assert [each.window.frames for each in found] == [range(0, 25), range(25, 30), range(30, 35)]


def test_every_window_of_a_transcoded_file_has_key_frames(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "c.mp4", frames=100, codec="mpeg4", key_interval=100)
    assert not any(Reason.NO_KEY_FRAMES in each.reasons for each in windows_of(path, "h264"))
    found = windows_of(path, "original")
    assert [Reason.NO_KEY_FRAMES in each.reasons for each in found] == [False, True, True, True]
    assert found[-1].window.end == Fraction(4)
