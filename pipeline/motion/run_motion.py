"""The motion of consecutive parts of a video while it is decoded, the same as that of the whole cut into parts."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.raw_vectors import VectorBlock, joined
from mocrop.pipeline.motion.vectors import VectorFrame, note_placement
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.brightest import Brightest


@dataclass(kw_only=True, eq=False)
class _Run:
    """A block of frames, and its motion in pictures of one size or more: parts that share it may begin differently."""

    start: int  # number of its first frame
    block: VectorBlock
    motions: dict[tuple[int, int], ClipMotion] = field(default_factory=dict)

    @property
    def stop(self) -> int:
        return self.start + len(self.block.frame_types)

    def motion(self, picture: tuple[int, int]) -> ClipMotion:
        if picture not in self.motions:
            self.motions[picture] = self.block.motion(picture)
        return self.motions[picture]


class MotionRuns:
    """Collects the vectors of frame after frame, and gives the motion of parts of the video.

    Args:
        log: receives what is notable about how frames lie in the picture.
    """

    def __init__(self, log: ClipLog) -> None:
        self._log = log
        self._runs: deque[_Run] = deque()
        self._complete = True  # whether the last run gets no more frames
        self._frames = 0

    def add(self, frame: VectorFrame) -> None:
        """Take the next frame."""
        block = self._runs[-1].block if self._runs else None
        if block is None or self._complete or block.full or block.placement != frame.placement:
            note_placement(frame.placement, block.placement if block else None, self._log)
            block = VectorBlock(placement=frame.placement)
            self._runs.append(_Run(start=self._frames, block=block))
            self._complete = False
        block.add(frame.raw_vectors, frame.frame_type)
        self._frames += 1

    def reach(self, stop: int) -> bool:
        """Whether the motion of all frames before this one is known; it may depend on some that follow.

        Frames that are not complete then are made so: the next one begins a new run.
        """
        last = self._runs[-1]
        if last.start < stop and not self._complete:
            self._complete = last.block.may_end
            return self._complete
        return True

    def motion(self, frames: range, *, seconds: npt.NDArray[np.float64], brightest: Brightest | None) -> ClipMotion:
        """The motion of consecutive frames, in the picture of the first of them.

        Args:
            frames: none that has been let go.
            seconds: when they are shown, from the first of them on.
            brightest: has looked at them; None: nobody has looked for bars.
        """
        parts = [run for run in self._runs if run.start < frames.stop and run.stop > frames.start]
        width, height = picture = parts[0].block.placement.upright
        pieces = []
        for run in parts:
            first, last = max(frames.start, run.start), min(frames.stop, run.stop)
            pieces.append(run.motion(picture).of_frames(range(first - run.start, last - run.start)))
        inside = brightest.picture(width, height) if brightest is not None else None
        return replace(joined(pieces), seconds=seconds, picture=inside)

    def let_go(self, *, before: int) -> None:
        """Let go of what holds no frame from this one on; the last run stays, for what follows it."""
        while len(self._runs) > 1 and self._runs[0].stop <= before:
            self._runs.popleft()
