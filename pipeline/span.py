"""A span of presentation time that is cut out of a video: a segment."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import NamedTuple, Self

MICROSECONDS = 1_000_000  # in a second
MAX_SECONDS = 10**7  # a hundred days


class Span(NamedTuple):
    """A half-open span, in whole microseconds since the first shown frame of the video."""

    start_us: int
    end_us: int

    @classmethod
    def seconds(cls, start: str | float, end: str | float) -> Self:
        """The span between two times in seconds, rounded to the microsecond.

        >>> Span.seconds("12.50", 14).text, Span.seconds(0, "0.0333334").text
        ('12.5-14', '0-0.033333')

        Raises: ValueError if one is no number or negative or more than a hundred days, or if the span is empty.
        """
        start_us, end_us = _microseconds(start), _microseconds(end)
        if start_us is None or end_us is None or not start_us < end_us:
            raise ValueError(f"there is no time from {start} to {end} seconds")
        return cls(start_us, end_us)

    @property
    def text(self) -> str:
        """Start and end in seconds, without zeros at their ends: what names the clip after the video and "#"."""
        return f"{_seconds(self.start_us)}-{_seconds(self.end_us)}"


def _microseconds(seconds: str | float) -> int | None:
    """A time, rounded to the microsecond; None if it is none that a video can have.

    A float is taken as it is written, so that it gives what its text does.

    >>> _microseconds("0.0000025"), _microseconds(0.0000025), _microseconds(0.0003125)
    (2, 2, 312)
    >>> _microseconds("0.0000015"), _microseconds(2.5), _microseconds("1e999999999"), _microseconds("nan")
    (2, 2500000, None, None)
    """
    try:
        value = Decimal(str(seconds))
    except InvalidOperation:
        return None
    if not value.is_finite() or not 0 <= value <= MAX_SECONDS:
        return None
    return int((value * MICROSECONDS).to_integral_value(ROUND_HALF_EVEN))


def _seconds(microseconds: int) -> str:
    whole, rest = divmod(microseconds, MICROSECONDS)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")
