"""Robust fit of the camera's motion to the motion vectors of each frame, for many frames at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

START_VECTORS = 100  # about as many vectors of each frame are used to choose where its fit starts
AFFINE_VECTORS = 6  # frames with fewer get a translation: twice the unknowns of one component
MIN_SUPPORT = 0.1  # share of the picture; motion that less of it follows, as after a scene cut, is not the camera's
STIFFNESS = 1e-4  # pull towards a translation, in picture areas; matters only where vectors lie close together
NO_MOTION = 1e-9  # pull towards zero, in picture areas; matters only where there is no vector
SCALES = (1.4, 1.0, 0.7, 0.5)  # scale of the noise in each reweighting, in following distances

FloatMap = npt.NDArray[np.float32]
DoubleMap = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class MotionField:
    """Motion of blocks in a run of frames, in columns of equal length; a frame owns one column or more, in order.

    Attributes:
        x, y: float32, shape (lanes, columns): centre of the block, pixels.
        u, v: float32, shape (lanes, columns): motion of its content forward in time, pixels per frame.
        area: float32, shape (lanes, columns): pixels of the block; 0 in unused lanes.
        first_column: int, shape (frames,): the first column of each frame, strictly ascending from 0.
    """

    x: FloatMap
    y: FloatMap
    u: FloatMap
    v: FloatMap
    area: FloatMap
    first_column: npt.NDArray[np.intp]


def following_distance_px(width: int, height: int) -> float:
    """How far a block may move from where the camera takes it and still count as following it, pixels per frame.

    A 400th of the diagonal, but at least half a pixel, the precision of coarse codecs.

    >>> following_distance_px(320, 240), following_distance_px(64, 48)
    (1.0, 0.5)
    """
    return float(max(0.5, np.hypot(width, height) / 400))


def fit_camera(field: MotionField, *, width: int, height: int) -> tuple[FloatMap, FloatMap]:
    """Find the affine motion that most of the picture follows, in every frame.

    Iteratively reweighted least squares with the weights of Geman and McClure and a shrinking scale, starting from the
    best of six candidates (see :func:`_start`). Few vectors, or all at one place, give their common translation; none,
    or none that agree, give zero.

    Args:
        width, height: pixels of the picture.
    Returns:
        camera: float32, shape (frames, 6), as in :class:`~mocrop.pipeline.motion.clip_motion.ClipMotion`.
        support: float32, shape (frames,), likewise.
    """
    following = following_distance_px(width, height)
    problem = _Problem(field, width, height)
    parameters = _start(field, width, height, following)
    for scale in SCALES:
        parameters = problem.solve(problem.weight(parameters, (scale * following) ** 2))
    follows = problem.squared_residual(parameters) <= np.float32(following**2)
    support = problem.per_frame(problem.share * follows) / np.maximum(1, problem.per_frame(problem.share))
    support[support < MIN_SUPPORT] = 0
    camera = parameters.reshape(6, -1).T / np.array([1, width / 2, height / 2] * 2)
    camera[support == 0] = 0
    return camera.astype(np.float32), np.minimum(support, 1).astype(np.float32)


def _start(field: MotionField, width: int, height: int, following: float) -> DoubleMap:
    """Choose where the fit of each frame starts: float64, shape (2, 3, frames).

    Least squares over the whole picture, its border and each of its sides give six candidates, some of which include
    little of an object that moves on its own. Each is refined, and the one that most of the picture follows is chosen.
    """
    # every ``step``-th vector is enough for that
    lanes = field.x.shape[0]
    step = min(width * height // 256 // START_VECTORS, lanes // 2) | 1  # odd: does not pick the same columns of blocks
    thin = _Problem(field, width, height, step=step)
    weight = _regions(thin.x, thin.y) * thin.share
    starts = thin.solve(weight)
    squared_spread = thin.per_frame(weight * thin.squared_residual(starts)) / np.maximum(thin.per_frame(weight), 1e-9)
    starts = thin.solve(thin.weight(starts, np.maximum(squared_spread / 10, following**2)))
    starts = thin.solve(thin.weight(starts, (2 * following) ** 2))
    agreement = thin.per_frame(thin.weight(starts, following**2))
    return starts[:, :, agreement.argmax(axis=0), np.arange(len(field.first_column))]


def _regions(x: FloatMap, y: FloatMap) -> FloatMap:
    """1 for vectors in the whole picture, its border, left, right, top, bottom: float32, (6, lanes, columns)."""
    border = np.maximum(np.abs(x), np.abs(y)) > 0.6
    return np.stack((np.ones_like(border), border, x < -0.4, x > 0.4, y < -0.4, y > 0.4)).astype(np.float32)


class _Problem:
    """Weighted least squares of u and v on (1, X, Y) for each frame; X and Y are -1 to 1 inside the picture.

    Weights may have further axes in front of (lanes, columns); parameters and sums then have them in front too.
    """

    def __init__(self, field: MotionField, width: int, height: int, *, step: int = 1) -> None:
        self.x = x = field.x[::step] / np.float32(width / 2) - 1
        self.y = y = field.y[::step] / np.float32(height / 2) - 1
        self.u, self.v = u, v = field.u[::step], field.v[::step]
        self.share = field.area[::step] / np.float32(width * height / step)  # of the picture
        self.first_column = field.first_column
        columns_per_frame = np.diff(field.first_column, append=x.shape[1])
        self.frame_of_column = np.repeat(np.arange(len(columns_per_frame)), columns_per_frame)
        self._products = np.stack((np.ones_like(x), x, y, x * x, x * y, y * y, u, x * u, y * u, v, x * v, y * v))
        few = self.per_frame((self.share > 0).astype(np.float32)) < AFFINE_VECTORS
        self._stiffness = np.where(few, 1e3, STIFFNESS)  # 1e3 leaves a translation

    def per_frame(self, values: FloatMap) -> DoubleMap:
        """Sum over the vectors of each frame: float64, shape (..., frames)."""
        return np.add.reduceat(values.sum(axis=-2).astype(np.float64), self.first_column, axis=-1)

    def solve(self, weight: FloatMap) -> DoubleMap:
        """Parameters of u and v by (1, X, Y), given a weight per vector: float64, shape (2, 3, ..., frames)."""
        sums = np.einsum("...lc,klc->k...c", weight, self._products).astype(np.float64)
        moments = np.add.reduceat(sums, self.first_column, axis=-1)
        moments[0] += NO_MOTION
        moments[[3, 5]] += self._stiffness
        return _solved(moments[:6], moments[6:].reshape(2, 3, *moments.shape[1:]))

    def weight(self, parameters: DoubleMap, squared_scale: DoubleMap | float) -> FloatMap:
        """Geman and McClure's weights, times the vector's share of the picture: float32, shape (..., lanes, columns).

        Args:
            squared_scale: square pixels, one number or shape (..., frames).
        """
        scale = self._of_columns(np.broadcast_to(squared_scale, parameters.shape[2:]))
        weight = self.squared_residual(parameters)
        weight += scale
        np.divide(scale, weight, out=weight)
        weight *= weight
        weight *= self.share
        return weight

    def squared_residual(self, parameters: DoubleMap) -> FloatMap:
        """Squared distance of each vector from the fit, square pixels: float32, shape (..., lanes, columns)."""
        total: FloatMap | None = None
        for observed, (constant, along_x, along_y) in zip((self.u, self.v), self._of_columns(parameters), strict=True):
            off = self.x * along_x
            off += self.y * along_y
            off += constant
            off -= observed
            off *= off
            total = off if total is None else np.add(total, off, out=total)
        assert total is not None
        return total

    def _of_columns(self, values: DoubleMap) -> FloatMap:
        """Spread values of shape (..., frames) over the columns: float32, shape (..., 1, columns)."""
        return np.take(values.astype(np.float32), self.frame_of_column, axis=-1)[..., np.newaxis, :]


def _solved(left: DoubleMap, right: DoubleMap) -> DoubleMap:
    """Solve many symmetric 3x3 systems.

    Args:
        left: the upper triangles, row by row: shape (6, ...).
        right: right sides, shape (sides, 3, ...).
    Returns: float64, shape (sides, 3, ...).
    """
    a, b, c, d, e, f = left  # by Cramer's rule: a loop over LAPACK would take longer than all the sums
    first, second, third = d * f - e * e, c * e - b * f, b * e - c * d
    middle, corner = b * c - a * e, a * d - b * b
    adjugate = np.stack((first, second, third, second, a * f - c * c, middle, third, middle, corner))
    adjugate /= a * first + b * second + c * third
    return np.asarray(np.einsum("ij...,sj...->si...", adjugate.reshape(3, 3, *a.shape), right))
