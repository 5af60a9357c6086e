from __future__ import annotations

import gc
import hashlib
import itertools
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.motion.clip_motion import ClipMotion, FrameType
from mocrop.pipeline.motion.vectors import EXPORTING_CODECS, read_motion
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.open import open_container
from mocrop.pipeline.video.orientation import UPRIGHT, Orientation
from mocrop.pipeline.video.whole import duration_seconds

MakeVideo = Callable[..., Path]
Picture = npt.NDArray[np.uint8]
X264 = {"x264-params": "scenecut=0:bframes=0:ref=1:threads=1"}


def read(path: Path, log: ClipLog | None = None) -> ClipMotion:
    return read_motion(path, clip="A/clip", log=log or ClipLog(0))


def reasons(path: Path) -> list[Reason]:
    """What is noted of a file that can be read."""
    log = ClipLog(0)
    read(path, log)
    return log.reasons


def failure(path: Path) -> ClipError:
    with pytest.raises(ClipError, match="A/clip: ") as caught:
        read(path)
    return caught.value


def panning(count: int, *, size: tuple[int, int] = (96, 64), right: int = 2, down: int = 0) -> list[Picture]:
    """Frames of smooth texture that moves by whole pixels."""
    width, height = size
    rng = np.random.default_rng(0)
    shape = (height + count * abs(down), width + count * abs(right), 3)
    ground = rng.integers(0, 256, (-(-shape[0] // 4), -(-shape[1] // 4), 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    frames = []
    for n in range(count):
        left = (count - n) * right if right > 0 else n * -right
        top = (count - n) * down if down > 0 else n * -down
        frames.append(ground[top : top + height, left : left + width])
    return frames


def usual_displacement(motion: ClipMotion) -> tuple[int, int]:
    """The most frequent displacement, quarter pixels, of what is predicted from the past."""
    past = motion.ref < 0
    pairs, counts = np.unique(np.stack([motion.dx[past], motion.dy[past]], axis=1), axis=0, return_counts=True)
    return tuple(pairs[counts.argmax()].tolist())


def plain_loop(path: Path) -> list[tuple[str, list[tuple[int, ...]]]]:
    """Picture type and x, y, dx, dy, w, h, ref of every vector, read the slow and obvious way."""
    frames = []
    with open_container(path) as container:
        container.streams.video[0].codec_context.thread_count = 1
        container.streams.video[0].codec_context.options = {"flags2": "+export_mvs"}
        for frame in container.decode(video=0):
            rows = []
            side_data = frame.side_data.get("MOTION_VECTORS")
            for v in side_data.to_ndarray() if side_data else ():
                dx, dy = (-4 * int(v[name]) / int(v["motion_scale"]) for name in ("motion_x", "motion_y"))
                assert dx.is_integer()
                assert dy.is_integer()
                ref = -1 if v["source"] < 0 else 1
                rows.append((int(v["dst_x"]), int(v["dst_y"]), int(dx), int(dy), int(v["w"]), int(v["h"]), ref))
            frames.append((av.video.frame.PictureType(frame.pict_type).name, rows))
    return frames


def assert_like_plain_loop(motion: ClipMotion, path: Path, *, b_frames_count: bool = True) -> None:
    frames = plain_loop(path)
    assert motion.frames == len(frames)
    columns = np.stack([getattr(motion, name) for name in ("x", "y", "dx", "dy", "w", "h", "ref")], axis=1)
    ours = np.split(columns, np.cumsum(motion.vectors_per_frame)[:-1])
    for n, (kind, rows) in enumerate(frames):
        assert FrameType(motion.frame_type[n]).name == kind
        if kind == "B" and not b_frames_count:
            rows = []
        moving = [row for row in rows if row[2:4] != (0, 0)]
        assert ours[n].tolist() == [list(row) for row in moving]
        assert motion.zero_vectors[n] == len(rows) - len(moving)


CODECS = [
    ("libx264", "yuv420p", X264),
    ("libx264", "yuv444p10le", X264),
    ("libx264", "yuv420p", {"x264-params": "bframes=3:ref=3:threads=1"}),
    ("mpeg4", "yuv420p", {}),
    ("mpeg4", "yuv420p", {"flags": "+qpel+mv4"}),
    ("mpeg2video", "yuv420p", {"bf": "2"}),
    ("mpeg1video", "yuv420p", {}),
]


@pytest.mark.parametrize(("codec", "pix_fmt", "options"), CODECS)
def test_every_vector_is_there_and_in_its_place(
    make_video: MakeVideo, tmp_path: Path, codec: str, pix_fmt: str, options: dict[str, str]
) -> None:
    path = make_video(tmp_path / "a.mkv", frames=30, size=(96, 64), codec=codec, pix_fmt=pix_fmt, options=options)
    assert_like_plain_loop(read(path), path)


def test_vectors_of_mpeg4_b_frames_are_not_what_ffmpeg_exports(make_video: MakeVideo, tmp_path: Path) -> None:
    """FFmpeg decodes them and does not keep them; by what it exports, two frames of three would stand still."""
    path = tmp_path / "a.avi"
    with av.open(path, "w") as output:
        stream = output.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.max_b_frames = 2
        for picture in panning(13):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        output.mux(stream.encode(None))
    motion = read(path)
    assert_like_plain_loop(motion, path, b_frames_count=False)
    b_frames = motion.frame_type == FrameType.B
    assert b_frames.any()
    assert any(rows for kind, rows in plain_loop(path) if kind == "B")
    assert motion.vectors_per_frame[b_frames].sum() == motion.zero_vectors[b_frames].sum() == 0
    assert not motion.camera[b_frames].any()
    assert not motion.camera_support[b_frames].any()
    np.testing.assert_allclose(np.median(motion.camera[motion.frame_type == FrameType.P, 0]), 2, atol=0.1)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mpeg2video"])
@pytest.mark.parametrize(("right", "down"), [(2, 0), (-3, 1), (0, -4)])
def test_a_pan_moves_blocks_the_way_the_content_goes(
    make_video: MakeVideo, tmp_path: Path, codec: str, right: int, down: int
) -> None:
    frames = panning(8, right=right, down=down)
    motion = read(make_video(tmp_path / "a.mkv", frames=frames, codec=codec, options={**X264, "b": "2M"}))
    assert usual_displacement(motion) == (4 * right, 4 * down)


ENCODERS = {"h264": "libx264", "flv1": "flv", "msmpeg4v3": "msmpeg4"}  # where they are not called as the codec
SUFFIXES = {"flv1": "flv", "rv10": "rm", "rv20": "rm", "mpeg1video": "mpg", "mpeg2video": "mpg"}


@pytest.mark.parametrize("codec", sorted(EXPORTING_CODECS))
def test_codecs_said_to_export_vectors_do(make_video: MakeVideo, tmp_path: Path, codec: str) -> None:
    encoder = ENCODERS.get(codec, codec)
    try:
        av.Codec(encoder, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this FFmpeg has no encoder for {codec}")
    path = tmp_path / f"a.{SUFFIXES.get(codec, 'avi')}"
    make_video(path, frames=panning(6, size=(176, 144)), codec=encoder, options={"strict": "-2"})
    assert usual_displacement(read(path)) == (8, 0)


@pytest.mark.parametrize(
    ("codec", "suffix"), [("libvpx-vp9", "webm"), ("libx265", "mkv"), ("ffv1", "mkv"), ("mjpeg", "avi")]
)
def test_a_codec_without_vectors_is_told_from_a_clip_without_motion(
    make_video: MakeVideo, tmp_path: Path, codec: str, suffix: str
) -> None:
    try:
        av.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this FFmpeg has no {codec}")
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = make_video(tmp_path / f"a.{suffix}", frames=6, codec=codec, pix_fmt=pix_fmt, options=options)
    error = failure(path)
    assert error.reason == Reason.NO_MOTION_VECTORS
    assert "`mocrop extract-mv --source auto`" in str(error)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_a_clip_of_key_frames_does_not_fail(make_video: MakeVideo, tmp_path: Path, codec: str) -> None:
    path = make_video(tmp_path / "a.mp4", frames=6, codec=codec, key_interval=1)
    assert reasons(path) == [Reason.ALL_KEY_FRAMES]
    motion = read(path)
    assert motion.frame_type.tolist() == [FrameType.I] * 6
    assert len(motion.x) == motion.zero_vectors.sum() == 0


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_a_clip_in_which_nothing_moves_has_zero_vectors(make_video: MakeVideo, tmp_path: Path, codec: str) -> None:
    path = make_video(tmp_path / "a.mp4", frames=panning(1) * 6, codec=codec)
    assert reasons(path) == [Reason.NOTHING_MOVES]
    motion = read(path)
    assert len(motion.x) == 0
    assert motion.zero_vectors[1:].min() >= 24  # one for each of the 6 x 4 macroblocks
    assert motion.camera_support[1:].min() == 1


@pytest.mark.parametrize("codec", ["mpeg4", "ffv1"])
def test_one_frame_cannot_move_whatever_the_codec(make_video: MakeVideo, tmp_path: Path, codec: str) -> None:
    path = make_video(tmp_path / "a.avi", frames=1, codec=codec)
    assert reasons(path) == [Reason.ONE_FRAME]
    assert read(path).frames == 1


@pytest.mark.parametrize(
    ("angle", "way"), [(90, (0, -8)), (180, (-8, 0)), (270, (0, 8))], ids=["left", "over", "right"]
)
def test_vectors_lie_in_the_upright_picture(
    make_video: MakeVideo, tmp_path: Path, angle: int, way: tuple[int, int]
) -> None:
    """As stored, everything moves right; a display rotation is anticlockwise."""
    path = make_video(tmp_path / "a.mp4", frames=panning(6), codec="libx264", options=X264, rotation=angle)
    log = ClipLog(0)
    motion = read(path, log)
    assert log.reasons == [Reason.ROTATED]
    assert (motion.width, motion.height) == ((64, 96) if angle != 180 else (96, 64))
    assert usual_displacement(motion) == way
    assert motion.x.max() <= motion.width
    assert motion.y.max() <= motion.height
    np.testing.assert_allclose(np.median(motion.camera[1:, [0, 3]], axis=0), np.divide(way, 4), atol=0.1)


def square_at(places: Sequence[tuple[int, int]], *, size: tuple[int, int] = (160, 128)) -> list[Picture]:
    """Frames of a still texture, and on it a square of 32 pixels whose left and top edges are given."""
    rng = np.random.default_rng(0)
    shape = (size[1] // 8, size[0] // 8, 3)
    ground = rng.integers(0, 100, shape, dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    square = rng.integers(120, 256, (32, 32, 3), dtype=np.uint8)
    frames = []
    for left, top in places:
        frame = ground.copy()
        frame[top : top + 32, left : left + 32] = square
        frames.append(frame)
    return frames


EIGHT = [Orientation(transposed=t, mirrored=m, flipped=f) for t, m, f in itertools.product((False, True), repeat=3)]


@pytest.mark.parametrize("said_by", ["container", "stream", "behind"])
@pytest.mark.parametrize("orientation", EIGHT, ids=str)
def test_a_square_moves_where_and_as_the_picture_shows_it(
    orientation: Orientation, said_by: str, make_oriented: MakeVideo, tmp_path: Path
) -> None:
    """Seen upright it goes 4 to the right and 2 down a frame; in frame 8 its centre is at (72, 48)."""
    frames = square_at([(24 + 4 * n, 16 + 2 * n) for n in range(14)])
    path = make_oriented(tmp_path / "a.mp4", frames=frames, orientation=orientation, said_by=said_by, options=X264)
    log = ClipLog(0)
    motion = read(path, log)
    assert log.reasons == ([Reason.ROTATED] if orientation.changes else [])
    assert log.messages == ([str(orientation)] if orientation.changes else [])
    assert (motion.width, motion.height) == (160, 128)
    assert usual_displacement(motion) == (16, 8)
    of_square = (motion.frame == 8) & (motion.dx == 16) & (motion.dy == 8)
    x, y = motion.x[of_square], motion.y[of_square]
    assert np.abs([np.mean([x.min(), x.max()]) - 72, np.mean([y.min(), y.max()]) - 48]).max() <= 8  # half a block


def test_an_angle_between_two_quarters_is_noted(make_oriented: MakeVideo, tmp_path: Path) -> None:
    frames = square_at([(24, 16), (28, 16)])
    path = make_oriented(tmp_path / "a.mp4", frames=frames, orientation=UPRIGHT, said_by="container", options=X264)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    cosine, sine = round(65536 * np.cos(0.5)), round(65536 * np.sin(0.5))
    data[at : at + 20] = struct.pack(">5i", cosine, sine, 0, -sine, cosine)
    path.write_bytes(data)
    log = ClipLog(0)
    assert usual_displacement(read(path, log)) == (16, 0)
    assert log.messages == ["left as it is stored: the nearest to the angle that the file asks for"]


@pytest.mark.parametrize("crop", [(64, 48), (34, 2), (16, 0), (0, 16), (0, 0)])
def test_what_headers_crop_at_the_left_and_top_shifts_vectors(
    crop: tuple[int, int], make_video: MakeVideo, make_cropped: MakeVideo, tmp_path: Path
) -> None:
    """FFmpeg counts positions in the coded picture. In frame 8 the square is at (112, 80) of that."""
    whole = make_video(
        tmp_path / "a.mp4", frames=square_at([(64 + 4 * n, 64) for n in range(12)]), codec="libx264", options=X264
    )
    motion = read(make_cropped(whole, tmp_path / "a.h264", left=crop[0], top=crop[1]))
    assert (motion.width, motion.height) == (160 - crop[0], 128 - crop[1])
    x, y = (getattr(motion, name)[(motion.frame == 8) & (motion.dx == 16)] for name in ("x", "y"))
    assert abs(np.mean([x.min(), x.max()]) - (112 - crop[0])) <= 8
    assert abs(np.mean([y.min(), y.max()]) - (80 - crop[1])) <= 8


def test_a_crop_may_change_at_a_key_frame(make_video: MakeVideo, make_cropped: MakeVideo, tmp_path: Path) -> None:
    """32 columns are cut off, first at the right, then at the left: the picture keeps its size, the vectors move."""
    whole = make_video(
        tmp_path / "a.mp4", frames=square_at([(64 + 4 * n, 64) for n in range(12)]), codec="libx264", options=X264
    )
    parts = [make_cropped(whole, tmp_path / f"{side}.h264", **{side: 32}) for side in ("right", "left")]
    both = tmp_path / "both.h264"
    both.write_bytes(b"".join(part.read_bytes() for part in parts))
    motion = read(both)
    assert (motion.width, motion.frames) == (128, 24)
    centres = [np.median(motion.x[(motion.frame == frame) & (motion.dx == 16)]) for frame in (8, 20)]
    assert centres[0] - centres[1] == 32


def test_interlaced_pictures_are_noted(make_video: MakeVideo, tmp_path: Path) -> None:
    for fields, expected in ((0, []), (1, [Reason.INTERLACED])):
        options = {"x264-params": f"{X264['x264-params']}:tff={fields}"}
        assert reasons(make_video(tmp_path / f"{fields}.mp4", frames=6, codec="libx264", options=options)) == expected


def test_odd_sizes_are_kept(make_video: MakeVideo, tmp_path: Path) -> None:
    motion = read(make_video(tmp_path / "a.avi", frames=panning(6, size=(95, 63))))
    assert (motion.width, motion.height) == (95, 63)
    assert usual_displacement(motion) == (8, 0)


def test_irregular_times_change_nothing(make_video: MakeVideo, tmp_path: Path) -> None:
    frames, times = panning(8), [0, 1, 2, 10, 11, 30, 31, 32]
    even = read(make_video(tmp_path / "a.mkv", frames=frames, codec="libx264", options=X264))
    uneven = read(make_video(tmp_path / "b.mkv", frames=frames, codec="libx264", options=X264, pts=times))
    assert (even.frames, usual_displacement(even)) == (uneven.frames, usual_displacement(uneven))


def test_a_change_of_frame_size_scales_to_the_first(make_video: MakeVideo, tmp_path: Path) -> None:
    """Two transport streams one after the other; 2 pixels of a picture half as large are 4 of the first."""
    large = make_video(tmp_path / "large.ts", frames=panning(6, right=4), codec="libx264", options=X264)
    small = make_video(tmp_path / "small.ts", frames=panning(6, size=(48, 32)), codec="libx264", options=X264)
    path = tmp_path / "both.ts"
    path.write_bytes(large.read_bytes() + small.read_bytes())
    log = ClipLog(0)
    motion = read(path, log)
    assert Reason.SIZE_CHANGES in log.reasons
    assert "(96, 64)" in log.messages[0]
    assert (motion.width, motion.height, motion.frames) == (96, 64, 12)
    assert usual_displacement(motion) == (16, 0)
    assert motion.x[motion.frame >= 6].max() > 48
    assert set(motion.w[motion.frame >= 6].tolist()) == {32}


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("this is not a video\n" * 50)


def gone(path: Path) -> None:
    path.unlink()


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])


def one_byte_in_ten_wrong(path: Path) -> None:
    data = np.frombuffer(path.read_bytes(), np.uint8).copy()
    data[len(data) // 4 : len(data) * 3 // 4 : 10] ^= 0xFF
    path.write_bytes(data.tobytes())


@pytest.mark.parametrize(
    ("spoil", "name", "codec", "reason"),
    [
        (empty, "a.avi", "mpeg4", {Reason.EMPTY_FILE}),
        (text, "a.avi", "mpeg4", {Reason.NOT_A_VIDEO}),
        (gone, "a.avi", "mpeg4", {Reason.VANISHED}),
        (cut_off, "a.avi", "mpeg4", {Reason.TRUNCATED}),
        (cut_off, "a.mp4", "libx264", {Reason.TRUNCATED}),
        (cut_off, "a.mkv", "libx264", {Reason.TRUNCATED}),
        (one_byte_in_ten_wrong, "a.mp4", "libx264", {Reason.DAMAGED, Reason.TRUNCATED}),
    ],
)
def test_bad_files_fail_with_their_reason(
    make_video: MakeVideo, tmp_path: Path, spoil: Callable[[Path], None], name: str, codec: str, reason: set[Reason]
) -> None:
    path = make_video(tmp_path / name, frames=60, size=(96, 64), codec=codec)
    spoil(path)
    assert failure(path).reason in reason


def test_a_file_without_frames_has_none(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    with av.open(path, "w") as output:
        stream = output.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        output.start_encoding()
    assert failure(path).reason == Reason.NO_FRAMES


def test_audio_alone_is_not_a_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.avi"
    with av.open(path, "w") as output:
        sound = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        noise = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        noise.sample_rate, noise.pts, noise.time_base = 8000, 0, Fraction(1, 8000)
        output.mux(sound.encode(noise))
        output.mux(sound.encode(None))
    assert failure(path).reason == Reason.NO_VIDEO_STREAM


def test_metadata_that_is_not_utf8_does_no_harm(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", metadata={"title": "XXXXXXXX"})
    path.write_bytes(path.read_bytes().replace(b"XXXXXXXX", b"caf\xe9\xff\xfe!!"))
    assert reasons(path) == [Reason.METADATA_NOT_UTF8]


@pytest.mark.parametrize("name", ["with space.avi", 'it\'s "quoted".avi', "-dash.avi", "größe-日本.avi", "a:b.avi"])
def test_any_file_name_is_read(make_video: MakeVideo, tmp_path: Path, name: str) -> None:
    assert read(make_video(tmp_path / name, frames=4)).frames == 4


@pytest.mark.parametrize(("tag", "seconds"), [("00:00:02.400000000", 2.4), ("01:02:03", 3723), ("", 0), ("soon", 0)])
def test_matroska_durations_are_read(tag: str, seconds: float) -> None:
    assert duration_seconds(tag) == pytest.approx(seconds)


DIGEST = """
import hashlib, sys
from pathlib import Path
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.motion.vectors import read_motion
motion = read_motion(Path(sys.argv[1]), clip="A/clip", log=ClipLog(0))
columns = [motion.x, motion.y, motion.dx, motion.dy, motion.w, motion.h, motion.ref, motion.zero_vectors]
columns += [motion.vectors_per_frame, motion.frame_type, motion.camera, motion.camera_support]
print(hashlib.sha256(b"".join(column.tobytes() for column in columns)).hexdigest())
"""


def test_another_process_reads_the_same_bytes(make_video: MakeVideo, tmp_path: Path) -> None:
    options = {"x264-params": "bframes=3:ref=3:threads=1"}
    path = make_video(tmp_path / "a.mp4", frames=40, size=(96, 64), codec="libx264", options=options)
    command = [sys.executable, "-c", DIGEST, str(path)]
    first, second = (subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2))
    assert first == second
    assert len(first.strip()) == len(hashlib.sha256().hexdigest())


def test_decoded_pictures_do_not_wait_for_the_garbage_collector(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", frames=60)

    def pictures_in_memory() -> int:
        return sum(isinstance(thing, av.VideoFrame) for thing in gc.get_objects())

    gc.collect()
    before = pictures_in_memory()
    gc.disable()
    try:
        read(path)
        assert pictures_in_memory() - before <= 2
    finally:
        gc.enable()


@pytest.mark.real
@pytest.mark.parametrize(
    "name", ["Surfing/v_Surfing_g01_c01", "Archery/v_Archery_g03_c01", "HorseRace/v_HorseRace_g20_c01"]
)
def test_real_clips_are_read_like_a_plain_loop_reads_them(real_clips: Path, name: str) -> None:
    """One with P-frames, one with B-frames, and one with packets that say "same as before" and yield no frame."""
    path = real_clips / "videos" / f"{name}.avi"
    assert_like_plain_loop(read(path), path, b_frames_count=False)
