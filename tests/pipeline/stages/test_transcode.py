from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from mocrop.pipeline.bitstream.bits import BitReader
from mocrop.pipeline.checksums import checksum, file_checksum
from mocrop.pipeline.errors import DiskFullError, Reason
from mocrop.pipeline.outcome import ClipTask, Outcome
from mocrop.pipeline.stages import contract as stage_module
from mocrop.pipeline.stages import h264_writer
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.transcode import transcode_unit
from mocrop.pipeline.stages.transcode_settings import Entropy, TranscodeSettings
from mocrop.pipeline.video.normalise import _Clock
from mocrop.pipeline.video.orientation import Orientation
from mocrop.pipeline.workspace.paths import Workspace

MakeVideo = Callable[..., Path]
SETTINGS = TranscodeSettings()
PLAIN = {"x264-params": "scenecut=0:bframes=0:ref=1:threads=1:keyint=12:min-keyint=12"}  # a file of this may be copied
EIGHT = [Orientation(transposed=t, mirrored=m, flipped=f) for t, m, f in itertools.product((False, True), repeat=3)]


def transcode(path: Path, root: Path, *, settings: TranscodeSettings = SETTINGS, probe: bool = False) -> Outcome:
    task = ClipTask(position=0, name="A/clip", path=str(path))
    (outcome,) = transcode_unit(WorkUnit(index=0, clips=(task,), probe=probe), settings, str(root))
    return outcome


def result(root: Path) -> Path:
    return Workspace(root).h264_file("A/clip")


def frames_of(path: Path) -> list[av.VideoFrame]:
    with av.open(path) as container:
        return list(container.decode(video=0))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_key_frames_come_every_twelve_frames_and_nothing_is_lost(make_video: MakeVideo, tmp_path: Path) -> None:
    outcome = transcode(make_video(tmp_path / "a.avi", frames=30), tmp_path)
    assert (outcome.status, outcome.reasons) == ("done", ())
    frames = frames_of(result(tmp_path))
    assert [n for n, frame in enumerate(frames) if frame.key_frame] == [0, 12, 24]
    assert {PictureType(frame.pict_type).name for frame in frames} == {"I", "P"}
    assert [frame.time for frame in frames] == pytest.approx([n / 25 for n in range(30)])


def test_the_settings_choose_the_key_interval(make_video: MakeVideo, tmp_path: Path) -> None:
    transcode(make_video(tmp_path / "a.avi"), tmp_path, settings=TranscodeSettings(key_interval=5))
    assert [n for n, frame in enumerate(frames_of(result(tmp_path))) if frame.key_frame] == [0, 5, 10, 15, 20]


