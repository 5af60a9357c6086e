"""Cut a video into windows of equal length, by the times of its frames."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.limits import require_number
from mocrop.pipeline.span import MAX_SECONDS

MOST_OVERLAPPING = 100  # windows that one frame can be in; each keeps its own account of its frames


@dataclass(frozen=True, kw_only=True)
class WindowSettings:
    """How long windows are, and how far apart they begin; what lies between windows that are further apart is in none.

    Raises: SettingsError.
    """

    seconds: float  # length
    stride_seconds: float | None = None  # from the start of one to that of the next; None: half the length

    def __post_init__(self) -> None:
        require_number("window", self.seconds, above=0, most=MAX_SECONDS)
        if self.stride_seconds is not None:
            require_number("stride", self.stride_seconds, above=0, most=MAX_SECONDS)
        if self.length > MOST_OVERLAPPING * self.stride:
            raise SettingsError(
                f"windows of {self.seconds:g} s that begin every {float(self.stride):g} s overlap more than "
                f"{MOST_OVERLAPPING} times; pass a --stride of at least {float(self.length / MOST_OVERLAPPING):g}"
            )

    @property
    def length(self) -> Fraction:
        """Length in seconds, as it is written: 0.1 is a tenth."""
        return Fraction(str(self.seconds))

    @property
    def stride(self) -> Fraction:
        """From the start of one window to that of the next, seconds."""
        return self.length / 2 if self.stride_seconds is None else Fraction(str(self.stride_seconds))

    @property
    def gap(self) -> Fraction:
        """Seconds between two windows that are in neither; 0 if there are none."""
        return max(Fraction(0), self.stride - self.length)


@dataclass(frozen=True, kw_only=True)
class Window:
    """A part of a video.

    Attributes:
        start, end: seconds from the first frame of the video on.
        frames: numbers of those that are first shown in it, at least one.
    """

    start: Fraction
    end: Fraction
    frames: range


@dataclass
class _Open:
    number: int
    first_frame: int


class Windows:
    """Cuts a video into windows while its frames come.

    Window k holds the frames that are first shown from k strides on, before the window's length is over. A window
    without any frame is left out. The first window that reaches the end of the video is the last; it alone may be
    shorter. So a video that is shorter than a window is one window, and no window is a part of the one before.

    >>> windows = Windows(WindowSettings(seconds=2, stride_seconds=1))
    >>> closed = [window for second in range(4) for window in windows.add(Fraction(second))]
    >>> [(int(window.start), int(window.end), window.frames) for window in closed]
    [(0, 2, range(0, 2)), (1, 3, range(1, 3))]
    >>> [(int(window.start), int(window.end), window.frames) for window in windows.finish(Fraction(4))]
    [(2, 4, range(2, 4))]

    Attributes:
        frames: number of frames that have come.
        left_out: number of windows without a frame, between those that have any.
    """

    def __init__(self, settings: WindowSettings) -> None:
        self._length, self._stride = settings.length, settings.stride
        self._open: deque[_Open] = deque()
        self._next = 0  # number of the window that opens next
        self.frames = self.left_out = 0

    @property
    def first_frames(self) -> Sequence[int]:
        """Numbers of the first frames of the windows that are open, ascending."""
        return [window.first_frame for window in self._open]

    def add(self, seconds: Fraction) -> list[Window]:
        """Take the time of the next frame, which is after the one before.

        Returns: the windows that end before it, in order.
        """
        closed = []
        while self._open and self._end(self._open[0]) <= seconds:
            closed.append(self._closed(self._open.popleft()))
        last = math.floor(seconds / self._stride)
        first = max(self._next, math.floor((seconds - self._length) / self._stride) + 1)
        if first <= last:
            self.left_out += first - self._next
            self._open.extend(_Open(number, self.frames) for number in range(first, last + 1))
            self._next = last + 1
        self.frames += 1
        return closed

    def finish(self, end: Fraction) -> list[Window]:
        """Take the end of the video.

        Returns: the windows that were still open, in order, but for those behind the first that reaches the end.
        """
        closed = []
        while self._open:
            window = self._open.popleft()
            closed.append(self._closed(window, until=end))
            if self._end(window) >= end:
                self._open.clear()
        return closed

    def _end(self, window: _Open) -> Fraction:
        return window.number * self._stride + self._length

    def _closed(self, window: _Open, *, until: Fraction | None = None) -> Window:
        start, end = window.number * self._stride, self._end(window)
        end = end if until is None else min(end, until)
        return Window(start=start, end=end, frames=range(window.first_frame, self.frames))
