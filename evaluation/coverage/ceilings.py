"""The best boxes of hindsight: what a policy could reach at most with boxes of one size, static or moving."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.coverage.overlap import DoubleMap

MOST_STARTS = 2048  # places along a side that are tried at most
ROWS_AT_ONCE = 1024  # boxes of actors; bounds memory

IntArray = npt.NDArray[np.int64]


def best_static_box(truth: DoubleMap, *, extent: tuple[float, float]) -> DoubleMap:
    """Find the one box that holds the most of the actors' boxes, as the mean of the shares of each.

    As a box moves across, what it holds of an actor rises, stays and falls in straight lines. So the most that it holds
    of all is reached where its left edge meets the left edge of an actor or its right edge the right one, or at an end
    of its way; and likewise down. All pairs of such places are tried: what a box holds is the product of what it
    overlaps across and down, so this is one product of matrices.

    Args:
        truth: shape (n, 4): left, top, right, bottom, fractions; n at least 1.
        extent: width and height of the box, fractions.
    Returns: float64, shape (4,): left, top, right, bottom. Exact as long as a side has at most MOST_STARTS such places,
        which takes over 1,000 different boxes; beyond, starts are rounded to that many.
    """
    lefts, tops = (_starts(truth[:, side], truth[:, side + 2], extent[side]) for side in (0, 1))
    held = np.zeros((len(tops), len(lefts)))
    for first in range(0, len(truth), ROWS_AT_ONCE):
        some = truth[first : first + ROWS_AT_ONCE]
        held += _shares(some[:, 1::2], tops, extent[1]) @ _shares(some[:, 0::2], lefts, extent[0]).T
    top, left = np.unravel_index(int(held.argmax()), held.shape)
    start = np.array([lefts[left], tops[top]])
    return np.concatenate([start, np.minimum(start + extent, 1)])


def best_moving_boxes(frames: IntArray, truth: DoubleMap, *, extent: tuple[float, float]) -> DoubleMap:
    """Find the box of each frame that holds the most of the actors in it.

    Args:
        frames: shape (n,): number of the frame that each row of ``truth`` belongs to.
        truth, extent: as for :func:`best_static_box`.
    Returns: float64, shape (n, 4): the box of each row's frame.
    """
    size = np.array(extent)
    starts = np.clip((truth[:, :2] + truth[:, 2:] - size) / 2, 0, 1 - size)  # about the middle of a lone actor
    edges = np.concatenate([starts, np.minimum(starts + size, 1)], axis=1)
    numbers, counts = np.unique(frames, return_counts=True)
    for number in numbers[counts > 1]:
        edges[frames == number] = best_static_box(truth[frames == number], extent=extent)
    return edges


def _starts(low: DoubleMap, high: DoubleMap, length: float) -> DoubleMap:
    """Places, ascending, at which a box meets a lower or an upper edge of an actor with its own, and both ends."""
    places = np.concatenate([low, high - length, [0, 1 - length]])
    places = np.unique(np.clip(places, 0, 1 - length))
    if len(places) > MOST_STARTS:
        places = np.unique(np.clip(np.rint(places * (MOST_STARTS - 1)) / (MOST_STARTS - 1), 0, 1 - length))
    return places


def _shares(sides: DoubleMap, starts: DoubleMap, length: float) -> DoubleMap:
    """Share of each actor, along one side, that lies in a box of each start: shape (starts, n).

    Args:
        sides: shape (n, 2): where each actor starts and ends.
    """
    low, high = sides.T
    shared = np.minimum(high, starts[:, np.newaxis] + length) - np.maximum(low, starts[:, np.newaxis])
    return np.asarray(np.maximum(shared, 0) / (high - low))
