"""The rate of a video whose frames count as evenly spaced, and the times of frames as they come."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from mocrop.pipeline.video.frame_times import USUAL_RATE, FrameClock, by_rate_fact, usual_rate


class NoRate:
    """0/0 as PyAV gives it from 19 on: false, and yet greater than 0."""

    numerator = denominator = 0

    def __bool__(self) -> bool:
        return False

    def __gt__(self, _: object) -> bool:
        return True

    def __le__(self, _: object) -> bool:
        return False


@pytest.mark.parametrize("named", [None, NoRate(), Fraction(0), Fraction(-1)])
def test_a_video_that_names_no_rate_has_the_usual_one(named: Any) -> None:
    stream: Any = SimpleNamespace(average_rate=named, time_base=Fraction(1, 25))
    assert usual_rate(stream) == Fraction(USUAL_RATE)
    assert "names no rate either" in by_rate_fact([None], stream)


def test_a_rate_that_is_named_counts() -> None:
    stream: Any = SimpleNamespace(average_rate=Fraction(30000, 1001), time_base=Fraction(1, 25))
    assert usual_rate(stream) == Fraction(30000, 1001)
    assert "29.97 a second, its average rate" in by_rate_fact([None], stream)


def clock_of(pts: list[int | None], *, duration: int = 0, by_rate: bool = False) -> tuple[list[Fraction], Fraction]:
    """Times of frames with these time stamps, in hundredths, of a video of 25 frames a second; and its end."""
    stream: Any = SimpleNamespace(average_rate=Fraction(25), time_base=Fraction(1, 100))
    clock = FrameClock(stream, by_rate=by_rate)
    frames: list[Any] = [SimpleNamespace(pts=each, duration=duration) for each in pts]
    return [clock.of(frame) * 100 for frame in frames], clock.end * 100


def test_times_are_those_of_the_file_from_the_first_frame_on() -> None:
    assert clock_of([7, 11, 30]) == ([0, 4, 23], 42)  # the last frame is shown as long as the one before
    assert clock_of([7, 11, 30], duration=5) == ([0, 4, 23], 28)


def test_a_frame_without_a_time_comes_a_frame_after_the_one_before() -> None:
    assert clock_of([0, None, 8, 6, 20]) == ([0, 4, 8, 12, 20], 28)
    assert clock_of([None, None])[0] == [0, 4]


def test_times_by_rate_are_evenly_spaced_whatever_the_file_says() -> None:
    assert clock_of([0, 8, 4, 12], by_rate=True) == ([0, 4, 8, 12], 16)
