"""Rasterise the moving blocks of a clip: the mean motion in each rectangle of a grid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.motion.clip_motion import ClipMotion, FrameType
from mocrop.pipeline.motion.residual import forward_motion

UNIT_PX = 4  # resolution; codecs have no smaller blocks, and theirs begin at multiples of it

DoubleMap = npt.NDArray[np.float64]
Units = npt.NDArray[np.int64]
_BASE = 1 << 16  # of block keys: as many values as a coordinate, an int16, can have


class BlockRaster:
    """The moving blocks of one clip and a grid onto which they are painted.

    A block is the sum of four two-dimensional steps, one from each of its corners, with signs + - + -. The mean of such
    a step over a rectangle is the product of two ramps, one in x and one in y, so the blocks of any number of frames
    need one histogram of their corners and a few products of matrices. Edges of blocks that are not at multiples of
    ``UNIT_PX``, as in a scaled picture, are moved to the nearest one.

    Args:
        rows, columns: edges of the grid, float64, pixels of the picture, ascending.
    """

    def __init__(self, motion: ClipMotion, *, rows: DoubleMap, columns: DoubleMap) -> None:
        self._motion = motion
        self._high, self._wide = (-(-length // UNIT_PX) for length in (motion.height, motion.width))  # units
        self._down = step_means(rows / UNIT_PX, steps=np.arange(self._high + 1))
        self._across = step_means(columns / UNIT_PX, steps=np.arange(self._wide + 1))

    def painted(self, frames: range) -> DoubleMap:
        """Sum the motion forward in time over some frames, pixels per frame; zero where nothing moves.

        Returns: float64, shape (2, rows, columns) of the grid: x and y, means over the rectangles.
        """
        motion = self._motion
        vectors = motion.vectors_of(frames)
        high, wide = self._high + 1, self._wide + 1
        left, right = _ends(motion.x[vectors], motion.w[vectors], units=self._wide)
        top, bottom = (end * wide for end in _ends(motion.y[vectors], motion.h[vectors], units=self._high))
        corners = np.concatenate((top + left, bottom + right, top + right, bottom + left))
        weights = self._weights(vectors, frames)
        field = np.empty((2, len(self._down), len(self._across)))
        for plane, moved in zip(field, forward_motion(motion, frames), strict=True):
            value = moved * weights
            steps = np.bincount(corners, np.concatenate((value, value, -value, -value)), minlength=high * wide)
            np.matmul(self._down @ steps.reshape(high, wide), self._across.T, out=plane)
        return field

    def _weights(self, vectors: slice, frames: range) -> npt.NDArray[np.float64] | float:
        """Weight of each vector: one over the vectors of its block, which are two if it is bidirectional."""
        motion = self._motion
        if not np.any(motion.frame_type[frames.start : frames.stop] == FrameType.B):
            return 1.0
        frame = np.repeat(np.arange(len(frames)), motion.vectors_per_frame[frames.start : frames.stop])
        block = (frame * _BASE + motion.y[vectors]) * _BASE + motion.x[vectors]
        _, number, vectors_of_block = np.unique(block, return_inverse=True, return_counts=True)
        return np.asarray(1 / vectors_of_block[number])


def _ends(centre: npt.NDArray[np.int16], length: npt.NDArray[np.uint8], *, units: int) -> tuple[Units, Units]:
    """First and last edge of blocks on one axis, in units, clipped to the picture."""
    twice, sides = 2 * centre.astype(np.int64), length.astype(np.int64)
    start, stop = ((twice + sign * sides + UNIT_PX) // (2 * UNIT_PX) for sign in (-1, 1))
    return np.clip(start, 0, units), np.clip(stop, 0, units)


def step_means(edges: DoubleMap, *, steps: npt.NDArray[np.int64]) -> DoubleMap:
    """Mean of unit steps, which are 0 before and 1 after a position, over the intervals between edges.

    >>> step_means(np.array([0.0, 2.0, 4.0]), steps=np.array([0, 1, 4]))
    array([[1. , 0.5, 0. ],
           [1. , 1. , 0. ]])

    Args:
        edges: float64, ascending; the mean over an interval without length is 0.
        steps: positions of the steps, in the unit of the edges.
    Returns: float64, shape (len(edges) - 1, len(steps)).
    """
    after = np.maximum(edges[:, np.newaxis] - steps, 0)
    length = np.diff(edges)[:, np.newaxis]
    return np.asarray(np.diff(after, axis=0) / np.where(length > 0, length, 1))
