"""A peer: one way to get batches of frames, and the check that its pixels are the right ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.bench.batch_reads import BatchShape, Pick

IntArray = npt.NDArray[np.int64]
Frames = npt.NDArray[np.uint8]
INSTALL = "pip install 'mocrop[bench]'"


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """A batch as a peer delivers it."""

    rows: IntArray  # (clips,), of the cache
    frames: Frames  # (clips, segments, 3, size, size)
    slots: IntArray | None = None  # (clips, segments); None: the peer draws frames itself and does not tell which


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One way to read batches."""

    read: Callable[[int], Drawn]  # the batch of that number
    files: Sequence[Path] = ()  # the files that it reads
    times: int = 1  # batches a round
    tolerance: float = 0.0  # largest mean absolute difference of a frame that counts as the same picture, grey levels
    start: Callable[[], object] = lambda: None  # before each round
    stop: Callable[[], object] = lambda: None  # before its files are evicted


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """The batches that all peers are to read."""

    shape: BatchShape
    picks: Sequence[Pick]
    stored: Frames  # every frame of the cache: (rows, slots, 3, size, size)
    out: Frames  # memory for one batch, for peers that can read into it

    def pick(self, number: int) -> Pick:
        return self.picks[number % len(self.picks)]


class Absent(Exception):
    """A peer that cannot take part; the message says why."""


def check(name: str, peer: Peer, task: Task) -> float:
    """Read one batch and compare it with the cache: frame by frame, or with the nearest frame of the clip.

    Returns: the largest mean absolute difference of a frame, grey levels.
    Raises: AssertionError if that is more than the peer's tolerance.
    """
    peer.start()
    drawn = peer.read(0)
    expected_shape = (len(drawn.rows), task.shape.segments, *task.stored.shape[2:])
    assert drawn.frames.shape == expected_shape, f"{name}: shape {drawn.frames.shape}, not {expected_shape}"
    worst = 0.0
    for number, row in enumerate(drawn.rows):
        for segment, frame in enumerate(drawn.frames[number]):
            stored = task.stored[row]
            candidates = stored if drawn.slots is None else stored[drawn.slots[number, segment], None]
            worst = max(worst, min(difference(frame, candidate) for candidate in candidates))
    assert worst <= peer.tolerance, f"{name} reads other pixels: they differ by {worst:.2f} on average"
    return worst


def difference(first: Frames, second: Frames) -> float:
    """Mean absolute difference in grey levels."""
    return float(np.abs(first.astype(np.int16) - second).mean())
