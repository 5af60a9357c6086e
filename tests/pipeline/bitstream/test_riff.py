"""The chunks that AVI files consist of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mocrop.pipeline.bitstream.riff import RiffChunk, holds_several_videos, is_cut_off, riff_chunks
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.decoder import PlainDecode
from mocrop.pipeline.video.open import open_video
from mocrop.pipeline.video.timeline import read_timeline

MakeVideo = Callable[..., Path]


def chunk(form: bytes, content: int) -> bytes:
    return b"RIFF" + (4 + content).to_bytes(4, "little") + form + bytes(content)


@pytest.mark.parametrize(
    ("data", "chunks", "cut_off", "several"),
    [
        (chunk(b"AVI ", 10), [(b"AVI ", 22)], False, False),
        (chunk(b"AVI ", 10)[:-1], [(b"AVI ", 22)], True, False),
        (chunk(b"AVI ", 10) + chunk(b"AVIX", 4), [(b"AVI ", 22), (b"AVIX", 38)], False, False),
        (chunk(b"AVI ", 10) + chunk(b"AVIX", 4)[:-1], [(b"AVI ", 22), (b"AVIX", 38)], True, False),
        (chunk(b"AVI ", 10) + chunk(b"AVI ", 4), [(b"AVI ", 22), (b"AVI ", 38)], False, True),
        (chunk(b"AVI ", 9) + b"\0" + chunk(b"AVI ", 4), [(b"AVI ", 21), (b"AVI ", 38)], False, True),
        (chunk(b"AVI ", 10) + b"appended by some program", [(b"AVI ", 22)], False, False),
        (b"no chunk at all", [], True, False),
    ],
)
def test_chunks(data: bytes, chunks: list[tuple[bytes, int]], cut_off: bool, several: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    path.write_bytes(data)
    assert list(riff_chunks(path)) == [RiffChunk(*each) for each in chunks]
    assert (is_cut_off(path), holds_several_videos(path)) == (cut_off, several)


def test_two_avi_files_in_a_row_are_counted_to_the_end(make_video: MakeVideo, tmp_path: Path) -> None:
    """The index of the first lists 24 frames, and a decoder plays 48."""
    one = make_video(tmp_path / "one.avi")
    two = tmp_path / "two.avi"
    two.write_bytes(one.read_bytes() * 2)
    for path, frames in ((one, 24), (two, 48)):
        log = ClipLog(0)
        with open_video(path, clip="A/a", log=log) as video:
            assert sum(1 for _ in PlainDecode(video).frames()) == frames
        with open_video(path, clip="A/a", log=log) as video:
            timeline = read_timeline(video, path, clip="A/a", log=log)
        assert (timeline.frames, len(timeline.key_frames)) == (frames, frames // 12)
