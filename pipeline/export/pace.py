"""Which frames are kept at what times: all at their own, or as many a second as are wanted."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple, Protocol

from av.video.frame import VideoFrame


class Paced(NamedTuple):
    """A frame that is kept."""

    frame: VideoFrame
    number: int  # in the clip
    time: int  # since the first frame of the clip, in units of the pace's time base


class Pace(Protocol):
    """Chooses frames."""

    time_base: Fraction
    rate: Fraction | None  # frames a second; None: those of the clip

    def take(self, frame: VideoFrame, number: int, time: int) -> Iterator[Paced]:
        """Frames that are settled when this one has come, at a time in the clip's time base."""
        ...

    def rest(self) -> Iterator[Paced]:
        """Frames that are settled when no more will come."""
        ...


class EveryFrame:
    """All frames, at their own times."""

    rate: Fraction | None = None

    def __init__(self, time_base: Fraction) -> None:
        self.time_base = time_base

    def take(self, frame: VideoFrame, number: int, time: int) -> Iterator[Paced]:
        yield Paced(frame, number, time)

    def rest(self) -> Iterator[Paced]:
        return iter(())


class EvenPace:
    """As many frames a second as are wanted: at each step the frame whose time, rounded to steps, is the last one.

    That is what FFmpeg's filter `fps` does: frames are dropped, or shown again.

    Args:
        fps: frames a second.
        time_base: of the clip.
    """

    def __init__(self, fps: Fraction, time_base: Fraction) -> None:
        self.rate: Fraction | None = fps
        self.time_base = 1 / fps
        self._steps = time_base * fps
        self._kept: Paced | None = None  # its time is a step

    def take(self, frame: VideoFrame, number: int, time: int) -> Iterator[Paced]:
        step = int(time * self._steps + Fraction(1, 2))
        if (kept := self._kept) is not None:
            yield from (kept._replace(time=each) for each in range(kept.time, step))
        self._kept = Paced(frame, number, step)

    def rest(self) -> Iterator[Paced]:
        if self._kept is not None:
            yield self._kept
            self._kept = None
