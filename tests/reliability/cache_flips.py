"""Flip single bits, and delete single files, of a crop cache: whatever is read then is refused or what was written."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import SHARD_COLUMNS, TABLE_COLUMNS
from mocrop.pipeline.checks.crop_cache import verify_cache
from mocrop.pipeline.errors import CacheError
from mocrop.training.data.dataset import CropDataset
from mocrop.training.data.frame_reader import FrameReader
from tests.reliability.flips import Count, bits_of, deleted, files_below, flipped


def everything(cache: CropCache) -> list[Any]:
    """All that a cache says: attributes, columns, names, and every used slot of every stream as the loader reads it.

    Raises: CacheError if any of it is damaged.
    """
    rows = np.flatnonzero(cache.usable)
    CropDataset(cache, rows, segments=1)  # refuses what cannot be right
    said: list[Any] = [cache.clip, cache.class_names, cache.split_names, cache.attributes["settings"], cache.shape]
    columns = (name for name in (*SHARD_COLUMNS, *TABLE_COLUMNS) if cache.has_column(name))
    said += [getattr(cache, name).tolist() for name in columns]
    for stream in ("frames", "motion") if cache.has_motion else ("frames",):
        reader = FrameReader(cache, stream)  # type: ignore[arg-type]
        for row in rows.tolist():
            slots = np.arange(int(cache.frame_counts[row]))[np.newaxis]
            said.append(reader.read(np.array([row]), slots).tobytes())
    return said


def flip_bits(path: Path, *, flips: int, seed: int = 0) -> Count:
    """Flip one bit at a time, in files chosen in turn, and read all of the cache, and verify it.

    Raises: AssertionError if verify and the readers disagree.
    """
    rng, count = random.Random(seed), Count()
    before, files = everything(CropCache(path)), files_below(path)
    for number in range(flips):
        file = files[number % len(files)]
        bit = rng.randrange(bits_of(file))
        with flipped(file, bit):
            _judge(count, path, before, f"bit {bit} of {file.relative_to(path)}")
    return count


def delete_files(path: Path) -> Count:
    """Delete one file after the other. Raises: as :func:`flip_bits` does."""
    count, before = Count(), everything(CropCache(path))
    for file in files_below(path):
        with deleted(file):
            _judge(count, path, before, f"without {file.relative_to(path)}")
    return count


def _judge(count: Count, path: Path, before: list[Any], fault: str) -> None:
    found = verify_cache(path)
    refusal = count.judge(fault, lambda: everything(CropCache(path)) == before, refusal=CacheError)
    assert found or not refusal, f"{fault}: readers refuse it ({refusal}), verify does not find it"
    assert refusal or not found, f"{fault}: verify finds {found[0].fact}, and readers do not"
