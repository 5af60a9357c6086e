"""Windows of neighbouring frames in a cache, of clips whose pictures carry their number as bars."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from av.video.frame import VideoFrame

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.dense import DenseWindows, even_starts
from mocrop.pipeline.commands.preprocess import run_all
from mocrop.pipeline.errors import Reason, SettingsError
from mocrop.pipeline.motion.fields import MotionFieldSettings, dense_motion
from mocrop.pipeline.motion.store import MotionReader
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.policies.base import ClipFacts, PolicySettings
from mocrop.pipeline.policies.follow import FollowSettings, follow_boxes
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.stages.clip_crops import crop_file
from mocrop.pipeline.stages.in_memory import read_file, readable_form, reading_settings
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.window_crops import read_window_crops
from mocrop.pipeline.stages.windows import WindowSettings
from mocrop.pipeline.video import frames as frames_module
from mocrop.pipeline.video.cropper import Cropper
from mocrop.pipeline.video.decoder import VideoPacket
from mocrop.pipeline.video.open import OpenVideo
from mocrop.pipeline.workspace.paths import Workspace
from tests.conftest import mocrop
from tests.odd_files.picture import draw, read
from tests.pipeline.video.kinds_of_video import VIDEOS

MakeVideo = Callable[..., Path]
ONE_PROCESS = RunOptions(workers=0)
DENSE: dict[str, Any] = {"select": "dense", "clips": 3, "frames": 4, "stride": 3}  # windows of 10 frames
SIZE = 48
LATE = range(40, 55)  # frames in which the square of `burst` moves


@pytest.fixture
def make_numbered(make_video: MakeVideo, tmp_path: Path) -> MakeVideo:
    """Add a clip whose pictures carry their number: ``make_numbered("a.mp4", frames=60, ...) -> path``."""

    def make(name: str, *, frames: int = 60, **how: Any) -> Path:
        pictures = [draw(number, width=160, height=120) for number in range(frames)]
        return make_video(tmp_path / "data" / "Dig" / name, **{**how, "size": (160, 120), "frames": pictures})

    return make


def stored_numbers(cache: CropCache, row: int) -> list[int | None]:
    """The numbers that the pictures of a clip carry, slot by slot."""
    frames = cache.open_frames()[row, : int(cache.frame_counts[row])].read().result()
    seen = [read(frame.transpose(1, 2, 0)) for frame in frames]
    return [None if each is None else each.number for each in seen]


def run(tmp_path: Path, **options: Any) -> CropCache:
    workspace = tmp_path / "work"
    run_all(workspace, tmp_path / "data", run=ONE_PROCESS, **{"size": SIZE, "policy": "full", **options})
    return CropCache(Workspace(workspace).cache(f"{options.get('policy', 'full')}-{SIZE}"))


def notes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> str:
    capfd.readouterr()
    assert mocrop("status", "--notes", "--workspace", tmp_path / "work") == 0
    return capfd.readouterr().out


@pytest.mark.parametrize("source", ["original", "auto"])
@pytest.mark.parametrize("name", VIDEOS)
def test_stored_frames_are_those_of_the_windows(
    name: str, source: str, make_numbered: MakeVideo, tmp_path: Path
) -> None:
    """60 frames: windows of 10 in the middle of each 20; of all codecs, with B-frames and with uneven times."""
    make_numbered(name, **VIDEOS[name])
    cache = run(tmp_path, source=source, **DENSE)
    wanted = [5, 8, 11, 14, 25, 28, 31, 34, 45, 48, 51, 54]
    assert cache.window.tolist() == [[5, 25, 45]]
    assert cache.frame_index.tolist() == [wanted]
    assert stored_numbers(cache, 0) == wanted
    assert cache.window_slots.tolist() == [[[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]]


def test_windows_of_transcoded_files(make_numbered: MakeVideo, tmp_path: Path) -> None:
    make_numbered("a.mp4", **VIDEOS["uneven.mp4"])
    cache = run(tmp_path, source="h264", **DENSE)
    assert stored_numbers(cache, 0) == cache.frame_index[0].tolist()


@pytest.mark.parametrize(
    ("frames", "starts", "numbers", "reason"),
    [
        (60, [5, 25, 45], [5, 8, 11, 14, 25, 28, 31, 34, 45, 48, 51, 54], None),
        (11, [0, 1, -1], [0, 1, 3, 4, 6, 7, 9, 10], Reason.FEW_WINDOWS),
        (10, [0, -1, -1], [0, 3, 6, 9], Reason.FEW_WINDOWS),
        (8, [0, -1, -1], [0, 3, 6, 7], Reason.WINDOW_PADDED),
        (2, [0, -1, -1], [0, 1], Reason.WINDOW_PADDED),
    ],
)
def test_short_clips_have_fewer_windows_or_one_that_is_padded(
    frames: int,
    starts: list[int],
    numbers: list[int],
    reason: Reason | None,
    make_numbered: MakeVideo,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    make_numbered("a.mp4", frames=frames, codec="libx264")
    cache = run(tmp_path, source="original", **DENSE)
    assert cache.window.tolist() == [starts]
    assert stored_numbers(cache, 0) == numbers
    said = notes(tmp_path, capfd)
    for each in (Reason.FEW_WINDOWS, Reason.WINDOW_PADDED):
        assert (each in said) is (each == reason)


def test_command_stores_windows_and_refuses_their_options_without_them(
    make_numbered: MakeVideo, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make_numbered("a.mp4", codec="libx264")
    place = ("--workspace", tmp_path / "work", "--workers", "0")
    assert mocrop("run", tmp_path / "data", "--size", "48", "--policy", "full", "--source", "original", *place) == 0
    dense = ("--select", "dense", "--clips", "2", "--frames", "3", "--stride", "4", "--at", "even", "--name", "d")
    assert mocrop("precrop", "--size", "48", "--policy", "full", *dense, *place) == 0
    cache = CropCache(tmp_path / "work" / "caches" / "d.zarr")
    assert cache.frame_index.tolist() == [[10, 14, 18, 40, 44, 48]]
    capfd.readouterr()
    assert mocrop("precrop", "--clips", "2", "--name", "e", *place) == 1
    said = capfd.readouterr()
    assert "--clips: goes with --select dense" in said.err + said.out
    shutil.rmtree(tmp_path / "work")
    assert mocrop("init", tmp_path / "data", "--workspace", tmp_path / "work") == 0
    capfd.readouterr()
    by_motion = ("--size", "48", "--policy", "center", "--source", "original", "--select", "dense", "--at", "motion")
    assert mocrop("precrop", *by_motion, *place) == 1
    said = capfd.readouterr()
    assert "--at motion" in (said.err + said.out).partition("or crop without motion")[2]


def test_cache_goes_on_with_its_windows_and_refuses_others(make_numbered: MakeVideo, tmp_path: Path) -> None:
    make_numbered("a.mp4", codec="libx264")
    run(tmp_path, source="original", **DENSE)
    make_numbered("b.mp4", frames=40, codec="libx264")
    cache = run(tmp_path, source="original", frames=None)
    assert cache.window.tolist() == [[5, 25, 45], [1, 15, 28]]
    assert stored_numbers(cache, 1) == cache.frame_index[1].tolist()
    with pytest.raises(Exception, match="stride: 3 there, 2 asked"):
        run(tmp_path, source="original", stride=2)
    with pytest.raises(Exception, match="select: dense there, uniform asked"):
        run(tmp_path, source="original", select="uniform")
    with pytest.raises(SettingsError, match="--stride: goes with --select dense"):
        run(tmp_path, source="original", select="uniform", stride=3)


def burst() -> list[npt.NDArray[np.uint8]]:
    """60 numbered pictures; a square below the numbers rests, and moves in the frames of LATE alone."""
    pictures, left = [], 0
    square = np.random.default_rng(1).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    for number in range(60):
        left += 8 if number in LATE else 0
        picture = draw(0, width=160, height=120)
        picture[76:108, left : left + 32] = square
        pictures.append(picture)
    return pictures


def test_windows_are_where_the_motion_is(make_video: MakeVideo, tmp_path: Path) -> None:
    """The square moves in frames 40 to 54: a window of 10 frames there holds the most, one before it the second."""
    make_video(tmp_path / "data/Dig/a.mp4", frames=burst(), size=(160, 120), codec="libx264")
    cache = run(tmp_path, at="motion", **{**DENSE, "clips": 2})
    first, second = cache.window[0].tolist()
    assert second - first >= 10
    covered = {*range(first, first + 10), *range(second, second + 10)}
    assert set(LATE) <= covered


def test_a_clip_without_motion_has_even_windows_and_a_note(
    make_video: MakeVideo, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make_video(tmp_path / "data/Dig/a.avi", frames=burst()[:1] * 60, size=(160, 120))
    cache = run(tmp_path, source="original", at="motion", **DENSE)
    assert cache.window.tolist() == [[5, 25, 45]]
    assert Reason.EVEN_WINDOWS in notes(tmp_path, capfd)


def test_boxes_follow_motion_fields_and_padding_go_with_the_frames_of_windows(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    make_video(tmp_path / "data/Dig/a.mp4", frames=burst(), size=(160, 120), codec="libx264")
    options = {**DENSE, "policy": "follow", "fit": "pad", "motion_fields": True, "field_side": 8, "at": "motion"}
    cache = run(tmp_path, **options)
    used = int(cache.frame_counts[0])
    boxes, fields = cache.slot_box[0, :used], cache.open_stream("motion")[0, :used].read().result()
    motion = MotionReader(Workspace(tmp_path / "work").motion).read(0)
    assert motion is not None
    numbers = cache.frame_index[0, :used].tolist()
    facts = ClipFacts(name="Dig/a", size=(160, 120), motion=motion, slots=numbers)
    expected = [box.in_float32() for box in follow_boxes(facts, FollowSettings()).slot_boxes]
    assert boxes.tolist() == [list(box.edges) for box in expected]
    contents = [tuple(edges) for edges in np.rint(cache.content[0, :used] * SIZE).astype(int).tolist()]
    how = MotionFieldSettings(side=8)
    made = dense_motion(motion, numbers, boxes=expected, size=SIZE, settings=how, contents=contents, ahead=3)
    assert np.array_equal(fields, made)
    assert len({tuple(box) for box in boxes.tolist()}) > 1


@pytest.mark.parametrize("name", ["h264.mp4", "h264-closed.mp4", "h264-open.mkv", "mpeg4.avi"])
def test_gaps_between_windows_and_what_is_behind_the_last_are_not_decoded(
    name: str, make_numbered: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Key frames every 12 frames; windows of 4 frames from 13 and from 43 on: frames 12 to 16, and 36 to 46.

    With B-frames up to three packets more, whose pictures are shown later, come before the last one.
    """
    path, sent = make_numbered(name, **VIDEOS[name]), 0
    decode = frames_module.decoded

    def counted(video: OpenVideo, packet: VideoPacket | None) -> list[VideoFrame] | None:
        nonlocal sent
        sent += packet is not None
        return decode(video, packet)

    monkeypatch.setattr(frames_module, "decoded", counted)
    dense = {"select": "dense", "clips": 2, "frames": 4, "stride": 1}
    settings = PrecropSettings(name="a", size=SIZE, policy="full", policy_settings=PolicySettings(), **dense)
    cropper = Cropper(size=SIZE, fit="squash")
    crops = crop_file(path, settings, cropper, clip="a", motion=None, own=True, log=ClipLog(0))
    assert crops.windows == [13, 43]
    assert 5 + 11 <= sent <= 5 + 11 + (0 if name in ("h264.mp4", "mpeg4.avi") else 2 * 3)


