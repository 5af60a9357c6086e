"""Bits, NAL units and parameter sets of H.264, as far as the streams of these tests need them.

Source: ITU-T H.264, 7.3 (syntax), 9.1 (Exp-Golomb codes), Annex D (SEI).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

FRAME_NUMBER_BITS = 8
ORDER_BITS = 10  # of pic_order_cnt_lsb


class NalType(IntEnum):
    """nal_unit_type."""

    SLICE = 1
    IDR_SLICE = 5
    SEI = 6
    SPS = 7
    PPS = 8
    DELIMITER = 9


class BitWriter:
    """Collects bits, the most significant of each byte first.

    >>> bits = BitWriter()
    >>> bits.fixed(1, 2); bits.unsigned(2); bits.signed(-1)
    >>> bits.closed().hex()
    '5b80'
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._value = 0  # bits that do not fill a byte yet
        self._count = 0

    def fixed(self, value: int, count: int) -> None:
        """Append a number of ``count`` bits."""
        self._value = self._value << count | value
        self._count += count
        whole, self._count = divmod(self._count, 8)
        if whole:
            self._bytes += (self._value >> self._count).to_bytes(whole, "big")
            self._value &= (1 << self._count) - 1

    def flags(self, *values: bool) -> None:
        """Append one bit each."""
        for value in values:
            self.fixed(int(value), 1)

    def unsigned(self, *values: int) -> None:
        """Append unsigned Exp-Golomb codes."""
        for value in values:
            length = (value + 1).bit_length()
            self.fixed(value + 1, 2 * length - 1)

    def signed(self, *values: int) -> None:
        """Append signed Exp-Golomb codes."""
        for value in values:
            self.unsigned(2 * value - 1 if value > 0 else -2 * value)

    def aligned(self, data: bytes) -> None:
        """Fill the byte with zeros and append whole bytes."""
        if self._count:
            self.fixed(0, 8 - self._count)
        self._bytes += data

    def closed(self) -> bytes:
        """All bits, a one and zeros up to a whole byte."""
        self.fixed(1, 1)
        self.aligned(b"")
        return bytes(self._bytes)


@dataclass(frozen=True, kw_only=True)
class Form:
    """What the parameter sets of a stream say."""

    width: int = 96  # pixels, a multiple of 16
    height: int = 64  # pixels, a multiple of 16; of 32 if fields are allowed
    fields: bool = False  # frame_mbs_only_flag 0: pictures may be fields
    order_type: int = 0  # pic_order_cnt_type
    reference_frames: int = 4
    crop: tuple[int, int, int, int] = (0, 0, 0, 0)  # left, right, top, bottom, in units of two pixels
    reordered: int | None = None  # max_num_reorder_frames of the VUI; None: no VUI

    def parameter_sets(self) -> bytes:
        """SPS and PPS, Main profile, CAVLC."""
        return nal(NalType.SPS, self._sps(), priority=3) + nal(NalType.PPS, _pps(), priority=3)

    def _sps(self) -> bytes:
        bits = BitWriter()
        bits.fixed(77 << 16 | 30, 24)  # Main profile, level 3
        bits.unsigned(0, FRAME_NUMBER_BITS - 4, self.order_type)
        if self.order_type == 0:
            bits.unsigned(ORDER_BITS - 4)
        elif self.order_type == 1:
            bits.flags(False)  # delta_pic_order_always_zero_flag
            bits.signed(0, 0)  # offsets for pictures that are no reference, and for bottom fields
            bits.unsigned(1)
            bits.signed(2)  # from one reference frame to the next
        bits.unsigned(self.reference_frames)
        bits.flags(False)
        bits.unsigned(self.width // 16 - 1, self.height // (32 if self.fields else 16) - 1)
        bits.flags(not self.fields, *([False] if self.fields else []), True)
        bits.flags(any(self.crop))
        if any(self.crop):
            left, right, top, bottom = self.crop
            bits.unsigned(left, right, *((top // 2, bottom // 2) if self.fields else (top, bottom)))
        self._vui(bits)
        return bits.closed()

    def _vui(self, bits: BitWriter) -> None:
        bits.flags(self.reordered is not None)
        if self.reordered is not None:
            bits.flags(*[False] * 8, True)  # nothing but the bitstream restriction
            bits.flags(True)
            bits.unsigned(0, 0, 16, 16, self.reordered, max(self.reordered, self.reference_frames))


def _pps() -> bytes:
    bits = BitWriter()
    bits.unsigned(0, 0)
    bits.flags(False, False)  # CAVLC; no second picture order count in frames
    bits.unsigned(0, 0, 0)  # one slice group, one reference in each list
    bits.fixed(0, 3)  # no weighted prediction
    bits.signed(0, 0, 0)
    bits.flags(True, False, False)  # slices say whether they are filtered
    return bits.closed()


def nal(kind: NalType, payload: bytes, *, priority: int = 0) -> bytes:
    """A NAL unit after a start code; ``priority`` is nal_ref_idc."""
    escaped = re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", payload)
    return b"\0\0\0\1" + bytes([priority << 5 | kind]) + escaped


def recovery_point(*, frames: int = 0, exact: bool = True, broken_link: bool = False) -> bytes:
    """SEI: pictures are right from ``frames`` frames after this one on."""
    bits = BitWriter()
    bits.unsigned(frames)
    bits.flags(exact, broken_link, False, False)
    return _sei(6, bits.closed())


def display_orientation(*, turns: int, mirrored: bool, flipped: bool = False) -> bytes:
    """SEI: mirror left to right and upside down, then turn by quarter turns anticlockwise, before display."""
    bits = BitWriter()
    bits.flags(False, mirrored, flipped)
    bits.fixed(turns * 0x4000, 16)
    bits.unsigned(1)  # until further notice
    bits.flags(False)
    return _sei(47, bits.closed())


def _sei(kind: int, payload: bytes) -> bytes:
    return nal(NalType.SEI, bytes([kind, len(payload)]) + payload + b"\x80")
