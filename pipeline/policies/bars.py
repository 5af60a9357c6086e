"""Let a policy see only the picture inside black bars: its motion, its size, and so its areas and centres."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox
from mocrop.pipeline.errors import MotionStoreError
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.policies.base import ClipFacts, PolicyResult, too_old

Edges = tuple[int, int, int, int]  # left, top, right, bottom, pixels

_LIMIT = 32767  # of int16, both ways


def picture_inside_bars(clip: ClipFacts) -> CropBox:
    """The picture inside the black bars of a clip; the whole frame if it has none.

    Raises: LackingMotionError if nobody has looked for bars.
    """
    left, top, right, bottom = _edges(clip)
    width, height = _motion(clip).width, _motion(clip).height
    return CropBox(left=left / width, top=top / height, right=right / width, bottom=bottom / height)


def decide_in_picture(clip: ClipFacts, settings: Any, *, box: Callable[[ClipFacts, Any], PolicyResult]) -> PolicyResult:
    """Let a policy choose as if the picture inside the bars were the frame.

    Args:
        box: of the policy.
    Returns: its result, boxes in fractions of the frame; a clip that it cannot crop keeps the whole picture.
    Raises: LackingMotionError if nobody has looked for bars.
    """
    picture = picture_inside_bars(clip)
    if picture == WHOLE_FRAME:
        return box(clip, settings)
    motion = cropped_motion(_motion(clip), _edges(clip))
    result = box(dataclasses.replace(clip, motion=motion, size=(motion.width, motion.height)), settings)
    return dataclasses.replace(
        result,
        box=result.box.placed_in(picture),
        slot_boxes=tuple(each.placed_in(picture) for each in result.slot_boxes),
        picture=picture,
    )


def cropped_motion(motion: ClipMotion, edges: Edges) -> ClipMotion:
    """The same motion in a part of the frame: positions count from its corner, the camera's motion from its centre.

    Vectors outside of the part stay; they lie outside of the picture, as those of a codec's padding do.

    Args:
        edges: of the part.
    """
    left, top, right, bottom = edges
    shift_x, shift_y = (left + right - motion.width) / 2, (top + bottom - motion.height) / 2
    camera = motion.camera.astype(np.float64)
    for first in (0, 3):
        camera[:, first] += shift_x * camera[:, first + 1] + shift_y * camera[:, first + 2]
    return dataclasses.replace(
        motion,
        width=right - left,
        height=bottom - top,
        x=_moved(motion.x, left),
        y=_moved(motion.y, top),
        camera=camera.astype(np.float32),
        picture=(0, 0, right - left, bottom - top),
    )


def _moved(positions: npt.NDArray[np.int16], start: int) -> npt.NDArray[np.int16]:
    return np.clip(positions.astype(np.int32) - start, -_LIMIT, _LIMIT).astype(np.int16)


def _edges(clip: ClipFacts) -> Edges:
    picture = _motion(clip).picture
    if picture is None:
        raise too_old(clip, "which did not look for black bars")
    return picture


def _motion(clip: ClipFacts) -> ClipMotion:
    if clip.motion is None:
        raise MotionStoreError(f"{clip.name}: its black bars are not known; run `mocrop extract-mv` first")
    return clip.motion
