"""A crop cache as a PyTorch data set: rows of the cache go in, segments of frames or motion fields and labels come out.

Frames are uint8, RGB, of shape (3, size, size) each, motion fields int8, x and y, (2, side, side).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.choices import Stream
from mocrop.training.data.frame_reader import FrameReader
from mocrop.training.data.segments import middle_slots, random_slots

IntArray = npt.NDArray[np.int64]
SLOTS_STREAM = 1  # third part of the seed, so that no two uses share random numbers


class Sample(NamedTuple):
    """One clip, as ``DataLoader`` collates it."""

    frames: Tensor  # (segments, 3, size, size), or motion fields
    label: int


class Batch(NamedTuple):
    """Some clips in contiguous memory."""

    frames: Tensor  # (clips, segments, 3, size, size), or motion fields
    labels: Tensor  # int64, (clips,)
    rows: Tensor  # int64, (clips,), rows of the cache


class CropDataset(Dataset[Sample]):
    """Clips of a crop cache as a map-style data set, for any ``DataLoader`` or for :class:`CropLoader`.

    Which slots stand for a clip is drawn for all clips at once by :meth:`set_epoch` and depends on the seed, the epoch
    and the rows alone: batch size, order and number of workers do not matter. Worker processes take the data set along
    as it is when they start, so with ``persistent_workers=True`` they never learn of a new epoch.

    Args:
        cache: an open cache; worker processes open it anew.
        rows: int64, shape (n,), rows of the cache with frames; see :func:`.select_clips`.
        segments: frames per clip.
        random: a random slot of each segment (training) rather than the middle one (testing).
        seed: of the random slots.
        stream: frames, or the motion fields that belong to them.
    Raises: CacheError if the cache has no motion fields.
    """

    def __init__(
        self,
        cache: CropCache,
        rows: IntArray,
        *,
        segments: int,
        random: bool = False,
        seed: int = 0,
        stream: Stream = "frames",
    ) -> None:
        self.rows = np.asarray(rows, dtype=np.int64)
        self.labels = cache.label[self.rows].astype(np.int64)
        self.segments = segments
        self._reader = FrameReader(cache, stream)
        self._used_slots = cache.used_slots[self.rows]
        self._random = random
        self._seed = seed
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Draw the slots of an epoch; without effect where they are not random."""
        if self._random:
            rng = np.random.default_rng((self._seed, epoch, SLOTS_STREAM))
            self._slots = random_slots(self._used_slots, segments=self.segments, rng=rng)
        elif epoch == 0:
            self._slots = middle_slots(self._used_slots, segments=self.segments)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Sample:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        """Read several clips at once; ``DataLoader`` calls this with a whole batch."""
        batch = self.read(np.asarray(indices, dtype=np.int64))
        return [Sample(frames, int(label)) for frames, label in zip(batch.frames, batch.labels, strict=True)]

    def batch_shape(self, clips: int) -> tuple[int, ...]:
        """Shape of the frames or fields of some clips: (clips, segments, 3, size, size) or (..., 2, side, side)."""
        return (clips, self.segments, *self._reader.item_shape)

    def read(self, indices: IntArray, *, out: Tensor | None = None) -> Batch:
        """Read several clips into one tensor.

        Args:
            indices: int64, shape (n,), positions in this data set; negative ones count from the end.
            out: uint8, contiguous, of :meth:`batch_shape`, to be overwritten; made where None.
        Raises: CacheError if a frame cannot be read.
        """
        rows = self.rows[indices]
        frames = torch.from_numpy(np.empty(self.batch_shape(len(rows)), dtype=np.uint8)) if out is None else out
        self._reader.read(rows, self._slots[indices], out=frames.numpy())
        if self._reader.stream == "motion":
            frames = frames.view(torch.int8)
        return Batch(frames, torch.from_numpy(self.labels[indices]), torch.from_numpy(rows))
