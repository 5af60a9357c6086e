"""Kill a process while it gives a crop cache new rows, at any moment, and complete what it has begun."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocrop.pipeline.cache.create import create_cache
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import TABLE_COLUMNS, CacheLayout, ClipTable
from mocrop.pipeline.cache.table import update_cache
from mocrop.pipeline.cache.writer import CacheWriter, Shard
from mocrop.pipeline.checks.crop_cache import verify_cache
from mocrop.pipeline.errors import CacheError

LAYOUT = CacheLayout(frames=2, size=8, grid=(2, 3), clips_per_shard=4)
ATTRIBUTES = {"settings": {"policy": "full"}}
FIRST = 6  # clips before it grows


def table(clips: int) -> ClipTable:
    """The table of a cache of so many clips; the labels of all of them change with the number, as new lists do."""
    return ClipTable(
        names=[f"A/{row}" for row in range(clips)],
        label=(np.arange(clips, dtype=np.int32) + clips) % 3,
        group=np.full(clips, clips, np.int32),
        subset=np.full((clips, 1), 1 + clips % 2, np.uint8),
        class_names=["A", "B", "C"],
        split_names=["1"],
    )


def make_cache(path: Path, clips: int) -> None:
    """A cache of so many clips, of which the first six have frames."""
    create_cache(path, LAYOUT, table(clips), attributes=ATTRIBUTES)
    rng = np.random.default_rng(0)
    writer = CacheWriter(path)
    for first in range(0, min(FIRST, clips), LAYOUT.clips_per_shard):
        rows = min(first + LAYOUT.clips_per_shard, clips) - first
        writer.write(
            Shard(
                first=first,
                frames=[rng.integers(0, 256, (2, 3, 8, 8), np.uint8) for _ in range(rows)],
                frame_index=np.tile(np.arange(2, dtype=np.int32), (rows, 1)),
                box=np.tile(np.array([0, 0, 1, 1], np.float32), (rows, 1)),
                density=np.zeros((rows, 2, 3), np.float32),
                state=np.ones(rows, np.uint8),
            )
        )


def contents(path: Path) -> dict[str, bytes]:
    """Bytes of every file below a folder."""
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def require_one_table(path: Path) -> int | None:
    """The number of clips of a cache whose columns are all of one table; None if it says that it is being changed.

    Raises: AssertionError if the columns are of several tables.
    """
    try:
        cache = CropCache(path)
        names = cache.clip
        columns = {name: getattr(cache, name) for name in TABLE_COLUMNS if cache.has_column(name)}
    except CacheError as error:
        refusal = str(error)
    else:
        expected = table(len(cache))
        assert names == expected.names
        assert all(np.array_equal(column, getattr(expected, name)) for name, column in columns.items())
        return len(cache)
    assert "mocrop precrop" in refusal
    return None


@dataclass
class GrowthStorm:
    """What a storm of kills came to."""

    kills: int = 0
    refused: int = 0  # caches that said that they were being changed
    whole: int = 0


def grow_under_kills(folder: Path, *, kills: int, seed: int = 0) -> GrowthStorm:
    """Kill a process that gives a cache row after row, again and again, and complete each step that it left.

    Raises: AssertionError if a cache ever mixes two tables, cannot be completed, or differs then from one that grew
        undisturbed.
    """
    rng, storm = random.Random(seed), GrowthStorm()
    for _ in range(kills):
        path = folder / "c.zarr"
        shutil.rmtree(path, ignore_errors=True)
        make_cache(path, FIRST)
        with subprocess.Popen([sys.executable, "-m", __name__, str(path)], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            time.sleep(rng.uniform(0, 0.4))
            child.kill()
        storm.kills += 1
        clips = require_one_table(path)
        storm.refused += clips is None
        storm.whole += clips is not None
        goal = 500  # more than it can have come to
        update_cache(path, LAYOUT, table(goal), attributes=ATTRIBUTES)
        fresh = folder / "fresh.zarr"
        shutil.rmtree(fresh, ignore_errors=True)
        make_cache(fresh, FIRST)
        update_cache(fresh, LAYOUT, table(goal), attributes=ATTRIBUTES)
        for litter in path.rglob("*.partial"):  # swept by the next command
            litter.unlink()
        assert contents(path) == contents(fresh)
        assert verify_cache(path) == []
    return storm


def main() -> None:
    """Give the cache at the path one row after the other, until killed."""
    path = Path(sys.argv[1])
    print("ready", flush=True)
    for clips in range(FIRST + 1, 500):
        update_cache(path, LAYOUT, table(clips), attributes=ATTRIBUTES)


if __name__ == "__main__":
    main()
