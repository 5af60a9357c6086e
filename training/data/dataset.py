"""A crop cache as a PyTorch data set of clips, each with some frames or motion fields and its label.

They are of the segments of a clip, or neighbouring frames of one of its windows, where the cache has windows. Frames
are uint8, RGB, of shape (3, size, size) each, motion fields int8, x and y, (2, side, side).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from mocrop.pipeline.cache.columns import require_plausible
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.mirror.ahead import Ahead
from mocrop.pipeline.choices import Stream
from mocrop.training.data.epoch_slots import EpochSlots, NextEpochs, SlotRule
from mocrop.training.data.frame_reader import FrameReader
from mocrop.training.data.segments import Segments
from mocrop.training.data.selection import Subset, SubsetName, as_subset, select_clips
from mocrop.training.data.windows import stored_clip, windows_of
from mocrop.training.recipe import Clip

IntArray = npt.NDArray[np.int64]
SEGMENTS = {Subset.TRAIN: 3, Subset.TEST: 8, Subset.VAL: 8}  # frames per clip, as in the reference


class _FramesAndLabel(NamedTuple):
    frames: Tensor  # (segments, 3, size, size), or motion fields; of windows (frames, ...) or (views, frames, ...)
    label: int | Tensor  # of several labels a clip uint8, (classes,), 1 for each of its classes


class Sample(_FramesAndLabel):
    """One clip: a pair of frames and label, in the form that ``DataLoader`` collates, which knows its row besides."""

    row: int | None = None  # of the cache; only :meth:`CropDataset.collate` keeps it


class Batch(NamedTuple):
    """Some clips in contiguous memory."""

    frames: Tensor  # (clips, segments, 3, size, size), or as for a sample
    labels: Tensor  # int64, (clips,); of several labels a clip uint8, (clips, classes)
    rows: Tensor  # int64, (clips,), rows of the cache


class CropDataset(Dataset[Sample]):
    """Clips of a crop cache as a map-style data set, for any ``DataLoader`` or for :class:`CropLoader`.

    Random frames depend on the seed, the epoch and the rows alone: batch size, order and number of workers do not
    matter. A clip that is read without an epoch, as by ``DataLoader``, has the slots of epoch 0 the first time, those
    of epoch 1 the second time, and so on. Each pass of a ``DataLoader`` therefore has other frames: in this process,
    with worker processes, and with ``persistent_workers=True``, since all of them count in one shared memory. If a pass
    is broken off, what workers have read ahead counts as well, with persistent workers perhaps only when the next pass
    begins; :meth:`set_epoch` chooses the next epoch. The processes of a ``DistributedSampler`` count separately: there,
    call ``set_epoch`` before each epoch, like the sampler's own.

    Args:
        cache: an open cache; worker processes open it again.
        rows: int64, shape (n,), rows of the cache with frames; see :func:`.select_clips`.
        segments: frames per clip, one of each of so many equal parts.
        clip: in their place neighbouring frames: how many, and how far apart in the video. A part of the windows of the
            cache must be such clips, see :mod:`~mocrop.training.data.windows`. Without both: those that it stores.
        views: clips of neighbouring frames for each clip; the frames have a dimension more if there are several.
        random: a random slot of each segment, or a random window at a random offset (training), rather than the middle
            ones (testing).
        seed: of the random slots.
        stream: frames, or the motion fields that belong to them.
    Attributes:
        class_names: by label.
        segments: frames of each clip, or of each view of it.
        epochs_begun: the next epoch of a :class:`CropLoader`, by its settings; kept here, as a program may make a new
            loader for each epoch.
    Raises: CacheError if the cache has no motion fields, or its columns are damaged or cannot be right; SettingsError
        if its windows hold no such clip; ValueError for both of segments and clip, for views of segments, or for a
        clip that is not two whole numbers from 1 on.
    """

    def __init__(
        self,
        cache: CropCache,
        rows: IntArray,
        *,
        segments: int | None = None,
        clip: Clip | None = None,
        views: int = 1,
        random: bool = False,
        seed: int = 0,
        stream: Stream = "frames",
    ) -> None:
        require_plausible(cache)
        self.rows = np.asarray(rows, dtype=np.int64)
        several = cache.labels
        self.labels: npt.NDArray[Any] = (
            cache.label[self.rows].astype(np.int64) if several is None else several[self.rows]
        )
        self.class_names = tuple(cache.class_names)
        self._reader = FrameReader(cache, stream)
        self._random = random
        rule = _slot_rule(cache, self.rows, segments=segments, clip=clip, views=views)
        self._slots = EpochSlots(rule, random=random, seed=seed)
        self.segments = rule.shape[-1]
        self.epochs_begun: dict[tuple[int, ...], int] = {}
        self._next_epochs = NextEpochs(len(self.rows) if random else 0)

    @classmethod
    def from_cache(
        cls,
        cache: CropCache | Path | str,
        *,
        split: str | int = "1",
        subset: Subset | SubsetName = "train",
        segments: int | None = None,
        clip: Clip | None = None,
        views: int = 1,
        random: bool | None = None,
        seed: int = 0,
        stream: Stream = "frames",
    ) -> Self:
        """The clips of one subset of one split.

        Args:
            cache: open, or its ``.zarr`` folder.
            split: its name, else its number from 1.
            subset: or its name, "train", "test" or "val".
            segments: frames per clip; None: 3 for "train", 8 for the others, but no more than the cache has per clip;
                or, where it has windows, the neighbouring frames of one.
            clip, views: as above.
            random: random frames; None: for "train" only.
            seed, stream: as above.
        Raises: CacheError; SettingsError if the split is unknown or no clip is left; ValueError for another subset.
        Warns: UserWarning if clips of the subset have no frames and are left out.
        """
        opened = cache if isinstance(cache, CropCache) else CropCache(cache)
        subset = as_subset(subset)
        selection = select_clips(opened, split=split, subset=subset)
        if selection.left_out.total:
            where = f"{opened.path}, {subset.name.lower()} clips of split {split}"
            warnings.warn(f"{where}: left out are {selection.left_out}", stacklevel=2)
        if segments is None and clip is None and opened.dense is None:
            segments = min(SEGMENTS[subset], opened.frames_per_clip)
        random = subset is Subset.TRAIN if random is None else random
        return cls(
            opened,
            selection.rows,
            segments=segments,
            clip=clip,
            views=views,
            random=random,
            seed=seed,
            stream=stream,
        )

    def set_epoch(self, epoch: int) -> None:
        """Make ``epoch`` the next one of every clip, also in workers; without effect where slots are not random.

        A :class:`CropLoader` has a ``set_epoch`` of its own.
        """
        self._next_epochs.set(epoch)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Sample:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        """Read several clips at once; ``DataLoader`` calls this with a whole batch."""
        batch = self.read(np.asarray(indices, dtype=np.int64))
        labels = batch.labels.tolist() if batch.labels.ndim == 1 else batch.labels
        samples = [Sample(frames, label) for frames, label in zip(batch.frames, labels, strict=True)]
        for sample, row in zip(samples, batch.rows.tolist(), strict=True):
            sample.row = row
        return samples

    @staticmethod
    def collate(samples: Sequence[Sample]) -> Batch:
        """Put samples together as a :class:`Batch`, rows included: ``DataLoader(data, collate_fn=data.collate)``.

        Raises: ValueError for what is no sample of such a data set, as a transformed one.
        """
        rows = [getattr(sample, "row", None) for sample in samples]
        if None in rows:
            raise ValueError("only samples as CropDataset gives them know their row; transform the batch instead")
        frames, labels = (default_collate([sample[part] for sample in samples]) for part in (0, 1))
        return Batch(frames, labels, torch.tensor(rows, dtype=torch.int64))

    def batch_shape(self, clips: int) -> tuple[int, ...]:
        """Shape of the frames or fields of some clips: (clips, segments, 3, size, size) or (..., 2, side, side).

        Of neighbouring frames: (clips, frames, ...), of several views (clips, views, frames, ...).
        """
        return (clips, *self._slots.shape, *self._reader.item_shape)

    def slots(self, indices: IntArray, epoch: int | None = None) -> IntArray:
        """Slots that stand for some clips, int64, shape (n, segments), (n, frames) or (n, views, frames).

        Args:
            indices: as for :meth:`read`.
            epoch: whose slots; None: the next epoch of each clip, which is then counted on.
        """
        if epoch is None and self._random:
            return self._slots.of(indices, self._next_epochs.take(indices))
        return self._slots.of(indices, epoch or 0)

    def ahead(self, batches: Sequence[IntArray]) -> Ahead | None:
        """Begin to fetch what batches to come need of a cache at an address; see :meth:`.FrameReader.ahead`."""
        return self._reader.ahead([self.rows[indices] for indices in batches])

    def read(self, indices: IntArray, *, epoch: int | None = None, out: Tensor | None = None) -> Batch:
        """Read several clips into one tensor.

        Args:
            indices: int64, shape (n,), positions in this data set; negative ones count from the end.
            epoch: whose random slots; None: the next epoch of each clip, which is then counted on.
            out: uint8, contiguous, of :meth:`batch_shape`, to be overwritten; None: a new tensor.
        Raises: CacheError if a frame cannot be read.
        """
        rows = self.rows[indices]
        frames = torch.from_numpy(np.empty(self.batch_shape(len(rows)), dtype=np.uint8)) if out is None else out
        self._reader.read(rows, self.slots(indices, epoch), out=frames.numpy())
        if self._reader.stream == "motion":
            frames = frames.view(torch.int8)
        return Batch(frames, torch.from_numpy(self.labels[indices]), torch.from_numpy(rows))


def _slot_rule(cache: CropCache, rows: IntArray, *, segments: int | None, clip: Clip | None, views: int) -> SlotRule:
    """What slots may stand for some clips. Raises: SettingsError or ValueError, see :class:`CropDataset`."""
    if segments is not None and (clip is not None or views != 1):
        raise ValueError("segments are single frames of a clip, and have no views; pass segments, or clip and views")
    if segments is not None:
        return Segments(frame_counts=cache.frame_counts[rows], segments=segments)
    clip = clip or stored_clip(cache)
    if clip is None:
        raise ValueError(f"{cache.path} has no windows; pass segments, the number of frames per clip")
    return windows_of(cache, rows, clip, views=views)
