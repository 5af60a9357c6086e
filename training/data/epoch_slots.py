"""Which slots stand for a clip in which epoch, and which epoch it is for a clip that is asked for without one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mocrop.training.data.segments import middle_slots, random_slots
from mocrop.training.seeds import slots_generator

IntArray = npt.NDArray[np.int64]
KEPT_EPOCHS = 16  # whose slots stay in memory: with a weighted sampler, the clips of one batch are far apart


class EpochSlots:
    """The slots of some clips by epoch, which depend on what is given here and on the epoch alone; for any thread.

    Args:
        frame_counts: integers, shape (clips,), at least 1.
        segments: slots per clip.
        random: a random slot of each segment, in each epoch another; else the middle one in every epoch.
        seed: of the random slots.
    Raises: ValueError if a clip has no slot in use.
    """

    def __init__(self, frame_counts: npt.NDArray[np.integer], *, segments: int, random: bool, seed: int) -> None:
        self._frame_counts = frame_counts
        self._segments = segments
        self._random = random
        self._seed = seed
        self._drawn: dict[int, npt.NDArray[np.integer]] = {}
        self._all(0)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_drawn": {}}

    def of(self, clips: IntArray, epochs: int | IntArray) -> IntArray:
        """Slots of some clips, int64, shape (n, segments).

        Args:
            clips: int64, shape (n,); negative ones count from the end.
            epochs: one for all, or int64, shape (n,).
        """
        each = np.broadcast_to(np.asarray(epochs if self._random else 0), clips.shape)
        slots = np.empty((len(clips), self._segments), dtype=np.int64)
        for epoch in np.unique(each).tolist():
            there = each == epoch
            slots[there] = self._all(epoch)[clips[there]]
        return slots

    def _all(self, epoch: int) -> npt.NDArray[np.integer]:
        """Slots of all clips, which are drawn together."""
        drawn = self._drawn  # threads share it, so it is replaced rather than changed
        if epoch not in drawn:
            slots = self._draw(epoch).astype(np.min_scalar_type(int(self._frame_counts.max(initial=1))))
            self._drawn = drawn = dict([*drawn.items(), (epoch, slots)][-KEPT_EPOCHS:])
        return drawn[epoch]

    def _draw(self, epoch: int) -> IntArray:
        if not self._random:
            return middle_slots(self._frame_counts, segments=self._segments)
        rng = slots_generator(self._seed, epoch=epoch)
        return random_slots(self._frame_counts, segments=self._segments, rng=rng)


class NextEpochs:
    """The epoch that is next for each clip, in memory that this process and all worker processes of its share."""

    def __init__(self, clips: int) -> None:
        self._next = torch.zeros(clips, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._next.share_memory_()  # a copy that is not a worker's; without effect where it is shared

    def set(self, epoch: int) -> None:
        """Make it the same for all clips."""
        self._next.fill_(epoch)

    def take(self, clips: IntArray) -> IntArray:
        """The epoch of each clip, int64, shape (n,); the one after it is next. A clip may come several times."""
        following, epochs = self._next.numpy(), np.empty(len(clips), dtype=np.int64)
        for place, clip in enumerate(clips):
            epochs[place] = following[clip]
            following[clip] += 1
        return epochs
