"""Plan tar shards before anything is encoded: which clips, in which order, and how many shards.

How many bytes a clip takes is known only once it is encoded. So a few clips are encoded to estimate it, and all clips
of a subset are then spread evenly: the fewest shards whose estimated size is at most the limit, all with the same
number of clips, give or take one. So a plan depends on nothing but the clips, the seed, the limit and the estimate;
shards can be written in any order, by several workers, and again one by one; and each process of a training job gets
as many samples. The price is that the size of a shard is met on average, not to the byte.
"""

from __future__ import annotations

import hashlib
import math
from itertools import pairwise

MEGABYTE = 1_000_000


def rank(name: str, seed: int) -> bytes:
    """What clips are sorted by to be in random order; nothing but the seed and the clip's own name counts.

    So the order of two clips depends neither on the others nor on the version of any library.

    >>> sorted("abcd", key=lambda name: rank(name, 0)), sorted("dab", key=lambda name: rank(name, 0))
    (['b', 'a', 'c', 'd'], ['b', 'a', 'd'])
    """
    return hashlib.sha256(f"{seed} {name}".encode()).digest()


def shard_count(clips: int, *, clip_bytes: float, shard_mb: float) -> int:
    """The fewest shards that hold the clips, each of at most ``shard_mb`` million bytes if clips take what is expected.

    >>> shard_count(10, clip_bytes=300_000, shard_mb=1), shard_count(2, clip_bytes=5e6, shard_mb=1)
    (4, 2)
    """
    per_shard = max(1, math.floor(shard_mb * MEGABYTE / max(1.0, clip_bytes)))
    return math.ceil(clips / per_shard)


def shard_spans(clips: int, *, shards: int) -> list[range]:
    """Spread clips evenly over shards, each a span of their order; no two differ by more than one clip.

    >>> shard_spans(10, shards=4)
    [range(0, 2), range(2, 5), range(5, 7), range(7, 10)]
    """
    edges = [number * clips // shards for number in range(shards + 1)] if shards else []
    return [range(first, stop) for first, stop in pairwise(edges)]
