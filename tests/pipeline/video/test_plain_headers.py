"""What a few bytes of each packet say must be what all headers say, and the decoder."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mocrop.pipeline.bitstream.bits import UnusualError
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.headers import indexed_headers, video_headers
from mocrop.pipeline.video.index import complete_index, mapped, packet_bytes
from mocrop.pipeline.video.open import open_video
from mocrop.pipeline.video.plain_headers import plain_h264, plain_mpeg4

MakeVideo = Callable[..., Path]
PLAIN: dict[str, dict[str, object]] = {
    "mpeg4.avi": {},
    "mpeg4.mp4": {},
    "long.avi": {"rate": 5},  # pictures more than a second after the last whole one
    "ticks.mp4": {"rate": 24000},  # 15 bits of time
    "h264.mp4": {"codec": "libx264"},
    "slices.mp4": {"codec": "libx264", "options": {"x264-params": "slices=3"}, "size": (64, 96)},
    "delimited.mp4": {"codec": "libx264", "options": {"x264-params": "aud=1"}},
}
OTHERS: dict[str, dict[str, object]] = {
    "b.avi": {"options": {"bf": "2"}},
    "b.mp4": {"codec": "libx264", "options": {"x264-params": "bframes=2"}},
    "refresh.mp4": {"codec": "libx264", "options": {"x264-params": "intra-refresh=1:bframes=0:keyint=12"}},
}


def plain_keys(path: Path) -> list[bool] | None:
    with open_video(path, clip="A/a", log=ClipLog(0)) as video, mapped(path) as data:
        index = complete_index(video)
        assert index is not None
        context = video.stream.codec_context
        read = plain_h264 if context.name == "h264" else plain_mpeg4
        return read(data, index, extradata=context.extradata or b"")


@pytest.mark.parametrize("name", PLAIN)
def test_plain_streams_are_told_as_by_all_their_headers(name: str, make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / name, frames=40, **PLAIN[name])
    keys = plain_keys(path)
    with open_video(path, clip="A/a", log=ClipLog(0)) as video, mapped(path) as data:
        index = complete_index(video)
        assert index is not None
        headers = video_headers(video, packet_bytes(data, index))
        assert headers is not None
        assert (headers.packets, headers.keys) == (list(range(40)), keys)
        assert indexed_headers(video, index) == headers
    assert keys == [number % 12 == 0 for number in range(40)]


@pytest.mark.parametrize("name", OTHERS)
def test_other_streams_are_not(name: str, make_video: MakeVideo, tmp_path: Path) -> None:
    assert plain_keys(make_video(tmp_path / name, frames=40, **OTHERS[name])) is None


@pytest.mark.real
def test_real_clips_are_told_as_by_all_their_headers(real_clips: Path) -> None:
    for path in sorted((real_clips / "videos").glob("*/*_g0[1-3]_c01.avi")):
        with open_video(path, clip="A/a", log=ClipLog(0)) as video, mapped(path) as data:
            index = complete_index(video)
            if index is None:
                continue
            headers = video_headers(video, packet_bytes(data, index))
            assert indexed_headers(video, index) == headers


@pytest.mark.parametrize(("codec", "pix_fmt"), [("mpeg4", "yuv420p"), ("libx264", "yuv420p"), ("mjpeg", "yuvj420p")])
def test_packets_that_turn_out_unusual_are_left_to_a_decoder(
    codec: str, pix_fmt: str, make_video: MakeVideo, tmp_path: Path
) -> None:
    path = make_video(tmp_path / "a.mkv", codec=codec, pix_fmt=pix_fmt)

    def unusual() -> Iterator[bytes]:
        raise UnusualError("other headers of the container")
        yield b""

    with open_video(path, clip="A/a", log=ClipLog(0)) as video:
        assert video_headers(video, unusual()) is None


@pytest.mark.parametrize("name", ["h264.mp4", "mpeg4.avi", "b.mp4", "b.avi"])
def test_file_is_let_go_although_somebody_holds_the_frames_of_the_thread(
    name: str, make_video: MakeVideo, tmp_path: Path
) -> None:
    """As Dask's profiler does for a moment: a view of the mapped file in one of them would be an error at its end."""
    path = make_video(tmp_path / name, frames=40, **{**PLAIN, **OTHERS, "b.avi": {"options": {"bf": "2"}}}[name])
    held = []
    with open_video(path, clip="A/a", log=ClipLog(0)) as video:
        sys.setprofile(lambda frame, *_: held.append(frame))
        try:
            index = complete_index(video)
            assert index is not None
            headers = indexed_headers(video, index)
        finally:
            sys.setprofile(None)
    assert headers is not None
    assert len(headers.packets) == 40
    assert len(held) > 10
