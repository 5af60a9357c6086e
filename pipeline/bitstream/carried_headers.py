"""Whether a decoder that starts at any key picture has read what one has read that started at the first.

Packets may bring parameter sets that the header of the file does not have, once or before every key picture. A decoder
keeps them, and without the last ones it shows other pictures. So are some messages kept (supplemental enhancement
information). The build of x264, which its streams say in one before the first picture, counts: FFmpeg decodes streams
of older builds in the way that these meant.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from typing import TypeAlias

from mocrop.pipeline.bitstream.bits import BitReader, UnusualError
from mocrop.pipeline.bitstream.h264 import PICTURE_SET, SEI, SEQUENCE, header_units, messages

HeaderKey: TypeAlias = tuple[int, int]  # kind of unit, and number of the set, or kind of message
CarriedHeader: TypeAlias = tuple[HeaderKey, bytes]

_X264 = re.compile(rb"x264 - core (\d+)")
_X264_MESSAGE = 5  # user_data_unregistered
FILM_GRAIN, TRANSFER = 19, 147  # film_grain_characteristics, alternative_transfer_characteristics
_HIGH_444 = 244  # the profile of 4:4:4 and of lossless pictures
_OWN_WAY, _OWN_WAY_444 = 34, 165  # below, FFmpeg decodes B-frames, or all of that profile, in a way of their own


class CarriedHeaders:
    """Follows the headers that packets bring.

    Args:
        known: those of the file's header.
    """

    def __init__(self, known: Iterable[CarriedHeader]) -> None:
        self._known = dict(known)
        self._changed: set[HeaderKey] = set()

    def see(self, headers: Iterable[CarriedHeader], *, key: bool) -> None:
        """Take those of the next packet.

        Args:
            key: whether decoding may start with it.
        Raises: UnusualError if it may and lacks a header that a packet before it has changed.
        """
        brought = dict(headers)
        if brought:
            self._changed |= {each for each, unit in brought.items() if self._known.get(each) != unit}
        if key and not self._changed <= brought.keys():
            raise UnusualError("headers that a packet before a key picture brings, and it does not")

    @property
    def any_changed(self) -> bool:
        """Whether a packet has brought a header that those of the file's header do not have."""
        return bool(self._changed)


def h264_headers(extradata: bytes) -> Iterator[CarriedHeader]:
    """The headers in a decoder's extradata. Raises: IndexError if one is cut off."""
    for unit in header_units(extradata):
        yield from h264_header(unit, profile=0)


def h264_header(unit: bytes, *, profile: int) -> Iterator[CarriedHeader]:
    """A unit, if it is one of the headers that decoders keep.

    Args:
        profile: profile_idc of the stream.
    Raises: IndexError if it is cut off.
    """
    kind = unit[0] & 31 if unit else 0
    if kind == SEQUENCE:
        yield (kind, 0), trimmed(unit)
    elif kind == PICTURE_SET:
        yield (kind, BitReader(unit[:8], start=8).unsigned()), trimmed(unit)
    elif kind == SEI:
        yield from kept_messages(unit, kind=kind, kept=(TRANSFER,))
        if (named := _X264.search(unit)) and int(named[1]) < _of_own_way(profile):
            yield (kind, _X264_MESSAGE), named[1]


def kept_messages(unit: bytes, *, kind: int, kept: Container[int]) -> Iterator[CarriedHeader]:
    """The messages of some kinds in a unit of supplemental information.

    Args:
        unit: with a header of one byte.
        kind: of the unit.
        kept: kinds of messages that the decoder keeps for pictures after the next one.
    Raises: IndexError if it is cut off.
    """
    for message, payload in messages(unit):
        if message in kept:
            yield (kind, message), payload


def _of_own_way(profile: int) -> int:
    return _OWN_WAY_444 if profile == _HIGH_444 else _OWN_WAY


def trimmed(unit: bytes) -> bytes:
    """A unit without the zeros that may follow it (B.2)."""
    return unit.rstrip(b"\0")
