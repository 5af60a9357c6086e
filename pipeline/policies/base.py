"""The contract of a policy: its settings, its function, and the result that this returns for each clip."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.choices import Bars, Camera, Shape, require_choice
from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox
from mocrop.pipeline.errors import LackingMotionError
from mocrop.pipeline.limits import MAX_SEED, MAX_SIDE_PX, require_number, require_whole
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.policies.box_search import rectangles
from mocrop.pipeline.settings import added

LEAST_RATIO = 1e-9  # less than one pixel of the largest picture; float32 could not tell the edges of a box apart
MAX_GRID = 128  # rows or columns; with more, the rectangles to choose from would fill a worker's memory
NO_VECTORS = "it has no motion vectors"  # why a policy that needs motion keeps the whole frame of a clip

PictureSize = tuple[int, int]  # width, height of the upright frame, pixels


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipFacts:
    """What a policy may know of a clip."""

    name: str
    size: PictureSize
    motion: ClipMotion | None = None
    slots: Sequence[int] = ()  # numbers of the frames that need a box, ascending


@dataclass(frozen=True, kw_only=True)
class PolicyResult:
    """The result of a policy on one clip: one box for all of its frames, or one for each slot.

    Attributes:
        box: of the clip; where there is one for each slot, the mean of their edges.
        density: shape (rows, cols), spans ``picture``: map that the clip's box was found on; zeros if there is none.
        slot_boxes: one for each of the slots that were asked for, in their order; empty if ``box`` holds for all.
        picture: part of the frame in which areas, centres and ``density`` count: the frame, or what its bars leave.
        usable: False if the box is the whole frame because the policy had nothing to choose by.
        why: what was missing, if not usable.
    """

    box: CropBox
    density: npt.NDArray[np.float32]
    slot_boxes: tuple[CropBox, ...] = ()
    picture: CropBox = WHOLE_FRAME
    usable: bool = True
    why: str = ""

    def boxes(self, count: int) -> tuple[CropBox, ...]:
        """The boxes of the first ``count`` slots."""
        return self.slot_boxes[:count] or (self.box,) * count


@dataclass(frozen=True, kw_only=True)
class PolicySettings:
    """Settings that every policy has."""

    grid: tuple[int, int] = (6, 8)  # rows, cols of the density map

    def __post_init__(self) -> None:
        if len(self.grid) != 2 or not all(isinstance(side, int) and 1 <= side <= MAX_GRID for side in self.grid):
            raise ValueError(f"grid must be two numbers, rows and cols, from 1 to {MAX_GRID}, not {self.grid}")

    @property
    def no_density(self) -> npt.NDArray[np.float32]:
        """A map of zeros."""
        return np.zeros(self.grid, np.float32)


@dataclass(frozen=True, kw_only=True)
class AreaSettings(PolicySettings):
    """Settings that every policy that crops has."""

    ratio: float = 0.75  # area of the box as a fraction of the frame, LEAST_RATIO to 1
    bars: Bars = added("keep")  # cut: everything counts in the picture inside black bars, the area too

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("ratio", self.ratio, least=LEAST_RATIO, most=1)
        require_choice("bars", self.bars, Bars)


@dataclass(frozen=True, kw_only=True)
class GridBoxSettings(AreaSettings):
    """Settings of the policies whose boxes are rectangles of whole cells.

    Raises: CropBoxError if no rectangle of the grid comes within 10 % of the ratio.
    """

    seed: int = 0  # of everything random, together with the clip's name

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole("seed", self.seed, most=MAX_SEED)
        rectangles(self.grid, ratio=self.ratio)


@dataclass(frozen=True, kw_only=True)
class VectorSettings(GridBoxSettings):
    """Settings of both published policies: which vectors count as motion. Neither default is published."""

    eps_px: float = 0.5  # shorter vectors are noise, pixels; two steps of MPEG-4's and H.264's quarter-pixel grid
    camera: Camera = "ignore"  # compensate: motion is what differs from the camera's, pixels per frame

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("eps_px", self.eps_px, least=0, most=MAX_SIDE_PX)
        require_choice("camera", self.camera, Camera)


def box_extent(picture: PictureSize, *, ratio: float, shape: Shape) -> tuple[float, float]:
    """Width and height of a box in fractions of the picture; a square that does not fit keeps its area, not its shape.

    >>> box_extent((320, 240), ratio=0.25, shape="frame"), box_extent((320, 240), ratio=0.75, shape="square")
    ((0.5, 0.5), (0.75, 1.0))
    """
    if shape == "frame":
        return math.sqrt(ratio), math.sqrt(ratio)
    width, height = picture
    side = math.sqrt(ratio * width * height)
    return max(min(side / width, 1.0), ratio), max(min(side / height, 1.0), ratio)


def whole_frame(settings: PolicySettings, *, why: str) -> PolicyResult:
    """The result for a clip that a policy cannot crop, and why it cannot."""
    return PolicyResult(box=WHOLE_FRAME, density=settings.no_density, usable=False, why=why)


def too_old(clip: ClipFacts, lack: str) -> LackingMotionError:
    """The error for a motion store that does not tell what a policy needs.

    Args:
        lack: what, as the end of a sentence.
    """
    return LackingMotionError(
        f"{clip.name}: an older mocrop wrote motion.zarr, {lack}; remove the folder motion.zarr and run "
        "`mocrop extract-mv` again"
    )


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A way to choose crop boxes.

    Attributes:
        settings: class of its settings.
        box: function of what is known of a clip and an instance of ``settings``; called by
            :func:`~mocrop.pipeline.policies.registry.decide`. It must be pure, so that neither order nor workers
            matter.
        needs_motion: whether ``box`` uses the motion.
        needs_times_or_bars: whether it uses what stores of an older mocrop lack.
    """

    settings: type[PolicySettings]
    box: Callable[[ClipFacts, Any], PolicyResult]
    needs_motion: bool
    needs_times_or_bars: bool = False
