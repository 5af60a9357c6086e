"""Windows of neighbouring frames: where they begin, which frames they need, and in which slots these are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.cache.slots import UNUSED
from mocrop.pipeline.limits import require_whole

MOST_SLOTS = 1 << 16  # a cache with more is refused as damaged
ROWS_AT_ONCE = 2048  # clips whose windows are looked up together


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


def moving_starts(motion: npt.NDArray[np.int64], dense: DenseWindows) -> list[int]:
    """First frames of the windows that together hold the most motion.

    The motion of a window is the sum over all frames from its first to its last. No two windows overlap; where so many
    do not fit side by side, they begin as far apart as they can, all by the same number of frames at least. Of equally
    good choices the one that begins earliest is taken, and so on from window to window.

    Args:
        motion: int64, shape (frames,): how much moves in each frame, not negative.
    Returns: ascending, each once; as many as :func:`even_starts` gives.

    >>> speeds = np.array([0, 0, 5, 5, 0, 0, 0, 9, 0, 0])
    >>> moving_starts(speeds, DenseWindows(windows=2, frames=2, stride=1))  # 5 + 5 and 0 + 9, before 9 + 0
    [2, 6]
    """
    frames = len(motion)
    windows, last = dense.fitting(frames), max(0, frames - dense.span)
    apart = min(dense.span, last // max(1, windows - 1))
    before = np.concatenate([[0], np.cumsum(motion)])
    held = before[np.minimum(np.arange(last + 1) + dense.span, frames)] - before[: last + 1]
    # best[k][n]: the most that k + 1 windows hold of which the first begins at n or later
    best = [np.maximum.accumulate(held[::-1])[::-1]]
    for more in range(1, windows):
        room = last + 1 - more * apart  # the first of so many windows begins before
        with_first = held[:room] + best[-1][apart:]
        best.append(np.maximum.accumulate(with_first[::-1])[::-1])
    starts: list[int] = []
    for left in reversed(range(windows)):
        first = starts[-1] + apart if starts else 0
        following = best[left - 1][apart:] if left else np.zeros(last + 1, np.int64)
        reached = held[first : len(following)] + following[first:]
        starts.append(first + int(np.argmax(reached)))  # the first of the largest
    return starts


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
    slots = np.empty((len(window), dense.windows, dense.frames), np.int64)
    for some in _blocks(len(window)):
        located = _located(frame_index[some], window[some], dense)
        if located.lost.any():
            row, which, frame = np.argwhere(located.lost)[0].tolist()
            number = located.numbers[row, which, frame]
            raise ValueError(f"row {some.start + row}: its window {which} needs frame {number}, which is not stored")
        slots[some] = located.slots
    return slots


def windows_fit(
    frame_index: npt.NDArray[np.int32], window: npt.NDArray[np.int32], dense: DenseWindows
) -> npt.NDArray[np.bool_]:
    """Whether the frames that are stored of each clip are those that its windows need: all of them, and no other.

    Args:
        frame_index, window: as for :func:`window_slots`, each row of which is in order, with at least one frame.
    Returns: bool, shape (clips,).
    """
    fit = np.empty(len(window), np.bool_)
    for some in _blocks(len(window)):
        fit[some] = _fit(frame_index[some], window[some], dense)
    return fit


def _blocks(clips: int) -> Iterator[slice]:
    """All rows, some at a time: what is worked out takes several times the room of what comes of it."""
    return (slice(first, first + ROWS_AT_ONCE) for first in range(0, clips, ROWS_AT_ONCE))


def _fit(
    frame_index: npt.NDArray[np.int32], window: npt.NDArray[np.int32], dense: DenseWindows
) -> npt.NDArray[np.bool_]:
    located = _located(frame_index, window, dense)
    needed = np.zeros(frame_index.shape, np.bool_)
    rows = np.arange(len(frame_index))[:, np.newaxis]
    needed[rows, np.where(located.lost, 0, located.slots).reshape(len(rows), dense.slots)] = True
    exact = (needed == (frame_index != UNUSED)).all(axis=1) & ~located.lost.any(axis=(1, 2))
    alone_at_0 = (window[:, 0] == 0) & (window[:, 1:] == UNUSED).all(axis=1)  # as of a clip shorter than a window
    return np.asarray(exact & (alone_at_0 | ~located.beyond[:, 0]))


class _Located(NamedTuple):
    """Where the frames of windows are."""

    numbers: npt.NDArray[np.int64]  # (clips, windows, frames)
    slots: npt.NDArray[np.int64]  # (clips, windows, frames)
    lost: npt.NDArray[np.bool_]  # (clips, windows, frames): not stored
    beyond: npt.NDArray[np.bool_]  # (clips, 1): whether a window reaches beyond the last frame that is stored


def _located(frame_index: npt.NDArray[np.int32], window: npt.NDArray[np.int32], dense: DenseWindows) -> _Located:
    clips, slots = frame_index.shape
    used = np.count_nonzero(window != UNUSED, axis=1)[:, np.newaxis]
    starts = np.take_along_axis(window, np.arange(dense.windows) % np.maximum(used, 1), axis=1).astype(np.int64)
    numbers = starts[:, :, np.newaxis] + dense.stride * np.arange(dense.frames)
    last = frame_index.max(axis=1, initial=0).astype(np.int64)[:, np.newaxis]
    beyond = numbers[:, :, -1].max(axis=1, keepdims=True) > last
    numbers = np.minimum(numbers, last[:, :, np.newaxis])
    apart = (np.arange(clips) << 32)[:, np.newaxis]  # so that one search finds the slots of all clips
    stored = apart + np.where(frame_index == UNUSED, np.int64(1 << 31), frame_index)
    found = np.searchsorted(stored.reshape(-1), (numbers + apart[:, :, np.newaxis]).reshape(-1)).reshape(numbers.shape)
    chosen = np.clip(found - slots * np.arange(clips)[:, np.newaxis, np.newaxis], 0, slots - 1)
    there = np.take_along_axis(frame_index, chosen.reshape(clips, dense.slots), axis=1).reshape(numbers.shape)
    there_are = (used > 0)[:, :, np.newaxis]
    return _Located(numbers, np.where(there_are, chosen, 0), there_are & (there != numbers), beyond & (used > 0))
