"""Values of the small arrays of a group of the motion store: what they may be, and what those of a clip mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.crop_box import PixelEdges

NOT_KNOWN = (-1, -1, -1, -1)  # as ``picture``


def require_clips(columns: Mapping[str, npt.NDArray[Any]], positions: range) -> None:
    """Raises: ValueError if clips are out of order, out of a group's span, or have impossible counts."""
    place = columns["position"]
    if len(place) and not (place[0] >= positions.start and place[-1] < positions.stop and np.all(np.diff(place) > 0)):
        raise ValueError(f"its clips are {place.tolist()}, not some from {positions.start} to {positions.stop - 1}")
    if np.any(columns["frames"] < 0) or np.any(columns["picture_size"] < 0):
        raise ValueError("a clip has less than no frames, or a picture smaller than nothing")


def stored_seconds(seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    """Times of the frames of a clip as they were stored; None if they are not known."""
    if np.isnan(seconds).all():
        return None
    if seconds[0] != 0 or not np.isfinite(seconds).all() or np.any(np.diff(seconds) <= 0):
        raise ValueError("the times of a clip do not ascend from 0")
    return seconds


def stored_picture(edges: npt.NDArray[np.int32], width: int, height: int) -> PixelEdges | None:
    """The picture inside black bars as it was stored; None if it is not known."""
    left, top, right, bottom = edges.tolist()
    if (left, top, right, bottom) == NOT_KNOWN:
        return None
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise ValueError(f"the picture inside bars {left, top, right, bottom} is no part of {width} x {height} pixels")
    return left, top, right, bottom


def starts(counts: npt.NDArray[Any]) -> list[int]:
    """Where each of several runs begins, and the last one ends.

    >>> starts(np.array([2, 0, 3]))
    [0, 2, 2, 5]
    """
    return [0, *np.cumsum(counts, dtype=np.int64).tolist()]
