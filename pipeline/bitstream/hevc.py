"""Which frames a decoder returns of an H.265 stream, and in which order, from the headers of its packets.

Source: ITU-T H.265, 7.3 (syntax) and 8.3.1 (order of pictures); ISO/IEC 14496-15, 8.3.3.1 (hvcC).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from mocrop.pipeline.bitstream.bits import BitReader, UnusualError
from mocrop.pipeline.bitstream.carried_headers import (
    FILM_GRAIN,
    TRANSFER,
    CarriedHeader,
    CarriedHeaders,
    kept_messages,
    trimmed,
)
from mocrop.pipeline.bitstream.h264 import DISPLAY_ORIENTATION, unescaped, units
from mocrop.pipeline.bitstream.reordering import reordering_depth

# nal_unit_type
_LAST_OF_SUBLAYERS = 15  # up to here even numbers are pictures that no other of their sub-layer refers to
_RADL, _RASL = (6, 7), (8, 9)  # shown before the key frame in front of them; RASL refer to what is before it, too
_BROKEN_LINKS, _IDR, _KEYS, _SLICES = range(16, 19), (19, 20), range(16, 24), (*range(10), *range(16, 22))
_SEQUENCE, _PICTURE_SET, _ENDS, _SEI = 33, 34, (36, 37), 39

_HEAD_BYTES = 26  # of a slice with its header; the fields up to the picture order count never take more
_GENERAL_PROFILE_BITS, _LEVEL_BITS = 88, 8
_MOST_ORDER_BITS = 16  # 7.4.3.2.1
_HEADER_BYTES = 16 << 10  # of a parameter set; what is read of it never takes more
_HVCC_LENGTH, _HVCC_ARRAYS = 21, 22  # bytes of hvcC


class _Parameters(NamedTuple):
    """What is needed of the parameter sets."""

    separate_planes: bool = False
    order_bits: int = 0  # of slice_pic_order_cnt_lsb
    reordered: int = 0  # pictures that may be decoded before one and shown after it


class _Picture(NamedTuple):
    kind: int  # nal_unit_type
    layer: int  # TemporalId
    order: int  # slice_pic_order_cnt_lsb; 0 of IDR pictures
    drops_others: bool  # no_output_of_prior_pics_flag

    @property
    def key(self) -> bool:
        return self.kind in _KEYS


class HevcFrames(NamedTuple):
    """The frames that a decoder returns: the packet of each, in the order in which they are shown, and whether it is a
    key frame, at which decoding may start as well."""

    packets: list[int]
    keys: list[bool]


def hevc_frames(packets: Iterable[bytes], *, extradata: bytes) -> HevcFrames:
    """Find out which frames a decoder returns.

    Args:
        packets: all packets, in the order of decoding.
        extradata: of the decoder: hvcC, or units behind start codes.
    Raises: UnusualError if the stream must be decoded to know.
    """
    headers = _Headers(extradata)
    try:
        found = [headers.picture(packet) for packet in packets]
    except (IndexError, ValueError) as error:
        raise UnusualError(str(error)) from error
    orders = _orders(found, size=1 << headers.parameters.order_bits)
    if reordering_depth(list(orders.values())) > headers.parameters.reordered:
        raise UnusualError("reordered by more than the stream says")
    shown = sorted(orders, key=orders.__getitem__)
    return HevcFrames(shown, [found[number].key for number in shown])


class HevcHeaders:
    """What decoders keep of a stream's header, and whether packets bring something else."""

    def __init__(self, extradata: bytes) -> None:
        in_hvcc = extradata[:1] == b"\x01" and len(extradata) > _HVCC_ARRAYS
        self.length_bytes = (extradata[_HVCC_LENGTH] & 3) + 1 if in_hvcc else 0
        self.units: list[bytes] = []
        self.carried = CarriedHeaders(())
        with contextlib.suppress(IndexError):  # of a damaged header nothing is known, or no more than this
            self.units += _hvcc_units(extradata) if in_hvcc else units(extradata, length_bytes=0)
            self.carried = CarriedHeaders(header for unit in self.units for header in _carried(unit))

    def changed_by(self, packet: bytes) -> bool:
        """Whether this packet, or one before it, brings something that is not known; False if it is damaged."""
        with contextlib.suppress(IndexError, ValueError):
            found = units(packet, length_bytes=self.length_bytes)
            self.carried.see([header for unit in found for header in _carried(unit)], key=False)
        return self.carried.any_changed


