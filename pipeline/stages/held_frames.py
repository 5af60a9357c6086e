"""Hold the decoded frames from which those of a window are chosen once it has ended."""

from __future__ import annotations

from typing import NamedTuple

from av.video.frame import VideoFrame

from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.video.orientation import Orientation

MOST_BYTES = 2 << 30  # of pictures: 5 minutes of key frames of 1920x1080, 12 frames apart and 25 a second


class Held(NamedTuple):
    """A frame and how it is turned."""

    frame: VideoFrame
    orientation: Orientation
    size_bytes: int


class HeldFrames:
    """Frames by number, in the order in which they are shown.

    Args:
        clip: its name, for messages.
        every: whether frames between key frames are wanted wherever there are key frames, too.

    Attributes:
        frames: what is held.
        most: the largest number of frames that were held at once.
    """

    def __init__(self, *, clip: str, every: bool) -> None:
        self.frames: dict[int, Held] = {}
        self.most = 0
        self._clip, self._every = clip, every
        self._size_bytes = 0
        self._before = self._between_before = 0

    def add(self, number: int, frame: VideoFrame, orientation: Orientation) -> None:
        """Hold the next frame, if it may be wanted.

        Raises: ClipError with WINDOW_TOO_LARGE if there is no room.
        """
        if number < self._before or (number < self._between_before and not (self._every or frame.key_frame)):
            return
        held = Held(frame, orientation, sum(plane.buffer_size for plane in frame.planes))
        self.frames[number] = held
        self.most = max(self.most, len(self.frames))
        self._size_bytes += held.size_bytes
        if self._size_bytes > MOST_BYTES:
            raise ClipError(
                Reason.WINDOW_TOO_LARGE,
                f"{self._clip}: the {len(self.frames)} pictures of {frame.width}x{frame.height} from which those of a "
                f"window are chosen take more than {MOST_BYTES >> 20:,} MiB; pass a shorter --window",
            )

    def let_go(self, *, before: int, between_before: int) -> None:
        """Let go of all frames before one, and of those that are no key frames before another one."""
        if (before, between_before) == (self._before, self._between_before):
            return
        self._before, self._between_before = before, between_before
        for number in [number for number in self.frames if number < max(before, between_before)]:
            if number < before or not (self._every or self.frames[number].frame.key_frame):
                self._size_bytes -= self.frames.pop(number).size_bytes
