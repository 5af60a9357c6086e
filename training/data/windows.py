"""Clips of neighbouring frames: which window of a dense cache stands for a clip, and from which of its frames on.

A cache of ``mocrop precrop --select dense`` stores windows of frames that are equally far apart. A clip of ``frames``
frames, ``stride`` apart in the video, is a part of one window: every so many of its frames, from an offset on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.dense import DenseWindows
from mocrop.pipeline.cache.slots import UNUSED
from mocrop.pipeline.errors import SettingsError
from mocrop.training.data.segments import middle_slots, random_slots
from mocrop.training.recipe import Clip, clip_words, require_clip

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """Slots of clips of neighbouring frames, drawn for all clips together.

    Attributes:
        slots: integers, shape (clips, windows, frames of a window): where each frame of each window lies.
        used: integers, shape (clips,), at least 1: windows in use, which are the first ones of each clip.
        places: integers, shape (clips, windows), at least 1: offsets in each window from which the whole clip fits.
        positions: integers, shape (frames,): frames of a window that a clip has from offset 0 on.
        views: clips of neighbouring frames of each clip.
    """

    slots: npt.NDArray[np.integer]
    used: npt.NDArray[np.integer]
    places: npt.NDArray[np.integer]
    positions: IntArray
    views: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the slots of a clip: (frames,), of several views (views, frames)."""
        return (len(self.positions),) if self.views == 1 else (self.views, len(self.positions))

    def draw(self, rng: np.random.Generator | None) -> IntArray:
        """Slots of all clips: a random window of each of ``views`` equal parts of a clip's windows, at a random offset.

        Args:
            rng: on which the result depends, besides the windows; None: the middle window of each part, at the middle
                offset. A clip with fewer windows in use than views gives some of them several times.
        Returns: int64, shape (clips, *shape).
        """
        choose = middle_slots if rng is None else partial(random_slots, rng=rng)
        windows = choose(self.used, segments=self.views)
        places = np.take_along_axis(self.places, windows, axis=1)
        offsets = choose(places.reshape(-1), segments=1).reshape(windows.shape)
        frames = offsets[..., np.newaxis] + self.positions
        chosen: IntArray = self.slots[
            np.arange(len(windows))[:, np.newaxis, np.newaxis], windows[..., np.newaxis], frames
        ]
        return chosen.reshape(len(windows), *self.shape).astype(np.int64)


def windows_of(cache: CropCache, rows: IntArray, clip: Clip, *, views: int = 1) -> Windows:
    """The windows of some clips of a cache.

    Args:
        rows: int64, shape (n,), of the cache, with frames.
        clip: frames, and how far they are apart in the video.
        views: clips of neighbouring frames of each clip.
    Raises: SettingsError if the windows hold no such clip; ValueError for less than one view, or a clip without a
        window; CacheError.
    """
    positions, dense = clip_positions(cache.dense, clip, subject=str(cache.path)), cache.dense
    assert dense is not None
    slots, starts, frame_index = cache.window_slots[rows], cache.window[rows], cache.frame_index[rows]
    return chosen_windows(slots, starts, frame_index, stride=dense.stride, positions=positions, views=views)


def chosen_windows(
    slots: IntArray,
    starts: npt.NDArray[np.int32],
    frame_index: npt.NDArray[np.int32],
    *,
    stride: int,
    positions: IntArray,
    views: int = 1,
) -> Windows:
    """Find where clips of neighbouring frames may begin.

    A clip that is shorter than a window repeats its last frame there. Its clips of neighbouring frames begin where none
    is repeated, if there is such a place, else with the window.

    Args:
        slots, starts, frame_index: of some clips, as in a cache: ``window_slots``, ``window`` and ``frame_index``.
        stride: of the windows, frames of the video.
        positions: see :class:`Windows`; all within a window.
        views: see :class:`Windows`.
    Raises: ValueError for less than one view, or a clip without a window.
    """
    if views < 1:
        raise ValueError(f"views must be at least 1, not {views}")
    used = np.count_nonzero(starts != UNUSED, axis=1)
    if used.size and used.min() < 1:
        raise ValueError(f"clip {int(used.argmin())} has no window in use; leave such clips out")
    each = slots.reshape(len(slots), math.prod(slots.shape[1:]))
    numbers = np.take_along_axis(frame_index, each, axis=1).reshape(slots.shape)
    own = numbers == starts[..., np.newaxis] + np.arange(slots.shape[-1]) * stride
    return Windows(
        slots=slots.astype(np.min_scalar_type(frame_index.shape[1])),  # an eighth of the memory
        used=used,
        places=np.maximum(1, np.count_nonzero(own, axis=-1) - positions[-1]),
        positions=positions,
        views=views,
    )


def clip_positions(dense: DenseWindows | None, clip: Clip, *, subject: str, taker: str = "") -> IntArray:
    """Frames of a window that a clip has if it begins with the window: int64, shape (frames,).

    Args:
        dense: the windows; None: there are none.
        subject: what has them, for messages.
        taker: what takes such clips, for messages, if somebody does.
    Raises: SettingsError that says what there is, and how to make a cache that holds such clips; ValueError unless
        both are whole numbers from 1 on.
    """
    frames, stride = require_clip(clip)
    way_out = f"make a cache that has them with `mocrop precrop --select dense --frames {frames} --stride {stride}`"
    taken = f", which {taker} takes" if taker else ""
    if dense is None:
        raise SettingsError(f"{subject} has no windows of neighbouring frames for {clip_words(clip)}{taken}; {way_out}")
    step, odd = divmod(stride, dense.stride)
    if odd or (frames - 1) * step >= dense.frames:
        stored = (dense.frames, dense.stride)
        raise SettingsError(
            f"{subject} has windows for {clip_words(stored)}, and none for {clip_words(clip)}{taken}; {way_out}"
        )
    return np.arange(frames) * step


def stored_clip(cache: CropCache) -> Clip | None:
    """The frames of a window of a cache, and how far they are apart; None if it has no windows."""
    return None if cache.dense is None else (cache.dense.frames, cache.dense.stride)
