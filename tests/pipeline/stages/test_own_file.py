"""Source auto: which files serve as they are, and what the stage leaves in h264/."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest

from mocrop.pipeline.errors import Reason
from mocrop.pipeline.outcome import ClipTask
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.own_file import keep_or_transcode_unit, shortcoming
from mocrop.pipeline.stages.transcode import transcode_unit
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.workspace.paths import Workspace

MakeVideo = Callable[..., Path]
ALL = TranscodeSettings()
FOUR = TranscodeSettings(own_key_frames=4)


def lacks(path: Path, *, key_frames: int = 4, key_interval: int = 12) -> str:
    return shortcoming(path, clip="A/clip", key_frames=key_frames, key_interval=key_interval)


@pytest.mark.parametrize(
    ("frames", "interval", "wanted", "fact"),
    [
        (48, 12, 4, ""),  # key frames 0, 12, 24, 36
        (48, 16, 4, "it has 3 of the 4 key frames that are needed"),
        (48, 16, 3, ""),
        (49, 16, 16, "it has 4 of the 5 key frames that are needed"),  # transcoding gives 0, 12, 24, 36, 48
        (24, 12, 16, ""),  # as many as transcoding gives
        (48, 48, 1, ""),
        (48, 48, 0, ""),  # frames at even steps need no key frames
        (48, 48, 2, "it has 1 of the 2 key frames that are needed"),
        (48, 1, 4, "every frame is a key frame, which has no motion vectors"),
        (1, 12, 4, "every frame is a key frame, which has no motion vectors"),
    ],
)
@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_a_file_serves_with_the_key_frames_that_are_wanted_or_that_transcoding_would_give(
    codec: str, frames: int, interval: int, wanted: int, fact: str, make_video: MakeVideo, tmp_path: Path
) -> None:
    options = {"x264-params": "scenecut=0"} if codec == "libx264" else {"sc_threshold": "1000000000"}
    path = make_video(tmp_path / "a.mkv", frames=frames, codec=codec, key_interval=interval, options=options)
    assert lacks(path, key_frames=wanted) == fact


def test_the_key_interval_of_the_transcoded_form_decides_what_is_needed(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", frames=48, key_interval=24)
    assert lacks(path, key_frames=16, key_interval=24) == ""
    assert lacks(path, key_frames=16, key_interval=16) == "it has 2 of the 3 key frames that are needed"


@pytest.mark.parametrize(
    ("codec", "suffix", "more", "fact"),
    [
        ("ffv1", "avi", {}, "FFmpeg exports no motion vectors from ffv1"),
        ("mjpeg", "avi", {"pix_fmt": "yuvj420p"}, "FFmpeg exports no motion vectors from mjpeg"),
        (
            "libx265",
            "mp4",
            {"options": {"x265-params": "log-level=none"}},
            "FFmpeg exports no motion vectors from hevc",
        ),
        ("mpeg2video", "mpg", {}, ""),
        ("mpeg4", "mkv", {"options": {"bf": "2"}}, "FFmpeg exports no motion vectors from B-frames of mpeg4"),
        ("libx264", "mp4", {"options": {"x264-params": "bframes=2:b-adapt=0:scenecut=0"}}, ""),
        ("libx264", "mp4", {"options": {"x264-params": "tff=1:scenecut=0"}}, "it is interlaced"),
        ("libx264", "mp4", {"rotation": 90}, ""),
        ("mpeg4", "avi", {"size": (65, 47)}, ""),
        ("libx264", "mkv", {"pts": [n * n for n in range(48)]}, ""),
    ],
)
def test_codec_frame_types_and_fields_decide_too_and_nothing_else(
    codec: str, suffix: str, more: dict[str, Any], fact: str, make_video: MakeVideo, tmp_path: Path
) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    path = make_video(tmp_path / f"a.{suffix}", **{"frames": 48, "codec": codec, **more})
    assert lacks(path) == fact


def settle(paths: list[Path], workspace: Path, settings: TranscodeSettings = FOUR, *, probe: bool = False) -> list[Any]:
    tasks = tuple(ClipTask(position=n, name=f"A/{path.stem}", path=str(path)) for n, path in enumerate(paths))
    stage = transcode_unit if settings.own_key_frames is None else keep_or_transcode_unit
    return stage(WorkUnit(index=0, clips=tasks, probe=probe), settings, str(workspace))


def test_only_what_falls_short_is_transcoded_to_the_bytes_that_transcode_writes(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    serves = make_video(tmp_path / "serves.avi", frames=48)
    short = make_video(tmp_path / "short.avi", frames=48, key_interval=48, size=(65, 48))
    kept, transcoded = settle([serves, short], tmp_path / "auto")
    assert (kept.status, kept.reasons) == ("done", (Reason.OWN_FILE_SERVES,))
    assert transcoded.status == "done"
    assert transcoded.reasons == (Reason.MADE_EVEN, Reason.OWN_FILE_FALLS_SHORT)
    assert transcoded.message == "65x48 cut to 64x48; it has 1 of the 4 key frames that are needed"
    settle([serves, short], tmp_path / "all", ALL)
    of_auto, of_all = Workspace(tmp_path / "auto"), Workspace(tmp_path / "all")
    assert [path.name for path in of_auto.h264.rglob("*.mp4")] == ["short.mp4"]
    assert of_auto.h264_file("A/short").read_bytes() == of_all.h264_file("A/short").read_bytes()


def test_an_old_file_goes_where_the_own_one_serves_but_not_in_a_probe(make_video: MakeVideo, tmp_path: Path) -> None:
    serves = make_video(tmp_path / "serves.avi", frames=48)
    settle([serves], tmp_path, ALL)
    old = Workspace(tmp_path).h264_file("A/serves")
    assert old.exists()
    (outcome,) = settle([serves], tmp_path, probe=True)
    assert outcome.reasons == (Reason.OWN_FILE_SERVES,)
    assert old.exists()
    settle([serves], tmp_path)
    assert not old.exists()


def test_a_probe_of_a_clip_that_falls_short_writes_nothing(make_video: MakeVideo, tmp_path: Path) -> None:
    short = make_video(tmp_path / "short.avi", frames=48, key_interval=48)
    (outcome,) = settle([short], tmp_path, probe=True)
    assert outcome.reasons == (Reason.OWN_FILE_FALLS_SHORT,)
    assert not Workspace(tmp_path).h264.exists()


def test_what_cannot_be_read_fails_as_it_does_where_all_is_transcoded(make_video: MakeVideo, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("empty.avi", "text.avi", "cut.avi", "gone.avi")]
    paths[0].touch()
    paths[1].write_text("no video\n" * 99)
    whole = make_video(tmp_path / "whole.avi", frames=60)
    shutil.copy(whole, paths[2])
    with paths[2].open("rb+") as file:
        file.truncate(whole.stat().st_size // 2)
    auto, every = settle(paths, tmp_path), settle(paths, tmp_path, ALL)
    assert [replace(each, seconds=0.0) for each in auto] == [replace(each, seconds=0.0) for each in every]
    assert {each.status for each in auto} == {"failed"}


def test_a_refused_clip_is_not_opened(make_video: MakeVideo, tmp_path: Path) -> None:
    serves, refusal = make_video(tmp_path / "a.avi", frames=48), (Reason.VANISHED, "A/a: gone")
    task = ClipTask(position=0, name="A/a", path=str(serves), refusal=refusal)
    (outcome,) = keep_or_transcode_unit(WorkUnit(index=0, clips=(task,)), FOUR, str(tmp_path))
    assert (outcome.status, outcome.reasons, outcome.message) == ("failed", (Reason.VANISHED,), "A/a: gone")


def test_the_number_of_key_frames_is_not_negative() -> None:
    with pytest.raises(ValueError, match=r"own_key_frames must be at least 0 .*, not -1"):
        TranscodeSettings(own_key_frames=-1)
