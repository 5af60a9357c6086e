"""Estimate the time that a stage has left, and know when there is nothing to estimate it by."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]  # seconds


class TimeLeft:
    """The time left, by what is done and what is not; bytes of the clips' files, say.

    A long clip is a large file, so by its size it is counted for what it is. Where it takes longer than even that says,
    there is no estimate any more until it comes back: what was predicted has not come true.

    >>> now = 0.0
    >>> left = TimeLeft(100, clock=lambda: now)
    >>> left.seconds() is None
    True
    >>> now = 10.0
    >>> left.done(80)  # the clips of 20 bytes are to do, at 8 bytes a second
    >>> now = 11.0
    >>> left.seconds()
    1.5
    >>> now = 13.0
    >>> left.seconds() is None, left.seconds_waited()
    (True, 3.0)
    """

    def __init__(self, total: int, *, clock: Clock = time.monotonic) -> None:
        self._total, self._done = total, 0
        self._clock = clock
        self._start = self._last = clock()

    def done(self, work: int) -> None:
        """Count so much as done, just now."""
        self._done += work
        self._last = self._clock()

    def seconds(self) -> float | None:
        """The time left; None if that cannot be told: nothing is done yet, or the estimate has run out."""
        if not self._done:
            return None
        predicted = (self._last - self._start) * (self._total - self._done) / self._done
        left = predicted - self.seconds_waited()
        return left if left > 0 else None

    def seconds_waited(self) -> float:
        """The time since something has come back, or since the start."""
        return self._clock() - self._last
