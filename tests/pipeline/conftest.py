"""Fixtures for tests of the pipeline: motion made by hand, and a textbook crop, scaling and colour conversion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from mocrop.pipeline.motion.clip_motion import ClipMotion
from tests.pipeline.video.kinds_of_video import VIDEOS

MakeVideo = Callable[..., Path]
MakeMotion = Callable[..., ClipMotion]
TextbookCrop = Callable[..., npt.NDArray[np.float64]]
Floats = npt.NDArray[np.float64]
Edges = tuple[int, int, int, int]  # left, top, right, bottom, pixels
Vector = tuple[int, int, float, float]  # centre of its block x, y and displacement dx, dy, pixels

LUMA_WEIGHTS = {"bt709": (0.2126, 0.0722), "bt601": (0.299, 0.114), "bt2020": (0.2627, 0.0593)}  # of red and blue


def cubic(x: Floats, a: float = -0.6) -> Floats:
    """Keys' kernel with the sharpness that swscale uses."""
    x = np.abs(x)
    inner = (a + 2) * x**3 - (a + 3) * x**2 + 1
    outer = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x < 1, inner, np.where(x < 2, outer, 0))


def resampled(plane: Floats, axis: int, start: int, stop: int, *, size: int, step: int) -> Floats:
    """Pixels start..stop of the picture to ``size``, antialiased; a sample of the plane covers ``step`` pixels."""
    scale = (stop - start) / size / step
    support = max(scale, 1.0)
    centre = start / step + (np.arange(size) + 0.5) * scale - 0.5
    first, last = start // step, -(-stop // step) - 1
    taps = np.arange(first - int(3 * support) - 3, last + int(3 * support) + 4)
    kernel = cubic((taps - centre[:, np.newaxis]) / support)
    kernel /= kernel.sum(axis=1, keepdims=True)
    matrix = np.zeros((size, plane.shape[axis]))
    for tap, weights in zip(np.clip(taps, first, min(last, plane.shape[axis] - 1)), kernel.T, strict=True):
        matrix[:, tap] += weights
    return np.moveaxis(np.tensordot(matrix, np.moveaxis(plane, axis, 0), 1), 0, axis)


@pytest.fixture(scope="session")
def textbook_crop() -> TextbookCrop:
    """Crop, scale and convert Y'CbCr planes to full-range R'G'B', in float64 and without FFmpeg.

    ``textbook_crop(planes, edges, size=192, matrix="bt601", full_range=False, bits=8) -> (3, size, size)``, 0 to 255.
    """

    def crop(
        planes: Sequence[npt.NDArray[np.generic]],
        edges: Edges,
        *,
        size: int,
        matrix: str = "bt601",
        full_range: bool = False,
        bits: int = 8,
    ) -> Floats:
        left, top, right, bottom = edges
        height, width = planes[0].shape
        scaled = []
        for plane in planes:
            down, across = round(height / plane.shape[0]), round(width / plane.shape[1])
            rows = resampled(plane.astype(np.float64), 1, left, right, size=size, step=across)
            scaled.append(resampled(rows, 0, top, bottom, size=size, step=down) / 2 ** (bits - 8))
        offset, luma_range, chroma_range = (0, 255, 255) if full_range else (16, 219, 224)
        y = (scaled[0] - offset) / luma_range
        cb, cr = (scaled[1] - 128) / chroma_range, (scaled[2] - 128) / chroma_range
        red, blue = LUMA_WEIGHTS[matrix]
        r, b = y + 2 * (1 - red) * cr, y + 2 * (1 - blue) * cb
        g = (y - red * r - blue * b) / (1 - red - blue)
        return 255 * np.clip(np.stack([r, g, b]), 0, 1)

    return crop


@pytest.fixture(scope="session")
def make_motion() -> MakeMotion:
    """Make the motion of one clip from vectors: ``make_motion([(x, y, dx, dy), ...], size=(320, 240), block=16)``."""

    def make(vectors: Sequence[Vector], *, size: tuple[int, int] = (320, 240), block: int = 16) -> ClipMotion:
        x, y, dx, dy = np.array(vectors, np.float64).reshape(-1, 4).T
        count = len(vectors)
        return ClipMotion(
            width=size[0],
            height=size[1],
            vectors_per_frame=np.array([0, count], np.int32),
            x=x.astype(np.int16),
            y=y.astype(np.int16),
            dx=(4 * dx).astype(np.int16),
            dy=(4 * dy).astype(np.int16),
            w=np.full(count, block, np.uint8),
            h=np.full(count, block, np.uint8),
            ref=np.full(count, -1, np.int8),
            zero_vectors=np.zeros(2, np.int32),
            frame_type=np.array([1, 2], np.uint8),
            camera=np.zeros((2, 6), np.float32),
            camera_support=np.zeros(2, np.float32),
            seconds=np.array([0, 0.04]),
            picture=(0, 0, *size),
        )

    return make


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory, make_video: MakeVideo) -> Callable[[str], Path]:
    """Path of one of VIDEOS, made when first asked for."""
    folder = tmp_path_factory.mktemp("kinds")

    def video(name: str) -> Path:
        path = folder / name
        return path if path.exists() else make_video(path, frames=60, **VIDEOS[name])

    return video
