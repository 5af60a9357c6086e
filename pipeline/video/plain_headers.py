"""The two commonest kinds of files, told by a few bytes of each packet: in all others headers are read in full.

They are H.264 without reordering (pic_order_cnt_type 2, as written where there are no B-frames) and MPEG-4 Part 2 of I
and P pictures. Full reading takes as long as decoding the key frames; this takes a twentieth of it.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.bitstream.carried_headers import CarriedHeaders, h264_headers
from mocrop.pipeline.bitstream.h264 import IDR_SLICE, SLICE, length_bytes, sequence_parameters
from mocrop.pipeline.bitstream.h264_order import read_picture
from mocrop.pipeline.bitstream.mpeg4 import PICTURE_START, LayerHeaders
from mocrop.pipeline.video.index import IndexEntry

_UNIT_BYTES = 6  # of a unit: length, header and first byte
_PICTURE = struct.Struct(">4sQ")  # start code and first bits of a picture
_HEAD_BYTES = 256  # of a packet that begins with headers; the picture behind them is within these


def plain_h264(data: mmap.mmap, index: Sequence[IndexEntry], *, extradata: bytes) -> list[bool] | None:
    """Whether each packet is a key frame, if every packet is one picture and they are shown as they are decoded.

    Args:
        data: the file.
        index: all packets.
        extradata: of the decoder.
    Returns: None if the stream is not of that kind.
    """
    sequence = sequence_parameters(extradata)
    if sequence is None or sequence.order_type != 2 or not sequence.frames_only or length_bytes(extradata) != 4:
        return None
    _, _, offsets, sizes = zip(*index, strict=True)
    length, kind, first = _first_units(data, offsets)
    # one unit, and its first_mb_in_slice is 0
    told = (length == np.array(sizes) - 4) & ((kind == SLICE) | (kind == IDR_SLICE)) & (first >= 128)
    carried = CarriedHeaders(h264_headers(extradata))
    keys: list[bool] = (kind == IDR_SLICE).tolist()
    for number in np.flatnonzero(~told).tolist():
        picture = read_picture(data[offsets[number] : offsets[number] + sizes[number]], sequence, prefix=4)
        carried.see(picture.headers, key=False)
        if picture.recovery is not None or carried.any_changed:
            return None
        keys[number] = picture.idr
    return keys if keys[0] else None


def _first_units(data: mmap.mmap, offsets: Sequence[int]) -> tuple[npt.NDArray[np.int64], ...]:
    """Length, nal_unit_type and first byte of the first unit at each place. Raises: ValueError past the end."""
    # no view of the mapped file: whoever looks at this thread meanwhile, as Dask's profiler, would keep it from closing
    found = b"".join([data[at : at + _UNIT_BYTES] for at in offsets])
    heads = np.frombuffer(found, np.uint8).reshape(-1, _UNIT_BYTES).astype(np.int64)
    length = heads[:, :4] @ np.array([1 << 24, 1 << 16, 1 << 8, 1])
    return length, heads[:, 4] & 31, heads[:, 5]


def plain_mpeg4(data: mmap.mmap, index: Sequence[IndexEntry], *, extradata: bytes) -> list[bool] | None:
    """The same for MPEG-4 Part 2."""
    headers = LayerHeaders(extradata)
    keys: list[bool] = []
    if headers.time_bits is None:
        headers.pictures(data[index[0].offset : index[0].offset + _HEAD_BYTES])
    if headers.time_bits is None:
        return None
    # after the type: no whole seconds, a marker, the time, a marker, vop_coded
    shift = 64 - 2 - (1 + 1 + headers.time_bits + 1 + 1)
    mask = (0b11 << (headers.time_bits + 2) | 0b11) << shift
    wanted = (0b01 << (headers.time_bits + 2) | 0b11) << shift
    for _, _, at, size in index:
        if size >= _PICTURE.size:
            start, value = _PICTURE.unpack_from(data, at)
            if start == PICTURE_START and value & mask == wanted and value >> 62 <= 1:
                keys.append(value >> 62 == 0)
                continue
        pictures = headers.pictures(data[at : at + min(size, _HEAD_BYTES)])
        if len(pictures) != 1 or not pictures[0].plain:
            return None
        keys.append(pictures[0].key)
    if headers.packed and _holds_more_pictures(data, index):
        return None
    return keys if keys[0] else None


def _holds_more_pictures(data: mmap.mmap, index: Sequence[IndexEntry]) -> bool:
    """Whether a packet holds two pictures."""
    return any(data[at : at + size].count(PICTURE_START) > 1 for _, _, at, size in index)
