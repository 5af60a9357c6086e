"""Segment sampling, checked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.training.data.segments import middle_slots, random_slots

frame_counts = st.lists(st.integers(1, 40), min_size=1, max_size=8).map(np.array)
segment_counts = st.integers(1, 30)


def test_middle_of_three_segments_of_nine_slots() -> None:
    assert middle_slots(np.array([9]), segments=3).tolist() == [[1, 4, 7]]


def test_one_segment_is_the_middle_of_the_clip() -> None:
    assert middle_slots(np.array([1, 2, 3, 16]), segments=1).tolist() == [[0], [1], [1], [8]]


def test_as_many_segments_as_slots_take_every_slot_once() -> None:
    rng = np.random.default_rng(0)
    assert middle_slots(np.array([5]), segments=5).tolist() == [[0, 1, 2, 3, 4]]
    assert random_slots(np.array([5]), segments=5, rng=rng).tolist() == [[0, 1, 2, 3, 4]]


def test_a_clip_with_one_slot_repeats_it() -> None:
    assert middle_slots(np.array([1]), segments=8).tolist() == [[0] * 8]
    assert random_slots(np.array([1]), segments=3, rng=np.random.default_rng(0)).tolist() == [[0] * 3]


def test_two_slots_for_three_segments_share_the_middle_one() -> None:
    draws = random_slots(np.full(4000, 2), segments=3, rng=np.random.default_rng(0))
    assert set(map(tuple, draws.tolist())) == {(0, 0, 1), (0, 1, 1)}
    assert abs(draws[:, 1].mean() - 0.5) < 0.05


def test_no_slot_in_use_is_refused() -> None:
    with pytest.raises(ValueError, match="clip 1 of the batch has no slot in use"):
        middle_slots(np.array([3, 0]), segments=2)


def test_no_segments_are_refused() -> None:
    with pytest.raises(ValueError, match="segments must be at least 1"):
        middle_slots(np.array([3]), segments=0)


@given(frame_counts, segment_counts)
def test_middle_slot_holds_the_middle_of_its_segment(used: np.ndarray, segments: int) -> None:
    slots = middle_slots(used, segments=segments)
    middle = (np.arange(segments) + 0.5) * used[:, None] / segments
    assert np.all((slots <= middle) & (middle <= slots + 1))


@given(frame_counts, segment_counts, st.integers(0, 2**32))
def test_random_slot_overlaps_its_segment(used: np.ndarray, segments: int, seed: int) -> None:
    slots = random_slots(used, segments=segments, rng=np.random.default_rng(seed))
    start = np.arange(segments) * used[:, None]  # in k-ths of a slot
    assert np.all((slots + 1) * segments > start)
    assert np.all(slots * segments < start + used[:, None])
    assert np.all(np.diff(slots, axis=1) >= 0)
    assert np.all(slots < used[:, None])


@given(frame_counts, segment_counts, st.integers(0, 2**32))
def test_same_seed_same_slots(used: np.ndarray, segments: int, seed: int) -> None:
    first, second = (random_slots(used, segments=segments, rng=np.random.default_rng(seed)) for _ in range(2))
    assert np.array_equal(first, second)
