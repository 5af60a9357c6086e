"""Paint the moving blocks of a clip: vectors and a grid of rectangles go in, the mean motion in each comes out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.motion.clip_motion import ClipMotion, FrameType
from mocrop.pipeline.motion.residual import forward_motion

UNIT_PX = 4  # blocks are painted to this; codecs have no smaller ones, and theirs begin at multiples of it

DoubleMap = npt.NDArray[np.float64]
Units = npt.NDArray[np.int64]
_DIGIT = 1 << 16  # more than there are coordinates, in either direction


class BlockRaster:
    """The blocks of one clip that move, ready to be painted onto a grid.

    A block is four steps: its motion begins at one corner of it, ends at the next two and begins again at the last. The
    mean of a step over a rectangle is a product of two ramps, so that all blocks of some frames need one histogram of
    their corners and one product of matrices. Edges of blocks that do not lie at multiples of ``UNIT_PX``, as where a
    picture was scaled, go to the nearest one.

    Args:
        rows, columns: edges of the grid, pixels of the picture, ascending.
    """

    def __init__(self, motion: ClipMotion, *, rows: DoubleMap, columns: DoubleMap) -> None:
        self._motion = motion
        self._high, self._wide = (-(-length // UNIT_PX) for length in (motion.height, motion.width))  # units
        self._down = step_means(rows / UNIT_PX, steps=np.arange(self._high + 1))
        self._across = step_means(columns / UNIT_PX, steps=np.arange(self._wide + 1))

    def painted(self, frames: range) -> DoubleMap:
        """The sum over some frames of the motion forward in time, pixels per frame; zero where nothing moves.

        Returns: float64, shape (2, rows, columns) of the grid: x and y, means over the rectangles.
        """
        motion = self._motion
        own = motion.vectors_of(frames)
        high, wide = self._high + 1, self._wide + 1
        left, right = _ends(motion.x[own], motion.w[own], units=self._wide)
        top, bottom = (end * wide for end in _ends(motion.y[own], motion.h[own], units=self._high))
        corners = np.concatenate((top + left, bottom + right, top + right, bottom + left))
        share = self._shares(own, frames)
        field = np.empty((2, len(self._down), len(self._across)))
        for part, moved in zip(field, forward_motion(motion, frames), strict=True):
            value = moved * share
            steps = np.bincount(corners, np.concatenate((value, value, -value, -value)), minlength=high * wide)
            np.matmul(self._down @ steps.reshape(high, wide), self._across.T, out=part)
        return field

    def _shares(self, own: slice, frames: range) -> npt.NDArray[np.float64] | float:
        """What each vector counts: a half if its block has two, from the past and from the future."""
        motion = self._motion
        if not np.any(motion.frame_type[frames.start : frames.stop] == FrameType.B):
            return 1.0
        frame = np.repeat(np.arange(len(frames)), motion.vectors_per_frame[frames.start : frames.stop])
        block = (frame * _DIGIT + motion.y[own]) * _DIGIT + motion.x[own]
        _, number, vectors = np.unique(block, return_inverse=True, return_counts=True)
        return np.asarray(1 / vectors[number])


def _ends(centre: npt.NDArray[np.int16], length: npt.NDArray[np.uint8], *, units: int) -> tuple[Units, Units]:
    """Where blocks begin and end on one axis, in units within the picture."""
    twice, sides = 2 * centre.astype(np.int64), length.astype(np.int64)
    start, stop = ((twice + sign * sides + UNIT_PX) // (2 * UNIT_PX) for sign in (-1, 1))
    return np.clip(start, 0, units), np.clip(stop, 0, units)


def step_means(edges: DoubleMap, *, steps: npt.NDArray[np.int64]) -> DoubleMap:
    """The mean, between each edge and the next, of what is 0 before each step and 1 after it.

    >>> step_means(np.array([0.0, 2.0, 4.0]), steps=np.array([0, 1, 4]))
    array([[1. , 0.5, 0. ],
           [1. , 1. , 0. ]])

    Returns: float64, shape (len(edges) - 1, len(steps)).
    """
    after = np.maximum(edges[:, np.newaxis] - steps, 0)
    return np.asarray(np.diff(after, axis=0) / np.diff(edges)[:, np.newaxis])
