"""The batches that `mocrop bench` reads, and two floors for the time of reading them.

Every reader gets the same batches. The floors: a gather from a numpy memory map of the same frames into memory that is
allocated already, and a plain copy of as many contiguous bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.training.data.dataset import Batch, CropDataset
from mocrop.training.data.frame_reader import FrameReader
from mocrop.training.data.loader import CropLoader
from mocrop.training.data.segments import middle_slots, random_slots
from mocrop.training.data.windows import stored_clip, windows_of
from mocrop.training.recipe import Clip

IntArray = npt.NDArray[np.int64]
Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class BatchShape:
    """Clips and frames of a batch."""

    clips: int
    segments: int  # frames per clip, of all its windows
    random: bool  # a random frame of each segment, or a random window, as in training; else the middle one
    clip: Clip | None = None  # of each window; None: single frames

    @property
    def frames(self) -> int:
        return self.clips * self.segments

    @property
    def views(self) -> int:
        """Windows of a clip."""
        return 1 if self.clip is None else self.segments // self.clip[0]

    def on(self, cache: CropCache) -> BatchShape:
        """The same on a cache: where that has windows, one of them in training, and else all, whole."""
        if cache.dense is None:
            return self
        windows = 1 if self.random else cache.dense.windows
        return replace(self, clip=stored_clip(cache), segments=windows * cache.dense.frames)


TRAINING = BatchShape(clips=32, segments=3, random=True)
EVALUATION = BatchShape(clips=32, segments=8, random=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pick:
    """Rows and slots of one batch."""

    rows: IntArray  # (clips,), of the cache
    slots: IntArray  # (clips, segments), ascending in each window


def draw_picks(cache: CropCache, rows: IntArray, shape: BatchShape, *, batches: int, seed: int = 0) -> list[Pick]:
    """Batches of clips drawn at random from ``rows``, no clip twice in a batch."""
    rng = np.random.default_rng(seed)
    picks = []
    for _ in range(batches):
        chosen = rng.choice(rows, min(shape.clips, len(rows)), replace=False)
        if shape.clip is None:
            slots = draw_slots(cache.frame_counts[chosen], shape, rng)
        else:
            windows = windows_of(cache, chosen, shape.clip, views=shape.views)
            slots = windows.draw(rng if shape.random else None).reshape(len(chosen), -1)
        picks.append(Pick(rows=chosen, slots=slots))
    return picks


def draw_slots(frame_counts: npt.NDArray[np.integer], shape: BatchShape, rng: np.random.Generator) -> IntArray:
    """Slots of a batch of clips that use so many slots: int64, shape (clips, segments)."""
    if shape.random:
        return random_slots(frame_counts, segments=shape.segments, rng=rng)
    return middle_slots(frame_counts, segments=shape.segments)


def readable_rows(cache: CropCache) -> IntArray:
    """Rows of the clips of a cache whose frames can be read."""
    return np.flatnonzero(cache.usable & (cache.frame_counts > 0))


def flat_copy(cache: CropCache, rows: IntArray, path: Path) -> Path:
    """Write all frames of some rows into one .npy file, shape (rows, slots, 3, size, size)."""
    reader, slots = FrameReader(cache), np.arange(cache.frames_per_clip)[np.newaxis]
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(rows), *cache.shape[1:])}
    with path.open("wb") as file:  # not by a memory map: on a full disk that ends the process instead of raising
        np.lib.format.write_array_header_1_0(file, header)
        for row in rows:
            file.write(reader.read(np.array([row]), slots).data)
    return path


class MemmapReader:
    """The floor of random access: a gather from a flat file that is mapped into memory.

    Args:
        path: what :func:`flat_copy` has written.
        rows: the rows of the cache that it holds, ascending.
    """

    def __init__(self, path: Path, rows: IntArray) -> None:
        self.path = path
        self._rows = rows
        self.reopen()

    def reopen(self) -> None:
        """Map the file (again)."""
        self._flat: Frames = np.load(self.path, mmap_mode="r", allow_pickle=False)

    def close(self) -> None:
        """Drop the map: pages that are mapped cannot be evicted."""
        del self._flat

    def read(self, pick: Pick, out: Frames) -> None:
        """Gather one batch."""
        slots, frame = self._flat.shape[1], self._flat.shape[2:]
        place = np.searchsorted(self._rows, pick.rows)[:, np.newaxis] * slots + pick.slots
        np.take(self._flat.reshape(-1, *frame), place, axis=0, out=out, mode="clip")


class MemoryCopy:
    """The floor of any reading: a plain copy of as many bytes as a batch.

    The copies take turns over several blocks, which together are larger than the processor's cache.
    """

    def __init__(self, batch_shape: tuple[int, ...], *, most_bytes: int = 160 * 10**6) -> None:
        blocks = max(1, most_bytes // int(np.prod(batch_shape)))
        self._blocks = [np.full(batch_shape, number % 251, dtype=np.uint8) for number in range(blocks)]

    def copy(self, number: int, out: Frames) -> None:
        """Copy one block."""
        np.copyto(out, self._blocks[number % len(self._blocks)])


def endless_batches(cache: CropCache, rows: IntArray, shape: BatchShape) -> Iterator[Batch]:
    """Batches of :class:`CropLoader`, epoch after epoch; it chooses the clips itself and reads ahead."""
    if shape.clip is None:
        dataset = CropDataset(cache, rows, segments=shape.segments, random=shape.random)
    else:
        dataset = CropDataset(cache, rows, clip=shape.clip, views=shape.views, random=shape.random)
    loader = CropLoader(dataset, batch_size=min(shape.clips, len(rows)), shuffle=True, drop_last=True)
    while True:
        yield from loader
