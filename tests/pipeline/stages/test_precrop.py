"""The stage precrop: stored frames against an independent decode, outcomes of every kind of bad input, same bytes."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
import zarr

from mocrop.pipeline.cache.create import create_cache
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import ClipTable, shard_file
from mocrop.pipeline.cache.writer import CacheWriter
from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.errors import CacheError, DiskFullError, LackingMotionError, Reason
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.fields import MotionFieldSettings, dense_motion
from mocrop.pipeline.motion.store_writer import MotionRow, write_shard
from mocrop.pipeline.outcome import ClipTask, Outcome
from mocrop.pipeline.policies.controls import CenterSettings
from mocrop.pipeline.policies.follow import FollowSettings
from mocrop.pipeline.policies.motion_v1 import MotionSettings
from mocrop.pipeline.policies.registry import POLICIES
from mocrop.pipeline.settings import settings_hash
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.extract_mv import ExtractSettings, extract_unit
from mocrop.pipeline.stages.precrop import precrop_unit
from mocrop.pipeline.stages.precrop_settings import PrecropSettings, fitting_clips_per_shard
from mocrop.pipeline.video.cropper import PADDING
from mocrop.pipeline.video.orientation import Orientation
from mocrop.pipeline.workspace.paths import Workspace

MakeVideo = Callable[..., Path]
MakeMotion = Callable[..., ClipMotion]
TextbookCrop = Callable[..., npt.NDArray[np.float64]]
SIZE = 32


def settings_of(policy: str = "center", **values: Any) -> PrecropSettings:
    defaults = {"name": "c", "size": SIZE, "source": "original", "frames": 4}
    return PrecropSettings(**{**defaults, **values}, policy=policy, policy_settings=POLICIES[policy].settings())


def tasks_of(paths: Sequence[Path]) -> tuple[ClipTask, ...]:
    return tuple(ClipTask(position=n, name=f"A/{n}", path=str(path)) for n, path in enumerate(paths))


def new_cache(workspace: Path, settings: PrecropSettings, *, clips: int) -> Path:
    path = Workspace(workspace).cache(settings.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(path, ignore_errors=True)
    zeros = np.zeros(clips, np.int32)
    table = ClipTable(
        names=[f"A/{n}" for n in range(clips)],
        label=zeros,
        group=zeros,
        subset=np.ones((clips, 1), np.uint8),
        class_names=["A"],
        split_names=["1"],
    )
    create_cache(path, settings.layout, table, attributes={})
    return path


def precrop(tasks: Sequence[ClipTask], settings: PrecropSettings, workspace: Path) -> tuple[list[Outcome], CropCache]:
    """Crop all tasks into a new cache, shard by shard."""
    path = new_cache(workspace, settings, clips=len(tasks))
    step = settings.clips_per_shard
    units = [WorkUnit(index=n // step, clips=tuple(tasks[n : n + step])) for n in range(0, len(tasks), step)]
    outcomes = [outcome for unit in units for outcome in precrop_unit(unit, settings, str(workspace))]
    return outcomes, CropCache(path)


def luma_and_chroma(path: Path) -> list[list[npt.NDArray[np.uint8]]]:
    """Planes of every frame of a plain decode, which goes on after a packet that cannot be decoded."""
    frames: list[av.VideoFrame] = []
    with av.open(path) as container:
        for packet in container.demux(video=0):
            with contextlib.suppress(av.error.InvalidDataError):
                frames += packet.decode()
    return [
        [np.frombuffer(memoryview(p), np.uint8).reshape(p.height, -1)[:, : p.width].copy() for p in frame.planes]
        for frame in frames
    ]


def agrees_with_plain_decode(cache: CropCache, row: int, path: Path, textbook_crop: TextbookCrop) -> None:
    """Every stored frame, read with plain zarr, is the textbook's crop of the frame whose number is stored with it.

    swscale works in 15 bits and rounds each step, which costs 0.25 on average and 4 at the worst.
    """
    frames = zarr.open_group(cache.path, mode="r")["frames"]
    decoded = luma_and_chroma(path)
    height, width = decoded[0][0].shape
    assert cache.frame_counts[row] > 0
    for slot in range(cache.frame_counts[row]):
        left, top, right, bottom = cache.slot_box[row, slot].tolist()
        edges = (round(left * width), round(top * height), round(right * width), round(bottom * height))
        expected = textbook_crop(decoded[cache.frame_index[row, slot]], edges, size=cache.size)
        off = np.abs(frames[row, slot] - expected)
        assert off.mean() < 0.4
        assert off.max() < 5


@pytest.fixture
def clip(make_video: MakeVideo, tmp_path: Path) -> Path:
    """48 frames, key frames 0, 12, 24, 36."""
    return make_video(tmp_path / "clip.avi", frames=48, size=(160, 120))


@pytest.mark.parametrize("select", ["keyframes", "uniform"])
@pytest.mark.parametrize("policy", ["full", "center", "random"])
def test_stored_frames_are_those_of_an_independent_decode(
    policy: str, select: str, clip: Path, tmp_path: Path, textbook_crop: TextbookCrop
) -> None:
    (outcome,), cache = precrop(tasks_of([clip]), settings_of(policy, select=select), tmp_path)
    assert outcome.status == "done"
    assert cache.frame_index[0].tolist() == ([0, 12, 24, 36] if select == "keyframes" else [6, 18, 30, 42])
    assert cache.state.tolist() == [1]
    agrees_with_plain_decode(cache, 0, clip, textbook_crop)


@pytest.mark.real
@pytest.mark.parametrize(("policy", "select"), [("center", "keyframes"), ("full", "uniform")])
def test_real_clips_are_stored_as_an_independent_decode_has_them(
    policy: str, select: str, real_clips: Path, tmp_path: Path, textbook_crop: TextbookCrop
) -> None:
    """The second has B-frames packed into AVI, the third packets that show nothing."""
    names = ("Surfing/v_Surfing_g01_c01", "Archery/v_Archery_g05_c01", "HorseRace/v_HorseRace_g20_c01")
    paths = [real_clips / "videos" / f"{name}.avi" for name in names]
    outcomes, cache = precrop(tasks_of(paths), settings_of(policy, select=select, size=192, frames=5), tmp_path)
    assert {outcome.status for outcome in outcomes} == {"done"}
    for row, path in enumerate(paths):
        agrees_with_plain_decode(cache, row, path, textbook_crop)


def test_transcoded_file_is_read_unless_the_original_is_asked_for(
    clip: Path, make_video: MakeVideo, tmp_path: Path
) -> None:
    make_video(Workspace(tmp_path).h264_file("A/0"), frames=12, codec="libx264")
    (task,) = tasks_of([clip])
    own = dataclasses.replace(task, own_file=True)
    short, whole = [0, -1, -1, -1], [0, 12, 24, 36]
    for source, each, index in (
        ("h264", task, short),
        ("original", task, whole),
        ("auto", task, short),
        ("auto", own, whole),
    ):
        (outcome,), cache = precrop([each], settings_of(source=source), tmp_path)
        assert cache.frame_index[0].tolist() == index
        assert (Reason.OWN_FILE_SERVES in outcome.reasons) == each.own_file


def lasting(motion: ClipMotion, frames: int) -> ClipMotion:
    """The same motion with frames added in which there is none."""

    def longer(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.concatenate([values, np.zeros((frames - len(values), *values.shape[1:]), values.dtype)])

    names = ("vectors_per_frame", "zero_vectors", "frame_type", "camera", "camera_support")
    values = {name: longer(getattr(motion, name)) for name in names}
    return dataclasses.replace(motion, **values, seconds=np.arange(frames) / 25)


def store_motion(workspace: Path, motions: Sequence[ClipMotion | None], *, frames: int = 48) -> None:
    """Store motions of clips that have so many frames."""
    motions = [motion and lasting(motion, frames) for motion in motions]
    rows = [MotionRow(position=n, clip=f"A/{n}", motion=motion) for n, motion in enumerate(motions)]
    Workspace(workspace).motion.mkdir(parents=True, exist_ok=True)
    write_shard(Workspace(workspace).motion, 0, rows, attributes={})


def test_motion_decides_the_box_and_its_map_is_stored(clip: Path, make_motion: MakeMotion, tmp_path: Path) -> None:
    right_side = make_motion([(x, y, 2, 0) for x in range(88, 320, 8) for y in range(8, 240, 8)])
    store_motion(tmp_path, [right_side])
    (outcome,), cache = precrop(tasks_of([clip]), settings_of("motion"), tmp_path)
    assert outcome.status == "done"
    assert cache.box.tolist() == [[0.25, 0, 1, 1]]
    assert cache.density[0].sum() == len(right_side.x)
    assert cache.state.tolist() == [1]


def test_the_box_that_is_cut_is_the_one_that_the_cache_keeps(
    make_video: MakeVideo, make_motion: MakeMotion, tmp_path: Path, textbook_crop: TextbookCrop
) -> None:
    """Of 150 columns a twelfth is 12.5, which goes to the even 12, but a twelfth in float32 is a little more: 13."""
    clip = make_video(tmp_path / "clip.avi", frames=48, size=(150, 120))
    moving = [(x, y, 2, 0) for x in range(30, 250, 10) for y in range(10, 240, 20)]  # columns 1 to 9 of 12
    store_motion(tmp_path, [make_motion(moving, size=(300, 240), block=8)])
    settings = dataclasses.replace(settings_of("motion"), policy_settings=MotionSettings(grid=(6, 12)))
    _, cache = precrop(tasks_of([clip]), settings, tmp_path)
    left, top, right, bottom = cache.box[0].tolist()
    assert (top, right, bottom) == (0, np.float32(10 / 12), 1)
    assert (round(1 / 12 * 150), left, round(left * 150)) == (12, np.float32(1 / 12), 13)
    agrees_with_plain_decode(cache, 0, clip, textbook_crop)


def crossing(make_motion: MakeMotion, *, frames: int = 48) -> ClipMotion:
    """Sixteen blocks a frame that move from the left edge of 160 pixels to the right one."""
    blocks = [(4 + 3 * n + 6 * (k % 4), 50 + 6 * (k // 4), 2, 0) for n in range(frames) for k in range(16)]
    return dataclasses.replace(
        make_motion(blocks, size=(160, 120), block=8),
        vectors_per_frame=np.full(frames, 16, np.int32),
        zero_vectors=np.zeros(frames, np.int32),
        frame_type=np.full(frames, 2, np.uint8),
        camera=np.zeros((frames, 6), np.float32),
        camera_support=np.zeros(frames, np.float32),
        seconds=np.arange(frames) / 25,
    )


def test_a_box_that_follows_is_cut_and_kept_slot_by_slot(
    clip: Path, make_video: MakeVideo, make_motion: MakeMotion, tmp_path: Path, textbook_crop: TextbookCrop
) -> None:
    """Four of six slots are used. Motion fields are those of the boxes, too."""
    store_motion(tmp_path, [crossing(make_motion)])
    follow = FollowSettings(ratio=0.25)
    settings = dataclasses.replace(settings_of("center", frames=6), policy="follow", policy_settings=follow)
    settings = dataclasses.replace(settings, motion_fields=MotionFieldSettings(side=8))
    (outcome,), cache = precrop(tasks_of([clip]), settings, tmp_path)
    assert outcome.status == "done", outcome.message
    boxes = cache.slot_box[0]
    lefts = boxes[:4, 0].tolist()
    assert sorted(set(lefts)) == lefts  # from left to right, no two alike
    assert not boxes[4:].any()
    assert cache.box[0] == pytest.approx(boxes[:4].mean(axis=0), abs=1e-6)
    assert cache.picture.tolist() == [[0, 0, 1, 1]]
    assert not (cache.path / "content").exists()
    agrees_with_plain_decode(cache, 0, clip, textbook_crop)
    edges = ("left", "top", "right", "bottom")
    drawn = dense_motion(
        lasting(crossing(make_motion), 48),
        cache.frame_index[0, :4].tolist(),
        boxes=[CropBox(**dict(zip(edges, box.tolist(), strict=True))) for box in boxes[:4]],
        size=SIZE,
        settings=MotionFieldSettings(side=8),
    )
    assert np.array_equal(zarr.open_group(cache.path, mode="r")["motion"][0, :4], drawn)


def test_static_policies_have_equal_rows_and_older_caches_read_alike(
    clip: Path, make_motion: MakeMotion, tmp_path: Path
) -> None:
    _, cache = precrop(tasks_of([clip]), settings_of("center", frames=6), tmp_path)
    assert cache.slot_box[0, :4].tolist() == [cache.box[0].tolist()] * 4
    assert not cache.slot_box[0, 4:].any()
    older = CropCache(cache.path)
    del older._arrays["slot_box"], older._arrays["picture"]
    assert np.array_equal(older.slot_box, cache.slot_box)
    assert np.array_equal(older.picture, cache.picture)


def test_padded_crops_say_what_is_padding(clip: Path, tmp_path: Path) -> None:
    """A centred crop of the frame's own shape, 80 x 60 of 160 x 120 pixels: 32 x 24 of 32 x 32."""
    settings = settings_of("center", fit="pad", frames=6)
    settings = dataclasses.replace(settings, policy_settings=CenterSettings(ratio=0.25, shape="frame"))
    (outcome,), cache = precrop(tasks_of([clip]), settings, tmp_path)
    assert outcome.status == "done"
    assert cache.content[0, :4].tolist() == [[0, 0.125, 1, 0.875]] * 4
    assert not cache.content[0, 4:].any()
    frames = cache.open_frames()[0, :4].read().result()
    assert (frames[:, :, :4].transpose(0, 2, 3, 1) == PADDING).all()
    assert not (frames[:, :, 4:28].transpose(0, 2, 3, 1) == PADDING).all(axis=-1).any(axis=-1).all()


