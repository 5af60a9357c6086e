"""Speed of reading batches of a crop cache, in clips per second, beside floors for the same frames.

Batches are read as training reads them, from memory and from the disk. The floors: a numpy memory map of the same
frames, a plain copy, one file read sequentially.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Literal

import numpy as np

from mocrop.evaluation.bench.batch_reads import (
    EVALUATION,
    TRAINING,
    BatchShape,
    Frames,
    IntArray,
    MemmapReader,
    MemoryCopy,
    Pick,
    draw_picks,
    endless_batches,
    flat_copy,
    readable_rows,
)
from mocrop.evaluation.bench.interleaved_timing import Case, Timing, ratios, take_turns
from mocrop.evaluation.bench.page_cache import CAN_EVICT, evict, in_memory
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import CacheError
from mocrop.training.data.frame_reader import FrameReader

WARM_BATCHES, COLD_BATCHES = 12, 2  # a round
BLOCK_BYTES = 8 << 20  # of the sequential read

Kind = Literal["training", "evaluation"]
State = Literal["memory", "disk"]
Say = Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class ReadSpeed:
    """Speed of one kind of batches from memory or disk; medians over rounds, wall time."""

    kind: Kind
    state: State
    segments: int  # frames per clip
    clips_per_second: float  # by CropLoader, which training uses
    mb_per_second: float
    to_memmap: float  # throughput of FrameReader, as a share of the memory map's
    to_memcpy: float | None  # the same, of a plain copy's; None for reads from the disk


def sample_rows(cache: CropCache, *, most_bytes: int) -> IntArray:
    """Readable rows of whole shards, evenly spread over a cache, with about ``most_bytes`` of frames.

    Raises: CacheError if no clip can be read.
    """
    rows = readable_rows(cache)
    if not rows.size:
        raise CacheError(f"{cache.path} has no clip that can be read yet; run `mocrop precrop` first")
    shards = np.unique(rows // cache.clips_per_shard)
    shard_bytes = cache.clips_per_shard * cache.frames_per_clip * 3 * cache.size**2
    wanted = min(len(shards), max(1, most_bytes // shard_bytes))
    chosen = shards[np.arange(wanted) * len(shards) // wanted]
    return rows[np.isin(rows // cache.clips_per_shard, chosen)]


class ReadSample:
    """Some clips of a cache and a flat copy of them, on which reads are timed."""

    def __init__(
        self, cache: CropCache, rows: IntArray, folder: Path, *, batch_size: int, rounds: int, say: Say
    ) -> None:
        self._cache, self._rows, self._say = cache, rows, say
        self.batch_size, self._rounds = min(batch_size, len(rows)), rounds
        say("copying frames to compare with")
        self._flat = MemmapReader(flat_copy(cache, rows, folder / "flat.npy"), rows)
        shards = np.unique(rows // cache.clips_per_shard)
        self._files = [self._flat.path, *(cache.shard_file(int(shard)) for shard in shards)]

    def why_no_disk(self) -> str:
        """Why nothing can be read from the disk here; empty if it can."""
        if not CAN_EVICT:
            return "this system does not let a program evict files from memory"
        self._forget()
        self._flat.reopen()
        stays = in_memory(self._files[-1])
        if stays is None:
            return "this file system does not say what it has in memory"
        return "this file system keeps its files in memory" if stays else ""

    def read_speeds(self, state: State) -> Iterator[ReadSpeed]:
        """Time training and evaluation batches."""
        kinds: tuple[tuple[Kind, BatchShape], ...] = (("training", TRAINING), ("evaluation", EVALUATION))
        for kind, standard in kinds:
            self._say(f"reading {kind} batches" + (" from the disk" if state == "disk" else ""))
            clips = self.batch_size
            shape = replace(standard, clips=clips).on(self._cache)
            timings = self._timings(shape, state)
            loader, memmap = timings["loader"].wall, timings["memmap"].wall
            per_second = clips / statistics.median(loader)
            reader = timings["reader"].wall
            yield ReadSpeed(
                kind=kind,
                state=state,
                segments=shape.segments,
                clips_per_second=per_second,
                mb_per_second=per_second * shape.segments * 3 * self._cache.size**2 / 1e6,
                to_memmap=ratios(memmap, to=reader).median,
                to_memcpy=ratios(timings["memcpy"].wall, to=reader).median if state == "memory" else None,
            )

    def sequential_mb_per_second(self) -> float:
        """Read the flat copy from the disk sequentially; median over rounds."""
        self._say("reading a file from end to end")
        rates = []
        for _ in range(self._rounds):
            self._forget()
            start, total = perf_counter(), 0
            with self._flat.path.open("rb", buffering=0) as file:
                while block := file.read(BLOCK_BYTES):
                    total += len(block)
            rates.append(total / 1e6 / (perf_counter() - start))
            self._flat.reopen()
        return statistics.median(rates)

    def _timings(self, shape: BatchShape, state: State) -> dict[str, Timing]:
        disk, warm = state == "disk", WARM_BATCHES
        picks = draw_picks(self._cache, self._rows, shape, batches=warm)
        out = np.zeros((shape.clips, shape.segments, *self._cache.shape[2:]), dtype=np.uint8)
        ours = _CacheReaders(self._cache.path, self._rows, shape)

        def prepare() -> None:
            if disk:
                self._forget()
                ours.renew()
            self._flat.reopen()

        times = COLD_BATCHES if disk else warm
        epoch = len(self._rows) // shape.clips
        cases = {
            "memmap": Case(run=lambda n: self._flat.read(picks[n % warm], out), times=times, prepare=prepare),
            "reader": Case(run=lambda n: ours.read(picks[n % warm], out), times=times, prepare=prepare),
            "loader": Case(run=lambda _: ours.next_batch(), times=epoch if disk else warm, prepare=prepare),
        }
        if not disk:
            floor = MemoryCopy(out.shape)
            cases["memcpy"] = Case(run=lambda n: floor.copy(n, out), times=warm)
        return take_turns(cases, rounds=self._rounds, warm_up=0 if disk else 1)

    def _forget(self) -> None:
        self._flat.close()
        evict(self._files)


class _CacheReaders:
    """A reader and a loader of one cache, made anew before they read from the disk."""

    def __init__(self, path: Path, rows: IntArray, shape: BatchShape) -> None:
        self._path, self._rows, self._shape = path, rows, shape
        self.renew()

    def renew(self) -> None:
        cache = CropCache(self._path)
        self._reader = FrameReader(cache)
        self._batches = endless_batches(cache, self._rows, self._shape)

    def read(self, pick: Pick, out: Frames) -> None:
        self._reader.read(pick.rows, pick.slots, out=out)

    def next_batch(self) -> None:
        next(self._batches)
