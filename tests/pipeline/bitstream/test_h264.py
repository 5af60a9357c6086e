"""Headers of H.264: fields written bit by bit here, and what x264 writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest

from mocrop.pipeline.bitstream.h264 import (
    length_bytes,
    read_sequence,
    recovery_point,
    sequence_parameters,
    unescaped,
    units,
)
from tests.pipeline.bitstream.bit_writer import Bits

MakeVideo = Callable[..., Path]


def sequence_unit(
    *, high: bool = False, frames_only: bool = True, crop: tuple[int, int, int, int] | None = None
) -> bytes:
    """320x256 coded pixels (or 320x512 of fields), frame numbers of 5 bits, order of 6 bits, two reference frames."""
    bits = Bits().fixed(100 if high else 66, 8).fixed(0, 16).unsigned(3)
    if high:
        bits.unsigned(1, 0, 0).fixed(0, 1).fixed(1, 1)  # 4:2:0, 8 bits, scaling matrices
        bits.fixed(1, 1).unsigned(*[0] * 16)  # the first list has 16 steps of 0, the other seven are absent
        bits.fixed(0, 7)
    bits.unsigned(1, 0, 2, 2).fixed(0, 1).unsigned(19, 15).fixed(int(frames_only), 1)
    if not frames_only:
        bits.fixed(0, 1)
    bits.fixed(1, 1).fixed(int(crop is not None), 1)
    if crop is not None:
        bits.unsigned(*crop)
    return b"\x67" + bits.fixed(0, 1).bytes()


def test_sequence_parameters_are_read_with_and_without_scaling_matrices() -> None:
    for high in (False, True):
        found = read_sequence(sequence_unit(high=high))
        assert (found.number, found.width, found.height, found.crop) == (3, 320, 256, (0, 0, 0, 0))
        assert (found.frame_number_bits, found.order_type, found.order_bits) == (5, 0, 6)
        assert (found.reference_frames, found.frames_only, found.separate_planes) == (2, True, False)


def test_crop_is_counted_in_chroma_samples_and_twice_as_many_rows_where_there_are_fields() -> None:
    """Syntax order: left, right, top, bottom."""
    found = read_sequence(sequence_unit(crop=(5, 1, 3, 2)))
    assert (found.crop, found.width, found.height) == ((10, 6, 2, 4), 308, 246)
    found = read_sequence(sequence_unit(frames_only=False, crop=(5, 1, 3, 2)))
    assert (found.crop, found.width, found.height) == ((10, 12, 2, 8), 308, 492)


def test_sequence_parameters_are_found_in_avcc_and_behind_start_codes() -> None:
    unit = sequence_unit()
    avcc = b"\x01BBB\xff\xe1" + len(unit).to_bytes(2, "big") + unit + b"\x01\x00\x02\x68\x80"
    assert sequence_parameters(avcc) == sequence_parameters(b"\0\0\0\1" + unit + b"\0\0\1\x68\x80") != None  # noqa: E711
    assert sequence_parameters(b"") is None
    assert sequence_parameters(b"\0\0\1\x68\x80") is None
    assert sequence_parameters(avcc[:11]) is None


def test_units_are_split_by_lengths_or_start_codes() -> None:
    assert list(units(b"\0\0\0\2ab\0\0\0\1c", length_bytes=4)) == [b"ab", b"c"]
    assert list(units(b"\0\0\1ab\0\0\1c", length_bytes=0)) == [b"ab", b"c"]
    assert list(units(b"nothing", length_bytes=0)) == []
    with pytest.raises(ValueError, match="byte 13 of 6"):
        list(units(b"\0\0\0\x09ab", length_bytes=4))
    assert length_bytes(b"\x01BBB\xff\xe1") == 4
    assert length_bytes(b"\0\0\0\1\x67") == 0


def test_recovery_point_is_found_behind_other_messages() -> None:
    user_data = bytes([5, 255, 1]) + bytes(256)
    point = bytes([6, 2]) + Bits().unsigned(12).fixed(1, 1).bytes()
    assert recovery_point(b"\x06" + user_data + point + b"\x80") == (12, True)
    assert recovery_point(b"\x06" + user_data + b"\x80") is None


def test_emulation_prevention_is_taken_out() -> None:
    assert unescaped(b"a\0\0\3\1\0\0\3b") == b"a\0\0\1\0\0b"


def test_what_x264_writes(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(
        tmp_path / "a.mp4", codec="libx264", size=(70, 50), frames=4, options={"x264-params": "ref=3:bframes=0"}
    )
    with av.open(path) as container:
        found = sequence_parameters(container.streams.video[0].codec_context.extradata or b"")
    assert found is not None
    assert (found.width, found.height, found.crop, found.reference_frames) == (70, 50, (0, 0, 10, 14), 3)
