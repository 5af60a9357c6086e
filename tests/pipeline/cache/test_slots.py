"""Which frames fill the slots."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.cache.slots import chosen_frames, evenly


def test_few_key_frames_are_all_taken() -> None:
    assert chosen_frames("keyframes", key_frames=[0, 12, 24], frames=30, slots=16) == [0, 12, 24]


def test_many_key_frames_are_thinned_evenly() -> None:
    """32 key frames, 16 slots: floor((i + 0.5) * 2) = 1, 3, 5, ..."""
    key_frames = range(0, 384, 12)
    assert chosen_frames("keyframes", key_frames=key_frames, frames=384, slots=16) == [12 * n for n in range(1, 32, 2)]


def test_uniform_takes_the_middle_of_equal_parts_whatever_the_key_frames() -> None:
    assert chosen_frames("uniform", key_frames=[0], frames=100, slots=4) == [12, 37, 62, 87]


def test_uniform_takes_every_frame_of_a_short_clip() -> None:
    assert chosen_frames("uniform", key_frames=[0], frames=3, slots=4) == [0, 1, 2]


@given(count=st.integers(0, 10**7), slots=st.integers(1, 200))
def test_picks_are_ascending_unique_and_in_range(count: int, slots: int) -> None:
    picks = evenly(count, slots=slots)
    assert len(picks) == min(count, slots)
    assert picks == sorted(set(picks))
    assert all(0 <= pick < count for pick in picks)


@given(count=st.integers(1, 10**6), slots=st.integers(1, 200))
def test_thinned_picks_are_floor_of_i_plus_a_half_times_count_over_slots(count: int, slots: int) -> None:
    if count > slots:
        assert evenly(count, slots=slots) == [int((i + 0.5) * count / slots + 1e-9) for i in range(slots)]
