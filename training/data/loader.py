"""Batches of a crop cache in a reproducible order, read ahead by threads of this process into memory that is reused."""

from __future__ import annotations

import math
import warnings
import weakref
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, distributed

from mocrop.training.data.dataset import Batch, CropDataset
from mocrop.training.seeds import order_generator

LOOKAHEAD_BATCHES = 3
READING_THREADS = 2  # enough that reads of a slow disk overlap; a warm cache needs one


class CropLoader:
    """Iterates over batches of a data set; each ``iter()``, so each ``for`` loop, is the next epoch, from epoch 0 on.

    Order and slots of an epoch depend on the seeds and its number alone. A loop that is broken off counts as an epoch,
    and so does an ``iter()`` without any ``next()``. Several iterations may be under way at the same time. The data set
    keeps the count: a new loader for each epoch, with the same settings, goes on from the last one.

    Args:
        dataset: what to read.
        batch_size: clips per batch and rank.
        shuffle: a new order in each epoch, which depends on the seed and the epoch alone.
        drop_last: leave out an incomplete last batch, unless it is the only one; None: only where shuffled, as in
            training. See :attr:`clips_left_out`.
        seed: of the order.
        lookahead: batches that are being read, or wait in memory, while the caller works on one.
        pin_memory: put frames into page-locked memory; None: if there is a CUDA device.
        rank, ranks: which part of each epoch this process reads, of how many; None: as ``torch.distributed`` has them
            where it is initialised when an epoch begins, else all of it. Pass 0 and 1 for all of it in spite of that,
            as where one rank alone tests. In a shuffled epoch all ranks read equally many clips, and up to ``ranks -
            1`` are left out; else every clip is read, or dropped, by exactly one rank.
    Raises: ValueError for sizes below 1, a rank that is not among ``ranks``, or one of the two without the other.
    Warns: UserWarning if clips are left out of each epoch and ``drop_last`` is None.
    """

    def __init__(
        self,
        dataset: CropDataset,
        *,
        batch_size: int,
        shuffle: bool = False,
        drop_last: bool | None = None,
        seed: int = 0,
        lookahead: int = LOOKAHEAD_BATCHES,
        pin_memory: bool | None = None,
        rank: int | None = None,
        ranks: int | None = None,
    ) -> None:
        if (rank is None) != (ranks is None):
            raise ValueError(f"{rank=} and {ranks=} must be given together, or neither")
        self._given = None if rank is None or ranks is None else (rank, ranks)
        if batch_size < 1 or lookahead < 1 or (self._given and not 0 <= self._given[0] < self._given[1]):
            raise ValueError(f"{batch_size=} and {lookahead=} must be at least 1, and {rank=} in 0 .. {ranks=} - 1")
        self.dataset = dataset
        self.batch_size = batch_size
        self._shuffle = shuffle
        self._drop_last = shuffle if drop_last is None else drop_last
        self._seed = seed
        self._chosen: tuple[int, int] | None = None  # epoch and first batch of the next iteration, from set_epoch
        self._lookahead = lookahead
        self._buffers = BufferPool(
            math.prod(dataset.batch_shape(min(batch_size, len(dataset)))),
            pin_memory=torch.cuda.is_available() if pin_memory is None else pin_memory,
        )
        if self.clips_left_out and drop_last is None:
            warnings.warn(
                f"each epoch leaves out {self.clips_left_out} of {len(dataset)} clips, other ones each time, which do "
                f"not fill a batch of {batch_size}; pass drop_last=False for a smaller last batch, or drop_last=True "
                "if that is meant",
                stacklevel=2,
            )

    def set_epoch(self, epoch: int, *, first_batch: int = 0) -> None:
        """Choose the epoch of the next iteration, as for resuming; later iterations go on from there.

        Args:
            first_batch: where that iteration begins, counted from 0; earlier batches are not read.
        """
        self._chosen = epoch, first_batch

    @property
    def clips_left_out(self) -> int:
        """Number of clips that no rank reads in an epoch; where shuffled, other clips each time."""
        ranks = self._place[1]
        return len(self.dataset) - sum(self._clips(rank, ranks) for rank in range(ranks))

    def __len__(self) -> int:
        """Number of batches of a whole epoch of this rank."""
        return math.ceil(self._clips(*self._place) / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        counts, (rank, ranks) = self.dataset.epochs_begun, self._place
        key = (self.batch_size, self._shuffle, self._drop_last, self._seed, rank, ranks)
        epoch, first_batch = self._chosen or (counts.get(key, 0), 0)
        counts[key], self._chosen = epoch + 1, None
        return self._read(epoch, self._batches(epoch, rank, ranks)[first_batch:])

    @property
    def _place(self) -> tuple[int, int]:
        """Number of this process, and how many there are."""
        if self._given is not None:
            return self._given
        if distributed.is_available() and distributed.is_initialized():
            return distributed.get_rank(), distributed.get_world_size()
        return 0, 1

    def _read(self, epoch: int, batches: list[npt.NDArray[np.int64]]) -> Iterator[Batch]:
        pending: deque[Future[Batch]] = deque()
        pool = ThreadPoolExecutor(READING_THREADS, thread_name_prefix="crop-loader")
        ahead = self.dataset.ahead(batches)
        try:
            for number, indices in enumerate(batches):
                if ahead is not None:
                    ahead.begin(number)
                out = self._buffers.take(self.dataset.batch_shape(len(indices)))
                pending.append(pool.submit(self.dataset.read, indices, epoch=epoch, out=out))
                if len(pending) > self._lookahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:  # also if the caller breaks off
            if ahead is not None:
                ahead.close()
            pool.shutdown(cancel_futures=True)

    def _batches(self, epoch: int, rank: int, ranks: int) -> list[npt.NDArray[np.int64]]:
        order = epoch_order(
            len(self.dataset), shuffle=self._shuffle, seed=self._seed, epoch=epoch, rank=rank, ranks=ranks
        )[: self._clips(rank, ranks)]
        return [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]

    def _clips(self, rank: int, ranks: int) -> int:
        """Clips that a rank of so many reads in each epoch."""
        clips = len(self.dataset)
        share = clips // ranks if self._shuffle else len(range(rank, clips, ranks))
        return share - share % self.batch_size if self._drop_last and share > self.batch_size else share


def epoch_order(
    clips: int, *, shuffle: bool, seed: int, epoch: int, rank: int = 0, ranks: int = 1
) -> npt.NDArray[np.int64]:
    """Positions that one rank reads in one epoch, in order, int64.

    >>> epoch_order(5, shuffle=False, seed=0, epoch=0, rank=1, ranks=2).tolist()
    [1, 3]
    """
    if not shuffle:
        return np.arange(rank, clips, ranks)
    order = order_generator(seed, epoch=epoch).permutation(clips)
    return order[: clips - clips % ranks][rank::ranks]


class BufferPool:
    """Hands out uint8 tensors, and reuses their memory once no tensor or array refers to it.

    New memory costs more than reading a batch into it, since the system clears every page first.

    Args:
        most_bytes: size of the largest tensor that will be asked for.
        pin_memory: hand out page-locked memory, which a CUDA device reads without a further copy.
    """

    def __init__(self, most_bytes: int, *, pin_memory: bool = False) -> None:
        self._most_bytes = most_bytes
        self._pin_memory = pin_memory
        self._free: list[npt.NDArray[np.uint8]] = []

    def take(self, shape: tuple[int, ...]) -> Tensor:
        """A contiguous uint8 tensor with arbitrary content."""
        if self._pin_memory:  # PyTorch reuses it itself, and knows when a device has finished with it
            return torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        try:
            memory = self._free.pop()  # no test before it: another thread could take the last one in between
        except IndexError:
            memory = np.empty(self._most_bytes, dtype=np.uint8)
        view = memory[: math.prod(shape)].reshape(shape)
        weakref.finalize(view, self._free.append, memory).atexit = False  # the tensor refers to the view alone
        return torch.from_numpy(view)
