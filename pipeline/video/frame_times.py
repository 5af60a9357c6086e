"""When the frames of a video are shown, in seconds from the first one on."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mocrop.pipeline.errors import Reason
from mocrop.pipeline.outcome import ClipLog

USUAL_RATE = 25  # frames a second, where a file tells neither times nor a rate


class FrameTimes:
    """Collects the presentation times of all frames of a video, in the order in which they are shown."""

    def __init__(self) -> None:
        self._pts: list[int | None] = []

    def add(self, frame: VideoFrame) -> None:
        """Take the time of the next frame."""
        self._pts.append(frame.pts)

    def seconds(self, stream: VideoStream, log: ClipLog) -> npt.NDArray[np.float64]:
        """Times of the frames: float64, shape (frames,), strictly ascending, the first one 0.

        Where the file does not give a time to every frame, or not in their order, frames are evenly spaced by the
        average rate that it names.

        Args:
            stream: of the frames.
            log: receives TIMES_BY_RATE in that case.
        """
        given = _given(self._pts, stream.time_base)
        if given is not None:
            return given
        log.note(Reason.TIMES_BY_RATE, by_rate_fact(self._pts, stream))
        return np.arange(len(self._pts)) / float(usual_rate(stream))


class FrameClock:
    """Tells the time of each frame of a video as it comes, as an exact fraction, in the order in which they are shown.

    Times count from the first frame on and ascend: a frame without a time, or whose time is not after that of the one
    before, is shown one frame later than that, at the average rate that the file names.

    Args:
        by_rate: whether that holds for all frames, because times of the file are known not to ascend.
    """

    def __init__(self, stream: VideoStream, *, by_rate: bool = False) -> None:
        base = None if by_rate else stream.time_base
        self._base = base if base and base > 0 else None
        self._usual_step = 1 / usual_rate(stream)
        self._first: Fraction | None = None
        self._last: Fraction | None = None
        self._step = self._usual_step

    def of(self, frame: VideoFrame) -> Fraction:
        """Time of the next frame, seconds."""
        given = None if frame.pts is None or self._base is None else frame.pts * self._base
        self._first = given if self._first is None else self._first
        now = None if given is None or self._first is None else given - self._first
        if self._last is None:
            now = Fraction(0)
        elif now is None or now <= self._last:
            now = self._last + self._usual_step
        own = frame.duration * self._base if self._base and frame.duration else Fraction(0)
        since = self._usual_step if self._last is None else now - self._last
        self._step = own if own > 0 else since
        self._last = now
        return now

    @property
    def end(self) -> Fraction:
        """When the last frame that has come is shown no more, as far as that is known."""
        return (self._last or Fraction(0)) + self._step


def _given(pts: list[int | None], time_base: Fraction | None) -> npt.NDArray[np.float64] | None:
    """Times in seconds from the first on; None if any is missing, or they do not ascend."""
    if not time_base or time_base <= 0:
        return None
    known = [each for each in pts if each is not None]
    if len(known) < len(pts):
        return None
    first, step = known[0] if known else 0, float(time_base)
    seconds = np.array([each - first for each in known], np.float64) * step
    return seconds if np.all(np.diff(seconds) > 0) else None


def usual_rate(stream: VideoStream) -> Fraction:
    """Frames a second of a video whose frames count as evenly spaced."""
    return _named_rate(stream) or Fraction(USUAL_RATE)


def _named_rate(stream: VideoStream) -> Fraction | None:
    """The average rate that a file names; None if it names none, which PyAV gives as None, and from 19 on as 0/0."""
    rate = stream.average_rate
    return Fraction(rate) if rate and rate > 0 else None


def by_rate_fact(pts: Sequence[int | None], stream: VideoStream) -> str:
    """Why the frames of a video count as evenly spaced, and by what rate, in words."""
    fact = "have no presentation times" if None in pts or not stream.time_base else "do not come in order"
    named = _named_rate(stream) is not None
    said = f"{float(usual_rate(stream)):.6g} a second, its average rate"
    none = f"{USUAL_RATE} a second, as it names no rate either"
    return f"its frames {fact}; they count as evenly spaced, {said if named else none}"
