"""The policy `motion-v2`, version 2 of the method: the densest rectangle of a sample of the fastest vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.limits import require_number
from mocrop.pipeline.motion.residual import speeds
from mocrop.pipeline.policies.base import NO_VECTORS, ClipFacts, PolicyResult, VectorSettings, whole_frame
from mocrop.pipeline.policies.box_search import rectangles
from mocrop.pipeline.policies.density import cells, clip_generator, visible_vectors

IntArray = npt.NDArray[np.intp]
FloatMap = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class MotionV2Settings(VectorSettings):
    """Settings of policy `motion-v2`. All are published but eps_px and the seed."""

    grid: tuple[int, int] = (9, 16)
    keep: float = 0.01  # share of the vectors that are kept, the fastest
    beta: float = 4.0  # a kept vector is drawn with a probability proportional to speed**beta
    gamma: float = 0.1  # number of draws, as a share of the kept vectors
    sum_weight: float = 0.6  # weight of a rectangle's sum in its score; the rest is the weight of its mean

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("keep", "gamma"):
            require_number(name, getattr(self, name), above=0, most=1)
        require_number("beta", self.beta, least=0, most=1e6)
        require_number("sum_weight", self.sum_weight, least=0, most=1)


def motion_v2_box(clip: ClipFacts, settings: MotionV2Settings) -> PolicyResult:
    """Choose the rectangle with the best score on a speed-weighted sample of the fastest vectors."""
    motion = clip.motion
    if motion is None:
        return whole_frame(settings, why=NO_VECTORS)
    pool = visible_vectors(motion, eps_px=settings.eps_px, camera=settings.camera)
    if not len(pool):
        return whole_frame(settings, why=f"no motion vector is {settings.eps_px:g} pixels long or longer")
    speed = speeds(motion, camera=settings.camera)
    drawn = sample(speed, fastest(speed, pool, keep=settings.keep), clip=clip.name, settings=settings)
    counts = np.bincount(cells(motion, drawn, grid=settings.grid), minlength=math.prod(settings.grid))
    density = counts.reshape(settings.grid).astype(np.float32)
    return PolicyResult(box=best_box(density, ratio=settings.ratio, sum_weight=settings.sum_weight), density=density)


def fastest(speed: FloatMap, pool: IntArray, *, keep: float) -> IntArray:
    """Indices of the fastest share ``keep`` of some vectors, at least one; of equals the first in the clip.

    >>> fastest(np.array([1, 3, 2, 3], np.float32), np.arange(4), keep=0.5)
    array([1, 3])
    """
    order = np.argsort(-speed[pool], kind="stable")
    return np.sort(pool[order[: math.ceil(keep * len(pool))]])


def sample(speed: FloatMap, kept: IntArray, *, clip: str, settings: MotionV2Settings) -> IntArray:
    """Draw vectors with replacement, with probability proportional to speed**beta; at least one.

    Returns: intp, shape (draws,): indices of vectors of the clip.
    """
    relative = speed[kept].astype(np.float64) / max(float(speed[kept].max()), 1e-30)
    weight = relative**settings.beta
    draws = math.ceil(settings.gamma * len(kept))
    return clip_generator(settings.seed, clip).choice(kept, draws, p=weight / weight.sum())


def best_box(density: FloatMap, *, ratio: float, sum_weight: float) -> CropBox:
    """Find the rectangle of whole cells with the best weighted mean of its sum and its mean; the first of equals.

    Args:
        density: counts, shape (rows, cols), not all zero.
        ratio: wanted area of the box as a fraction of the frame.
        sum_weight: weight of the sum, in [0, 1].
    Raises: CropBoxError if no rectangle comes within 10 % of the ratio.
    """
    candidates = rectangles(density.shape, ratio=ratio)
    total = candidates.sums(density)
    mean = total / candidates.cells[:, 2:].prod(axis=1)
    # How the two are scaled is not published. Here each is divided by the largest of any candidate, so that both lie
    # in [0, 1]. Areas differ by 22 % at most, so the mean only prefers the smaller of two with about the same sum.
    score = sum_weight * (total / float(total.max())) + (1 - sum_weight) * (mean / float(mean.max()))
    return candidates.box(int(score.argmax()))
