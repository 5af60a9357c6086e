"""The squares of stored frames that a network is tested on, where it sees a part of each: the middle one, or three."""

from __future__ import annotations

import torch
from torch import Tensor

THIRDS = 3


def crop_corners(size: int, crop: int, *, crops: int) -> list[tuple[int, int]]:
    """Left and top of each crop, pixels: the middle one; of three, those at the left edge, in the middle, at the right.

    As is usual, the three lie along the longer side of what is stored, and of a square along its width. A middle that
    is between two pixels is the left or upper one.

    >>> crop_corners(128, 112, crops=3)
    [(0, 8), (8, 8), (16, 8)]
    >>> crop_corners(128, 112, crops=1)
    [(8, 8)]

    Raises: ValueError for a crop that is larger than the frame, or another number of crops.
    """
    room = size - crop
    if room < 0 or crops not in (1, THIRDS):
        raise ValueError(f"{crops} crops of {crop} px of {size}: there can be 1 or {THIRDS}, no larger than the frame")
    middle = room // 2
    return [(left, middle) for left in ([middle] if crops == 1 else [0, middle, room])]


def cropped_views(frames: Tensor, crop: int | None, *, crops: int = 1) -> Tensor:
    """Views of each clip: each that there is, in each of its crops.

    Args:
        frames: shape (clips, frames, channels, size, size), or of several views (clips, views, frames, ...).
        crop: side, pixels; None: the frame's.
        crops: of each view, 1 or 3.
    Returns: (clips, views * crops, frames, channels, crop, crop), the crops of a view one after the other.
    Raises: as :func:`crop_corners`.
    """
    views = frames if frames.ndim == 6 else frames.unsqueeze(1)
    size = frames.shape[-1]
    side = crop or size
    corners = crop_corners(size, side, crops=crops)
    cut = [views[..., top : top + side, left : left + side] for left, top in corners]
    return torch.stack(cut, dim=2).flatten(1, 2) if crops > 1 else cut[0]
