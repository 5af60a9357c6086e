"""Policies: from a clip's motion to the box that all its frames are cropped to. A new one registers in POLICIES."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mocrop.pipeline import adaptive, maps, motion_v2
from mocrop.pipeline.boxes import WHOLE_FRAME, CropBox, find_box, rectangles
from mocrop.pipeline.choices import require_choice
from mocrop.pipeline.density import clip_generator, density_map
from mocrop.pipeline.motion import ClipMotion
from mocrop.pipeline.policy import (
    AreaSettings,
    GridBoxSettings,
    PictureSize,
    Policy,
    PolicyResult,
    PolicySettings,
    Shape,
    VectorSettings,
    box_extent,
    whole_frame,
)


@dataclass(frozen=True, kw_only=True)
class CenterSettings(AreaSettings):
    """The control that every policy must beat."""

    shape: Shape = "square"  # in pixels, as far as the frame allows; or the frame's own shape

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("shape", self.shape, Shape)


@dataclass(frozen=True, kw_only=True)
class MotionSettings(VectorSettings):
    """Version 1 of the method. The sample's size is not published; this is our choice."""

    samples: int = 10_000  # vectors drawn a clip; the share of a box then has a standard error below 0.5 %

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples < 1:
            raise ValueError(f"samples must be at least 1, not {self.samples}")


def _full(_motion: ClipMotion | None, _picture: PictureSize, _clip: str, settings: PolicySettings) -> PolicyResult:
    """No crop: the baseline."""
    return PolicyResult(box=WHOLE_FRAME, density=settings.no_density)


def _center(_motion: ClipMotion | None, picture: PictureSize, _clip: str, settings: CenterSettings) -> PolicyResult:
    """The centred box of the wanted area."""
    across, down = box_extent(picture, ratio=settings.ratio, shape=settings.shape)
    left, top = (1 - across) / 2, (1 - down) / 2
    return PolicyResult(box=CropBox(left=left, top=top, right=1 - left, bottom=1 - top), density=settings.no_density)


def _random(_motion: ClipMotion | None, _picture: PictureSize, clip: str, settings: GridBoxSettings) -> PolicyResult:
    """One of the rectangles that the motion search may choose, each as likely as the others."""
    candidates = rectangles(settings.grid, ratio=settings.ratio)
    index = int(clip_generator(settings.seed, clip).integers(len(candidates)))
    return PolicyResult(box=candidates.box(index), density=settings.no_density)


def _motion(motion: ClipMotion | None, _picture: PictureSize, clip: str, settings: MotionSettings) -> PolicyResult:
    """Version 1: the rectangle of cells that holds most of a random sample of the moving vectors."""
    if motion is None:
        return whole_frame(settings, why="there are no motion vectors of it")
    density = density_map(
        motion,
        clip=clip,
        grid=settings.grid,
        eps_px=settings.eps_px,
        samples=settings.samples,
        seed=settings.seed,
        camera=settings.camera,
    )
    if not density.any():
        return whole_frame(settings, why=f"no motion vector is {settings.eps_px:g} pixels long or longer")
    return PolicyResult(box=find_box(density, ratio=settings.ratio), density=density)


POLICIES: Mapping[str, Policy] = MappingProxyType(
    {
        "full": Policy(settings=PolicySettings, decide=_full, needs_motion=False),
        "center": Policy(settings=CenterSettings, decide=_center, needs_motion=False),
        "random": Policy(settings=GridBoxSettings, decide=_random, needs_motion=False),
        "motion": Policy(settings=MotionSettings, decide=_motion, needs_motion=True),
        "motion-v2": Policy(settings=motion_v2.MotionV2Settings, decide=motion_v2.decide, needs_motion=True),
        "adaptive": Policy(settings=adaptive.AdaptiveSettings, decide=adaptive.decide, needs_motion=True),
        maps.POLICY: Policy(settings=maps.MapsSettings, decide=maps.decide, needs_motion=False),
    }
)
