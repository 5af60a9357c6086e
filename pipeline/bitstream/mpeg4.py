"""The order in which a decoder shows the pictures of an MPEG-4 Part 2 stream, from the headers of its packets.

Such streams are often in AVI files, which have no presentation times. Some encoders "pack" B-frames in AVI: the first
of a run of them shares a packet with the picture that is shown after them, the others come one packet early, and an
empty picture at the end of the run keeps the number of packets right.

Source: ISO/IEC 14496-2, 6.2.3 (VideoObjectLayer) and 6.2.5 (VideoObjectPlane).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from mocrop.pipeline.bitstream.bits import BitReader, UnusualError

PICTURE_START = b"\0\0\1\xb6"
_START = b"\0\0\1"
_LAYERS = range(0x20, 0x30)  # start codes of video object layers
_PICTURE = 0xB6
_USER_DATA = 0xB2
_PACKED = re.compile(rb"DivX\d+(Build|b)\d+p")  # what encoders that pack B-frames put into the user data
_ENCODER = re.compile(rb"(?:DivX|XviD|FFmpe|Lavc|libavcodec|ffmpeg)[^\0]*")  # who wrote the stream, in user data
_EXTENDED_ASPECT = 15
_VBV_BITS = 79
_RECTANGLE = 0
_SIZE_BITS = 13


class _Kind(IntEnum):
    """vop_coding_type."""

    I = 0  # noqa: E741  (the standard's own letter)
    P = 1
    B = 2
    SPRITE = 3


class Picture(NamedTuple):
    """What the header of a picture (VideoObjectPlane) says."""

    kind: _Kind
    coded: bool

    @property
    def key(self) -> bool:
        """Whether it needs no other picture."""
        return self.kind is _Kind.I

    @property
    def plain(self) -> bool:
        """Whether it is shown in the order of decoding."""
        return self.coded and self.kind in (_Kind.I, _Kind.P)


def _is_placeholder(pictures: list[Picture]) -> bool:
    """Whether a packet holds nothing but a picture that is not coded, of which no frame comes."""
    return len(pictures) == 1 and not pictures[0].coded


@dataclass(frozen=True, kw_only=True)
class ShownPictures:
    """The frames that a decoder returns.

    Attributes:
        packets: number of the packet with which each is decoded, in the order in which they are shown.
        keys: whether each is a key frame.
        from_keys: whether what is shown from a key frame on is the same if decoding starts there.
    """

    packets: list[int]
    keys: list[bool]
    from_keys: bool


def shown_pictures(packets: Iterable[bytes], *, extradata: bytes) -> ShownPictures:
    """Find out which frames a decoder returns.

    Args:
        packets: all packets of the stream, in the order of the file.
        extradata: the stream's headers if the container stores them separately, else empty.
    Raises: UnusualError if the stream must be decoded to know.
    """
    try:
        headers = LayerHeaders(extradata)
        shown = list(_in_display_order(_decoded_with(packets, headers)))
    except (IndexError, ValueError) as error:
        raise UnusualError(str(error)) from error
    # a picture that shares a packet with the one before is lost if decoding starts between them; FFmpeg measures the
    # time between fields of all B-frames by the first one that it decodes
    unlike = headers.packed or (headers.interlaced and any(kind is _Kind.B for _, kind in shown))
    return ShownPictures(
        packets=[packet for packet, _ in shown], keys=[kind is _Kind.I for _, kind in shown], from_keys=not unlike
    )


def _in_display_order(decoded: Iterable[tuple[int, _Kind]]) -> Iterator[tuple[int, _Kind]]:
    """B-frames are shown at once, others when the next frame that is not B is decoded."""
    waiting: tuple[int, _Kind] | None = None
    references = 0
    for packet, kind in decoded:
        if kind is _Kind.B:
            if references < 2:
                raise UnusualError("a B-frame without the pictures that it refers to")
            yield packet, kind
            continue
        if waiting is not None:
            yield waiting
        elif kind is not _Kind.I:
            raise UnusualError("does not begin with a key frame")
        waiting, references = (packet, kind), references + 1
    if waiting is not None:
        yield waiting


def _decoded_with(packets: Iterable[bytes], headers: LayerHeaders) -> Iterator[tuple[int, _Kind]]:
    """Each coded picture with the packet at which it is decoded.

    A packed one is decoded at the packet after its own or, if there is none, as in clips cut without a decoder, never.
    """
    held = False  # a B-frame that came packed into the packet before
    for number, data in enumerate(packets):
        pictures = headers.pictures(data)
        if held:
            yield number, _Kind.B
            held = pictures == [(_Kind.B, True)]
            if not held and not _is_placeholder(pictures):
                raise UnusualError(f"packet {number}")
        elif not _is_placeholder(pictures):
            match pictures:
                case [(kind, True)]:
                    yield number, kind
                case [(kind, True), (_Kind.B, True)] if headers.packed:
                    yield number, kind
                    held = True
                case _:
                    raise UnusualError(f"packet {number}")


class LayerHeaders:
    """Reads headers, and keeps what is needed to read those of later pictures.

    Attributes:
        packed: whether a packet may hold two pictures.
        interlaced: whether pictures may be two fields.
        time_bits: number of bits of vop_time_increment; None as long as no layer has been read.
    """

    def __init__(self, extradata: bytes) -> None:
        self.packed = self.interlaced = False
        self.time_bits: int | None = None
        self._encoders: list[bytes] | None = None
        self.pictures(extradata)
        if extradata:  # FFmpeg takes it from the first packet where the container has none
            self._encoders = _ENCODER.findall(extradata)

    def pictures(self, data: bytes) -> list[Picture]:
        """Read all headers in some data and return the pictures among them.

        Raises: UnusualError if they name an encoder that those of the stream do not: FFmpeg decodes streams of several
            encoders, and of old ones, in ways of their own, from where it has read the name on.
        """
        found = []
        at = data.find(_START)
        while 0 <= at < len(data) - len(_START):
            code, rest = data[at + 3], at + 4
            if code == _PICTURE:
                found.append(self._picture(data[rest : rest + 16]))
            elif code == _USER_DATA:
                self.packed = self.packed or _PACKED.match(data, rest) is not None
                named = _ENCODER.match(data, rest)
                if self._encoders is not None and named is not None and named[0] not in self._encoders:
                    raise UnusualError("an encoder that the headers of the stream do not name")
            elif code in _LAYERS:
                self.time_bits, interlaced = _read_layer(BitReader(data[rest : rest + 64]))
                self.interlaced = self.interlaced or interlaced
            at = data.find(_START, rest)
        return found

    def _picture(self, header: bytes) -> Picture:
        if self.time_bits is None:
            raise UnusualError("a picture before the layer that it belongs to")
        bits = BitReader(header)
        kind = _Kind(bits.fixed(2))
        while bits.fixed(1):  # modulo_time_base: whole seconds
            pass
        _require_marker(bits)
        bits.fixed(self.time_bits)
        _require_marker(bits)
        return Picture(kind, coded=bool(bits.fixed(1)))


def _read_layer(bits: BitReader) -> tuple[int, bool]:
    """Number of bits of vop_time_increment, and whether pictures may be interlaced, from the header of a layer."""
    bits.fixed(1 + 8)  # random_accessible_vol, video_object_type_indication
    if bits.fixed(1):
        bits.fixed(4 + 3)  # verid, priority
    if bits.fixed(4) == _EXTENDED_ASPECT:
        bits.fixed(8 + 8)
    if bits.fixed(1):  # vol_control_parameters
        bits.fixed(2 + 1)  # chroma_format, low_delay
        if bits.fixed(1):
            bits.fixed(_VBV_BITS)
    if bits.fixed(2) != _RECTANGLE:
        raise UnusualError("pictures that are not rectangles")
    _require_marker(bits)
    time_bits = max(1, (bits.fixed(16) - 1).bit_length())
    _require_marker(bits)
    if bits.fixed(1):  # fixed_vop_rate
        bits.fixed(time_bits)
    for _ in ("width", "height"):
        _require_marker(bits)
        bits.fixed(_SIZE_BITS)
    _require_marker(bits)
    return time_bits, bool(bits.fixed(1))


def _require_marker(bits: BitReader) -> None:
    if not bits.fixed(1):
        raise UnusualError("a marker bit is missing")
