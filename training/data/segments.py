"""Choose which slots of a clip stand for it: slots in use per clip go in, one slot per segment comes out.

A segment is one of the equal parts that the slots in use are cut into. All arithmetic is on integers, so a slot that
lies across the border of two segments belongs to each in exact proportion.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


def middle_slots(frame_counts: npt.NDArray[np.integer], *, segments: int) -> IntArray:
    """Take the slot in the middle of each segment, as for testing.

    A clip with fewer slots in use than segments gives some of them several times.

    Args:
        frame_counts: integers, shape (clips,), at least 1; the slots in use are the first ones.
        segments: parts per clip.
    Returns:
        int64, shape (clips, segments), ascending in each row.
    Raises: ValueError if a clip has no slot in use.

    >>> middle_slots(np.array([16, 3]), segments=4).tolist()
    [[2, 6, 10, 14], [0, 1, 1, 2]]
    """
    used = _column(frame_counts, segments)
    return (2 * np.arange(segments) + 1) * used // (2 * segments)


def random_slots(frame_counts: npt.NDArray[np.integer], *, segments: int, rng: np.random.Generator) -> IntArray:
    """Take a random slot of each segment, as for training.

    Args and Returns: as :func:`middle_slots`; the result depends on the arguments and the state of ``rng`` alone.
    """
    used = _column(frame_counts, segments)
    place = rng.integers(0, used, size=(len(used), segments))  # within the segment, in its k-ths of a slot
    return (np.arange(segments) * used + place) // segments


def _column(frame_counts: npt.NDArray[np.integer], segments: int) -> IntArray:
    if segments < 1:
        raise ValueError(f"segments must be at least 1, not {segments}")
    used = np.asarray(frame_counts, dtype=np.int64).reshape(-1, 1)
    if used.size and used.min() < 1:
        raise ValueError(f"clip {int(used.argmin())} of the batch has no slot in use; leave such clips out")
    return used
