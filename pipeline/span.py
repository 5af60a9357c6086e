"""A span of presentation time that is cut out of a video: a segment."""

from __future__ import annotations

from fractions import Fraction
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
        start_us, end_us = (round(Fraction(value) * MICROSECONDS) for value in (start, end))
        if not 0 <= start_us < end_us <= MAX_SECONDS * MICROSECONDS:
            raise ValueError(f"there is no time from {start} to {end} seconds")
        return cls(start_us, end_us)

    @property
    def text(self) -> str:
        """Start and end in seconds, without zeros at their ends: what names the clip after the video and "#"."""
        return f"{_seconds(self.start_us)}-{_seconds(self.end_us)}"


def _seconds(microseconds: int) -> str:
    whole, rest = divmod(microseconds, MICROSECONDS)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")
