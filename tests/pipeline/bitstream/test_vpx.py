"""Which packets of VP8 and VP9 give a frame, from bytes written by hand; real streams: test_timeline.py."""

from __future__ import annotations

import pytest

from mocrop.pipeline.bitstream.bits import UnusualError
from mocrop.pipeline.bitstream.vpx import vp8_frames, vp9_frames

VP8_KEY, VP8_SHOWN, VP8_HIDDEN = b"\x10..", b"\x11..", b"\x01.."  # bit 0: not a key frame; bit 4: shown


def vp9(*, key: bool = False, shown: bool = True, profile: int = 0, existing: bool = False) -> bytes:
    reserved = "0" if profile == 3 else ""
    bits = f"10{profile & 1}{profile >> 1}{reserved}{int(existing)}{int(not key)}{int(shown)}"
    return int(bits.ljust(16, "0"), 2).to_bytes(2, "big") + b"data"


def superframe(*frames: bytes) -> bytes:
    marker = bytes([0b110_00_000 | len(frames) - 1])  # sizes of one byte
    return b"".join(frames) + marker + bytes(len(frame) for frame in frames) + marker


def test_hidden_frames_of_vp8_are_left_out() -> None:
    assert vp8_frames([VP8_KEY, VP8_SHOWN, VP8_HIDDEN, VP8_SHOWN]) == [(0, True), (1, False), (3, False)]


@pytest.mark.parametrize("profile", range(4))
def test_hidden_frames_of_vp9_are_left_out_beside_others_and_alone(profile: int) -> None:
    key, shown, hidden = (vp9(profile=profile, **how) for how in ({"key": True}, {}, {"shown": False}))
    packets = [key, shown, superframe(hidden, shown), hidden, shown, superframe(vp9(key=True, profile=profile))]
    assert vp9_frames(packets) == [(0, True), (1, False), (2, False), (4, False), (5, True)]


@pytest.mark.parametrize(
    "packets",
    [
        [vp9()],
        [vp9(key=True, shown=False)],
        [vp9(key=True), superframe(vp9(), vp9())],
        [vp9(key=True), vp9(existing=True)],
        [vp9(key=True), b"\0\0"],
        [],
    ],
    ids=["no key frame", "hidden key frame", "two in a packet", "one of before", "no frame", "nothing"],
)
def test_unusual_streams_are_left_to_a_decoder(packets: list[bytes]) -> None:
    with pytest.raises(UnusualError):
        vp9_frames(packets)


def test_data_that_ends_like_a_superframe_is_a_frame() -> None:
    packet = vp9(key=True) + b"\xc1"
    assert vp9_frames([packet]) == [(0, True)]