@pytest.mark.parametrize("at", ["even", "motion"])
@pytest.mark.parametrize("policy", ["center", "follow"])
def test_a_file_without_a_workspace_is_read_as_the_cache_has_it(
    at: str, policy: str, make_video: MakeVideo, tmp_path: Path
) -> None:
    path = make_video(tmp_path / "data/Dig/a.mp4", frames=burst(), size=(160, 120), codec="libx264")
    cache = run(tmp_path, at=at, policy=policy, motion_fields=True, fit="pad", **DENSE)
    stages = {name: stage["settings"] for name, stage in cache.attributes["stages"].items()}
    described = {"name": "x", "settings": cache.attributes["settings"], "stages": stages}
    reading = reading_settings(described)
    assert reading is not None
    crops = read_file(path, reading, clip="Dig/a", log=ClipLog(0)).crops
    used = int(cache.frame_counts[0])
    assert crops.numbers == cache.frame_index[0, :used].tolist()
    assert crops.windows == cache.window[0].tolist()
    assert np.array_equal(crops.frames, cache.open_frames()[0, :used].read().result())
    assert np.array_equal(crops.fields, cache.open_stream("motion")[0, :used].read().result())
    # and one window of time that is longer than the video gives the same
    crop = dataclasses.replace(reading.crop, max_damaged=1.0)
    with readable_form(path, reading, clip="Dig/a", log=ClipLog(0)) as file:
        windows = WindowSettings(seconds=1000)
        (window,) = read_window_crops(file, crop, windows, clip="Dig/a", own=False, log=ClipLog(0))
    assert window.crops is not None
    assert window.crops.windows == crops.windows
    assert np.array_equal(window.crops.frames, crops.frames)
    assert np.array_equal(window.crops.fields, crops.fields)


