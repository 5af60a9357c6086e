"""Yield whole batches of a crop cache in a reproducible order, read ahead by threads, without worker processes."""

from __future__ import annotations

import math
import weakref
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mocrop.training.data.dataset import Batch, CropDataset

LOOKAHEAD_BATCHES = 3
READING_THREADS = 2  # enough that reads of a slow disk overlap; a warm cache needs one
ORDER_STREAM = 2  # third part of the seed, so that no two uses share random numbers


class CropLoader:
    """Batches of uint8 frames for one epoch after the other.

    Args:
        dataset: what to read.
        batch_size: clips per batch and rank.
        shuffle: a new order in each epoch, which depends on the seed and the epoch alone; as in training, an incomplete
            last batch is left out, unless it is the only one.
        seed: of the order.
        lookahead: batches that are being read, or wait in memory, while the caller works on one.
        pin_memory: put frames into page-locked memory; None: where there is a CUDA device.
        rank, ranks: which part of each epoch this process reads, of how many. In a shuffled epoch all ranks get equally
            many clips, and up to ``ranks - 1`` are left out; else every clip is read by exactly one.
    """

    def __init__(
        self,
        dataset: CropDataset,
        *,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        lookahead: int = LOOKAHEAD_BATCHES,
        pin_memory: bool | None = None,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        if batch_size < 1 or lookahead < 1 or not 0 <= rank < ranks:
            raise ValueError(f"{batch_size=} and {lookahead=} must be at least 1, and {rank=} in 0 .. {ranks=} - 1")
        self.dataset = dataset
        self.batch_size = batch_size
        self._shuffle = shuffle
        self._seed = seed
        self._epoch = 0
        self._first_batch = 0
        self._lookahead = lookahead
        self._buffers = BufferPool(
            math.prod(dataset.batch_shape(min(batch_size, len(dataset)))),
            pin_memory=torch.cuda.is_available() if pin_memory is None else pin_memory,
        )
        self._rank = rank
        self._ranks = ranks

    def set_epoch(self, epoch: int, *, first_batch: int = 0) -> None:
        """Choose the epoch that the next iteration goes through: its order and its random slots.

        Args:
            first_batch: where it begins, counted from 0; what comes before is not read.
        """
        self._epoch = epoch
        self._first_batch = first_batch
        self.dataset.set_epoch(epoch)

    def __len__(self) -> int:
        """Number of batches per epoch of this rank, wherever the iteration begins."""
        return len(self._batches())

    def __iter__(self) -> Iterator[Batch]:
        pending: deque[Future[Batch]] = deque()
        pool = ThreadPoolExecutor(READING_THREADS, thread_name_prefix="crop-loader")
        try:
            for indices in self._batches()[self._first_batch :]:
                out = self._buffers.take(self.dataset.batch_shape(len(indices)))
                pending.append(pool.submit(self.dataset.read, indices, out=out))
                if len(pending) > self._lookahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:  # also when the caller stops halfway
            pool.shutdown(cancel_futures=True)

    def _batches(self) -> list[npt.NDArray[np.int64]]:
        order = epoch_order(
            len(self.dataset),
            shuffle=self._shuffle,
            seed=self._seed,
            epoch=self._epoch,
            rank=self._rank,
            ranks=self._ranks,
        )
        batches = [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]
        if self._shuffle and len(batches) > 1 and len(batches[-1]) < self.batch_size:
            batches.pop()
        return batches


def epoch_order(
    clips: int, *, shuffle: bool, seed: int, epoch: int, rank: int = 0, ranks: int = 1
) -> npt.NDArray[np.int64]:
    """Positions that one rank reads in one epoch, in order, int64.

    >>> epoch_order(5, shuffle=False, seed=0, epoch=0, rank=1, ranks=2).tolist()
    [1, 3]
    """
    if not shuffle:
        return np.arange(rank, clips, ranks)
    order = np.random.default_rng((seed, epoch, ORDER_STREAM)).permutation(clips)
    return order[: clips - clips % ranks][rank::ranks]


class BufferPool:
    """Gives out uint8 tensors and takes their memory back once the last tensor or array that sees it is gone.

    Fresh memory costs more than reading a batch into it: the system clears every page first. Page-locked memory is
    PyTorch's own matter, which already keeps it for reuse and knows when a device has finished with it.

    Args:
        most_bytes: size of the largest tensor that will be asked for.
        pin_memory: give out page-locked memory, from which a CUDA device fetches without a further copy.
    """

    def __init__(self, most_bytes: int, *, pin_memory: bool = False) -> None:
        self._most_bytes = most_bytes
        self._pin_memory = pin_memory
        self._free: list[npt.NDArray[np.uint8]] = []

    def take(self, shape: tuple[int, ...]) -> Tensor:
        """A contiguous uint8 tensor with arbitrary content."""
        if self._pin_memory:
            return torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        memory = self._free.pop() if self._free else np.empty(self._most_bytes, dtype=np.uint8)
        view = memory[: math.prod(shape)].reshape(shape)
        weakref.finalize(view, self._free.append, memory).atexit = False  # the tensor owns the view, not the memory
        return torch.from_numpy(view)
