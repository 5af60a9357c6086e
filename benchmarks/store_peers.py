"""Peers that read the crop cache itself, and the floors: a memory map of its frames, and a plain copy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts
import zarr
from peers import INSTALL, Absent, Drawn, Frames, Peer, Task

from mocrop.evaluation.bench.batch_reads import MemmapReader, MemoryCopy, Pick, endless_batches, readable_rows
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.training.data.frame_reader import FrameReader

Into = Callable[[Pick, Frames], object]


def picked(task: Task, into: Into) -> Callable[[int], Drawn]:
    """A ``read`` of a peer that fills the task's memory with the task's batches by ``into``."""

    def read(number: int) -> Drawn:
        pick = task.pick(number)
        into(pick, task.out)
        return Drawn(rows=pick.rows, slots=pick.slots, frames=task.out)

    return read


def shard_files(cache: CropCache) -> list[Path]:
    shards = -(-len(cache) // cache.clips_per_shard)
    return [file for file in map(cache.shard_file, range(shards)) if file.exists()]


def memory_copy(task: Task) -> Peer:
    """A plain copy of as many bytes from memory to memory; it copies no frames, so there is nothing to check."""
    floor = MemoryCopy(task.out.shape)
    nothing = np.empty(0, np.int64)

    def read(number: int) -> Drawn:
        floor.copy(number, task.out)
        return Drawn(rows=nothing, frames=task.out[:0])

    return Peer(read=read, times=20)


def memmap_gather(task: Task, flat: MemmapReader) -> Peer:
    return Peer(read=picked(task, flat.read), files=[flat.path], times=20, start=flat.reopen, stop=flat.close)


def frame_reader(task: Task, cache: CropCache, *, anew: bool) -> Peer:
    """Ours. ``anew``: a new reader every round, so that every checksum is verified."""
    reader = [FrameReader(cache)]

    def renew() -> None:
        reader[0] = FrameReader(CropCache(cache.path))

    read = picked(task, lambda pick, out: reader[0].read(pick.rows, pick.slots, out=out))
    files = shard_files(cache)
    return Peer(read=read, files=files, times=4 if anew else 20, start=renew if anew else lambda: None, stop=renew)


def crop_loader(task: Task, cache: CropCache, *, anew: bool) -> Peer:
    """Ours, in its own order, reading ahead. ``anew``: each round is the first epoch of a new loader."""
    rows = readable_rows(cache)
    batches = [endless_batches(cache, rows, task.shape)]

    def renew() -> None:
        batches[0] = endless_batches(CropCache(cache.path), rows, task.shape)

    def read(_: int) -> Drawn:
        batch = next(batches[0])
        return Drawn(rows=batch.rows.numpy(), frames=batch.frames.numpy())

    epoch = max(1, len(rows) // task.shape.clips)
    start = renew if anew else lambda: None
    return Peer(read=read, files=shard_files(cache), times=epoch if anew else 20, start=start, stop=renew)


def tensorstore_vindex(task: Task, cache: CropCache) -> Peer:
    store = cache.open_frames(context=ts.Context({"cache_pool": {"total_bytes_limit": 64 * 2**20}}))

    def into(pick: Pick, out: Frames) -> None:
        ts.array(out).write(store.vindex[pick.rows[:, np.newaxis], pick.slots]).result()

    return Peer(read=picked(task, into), files=shard_files(cache), times=4)


def zarr_by_chunk(task: Task, cache: CropCache, *, pipeline: str | None = None) -> Peer:
    """zarr-python, frame by frame; a frame is a chunk."""
    array = open_zarr(cache, pipeline)

    def into(pick: Pick, out: Frames) -> None:
        for number, segment in np.ndindex(pick.slots.shape):
            out[number, segment] = array[int(pick.rows[number]), int(pick.slots[number, segment])]

    return Peer(read=picked(task, into), files=shard_files(cache))


def zarr_oindex(task: Task, cache: CropCache, *, pipeline: str | None = None) -> Peer:
    """zarr-python, the frames of a clip in one orthogonal selection."""
    array = open_zarr(cache, pipeline)

    def into(pick: Pick, out: Frames) -> None:
        for number, row in enumerate(pick.rows):
            chosen, back = np.unique(pick.slots[number], return_inverse=True)  # oindex refuses repeated numbers
            out[number] = array.oindex[int(row), chosen][back]

    return Peer(read=picked(task, into), files=shard_files(cache))


def open_zarr(cache: CropCache, pipeline: str | None) -> Any:
    """The array ``frames`` by zarr-python, with another codec pipeline if one is named."""
    if pipeline is None:
        return zarr.open_group(cache.path, mode="r")["frames"]
    try:
        __import__(pipeline.partition(".")[0])
    except ImportError as error:
        raise Absent(f"not installed; {INSTALL}") from error
    with zarr.config.set({"codec_pipeline.path": pipeline}):
        return zarr.open_group(cache.path, mode="r")["frames"]
