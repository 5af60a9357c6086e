"""Overlap of crop boxes with the boxes of actors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.crop_box import CropBox

DoubleMap = npt.NDArray[np.float64]

METRICS = ("inside", "whole", "iou", "area")
WHOLE_BUT_ROUNDING = 1 - 1e-6


def overlap(truth: DoubleMap, box: CropBox) -> DoubleMap:
    """Overlap of one box with the actor's boxes; see :func:`overlaps`."""
    return overlaps(truth, np.array([box.edges]))


def overlaps(truth: DoubleMap, edges: DoubleMap) -> DoubleMap:
    """Overlap of crop boxes with the actor's boxes, row by row, as means over the rows.

    Args:
        truth: shape (n, 4): left, top, right, bottom of an actor in a frame, fractions; n at least 1.
        edges: shape (n, 4), or (1, 4) for one box: the crop of that frame, likewise.
    Returns: float64, shape (metrics,): mean share of the actor inside, share of rows wholly inside, mean of
        intersection over union, mean area of the crops.
    """
    shared = _areas(np.maximum(truth[:, :2], edges[:, :2]), np.minimum(truth[:, 2:], edges[:, 2:]))
    actor, crop = (_areas(boxes[:, :2], boxes[:, 2:]) for boxes in (truth, edges))
    share = shared / actor
    return np.array(
        [
            share.mean(),
            (share >= WHOLE_BUT_ROUNDING).mean(),
            (shared / (actor + crop - shared)).mean(),
            np.broadcast_to(crop, share.shape).mean(),
        ]
    )


def _areas(low: DoubleMap, high: DoubleMap) -> DoubleMap:
    return np.asarray(np.maximum(high - low, 0).prod(axis=1))
