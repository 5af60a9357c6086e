"""A file is whole if all that it shows is there, whatever number its header has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest

from mocrop.pipeline.bitstream.matroska import SEGMENT, ends_early
from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.decoder import PlainDecode
from mocrop.pipeline.video.open import open_video
from mocrop.pipeline.video.timeline import read_timeline
from mocrop.pipeline.video.whole import duration_seconds

MakeVideo = Callable[..., Path]


def frames_of(path: Path) -> tuple[int, int]:
    """Number of frames by a plain decode and by the timeline; each checks that the file is whole."""
    log = ClipLog(0)
    with open_video(path, clip="A/a", log=log) as video:
        decode = PlainDecode(video)
        decoded = sum(1 for _ in decode.frames())
        decode.finish(clip="A/a", max_damaged=0, log=log)
    with open_video(path, clip="A/a", log=log) as video:
        return decoded, read_timeline(video, path, clip="A/a", log=log).frames


def with_edit(path: Path, share: float) -> Path:
    """Let the edit list of an MP4 file show so much of it."""
    data = bytearray(path.read_bytes())
    place = data.index(b"elst") + 12
    whole = int.from_bytes(data[place : place + 4], "big")
    data[place : place + 4] = round(whole * share).to_bytes(4, "big")
    path.write_bytes(data)
    return path


def with_index_first(source: Path, target: Path) -> Path:
    with av.open(source) as old, av.open(target, "w", options={"movflags": "faststart"}) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    return target


@pytest.mark.parametrize("codec", ["mpeg4", "libx264", "mjpeg"])
def test_mp4_trimmed_at_its_end_by_an_edit_list_is_whole(codec: str, make_video: MakeVideo, tmp_path: Path) -> None:
    """Half of 48 frames are shown."""
    path = make_video(tmp_path / "a.mp4", codec=codec, frames=48, pix_fmt="yuvj420p" if codec == "mjpeg" else "yuv420p")
    assert frames_of(path) == (48, 48)
    assert frames_of(with_edit(path, 0.5)) == (24, 24)


@pytest.mark.parametrize("codec", ["mpeg4", "mjpeg"])
def test_avi_with_dropped_frames_is_whole(codec: str, make_video: MakeVideo, tmp_path: Path) -> None:
    """Two of three frames are there; the header counts 48, and chunks of no bytes stand for the others."""
    times = [n for n in range(48) if n % 3 != 1]
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = make_video(tmp_path / "a.avi", codec=codec, frames=32, pts=times, pix_fmt=pix_fmt)
    with open_video(path, clip="A/a", log=ClipLog(0)) as video:
        assert video.stream.frames > 40
    assert frames_of(path) == (32, 32)


@pytest.mark.parametrize("keep", [0.5, 0.8])
@pytest.mark.parametrize("times", [range(48), [n for n in range(72) if n % 3 != 1]])
def test_avi_that_is_cut_off_is_not(times: list[int], keep: float, make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", frames=48, pts=list(times), size=(160, 120))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(ClipError) as caught:
        frames_of(path)
    assert caught.value.reason is Reason.TRUNCATED


def test_trimmed_mp4_whose_index_comes_first_and_that_is_cut_off_is_not(make_video: MakeVideo, tmp_path: Path) -> None:
    """36 of 48 frames are shown: frame 40 is none of them, frame 30 is."""
    path = with_index_first(make_video(tmp_path / "b.mp4", frames=48, size=(160, 120)), tmp_path / "a.mp4")
    with av.open(path) as container:
        offsets = [entry.pos for entry in container.streams.video[0].index_entries]
    whole = with_edit(path, 0.75).read_bytes()
    assert frames_of(path) == (36, 36)
    path.write_bytes(whole[: offsets[40]])
    assert frames_of(path) == (36, 36)
    path.write_bytes(whole[: offsets[30]])
    with pytest.raises(ClipError) as caught:
        frames_of(path)
    assert caught.value.reason is Reason.TRUNCATED


@pytest.mark.parametrize("codec", ["libx264", "mjpeg", "mpeg2video"])
def test_matroska_file_that_is_cut_off_is_not_whatever_reads_it(
    codec: str, make_video: MakeVideo, tmp_path: Path
) -> None:
    """It declares a duration and no number of frames; headers tell the frames of two of these codecs."""
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = make_video(tmp_path / "a.mkv", codec=codec, frames=48, size=(160, 120), pix_fmt=pix_fmt)
    assert frames_of(path) == (48, 48)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    log = ClipLog(0)
    with open_video(path, clip="A/a", log=log) as video:
        with pytest.raises(ClipError, match="cut off") as of_timeline:
            read_timeline(video, path, clip="A/a", log=log)
        decode = PlainDecode(video)
        assert 0 < sum(1 for _ in decode.frames()) < 40
        with pytest.raises(ClipError, match="cut off") as of_decode:
            decode.finish(clip="A/a", max_damaged=1, log=log)
    assert of_timeline.value.reason is of_decode.value.reason is Reason.TRUNCATED


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_matroska_file_without_durations_is_cut_off_if_bytes_are_missing(
    codec: str, make_video: MakeVideo, tmp_path: Path
) -> None:
    """As mkvmerge writes them, whose tags are at the end. A live stream does not say how many bytes it has."""
    path = make_video(tmp_path / "a.mkv", codec=codec, frames=48, size=(160, 120))
    whole = path.read_bytes().replace(b"DURATION", b"NO-TITLE")
    path.write_bytes(whole)
    assert frames_of(path) == (48, 48)
    half = whole[: len(whole) // 2]
    path.write_bytes(half)
    with pytest.raises(ClipError, match="bytes at the end are missing"):
        frames_of(path)
    with open_video(path, clip="A/a", log=ClipLog(0)) as video, pytest.raises(ClipError, match="bytes at the end"):
        read_timeline(video, path, clip="A/a", log=ClipLog(0))
    size_at = half.index(SEGMENT.to_bytes(4)) + 4
    path.write_bytes(half[:size_at] + b"\x01" + b"\xff" * 7 + half[size_at + 8 :])
    assert not ends_early(path)
    assert 0 < frames_of(path)[0] < 48


@pytest.mark.parametrize("suffix", [".nut", ".mkv"])
def test_only_matroska_files_are_held_to_a_tag_of_their_duration(
    suffix: str, make_video: MakeVideo, tmp_path: Path
) -> None:
    """A copy of the first 12 of 48 frames: NUT keeps the tag of the file that was cut, Matroska writes its own."""
    path = tmp_path / f"part{suffix}"
    with av.open(make_video(tmp_path / "a.mkv", frames=48)) as old, av.open(path, "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        stream.metadata.update(old.streams.video[0].metadata)
        for packet in list(old.demux(video=0))[:12]:
            packet.stream = stream
            new.mux(packet)
    with av.open(path) as video:
        declared = video.streams.video[0].metadata["DURATION"]
    assert (duration_seconds(declared) > 1) == (suffix == ".nut")
    assert frames_of(path) == (12, 12)
