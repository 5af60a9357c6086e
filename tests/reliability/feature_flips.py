"""Flip single bits of a file of features: each is refused, computed again, or read as it was."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from mocrop.pipeline.errors import CacheError
from mocrop.training.data.feature_file import read_features, write_features
from tests.reliability.flips import Count, bits_of, flipped

VALUES = np.arange(15, dtype=np.float32).reshape(5, 3) / 7


def flip_features(folder: Path, *, flips: int, seed: int = 0) -> Count:
    """Read a small file of features with single bits flipped, one at a time.

    A file that is taken for one without a checksum, and so computed again, counts as refused.
    """
    file = folder / "features.npy"
    write_features(file, iter([VALUES]), frames=len(VALUES), on_frames=lambda *_: None)
    drawn, count = random.Random(seed), Count()
    for _ in range(flips):
        bit = drawn.randrange(bits_of(file))
        with flipped(file, bit):
            count.judge(f"bit {bit}", lambda: _is_as_it_was(file), refusal=CacheError)
    return count


def _is_as_it_was(file: Path) -> bool:
    """Whether the features are those that were written. Raises: CacheError if they are refused, or not used."""
    if (features := read_features(file, frames=len(VALUES))) is None:
        raise CacheError("it has no checksum")
    return np.array_equal(features, VALUES)
