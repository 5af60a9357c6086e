"""Version 1 of the method: the rectangle of cells that holds most of a sample of the moving vectors."""

from __future__ import annotations

from dataclasses import dataclass

from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.policies.base import (
    PictureSize,
    PolicyResult,
    VectorSettings,
    whole_frame,
)
from mocrop.pipeline.policies.box_search import find_box
from mocrop.pipeline.policies.density import density_map


@dataclass(frozen=True, kw_only=True)
class MotionSettings(VectorSettings):
    """Version 1 of the method. The sample's size is not published; this is our choice."""

    samples: int = 10_000  # vectors drawn a clip; the share of a box then has a standard error below 0.5 %

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples < 1:
            raise ValueError(f"samples must be at least 1, not {self.samples}")


def motion_v1_box(
    motion: ClipMotion | None, _picture: PictureSize, clip: str, settings: MotionSettings
) -> PolicyResult:
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
