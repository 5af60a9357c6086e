"""Flip single bits, and delete single files, of a crop cache: whatever is read then is refused or what was written."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import SHARD_COLUMNS, TABLE_COLUMNS
from mocrop.pipeline.cache.verify import verify_cache
from mocrop.pipeline.errors import CacheError
from mocrop.training.data.dataset import CropDataset
from mocrop.training.data.frame_reader import FrameReader


@dataclass
class FlipStorm:
    """What a storm of damage came to."""

    damaged: int = 0
    refused: int = 0
    harmless: int = 0  # all that is read is as before: a blank in a metadata file, or one that nobody reads


def everything(path: Path) -> list[Any]:
    """All that a cache says: attributes, columns, names, and every used slot of every stream as the loader reads it.

    Raises: CacheError if any of it is damaged.
    """
    cache = CropCache(path)
    rows = np.flatnonzero(cache.usable)
    CropDataset(cache, rows, segments=1)  # refuses what cannot be right
    said: list[Any] = [cache.clip, cache.class_names, cache.split_names, cache.attributes["settings"], cache.shape]
    said += [getattr(cache, name).tolist() for name in (*SHARD_COLUMNS, *TABLE_COLUMNS)]
    for stream in ("frames", "motion") if cache.has_motion else ("frames",):
        reader = FrameReader(cache, stream)  # type: ignore[arg-type]
        for row in rows.tolist():
            slots = np.arange(int(cache.frame_counts[row]))[np.newaxis]
            said.append(reader.read(np.array([row]), slots).tobytes())
    return said


def flip_bits(path: Path, *, flips: int, seed: int = 0) -> FlipStorm:
    """Flip one bit at a time, in files chosen in turn, and read all of the cache, and verify it.

    Raises: AssertionError if anything is read that was not written, or if verify and the readers disagree.
    """
    rng, storm = random.Random(seed), FlipStorm()
    before, files = everything(path), _files(path)
    for number in range(flips):
        file = files[number % len(files)]
        content = file.read_bytes()
        bit = rng.randrange(8 * len(content))
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        _judge(path, before, storm, f"bit {bit} of {file.relative_to(path)}")
        file.write_bytes(content)
    return storm


def delete_files(path: Path) -> FlipStorm:
    """Delete one file after the other. Raises: as :func:`flip_bits` does."""
    storm = FlipStorm()
    before = everything(path)
    for file in _files(path):
        content = file.read_bytes()
        file.unlink()
        _judge(path, before, storm, f"{file.relative_to(path)} deleted")
        file.write_bytes(content)
    return storm


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file())


def _judge(path: Path, before: list[Any], storm: FlipStorm, what: str) -> None:
    storm.damaged += 1
    found = verify_cache(path)
    refusal, now = "", None
    try:
        now = everything(path)
    except CacheError as error:
        refusal = str(error)
    if refusal:
        storm.refused += 1
        assert "\n" not in refusal, what
        assert found, f"{what}: readers refuse it ({refusal}), verify does not find it"
        return
    storm.harmless += 1
    assert now == before, f"{what}: something else is read, without a word"
    assert not found, f"{what}: verify finds {found[0].fact}, and readers do not"
