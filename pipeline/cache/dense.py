"""Windows of neighbouring frames: where they begin, which frames they need, and in which slots these are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.cache.slots import UNUSED
from mocrop.pipeline.limits import require_whole

MOST_SLOTS = 1 << 16  # a cache with more is refused as damaged


@dataclass(frozen=True, kw_only=True)
class DenseWindows:
    """The windows that a cache may have of each clip. Frame ``i`` of one that begins at ``n`` is ``n + i * stride``."""

    windows: int  # most of a clip
    frames: int  # of a window
    stride: int  # source frames from one frame of a window to the next

    def __post_init__(self) -> None:
        for name in ("windows", "frames", "stride"):
            require_whole(name, getattr(self, name), least=1, most=MOST_SLOTS)
        require_whole("slots of the windows of a clip", self.slots, least=1, most=MOST_SLOTS)

    @property
    def slots(self) -> int:
        """Slots of a clip: frames that its windows need if they share none."""
        return self.windows * self.frames

    @property
    def span(self) -> int:
        """Source frames from the first to the last frame of a window, both counted."""
        return (self.frames - 1) * self.stride + 1

    def fitting(self, frames: int) -> int:
        """How many windows that begin at different frames a clip of so many frames has, at least one."""
        return min(self.windows, max(1, frames - self.span + 1))

    def numbers(self, starts: Iterable[int], *, frames: int) -> list[int]:
        """Frames that windows need, ascending, each once.

        Args:
            starts: first frame of each window.
            frames: number of frames of the clip, whose last one stands for those beyond it.
        """
        steps = range(0, self.span, self.stride)
        return sorted({min(start + step, frames - 1) for start in starts for step in steps})


def even_starts(frames: int, dense: DenseWindows) -> list[int]:
    """First frames of windows that are spread evenly over a clip.

    The middle of each window is that of one of as many equal parts of the clip. Where a part is shorter than a window,
    windows begin at even steps, the first with the clip, and the last ends with it. A clip that is shorter than a
    window has one, which begins with it.

    Returns: ascending, each once; fewer than ``dense.windows`` where no more fit.

    >>> even_starts(100, DenseWindows(windows=4, frames=5, stride=2))  # 9 frames in the middle of each 25
    [8, 33, 58, 83]
    >>> even_starts(15, DenseWindows(windows=4, frames=5, stride=2))
    [0, 2, 4, 6]
    >>> even_starts(10, DenseWindows(windows=4, frames=5, stride=2)), even_starts(3, DenseWindows(
    ...     windows=4, frames=5, stride=2))
    ([0, 1], [0])
    """
    windows, last = dense.fitting(frames), max(0, frames - dense.span)
    if windows == 1 or windows * dense.span <= frames:
        return [
            ((2 * part + 1) * frames - windows * dense.span) // (2 * windows) if last else 0 for part in range(windows)
        ]
    return [part * last // (windows - 1) for part in range(windows)]


def window_slots(
    frame_index: npt.NDArray[np.int32], window: npt.NDArray[np.int32], dense: DenseWindows
) -> npt.NDArray[np.int64]:
    """The slot of each frame of each window.

    Frames beyond the end of a clip are its last one, which is the last that is stored. Where a clip has fewer windows
    than others, the unused ones repeat those that it has, in turn; a clip without frames has slot 0 everywhere.

    Args:
        frame_index: int32, shape (clips, slots): source frame of each slot, ascending, then -1.
        window: int32, shape (clips, windows): first source frame of each window, ascending, then -1.
    Returns: int64, shape (clips, windows, frames).
    Raises: ValueError if a window needs a frame that is not stored.
    """
    clips, slots = frame_index.shape
    used = np.count_nonzero(window != UNUSED, axis=1)[:, np.newaxis]
    starts = np.take_along_axis(window, np.arange(dense.windows) % np.maximum(used, 1), axis=1).astype(np.int64)
    wanted = starts[:, :, np.newaxis] + dense.stride * np.arange(dense.frames)
    wanted = np.minimum(wanted, frame_index.max(axis=1, initial=0)[:, np.newaxis, np.newaxis])
    apart = (np.arange(clips) << 32)[:, np.newaxis]  # so that one search finds the slots of all clips
    stored = apart + np.where(frame_index == UNUSED, np.int64(1 << 31), frame_index)
    found = np.searchsorted(stored.reshape(-1), (wanted + apart[:, :, np.newaxis]).reshape(-1)).reshape(wanted.shape)
    chosen = found - slots * np.arange(clips)[:, np.newaxis, np.newaxis]
    there = np.take_along_axis(frame_index, np.clip(chosen, 0, slots - 1).reshape(clips, -1), axis=1)
    lost = (there.reshape(wanted.shape) != wanted) & (used > 0)[:, :, np.newaxis]
    if lost.any():
        row, which, frame = np.argwhere(lost)[0].tolist()
        raise ValueError(f"row {row}: its window {which} needs frame {wanted[row, which, frame]}, which is not stored")
    return np.where((used > 0)[:, :, np.newaxis], chosen, 0)
