"""Which slots stand for a clip in each epoch, and which epoch is next for each clip."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mocrop.training.data.segments import middle_slots, random_slots
from mocrop.training.seeds import slots_generator

IntArray = npt.NDArray[np.int64]
KEPT_EPOCHS = 16  # whose slots stay in memory: with a weighted sampler, the clips of a batch are in many epochs


class EpochSlots:
    """Slots of some clips by epoch; they depend on the arguments and the epoch alone. Any thread may use it.

    Args:
        frame_counts: integers, shape (clips,), at least 1: slots in use of each clip.
        segments: slots per clip.
        random: a random slot of each segment, drawn for each epoch; else the middle one in every epoch.
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
        """Slots of all clips in one epoch, (clips, segments); they are drawn together."""
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
    """The next epoch of each clip, in memory that this process shares with its worker processes."""

    def __init__(self, clips: int) -> None:
        self._next = torch.zeros(clips, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._next.share_memory_()  # for a copy outside a worker; without effect where memory is shared already

    def set(self, epoch: int) -> None:
        """Make ``epoch`` the next one of all clips."""
        self._next.fill_(epoch)

    def take(self, clips: IntArray) -> IntArray:
        """Return the next epoch of each clip, int64, shape (n,), and count it on; clips may repeat."""
        following, epochs = self._next.numpy(), np.empty(len(clips), dtype=np.int64)
        for place, clip in enumerate(clips):
            epochs[place] = following[clip]
            following[clip] += 1
        return epochs
