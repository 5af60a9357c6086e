"""The contract of a policy: its settings, its function, and the result that this returns for each clip."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.choices import Camera, require_choice
from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox
from mocrop.pipeline.limits import MAX_SEED, MAX_SIDE_PX, require_number, require_whole
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.policies.box_search import rectangles

MAX_GRID = 128  # rows or columns; with more, the rectangles to choose from would fill a worker's memory
NO_VECTORS = "it has no motion vectors"  # why a policy that needs motion keeps the whole frame of a clip

Shape = Literal["frame", "square"]

PictureSize = tuple[int, int]  # width, height of the upright picture, pixels


@dataclass(frozen=True, kw_only=True)
class PolicyResult:
    """The result of a policy on one clip."""

    box: CropBox
    density: npt.NDArray[np.float32]  # shape (rows, cols): map that the box was found on; zeros if there is none
    usable: bool = True  # False: the box is the whole frame, because the policy had nothing to choose by
    why: str = ""  # what was missing, if not usable


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

    ratio: float = 0.75  # area of the box as a fraction of the frame, above 0 and at most 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("ratio", self.ratio, above=0, most=1)


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


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A way to choose crop boxes.

    Attributes:
        settings: class of its settings.
        decide: function of the clip's motion (None if it has none), the size of its upright picture, its name and an
            instance of ``settings``. It must be pure, so that neither order nor workers matter.
        needs_motion: whether ``decide`` uses the motion.
    """

    settings: type[PolicySettings]
    decide: Callable[[ClipMotion | None, PictureSize, str, Any], PolicyResult]
    needs_motion: bool