def test_windows_of_time_have_windows_of_frames_of_their_own(make_numbered: MakeVideo) -> None:
    """60 frames at 25 a second in windows of 0.8 s: 20 frames each, in which one of 10 is in the middle."""
    path = make_numbered("a.mp4", codec="libx264")
    dense = {**DENSE, "clips": 1}
    settings = PrecropSettings(name="a", size=SIZE, policy="full", policy_settings=PolicySettings(), **dense)
    cut = WindowSettings(seconds=0.8, stride_seconds=0.8)
    found = list(read_window_crops(path, settings, cut, clip="a", own=True, log=ClipLog(0)))
    assert len(found) == 3
    for number, window in enumerate(found):
        assert window.crops is not None
        assert window.crops.windows == [5]
        seen = [read(frame.transpose(1, 2, 0)) for frame in window.crops.frames]
        assert [each and each.number for each in seen] == [20 * number + n for n in (5, 8, 11, 14)]


def test_segments_have_windows_of_their_own_frames(make_numbered: MakeVideo, tmp_path: Path) -> None:
    """Segments of frames 10 to 39 and of 30 to 49, in each of which frames count from 0."""
    make_numbered("a.mp4", codec="libx264")
    lists = tmp_path / "own.csv"
    lists.write_text("path,label,subset,start,end\nDig/a.mp4,Dig,train,0.4,1.6\nDig/a.mp4,Run,test,1.2,2.0\n")
    run_all(tmp_path / "work", tmp_path / "data", splits=lists, size=SIZE, policy="full", run=ONE_PROCESS, **DENSE)
    cache = CropCache(tmp_path / f"work/caches/full-{SIZE}.zarr")
    assert cache.window.tolist() == [[0, 10, 20], [0, 5, 10]]
    for row, first in enumerate((10, 30)):
        used = cache.frame_index[row, : cache.frame_counts[row]]
        assert stored_numbers(cache, row) == [first + number for number in used.tolist()]


