"""Passthrough: whether a video is in the form that `transcode` would make, so that it can be copied as it is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from av.index import IndexEntry
from av.video.stream import VideoStream

from mocrop.pipeline.video.bits import BitReader
from mocrop.pipeline.video.open import OpenVideo

_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})  # H.264 7.3.2.1.1


def conforms(video: OpenVideo, *, key_interval: int) -> bool:
    """Whether encoding the stream again would only lose quality.

    That is so if it is upright, even-sized 8-bit 4:2:0 H.264 with one reference frame, no B-frames, even time steps
    and a key frame every ``key_interval`` frames.
    """
    stream = video.stream
    context = stream.codec_context
    return (
        context.codec.name == "h264"
        and context.pix_fmt == "yuv420p"
        and not context.has_b_frames
        and context.width % 2 == context.height % 2 == 0
        and _regular(list(stream.index_entries), key_interval)
        and reference_frames(context.extradata or b"") == 1
        and _upright(video)
    )


def _regular(entries: Sequence[IndexEntry], key_interval: int) -> bool:
    """Whether key frames come every ``key_interval`` frames and no others, and time steps are equal."""
    steps = {after.timestamp - before.timestamp for before, after in pairwise(entries)}
    keys_in_place = all(entry.is_keyframe == (n % key_interval == 0) for n, entry in enumerate(entries))
    return bool(entries) and keys_in_place and (not steps or max(steps) - min(steps) <= 1)


def _upright(video: OpenVideo) -> bool:
    """Whether the first frame has no display rotation; the container is left at its start."""
    frame = next(video.container.decode(video.stream), None)
    rewind(video)
    return frame is not None and frame.rotation == 0


def rewind(video: OpenVideo) -> None:
    """Go back to the first frame of a container that has been read."""
    stream: VideoStream = video.stream
    video.container.seek(stream.start_time or 0, stream=stream)
    stream.codec_context.flush_buffers()


def reference_frames(extradata: bytes) -> int | None:
    """Read ``max_num_ref_frames`` from the sequence parameter set in a decoder's extradata.

    Args:
        extradata: avcC (as in MP4 and MKV) or Annex B (as in AVI and MPEG-TS).
    Returns: the number; None if there is no H.264 sequence parameter set, or it is truncated or has scaling matrices.
    Source: ITU-T H.264, 7.3.2.1.1; ISO/IEC 14496-15, 5.3.3.1.
    """
    unit = _sequence_parameter_set(extradata)
    try:
        return None if unit is None else _read_reference_frames(unit)
    except IndexError:
        return None


def _sequence_parameter_set(extradata: bytes) -> bytes | None:
    """The first sequence parameter set, header byte included, emulation prevention bytes removed."""
    if extradata[:1] == b"\x01" and len(extradata) > 8 and extradata[5] & 0x1F:
        length = int.from_bytes(extradata[6:8], "big")
        unit = extradata[8 : 8 + length]
    else:
        units = extradata.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]
        unit = next((u for u in units if u and u[0] & 0x1F == 7), b"")
    return unit.replace(b"\0\0\3", b"\0\0") or None


def _read_reference_frames(unit: bytes) -> int:
    bits = BitReader(unit, start=8)
    profile = bits.fixed(8)
    bits.fixed(16)  # constraint flags, level
    bits.unsigned()  # seq_parameter_set_id
    if profile in _HIGH_PROFILES:
        _skip_high_profile_fields(bits)
    bits.unsigned()  # log2_max_frame_num_minus4
    order_type = bits.unsigned()
    if order_type == 0:
        bits.unsigned()  # log2_max_pic_order_cnt_lsb_minus4
    elif order_type == 1:
        bits.fixed(1)
        bits.unsigned()  # two signed offsets, whose codes are as long as unsigned ones
        bits.unsigned()
        for _ in range(bits.unsigned()):
            bits.unsigned()
    return bits.unsigned()


def _skip_high_profile_fields(bits: BitReader) -> None:
    chroma_format = bits.unsigned()
    if chroma_format == 3:
        bits.fixed(1)  # separate_colour_plane_flag
    bits.unsigned()  # bit_depth_luma_minus8
    bits.unsigned()  # bit_depth_chroma_minus8
    bits.fixed(1)  # qpprime_y_zero_transform_bypass_flag
    if bits.fixed(1):  # seq_scaling_matrix_present_flag: x264 writes none by default, so re-encode rather than parse
        raise IndexError