def _carried(unit: bytes) -> Iterator[CarriedHeader]:
    """A unit that is a parameter set, or has messages that hold until another one says something else."""
    if len(unit) < 2 or unit[0] & 1 or unit[1] >> 3:  # of another layer
        return
    kind = (unit[0] >> 1) & 63
    if kind in (_SEQUENCE, _PICTURE_SET):
        yield (kind, 0 if kind == _SEQUENCE else BitReader(unit[:_HEAD_BYTES], start=16).unsigned()), trimmed(unit)
    elif kind == _SEI:
        yield from kept_messages(unit[1:], kind=kind, kept=(FILM_GRAIN, DISPLAY_ORIENTATION, TRANSFER))


class _Headers:
    """Reads the units of packets; what is needed of the parameter sets must stay the same."""

    def __init__(self, extradata: bytes) -> None:
        self.parameters = _Parameters()
        self._extra_bits: int | None = None  # num_extra_slice_header_bits
        self._headers = HevcHeaders(extradata)
        for unit in self._headers.units:
            self._keep(unit, (unit[0] >> 1) & 63)

    def picture(self, packet: bytes) -> _Picture:
        """Read what a packet holds: one whole picture. Raises: UnusualError, IndexError or ValueError otherwise."""
        picture: _Picture | None = None
        headers: list[CarriedHeader] = []
        for unit in units(packet, length_bytes=self._headers.length_bytes):
            kind = (unit[0] >> 1) & 63
            if unit[0] & 1 or unit[1] >> 3:  # of another layer, which the decoder leaves out
                continue
            if kind in _ENDS:
                raise UnusualError("a sequence ends")
            if kind not in _SLICES:
                self._keep(unit, kind)
                headers += _carried(unit)
            elif unit[2] & 128:  # first_slice_segment_in_pic_flag
                if picture is not None:
                    raise UnusualError("two pictures in a packet")
                picture = self._slice(unit, kind)
        if picture is None:
            raise UnusualError("no whole picture in a packet")
        self._headers.carried.see(headers, key=picture.key)
        return picture

    def _slice(self, unit: bytes, kind: int) -> _Picture:
        if self._extra_bits is None or not self.parameters.order_bits:
            raise UnusualError("a picture before its parameter sets")
        bits = BitReader(unescaped(unit[:_HEAD_BYTES]), start=17)
        drops_others = kind in _KEYS and bool(bits.fixed(1))
        bits.unsigned()  # slice_pic_parameter_set_id
        bits.fixed(self._extra_bits)
        bits.unsigned()  # slice_type
        if self.parameters.separate_planes:
            bits.fixed(2)
        order = 0 if kind in _IDR else bits.fixed(self.parameters.order_bits)
        return _Picture(kind, (unit[1] & 7) - 1, order, drops_others)

    def _keep(self, unit: bytes, kind: int) -> None:
        if kind == _SEQUENCE:
            parameters = _read_sequence(BitReader(unescaped(unit[:_HEADER_BYTES]), start=16))
            if self.parameters not in (parameters, _Parameters()):
                raise UnusualError("the sequence parameter set changes")
            self.parameters = parameters
        elif kind == _PICTURE_SET:
            extra_bits = _read_picture_set(BitReader(unescaped(unit[:_HEADER_BYTES]), start=16))
            if self._extra_bits not in (extra_bits, None):
                raise UnusualError("the picture parameter set changes")
            self._extra_bits = extra_bits


