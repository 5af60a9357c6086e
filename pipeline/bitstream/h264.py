"""Units and parameters of H.264 streams.

Source: ITU-T H.264, 7.3; ISO/IEC 14496-15, 5.3.3.1 (avcC).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from mocrop.pipeline.bitstream.bits import BitReader

_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})  # 7.3.2.1.1
SLICE, PARTITION, IDR_SLICE, SEI, SEQUENCE, PICTURE_SET = 1, 2, 5, 6, 7, 8  # nal_unit_type
_RECOVERY_POINT, DISPLAY_ORIENTATION = 6, 47  # payloadType
_START = b"\0\0\1"
_SEQUENCE_BYTES = 16 << 10  # of a set; what is read of it never takes more
_MOST_ORDER_BITS, _MOST_IN_CYCLE = 16, 255  # of frame_num and pic_order_cnt_lsb (7.4.2.1.1); of type 1


@dataclass(frozen=True, kw_only=True)
class SequenceParameters:
    """What mocrop needs of a sequence parameter set (7.3.2.1.1).

    Attributes:
        number: seq_parameter_set_id.
        profile: profile_idc.
        width, height: of the shown picture, pixels.
        crop: pixels cut off the coded picture at its left, top, right and bottom. FFmpeg's decoder leaves the left ones
            where they are no multiple of 64, unless its flag ``unaligned`` is set.
        reference_frames: max_num_ref_frames.
        frames_only: whether no picture is a field and no macroblock is interlaced.
        frame_number_bits: of frame_num.
        order_type: pic_order_cnt_type.
        order_bits: of pic_order_cnt_lsb; 0 unless ``order_type`` is 0.
        separate_planes: whether the three colours are coded as pictures of their own.
    """

    number: int
    profile: int
    width: int
    height: int
    crop: tuple[int, int, int, int]
    reference_frames: int
    frames_only: bool
    frame_number_bits: int
    order_type: int
    order_bits: int
    separate_planes: bool


def sequence_parameters(headers: bytes) -> SequenceParameters | None:
    """Read the first sequence parameter set in a decoder's extradata, or in a packet with start codes.

    Args:
        headers: avcC (as in MP4 and MKV) or Annex B (as in AVI and MPEG-TS).
    Returns: None if there is none, or if it is cut off.
    """
    try:
        return next(sequences(headers), None)
    except IndexError:
        return None


def sequences(headers: bytes) -> Iterator[SequenceParameters]:
    """Read all sequence parameter sets, not only the first. Raises: IndexError if one is cut off."""
    for unit in header_units(headers):
        if unit and unit[0] & 31 == SEQUENCE:
            yield read_sequence(unit)


def sequences_before_slices(packet: bytes, *, length_bytes: int) -> Iterator[SequenceParameters]:
    """Read the sequence parameter sets that stand before the picture in a packet.

    Args:
        length_bytes: see :func:`length_bytes`.
    Raises: IndexError or ValueError if one is cut off.
    """
    for unit in units(packet, length_bytes=length_bytes):
        kind = unit[0] & 31 if unit else 0
        if kind in (SLICE, PARTITION, IDR_SLICE):
            return
        if kind == SEQUENCE:
            yield _read_once(unit)


def header_units(headers: bytes) -> Iterator[bytes]:
    """The sequence and picture parameter sets of avcC, or all units of Annex B."""
    if headers[:1] != b"\x01":
        yield from units(headers, length_bytes=0)
        return
    at = 5
    for most in (31, 255):  # sequence parameter sets, and those of pictures, whose number has no other bits before it
        count = headers[at] & most if len(headers) > at else 0
        at += 1
        for _ in range(count):
            length = int.from_bytes(headers[at : at + 2], "big")
            yield headers[at + 2 : at + 2 + length]
            at += 2 + length


def length_bytes(extradata: bytes) -> int:
    """Bytes of the length before each unit of a packet, as avcC says; 0: units begin with start codes."""
    return (extradata[4] & 3) + 1 if extradata[:1] == b"\x01" and len(extradata) > 4 else 0


def units(data: bytes, *, length_bytes: int) -> Iterator[bytes]:
    """Split a packet into its NAL units, header byte included, emulation prevention kept.

    Args:
        length_bytes: see :func:`length_bytes`.
    Raises: ValueError if a unit is longer than the packet.
    """
    if length_bytes:
        at = 0
        while at < len(data):
            start = at + length_bytes
            at = start + int.from_bytes(data[at:start], "big")
            if at > len(data):
                raise ValueError(f"a unit ends at byte {at} of {len(data)}")
            yield data[start:at]
        return
    at = data.find(_START)
    while at >= 0:
        after = data.find(_START, at + 3)
        yield data[at + 3 : after if after >= 0 else len(data)]
        at = after


def read_sequence(unit: bytes) -> SequenceParameters:
    """Read a sequence parameter set, header byte included.

    Raises: IndexError if it is cut off, or if one of its numbers is beyond what the standard allows.
    """
    bits = BitReader(unescaped(unit[:_SEQUENCE_BYTES]), start=8)
    profile = bits.fixed(8)
    bits.fixed(16)  # constraint flags, level
    number = bits.unsigned()
    chroma, separate = _colour_planes(bits) if profile in _HIGH_PROFILES else (1, False)
    frame_number_bits = _order_field(bits)
    order_type = bits.unsigned()
    order_bits = _order_bits(bits, order_type)
    reference_frames = bits.unsigned()
    bits.fixed(1)  # gaps_in_frame_num_value_allowed_flag
    macroblocks_across, map_units_down = bits.unsigned() + 1, bits.unsigned() + 1
    frames_only = bool(bits.fixed(1))
    if not frames_only:
        bits.fixed(1)  # mb_adaptive_frame_field_flag
    bits.fixed(1)  # direct_8x8_inference_flag
    fields = 1 if frames_only else 2
    across, down = (2 if chroma in (1, 2) else 1), (2 if chroma == 1 else 1) * fields
    crop = (0, 0, 0, 0)
    if bits.fixed(1):
        left, right, top, bottom = (bits.unsigned() for _ in range(4))
        crop = (left * across, top * down, right * across, bottom * down)
    return SequenceParameters(
        number=number,
        profile=profile,
        width=16 * macroblocks_across - crop[0] - crop[2],
        height=16 * map_units_down * fields - crop[1] - crop[3],
        crop=crop,
        reference_frames=reference_frames,
        frames_only=frames_only,
        frame_number_bits=frame_number_bits,
        order_type=order_type,
        order_bits=order_bits,
        separate_planes=separate,
    )


_read_once = lru_cache(maxsize=16)(read_sequence)  # every key frame of a broadcast repeats it


def _colour_planes(bits: BitReader) -> tuple[int, bool]:
    """Chroma format (0 where the planes are coded as pictures of their own) and whether they are."""
    chroma = bits.unsigned()
    separate = chroma == 3 and bool(bits.fixed(1))
    bits.unsigned()  # bit_depth_luma_minus8
    bits.unsigned()  # bit_depth_chroma_minus8
    bits.fixed(1)  # qpprime_y_zero_transform_bypass_flag
    if bits.fixed(1):
        for number in range(12 if chroma == 3 else 8):
            if bits.fixed(1):
                _skip_scaling_list(bits, 16 if number < 6 else 64)
    return (0 if separate else chroma), separate


def _skip_scaling_list(bits: BitReader, length: int) -> None:
    last = following = 8
    for _ in range(length):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _order_bits(bits: BitReader, order_type: int) -> int:
    """Skip what there is on the order of pictures, and return the bits of pic_order_cnt_lsb."""
    if order_type == 0:
        return _order_field(bits)
    if order_type == 1:
        bits.fixed(1)  # delta_pic_order_always_zero_flag
        bits.signed()
        bits.signed()
        cycle = bits.unsigned()
        if cycle > _MOST_IN_CYCLE:
            raise IndexError(f"a cycle of {cycle} pictures")
        for _ in range(cycle):
            bits.signed()
    return 0


def _order_field(bits: BitReader) -> int:
    """Bits of frame_num or pic_order_cnt_lsb. Raises: IndexError if they would be more than there can be."""
    count = bits.unsigned() + 4
    if count > _MOST_ORDER_BITS:
        raise IndexError(f"a number of {count} bits")
    return count


class RecoveryPoint(NamedTuple):
    """A place where decoding may start (D.2.8)."""

    frames: int  # recovery_frame_cnt: after so many frames the pictures are acceptable
    exact: bool  # exact_match_flag: the same as if decoded from the start


def recovery_point(unit: bytes) -> RecoveryPoint | None:
    """The recovery point in a unit of supplemental information (D.1.8); None without one.

    Raises: IndexError if the unit is cut off.
    """
    for kind, payload in messages(unit):
        if kind == _RECOVERY_POINT:
            bits = BitReader(payload)
            return RecoveryPoint(bits.unsigned(), bool(bits.fixed(1)))
    return None


class DisplayOrientation(NamedTuple):
    """How a player is to show a picture (D.2.27): mirrored first, then turned."""

    mirrored: bool  # left to right
    flipped: bool  # top to bottom
    turn: float  # anticlockwise, turns


def display_orientation(unit: bytes) -> DisplayOrientation | None:
    """The display orientation in a unit of supplemental information (D.1.27), upright where it cancels an earlier one.

    Returns: None without one.
    Raises: IndexError if the unit is cut off.
    """
    for kind, payload in messages(unit):
        if kind == DISPLAY_ORIENTATION:
            bits = BitReader(payload)
            if bits.fixed(1):
                return DisplayOrientation(False, False, 0)
            return DisplayOrientation(bool(bits.fixed(1)), bool(bits.fixed(1)), bits.fixed(16) / (1 << 16))
    return None


def messages(unit: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and payload of each message in a unit of supplemental information. Raises: IndexError if it is cut off."""
    data, at = unescaped(unit), 1
    while at + 2 < len(data):
        kind, at = _sum_of_bytes(data, at)
        size, at = _sum_of_bytes(data, at)
        yield kind, data[at : at + size]
        at += size


def _sum_of_bytes(data: bytes, at: int) -> tuple[int, int]:
    """A number written as bytes of 255 and a smaller one, and where the next begins."""
    total = 0
    while data[at] == 255:
        total += 255
        at += 1
    return total + data[at], at + 1


def unescaped(unit: bytes) -> bytes:
    """A unit without emulation prevention bytes (7.4.1)."""
    return unit.replace(b"\0\0\3", b"\0\0") if b"\0\0\3" in unit else unit