@pytest.mark.parametrize("harm", ["window/c/0/0", "frames/c/0/0/0/0/0", "zarr.json", "window/zarr.json", None])
def test_damage_is_noticed_and_mended_to_the_same_bytes(
    harm: str | None, make_numbered: MakeVideo, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make_numbered("a.mp4", codec="libx264")
    make_numbered("b.mp4", frames=7, codec="libx264")
    path = run(tmp_path, source="original", **DENSE).path
    before = contents(path)
    if harm is None:
        shutil.rmtree(path / "window/c")
    else:
        flip(path / harm)
    place = ("--workspace", tmp_path / "work")
    assert mocrop("verify", *place) == 3
    capfd.readouterr()
    mocrop("verify", "--repair", *place)
    mocrop("precrop", "--name", path.stem, "--workers", "0", *place)
    assert mocrop("verify", *place) == 0
    assert contents(path) == before


def flip(file: Path) -> None:
    changed = bytearray(file.read_bytes())
    changed[len(changed) // 2] ^= 0xFF
    file.write_bytes(changed)


def contents(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def test_shards_of_windows_stay_below_64_mib() -> None:
    """64 slots of 3 x 192 x 192 bytes take 6.75 MiB: 9 clips."""
    settings = PrecropSettings(name="a", size=192, select="dense")
    assert (settings.slots, settings.clips_per_shard) == (64, 9)
    assert settings.layout.frames == 64


@pytest.mark.real
def test_windows_of_real_clips_are_frames_of_a_plain_decode(real_clips: Path, tmp_path: Path) -> None:
    """With B-frames packed into AVI, and packets that show nothing: every stored frame is that of a plain decode."""
    names = ("Surfing/v_Surfing_g01_c01", "Archery/v_Archery_g05_c01", "HorseRace/v_HorseRace_g20_c01")
    dense = {"select": "dense", "clips": 3, "frames": 8, "stride": 2}
    settings = PrecropSettings(name="a", size=SIZE, policy="full", policy_settings=PolicySettings(), **dense)
    every = dataclasses.replace(settings, select="uniform", frames=10_000)
    for name in names:
        path = real_clips / "videos" / f"{name}.avi"
        cropper = Cropper(size=SIZE, fit="squash")
        whole = crop_file(path, every, cropper, clip=name, motion=None, own=True, log=ClipLog(0))
        assert whole.numbers == list(range(len(whole.frames)))
        crops = crop_file(path, settings, cropper, clip=name, motion=None, own=True, log=ClipLog(0))
        assert crops.windows == even_starts(len(whole.frames), DenseWindows(windows=3, frames=8, stride=2))
        assert np.array_equal(crops.frames, whole.frames[crops.numbers])
