"""The rate of a video whose frames count as evenly spaced."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from mocrop.pipeline.video.frame_times import USUAL_RATE, by_rate_fact, usual_rate


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
