"""Spans of time in videos."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.span import MAX_SECONDS, MICROSECONDS, Span
from mocrop.pipeline.video.spans import times_us


@given(st.floats(0, MAX_SECONDS - 1), st.floats(0.001, 1))
def test_a_time_is_rounded_to_the_nearest_microsecond(start: float, length: float) -> None:
    span = Span.seconds(start, start + length)
    assert abs(span.start_us - Fraction(repr(start)) * MICROSECONDS) <= Fraction(1, 2)
    assert abs(span.end_us - Fraction(repr(start + length)) * MICROSECONDS) <= Fraction(1, 2)
    assert Span.seconds(repr(start), repr(start + length)) == span


@pytest.mark.parametrize("ticks", range(4, 400, 8))
def test_half_a_microsecond_is_rounded_the_same_way_for_a_number_its_text_and_a_frame(ticks: int) -> None:
    shown = ticks / 12800  # as the time base of many MP4 files; each ends in half a microsecond
    (_, frame) = times_us([0, ticks], Fraction(1, 12800)) or ()
    assert Span.seconds(shown, 1).start_us == Span.seconds(repr(shown), 1).start_us == frame


@given(st.integers(0, 10**12), st.integers(1, 10**12))
def test_what_a_span_is_called_is_read_as_the_same_span(start_us: int, length_us: int) -> None:
    span = Span(start_us, start_us + length_us)
    assert Span.seconds(*span.text.split("-")) == span


@pytest.mark.parametrize(
    "times",
    [
        (2, 1), (1, 1), (1, 1.0000001), (-1, 2), (0, 10**8), (0, "x"), ("", 1), (0, "1/2"), (0, float("nan")),
        (0, float("inf")), (0, "nan"), (0, "1e999999999"), ("1e-999999999", "2e-999999999"),
    ],
)  # fmt: skip
def test_what_is_no_span_is_refused_at_once(times: tuple[str | float, str | float]) -> None:
    with pytest.raises(ValueError, match="there is no time from"):
        Span.seconds(*times)
