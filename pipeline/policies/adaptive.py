"""The policy `adaptive`: a box on the motion left after compensating the camera's, with a prior for the centre."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.choices import Camera, Shape, require_choice
from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.limits import require_number
from mocrop.pipeline.motion.camera import following_distance_px
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.residual import camera_speed, speeds
from mocrop.pipeline.policies.base import (
    MAX_GRID,
    NO_VECTORS,
    AreaSettings,
    ClipFacts,
    PolicyResult,
    box_extent,
    whole_frame,
)
from mocrop.pipeline.policies.density import cells, visible_vectors

FEW_VECTORS = 10.0  # number of vectors, per frame and per clip, at which the evidence counts half; damps stray ones
NOTHING = 1e-12  # sum of moves that rounding can leave of a pan that everything follows
PRODUCT = 1 << 18  # multiplications; of more OpenBLAS lets all cores work, which wait for each other most of the time
NOTHING_MOVES = "nothing moves in it apart from the camera"

DoubleMap = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class AdaptiveSettings(AreaSettings):
    """Settings of policy `adaptive`, which is our own.

    docs/adaptive.md tells how the constants were found, and how little changes with 30 % more or less of each.
    """

    grid: tuple[int, int] = (24, 32)
    camera: Camera = "compensate"  # motion is what differs from the camera's
    shape: Shape = "frame"  # of the box: the frame's own, or a square in pixels as far as the frame allows
    blur_cells: float = 2.0  # standard deviation of the blur of the density, cells
    prior_size: float = 0.22  # standard deviation of the centre prior, fractions of the frame's width and height
    prior_still: float = 0.4  # weight of the prior, against 1 for all motion, when the camera stands still
    prior_moving: float = 3.0  # what is added to that weight when the camera moves all the time

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("camera", self.camera, Camera)
        require_choice("shape", self.shape, Shape)
        require_number("blur_cells", self.blur_cells, least=0, most=MAX_GRID)
        require_number("prior_size", self.prior_size, least=0.01, most=1000)  # less would leave a map of zeros
        for name in ("prior_still", "prior_moving"):
            require_number(name, getattr(self, name), least=0, most=1e6)


def adaptive_box(clip: ClipFacts, settings: AdaptiveSettings) -> PolicyResult:
    """Choose the box that holds the most of the clip's motion and of the centre prior together."""
    if clip.motion is None:
        return whole_frame(settings, why=NO_VECTORS)
    own = own_motion(clip.motion, settings)
    if own is None:
        return whole_frame(settings, why=NOTHING_MOVES)
    evidence = motion_density(own) + prior(clip.motion, settings)
    extent = box_extent(clip.size, ratio=settings.ratio, shape=settings.shape)
    (box,) = fullest_boxes(evidence[np.newaxis], extent=extent)
    return PolicyResult(box=box, density=evidence.astype(np.float32))


