"""A crop cache of noise, to measure where there is none of videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mocrop.pipeline.cache.create import create_cache
from mocrop.pipeline.cache.layout import CacheLayout, ClipTable
from mocrop.pipeline.cache.writer import CacheWriter, Shard
from mocrop.pipeline.choices import Compression


def make_cache(
    path: Path, *, clips: int, size: int, compression: Compression = "none", slots: int = 16, per_shard: int = 16
) -> Path:
    """Write a cache of smooth random frames, which compress about as well as pictures do; every slot is in use."""
    table = ClipTable(
        names=[f"Noise/clip{row}" for row in range(clips)],
        label=np.zeros(clips, dtype=np.int32),
        group=np.full(clips, -1, dtype=np.int32),
        subset=np.ones((clips, 1), dtype=np.uint8),
        class_names=["Noise"],
        split_names=["1"],
    )
    layout = CacheLayout(frames=slots, size=size, grid=(6, 8), clips_per_shard=per_shard, compression=compression)
    create_cache(path, layout, table, attributes={"policy": "full"})
    writer = CacheWriter(path)
    rng = np.random.default_rng(0)
    for first in range(0, clips, per_shard):
        count = min(per_shard, clips - first)
        writer.write(
            Shard(
                first=first,
                frames=list(_smooth_noise(rng, (count, slots, 3), size)),
                frame_index=np.tile(np.arange(slots, dtype=np.int32), (count, 1)),
                box=np.tile(np.array([0, 0, 1, 1], dtype=np.float32), (count, 1)),
                density=np.zeros((count, 6, 8), dtype=np.float32),
                state=np.ones(count, dtype=np.uint8),
            )
        )
    return path


def _smooth_noise(rng: np.random.Generator, pictures: tuple[int, ...], size: int) -> np.ndarray:
    """Squares of eight pixels in random shades, with a little noise on top: uint8, shape (*pictures, size, size)."""
    coarse = rng.integers(0, 250, (*pictures, -(-size // 8), -(-size // 8)), dtype=np.uint8)
    squares = coarse.repeat(8, axis=-1).repeat(8, axis=-2)[..., :size, :size]
    return squares + rng.integers(0, 6, squares.shape, dtype=np.uint8)
