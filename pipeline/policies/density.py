"""Turn the motion vectors of one clip into a density map: how many of a random sample of them lie in each cell."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.choices import Camera
from mocrop.pipeline.motion.clip_motion import QUARTER_PIXELS, ClipMotion
from mocrop.pipeline.motion.residual import speeds

VECTORS_AT_ONCE = 1 << 18  # temporary arrays take about 30 bytes per vector, and a film has hundreds of millions


def clip_generator(seed: int, clip: str) -> np.random.Generator:
    """A random generator that depends on the seed and the clip's name alone, not on order, worker or process.

    >>> clip_generator(0, "Surfing/a").random() == clip_generator(0, "Surfing/a").random()
    True
    """
    digest = hashlib.sha256(clip.encode("utf-8", "surrogateescape")).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, "big")])


def density_map(
    motion: ClipMotion,
    *,
    clip: str,
    grid: tuple[int, int],
    eps_px: float,
    samples: int,
    seed: int,
    camera: Camera = "ignore",
) -> npt.NDArray[np.float32]:
    """Compute the density map of version 1: pool the vectors of all frames, drop the short ones, sample, count.

    Args:
        clip: name of the clip; the sample depends on it and on ``seed``.
        grid: rows, cols.
        eps_px: vectors shorter than this are noise, pixels.
        samples: vectors to draw, each at most once; of a clip with fewer, all are taken.
        seed: of the sample.
        camera: with "compensate", the length that counts is of the difference from the camera's motion.
    Returns: float32, shape grid: counts; all zeros if no vector is left.
    Source: arXiv 2509.18473v1, section 2.
    """
    pool = visible_vectors(motion, eps_px=eps_px, camera=camera)
    if len(pool) > samples:
        pool = clip_generator(seed, clip).choice(pool, samples, replace=False, shuffle=False)
    counts = np.bincount(cells(motion, pool, grid=grid), minlength=grid[0] * grid[1])
    return counts.reshape(grid).astype(np.float32)


def visible_vectors(motion: ClipMotion, *, eps_px: float, camera: Camera = "ignore") -> npt.NDArray[np.intp]:
    """Indices of the vectors that are at least ``eps_px`` pixels long and whose block reaches into the picture.

    With ``camera="compensate"`` those that differ from the camera's motion by ``eps_px`` pixels per frame or more.

    Returns: intp, ascending.
    """
    residual = None if camera == "ignore" else speeds(motion, camera=camera)
    visible = np.empty(len(motion.x), np.bool_)
    for start in range(0, len(visible), VECTORS_AT_ONCE):
        some = slice(start, start + VECTORS_AT_ONCE)
        moves = _long_enough(motion, some, eps_px) if residual is None else residual[some] >= eps_px
        # Codecs pad the picture to whole macroblocks; motion in the padding alone is invisible.
        visible[some] = moves & _in_picture(motion, some)
    return np.flatnonzero(visible)


def _long_enough(motion: ClipMotion, some: slice, eps_px: float) -> npt.NDArray[np.bool_]:
    across, down = motion.dx[some].astype(np.int32), motion.dy[some].astype(np.int32)
    squared = (across * across + down * down).view(np.uint32)  # at most 2**31: one too many for int32
    return squared >= (eps_px * QUARTER_PIXELS) ** 2


def _in_picture(motion: ClipMotion, some: slice) -> npt.NDArray[np.bool_]:
    inside = np.ones(1, np.bool_)
    for centre, extent, length in ((motion.x, motion.w, motion.width), (motion.y, motion.h, motion.height)):
        twice, sides = 2 * centre[some].astype(np.int32), extent[some]
        inside = inside & (twice + sides > 0) & (twice - sides < 2 * length)
    return inside


def cells(motion: ClipMotion, vectors: npt.NDArray[np.intp], *, grid: tuple[int, int]) -> npt.NDArray[np.intp]:
    """Flat index of the grid cell that holds the centre of each vector's block.

    A centre outside the picture counts in the nearest cell at the border.

    Args:
        vectors: indices of vectors of the clip.
        grid: rows, cols.
    Returns: intp, same shape as ``vectors``, row by row from the top left.
    """
    rows, cols = grid
    row_of_pixel = np.arange(motion.height) * rows // motion.height
    column_of_pixel = np.arange(motion.width) * cols // motion.width
    row = row_of_pixel.take(motion.y[vectors], mode="clip")
    column = column_of_pixel.take(motion.x[vectors], mode="clip")
    return np.asarray(row * cols + column)
