"""Turn the motion vectors of one clip into dense motion fields, one for each chosen frame, cropped like the frame.

The field of a frame is the mean motion over the frames from it on (:func:`field_frames`), as a key frame has no vectors
of its own. It is the motion of the picture content forward in time, x to the right and y down, in pixels of the cropped
and scaled frame per frame of the video, stored as int8 in steps of a sixteenth of a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.cache.layout import STEPS_PER_PIXEL
from mocrop.pipeline.choices import Camera, require_choice
from mocrop.pipeline.crop_box import CropBox, PixelEdges
from mocrop.pipeline.limits import MAX_SIDE_PX, require_whole
from mocrop.pipeline.motion.block_raster import BlockRaster, DoubleMap
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.residual import finite_camera

MAX_STEPS = 127  # faster motion, 8 pixels per frame and more, is clipped
HALF_MARGIN = 2.0**-20  # steps; products of matrices differ by about 2**-40 between processors

Fields = npt.NDArray[np.int8]  # (slots, 2, side, side)


@dataclass(frozen=True, kw_only=True)
class MotionFieldSettings:
    """How the motion fields of a crop cache are made."""

    side: int = 56  # cells, both sides of a field; one for every 4 pixels of a 224 px frame
    span: int = 12  # most frames that a field is the mean of; transcode sets key frames as far apart
    camera: Camera = "ignore"  # compensate: the camera's motion is subtracted

    def __post_init__(self) -> None:
        require_whole("side of the motion fields", self.side, least=1, most=MAX_SIDE_PX)
        require_whole("span of the motion fields", self.span, least=1)
        require_choice("camera", self.camera, Camera)


def dense_motion(
    motion: ClipMotion,
    numbers: Sequence[int],
    *,
    boxes: Sequence[CropBox],
    size: int,
    settings: MotionFieldSettings,
    contents: Sequence[PixelEdges] | None = None,
    ahead: int | None = None,
) -> Fields:
    """Make the motion fields of the chosen frames of a clip, each inside the crop box of its frame.

    A cell of a field is the mean over the part of the picture that it covers. A block without a vector, because it
    stands still or is intra-coded, counts as one that does not move. Frames without vectors at all do not count.

    Args:
        numbers: frame numbers of the chosen frames, ascending.
        boxes: part of the picture that each of the cropped frames shows, (len(numbers),).
        size: side of the cropped and scaled frames, pixels.
        contents: the part of each frame that shows its crop, as the cropper tells; nothing moves in the rest, which is
            padding. None: all of it.
        ahead: most frames from each chosen frame on that make its field, whatever is chosen behind it, as in windows,
            where it is the distance of their frames; None: those up to the next chosen frame.
    Returns: int8, shape (len(numbers), 2, side, side): motion in x and in y.
    Raises: ValueError if the camera's motion is not finite.
    """

    @lru_cache(maxsize=1)  # of the neighbouring slots, which mostly have the same box
    def grid_of(box: CropBox, content: PixelEdges) -> _FieldGrid:
        return _field_grid(motion, box, content, size=size, side=settings.side)

    contents = contents or [(0, 0, size, size)] * len(boxes)
    coded = (motion.vectors_per_frame + motion.zero_vectors) > 0
    fields = np.zeros((len(numbers), 2, settings.side, settings.side), np.int8)
    for slot, (box, content) in enumerate(zip(boxes, contents, strict=True)):
        frames = (
            field_frames(numbers, slot, coded=coded, span=settings.span)
            if ahead is None
            else frames_ahead(numbers[slot], coded=coded, ahead=ahead, span=settings.span)
        )
        count = int(np.count_nonzero(coded[frames.start : frames.stop]))
        if count:
            grid = grid_of(box, content)
            field = grid.raster.painted(frames)
            if settings.camera == "compensate":
                field -= _camera_field(motion, frames, rows=grid.rows, columns=grid.columns)
            fields[slot] = _rounded(field * (grid.steps_per_px / count))
    return fields


@dataclass(frozen=True, kw_only=True, eq=False)
class _FieldGrid:
    """The cells of a motion field in the picture."""

    raster: BlockRaster
    rows: DoubleMap  # edges of the cells, pixels of the picture; equal on both sides of a cell in the padding
    columns: DoubleMap
    steps_per_px: DoubleMap  # (2, side, side): of x and y; less in cells that are padding in part, none in the others


def _field_grid(motion: ClipMotion, box: CropBox, content: PixelEdges, *, size: int, side: int) -> _FieldGrid:
    left, top, right, bottom = box.pixels(motion.width, motion.height)
    columns, wide = _axis(left, right, side=side, content=(content[0] / size, content[2] / size))
    rows, high = _axis(top, bottom, side=side, content=(content[1] / size, content[3] / size))
    scale = np.array([content[2] - content[0], content[3] - content[1]]) / [right - left, bottom - top]
    steps_per_px = STEPS_PER_PIXEL * scale.reshape(2, 1, 1) * (high[:, np.newaxis] * wide)
    raster = BlockRaster(motion, rows=rows, columns=columns)
    return _FieldGrid(raster=raster, rows=rows, columns=columns, steps_per_px=steps_per_px)


def _axis(start: int, stop: int, *, side: int, content: tuple[float, float]) -> tuple[DoubleMap, DoubleMap]:
    """Edges of the cells along one side of a field, and how much of each cell is not padding.

    Args:
        start, stop: of the crop, pixels of the picture.
        content: where it lies in the frame, fractions.
    Returns: float64, (side + 1,) and (side,).
    """
    if content == (0.0, 1.0):
        return np.linspace(start, stop, side + 1), np.ones(side)
    shares = np.linspace(0, 1, side + 1)
    inside = np.clip(shares, *content)
    edges = start + (inside - content[0]) * ((stop - start) / (content[1] - content[0]))
    return edges, np.diff(inside) * side


def field_frames(numbers: Sequence[int], slot: int, *, coded: npt.NDArray[np.bool_], span: int) -> range:
    """Find the frames whose motion makes the field of a chosen frame.

    These are the frames from it to just before the next chosen one, at most ``span``. Where none of them has vectors,
    as for a key frame at the end of a clip, they are the ``span`` frames up to and including it.

    >>> coded = np.array([False, True, True, False, True, True, False])  # key frames 0, 3 and 6
    >>> [field_frames([0, 3, 6], slot, coded=coded, span=12) for slot in range(3)]
    [range(0, 3), range(3, 6), range(0, 7)]

    Args:
        numbers: frame numbers of all chosen frames, ascending; the field is that of ``numbers[slot]``.
        coded: bool, shape (frames,): whether a frame has vectors.
        span: most frames.
    """
    first = min(numbers[slot], len(coded) - 1)
    following = min([first + span, len(coded), *numbers[slot + 1 : slot + 2]])
    if coded[first:following].any():
        return range(first, following)
    return range(max(0, first + 1 - span), first + 1)


def frames_ahead(first: int, *, coded: npt.NDArray[np.bool_], ahead: int, span: int) -> range:
    """Find the frames whose motion makes the field of a frame of a window: the next ``ahead``, at most ``span``.

    Where none of these has vectors, as for a key frame in a window without gaps, they reach to the first of ``span``
    frames that has; where there is none, as at the end of a clip, they are the ``span`` frames up to and including it.

    >>> coded = np.array([False, True, True, False, True, True, False])  # key frames 0, 3 and 6
    >>> [frames_ahead(first, coded=coded, ahead=1, span=12) for first in (1, 3, 6)]
    [range(1, 2), range(3, 5), range(0, 7)]

    Args:
        first: number of the frame.
        coded, span: as for :func:`field_frames`.
    """
    near = coded[first : first + span]
    if not near.any():
        return field_frames([first], 0, coded=coded, span=span)
    return range(first, min(first + max(min(ahead, span), int(near.argmax()) + 1), len(coded)))


def _camera_field(motion: ClipMotion, frames: range, *, rows: DoubleMap, columns: DoubleMap) -> DoubleMap:
    """Sum the camera's motion at the centre of every cell over some frames: float64, shape (2, rows, columns).

    Args:
        rows, columns: edges of the cells, pixels of the picture.
    """
    total = finite_camera(motion)[frames.start : frames.stop].sum(axis=0)
    shift, by_x, by_y = total.reshape(2, 3).T.reshape(3, 2, 1, 1)
    x, y = (columns[1:] + columns[:-1] - motion.width) / 2, (rows[1:] + rows[:-1] - motion.height) / 2
    return np.asarray(shift + by_x * x + by_y * y[:, np.newaxis])


def _rounded(steps: DoubleMap) -> Fields:
    """Round to whole steps and clip; halves go away from zero, with a margin for rounding errors of the processor."""
    away = np.copysign(0.5 + HALF_MARGIN, steps)
    return np.clip(np.trunc(steps + away), -MAX_STEPS, MAX_STEPS).astype(np.int8)
