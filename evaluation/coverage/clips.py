"""Clips with the boxes of their actors, and the frames at which policies are asked for boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.coverage.actor_boxes import ActorBoxes, actor_rows
from mocrop.evaluation.coverage.overlap import DoubleMap
from mocrop.pipeline.cache.slots import chosen_frames
from mocrop.pipeline.choices import Spread
from mocrop.pipeline.dataset.clips import group_of
from mocrop.pipeline.groups import NO_GROUP
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.store import MotionReader
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class AnnotatedClip:
    """A clip with the boxes of its actors.

    Attributes:
        name: path under the data set without suffix.
        label: its class; empty if it has none, or may have several.
        group: number of its group, as manifests have it; -1: it has none.
        motion: of all of its frames.
        frames: shape (n,): number of the frame that each row of ``truth`` belongs to, all of them frames of the clip.
        truth: shape (n, 4): left, top, right, bottom in fractions, one row per actor and frame; n at least 1.
    """

    name: str
    label: str
    group: int = NO_GROUP
    motion: ClipMotion
    frames: IntArray
    truth: DoubleMap


class WhyNot(StrEnum):
    """Why a clip of a workspace or of the box file is not measured; the value ends a sentence that begins with it."""

    NO_BOXES = "without boxes in the box file"
    NO_VECTORS = "without motion vectors"
    BEYOND = "whose boxes all lie after the last frame"
    NOT_THERE = "of the box file that this workspace does not have"


def annotated_clips(
    workspace: Workspace,
    boxes: ActorBoxes,
    *,
    groups: range | None = None,
    on_left_out: Callable[[str, WhyNot], None] = lambda *_: None,
) -> Iterator[AnnotatedClip]:
    """Clips of a workspace that have motion vectors and boxes, in the order of the manifest.

    Boxes of frames that a clip does not have are left out.

    Args:
        groups: of the clips to take; clips of others are not mentioned.
        on_left_out: called with each clip of these groups that is passed over, and why.
    Raises: MotionStoreError if the motion store is damaged.
    """
    reader = MotionReader(workspace.motion)
    with Manifest(workspace.manifest_file, read_only=True) as manifest:
        classes, one = manifest.names("class_names"), manifest.label_kind() == "one"
        for position, row in enumerate(manifest.clips()):
            if groups is not None and group_of(row.name) not in groups:
                continue
            if not boxes.get(row.name):
                on_left_out(row.name, WhyNot.NO_BOXES)
                continue
            motion = reader.read(position)
            if motion is None:
                on_left_out(row.name, WhyNot.NO_VECTORS)
                continue
            frames, truth = actor_rows(boxes[row.name], width=motion.width, height=motion.height)
            there = frames < motion.frames
            if not there.any():
                on_left_out(row.name, WhyNot.BEYOND)
            else:
                yield AnnotatedClip(
                    name=row.name,
                    label=classes[row.label] if one and row.label >= 0 else "",
                    group=row.group,
                    motion=motion,
                    frames=frames[there],
                    truth=truth[there],
                )


def slots_of(motion: ClipMotion, *, select: Spread, slots: int) -> list[int]:
    """Numbers of the frames that `mocrop precrop` would keep of a clip, ascending.

    Key frames are those whose pictures are of type I; a clip without any is thinned evenly, as `precrop` does.
    """
    key_frames = motion.intra_frames.tolist()
    chosen: Spread = select if key_frames else "uniform"
    return chosen_frames(chosen, key_frames=key_frames, frames=motion.frames, slots=slots)


@dataclass(frozen=True, kw_only=True, eq=False)
class Places:
    """The frames of a clip that policies are asked for boxes of, and the boxes of the actors in them.

    Attributes:
        asked: numbers of frames, ascending, annotated or not.
        slot: shape (n,): index in ``asked`` of the frame that each row of ``truth`` belongs to.
        truth: shape (n, 4): left, top, right, bottom in fractions, one row per actor and frame; n may be 0.
    """

    asked: Sequence[int]
    slot: IntArray
    truth: DoubleMap


def places_at(clip: AnnotatedClip, asked: Sequence[int]) -> Places:
    """The actors of a clip in some of its frames, ascending."""
    slot = np.searchsorted(asked, clip.frames)
    there = np.append(asked, -1)[slot] == clip.frames
    return Places(asked=asked, slot=slot[there], truth=clip.truth[there])
