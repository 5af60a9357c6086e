"""The order of H.265 pictures, from headers written bit by bit; streams of an encoder are in test_timeline.py."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mocrop.pipeline.bitstream.bits import UnusualError
from mocrop.pipeline.bitstream.hevc import hevc_frames
from tests.pipeline.bitstream.bit_writer import Bits

TRAIL, RASL, RADL, BLA, IDR, CLEAN = 1, 9, 7, 16, 19, 21
ORDER_BITS = 4


def unit(kind: int, bits: Bits, *, layer: int = 0, sublayer: int = 0) -> bytes:
    return bytes([kind << 1 | layer >> 5, (layer & 31) << 3 | sublayer + 1]) + bits.bytes()


def sequence(*, reordered: int = 1, sub_layers: int = 1, order_bits: int = ORDER_BITS) -> bytes:
    bits = Bits().fixed(0, 4).fixed(sub_layers - 1, 3).fixed(1, 1).fixed(0, 96)
    if sub_layers > 1:
        bits.fixed(0b11, 2).fixed(0, 2 * (sub_layers - 2)).fixed(0, 2 * (9 - sub_layers)).fixed(0, 96)
    bits.unsigned(0, 1, 64, 48).fixed(1, 1).unsigned(0, 0, 0, 1).unsigned(0, 0, order_bits - 4).fixed(1, 1)
    for _ in range(sub_layers):
        bits.unsigned(4, reordered, 0)
    return unit(33, bits)


def picture_set(*, output_flag: int = 0, extra_bits: int = 0) -> bytes:
    return unit(34, Bits().unsigned(0, 0).fixed(0, 1).fixed(output_flag, 1).fixed(extra_bits, 3))


def picture(kind: int, order: int = 0, *, extra_bits: int = 0, drops: int = 0, first: int = 1, layer: int = 0) -> bytes:
    bits = Bits().fixed(first, 1)
    if kind >= BLA:
        bits.fixed(drops, 1)
    bits.unsigned(0).fixed(0, extra_bits).unsigned(1)
    if kind != IDR:
        bits.fixed(order % (1 << ORDER_BITS), ORDER_BITS)
    return unit(kind, bits, layer=layer)


def behind_codes(*parts: bytes) -> bytes:
    return b"".join(b"\0\0\1" + part for part in parts)


HEADERS = behind_codes(sequence(), picture_set())


def shown(pictures: Sequence[bytes], *, headers: bytes = HEADERS) -> list[int]:
    return hevc_frames([behind_codes(each) for each in pictures], extradata=headers).packets


def test_b_pictures_are_shown_before_what_is_decoded_in_front_of_them() -> None:
    pictures = [picture(IDR), picture(TRAIL, 2), picture(TRAIL, 1), picture(TRAIL, 4), picture(TRAIL, 3)]
    assert shown(pictures) == [0, 2, 1, 4, 3]


@pytest.mark.parametrize("sub_layers", [1, 2, 3])
def test_parameters_of_sub_layers_are_passed_over(sub_layers: int) -> None:
    headers = behind_codes(sequence(sub_layers=sub_layers), picture_set(extra_bits=2))
    pictures = [picture(IDR, extra_bits=2), picture(TRAIL, 2, extra_bits=2), picture(TRAIL, 1, extra_bits=2)]
    assert shown(pictures, headers=headers) == [0, 2, 1]


def test_parameter_sets_may_be_in_hvcc_and_units_behind_their_lengths() -> None:
    arrays = [
        b"".join([bytes([each[0] >> 1, 0, 1]), len(each).to_bytes(2, "big"), each])
        for each in (sequence(), picture_set())
    ]
    record = b"\x01" + bytes(20) + b"\x03\x02" + b"".join(arrays)
    packets = [len(each).to_bytes(4, "big") + each for each in (picture(IDR), picture(TRAIL, 1))]
    assert hevc_frames(packets, extradata=record).packets == [0, 1]


def test_order_counts_that_run_over_their_four_bits_go_on() -> None:
    assert shown([picture(IDR), *(picture(TRAIL, n) for n in range(1, 40))]) == list(range(40))


def test_pictures_that_refer_to_before_the_first_key_frame_are_not_shown() -> None:
    """CRA 8, RASL 6 and 7; later, in the middle, such pictures are shown."""
    group = [picture(CLEAN, 8), picture(RASL, 7), picture(TRAIL, 9)]
    later = [picture(CLEAN, 12), picture(RASL, 11)]
    frames = hevc_frames(
        [behind_codes(each) for each in (*group, *later)], extradata=behind_codes(sequence(), picture_set())
    )
    assert frames.packets == [0, 2, 4, 3]
    assert frames.keys == [True, False, False, True]
    assert shown([picture(CLEAN, 8), picture(RADL, 7)]) == [1, 0]


def test_order_counts_begin_again_with_idr_pictures_and_broken_links() -> None:
    pictures = [picture(IDR), picture(TRAIL, 2), picture(TRAIL, 1), picture(IDR), picture(TRAIL, 1), picture(BLA, 5)]
    assert shown([*pictures, picture(RASL, 4)]) == [0, 2, 1, 3, 4, 5]


def test_slices_behind_the_first_and_other_layers_are_no_pictures_of_their_own() -> None:
    packet = behind_codes(picture(IDR), picture(IDR, first=0), picture(IDR, layer=1))
    assert hevc_frames([packet, behind_codes(picture(TRAIL, 1))], extradata=HEADERS).packets == [0, 1]


@pytest.mark.parametrize(
    ("headers", "packets", "why"),
    [
        (HEADERS, [], "key frame"),
        (HEADERS, [behind_codes(picture(TRAIL, 1))], "key frame"),
        (b"", [behind_codes(picture(IDR))], "parameter sets"),
        (HEADERS, [behind_codes(picture(IDR), picture(TRAIL, 1))], "two pictures"),
        (HEADERS, [behind_codes(picture_set())], "no whole picture"),
        (HEADERS, [behind_codes(sequence(reordered=2), picture(IDR))], "sequence parameter set changes"),
        (HEADERS, [behind_codes(picture_set(extra_bits=1), picture(IDR))], "picture parameter set changes"),
        (behind_codes(sequence(), picture_set(output_flag=1)), [], "may not be shown"),
        (HEADERS, [behind_codes(picture(IDR)), behind_codes(unit(36, Bits()), picture(CLEAN, 1))], "sequence ends"),
        (HEADERS, [behind_codes(picture(IDR)), behind_codes(picture(IDR, drops=1))], "not shown"),
        (
            HEADERS,
            [behind_codes(each) for each in (picture(IDR), picture(TRAIL, 3), picture(TRAIL, 2), picture(TRAIL, 1))],
            "more than",
        ),
    ],
)
def test_what_headers_do_not_tell_is_left_to_a_decoder(headers: bytes, packets: list[bytes], why: str) -> None:
    with pytest.raises(UnusualError, match=why):
        hevc_frames(packets, extradata=headers)


@pytest.mark.parametrize(("order_bits", "possible"), [(16, True), (17, False), (2**31, False)])
def test_an_order_count_of_more_bits_than_there_can_be_is_left_to_a_decoder(order_bits: int, possible: bool) -> None:
    """2^(2^31) was computed where all pictures are key frames, whose order counts are not read."""
    headers = behind_codes(sequence(order_bits=order_bits), picture_set())
    if possible:
        assert shown([picture(IDR), picture(IDR)], headers=headers) == [0, 1]
    else:
        with pytest.raises(UnusualError, match=f"a picture order count of {order_bits} bits"):
            shown([picture(IDR), picture(IDR)], headers=headers)
