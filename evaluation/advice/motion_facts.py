"""What the stored motion of a data set says: cameras, movement, key frames and black bars, clip by clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mocrop.pipeline.errors import WorkspaceError
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.residual import stands_still
from mocrop.pipeline.motion.store import MotionReader
from mocrop.pipeline.policies.adaptive import AdaptiveSettings, own_motion
from mocrop.pipeline.policies.base import ClipFacts, too_old
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace

MOST_OF_THE_MOTION = 0.9


@dataclass(frozen=True, kw_only=True)
class MotionFacts:
    """What the motion of one clip says."""

    frames: int
    key_frames: int
    still: bool  # the camera stands still
    spread: float | None  # least share of the picture that holds 90 % of what moves by itself; None: nothing moves
    bars: float  # share of the frame that black bars cover


def facts_of(motion: ClipMotion, name: str) -> MotionFacts:
    """Look at the motion of one clip.

    Raises: LackingMotionError if an older mocrop has stored it, which did not look for black bars.
    """
    if motion.picture is None:
        clip = ClipFacts(name=name, size=(motion.width, motion.height), motion=motion)
        raise too_old(clip, "which did not look for black bars")
    left, top, right, bottom = motion.picture
    return MotionFacts(
        frames=motion.frames,
        key_frames=len(motion.intra_frames),
        still=stands_still(motion),
        spread=_spread(motion),
        bars=1 - (right - left) * (bottom - top) / (motion.width * motion.height),
    )


def _spread(motion: ClipMotion) -> float | None:
    own = own_motion(motion, AdaptiveSettings())
    if own is None:
        return None
    held = np.cumsum(np.sort(own.summed(), axis=None)[::-1])
    return float((np.searchsorted(held, MOST_OF_THE_MOTION * held[-1]) + 1) / held.size)


def motion_facts(workspace: Workspace, *, on_clip: Callable[[int], None] = lambda _: None) -> tuple[MotionFacts, ...]:
    """Look at all clips of a workspace whose files are there and that have motion vectors.

    Args:
        on_clip: called with the number of clips that are done.
    Raises: WorkspaceError if no clip has any; MotionStoreError if the store is damaged, or of an older mocrop.
    """
    found: list[MotionFacts] = []
    for name, motion in _stored(workspace):
        found.append(facts_of(motion, name))
        on_clip(len(found))
    if not found:
        raise WorkspaceError(f"no clip of {workspace.root} has motion vectors; run `mocrop extract-mv` first")
    return tuple(found)


def _stored(workspace: Workspace) -> Iterator[tuple[str, ClipMotion]]:
    reader = MotionReader(workspace.motion)
    with Manifest(workspace.manifest_file, read_only=True) as manifest:
        absent = manifest.absent()
        for position, row in enumerate(manifest.clips()):
            motion = None if position in absent else reader.read(position)
            if motion is not None and motion.frames:
                yield row.name, motion


@dataclass(frozen=True, kw_only=True)
class DataSetFacts:
    """The same of a whole data set; shares are of clips, from 0 to 1."""

    clips: int  # that have motion vectors
    still: float  # whose camera stands still
    moving: float  # in which something moves by itself
    spread: float | None  # median of the least share of the picture that holds 90 % of what moves, where it moves
    frames: tuple[int, int, int]  # of a clip: least, median, most
    key_frames: tuple[int, int, int]
    with_bars: float
    bars: float | None  # median share of the frame that bars cover, where there are any


def summed_up(clips: Sequence[MotionFacts]) -> DataSetFacts:
    """Facts of a data set from those of its clips, of which there is at least one."""
    spreads = [clip.spread for clip in clips if clip.spread is not None]
    bars = [clip.bars for clip in clips if clip.bars > 0]
    return DataSetFacts(
        clips=len(clips),
        still=sum(clip.still for clip in clips) / len(clips),
        moving=len(spreads) / len(clips),
        spread=float(np.median(spreads)) if spreads else None,
        frames=_range([clip.frames for clip in clips]),
        key_frames=_range([clip.key_frames for clip in clips]),
        with_bars=len(bars) / len(clips),
        bars=float(np.median(bars)) if bars else None,
    )


def _range(counts: Sequence[int]) -> tuple[int, int, int]:
    """Least, median and most; of two medians the lower.

    >>> _range([6, 1, 3, 2])
    (1, 2, 6)
    """
    ordered = sorted(counts)
    return ordered[0], ordered[(len(ordered) - 1) // 2], ordered[-1]
