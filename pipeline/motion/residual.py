"""Speed of each motion vector, with or without the camera's motion; of the picture in each frame, and of the camera."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.choices import Camera
from mocrop.pipeline.motion.clip_motion import QUARTER_PIXELS, ClipMotion
from mocrop.pipeline.motion.raw_vectors import reference_distances

NOISE_PX = 0.5  # shorter vectors are noise where a whole picture is asked for, pixels per frame
STEPS_PER_PX = 1000  # of the speed of a picture
STILL_PX = 0.1  # median speed of the camera below which it stands still, pixels per frame
VECTORS_AT_ONCE = 1 << 18  # intermediate results take about 60 bytes each


def speeds(motion: ClipMotion, *, camera: Camera) -> npt.NDArray[np.float32]:
    """Speed of each vector.

    Returns: float32, shape (n,): with ``ignore`` its length in pixels, as published; with ``compensate`` the length of
        its motion relative to the camera, pixels per frame. A block that the camera holds still has no vector here, so
        an object that the camera follows counts only through those of its parts that move in the picture.
    Raises: ValueError if the camera's motion is not finite.
    """
    if camera == "ignore":
        return motion.displacement
    camera_of_frame = finite_camera(motion).astype(np.float32)
    squared = np.zeros(len(motion.x), np.float32)
    for frames in _runs(motion):
        some = motion.vectors_of(frames)
        x, y = motion.x[some] - np.float32(motion.width / 2), motion.y[some] - np.float32(motion.height / 2)
        camera_parts = _camera_parts(camera_of_frame, motion, frames)
        for relative, (shift, by_x, by_y) in zip(forward_motion(motion, frames), camera_parts, strict=True):
            relative -= shift
            relative -= by_x * x
            relative -= by_y * y
            relative *= relative
            squared[some] += relative
    return np.sqrt(squared, out=squared)


def forward_motion(motion: ClipMotion, frames: range) -> Iterator[npt.NDArray[np.float32]]:
    """Motion of the content of each block of some frames, forward in time: x, then y, pixels per frame.

    Yields: float32, shape (vectors of these frames,).
    """
    per_frame = _frames_ahead(motion, frames)
    per_frame *= QUARTER_PIXELS
    some = motion.vectors_of(frames)
    for displacement in (motion.dx, motion.dy):
        yield (displacement[some] / per_frame).astype(np.float32, copy=False)


def picture_speed(motion: ClipMotion, *, camera: Camera) -> npt.NDArray[np.int64]:
    """Mean speed over the picture in each frame, in whole steps of :data:`STEPS_PER_PX`.

    The sum over the vectors of a frame of the area of the block times its speed, divided by the area of the picture or,
    if that is larger because blocks have two vectors, by that of the blocks. Vectors shorter than :data:`NOISE_PX` do
    not count, nor blocks whose centre is outside of the picture. A frame without any vector, as a key
    frame is, is as fast as the last one before it that has some, at the start as the first one.

    Args:
        camera: with ``compensate`` the speeds are relative to the camera.
    Returns: int64, shape (frames,): whole numbers, so that sums and what is compared do not depend on the processor.
    """
    if camera == "ignore":  # forward in time, per frame, relative to a camera that rests
        motion = dataclasses.replace(motion, camera=np.zeros_like(motion.camera))
    speed, coded = speeds(motion, camera="compensate"), motion.vectors_per_frame + motion.zero_vectors > 0
    steps = np.zeros(motion.frames, np.int64)
    for frames in _runs(motion):
        some, own = motion.vectors_of(frames), motion.vectors_per_frame[frames.start : frames.stop]
        frame = np.repeat(np.arange(len(frames)), own)
        seen = [motion.x[some] >= 0, motion.x[some] < motion.width, motion.y[some] >= 0, motion.y[some] < motion.height]
        area = np.multiply(motion.w[some], motion.h[some], dtype=np.float64) * np.logical_and.reduce(seen)
        moved = np.bincount(frame, area * np.where(speed[some] < NOISE_PX, 0, speed[some]), len(frames))
        whole = np.maximum(np.bincount(frame, area, len(frames)), motion.width * motion.height)
        steps[frames.start : frames.stop] = np.rint(moved / whole * STEPS_PER_PX)
    before = np.maximum.accumulate(np.where(coded, np.arange(motion.frames), -1))
    return steps[np.where(before < 0, coded.argmax(), before)]


def camera_speed(motion: ClipMotion) -> npt.NDArray[np.float64]:
    """Root mean square over the picture of the camera's motion in each frame that has vectors, pixels per frame.

    A zoom or a rotation counts although the centre of the picture stands still.

    Returns: float64, shape (frames with vectors,).
    Raises: ValueError if the camera's motion is not finite.
    """
    field = finite_camera(motion)[(motion.vectors_per_frame + motion.zero_vectors) > 0]
    mean_square = np.array([1, motion.width**2 / 12, motion.height**2 / 12])  # of 1, X and Y over the picture
    return np.asarray(np.sqrt((field**2).reshape(-1, 2, 3).sum(axis=1) @ mean_square))


def stands_still(motion: ClipMotion) -> bool:
    """Whether the camera stands still in at least half of the frames that have vectors."""
    speed = camera_speed(motion)
    return not len(speed) or float(np.median(speed)) < STILL_PX


def _frames_ahead(motion: ClipMotion, frames: range) -> npt.NDArray[np.float32]:
    """Frames from each vector's reference to its own frame: float32, negative where the reference is in the future."""
    some = slice(frames.start, frames.stop)
    past, future = (distance[some] for distance in reference_distances(motion.frame_type))
    ahead = np.repeat(past, motion.vectors_per_frame[some])
    from_future = motion.ref[motion.vectors_of(frames)] > 0
    if from_future.any():
        ahead[from_future] = -np.repeat(future, motion.vectors_per_frame[some])[from_future]
    return ahead


def _runs(motion: ClipMotion) -> Iterator[range]:
    """The frames of a clip in runs of about ``VECTORS_AT_ONCE`` vectors."""
    run_of_frame = np.cumsum(motion.vectors_per_frame, dtype=np.int64) // VECTORS_AT_ONCE
    starts = [0, *(np.flatnonzero(np.diff(run_of_frame)) + 1).tolist(), motion.frames]
    for start, stop in itertools.pairwise(starts):
        yield range(start, stop)


def _camera_parts(camera: npt.NDArray[np.float32], motion: ClipMotion, frames: range) -> npt.NDArray[np.float32]:
    """The parameters of the camera's motion at each vector of some frames: float32, shape (2, 3, n)."""
    some = slice(frames.start, frames.stop)
    return np.repeat(camera[some].T, motion.vectors_per_frame[some], axis=1).reshape(2, 3, -1)


def finite_camera(motion: ClipMotion) -> npt.NDArray[np.float64]:
    """The camera's motion in each frame, float64, shape (frames, 6). Raises: ValueError if it is not finite."""
    if not np.isfinite(motion.camera).all():
        raise ValueError("the camera's motion must be finite in every frame")
    return motion.camera.astype(np.float64)
