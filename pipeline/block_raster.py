"""Paint the moving blocks of a clip onto cells of the picture, and average such pictures over rectangles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.motion import ClipMotion, FrameType
from mocrop.pipeline.own_motion import forward_motion

CELL_PX = 4  # side of a cell, pixels; codecs have no smaller blocks, and theirs begin at multiples of it

DoubleMap = npt.NDArray[np.float64]
Cells = npt.NDArray[np.int32]
_DIGIT = 1 << 16  # more than there are coordinates, in either direction


class BlockRaster:
    """The blocks of one clip that move, ready to be painted frame by frame.

    Edges that do not lie between cells, as where a picture was scaled, go to the nearest such place.
    """

    def __init__(self, motion: ClipMotion) -> None:
        self._motion = motion
        self._first = np.append(0, np.cumsum(motion.vectors_per_frame))
        self._forward = forward_motion(motion)
        self._rows, self._columns = -(-motion.height // CELL_PX), -(-motion.width // CELL_PX)
        self._left, self._right = _edges(motion.x, motion.w, self._columns)
        self._top, self._bottom = _edges(motion.y, motion.h, self._rows)

    def painted(self, frames: range) -> DoubleMap:
        """The sum over some frames of the motion forward in time, pixels per frame; zero where nothing moves.

        A block adds its motion at one corner and takes it back at the next two; sums along both axes then fill it.

        Returns: float64, shape (2, rows, columns) of cells: x and y.
        """
        own = slice(int(self._first[frames.start]), int(self._first[frames.stop]))
        left, right, top, bottom = (edges[own] for edges in (self._left, self._right, self._top, self._bottom))
        wide, high = self._columns + 1, self._rows + 1
        top, bottom = top * wide, bottom * wide
        corners = np.concatenate((top + left, bottom + right, top + right, bottom + left))
        share = self._shares(own, frames)
        field = np.empty((2, self._rows, self._columns))
        for part, moved in zip(field, self._forward, strict=True):
            value = moved[own] * share
            weights = np.concatenate((value, value, -value, -value))
            changes = np.bincount(corners, weights, minlength=high * wide).reshape(high, wide)
            part[...] = changes.cumsum(axis=0).cumsum(axis=1)[:-1, :-1]
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


def area_means(field: DoubleMap, *, rows: DoubleMap, columns: DoubleMap) -> DoubleMap:
    """Means of a field of cells over the rectangles between these edges.

    >>> area_means(np.array([[[0.0, 4.0]]]), rows=np.array([0.0, 1.0]), columns=np.array([0.0, 0.5, 2.0])).round(2)
    array([[[0.  , 2.67]]])

    Args:
        field: float64, shape (n, rows, columns).
        rows, columns: ascending, in cells, inside the field.
    Returns: float64, shape (n, len(rows) - 1, len(columns) - 1).
    """
    sums = np.pad(field, ((0, 0), (1, 0), (1, 0))).cumsum(axis=1).cumsum(axis=2)
    for axis, edges in ((1, rows), (2, columns)):
        before = np.minimum(edges.astype(np.int64), field.shape[axis] - 1)
        part = (edges - before).reshape((-1, 1) if axis == 1 else -1)
        sums = np.take(sums, before, axis) * (1 - part) + np.take(sums, before + 1, axis) * part
    means: DoubleMap = np.diff(np.diff(sums, axis=1), axis=2) / np.outer(np.diff(rows), np.diff(columns))
    return means


def _edges(centre: npt.NDArray[np.int16], length: npt.NDArray[np.uint8], cells: int) -> tuple[Cells, Cells]:
    """Where blocks begin and end on one axis, in whole cells of the picture: int32."""
    twice, half = 2 * centre.astype(np.int32), length.astype(np.int32)
    start, stop = ((twice + sign * half + CELL_PX) // (2 * CELL_PX) for sign in (-1, 1))
    return np.clip(start, 0, cells), np.clip(stop, 0, cells)