def test_bars_that_are_cut_are_not_in_the_crop_and_the_density_spans_the_rest(
    clip: Path, make_motion: MakeMotion, tmp_path: Path, textbook_crop: TextbookCrop
) -> None:
    barred = dataclasses.replace(crossing(make_motion), picture=(0, 15, 160, 105))
    store_motion(tmp_path, [barred])
    center = dataclasses.replace(settings_of("center"), policy_settings=CenterSettings(bars="cut", shape="frame"))
    picture = settings_of("picture")
    for settings, box in ((center, [0.067, 0.175, 0.933, 0.825]), (picture, [0, 0.125, 1, 0.875])):
        (outcome,), cache = precrop(tasks_of([clip]), settings, tmp_path)
        assert outcome.status == "done", outcome.message
        assert cache.box[0].tolist() == pytest.approx(box, abs=1e-3)
        assert cache.picture.tolist() == [[0, 0.125, 1, 0.875]]
        agrees_with_plain_decode(cache, 0, clip, textbook_crop)


def test_policies_that_need_frame_times_or_bars_refuse_motion_of_an_older_mocrop(
    clip: Path, make_motion: MakeMotion, tmp_path: Path
) -> None:
    old = dataclasses.replace(lasting(crossing(make_motion), 48), seconds=None, picture=None)
    write_shard(Workspace(tmp_path).motion, 0, [MotionRow(position=0, clip="A/0", motion=old)], attributes={})
    for policy, what in (("follow", "times of frames"), ("picture", "black bars")):
        with pytest.raises(LackingMotionError, match=rf"A/0: .*{what}.*`mocrop extract-mv` again"):
            precrop(tasks_of([clip]), settings_of(policy), tmp_path)


