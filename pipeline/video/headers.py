"""Which frames a decoder returns, and which of them are key frames, from the headers of the packets alone.

This is told only where it is proven: for H.264, H.265, MPEG-4 Part 2, VP8 and VP9 by their headers, for codecs without
prediction by what they are. What a container says of key frames and times is not looked at: it is wrong too often.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mocrop.pipeline.bitstream.bits import UnusualError
from mocrop.pipeline.bitstream.h264 import length_bytes, units
from mocrop.pipeline.bitstream.h264_order import pictures, shown_order
from mocrop.pipeline.bitstream.hevc import hevc_frames
from mocrop.pipeline.bitstream.mp4 import has_several_descriptions
from mocrop.pipeline.bitstream.mpeg4 import shown_pictures
from mocrop.pipeline.bitstream.vpx import vp8_frames, vp9_frames
from mocrop.pipeline.video.index import IndexEntry, mapped, packet_bytes
from mocrop.pipeline.video.open import OpenVideo
from mocrop.pipeline.video.plain_headers import plain_h264, plain_mpeg4

_H264_HEADERS = frozenset({*range(6, 14), 15})  # nal_unit_type of what is no part of a picture
_THEORA_HEADER = 0x80  # the first byte of headers is this or more
# Codecs in which every packet holds one picture that needs no other.
_ONLY_KEY_FRAMES = frozenset({"dnxhd", "dvvideo", "ffvhuff", "huffyuv", "mjpeg", "prores", "rawvideo", "utvideo"})


@dataclass(frozen=True, kw_only=True)
class Headers:
    """What the headers of a stream say.

    Attributes:
        packets: number of the packet of each frame, in the order in which they are shown.
        keys: whether each frame is a key frame.
        starts: whether decoding may start with the packet of each frame: all that is shown later is the same then.
        gradual: whether the pictures are refreshed gradually, without key frames (intra refresh).
    """

    packets: list[int]
    keys: list[bool]
    starts: list[bool]
    gradual: bool = False


def indexed_headers(video: OpenVideo, index: Sequence[IndexEntry]) -> Headers | None:
    """Read the headers of all packets of a stream by the index of its file.

    Returns: None if only a decoder can tell.
    """
    context = video.stream.codec_context
    codec, extradata = context.codec.canonical_name, context.extradata or b""
    if codec in _ONLY_KEY_FRAMES:
        return _as_decoded([True] * len(index))
    with mapped(video.path) as data:
        if "mp4" in video.container.format.name and has_several_descriptions(data):
            return None
        keys = None
        with contextlib.suppress(UnusualError, IndexError, ValueError):
            if codec == "h264":
                keys = plain_h264(data, index, extradata=extradata)
            elif codec == "mpeg4":
                keys = plain_mpeg4(data, index, extradata=extradata)
        return _as_decoded(keys) if keys else video_headers(video, packet_bytes(data, index))


def _as_decoded(keys: list[bool]) -> Headers:
    return Headers(packets=list(range(len(keys))), keys=keys, starts=keys)


def video_headers(video: OpenVideo, packets: Iterable[bytes]) -> Headers | None:
    """Read the headers of all packets of a stream.

    Args:
        packets: in the order of decoding; not read to the end where the answer is None.
    Returns: None if only a decoder can tell.
    """
    context = video.stream.codec_context
    codec, extradata = context.codec.canonical_name, context.extradata or b""
    try:
        if codec == "h264":
            return _h264(packets, extradata, delay=context.reorder_depth)
        if codec == "mpeg4":
            return _mpeg4(packets, extradata)
        if codec == "hevc":
            return _restarting(zip(*hevc_frames(packets, extradata=extradata), strict=True))
        if codec in ("vp8", "vp9"):
            return _restarting((vp8_frames if codec == "vp8" else vp9_frames)(packets))
        if codec in _ONLY_KEY_FRAMES:
            return _as_decoded([True for _ in packets])
    except (UnusualError, IndexError):
        pass
    return None


def _restarting(shown: Iterable[tuple[int, bool]]) -> Headers:
    """Of packets and key frames, at each of which decoding may start."""
    packets, keys = map(list, zip(*shown, strict=True))
    return Headers(packets=packets, keys=keys, starts=keys)


def _h264(packets: Iterable[bytes], extradata: bytes, *, delay: int) -> Headers:
    sequence, found = pictures(packets, extradata=extradata)
    shown = shown_order(sequence, found, delay=delay)
    return Headers(
        packets=shown,
        keys=[found[packet].key for packet in shown],
        starts=[found[packet].start for packet in shown],
        gradual=any(picture.gradual for picture in found),
    )


def _mpeg4(packets: Iterable[bytes], extradata: bytes) -> Headers:
    shown = shown_pictures(packets, extradata=extradata)
    starts = shown.keys if shown.from_keys else [False] * len(shown.keys)
    return Headers(packets=shown.packets, keys=shown.keys, starts=starts)


def may_hold_picture(video: OpenVideo, packet: bytes) -> bool:
    """Whether a packet may hold a picture, and not only headers, which some files hold in packets of their own."""
    context = video.stream.codec_context
    codec, extradata = context.codec.canonical_name, context.extradata or b""
    with contextlib.suppress(IndexError, ValueError):
        if codec == "h264":
            found = list(units(packet, length_bytes=length_bytes(extradata)))
            return not found or any(unit[0] & 159 not in _H264_HEADERS for unit in found)
        if codec == "theora":
            return packet[0] < _THEORA_HEADER
    return True
