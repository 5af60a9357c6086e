"""A small crop cache of windows, whose pixels tell of which frame of which clip they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.cache.create import create_cache
from mocrop.pipeline.cache.dense import DenseWindows, even_starts
from mocrop.pipeline.cache.layout import CacheLayout, ClipTable
from mocrop.pipeline.cache.slots import UNUSED
from mocrop.pipeline.cache.writer import CacheWriter, Shard
from mocrop.pipeline.choices import Compression


def telling_frame(row: int, number: int, *, size: int) -> npt.NDArray[np.uint8]:
    """A frame whose red is the lower byte of its number, green the upper byte, and blue the row of its clip."""
    values = np.array([number % 256, number // 256, row], np.uint8)
    return np.broadcast_to(values[:, np.newaxis, np.newaxis], (3, size, size))


def make_dense_cache(
    path: Path,
    *,
    lengths: Sequence[int],
    dense: DenseWindows,
    label: Sequence[int] | None = None,
    subset: Sequence[int] | None = None,
    size: int = 8,
    clips_per_shard: int = 3,
    compression: Compression = "none",
    class_names: Sequence[str] = ("Dig", "Run"),
    motion_side: int = 0,
) -> Path:
    """Write a cache of evenly spread windows, see :func:`telling_frame`; its motion fields are the slot's number.

    Args:
        lengths: frames of each clip; 0: a clip that failed, which has none.
        label, subset: of each clip; None: 0, and 1, which is training.
    """
    clips = len(lengths)
    table = ClipTable(
        names=[f"clip{row}" for row in range(clips)],
        label=np.array(label or [0] * clips, np.int32),
        group=np.full(clips, -1, np.int32),
        subset=np.array(subset or [1] * clips, np.uint8)[:, np.newaxis],
        class_names=class_names,
        split_names=["1"],
    )
    layout = CacheLayout(
        frames=dense.slots,
        size=size,
        grid=(2, 3),
        clips_per_shard=clips_per_shard,
        compression=compression,
        motion_side=motion_side,
        dense=dense,
    )
    create_cache(path, layout, table, attributes={"policy": "full"})
    writer = CacheWriter(path)
    for first in range(0, clips, clips_per_shard):
        writer.write(_shard(first, lengths[first : first + clips_per_shard], layout, dense))
    return path


def _shard(first: int, lengths: Sequence[int], layout: CacheLayout, dense: DenseWindows) -> Shard:
    starts = [even_starts(length, dense) if length else [] for length in lengths]
    numbers = [dense.numbers(own, frames=length) for own, length in zip(starts, lengths, strict=True)]
    frames = np.zeros((len(lengths), dense.slots, 3, layout.size, layout.size), np.uint8)
    fields = np.zeros((len(lengths), dense.slots, 2, layout.motion_side, layout.motion_side), np.int8)
    for row, own in enumerate(numbers):
        for slot, number in enumerate(own):
            frames[row, slot] = telling_frame(first + row, number, size=layout.size)
            fields[row, slot] = slot
    used = [len(own) for own in numbers]
    return Shard(
        first=first,
        frames=[frames[row, :count] for row, count in enumerate(used)],
        frame_index=_rows(numbers, dense.slots),
        window=_rows(starts, dense.windows),
        box=np.tile(np.array([0, 0, 1, 1], np.float32), (len(lengths), 1)),
        density=np.zeros((len(lengths), *layout.grid), np.float32),
        state=np.array([1 if length else 3 for length in lengths], np.uint8),
        motion=[fields[row, :count] for row, count in enumerate(used)] if layout.motion_side else [],
    )


def _rows(values: Sequence[Sequence[int]], width: int) -> npt.NDArray[np.int32]:
    return np.array([[*own, *[UNUSED] * (width - len(own))] for own in values], np.int32)
