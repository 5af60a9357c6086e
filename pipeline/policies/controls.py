"""The controls that any other policy must beat: `full` and `picture`, which do not crop, `center` and `random`."""

from __future__ import annotations

from dataclasses import dataclass

from mocrop.pipeline.choices import Shape, require_choice
from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox
from mocrop.pipeline.policies.bars import picture_inside_bars
from mocrop.pipeline.policies.base import (
    AreaSettings,
    ClipFacts,
    GridBoxSettings,
    PolicyResult,
    PolicySettings,
    box_extent,
)
from mocrop.pipeline.policies.box_search import rectangles
from mocrop.pipeline.policies.density import clip_generator


@dataclass(frozen=True, kw_only=True)
class CenterSettings(AreaSettings):
    """Settings of policy `center`."""

    shape: Shape = "square"  # of the box: a square in pixels as far as the frame allows, or the frame's own

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("shape", self.shape, Shape)


def full_box(_clip: ClipFacts, settings: PolicySettings) -> PolicyResult:
    """Keep the whole frame: the baseline."""
    return PolicyResult(box=WHOLE_FRAME, density=settings.no_density)


def picture_box(clip: ClipFacts, settings: PolicySettings) -> PolicyResult:
    """Keep the whole picture inside black bars: the baseline of crops that happen to cut off bars.

    Raises: LackingMotionError if nobody has looked for bars.
    """
    picture = picture_inside_bars(clip)
    return PolicyResult(box=picture, picture=picture, density=settings.no_density)


def center_box(clip: ClipFacts, settings: CenterSettings) -> PolicyResult:
    """Choose the centred box of the wanted area."""
    across, down = box_extent(clip.size, ratio=settings.ratio, shape=settings.shape)
    left, top = (1 - across) / 2, (1 - down) / 2
    return PolicyResult(box=CropBox(left=left, top=top, right=1 - left, bottom=1 - top), density=settings.no_density)


def random_box(clip: ClipFacts, settings: GridBoxSettings) -> PolicyResult:
    """Draw one of the rectangles that the motion search may choose, each with the same probability."""
    candidates = rectangles(settings.grid, ratio=settings.ratio)
    index = int(clip_generator(settings.seed, clip.name).integers(len(candidates)))
    return PolicyResult(box=candidates.box(index), density=settings.no_density)
