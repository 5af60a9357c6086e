"""The policy `follow`: a box for each slot, found like that of `adaptive` from the motion around that slot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.limits import require_number
from mocrop.pipeline.policies.adaptive import (
    NOTHING_MOVES,
    AdaptiveSettings,
    DoubleMap,
    OwnMotion,
    fullest_boxes,
    own_motion,
    prior,
    product,
    trust,
)
from mocrop.pipeline.policies.base import NO_VECTORS, ClipFacts, PolicyResult, box_extent, too_old, whole_frame

CUT = 4.0  # standard deviations after which the window ends
MIN_WINDOW_SECONDS = 1e-6  # no two frames are as near to each other
MAX_WINDOW_SECONDS = 1e12  # a window that is as good as without end
_ROUNDING = 1e-6  # of frame times, as a share of the window: a frame on its edge is in it, before and after the slot
_SLOTS_AT_ONCE, _FRAMES_AT_ONCE = 32, 128  # a map of each is 6 KiB; all frames of a film may be asked for


@dataclass(frozen=True, kw_only=True)
class FollowSettings(AdaptiveSettings):
    """Settings of policy `follow`, which is our own: those of `adaptive`, and a window in time.

    docs/follow.md tells how the window was found, and how little changes with half or twice as much.
    """

    window_seconds: float = 0.24  # standard deviation of the weight of motion by its distance in time from the slot

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("window_seconds", self.window_seconds, least=MIN_WINDOW_SECONDS, most=MAX_WINDOW_SECONDS)


def follow_boxes(clip: ClipFacts, settings: FollowSettings) -> PolicyResult:
    """Choose for each slot the box that holds the most of the motion around it and of the centre prior together.

    The less moves around a slot, the more the motion of the whole clip counts, so that in a pause the box is that of
    `adaptive`. With a window without end the map of every slot is the clip's, and every box is that of `adaptive`.

    Returns: a box for each slot; ``box`` is the mean of their edges, or without slots that of `adaptive`; ``density``
        is the map of `adaptive`.
    Raises: LackingMotionError if the store does not tell the times of frames; ValueError for a slot outside of the
        clip.
    """
    if clip.motion is None:
        return whole_frame(settings, why=NO_VECTORS)
    own = own_motion(clip.motion, settings)
    if own is None:
        return whole_frame(settings, why=NOTHING_MOVES)
    static, believed = own.excess(own.summed()), trust(own.total)
    centre = prior(clip.motion, settings)
    extent = box_extent(clip.size, ratio=settings.ratio, shape=settings.shape)
    boxes: list[CropBox] = []
    seconds = _seconds(clip) if clip.slots else np.zeros(0)
    for start in range(0, len(clip.slots), _SLOTS_AT_ONCE):
        slots = list(clip.slots[start : start + _SLOTS_AT_ONCE])
        near, trusted = _around_slots(seconds, slots, own, settings.window_seconds)
        evidence = near * trusted + static * (believed - trusted) + centre
        boxes += fullest_boxes(evidence, extent=extent)
    density = static * believed + centre
    box = _mean(boxes) if boxes else fullest_boxes(density[np.newaxis], extent=extent)[0]
    return PolicyResult(box=box, slot_boxes=tuple(boxes), density=density.astype(np.float32))


def _around_slots(
    seconds: DoubleMap, slots: Sequence[int], own: OwnMotion, window_seconds: float
) -> tuple[DoubleMap, DoubleMap]:
    """Where more moves than on average around each slot, (slots, rows, cols), and how far to trust that, (slots, 1, 1).

    Each is zero where nothing moves.
    """
    now, reach = seconds[slots], CUT * (1 + _ROUNDING) * window_seconds
    first, stop = (np.searchsorted(seconds, now + sign * reach) for sign in (-1, 1))
    summed, totals = np.zeros((len(slots), *own.grid)), np.zeros((len(slots), 1, 1))
    for some in _runs(first, stop):
        for frames in _pieces(int(first[some.start]), int(stop[some.stop - 1])):
            away = ((seconds[frames] - now[some, np.newaxis]) / window_seconds) ** 2
            weight = np.exp(away / -2) * (away <= (CUT * (1 + _ROUNDING)) ** 2)
            summed[some] += product(weight, own.by_frame(frames)).reshape(-1, *own.grid)
            totals[some, 0, 0] += weight @ own.in_frame[frames]
    return own.excess(summed), trust(totals)


def _runs(first: npt.NDArray[np.intp], stop: npt.NDArray[np.intp]) -> Iterator[slice]:
    """Runs of neighbouring slots whose windows, of the frames from ``first`` to ``stop``, are worked on together."""
    start = 0
    for slot in range(1, len(first) + 1):
        if slot == len(first) or stop[slot] - first[start] > _FRAMES_AT_ONCE:
            yield slice(start, slot)
            start = slot


def _pieces(first: int, stop: int) -> Iterator[slice]:
    """The frames from ``first`` to ``stop`` in pieces: a long window may hold all of a film."""
    for start in range(first, stop, _FRAMES_AT_ONCE):
        yield slice(start, min(start + _FRAMES_AT_ONCE, stop))


def _seconds(clip: ClipFacts) -> DoubleMap:
    """Times of the frames of a clip, ascending."""
    motion = clip.motion
    assert motion is not None
    if motion.seconds is None:
        raise too_old(clip, "without the times of frames")
    if clip.slots and not 0 <= min(clip.slots) <= max(clip.slots) < motion.frames:
        raise ValueError(f"{clip.name}: slots {min(clip.slots)} to {max(clip.slots)} of {motion.frames} frames")
    return motion.seconds


def _mean(boxes: Sequence[CropBox]) -> CropBox:
    left, top, right, bottom = (sum(edges) / len(boxes) for edges in zip(*(box.edges for box in boxes), strict=True))
    return CropBox(left=left, top=top, right=right, bottom=bottom)