def test_clips_without_usable_motion_are_stored_whole_in_state_2(
    clip: Path, make_motion: MakeMotion, tmp_path: Path
) -> None:
    """No vectors; and none that is half a pixel long."""
    store_motion(tmp_path, [make_motion([]), make_motion([(300, 20, 0.25, 0)])])
    outcomes, cache = precrop(tasks_of([clip] * 2), settings_of("motion"), tmp_path)
    assert [outcome.status for outcome in outcomes] == ["done"] * 2
    assert all(Reason.WHOLE_FRAME in outcome.reasons for outcome in outcomes)
    assert cache.state.tolist() == [2, 2]
    assert (cache.box == [0, 0, 1, 1]).all()
    assert cache.usable.all()


@pytest.mark.parametrize("fields", [False, True])
def test_a_clip_that_is_not_in_the_motion_store_fails(fields: bool, clip: Path, tmp_path: Path) -> None:
    """A whole frame, or fields of zeros, would pass for one of a clip in which nothing moves."""
    settings = settings_of("center" if fields else "motion")
    settings = dataclasses.replace(settings, motion_fields=MotionFieldSettings(side=8) if fields else None)
    store_motion(tmp_path, [None])
    (outcome,), cache = precrop(tasks_of([clip]), settings, tmp_path)
    assert (outcome.status, outcome.reasons) == ("failed", (Reason.UNREADABLE,))
    assert "does not contain it; run `mocrop extract-mv`" in outcome.message
    assert cache.state.tolist() == [3]


