"""What a file asks of a player and mocrop leaves alone is noted: crops of containers, pixels that are not square."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from mocrop.pipeline.bitstream.container_crop import container_crop
from mocrop.pipeline.errors import Reason
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.open import open_video
from mocrop.pipeline.video.picture_notes import note_container

MakeVideo = Callable[..., Path]
TO_ENTRY = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"mp4v"]
SEGMENT, TRACKS, TRACK, VIDEO = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\xae", b"\xe0"


def noted(path: Path) -> ClipLog:
    log = ClipLog(0)
    with open_video(path, clip="A/clip", log=log) as video:
        note_container(video, log)
    return log


def with_box(data: bytes, path: list[bytes], box: bytes) -> bytes:
    """Add a box at the end of that to which the path leads; other boxes stay where they are."""
    out, at = b"", 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + size]
        if path and kind == path[0]:
            head = body[:8] if kind == b"stsd" else b""
            inside = with_box(body[len(head) :], path[1:], box) if path[1:] else body + box
            body = head + inside
        out, at = out + struct.pack(">I4s", 8 + len(body), kind) + body, at + size
    return out


def clap(width: int, height: int, *, over: int = 1) -> bytes:
    return struct.pack(">I4s8i", 40, b"clap", width * over, over, height * over, over, 0, 1, 0, 1)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize(
    ("shown", "words"),
    [((40, 48), "40x48 of its pixels"), ((64, 30), "64x30 of its pixels"), ((64, 48), ""), ((80, 60), "")],
)
def test_a_clean_aperture_is_noted_where_it_cuts(
    shown: tuple[int, int], words: str, suffix: str, make_video: MakeVideo, tmp_path: Path
) -> None:
    path = make_video(tmp_path / f"a{suffix}", frames=3)
    path.write_bytes(with_box(path.read_bytes(), TO_ENTRY, clap(*shown, over=2)))
    log = noted(path)
    assert log.reasons == ([Reason.CONTAINER_CROP] if words else [])
    assert words in "".join(log.messages)
    with av.open(path) as container:
        frame = next(container.decode(video=0))
        assert (frame.width, frame.height) == (64, 48)  # FFmpeg's libraries leave it alone too


def element(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">Q", len(body) | 1 << 56) + body


LEFT_8, BOTTOM_4 = element(b"\x54\xcc", b"\x08"), element(b"\x54\xaa", b"\0\x04")


@pytest.mark.parametrize(
    ("crop", "words"),
    [
        (
            element(b"\x54\xcc", b"\x08") + element(b"\x54\xaa", b"\0\x04"),
            "8 pixels less at the left, 4 pixels less at the bottom",
        ),
        (element(b"\x54\xbb", b"\0"), ""),
        (b"", ""),
    ],
)
@pytest.mark.parametrize("unknown_size", [False, True])
def test_a_pixel_crop_of_matroska_is_found(crop: bytes, words: str, unknown_size: bool, tmp_path: Path) -> None:
    sound = element(TRACK, element(b"\xd7", b"\1"))
    picture = element(TRACK, element(b"\xd7", b"\2") + element(VIDEO, element(b"\xb0", b"\x40") + crop))
    body = element(b"\x15\x49\xa9\x66", b"some facts") + element(TRACKS, sound + picture)
    segment = SEGMENT + b"\x01" + b"\xff" * 7 + body if unknown_size else element(SEGMENT, body)
    path = tmp_path / "a.mkv"
    path.write_bytes(element(b"\x1a\x45\xdf\xa3", b"") + segment)
    assert container_crop(path, "matroska,webm") == words


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".avi"])
def test_usual_files_ask_for_nothing(suffix: str, make_video: MakeVideo, tmp_path: Path) -> None:
    codec = "libvpx-vp9" if suffix == ".webm" else "mpeg4"
    assert noted(make_video(tmp_path / f"a{suffix}", frames=3, codec=codec)).reasons == []


@pytest.mark.parametrize("container", ["mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi"])
def test_any_bytes_ask_for_nothing(container: str, tmp_path: Path) -> None:
    path, rng = tmp_path / "a", np.random.default_rng(0)
    for length in range(200):
        path.write_bytes(rng.integers(0, 256, length, dtype=np.uint8).tobytes() * (length % 3))
        assert container_crop(path, container) == ""
    for head in (
        b"\0\0\0\0moov",
        b"\0\0\0\1moov",
        b"\0\0\0\x10moov\0\0\0\0clap",
        b"\x1a\x45\xdf\xa3\0",
        SEGMENT + b"\0",
    ):
        path.write_bytes(head)
        assert container_crop(path, container) == ""


@pytest.mark.parametrize(
    ("shape", "reasons"),
    [
        (Fraction(16, 11), [Reason.PIXELS_NOT_SQUARE]),
        (Fraction(1), []),
        (Fraction(200, 199), []),  # rounding
    ],
)
def test_pixels_that_are_not_square_are_noted(shape: Fraction, reasons: list[Reason], tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(path, "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = shape
        for n in range(3):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), n, np.uint8), format="rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    log = noted(path)
    assert log.reasons == reasons
    assert log.messages == ["its pixels are 16:11; it is taken as it is stored"] * len(reasons)