def own_motion(motion: ClipMotion, settings: AdaptiveSettings) -> OwnMotion | None:
    """Weigh the vectors of a clip by :func:`departs`; None if nothing moves."""
    vectors = visible_vectors(motion, eps_px=0)
    moves = departs(speeds(motion, camera=settings.camera)[vectors], motion)
    total = float(moves.sum())
    if total < NOTHING:
        return None
    frame = motion.frame[vectors].astype(np.intp)
    in_frame = np.bincount(frame, moves, minlength=motion.frames).astype(np.float64, copy=False)
    return OwnMotion(
        grid=settings.grid,
        blur_cells=settings.blur_cells,
        frame=frame,
        cell=cells(motion, vectors, grid=settings.grid),
        total=total,
        in_frame=in_frame,
        share=moves / (in_frame + FEW_VECTORS)[frame],
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnMotion:
    """Where and when a clip's content moves apart from the camera, vector by vector.

    Attributes:
        grid: rows, cols of the maps to make.
        blur_cells: standard deviation of their blur, cells.
        frame: intp, shape (n,): frame of each visible vector, ascending.
        cell: intp, shape (n,): its cell, row by row.
        share: float64, shape (n,): how likely it is motion, see :func:`departs`, divided so that every frame with many
            moving vectors counts about the same.
        in_frame: float64, shape (frames,): how many vectors of each frame move, by the sum of :func:`departs`.
        total: the same of the clip.
    """

    grid: tuple[int, int]
    blur_cells: float
    frame: npt.NDArray[np.intp]
    cell: npt.NDArray[np.intp]
    share: DoubleMap
    in_frame: DoubleMap
    total: float

    def summed(self) -> DoubleMap:
        """Sum ``share`` by cell: float64, shape grid."""
        by_cell = np.bincount(self.cell, self.share, minlength=math.prod(self.grid))
        return np.asarray(by_cell.reshape(self.grid), np.float64)

    def by_frame(self, frames: slice) -> DoubleMap:
        """Sum ``share`` by cell in each of some frames: float64, shape (frames, rows * cols)."""
        count, cells_per_frame = frames.stop - frames.start, math.prod(self.grid)
        some = slice(*np.searchsorted(self.frame, [frames.start, frames.stop]).tolist())
        place = self.frame[some] * cells_per_frame
        place += self.cell[some] - frames.start * cells_per_frame
        by_cell = np.bincount(place, self.share[some], minlength=count * cells_per_frame)
        return np.asarray(by_cell.reshape(count, -1), np.float64)

    def excess(self, summed: DoubleMap) -> DoubleMap:
        """Blur maps, and keep of each what is above its mean, as a share of its sum; zeros for a map of zeros.

        Args:
            summed: float64, shape (..., rows, cols).
        """
        down, across = (_blur(count, self.blur_cells) for count in self.grid)
        blurred = _both_ways(down, summed, across)
        total = blurred.sum(axis=(-2, -1), keepdims=True)
        return np.asarray(np.maximum(blurred / np.where(total > 0, total, 1) - 1 / math.prod(self.grid), 0))


def motion_density(own: OwnMotion) -> DoubleMap:
    """Map where there is more motion than on average.

    A vector counts by :func:`departs`, and every frame with many moving vectors counts about the same.

    Returns: float64, shape grid: non-negative, sum below 1: near 1 if all motion is in few cells, near 0 if it is
        everywhere or nearly nothing moves.
    """
    return np.asarray(own.excess(own.summed()) * trust(own.total))


def trust(total: float | DoubleMap) -> Any:
    """How far a map is to be believed that so many moving vectors make: 0 to 1."""
    return total / (total + FEW_VECTORS)


def prior(motion: ClipMotion, settings: AdaptiveSettings) -> DoubleMap:
    """The centre prior with its weight: the more the camera moves, the more its operator is to be trusted."""
    weight = settings.prior_still + settings.prior_moving * camera_share(motion)
    return np.asarray(weight * centre_prior(settings.grid, size=settings.prior_size))


def camera_share(motion: ClipMotion) -> float:
    """How much of the time the camera moves: 0 for a tripod, towards 1 for a camera that never rests."""
    speed = camera_speed(motion)
    return float(departs(speed, motion).mean()) if len(speed) else 0.0


def departs(speed: npt.NDArray[np.floating], motion: ClipMotion) -> DoubleMap:
    """How likely speeds are motion and not noise: 0 at rest, 0.5 at the following distance, towards 1 above it.

    Args:
        speed: pixels per frame.
    """
    squared = speed.astype(np.float64) ** 2
    return squared / (squared + following_distance_px(motion.width, motion.height) ** 2)


def centre_prior(grid: tuple[int, int], *, size: float) -> DoubleMap:
    """A Gaussian around the centre of the picture, where camera operators keep what they film.

    Args:
        grid: rows, cols.
        size: standard deviation, as a fraction of the picture's width and height.
    Returns: float64, shape grid, sum 1.
    """
    down, across = (np.exp(-((_middles(count) - 0.5) ** 2) / (2 * size**2)) for count in grid)
    prior = np.outer(down, across)
    return np.asarray(prior / prior.sum())


def fullest_boxes(evidence: DoubleMap, *, extent: tuple[float, float]) -> list[CropBox]:
    """Find the box of one size that holds the most of each map; of equals the most central.

    Boxes may start at about as many places per side as there are cells. They may cut through cells, so their size is
    exact. Equal means equal to a billionth of the map's sum.

    Args:
        evidence: float64, shape (maps, rows, cols), non-negative.
        extent: width and height of the box, fractions of the picture.
    """
    lefts, tops, across, down, central_first = _places(evidence.shape[1:], extent)
    held = _both_ways(down, evidence, across)
    total = evidence.sum(axis=(1, 2), keepdims=True)
    score = np.rint(held / np.where(total > 0, total, 1) * 1e9)
    best = central_first[score.reshape(len(evidence), -1)[:, central_first].argmax(axis=1)]
    starts = zip(lefts[best % len(lefts)].tolist(), tops[best // len(lefts)].tolist(), strict=True)
    return [
        CropBox(left=left, top=top, right=min(left + extent[0], 1.0), bottom=min(top + extent[1], 1.0))
        for left, top in starts
    ]


@lru_cache(maxsize=8)
def _places(
    grid: tuple[int, int], extent: tuple[float, float]
) -> tuple[DoubleMap, DoubleMap, DoubleMap, DoubleMap, npt.NDArray[np.intp]]:
    """Where boxes of one size may start in a grid.

    Returns: left and top edges; the shares of columns and of rows that lie in the boxes that start there, see
        :func:`_overlaps`; and the order of all places, row by row, from the centre outwards.
    """
    rows, cols = grid
    lefts, tops = (_starts(count, length) for count, length in ((cols, extent[0]), (rows, extent[1])))
    off_centre = np.add.outer((tops - (1 - extent[1]) / 2) ** 2, (lefts - (1 - extent[0]) / 2) ** 2)
    central_first = np.argsort(off_centre, axis=None, kind="stable")
    return lefts, tops, _overlaps(cols, lefts, extent[0]), _overlaps(rows, tops, extent[1]), central_first


def _starts(count: int, length: float) -> DoubleMap:
    """Where boxes of a length may start, in fractions: evenly spaced, the centred one among them.

    There are as many starts as cells, or one more, because only an odd number has a middle.
    """
    if count == 1 or length >= 1:
        return np.array([(1 - length) / 2])
    return np.linspace(0, 1 - length, 2 * (count // 2) + 1)


def _overlaps(count: int, starts: DoubleMap, length: float) -> DoubleMap:
    """Share of each of ``count`` equal cells that lies in each box, along one side: shape (boxes, cells)."""
    edges = np.arange(count + 1) / count
    inside = np.clip(edges, starts[:, np.newaxis], starts[:, np.newaxis] + length)
    return np.diff(inside, axis=1) * count


def _both_ways(down: DoubleMap, maps: DoubleMap, across: DoubleMap) -> DoubleMap:
    """Multiply the columns and the rows of maps, shape (..., rows, cols), by a matrix each."""
    half = down @ maps
    whole = product(half.reshape(-1, half.shape[-1]), across.T)
    return whole.reshape(*half.shape[:-1], len(across))


def product(left: DoubleMap, right: DoubleMap) -> DoubleMap:
    """Matrix product, in pieces along the longer side that one core works on: see PRODUCT."""
    (rows, inner), cols = left.shape, right.shape[1]
    result = np.empty((rows, cols))
    if rows >= cols:
        step = max(1, PRODUCT // (inner * cols))
        for start in range(0, rows, step):
            np.matmul(left[start : start + step], right, out=result[start : start + step])
    else:
        step = max(1, PRODUCT // (rows * inner))
        for start in range(0, cols, step):
            result[:, start : start + step] = left @ right[:, start : start + step]
    return result


@lru_cache(maxsize=8)
def _blur(count: int, sigma_cells: float) -> DoubleMap:
    """Unnormalised Gaussian blur along one side as a matrix, (count, count); what it moves over the edge is lost."""
    if sigma_cells < 0.1:  # the next cell would get exp(-50), and dividing by the smallest numbers would overflow
        return np.eye(count)
    distance = np.subtract.outer(np.arange(count), np.arange(count))
    return np.asarray(np.exp(-0.5 * (distance / sigma_cells) ** 2))


def _middles(count: int) -> DoubleMap:
    """Centres of ``count`` equal cells, in fractions."""
    return (np.arange(count) + 0.5) / count
