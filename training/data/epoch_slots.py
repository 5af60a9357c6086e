"""Which slots stand for a clip in each epoch, and which epoch is next for each clip."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from mocrop.training.seeds import slots_generator

IntArray = npt.NDArray[np.int64]
KEPT_EPOCHS = 16  # whose slots stay in memory: with a weighted sampler, the clips of a batch are in many epochs


class SlotRule(Protocol):
    """What slots may stand for some clips: their segments, or windows of neighbouring frames."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the slots of a clip."""
        ...

    def draw(self, rng: np.random.Generator | None) -> IntArray:
        """Slots of all clips, int64, shape (clips, *shape): random ones, or, where ``rng`` is None, the middle ones."""
        ...


class EpochSlots:
    """Slots of some clips by epoch; they depend on the arguments and the epoch alone. Any thread may use it.

    Args:
        rule: what slots may stand for the clips.
        random: random ones, drawn for each epoch; else the middle ones in every epoch.
        seed: of the random slots.
    Attributes:
        shape: of the slots of a clip.
    Raises: ValueError if a clip has no slot in use.
    """

    def __init__(self, rule: SlotRule, *, random: bool, seed: int) -> None:
        self.shape = rule.shape
        self._rule = rule
        self._random = random
        self._seed = seed
        self._drawn: dict[int, npt.NDArray[np.integer]] = {}
        self._all(0)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_drawn": {}}

    def of(self, clips: IntArray, epochs: int | IntArray) -> IntArray:
        """Slots of some clips, int64, shape (n, *shape).

        Args:
            clips: int64, shape (n,); negative ones count from the end.
            epochs: one for all, or int64, shape (n,).
        """
        each = np.broadcast_to(np.asarray(epochs if self._random else 0), clips.shape)
        slots = np.empty((len(clips), *self.shape), dtype=np.int64)
        for epoch in np.unique(each).tolist():
            there = each == epoch
            slots[there] = self._all(epoch)[clips[there]]
        return slots

    def _all(self, epoch: int) -> npt.NDArray[np.integer]:
        """Slots of all clips in one epoch, (clips, *shape); they are drawn together."""
        drawn = self._drawn  # threads share it, so it is replaced rather than changed
        if epoch not in drawn:
            rng = slots_generator(self._seed, epoch=epoch) if self._random else None
            slots = self._rule.draw(rng)
            slots = slots.astype(np.min_scalar_type(int(slots.max(initial=1))))
            self._drawn = drawn = dict([*drawn.items(), (epoch, slots)][-KEPT_EPOCHS:])
        return drawn[epoch]


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
