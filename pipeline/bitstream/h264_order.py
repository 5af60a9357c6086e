"""What each packet of an H.264 stream holds, and the order in which a decoder shows the pictures, from their headers.

Source: ITU-T H.264, 7.3.3 (slice header) and 8.2.1 (order of pictures).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import NamedTuple

from mocrop.pipeline.bitstream.bits import BitReader, UnusualError
from mocrop.pipeline.bitstream.carried_headers import CarriedHeader, CarriedHeaders, h264_header, h264_headers
from mocrop.pipeline.bitstream.h264 import (
    IDR_SLICE,
    PARTITION,
    SEI,
    SEQUENCE,
    SLICE,
    RecoveryPoint,
    SequenceParameters,
    length_bytes,
    read_sequence,
    recovery_point,
    sequence_parameters,
    unescaped,
    units,
)
from mocrop.pipeline.bitstream.reordering import reordering_depth

_HEAD_BYTES = 24  # of a slice; its fields up to the picture order count never take more


class Picture(NamedTuple):  # there are hundreds in a clip, and a dataclass takes three times as long to make
    """What the headers of a packet say of its picture."""

    idr: bool
    recovery: RecoveryPoint | None
    frame_number: int
    reference: bool
    order: int  # pic_order_cnt_lsb; 0 if the stream is shown as it is decoded
    field: bool  # one field of a frame
    headers: tuple[CarriedHeader, ...] = ()  # that the packet brings

    @property
    def key(self) -> bool:
        """Whether FFmpeg calls the frame a key frame."""
        return self.idr or (self.recovery is not None and self.recovery.frames == 0)

    @property
    def start(self) -> bool:
        """Whether all that is shown from here on is the same if decoding starts here."""
        return self.idr or (self.recovery is not None and self.recovery == (0, True))

    @property
    def gradual(self) -> bool:
        """Whether the picture is refreshed from here on, over several frames that are no key frames."""
        return not self.idr and self.recovery is not None and self.recovery.frames > 0


def pictures(packets: Iterable[bytes], *, extradata: bytes) -> tuple[SequenceParameters, list[Picture]]:
    """Read what each packet of a stream holds.

    Args:
        packets: all packets, in the order of decoding.
        extradata: of the decoder.
    Returns: the one sequence parameter set, and one picture a packet.
    Raises: UnusualError unless there is one set, one whole picture in every packet, and what decoders keep is brought
        to every key picture.
    """
    prefix = length_bytes(extradata)
    sequence = sequence_parameters(extradata)
    carried = CarriedHeaders(h264_headers(extradata))
    found: list[Picture] = []
    for packet in packets:
        try:
            if sequence is None and prefix == 0:
                sequence = sequence_parameters(packet)
            if sequence is None:
                raise UnusualError("no sequence parameter set")
            found.append(read_picture(packet, sequence, prefix=prefix))
            carried.see(found[-1].headers, key=found[-1].key)
        except (IndexError, ValueError) as error:
            raise UnusualError(f"packet {len(found)}: {error}") from error
    if sequence is None:
        raise UnusualError("no packets")
    return sequence, found


def read_picture(packet: bytes, sequence: SequenceParameters, *, prefix: int) -> Picture:
    """Read what one packet holds; ``prefix`` as :func:`~mocrop.pipeline.bitstream.h264.length_bytes` says.

    Raises: UnusualError, IndexError or ValueError unless it is one whole picture.
    """
    picture: Picture | None = None
    recovery: RecoveryPoint | None = None
    headers: list[CarriedHeader] = []
    for unit in units(packet, length_bytes=prefix):
        kind = unit[0] & 31 if unit else 0
        if kind in (SLICE, PARTITION, IDR_SLICE):
            if picture is None:
                picture = _slice(unit, sequence, recovery)
            elif unit[1] & 128:  # first_mb_in_slice is 0
                raise UnusualError("two pictures in a packet")
            continue
        if kind == SEI and recovery is None:
            recovery = recovery_point(unit)
        elif kind == SEQUENCE and read_sequence(unit) != sequence:
            raise UnusualError("the sequence parameter set changes")
        headers += h264_header(unit, profile=sequence.profile)
    if picture is None:
        raise UnusualError("no picture in a packet")
    return picture._replace(headers=tuple(headers)) if headers else picture


def refreshes_gradually(packet: bytes, *, length_bytes: int) -> bool:
    """Whether the picture is refreshed from this packet on, over several frames; False if that cannot be read."""
    with contextlib.suppress(IndexError, ValueError):
        found = [unit for unit in units(packet, length_bytes=length_bytes) if unit]
        points = [recovery_point(unit) for unit in found if unit[0] & 31 == SEI]
        idr = any(unit[0] & 31 == IDR_SLICE for unit in found)
        return not idr and any(point is not None and point.frames > 0 for point in points)
    return False


def is_field(packet: bytes, sequence: SequenceParameters, *, length_bytes: int) -> bool:
    """Whether a packet begins with a picture that is one field; False if that cannot be read."""
    with contextlib.suppress(UnusualError, IndexError, ValueError):
        for unit in units(packet, length_bytes=length_bytes):
            if unit and unit[0] & 31 in (SLICE, PARTITION, IDR_SLICE):
                return _slice(unit, sequence, None).field
    return False


def _slice(unit: bytes, sequence: SequenceParameters, recovery: RecoveryPoint | None) -> Picture:
    idr, reference = unit[0] & 31 == IDR_SLICE, unit[0] & 96 != 0
    bits = BitReader(unescaped(unit[1 : 1 + _HEAD_BYTES]))
    if bits.unsigned() != 0:  # first_mb_in_slice
        raise UnusualError("a packet does not begin with the first slice of a picture")
    bits.unsigned()  # slice_type
    bits.unsigned()  # pic_parameter_set_id
    if sequence.separate_planes:
        bits.fixed(2)
    frame_number = bits.fixed(sequence.frame_number_bits)
    field = False
    if not sequence.frames_only:
        field = bool(bits.fixed(1))
        if field:
            bits.fixed(1)
    if idr:
        bits.unsigned()
    order = bits.fixed(sequence.order_bits) if sequence.order_type == 0 else 0
    return Picture(idr, recovery, frame_number, reference, order, field)


def shown_order(sequence: SequenceParameters, found: list[Picture], *, delay: int) -> list[int]:
    """Numbers of the packets in the order in which a decoder shows their pictures.

    Args:
        delay: pictures that the decoder holds back to sort them (FFmpeg's has_b_frames).
    Raises: UnusualError if the stream begins with no key frame, has fields or gaps, or is reordered by more than that.
    """
    if not found or not found[0].idr:
        raise UnusualError("does not begin with a key frame")
    if sequence.order_type == 1 or any(picture.field for picture in found):
        raise UnusualError("fields, or an order by frame numbers")
    _require_no_gaps(sequence, found)
    if sequence.order_type == 2:
        return list(range(len(found)))
    keys = _orders(sequence, found)
    order = sorted(range(len(found)), key=keys.__getitem__)
    if len(set(keys)) < len(keys):
        raise UnusualError("two pictures of one time")
    if reordering_depth(keys) > delay:
        raise UnusualError("reordered by more than the decoder expects")
    return order


def _require_no_gaps(sequence: SequenceParameters, found: list[Picture]) -> None:
    """frame_num is one more than that of the reference picture before (7.4.3), unless pictures are missing."""
    reference = 0
    for number, picture in enumerate(found):
        expected = 0 if picture.idr else (reference + 1) % (1 << sequence.frame_number_bits)
        if picture.frame_number != expected:
            raise UnusualError(f"pictures are missing before packet {number}")
        if picture.reference:
            reference = picture.frame_number


def _orders(sequence: SequenceParameters, found: list[Picture]) -> list[tuple[int, int]]:
    """Number of the coded video sequence and picture order count of each picture (8.2.1.1)."""
    keys: list[tuple[int, int]] = []
    period = high = low = 0  # ... of the last reference picture
    size = 1 << sequence.order_bits
    for picture in found:
        if picture.idr:
            period, high, low = period + 1, 0, 0
        now = high
        if picture.order < low and low - picture.order >= size // 2:
            now += size
        elif picture.order > low and picture.order - low > size // 2:
            now -= size
        keys.append((period, now + picture.order))
        if picture.reference:
            high, low = now, picture.order
    return keys
