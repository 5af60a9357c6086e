"""Windows of a video: where they begin and end, by the pencil and by another way of counting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.stages.windows import Window, Windows, WindowSettings


def cut(times: Sequence[Fraction], end: Fraction, *, window: float, stride: float | None = None) -> list[Window]:
    """Windows of frames shown at these times."""
    windows = Windows(WindowSettings(seconds=window, stride_seconds=stride))
    closed = [each for seconds in times for each in windows.add(seconds)]
    return closed + windows.finish(end)


def evenly(frames: int, *, rate: int) -> tuple[list[Fraction], Fraction]:
    return [Fraction(number, rate) for number in range(frames)], Fraction(frames, rate)


def plain(windows: Sequence[Window]) -> list[tuple[float, float, range]]:
    return [(float(each.start), float(each.end), each.frames) for each in windows]


def test_windows_begin_a_stride_apart_and_the_first_that_reaches_the_end_is_the_last() -> None:
    assert plain(cut(*evenly(50, rate=10), window=2, stride=1)) == [
        (0, 2, range(20)),
        (1, 3, range(10, 30)),
        (2, 4, range(20, 40)),
        (3, 5, range(30, 50)),
    ]


def test_the_last_window_ends_where_the_video_does() -> None:
    assert plain(cut(*evenly(45, rate=10), window=2, stride=1))[-2:] == [(2, 4, range(20, 40)), (3, 4.5, range(30, 45))]


@pytest.mark.parametrize("frames", [1, 19, 20])
def test_a_video_no_longer_than_a_window_is_one_window(frames: int) -> None:
    assert plain(cut(*evenly(frames, rate=10), window=2, stride=1)) == [(0, frames / 10, range(frames))]


def test_the_stride_is_half_a_window_unless_it_is_given() -> None:
    assert [each.start for each in cut(*evenly(50, rate=10), window=2)] == [0, 1, 2, 3]


def test_what_is_between_windows_further_apart_is_in_none() -> None:
    found = cut(*evenly(60, rate=10), window=1, stride=2.5)
    assert plain(found) == [(0, 1, range(10)), (2.5, 3.5, range(25, 35)), (5, 6, range(50, 60))]


def test_a_tenth_of_a_second_is_one_and_not_the_nearest_binary_fraction() -> None:
    found = cut(*evenly(100, rate=10), window=0.3, stride=0.1)
    assert [each.frames for each in found] == [range(n, n + 3) for n in range(98)]


def test_windows_without_a_frame_are_left_out_and_counted() -> None:
    windows = Windows(WindowSettings(seconds=1, stride_seconds=1))
    times = [Fraction(0), Fraction(1, 2), Fraction(10**6)]  # a picture that stands for eleven days
    closed = [each for seconds in times for each in windows.add(seconds)] + windows.finish(Fraction(10**6 + 1))
    assert plain(closed) == [(0, 1, range(2)), (10**6, 10**6 + 1, range(2, 3))]
    assert windows.left_out == 10**6 - 1


def test_a_window_shorter_than_a_frame_holds_one_or_is_left_out() -> None:
    assert [each.frames for each in cut(*evenly(4, rate=1), window=0.5, stride=0.5)] == [
        range(n, n + 1) for n in range(4)
    ]


@pytest.mark.parametrize(
    ("window", "stride", "says"),
    [
        (0, None, "window must be above 0"),
        (-1, None, "window must be above 0"),
        (math.nan, None, "window must be"),
        (math.inf, None, "window must be"),
        (2, 0, "stride must be above 0"),
        (2, 0.01, "pass a --stride of at least 0.02"),
    ],
)
def test_windows_that_cannot_be_are_refused_in_one_line(window: float, stride: float | None, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        WindowSettings(seconds=window, stride_seconds=stride)
    assert "\n" not in str(caught.value)


lengths = st.integers(1, 40).map(lambda tenths: tenths / 10)
steps = st.lists(st.fractions(Fraction(1, 30), 6), max_size=40)


@given(window=lengths, stride=lengths, steps=steps, last=st.fractions(Fraction(1, 30), 2))
def test_windows_are_those_that_one_finds_by_looking_at_all_frames(
    window: float, stride: float, steps: list[Fraction], last: Fraction
) -> None:
    times = [sum(steps[:count], Fraction(0)) for count in range(len(steps) + 1)]
    end, length, apart = times[-1] + last, Fraction(str(window)), Fraction(str(stride))
    expected = []
    for number in range(math.ceil(end / apart)):
        start = number * apart
        inside = [frame for frame, seconds in enumerate(times) if start <= seconds < start + length]
        if inside:
            reached = min(start + length, end)
            expected.append(Window(start=start, end=reached, frames=range(inside[0], inside[-1] + 1)))
        if inside and start + length >= end:
            break
    assert cut(times, end, window=window, stride=stride) == expected