def test_a_motion_store_that_is_gone_is_no_clip_s_fault(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(LackingMotionError, match=r"motion\.zarr is not there; run `mocrop extract-mv`"):
        precrop(tasks_of([clip]), settings_of("motion"), tmp_path)


def test_policies_that_need_no_motion_do_without_a_motion_store(clip: Path, tmp_path: Path) -> None:
    (outcome,), cache = precrop(tasks_of([clip]), settings_of("center"), tmp_path)
    assert (outcome.status, cache.state.tolist()) == ("done", [1])


def test_probe_does_the_work_and_writes_nothing(clip: Path, tmp_path: Path) -> None:
    settings = settings_of()
    path = new_cache(tmp_path, settings, clips=2)
    (outcome,) = precrop_unit(WorkUnit(index=0, clips=tasks_of([clip])[:1], probe=True), settings, str(tmp_path))
    assert outcome.status == "done"
    assert not shard_file(path, 0).exists()
    assert CropCache(path).state.tolist() == [0, 0]


def test_refused_clip_is_a_failed_row_and_is_not_opened(clip: Path, tmp_path: Path) -> None:
    refused = dataclasses.replace(tasks_of([clip])[0], refusal=(Reason.EARLIER_STAGE_FAILED, "A/0: transcode failed"))
    (outcome,), cache = precrop([refused], settings_of(), tmp_path)
    assert (outcome.status, outcome.reasons) == ("failed", (Reason.EARLIER_STAGE_FAILED,))
    assert cache.state.tolist() == [3]


def sound_only(path: Path) -> Path:
    with av.open(path, "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate, frame.pts, frame.time_base = 8000, 0, Fraction(1, 8000)
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def damaged_files(folder: Path, clip: Path) -> dict[str, tuple[Path, Reason]]:
    """Files that cannot be cropped, and why."""
    empty, text, cut = folder / "empty.avi", folder / "text.avi", folder / "cut.avi"
    empty.touch()
    text.write_text("this is no video\n" * 100)
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size * 4 // 5])
    return {
        "empty": (empty, Reason.EMPTY_FILE),
        "text": (text, Reason.NOT_A_VIDEO),
        "cut off": (cut, Reason.TRUNCATED),
        "sound only": (sound_only(folder / "sound.avi"), Reason.NO_VIDEO_STREAM),
        "vanished": (folder / "nowhere.avi", Reason.VANISHED),
    }


def test_bad_files_fail_with_their_reason_and_the_others_go_on(clip: Path, tmp_path: Path) -> None:
    bad = damaged_files(tmp_path, clip)
    paths = [clip, *(path for path, _ in bad.values()), clip]
    outcomes, cache = precrop(tasks_of(paths), settings_of(), tmp_path)
    assert [outcome.status for outcome in outcomes] == ["done", *["failed"] * len(bad), "done"]
    assert [outcome.reasons[0] for outcome in outcomes[1:-1]] == [reason for _, reason in bad.values()]
    assert all(outcome.message.startswith(f"A/{outcome.position}: ") for outcome in outcomes[1:-1])
    assert cache.state.tolist() == [1, *[3] * len(bad), 1]
    assert (cache.frame_index[1:-1] == -1).all()
    assert not cache.box[1:-1].any()
    frames = zarr.open_group(cache.path, mode="r")["frames"]
    assert np.array_equal(frames[0], frames[len(paths) - 1])
    assert not frames[1 : len(paths) - 1].any()


def test_unit_of_bad_files_alone_is_recorded_without_a_shard_file(clip: Path, tmp_path: Path) -> None:
    paths = [path for path, _ in damaged_files(tmp_path, clip).values()]
    outcomes, cache = precrop(tasks_of(paths), settings_of(), tmp_path)
    assert {outcome.status for outcome in outcomes} == {"failed"}
    assert cache.missing_shards() == []
    assert not shard_file(cache.path, 0).exists()


@pytest.mark.parametrize("select", ["keyframes", "uniform"])
@pytest.mark.parametrize("said_by", ["container", "stream", "behind"])
@pytest.mark.parametrize(
    "orientation",
    [
        Orientation(mirrored=True),
        Orientation(flipped=True),
        Orientation(transposed=True),
        Orientation(transposed=True, mirrored=True),
    ],
    ids=str,
)
def test_frames_are_stored_as_they_are_to_be_seen(
    orientation: Orientation, said_by: str, select: str, make_oriented: MakeVideo, tmp_path: Path
) -> None:
    """The bright corner is at the top left, whatever is said, by whom, and in which group of pictures."""
    seen = np.zeros((96, 64, 3), np.uint8)
    seen[:48, :32], seen[:48, 32:] = 240, 120
    options = {"x264-params": "scenecut=0:bframes=0:threads=1"}
    path = make_oriented(
        tmp_path / "a.mp4",
        frames=[seen] * 40,
        orientation=orientation,
        said_by=said_by,
        options=options,
        key_interval=8,
    )
    (outcome,), cache = precrop(tasks_of([path]), settings_of("full", frames=3, select=select), tmp_path)
    assert outcome.reasons == (Reason.ROTATED,)
    assert outcome.message.endswith(str(orientation))
    frames = zarr.open_group(cache.path, mode="r")["frames"][0, :3].astype(int)
    assert np.abs(frames[:, :, 2:14, 2:14] - 240).max() < 12
    assert np.abs(frames[:, :, 2:14, 18:30] - 120).max() < 12
    assert np.abs(frames[:, :, 18:30]).max() < 12


@pytest.mark.parametrize(
    "field", ["matrix_coefficients=8", "matrix_coefficients=14", "transfer_characteristics=9", "colour_primaries=22"]
)
def test_colours_that_ffmpeg_cannot_convert_are_cropped_and_noted(
    field: str, make_video: MakeVideo, make_cropped: MakeVideo, tmp_path: Path
) -> None:
    name, number = field.split("=")
    plain = make_video(tmp_path / "a.mp4", frames=6, codec="libx264", size=(160, 120))
    odd = make_cropped(plain, tmp_path / "a.h264", left=0, **{name: int(number)})
    same = make_cropped(plain, tmp_path / "b.h264", left=0)
    outcomes, cache = precrop(tasks_of([odd, same]), settings_of(), tmp_path)
    unknown = number != "22"
    assert [Reason.UNKNOWN_COLOUR in outcome.reasons for outcome in outcomes] == [unknown, False]
    frames = zarr.open_group(cache.path, mode="r")["frames"]
    assert np.array_equal(frames[0], frames[1])
    assert frames[0].max() > 100


def test_fields_and_odd_pixels_are_noted(make_video: MakeVideo, make_cropped: MakeVideo, tmp_path: Path) -> None:
    fields = {"x264-params": "tff=1:bframes=0:threads=1:sar=16/11"}
    path = make_video(tmp_path / "a.mkv", frames=14, codec="libx264", options=fields)
    (outcome,), _ = precrop(tasks_of([path]), settings_of(frames=1), tmp_path)
    assert set(outcome.reasons) == {Reason.INTERLACED, Reason.PIXELS_NOT_SQUARE}


def odd_video(make: MakeVideo, path: Path, **how: Any) -> Path:
    return make(path, **{"frames": 48, "size": (160, 120), **how})


@pytest.mark.parametrize(
    ("how", "suffix", "reason"),
    [
        ({"frames": 1}, ".avi", Reason.ONE_FRAME),
        ({"frames": 30}, ".avi", Reason.FEW_KEY_FRAMES),
        ({"codec": "libx264", "pix_fmt": "yuv420p10le"}, ".mp4", Reason.PIXEL_FORMAT_CONVERTED),
        ({"codec": "libx264", "pix_fmt": "yuv444p"}, ".mp4", Reason.PIXEL_FORMAT_CONVERTED),
        ({"codec": "libx264", "rotation": 90}, ".mp4", Reason.ROTATED),
        ({"metadata": {"title": "R\xe4t"}}, ".avi", None),
        ({"codec": "libx264", "pix_fmt": "yuv444p", "size": (161, 121)}, ".mp4", Reason.PIXEL_FORMAT_CONVERTED),
        ({"size": (161, 121)}, ".avi", None),
        ({"codec": "libx264", "pts": [n * n for n in range(48)]}, ".mp4", None),
        ({"codec": "mjpeg", "pix_fmt": "yuvj420p"}, ".avi", None),
        ({"codec": "libvpx-vp9"}, ".webm", None),
        ({"codec": "ffv1"}, ".mkv", None),
    ],
)
def test_unusual_but_intact_clips_are_cropped_and_noted(
    how: dict[str, Any], suffix: str, reason: Reason | None, make_video: MakeVideo, tmp_path: Path
) -> None:
    path = odd_video(make_video, tmp_path / f"odd{suffix}", **how)
    (outcome,), cache = precrop(tasks_of([path]), settings_of(), tmp_path)
    assert outcome.status == "done"
    assert reason is None or reason in outcome.reasons
    assert cache.state.tolist() == [1]
    assert cache.frame_counts[0] >= 1
    pixels = zarr.open_group(cache.path, mode="r")["frames"][0, 0]
    assert pixels.max() > 100 > pixels.min()  # the bright square on its dark ground


def test_container_metadata_that_is_not_utf8_is_noted(clip: Path, make_video: MakeVideo, tmp_path: Path) -> None:
    named = make_video(tmp_path / "named.avi", frames=48, metadata={"title": "Raetsel"})
    broken = named.with_name("broken.avi")
    broken.write_bytes(named.read_bytes().replace(b"Raetsel", b"R\xe4tsel\0"[:7]))
    (outcome,), _ = precrop(tasks_of([broken]), settings_of(), tmp_path)
    assert (outcome.status, outcome.reasons) == ("done", (Reason.METADATA_NOT_UTF8,))


@pytest.mark.parametrize("name", ["with space.avi", 'it\'s "quoted".avi', "Tür — 動画.avi", "-dash.avi", "a:b%03d.avi"])
def test_file_names_of_every_kind_are_opened(name: str, clip: Path, tmp_path: Path) -> None:
    odd = clip.rename(tmp_path / f"{name}.avi")
    (outcome,), _ = precrop(tasks_of([odd]), settings_of(), tmp_path)
    assert outcome.status == "done"


def overwrite_packet(path: Path, number: int, content: bytes) -> None:
    """Overwrite a packet of an MP4 file from its fifth byte on."""
    with av.open(path) as container:
        entry = list(container.streams.video[0].index_entries)[number]
    data = bytearray(path.read_bytes())
    data[entry.pos + 4 : entry.pos + entry.size] = (content * entry.size)[: entry.size - 4]
    path.write_bytes(data)


def test_frame_that_cannot_be_decoded_moves_the_numbers_as_in_a_plain_decode(
    make_video: MakeVideo, tmp_path: Path, textbook_crop: TextbookCrop
) -> None:
    """Packet 5 gives no frame, so that the key frames behind it are frames 11, 23 and 35.

    Key frames are decoded alone, and packet 5 is not among them: the number of frames of the motion tells.
    """
    path = make_video(tmp_path / "a.mp4", codec="libx264", frames=48, size=(160, 120))
    overwrite_packet(path, 5, b"\xff")
    unit = WorkUnit(index=0, clips=tasks_of([path]))
    (extracted,) = extract_unit(unit, ExtractSettings(source="original"), str(tmp_path))
    (outcome,), cache = precrop(tasks_of([path]), settings_of("motion"), tmp_path)
    assert cache.frame_index[0].tolist() == [0, 11, 23, 35]
    agrees_with_plain_decode(cache, 0, path, textbook_crop)
    assert Reason.DAMAGED_FRAMES in extracted.reasons
    assert Reason.DAMAGED_FRAMES in outcome.reasons
    (outcome,), cache = precrop(tasks_of([path]), settings_of("full", select="uniform"), tmp_path)
    agrees_with_plain_decode(cache, 0, path, textbook_crop)
    assert Reason.DAMAGED_FRAMES in outcome.reasons


def test_motion_of_another_number_of_frames_is_not_used(clip: Path, make_motion: MakeMotion, tmp_path: Path) -> None:
    store_motion(tmp_path, [make_motion([(80, 40, 2, 0)])], frames=47)
    (outcome,), _ = precrop(tasks_of([clip]), settings_of("motion"), tmp_path)
    assert outcome.reasons == (Reason.UNREADABLE,)
    assert "of 47 frames, and it has 48; run `mocrop extract-mv` again" in outcome.message


def test_share_of_damaged_frames_is_an_option(make_video: MakeVideo, tmp_path: Path) -> None:
    """One of four key frames is damaged: 0.25."""
    path = make_video(tmp_path / "a.mp4", codec="libx264", frames=48, size=(160, 120))
    with av.open(path) as container:
        entry = list(container.streams.video[0].index_entries)[12]
    data = bytearray(path.read_bytes())
    data[entry.pos + entry.size // 2 : entry.pos + entry.size - 8] = b"\x55" * (entry.size - entry.size // 2 - 8)
    path.write_bytes(data)
    (outcome,), _ = precrop(tasks_of([path]), settings_of(max_damaged=0.25), tmp_path)
    assert (outcome.status, outcome.reasons) == ("done", (Reason.DAMAGED_FRAMES,))
    assert outcome.message == "1 of 4 decoded frames are damaged, from frame 12 on"
    (outcome,), _ = precrop(tasks_of([path]), settings_of(max_damaged=0.24), tmp_path)
    assert (outcome.status, outcome.reasons) == ("failed", (Reason.DAMAGED,))


def test_clip_refreshed_without_key_frames_gets_evenly_spaced_frames(
    make_video: MakeVideo, tmp_path: Path, textbook_crop: TextbookCrop
) -> None:
    """48 frames: one key frame, the first, and a gradual refresh every 12."""
    options = {"x264-params": "keyint=12:intra-refresh=1:bframes=0:scenecut=0"}
    path = make_video(tmp_path / "a.mp4", codec="libx264", frames=48, size=(160, 120), options=options)
    (outcome,), cache = precrop(tasks_of([path]), settings_of(), tmp_path)
    assert outcome.reasons == (Reason.NO_KEY_FRAMES,)
    assert cache.frame_index[0].tolist() == [6, 18, 30, 42]
    agrees_with_plain_decode(cache, 0, path, textbook_crop)


def test_so_does_one_of_whose_frames_one_cannot_be_decoded(make_video: MakeVideo, tmp_path: Path) -> None:
    """47 of 48 frames come, which only a decode of the whole file tells; that the refresh is gradual, headers do."""
    options = {"x264-params": "keyint=12:intra-refresh=1:bframes=0:scenecut=0"}
    path = make_video(tmp_path / "a.mp4", codec="libx264", frames=48, size=(160, 120), options=options)
    overwrite_packet(path, 5, b"\xff")
    (outcome,), cache = precrop(tasks_of([path]), settings_of(), tmp_path)
    assert outcome.reasons == (Reason.NO_KEY_FRAMES, Reason.DAMAGED_FRAMES)
    assert cache.frame_index[0].tolist() == [5, 17, 29, 41]


def test_wrongly_marked_key_frames_are_left_out(clip: Path, tmp_path: Path) -> None:
    """Some programs mark every frame of an AVI as a key frame: four of 48 are."""
    marked = bytearray(clip.read_bytes())
    for entry in range(marked.rindex(b"idx1") + 8, len(marked) - 15, 16):
        marked[entry + 4 : entry + 8] = (0x10).to_bytes(4, "little")
    clip.write_bytes(marked)
    (outcome,), cache = precrop(tasks_of([clip]), settings_of(frames=48), tmp_path)
    assert outcome.reasons == (Reason.FEW_KEY_FRAMES,)
    assert outcome.message == "4 key frames for 48 slots"
    assert cache.frame_index[0].tolist() == [0, 12, 24, 36, *[-1] * 44]


def test_uniform_notes_when_a_clip_has_fewer_frames_than_slots(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "short.avi", frames=3)
    (outcome,), cache = precrop(tasks_of([path]), settings_of(select="uniform"), tmp_path)
    assert outcome.reasons == (Reason.FEW_FRAMES,)
    assert outcome.message == "3 frames for 4 slots"
    assert cache.frame_index[0].tolist() == [0, 1, 2, -1]


def one_after_the_other(parts: Sequence[Path], path: Path) -> Path:
    """Several H.264 streams in one file."""
    listing = path.with_suffix(".txt")
    listing.write_text("".join(f"file '{part}'\n" for part in parts))
    copy = ["ffmpeg", "-v", "error", "-f", "concat", "-safe", "0", "-i", str(listing), "-c", "copy", str(path)]
    if shutil.which("ffmpeg") is None:
        pytest.skip("the ffmpeg program is not there to join two streams")
    subprocess.run(copy, check=True)
    return path


def test_padding_and_motion_fields_follow_a_shape_that_changes(make_video: MakeVideo, tmp_path: Path) -> None:
    """From twice as wide as high to twice as high as wide: first the bars are above and below, then at the sides."""
    sizes = ((160, 80), (80, 160))
    parts = [make_video(tmp_path / f"{size[0]}.mp4", size=size, codec="libx264", frames=24) for size in sizes]
    path = one_after_the_other(parts, tmp_path / "both.ts")
    tasks = tasks_of([path])
    extract_unit(WorkUnit(index=0, clips=tasks), ExtractSettings(source="original"), str(tmp_path))
    settings = settings_of("full", frames=2, select="uniform", fit="pad", motion_fields=MotionFieldSettings(side=8))
    (outcome,), cache = precrop(tasks, settings, tmp_path)
    assert Reason.SIZE_CHANGES in outcome.reasons
    assert cache.content[0].tolist() == [[0, 0.25, 1, 0.75], [0.25, 0, 0.75, 1]]
    fields = zarr.open_group(cache.path, mode="r")["motion"][0]
    for field, (left, top, right, bottom) in zip(fields, cache.content[0], strict=True):
        inside = np.zeros((8, 8), np.bool_)
        inside[int(8 * top) : int(8 * bottom), int(8 * left) : int(8 * right)] = True
        assert field[:, inside].any()
        assert not field[:, ~inside].any()


def test_frame_size_that_changes_keeps_the_same_part_of_every_frame(make_video: MakeVideo, tmp_path: Path) -> None:
    """Left half bright, right half dark."""
    parts = []
    for width, height in ((160, 120), (96, 80)):
        picture = np.full((height, width, 3), 20, np.uint8)
        picture[:, : width // 2] = 220
        parts.append(make_video(tmp_path / f"{width}.mp4", frames=[picture] * 12, codec="libx264"))
    path = one_after_the_other(parts, tmp_path / "both.ts")
    (outcome,), cache = precrop(tasks_of([path]), settings_of("full", select="uniform"), tmp_path)
    assert Reason.SIZE_CHANGES in outcome.reasons
    for frame in zarr.open_group(cache.path, mode="r")["frames"][0]:
        assert np.abs(frame[:, :, : SIZE // 2 - 1].astype(int) - 220).max() < 12
        assert np.abs(frame[:, :, SIZE // 2 + 1 :].astype(int) - 20).max() < 12


def contents(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def test_units_give_the_same_bytes_in_any_order_and_any_process(
    clip: Path, make_motion: MakeMotion, tmp_path: Path
) -> None:
    store_motion(tmp_path, [make_motion([(10 * n, 5 * m, 2, 0) for m in range(40)]) for n in range(6)])
    settings = settings_of("motion", clips_per_shard=2)
    tasks = tasks_of([clip] * 6)
    _, cache = precrop(tasks, settings, tmp_path)
    expected = contents(cache.path)
    path = new_cache(tmp_path, settings, clips=6)
    for first in (4, 0, 2):
        unit = WorkUnit(index=first // 2, clips=tasks[first : first + 2])
        code = "import pickle, sys; f, *a = pickle.load(sys.stdin.buffer); f(*a)"
        job = pickle.dumps((precrop_unit, unit, settings, str(tmp_path)))
        subprocess.run([sys.executable, "-c", code], input=job, check=True)
    assert contents(path) == expected


def test_motion_fields_are_those_of_the_stored_frames_and_box(
    clip: Path, make_motion: MakeMotion, tmp_path: Path
) -> None:
    """Whether the policy looks at the motion as well or not; the frames do not change."""
    motion = make_motion([(10 * n, 40, 2, -1) for n in range(16)], size=(160, 120))
    store_motion(tmp_path, [motion, motion])
    motion = lasting(motion, 48)
    for policy in ("center", "motion"):
        plain = settings_of(policy, name="plain")
        fields = dataclasses.replace(plain, name="fields", motion_fields=MotionFieldSettings(side=8))
        _, expected = precrop(tasks_of([clip] * 2), plain, tmp_path)
        outcomes, cache = precrop(tasks_of([clip] * 2), fields, tmp_path)
        assert {outcome.reasons for outcome in outcomes} == {()}
        assert np.array_equal(cache.open_frames().read().result(), expected.open_frames().read().result())
        box = CropBox(**dict(zip(("left", "top", "right", "bottom"), cache.box[1].tolist(), strict=True)))
        numbers = cache.frame_index[1].tolist()
        drawn = dense_motion(
            motion, numbers, boxes=[box] * len(numbers), size=SIZE, settings=MotionFieldSettings(side=8)
        )
        assert drawn.any()
        assert np.array_equal(zarr.open_group(cache.path, mode="r")["motion"][1], drawn)


@pytest.mark.parametrize(("policy", "state"), [("center", 1), ("motion", 2)])
def test_clip_without_vectors_has_fields_of_zeros_and_a_note(
    policy: str, state: int, clip: Path, make_motion: MakeMotion, tmp_path: Path
) -> None:
    store_motion(tmp_path, [make_motion([(80, 40, 2, 0)] * 9, size=(160, 120)), make_motion([], size=(160, 120))])
    settings = dataclasses.replace(settings_of(policy), motion_fields=MotionFieldSettings(side=8))
    known, still, failed = tasks_of([clip] * 3)
    failed = dataclasses.replace(failed, refusal=(Reason.EARLIER_STAGE_FAILED, "extract-mv failed"))
    outcomes, cache = precrop([known, still, failed], settings, tmp_path)
    assert [Reason.STILL_FIELDS in outcome.reasons for outcome in outcomes] == [False, True, False]
    assert cache.state.tolist() == [1, state, 3]
    stored = zarr.open_group(cache.path, mode="r")["motion"][...]
    assert [bool(fields.any()) for fields in stored] == [True, False, False]


def test_shard_done_again_has_the_same_bytes(clip: Path, tmp_path: Path) -> None:
    settings = settings_of("random")
    _, cache = precrop(tasks_of([clip] * 3), settings, tmp_path)
    before = contents(cache.path)
    precrop_unit(WorkUnit(index=0, clips=tasks_of([clip] * 3)), settings, str(tmp_path))
    assert contents(cache.path) == before


def test_full_disk_ends_the_run_and_leaves_no_finished_state(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(CacheWriter, "_write_frames", full)
    settings = settings_of()
    path = new_cache(tmp_path, settings, clips=1)
    with pytest.raises(DiskFullError, match="no space is left"):
        precrop_unit(WorkUnit(index=0, clips=tasks_of([clip])), settings, str(tmp_path))
    assert CropCache(path).state.tolist() == [0]


def test_cache_that_was_not_created_is_an_error(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="not a crop cache"):
        precrop_unit(WorkUnit(index=0, clips=tasks_of([clip])), settings_of(), str(tmp_path))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of its memory from /proc")
def test_worker_stays_well_below_500_mb_on_full_hd(tmp_path: Path, make_video: MakeVideo) -> None:
    """The largest shard there is, 64 MiB, with sources of 1920x1080, in a process with Dask's settings for workers."""
    small, large = (
        make_video(
            tmp_path / f"{height}.mp4",
            frames=16,
            size=(width, height),
            codec="libx264",
            key_interval=1,
            options={"preset": "ultrafast"},
        )
        for width, height in ((160, 120), (1920, 1080))
    )
    settings = settings_of(size=290, frames=16)
    new_cache(tmp_path, settings, clips=16)
    unit = WorkUnit(index=0, clips=tasks_of([large] * 3 + [small] * 13))
    job = pickle.dumps((precrop_unit, unit, settings, str(tmp_path)))
    code = (
        "import pickle, sys; f, *a = pickle.load(sys.stdin.buffer); f(*a); f(*a)\n"
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
    )
    worker = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536"}
    printed = subprocess.run([sys.executable, "-c", code], input=job, capture_output=True, check=True, env=worker)
    assert settings.clips_per_shard == 16
    assert int(printed.stdout) < 350_000  # KiB


def test_no_torch_and_no_command_line_in_this_path() -> None:
    heavy = {"torch", "typer", "dask", "matplotlib"}
    code = f"import sys, mocrop.pipeline.stages.precrop; print(sorted({heavy} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


@pytest.mark.parametrize(
    ("size", "frames", "clips"),
    [(192, 16, 16), (224, 16, 16), (290, 16, 16), (448, 16, 6), (1024, 16, 1), (4096, 16, 1)],
)
def test_shards_stay_within_64_mib_as_long_as_one_clip_does(size: int, frames: int, clips: int) -> None:
    assert fitting_clips_per_shard(size=size, frames=frames) == clips
    assert settings_of(size=size, frames=frames).clips_per_shard == clips
    assert clips == 1 or clips * frames * 3 * size * size <= 64 * 2**20


def test_clips_per_shard_that_is_given_is_kept() -> None:
    assert settings_of(clips_per_shard=5).clips_per_shard == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 0},
        {"frames": 0},
        {"source": "web"},
        {"select": "all"},
        {"clips_per_shard": -1},
        {"compression": "gzip"},
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        settings_of(**wrong)


def test_policy_must_exist_and_have_its_own_settings() -> None:
    with pytest.raises(ValueError, match="no policy 'best'"):
        PrecropSettings(name="c", size=8, policy="best")
    with pytest.raises(ValueError, match="takes MotionSettings"):
        PrecropSettings(name="c", size=8, policy="motion", policy_settings=POLICIES["full"].settings())


def test_settings_hash_tells_every_setting_apart() -> None:
    base = PrecropSettings(name="c", size=8)
    others = [
        dataclasses.replace(base, size=9, clips_per_shard=0),
        dataclasses.replace(base, source="original"),
        dataclasses.replace(base, select="uniform"),
        dataclasses.replace(base, policy_settings=MotionSettings(seed=1)),
        dataclasses.replace(base, policy_settings=MotionSettings(grid=(9, 16))),
        dataclasses.replace(base, compression="zstd"),
        dataclasses.replace(base, motion_fields=MotionFieldSettings()),
        dataclasses.replace(base, motion_fields=MotionFieldSettings(side=28)),
    ]
    assert len({settings_hash(settings) for settings in (base, *others)}) == 1 + len(others)
    assert settings_hash(base) == settings_hash(pickle.loads(pickle.dumps(base)))
    json.dumps(dataclasses.asdict(base))


def test_settings_without_motion_fields_hash_as_if_there_were_no_such_setting() -> None:
    """So that caches and outcomes of earlier versions stay current."""

    @dataclasses.dataclass
    class Earlier:
        name: str
        size: int

    @dataclasses.dataclass
    class Later(Earlier):
        motion_fields: MotionFieldSettings | None = None

    assert settings_hash(Later("c", 8)) == settings_hash(Earlier("c", 8))
    assert settings_hash(Later("c", 8, MotionFieldSettings())) != settings_hash(Earlier("c", 8))
