"""Which stream of a file is read, and which files are not read at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.open import open_video

MakeVideo = Callable[..., Path]


def with_streams(path: Path, widths: Sequence[int]) -> Path:
    """A file with one video stream of each width."""
    with av.open(path, "w") as output:
        streams = []
        for width in widths:
            stream = output.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, 48, "yuv420p"
            streams.append(stream)
        for number in range(4):
            for stream in streams:
                frame = av.VideoFrame.from_ndarray(np.zeros((48, stream.width, 3), np.uint8), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                output.mux(stream.encode(frame))
        for stream in streams:
            output.mux(stream.encode(None))
    return path


def taken(path: Path) -> tuple[int, ClipLog]:
    """Width of the stream that is read, and the notes."""
    log = ClipLog(0)
    with open_video(path, clip="A/a", log=log) as video:
        return video.stream.codec_context.width, log


def set_default(path: Path, stream: int, default: bool) -> None:
    """Set the flag ``track_enabled`` of one track of an MP4 file."""
    data, place = bytearray(path.read_bytes()), 0
    for _ in range(stream + 1):
        place = data.index(b"tkhd", place) + 4
    data[place + 3] = data[place + 3] & ~1 | int(default)
    path.write_bytes(data)


@pytest.mark.parametrize("widths", [(64, 128), (128, 64)])
def test_largest_stream_is_read_where_none_is_the_default(widths: tuple[int, int], tmp_path: Path) -> None:
    width, log = taken(with_streams(tmp_path / "a.avi", widths))
    assert width == 128
    assert log.reasons == [Reason.SEVERAL_STREAMS]
    assert log.messages == [f"has 2 video streams; number {widths.index(128)} was taken"]


@pytest.mark.parametrize("default", [0, 1])
def test_default_stream_is_read_whatever_its_size(default: int, tmp_path: Path) -> None:
    widths = (64, 128)
    path = with_streams(tmp_path / "a.mp4", widths)
    for stream in (0, 1):
        set_default(path, stream, stream == default)
    assert taken(path)[0] == widths[default]


def test_first_of_equal_streams_is_read(tmp_path: Path) -> None:
    path = with_streams(tmp_path / "a.avi", (64, 64))
    with open_video(path, clip="A/a", log=ClipLog(0)) as video:
        assert video.stream.index == 0


def test_one_stream_is_not_worth_a_note(make_video: MakeVideo, tmp_path: Path) -> None:
    assert taken(make_video(tmp_path / "a.avi"))[1].reasons == []


@pytest.mark.parametrize(
    "content",
    [
        b"ffconcat version 1.0\nfile 'real.avi'\n",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nreal.avi\n#EXT-X-ENDLIST\n",
        b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"></MPD>',
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        b"1\n00:00:01,000 --> 00:00:02,000\nWords\n\n",
        b"just text " * 200,
        b"\x89PNG\r\n\x1a\n" + bytes.fromhex("0000000d49484452000000010000000108000000003a7e9b55") + b"\0" * 64,
    ],
    ids=["concat", "hls", "dash", "sdp", "subtitles", "text", "picture"],
)
@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_lists_of_files_pictures_and_text_are_no_videos_whatever_their_name(
    content: bytes, suffix: str, make_video: MakeVideo, tmp_path: Path
) -> None:
    make_video(tmp_path / "real.avi")
    path = tmp_path / f"odd{suffix}"
    path.write_bytes(content)
    with pytest.raises(ClipError) as caught, open_video(path, clip="A/a", log=ClipLog(0)):
        pass
    assert caught.value.reason is Reason.NOT_A_VIDEO


def test_sound_alone_has_no_video_stream(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with av.open(path, "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.rate = 8000
        output.mux(stream.encode(frame))
    with pytest.raises(ClipError) as caught, open_video(path, clip="A/a", log=ClipLog(0)):
        pass
    assert caught.value.reason is Reason.NO_VIDEO_STREAM
