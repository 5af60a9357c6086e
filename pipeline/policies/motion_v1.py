"""The policy `motion`, version 1 of the method: the rectangle that holds most of a sample of the moving vectors."""

from __future__ import annotations

from dataclasses import dataclass

from mocrop.pipeline.limits import require_whole
from mocrop.pipeline.policies.base import NO_VECTORS, ClipFacts, PolicyResult, VectorSettings, whole_frame
from mocrop.pipeline.policies.box_search import find_box
from mocrop.pipeline.policies.density import density_map

MAX_SAMPLES = 100_000_000  # more would fill a worker's memory


@dataclass(frozen=True, kw_only=True)
class MotionSettings(VectorSettings):
    """Settings of policy `motion`."""

    # The number of samples is not published. With this one the share in a box has a standard error below 0.5 %.
    samples: int = 10_000  # vectors drawn per clip

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole("samples", self.samples, least=1, most=MAX_SAMPLES)


def motion_v1_box(clip: ClipFacts, settings: MotionSettings) -> PolicyResult:
    """Choose the rectangle of whole cells that holds most of a random sample of the moving vectors.

    Source: arXiv 2509.18473v1, section 2.
    """
    if clip.motion is None:
        return whole_frame(settings, why=NO_VECTORS)
    density = density_map(
        clip.motion,
        clip=clip.name,
        grid=settings.grid,
        eps_px=settings.eps_px,
        samples=settings.samples,
        seed=settings.seed,
        camera=settings.camera,
    )
    if not density.any():
        return whole_frame(settings, why=f"no motion vector is {settings.eps_px:g} pixels long or longer")
    return PolicyResult(box=find_box(density, ratio=settings.ratio), density=density)