def _hvcc_units(record: bytes) -> Iterator[bytes]:
    at = _HVCC_ARRAYS + 1
    for _ in range(record[_HVCC_ARRAYS]):
        count = int.from_bytes(record[at + 1 : at + 3], "big")
        at += 3
        for _ in range(count):
            length = int.from_bytes(record[at : at + 2], "big")
            yield record[at + 2 : at + 2 + length]
            at += 2 + length


def _read_sequence(bits: BitReader) -> _Parameters:
    bits.fixed(4)  # sps_video_parameter_set_id
    sub_layers = bits.fixed(3)  # less one
    bits.fixed(1)  # sps_temporal_id_nesting_flag
    bits.fixed(_GENERAL_PROFILE_BITS + _LEVEL_BITS)
    present = [(bits.fixed(1), bits.fixed(1)) for _ in range(sub_layers)]
    bits.fixed(2 * (8 - sub_layers) if sub_layers else 0)
    for profile, level in present:
        bits.fixed(_GENERAL_PROFILE_BITS * profile + _LEVEL_BITS * level)
    bits.unsigned()  # sps_seq_parameter_set_id
    separate_planes = bits.unsigned() == 3 and bool(bits.fixed(1))
    for _ in range(2):  # width and height
        bits.unsigned()
    if bits.fixed(1):  # conformance_window_flag
        for _ in range(4):
            bits.unsigned()
    for _ in range(2):  # bit depths
        bits.unsigned()
    order_bits = bits.unsigned() + 4
    if order_bits > _MOST_ORDER_BITS:
        raise UnusualError(f"a picture order count of {order_bits} bits")
    reordered = 0
    for _ in range(sub_layers + 1 if bits.fixed(1) else 1):
        bits.unsigned()  # sps_max_dec_pic_buffering_minus1
        reordered = bits.unsigned()
        bits.unsigned()  # sps_max_latency_increase_plus1
    return _Parameters(separate_planes, order_bits, reordered)


def _read_picture_set(bits: BitReader) -> int:
    """num_extra_slice_header_bits of a picture parameter set."""
    bits.unsigned()  # pps_pic_parameter_set_id
    bits.unsigned()  # pps_seq_parameter_set_id
    bits.fixed(1)  # dependent_slice_segments_enabled_flag
    if bits.fixed(1):
        raise UnusualError("pictures that may not be shown")  # output_flag_present_flag
    return bits.fixed(3)


def _orders(found: Sequence[_Picture], *, size: int) -> dict[int, tuple[int, int]]:
    """Number of the coded sequence and picture order count of each picture that is shown (8.1.3, 8.3.1)."""
    if not found or not found[0].key:
        raise UnusualError("does not begin with a key frame")
    orders: dict[int, tuple[int, int]] = {}
    period = high = low = 0  # the last two of the last picture of TemporalId 0 that others may refer to
    begins = False  # whether the last key frame begins a sequence, so that what refers to before it is not decoded
    for number, picture in enumerate(found):
        if picture.key:
            begins = number == 0 or picture.kind in _IDR or picture.kind in _BROKEN_LINKS
            if begins and number and picture.drops_others:
                raise UnusualError("pictures that are not shown in the end")
        now = high
        if picture.key and begins:
            period, now = period + 1, 0
        elif picture.order < low and low - picture.order >= size // 2:
            now += size
        elif picture.order > low and picture.order - low > size // 2:
            now -= size
        if not (picture.kind in _RASL and begins):
            orders[number] = (period, now + picture.order)
        unreferred = picture.kind <= _LAST_OF_SUBLAYERS and (picture.kind % 2 == 0 or picture.kind in (*_RADL, *_RASL))
        if picture.layer == 0 and not unreferred:
            high, low = now, picture.order
    return orders
