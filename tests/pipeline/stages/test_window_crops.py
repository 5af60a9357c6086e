"""Crops of windows: where there is one, those of the clip as a whole, otherwise those of a slow independent way."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from mocrop.pipeline.cache.layout import ClipState
from mocrop.pipeline.cache.slots import chosen_frames
from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.fields import MotionFieldSettings
from mocrop.pipeline.motion.vectors import read_motion
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.policies.base import ClipFacts
from mocrop.pipeline.policies.registry import POLICIES, decide
from mocrop.pipeline.stages import held_frames
from mocrop.pipeline.stages.clip_crops import ClipCrops, crop_file
from mocrop.pipeline.stages.held_frames import HeldFrames
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.transcode import write_h264
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.stages.window_crops import WindowCrops, read_window_crops
from mocrop.pipeline.stages.windows import WindowSettings
from mocrop.pipeline.video.cropper import Cropper
from mocrop.pipeline.video.decoder import PlainDecode
from tests.conftest import moving_square

MakeVideo = Callable[..., Path]
CASES: list[tuple[str, dict[str, Any]]] = [
    ("full", {}),
    ("center", {}),
    ("random", {}),
    ("motion", {}),
    ("motion", {"camera": "compensate"}),
    ("motion-v2", {}),
    ("adaptive", {}),
    ("adaptive", {"bars": "cut"}),
    ("follow", {}),
    ("picture", {}),
]
named = pytest.mark.parametrize(("policy", "values"), CASES, ids=lambda case: str(case))
CABAC = {"x264-params": "scenecut=0:bframes=0:ref=1:threads=1"}
WITH_B = {"x264-params": "scenecut=0:bframes=2:b-adapt=0:threads=1"}
OPEN_ENDED = WindowSettings(seconds=10_000)


def how_of(policy: str = "motion", values: dict[str, Any] | None = None, **settings: Any) -> PrecropSettings:
    defaults: dict[str, Any] = {"name": "c", "size": 32, "source": "original", "frames": 4}
    chosen = POLICIES[policy].settings(**(values or {}))
    return PrecropSettings(**{**defaults, **settings}, policy=policy, policy_settings=chosen)


def windows_of(
    path: Path, how: PrecropSettings, windows: WindowSettings = OPEN_ENDED, *, log: ClipLog | None = None, **more: Any
) -> list[WindowCrops]:
    return list(read_window_crops(path, how, windows, clip="A/c", own=True, log=log or ClipLog(0), **more))


def whole_clip(path: Path, how: PrecropSettings, log: ClipLog) -> ClipCrops:
    """As the stages of the pipeline do it."""
    motion = read_motion(path, clip="A/c", log=log) if how.needs_motion else None
    return crop_file(path, how, Cropper(size=how.size, fit=how.fit), clip="A/c", motion=motion, own=True, log=log)


def assert_same(one: ClipCrops | None, other: ClipCrops) -> None:
    assert one is not None
    assert one.numbers == other.numbers
    assert (one.box, one.boxes, one.picture, one.state) == (other.box, other.boxes, other.picture, other.state)
    for name in ("frames", "density", "content", "fields"):
        ours, theirs = getattr(one, name), getattr(other, name)
        assert (ours is None) == (theirs is None)
        assert ours is None or (ours.dtype == theirs.dtype and np.array_equal(ours, theirs)), name


def barred(count: int) -> list[Any]:
    """A moving square between black bars at the left and at the right."""
    frames = moving_square(count, width=96, height=64)
    return [np.pad(np.maximum(frame, 40), ((0, 0), (32, 32), (0, 0))) for frame in frames]


@named
@pytest.mark.parametrize("select", ["keyframes", "uniform"])
def test_a_window_longer_than_the_video_gives_what_the_clip_gives(
    make_video: MakeVideo, tmp_path: Path, policy: str, values: dict[str, Any], select: str
) -> None:
    path = make_video(tmp_path / "c.mp4", frames=barred(60), codec="libx264", options=CABAC)
    how, log = how_of(policy, values, select=select), ClipLog(0)
    whole = whole_clip(path, how, log)
    (window,) = windows_of(path, how)
    assert_same(window.crops, whole)
    assert window.window.frames == range(60)
    assert (window.window.start, window.window.end) == (0, Fraction(60, 25))
    assert set(window.reasons) <= set(log.reasons)


@pytest.mark.real
@named
def test_real_clips_give_the_same_as_one_window(real_clips: Path, policy: str, values: dict[str, Any]) -> None:
    for path in sorted(real_clips.rglob("*.avi"))[::60]:
        how = how_of(policy, values, frames=16)
        assert_same(windows_of(path, how)[0].crops, whole_clip(path, how, ClipLog(0)))


@pytest.mark.parametrize("options", [CABAC, WITH_B], ids=["no-b", "with-b"])
def test_motion_fields_of_one_window_are_those_of_the_clip(
    make_video: MakeVideo, tmp_path: Path, options: dict[str, str]
) -> None:
    path = make_video(tmp_path / "c.mp4", frames=40, size=(96, 64), codec="libx264", options=options)
    how = how_of(motion_fields=MotionFieldSettings(side=8, camera="compensate"), fit="pad")
    assert_same(windows_of(path, how)[0].crops, whole_clip(path, how, ClipLog(0)))


def slowly(path: Path, how: PrecropSettings, frames: range) -> ClipCrops:
    """The crops of a span: all of the file decoded by PyAV alone, and the motion of all of it cut to the span."""
    settings = how
    with av.open(path) as container:
        container.streams.video[0].codec_context.thread_count = 1
        pictures = list(container.decode(video=0))[frames.start : frames.stop]
    keys = [number for number, picture in enumerate(pictures) if picture.key_frame]
    select = settings.select if keys else "uniform"
    numbers = chosen_frames(select, key_frames=keys, frames=len(frames), slots=settings.frames)
    motion: ClipMotion | None = None
    if settings.needs_motion:
        motion = read_motion(path, clip="A/c", log=ClipLog(0)).of_frames(frames)
    facts = ClipFacts(name="A/c", size=(pictures[0].width, pictures[0].height), motion=motion, slots=numbers)
    result = decide(settings.policy, facts, settings.policy_settings)
    boxes = tuple(box.in_float32() for box in result.boxes(len(numbers)))
    stored = np.empty((len(numbers), 3, settings.size, settings.size), np.uint8)
    for place, number in enumerate(numbers):
        Cropper(size=settings.size).crop(pictures[number], stored[place], box=boxes[place])
    return ClipCrops(
        frames=stored,
        numbers=numbers,
        box=result.box.in_float32(),
        boxes=boxes,
        picture=result.picture.in_float32(),
        density=result.density,
        content=np.tile(np.array([0, 0, 1, 1], np.float32), (len(numbers), 1)),
        state=ClipState.CROPPED if result.usable else ClipState.WHOLE_FRAME,
        fields=None,
    )


SPANS = {  # seconds of a window and of a stride, and the frames that windows of a video of 2.4 s then have, 25 a second
    (1.0, 0.5): [range(0, 25), range(13, 38), range(25, 50), range(38, 60)],
    (0.8, 0.8): [range(0, 20), range(20, 40), range(40, 60)],
    (0.4, 0.9): [range(0, 10), range(23, 33), range(45, 55)],
}


@pytest.mark.parametrize("policy", ["motion", "motion-v2", "adaptive", "follow", "center"])
@pytest.mark.parametrize("select", ["keyframes", "uniform"])
@pytest.mark.parametrize("options", [CABAC, WITH_B], ids=["no-b", "with-b"])
def test_windows_are_what_a_slow_independent_way_cuts_out(
    make_video: MakeVideo, tmp_path: Path, policy: str, select: str, options: dict[str, str]
) -> None:
    frames = moving_square(60, width=96, height=64)
    path = make_video(tmp_path / "c.mp4", frames=frames, codec="libx264", options=options)
    how = how_of(policy, select=select)
    for (seconds, stride), spans in SPANS.items():
        found = windows_of(path, how, WindowSettings(seconds=seconds, stride_seconds=stride))
        assert [each.window.frames for each in found] == spans
        for each in found:
            assert_same(each.crops, slowly(path, how, each.window.frames))


@pytest.mark.real
@pytest.mark.parametrize("policy", ["motion", "follow"])
def test_windows_of_real_clips_are_what_a_slow_independent_way_cuts_out(real_clips: Path, policy: str) -> None:
    for path in sorted(real_clips.rglob("*.avi"))[::100]:
        how = how_of(policy, select="uniform")
        for each in windows_of(path, how, WindowSettings(seconds=2, stride_seconds=1)):
            assert_same(each.crops, slowly(path, how, each.window.frames))


def test_boxes_of_windows_follow_what_moves(make_video: MakeVideo, tmp_path: Path) -> None:
    ground = np.random.default_rng(0).integers(0, 60, (96, 192, 3), dtype=np.uint8)
    square = np.random.default_rng(1).integers(120, 255, (24, 24, 3), dtype=np.uint8)
    frames = [ground.copy() for _ in range(50)]
    for number, frame in enumerate(frames):  # moves at the left in the first second, at the right in the second one
        left = 8 + number if number < 25 else 93 + number
        frame[36:60, left : left + 24] = square
    path = make_video(tmp_path / "c.mp4", frames=frames, codec="libx264", options=CABAC)
    how = how_of("motion", {"ratio": 0.25, "grid": (4, 4)})
    first, second = windows_of(path, how, WindowSettings(seconds=1, stride_seconds=1))
    assert first.crops is not None
    assert second.crops is not None
    assert first.crops.box.right <= 0.5 <= second.crops.box.left


def test_a_video_is_decoded_once(make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "c.mp4", frames=100, codec="libx264", options=CABAC)
    opened, decoded = [], []
    real_open, real_frames = av.open, PlainDecode.frames

    def counting(self: PlainDecode, **how: Any) -> Iterator[VideoFrame]:
        for frame in real_frames(self, **how):
            decoded.append(frame.pts)
            yield frame

    monkeypatch.setattr(av, "open", lambda *args, **how: opened.append(args) or real_open(*args, **how))
    monkeypatch.setattr(PlainDecode, "frames", counting)
    assert len(windows_of(path, how_of(), WindowSettings(seconds=1, stride_seconds=0.5))) == 7
    assert len(opened) == 1
    assert len(decoded) == len(set(decoded)) == 100


@pytest.mark.parametrize(("select", "most"), [("keyframes", 24), ("uniform", 25)])
def test_no_more_frames_are_held_than_a_window_needs(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, select: str, most: int
) -> None:
    held: list[HeldFrames] = []
    real_init = HeldFrames.__init__

    def kept(self: HeldFrames, **how: Any) -> None:
        real_init(self, **how)
        held.append(self)

    monkeypatch.setattr(HeldFrames, "__init__", kept)
    for count in (100, 400):
        path = make_video(tmp_path / f"{count}.mp4", frames=count, codec="libx264", options=CABAC)
        windows_of(path, how_of(select=select), WindowSettings(seconds=1, stride_seconds=0.5))
    assert held[0].most == held[1].most <= most


def test_pictures_that_do_not_fit_into_memory_end_the_file_after_the_windows_before(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(tmp_path / "c.mp4", frames=100, codec="libx264", options=CABAC)
    with av.open(path) as container:
        picture = next(container.decode(video=0))
        monkeypatch.setattr(held_frames, "MOST_BYTES", 30 * sum(plane.buffer_size for plane in picture.planes))
    assert len(windows_of(path, how_of(select="uniform"), WindowSettings(seconds=1, stride_seconds=1))) == 4
    with pytest.raises(ClipError, match=r"A/c: the 31 pictures of 64x48 .* pass a shorter --window") as caught:
        windows_of(path, how_of(select="uniform"), WindowSettings(seconds=2, stride_seconds=1))
    assert caught.value.reason == Reason.WINDOW_TOO_LARGE


def test_a_window_without_key_frames_takes_evenly_spaced_frames_and_says_so(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    path = make_video(tmp_path / "c.mp4", frames=50, codec="libx264", options=CABAC, key_interval=100)
    first, second = windows_of(path, how_of(), WindowSettings(seconds=1, stride_seconds=1))
    assert first.crops is not None
    assert second.crops is not None
    assert first.crops.numbers == [0]
    assert Reason.FEW_KEY_FRAMES in first.reasons
    assert second.crops.numbers == [3, 9, 15, 21]
    assert second.reasons == (Reason.NO_KEY_FRAMES,)
    assert second.message == "it has no key frame to start from; evenly spaced frames were taken"


def test_a_video_of_one_frame_is_one_window(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "c.mp4", frames=1, codec="libx264", options=CABAC)
    how, log = how_of(), ClipLog(0)
    (window,) = windows_of(path, how, WindowSettings(seconds=2))
    assert_same(window.crops, whole_clip(path, how, log))
    assert window.reasons == tuple(log.reasons)
    assert Reason.ONE_FRAME in window.reasons


def test_a_video_without_times_is_cut_by_its_rate(make_video: MakeVideo, tmp_path: Path) -> None:
    made = make_video(tmp_path / "c.mp4", frames=100, codec="libx264", options=CABAC)
    bare = tmp_path / "c.h264"
    with av.open(made) as source, bare.open("wb") as file:
        filtered = av.bitstream.BitStreamFilterContext("h264_mp4toannexb", source.streams.video[0])
        for packet in itertools.chain(source.demux(video=0), [None]):
            for each in filtered.filter(packet):
                file.write(bytes(each))
    found = windows_of(bare, how_of(), WindowSettings(seconds=2, stride_seconds=1))
    assert [each.window.frames for each in found] == [range(0, 50), range(25, 75), range(50, 100)]
    assert all(Reason.TIMES_BY_RATE in each.reasons for each in found)


def test_frames_at_irregular_times_are_cut_by_their_times(make_video: MakeVideo, tmp_path: Path) -> None:
    pts = [*range(25), *range(25, 75, 5), 200, 201]  # a second of 25 frames, two of 5, five without, and two frames
    path = make_video(tmp_path / "c.mkv", frames=len(pts), codec="libx264", options=CABAC, pts=pts)
    found = windows_of(path, how_of(), WindowSettings(seconds=1, stride_seconds=1))
    assert [(float(each.window.start), each.window.frames) for each in found] == [
        (0, range(0, 25)),
        (1, range(25, 30)),
        (2, range(30, 35)),
        (8, range(35, 37)),
    ]
    assert [each.windows_without_frames for each in found] == [0, 0, 5, 5]


def test_times_from_elsewhere_are_taken_where_they_are_given(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "c.mp4", frames=30, codec="libx264", options=CABAC)
    times = [Fraction(number, 10) for number in range(30)]
    found = windows_of(path, how_of(), WindowSettings(seconds=1, stride_seconds=1), times=times)
    assert [each.window.frames for each in found] == [range(0, 10), range(10, 20), range(20, 30)]
    assert found[-1].window.end == 3


def damage(path: Path, packets: Sequence[int]) -> None:
    """Overwrite the middle of some packets of an MP4 file."""
    with av.open(path) as container:
        places = [(each.pos, each.size) for each in container.demux(video=0) if each.size]
    data = bytearray(path.read_bytes())
    for number in packets:
        start, size = places[number]
        data[start + size // 4 : start + size] = bytes(size - size // 4)
    path.write_bytes(data)


def test_a_broken_stretch_costs_its_windows_and_no_others(make_video: MakeVideo, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 48, 64, 3), dtype=np.uint8)
    path = make_video(tmp_path / "c.mp4", frames=list(noise), codec="libx264", options=CABAC)
    sound = windows_of(path, how_of(), WindowSettings(seconds=1, stride_seconds=1))
    damage(path, range(50, 72))
    found = windows_of(path, how_of(), WindowSettings(seconds=1, stride_seconds=1))
    assert [each.crops is None for each in found] == [False, False, True, False]
    assert found[2].reasons[0] == Reason.DAMAGED
    assert "that is more than 25%" in found[2].message
    for number in (0, 1, 3):
        expected = sound[number].crops
        assert expected is not None
        assert_same(found[number].crops, expected)


def test_a_file_that_is_cut_off_gives_the_windows_before_and_then_its_reason(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 48, 64, 3), dtype=np.uint8)
    path = make_video(tmp_path / "c.avi", frames=list(noise), codec="mpeg4")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    windows = read_window_crops(
        path, how_of(), WindowSettings(seconds=1, stride_seconds=1), clip="A/c", own=True, log=ClipLog(0)
    )
    assert [next(windows).window.frames for _ in range(2)] == [range(0, 25), range(25, 50)]
    with pytest.raises(ClipError, match="A/c: ") as caught:
        next(windows)
    assert caught.value.reason == Reason.TRUNCATED


def test_windows_after_a_change_of_size_have_the_new_one(make_video: MakeVideo, tmp_path: Path) -> None:
    parts = [
        make_video(tmp_path / f"{width}.h264", frames=25, size=(width, 48), codec="libx264", options=CABAC)
        for width in (64, 128)
    ]
    path = tmp_path / "c.h264"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    windows = WindowSettings(seconds=1, stride_seconds=1)
    found = windows_of(path, how_of(), windows)
    for window, part in zip(found, parts, strict=True):
        (alone,) = windows_of(part, how_of(), windows)
        assert alone.crops is not None
        assert_same(window.crops, alone.crops)


def test_a_codec_without_vectors_is_refused(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "c.webm", frames=30, codec="libvpx")
    with pytest.raises(ClipError) as caught:
        windows_of(path, how_of("motion"))
    assert caught.value.reason == Reason.NO_MOTION_VECTORS
    assert len(windows_of(path, how_of("center"), WindowSettings(seconds=0.4, stride_seconds=0.4))) == 3


@pytest.mark.real
def test_bars_of_one_window_are_those_of_the_clip(real_clips: Path, tmp_path: Path) -> None:
    """Of this clip, smoothing moves the lower bar by three lines."""
    path = tmp_path / "c.mp4"
    source = real_clips / "videos/BasketballDunk/v_BasketballDunk_g04_c01.avi"
    write_h264(source, path, TranscodeSettings(), clip="c", log=ClipLog(0))
    for how in (how_of("picture"), how_of("center", {"bars": "cut"}), how_of("adaptive", {"bars": "cut"})):
        whole = whole_clip(path, how, ClipLog(0))
        assert_same(windows_of(path, how)[0].crops, whole)
        assert whole.picture.bottom < 1


def test_packets_that_the_decoder_refuses_count_in_their_window(make_video: MakeVideo, tmp_path: Path) -> None:
    """No frame comes of them, so without them the few frames that are left would pass for sound."""
    noise = np.random.default_rng(0).integers(0, 256, (100, 48, 64, 3), dtype=np.uint8)
    path = make_video(tmp_path / "c.mp4", frames=list(noise), codec="libx264", options=CABAC)
    with av.open(path) as container:
        places = [(each.pos, each.size) for each in container.demux(video=0) if each.size]
    data = bytearray(path.read_bytes())
    for start, size in places[51:71]:
        data[start + 4 : start + size] = b"\x41" + bytes(size - 5)
    path.write_bytes(data)
    found = windows_of(path, how_of(), WindowSettings(seconds=1, stride_seconds=1))
    assert [each.crops is None for each in found] == [False, False, True, False]
    assert found[2].reasons[0] == Reason.DAMAGED
