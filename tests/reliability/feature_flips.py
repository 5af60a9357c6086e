"""Flip bits of a file of features, and see that each file is refused, computed again, or read as it was."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from mocrop.pipeline.errors import CacheError
from mocrop.training.data.feature_file import read_features, write_features
from tests.reliability.checkpoint_flips import CHANGED, REFUSED, UNCHANGED, random_bits

VALUES = np.arange(15, dtype=np.float32).reshape(5, 3) / 7


def flip_features(folder: Path, *, count: int = 200, seed: int = 0) -> Counter[str]:
    """Read a small file of features with one bit flipped, ``count`` times.

    Returns: how often it was ``REFUSED`` (or taken for one without a checksum, which is computed again), ``UNCHANGED``
        or ``CHANGED``; the last must never be.
    """
    whole, broken = folder / "whole.npy", folder / "broken.npy"
    write_features(whole, iter([VALUES]), frames=len(VALUES), on_frames=lambda *_: None)
    content = whole.read_bytes()
    found: Counter[str] = Counter()
    for byte, bit in random_bits(len(content), count=count, seed=seed):
        flipped = bytearray(content)
        flipped[byte] ^= 1 << bit
        broken.write_bytes(flipped)
        try:
            read = read_features(broken, frames=len(VALUES))
        except CacheError:
            read = None
        found[REFUSED if read is None else UNCHANGED if np.array_equal(read, VALUES) else CHANGED] += 1
    return found