def test_a_scene_cut_gets_no_key_frame_of_its_own(make_video: MakeVideo, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    scenes = [
        np.full((48, 64, 3), n // 7 * 60, np.uint8) + rng.integers(0, 9, (48, 64, 3), np.uint8) for n in range(24)
    ]
    transcode(make_video(tmp_path / "a.avi", frames=scenes), tmp_path)
    assert [n for n, frame in enumerate(frames_of(result(tmp_path))) if frame.key_frame] == [0, 12]


def test_two_runs_write_the_same_bytes(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.avi")
    transcode(source, tmp_path / "one")
    transcode(source, tmp_path / "two")
    assert digest(result(tmp_path / "one")) == digest(result(tmp_path / "two"))


def test_the_bytes_do_not_depend_on_the_processor(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor on what lies in memory, which some of x264's code for new processors reads at this size."""
    source = make_video(tmp_path / "a.avi", size=(176, 144))
    transcode(source, tmp_path / "vector")
    options = SETTINGS.x264_options
    plain = {**options, "x264-params": options["x264-params"] + ":asm=0"}
    monkeypatch.setattr(TranscodeSettings, "x264_options", property(lambda _: plain))
    transcode(source, tmp_path / "plain")
    assert digest(result(tmp_path / "vector")) == digest(result(tmp_path / "plain"))


@pytest.mark.parametrize(
    ("milliseconds", "irregular"),
    [
        ([0, 17, 33, 50, 67, 83], False),  # 60 frames a second, each time rounded: steps of 16 and 17
        ([0, 17, 33, 51, 67, 83], True),  # 17, 16, 18
        ([0, 30, 63, 93], False),  # a tenth of the longest step, 33
        ([0, 30, 64, 94], True),
    ],
)
def test_times_are_irregular_where_steps_differ_by_more_than_rounding(milliseconds: list[int], irregular: bool) -> None:
    clock = _Clock()
    for pts in milliseconds:
        clock.tick(pts)
    assert clock.irregular is irregular


def test_a_file_is_on_the_disk_before_it_has_its_name(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    final, synced = result(tmp_path), list[tuple[int, bool]]()
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_ino, final.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    transcode(make_video(tmp_path / "a.avi"), tmp_path)
    assert synced == [(final.stat().st_ino, False)]


def test_a_source_in_the_wanted_form_is_taken_as_it_is(make_video: MakeVideo, tmp_path: Path) -> None:
    transcode(make_video(tmp_path / "a.avi"), tmp_path / "one")
    outcome = transcode(result(tmp_path / "one"), tmp_path / "two")
    assert outcome.reasons == (Reason.TAKEN_AS_IT_IS,)
    before, after = frames_of(result(tmp_path / "one")), frames_of(result(tmp_path / "two"))
    assert len(before) == len(after) == 24
    assert all(np.array_equal(x.to_ndarray(), y.to_ndarray()) for x, y in zip(before, after, strict=True))
    assert [frame.time for frame in after] == pytest.approx([n / 25 for n in range(24)])


def test_an_outcome_has_the_checksum_of_the_file_that_was_written(make_video: MakeVideo, tmp_path: Path) -> None:
    """Whether it was encoded or taken as it is; where no file was written there is none."""
    encoded = transcode(make_video(tmp_path / "a.avi"), tmp_path / "one")
    taken = transcode(result(tmp_path / "one"), tmp_path / "two")
    assert encoded.checksum == checksum(result(tmp_path / "one").read_bytes())
    assert taken.checksum == checksum(result(tmp_path / "two").read_bytes())
    (tmp_path / "b.avi").touch()
    assert transcode(tmp_path / "b.avi", tmp_path / "one").checksum is None
    probed = transcode(tmp_path / "a.avi", tmp_path / "probe", probe=True)
    assert (probed.status, probed.checksum) == ("done", None)


def test_a_worker_thought_lost_that_writes_the_same_clip_is_no_harm(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes when this one has written its file and not yet given it its name."""
    source = make_video(tmp_path / "a.avi")

    def late(file: Path) -> int:
        monkeypatch.setattr(h264_writer, "file_checksum", file_checksum)
        assert transcode(source, tmp_path, settings=TranscodeSettings(crf=40)).status == "done"
        return file_checksum(file)

    monkeypatch.setattr(h264_writer, "file_checksum", late)
    outcome = transcode(source, tmp_path)
    assert (outcome.status, outcome.checksum) == ("done", file_checksum(result(tmp_path)))
    transcode(source, tmp_path / "alone")
    assert digest(result(tmp_path)) == digest(result(tmp_path / "alone"))


def test_another_key_interval_is_not_the_wanted_form(make_video: MakeVideo, tmp_path: Path) -> None:
    transcode(make_video(tmp_path / "a.avi"), tmp_path / "one", settings=TranscodeSettings(key_interval=6))
    assert transcode(result(tmp_path / "one"), tmp_path / "two").reasons == ()


@pytest.mark.parametrize(("entropy", "flag"), [("cavlc", 0), ("cabac", 1)])
def test_the_settings_choose_the_entropy_coder(
    make_video: MakeVideo, tmp_path: Path, entropy: Entropy, flag: int
) -> None:
    transcode(make_video(tmp_path / "a.avi"), tmp_path, settings=TranscodeSettings(entropy=entropy))
    with av.open(result(tmp_path)) as container:
        headers = container.streams.video[0].codec_context.extradata
    assert headers is not None
    after_sequence = 8 + int.from_bytes(headers[6:8], "big")
    bits = BitReader(headers[after_sequence + 3 :], start=8)  # the picture parameter set
    bits.unsigned()  # its number and that of the sequence's
    bits.unsigned()
    assert bits.fixed(1) == flag  # entropy_coding_mode_flag


def test_cavlc_is_what_is_written_unless_told_otherwise() -> None:
    assert TranscodeSettings().entropy == "cavlc"
    with pytest.raises(ValueError, match="entropy must be cavlc or cabac, not 'huffman'"):
        TranscodeSettings(entropy="huffman")  # type: ignore[arg-type]


def test_audio_is_dropped(make_video: MakeVideo, tmp_path: Path) -> None:
    path = tmp_path / "sound.mkv"
    with av.open(path, "w") as output:
        picture = output.add_stream("mpeg4", rate=25)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        for n in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), n, np.uint8), format="rgb24")
            output.mux(picture.encode(frame))
            noise = av.AudioFrame.from_ndarray(np.zeros((1, 320), np.int16), format="s16", layout="mono")
            noise.sample_rate, noise.pts, noise.time_base = 8000, 320 * n, Fraction(1, 8000)
            output.mux(sound.encode(noise))
        output.mux(picture.encode(None))
        output.mux(sound.encode(None))
    assert transcode(path, tmp_path).status == "done"
    with av.open(result(tmp_path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]


@pytest.mark.parametrize("said_by", ["container", "stream", "behind"])
@pytest.mark.parametrize("orientation", EIGHT, ids=str)
def test_the_picture_is_made_upright(
    orientation: Orientation, said_by: str, make_oriented: MakeVideo, tmp_path: Path
) -> None:
    """Also where the file would conform otherwise: a copy would lose what its container says."""
    seen = np.zeros((48, 64, 3), np.uint8)
    seen[:16, :16], seen[:16, 48:] = 255, 120  # at the top left and top right
    how = {"options": PLAIN, "key_interval": 12}
    source = make_oriented(tmp_path / "a.mp4", frames=[seen] * 15, orientation=orientation, said_by=said_by, **how)
    outcome = transcode(source, tmp_path)
    assert outcome.reasons == ((Reason.ROTATED,) if orientation.changes else (Reason.TAKEN_AS_IT_IS,))
    frames = frames_of(result(tmp_path))
    assert len(frames) == 15
    for frame in (frames[0], frames[14]):
        assert frame.side_data.get("DISPLAYMATRIX") is None
        shown = frame.to_ndarray(format="gray")
        assert shown.shape == (48, 64)
        assert np.abs(shown.astype(int) - seen[..., 0]).mean() < 10


def test_a_picture_that_turns_while_the_clip_runs_stays_upright(
    make_oriented: MakeVideo, make_cropped: MakeVideo, tmp_path: Path
) -> None:
    seen = np.zeros((48, 64, 3), np.uint8)
    seen[:16, :16], seen[:16, 48:] = 255, 120
    parts = []
    for orientation in (Orientation(mirrored=True), Orientation(), Orientation(transposed=True, flipped=True)):
        name = f"{len(parts)}"
        said = make_oriented(
            tmp_path / f"{name}.mp4", frames=[seen] * 5, orientation=orientation, said_by="stream", options=PLAIN
        )
        parts.append(make_cropped(said, tmp_path / f"{name}.h264", left=0).read_bytes())
    both = tmp_path / "both.h264"
    both.write_bytes(b"".join(parts))
    outcome = transcode(both, tmp_path)
    assert Reason.ROTATED in outcome.reasons
    frames = frames_of(result(tmp_path))
    assert len(frames) == 15
    assert max(np.abs(frame.to_ndarray(format="gray").astype(int) - seen[..., 0]).mean() for frame in frames) < 10


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv410p", "yuv411p"])
@pytest.mark.parametrize(
    ("size", "even"),
    [((65, 49), (64, 48)), ((64, 49), (64, 48)), ((67, 51), (66, 50)), ((1, 1), (2, 2))],
)
def test_odd_sizes_become_even(
    make_video: MakeVideo, tmp_path: Path, size: tuple[int, int], even: tuple[int, int], pix_fmt: str
) -> None:
    """Also in 4:1:0, whose chroma is cut in fours."""
    pictures = [np.full((size[1], size[0], 3), n, np.uint8) for n in range(3)]
    source = make_video(tmp_path / "a.avi", frames=pictures, codec="ffv1", pix_fmt=pix_fmt)
    outcome = transcode(source, tmp_path)
    assert Reason.MADE_EVEN in outcome.reasons
    frame = frames_of(result(tmp_path))[0]
    assert (frame.width, frame.height) == even


@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv420p10le", "yuv444p10le", "yuv422p"])
def test_other_pixel_formats_become_8_bit_420(make_video: MakeVideo, tmp_path: Path, pix_fmt: str) -> None:
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[...] = (200, 60, 120)
    source = make_video(tmp_path / "a.mkv", frames=[rgb] * 3, codec="ffv1", pix_fmt=pix_fmt)
    outcome = transcode(source, tmp_path)
    assert outcome.reasons == (Reason.PIXEL_FORMAT_CONVERTED,)
    frame = frames_of(result(tmp_path))[0]
    assert frame.format.name == "yuv420p"
    assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - rgb).max() <= 6


def test_irregular_time_stamps_become_regular(make_video: MakeVideo, tmp_path: Path) -> None:
    times = [0, 1, 2, 10, 11, 30, 31, 32]
    source = make_video(tmp_path / "a.mkv", frames=8, codec="libx264", pts=times)
    outcome = transcode(source, tmp_path)
    assert Reason.VARIABLE_FRAME_RATE in outcome.reasons
    steps = np.diff([frame.pts for frame in frames_of(result(tmp_path))])
    assert len(steps) == 7
    assert len(set(steps)) == 1


def test_a_clip_of_one_frame_is_transcoded_and_noted(make_video: MakeVideo, tmp_path: Path) -> None:
    assert transcode(make_video(tmp_path / "a.avi", frames=1), tmp_path).reasons == (Reason.ONE_FRAME,)


def combed(count: int, *, size: tuple[int, int] = (96, 64)) -> list[np.ndarray]:
    """A bar that moves 4 pixels a frame, and 2 of them between the even lines and the odd ones."""
    pictures = []
    for n in range(count):
        picture = np.full((size[1], size[0], 3), 40, np.uint8)
        picture[0::2, 4 + 4 * n : 16 + 4 * n] = picture[1::2, 6 + 4 * n : 18 + 4 * n] = 220
        pictures.append(picture)
    return pictures


def combing(frame: av.VideoFrame) -> float:
    """How far lines are from the mean of those above and below, on average."""
    lines = frame.to_ndarray(format="gray").astype(int)
    return float(np.abs(2 * lines[1:-1] - lines[:-2] - lines[2:]).mean())


def bar(frame: av.VideoFrame) -> int:
    """Left edge of the bar in the middle of the picture."""
    line = frame.to_ndarray(format="gray")[frame.height // 2]
    return int(np.argmax(line > 130))


FIELDS = {"x264-params": "tff=1:bframes=0:threads=1:crf=5"}


@pytest.mark.parametrize("deinterlace", [True, False])
def test_fields_become_whole_pictures_where_wanted(deinterlace: bool, make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", frames=combed(18), codec="libx264", options=FIELDS)
    outcome = transcode(source, tmp_path, settings=TranscodeSettings(deinterlace=deinterlace))
    assert outcome.reasons == (Reason.INTERLACED,)
    assert ("combed" in outcome.message) != deinterlace
    frames = frames_of(result(tmp_path))
    assert len(frames) == 18
    assert not any(frame.interlaced_frame for frame in frames)
    assert all((combing(frame) < 3) == deinterlace for frame in frames)
    edges = [bar(frame) for frame in frames]
    assert set(np.diff(edges[1:]).tolist()) == {4}  # in order, none twice
    assert abs(edges[17] - 74) <= 4


def test_whole_pictures_stay_the_same_where_fields_are_looked_for(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.avi", frames=combed(18))
    transcode(source, tmp_path / "off")
    transcode(source, tmp_path / "on", settings=TranscodeSettings(deinterlace=True))
    assert digest(result(tmp_path / "off")) == digest(result(tmp_path / "on"))


def test_no_frame_stays_in_the_filter_where_the_size_changes(make_video: MakeVideo, tmp_path: Path) -> None:
    parts = [
        make_video(tmp_path / f"{n}.ts", frames=combed(7, size=size), codec="libx264", options=FIELDS)
        for n, size in enumerate(((96, 64), (64, 64)))
    ]
    both = tmp_path / "both.ts"
    both.write_bytes(b"".join(part.read_bytes() for part in parts))
    outcome = transcode(both, tmp_path, settings=TranscodeSettings(deinterlace=True))
    assert Reason.SIZE_CHANGES in outcome.reasons
    frames = frames_of(result(tmp_path))
    assert [(frame.width, frame.height) for frame in frames] == [(96, 64)] * 14
    edges = [bar(frame) for frame in frames]
    assert edges == sorted(edges[:7]) + sorted(edges[7:])
    assert max(combing(frame) for frame in frames) < 6


def test_pictures_too_small_for_the_filter_keep_their_fields(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.avi", frames=[np.zeros((4, 6, 3), np.uint8)] * 3, codec="ffv1")
    assert transcode(source, tmp_path, settings=TranscodeSettings(deinterlace=True)).status == "done"
    assert len(frames_of(result(tmp_path))) == 3


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("this is not a video\n" * 50)


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def no_content(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("spoil", "suffix", "reason"),
    [
        (empty, ".avi", Reason.EMPTY_FILE),
        (text, ".avi", Reason.NOT_A_VIDEO),
        (cut_in_half, ".avi", Reason.TRUNCATED),
        (cut_in_half, ".mp4", Reason.TRUNCATED),
        (no_content, ".avi", Reason.VANISHED),
    ],
)
def test_bad_files_fail_with_their_reason_and_leave_nothing(
    make_video: MakeVideo, tmp_path: Path, spoil: Callable[[Path], None], suffix: str, reason: Reason
) -> None:
    source = make_video(tmp_path / f"bad{suffix}", frames=60, size=(128, 96))
    spoil(source)
    outcome = transcode(source, tmp_path / "work")
    assert (outcome.status, outcome.reasons[0]) == ("failed", reason)
    assert outcome.message.startswith("A/clip: ")
    assert [p for p in (tmp_path / "work").rglob("*") if p.is_file()] == []


def test_lost_frames_are_noted_and_a_larger_share_of_them_fails(make_video: MakeVideo, tmp_path: Path) -> None:
    """Of 48 packets six are refused: 0.125. What is left of them comes at irregular times."""
    path = make_video(tmp_path / "a.mp4", codec="libx264", frames=48)
    with av.open(path) as container:
        entries = list(container.streams.video[0].index_entries)
    data = bytearray(path.read_bytes())
    for entry in (entries[number] for number in (5, 10, 20, 30, 40, 45)):
        data[entry.pos + 4 : entry.pos + entry.size] = b"\xff" * (entry.size - 4)
    path.write_bytes(data)
    outcome = transcode(path, tmp_path)
    assert (outcome.status, outcome.reasons) == ("done", (Reason.VARIABLE_FRAME_RATE, Reason.DAMAGED_FRAMES))
    assert len(frames_of(result(tmp_path))) == 42
    outcome = transcode(path, tmp_path / "strict", settings=TranscodeSettings(max_damaged=0.12))
    assert (outcome.status, outcome.reasons[0]) == ("failed", Reason.DAMAGED)
    assert not result(tmp_path / "strict").exists()


@pytest.mark.parametrize("suffix", [".mkv", ".webm"])
def test_matroska_that_is_cut_off_is_noticed_by_its_duration(
    make_video: MakeVideo, tmp_path: Path, suffix: str
) -> None:
    codec = {"codec": "vp9", "options": {"deadline": "realtime"}} if suffix == ".webm" else {}
    source = make_video(tmp_path / f"cut{suffix}", frames=300, rate=10, **codec)
    assert transcode(source, tmp_path / "whole").status == "done"
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 3 // 4])
    assert transcode(source, tmp_path / "cut").reasons[0] is Reason.TRUNCATED


def test_audio_alone_is_not_a_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.avi"
    with av.open(path, "w") as output:
        sound = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        noise = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        noise.sample_rate, noise.pts, noise.time_base = 8000, 0, Fraction(1, 8000)
        output.mux(sound.encode(noise))
        output.mux(sound.encode(None))
    assert transcode(path, tmp_path / "work").reasons == (Reason.NO_VIDEO_STREAM,)


def test_metadata_that_is_not_utf8_does_no_harm(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.avi", metadata={"title": "XXXXXXXX"})
    source.write_bytes(source.read_bytes().replace(b"XXXXXXXX", b"caf\xe9\xff\xfe!!"))
    outcome = transcode(source, tmp_path)
    assert (outcome.status, outcome.reasons) == ("done", (Reason.METADATA_NOT_UTF8,))


@pytest.mark.parametrize(
    "name", ["with space.avi", 'it\'s "quoted".avi', "-dash.avi", "größe-日本.avi", "a:b.avi", "%d.avi"]
)
def test_any_file_name_is_read(make_video: MakeVideo, tmp_path: Path, name: str) -> None:
    assert transcode(make_video(tmp_path / name), tmp_path).status == "done"


def test_a_probe_writes_nothing(make_video: MakeVideo, tmp_path: Path) -> None:
    outcome = transcode(make_video(tmp_path / "a.avi"), tmp_path / "work", probe=True)
    assert outcome.status == "done"
    assert [p for p in (tmp_path / "work").rglob("*") if p.is_file()] == []


def test_a_full_disk_is_not_the_clips_fault(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(DiskFullError, match="free some and run the same command again"):
        transcode(make_video(tmp_path / "a.avi"), tmp_path / "work")


def test_the_settings_hash_changes_with_every_setting_and_nothing_else() -> None:
    def hashed(settings: TranscodeSettings) -> str:
        return stage_module.settings_hash(settings, "transcode", 1, "")

    others = [TranscodeSettings(crf=20), TranscodeSettings(key_interval=10), TranscodeSettings(preset="fast")]
    others += [TranscodeSettings(entropy="cabac"), TranscodeSettings(deinterlace=True)]
    assert len({hashed(s) for s in [SETTINGS, *others]}) == 6
    assert hashed(TranscodeSettings()) == hashed(SETTINGS)


@pytest.mark.real
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="compares with the ffmpeg program")
def test_real_clips_come_out_as_ffmpeg_would_encode_them(real_clips: Path, tmp_path: Path) -> None:
    """Same encoder, same settings: the same quality and size as the command line, frame for frame."""
    source = real_clips / "videos/Surfing/v_Surfing_g01_c01.avi"
    transcode(source, tmp_path)
    theirs = tmp_path / "ffmpeg.mp4"
    options = ["-preset", "veryfast", "-crf", "23", "-x264-params", SETTINGS.x264_options["x264-params"]]
    command = ["ffmpeg", "-v", "error", "-i", str(source), "-an", "-c:v", "libx264", *options, str(theirs)]
    subprocess.run(command, check=True)
    ours, reference = frames_of(result(tmp_path)), frames_of(theirs)
    assert len(ours) == len(reference)
    assert [f.key_frame for f in ours] == [f.key_frame for f in reference]
    assert result(tmp_path).stat().st_size == pytest.approx(theirs.stat().st_size, rel=0.05)
    difference = [
        np.abs(a.to_ndarray().astype(int) - b.to_ndarray()).mean() for a, b in zip(ours, reference, strict=True)
    ]
    assert max(difference) < 2.0
