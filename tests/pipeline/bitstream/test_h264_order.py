"""The order of H.264 pictures, from headers written by hand; streams of real encoders are in test_timeline.py."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.bitstream.bits import UnusualError
from mocrop.pipeline.bitstream.h264 import RecoveryPoint, SequenceParameters
from mocrop.pipeline.bitstream.h264_order import Picture, shown_order


def sequence(*, order_type: int = 0) -> SequenceParameters:
    return SequenceParameters(
        number=0,
        profile=100,
        width=64,
        height=48,
        crop=(0, 0, 0, 0),
        reference_frames=2,
        frames_only=True,
        frame_number_bits=4,
        order_type=order_type,
        order_bits=4,
        separate_planes=False,
    )


def coded(orders: Sequence[int], *, unreferenced: Sequence[int] = (), idr: Sequence[int] = (0,)) -> list[Picture]:
    """Pictures in the order of decoding, with these picture order counts (their lower 4 bits are stored)."""
    found, number = [], 0
    for place, order in enumerate(orders):
        number = 0 if place in idr else number + (place - 1 not in unreferenced)
        found.append(Picture(place in idr, None, number % 16, place not in unreferenced, order % 16, False))
    return found


def test_pictures_without_order_counts_are_shown_as_decoded() -> None:
    assert shown_order(sequence(order_type=2), coded([0, 0, 0]), delay=0) == [0, 1, 2]


def test_b_frame_is_shown_before_the_picture_decoded_in_front_of_it() -> None:
    """I0 P4 B2 P8 B6."""
    pictures = coded([0, 4, 2, 8, 6], unreferenced=[2, 4])
    assert shown_order(sequence(), pictures, delay=1) == [0, 2, 1, 4, 3]


def test_decoder_that_holds_back_too_few_pictures_is_asked_instead() -> None:
    with pytest.raises(UnusualError, match="more than the decoder expects"):
        shown_order(sequence(), coded([0, 4, 2], unreferenced=[2]), delay=0)
    pyramid = coded([0, 8, 4, 2, 6], unreferenced=[3, 4])
    assert shown_order(sequence(), pyramid, delay=2) == [0, 3, 2, 4, 1]
    with pytest.raises(UnusualError, match="more than the decoder expects"):
        shown_order(sequence(), pyramid, delay=1)


def test_order_counts_begin_again_with_every_idr_picture() -> None:
    pictures = coded([0, 4, 2, 0, 4, 2], unreferenced=[2, 5], idr=[0, 3])
    assert shown_order(sequence(), pictures, delay=1) == [0, 2, 1, 3, 5, 4]


@given(st.integers(2, 60))
def test_order_counts_that_run_over_their_four_bits_go_on(count: int) -> None:
    pictures = coded([2 * n for n in range(count)])
    assert shown_order(sequence(), pictures, delay=0) == list(range(count))


@pytest.mark.parametrize(
    ("pictures", "why"),
    [
        ([], "key frame"),
        (coded([0, 2], idr=[]), "key frame"),
        ([*coded([0, 2])[:1], coded([0, 2])[1]._replace(field=True)], "fields"),
        ([*coded([0, 2])[:1], coded([0, 2])[1]._replace(frame_number=3)], "missing before packet 1"),
        (coded([0, 2, 2]), "one time"),
    ],
)
def test_what_headers_do_not_tell_is_left_to_a_decoder(pictures: list[Picture], why: str) -> None:
    with pytest.raises(UnusualError, match=why):
        shown_order(sequence(), pictures, delay=16)


def test_only_idr_pictures_and_recovery_points_of_no_frames_are_key_frames() -> None:
    idr, plain = coded([0, 2])
    assert (idr.key, idr.start, idr.gradual) == (True, True, False)
    assert (plain.key, plain.start, plain.gradual) == (False, False, False)
    for point, key, start, gradual in [
        (RecoveryPoint(0, exact=True), True, True, False),
        (RecoveryPoint(0, exact=False), True, False, False),
        (RecoveryPoint(12, exact=True), False, False, True),
    ]:
        picture = plain._replace(recovery=point)
        assert (picture.key, picture.start, picture.gradual) == (key, start, gradual)
