"""Which packets of VP8 and VP9 streams give a frame, from the first bits of their frames.

Source: RFC 6386, 9.1 (VP8); VP9 Bitstream and Decoding Process Specification, 6.2 and annex B (superframes).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mocrop.pipeline.bitstream.bits import BitReader, UnusualError

_SUPERFRAME, _SUPERFRAME_MASK = 0b110, 5
_FRAME_MARKER, _PROFILE_WITH_RESERVED_BIT = 2, 3


def vp8_frames(packets: Iterable[bytes]) -> list[tuple[int, bool]]:
    """Number of the packet of each frame that is shown, and whether it is a key frame.

    Raises: UnusualError if the stream must be decoded to know.
    """
    shown = []
    for number, packet in enumerate(packets):
        first = packet[0]
        if first >> 4 & 1:  # show_frame
            shown.append((number, not first & 1))
    return _begun_with_a_key_frame(shown)


def vp9_frames(packets: Iterable[bytes]) -> list[tuple[int, bool]]:
    """The same for VP9, of whose packets several may hold frames that are not shown beside one that is."""
    shown = []
    for number, packet in enumerate(packets):
        frames = [key for key, visible in map(_vp9_frame, _vp9_parts(packet)) if visible]
        if len(frames) > 1:
            raise UnusualError("two frames in a packet")
        shown += [(number, key) for key in frames]
    return _begun_with_a_key_frame(shown)


def _begun_with_a_key_frame(shown: list[tuple[int, bool]]) -> list[tuple[int, bool]]:
    if not shown or shown[0] != (0, True):
        raise UnusualError("does not begin with a key frame")
    return shown


def _vp9_parts(packet: bytes) -> Iterator[bytes]:
    """The frames of a packet."""
    marker = packet[-1]
    if marker >> _SUPERFRAME_MASK != _SUPERFRAME:
        yield packet
        return
    count, size_bytes = (marker & 7) + 1, (marker >> 3 & 3) + 1
    index = len(packet) - 2 - count * size_bytes
    if index < 0 or packet[index] != marker:
        yield packet
        return
    at = 0
    for place in range(index + 1, len(packet) - 1, size_bytes):
        size = int.from_bytes(packet[place : place + size_bytes], "little")
        yield packet[at : at + size]
        at += size


def _vp9_frame(data: bytes) -> tuple[bool, bool]:
    """Whether a frame is a key frame, and whether it is shown."""
    bits = BitReader(data[:2])
    if bits.fixed(2) != _FRAME_MARKER:
        raise UnusualError("no frame of VP9")
    profile = bits.fixed(1) | bits.fixed(1) << 1
    if profile == _PROFILE_WITH_RESERVED_BIT:
        bits.fixed(1)
    if bits.fixed(1):  # show_existing_frame
        raise UnusualError("shows a frame of before")
    return not bits.fixed(1), bool(bits.fixed(1))
