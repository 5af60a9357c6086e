"""Arrows for the motion vectors of a frame: thinned, stretched, in pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.motion.camera import following_distance_px
from mocrop.pipeline.motion.clip_motion import QUARTER_PIXELS, ClipMotion
from mocrop.pipeline.motion.residual import speeds

MAX_STRETCH = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Arrows:
    """Motion vectors of one frame as they are drawn.

    Attributes:
        start, end: float64, shape (n, 2): x, y in pixels; along the motion of the content forward in time, with the
            middle on the block.
        own: bool, shape (n,): whether the block departs from the camera's motion.
    """

    start: npt.NDArray[np.float64]
    end: npt.NDArray[np.float64]
    own: npt.NDArray[np.bool_]


class ArrowMaker:
    """Thins the vectors of each frame to one for each square of the picture: the one of median length.

    Args:
        squares_across: squares side by side over the width of the picture.
    """

    def __init__(self, motion: ClipMotion, *, squares_across: int = 20) -> None:
        self._motion = motion
        self._square_px = max(1, round(motion.width / squares_across))
        self._first_row = np.concatenate([[0], np.cumsum(motion.vectors_per_frame, dtype=np.intp)])
        self._own = speeds(motion, camera="compensate") > following_distance_px(motion.width, motion.height)
        self.stretch = self._stretch()

    def _stretch(self) -> int:
        """Factor by which all arrows of the clip are lengthened, so that long ones span about two squares."""
        if not len(self._motion.x):
            return 1
        long_px = float(np.percentile(self._motion.displacement, 95))
        return int(np.clip(round(2 * self._square_px / long_px), 1, MAX_STRETCH))

    def of_frame(self, number: int) -> Arrows:
        """The arrows of one frame; none for a frame after the end of the motion."""
        motion = self._motion
        rows = slice(*self._first_row[[min(number, motion.frames), min(number + 1, motion.frames)]])
        dx, dy = motion.dx[rows].astype(np.float64), motion.dy[rows].astype(np.float64)
        kept = self._thinned(motion.x[rows], motion.y[rows], np.hypot(dx, dy))
        centre = np.stack([motion.x[rows], motion.y[rows]], axis=1)[kept].astype(np.float64)
        forward = -motion.ref[rows][kept, np.newaxis] / QUARTER_PIXELS
        half = np.stack([dx, dy], axis=1)[kept] * forward * self.stretch / 2
        return Arrows(start=centre - half, end=centre + half, own=self._own[rows][kept])

    def _thinned(
        self, x: npt.NDArray[np.int16], y: npt.NDArray[np.int16], length: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.intp]:
        square = (y.astype(np.intp) // self._square_px << 16) + x // self._square_px
        order = np.lexsort((length, square))
        _, first, count = np.unique(square[order], return_index=True, return_counts=True)
        return np.asarray(order[first + count // 2])
