"""Segment sampling: one slot of a clip from each of its segments, the middle one or a random one.

The segments of a clip are equal parts of its slots in use. All arithmetic is on integers, so a slot across the border
of two segments belongs to each in exact proportion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Segments:
    """Slots of clips by segments, drawn for all clips together.

    Attributes:
        frame_counts: integers, shape (clips,), at least 1: slots in use, which are the first ones.
        segments: per clip.
    """

    frame_counts: npt.NDArray[np.integer]
    segments: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the slots of a clip."""
        return (self.segments,)

    def draw(self, rng: np.random.Generator | None) -> IntArray:
        """A random slot of each segment, or, where ``rng`` is None, the middle one: int64, (clips, segments)."""
        if rng is None:
            return middle_slots(self.frame_counts, segments=self.segments)
        return random_slots(self.frame_counts, segments=self.segments, rng=rng)


def middle_slots(frame_counts: npt.NDArray[np.integer], *, segments: int) -> IntArray:
    """Take the middle slot of each segment, as for testing.

    A clip with fewer slots in use than segments gives some of them several times.

    Args:
        frame_counts: integers, shape (clips,), at least 1: slots in use, which are the first ones.
        segments: per clip.
    Returns: int64, shape (clips, segments), ascending in each row.
    Raises: ValueError if a clip has no slot in use.

    >>> middle_slots(np.array([16, 3]), segments=4).tolist()
    [[2, 6, 10, 14], [0, 1, 1, 2]]
    """
    used = _column(frame_counts, segments)
    return (2 * np.arange(segments) + 1) * used // (2 * segments)


def random_slots(frame_counts: npt.NDArray[np.integer], *, segments: int, rng: np.random.Generator) -> IntArray:
    """Take a random slot of each segment, as for training.

    Args, Returns and Raises: as :func:`middle_slots`; the result depends on these and the state of ``rng`` alone.
    """
    used = _column(frame_counts, segments)
    offset = rng.integers(0, used, size=(len(used), segments))  # into the segment, in 1 / segments of a slot
    return (np.arange(segments) * used + offset) // segments


def _column(frame_counts: npt.NDArray[np.integer], segments: int) -> IntArray:
    if segments < 1:
        raise ValueError(f"segments must be at least 1, not {segments}")
    used = np.asarray(frame_counts, dtype=np.int64).reshape(-1, 1)
    if used.size and used.min() < 1:
        raise ValueError(f"clip {int(used.argmin())} of the batch has no slot in use; leave such clips out")
    return used
