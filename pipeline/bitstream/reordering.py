"""How far pictures are shown out of the order in which they are decoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MOST = 16  # pictures that H.264 and H.265 let a decoder hold


def reordering_depth(orders: Sequence[Any]) -> int:
    """Most pictures that are decoded before one and shown after it, which a decoder must hold back.

    >>> reordering_depth([0, 1, 2]), reordering_depth([0, 4, 2, 1, 3])
    (0, 2)

    Args:
        orders: of the pictures in the order of decoding: what they are shown by; may be compared with one another.
    Returns: at most one more than MOST.
    """
    depth = 0
    for number, order in enumerate(orders):
        before = orders[max(0, number - MOST - 1) : number]
        if before and max(before) > order:
            depth = max(depth, sum(earlier > order for earlier in before))
    return depth
