"""Pictures that carry their number as bars, readable after scaling, lossy coding, turning and mirroring.

The upper half holds three rows of eight cells: the bits of the number, the highest on the left; the same bits inverted;
and a row by which the orientation is recognised. In the lower half a textured square moves to the right.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]  # (height, width, 3), RGB

BITS = 8
ROWS = 6  # of cells in the whole picture; three of them are the bars
MARK = (1, 0, 1, 1, 0, 0, 1, 0)  # reads otherwise from the right
DARK, BRIGHT = 50, 205
MIN_CONTRAST = 25  # a cell nearer to mid-grey cannot be read
STEP_PX = 2  # the square moves by this per frame
ORIENTATIONS = 8


class Seen(NamedTuple):
    """What the bars of a picture say."""

    number: int
    orientation: int  # 0: upright; see :func:`oriented`


def draw(number: int, *, width: int = 64, height: int = 48) -> Pixels:
    """Picture of a number from 0 to 255; width must be divisible by 8, height by 6 or nearly so.

    >>> draw(5).shape, read(draw(5))
    ((48, 64, 3), Seen(number=5, orientation=0))
    """
    rng = np.random.default_rng(0)
    bits = [number >> (BITS - 1 - bit) & 1 for bit in range(BITS)]
    cells = np.array([bits, [1 - bit for bit in bits], MARK])
    picture = np.empty((height, width, 3), np.uint8)
    picture[...] = _texture(rng, height, width, low=60, high=120)
    side = height // 3
    left = number * STEP_PX % max(1, width - side)
    picture[-side - 4 : -4, left : left + side] = _texture(rng, side, side, low=120, high=250)
    rows = np.arange(height // 2) * ROWS // height
    columns = np.arange(width) * BITS // width
    picture[: height // 2] = np.where(cells[np.ix_(rows, columns)], BRIGHT, DARK)[..., np.newaxis]
    return picture


def _texture(rng: np.random.Generator, height: int, width: int, *, low: int, high: int) -> Pixels:
    """Blocks of 4x4 pixels of random colours."""
    blocks = rng.integers(low, high, (-(-height // 4), -(-width // 4), 3))
    return np.kron(blocks, np.ones((4, 4, 1), np.int64))[:height, :width].astype(np.uint8)


def oriented(picture: Pixels, orientation: int) -> Pixels:
    """Mirror a picture left to right if ``orientation`` is 4 or more, then turn it anticlockwise in quarter turns."""
    return np.ascontiguousarray(np.rot90(picture[:, ::-1] if orientation >= 4 else picture, orientation % 4))


def read(picture: Pixels) -> Seen | None:
    """Read the bars of a picture of any size; None if there are none in any orientation.

    >>> read(oriented(draw(200), 5))
    Seen(number=200, orientation=5)
    """
    for orientation in range(ORIENTATIONS):
        number = _read_upright(oriented(picture, inverse(orientation)))
        if number is not None:
            return Seen(number, orientation)
    return None


def inverse(orientation: int) -> int:
    """The orientation that undoes this one; a mirror image is its own inverse."""
    return orientation if orientation >= 4 else -orientation % 4


def _read_upright(picture: Pixels) -> int | None:
    height, width = picture.shape[:2]
    values = np.array([[_cell(picture, row, column, height, width) for column in range(BITS)] for row in range(3)])
    middle = (values[2].max() + values[2].min()) / 2
    if np.abs(values - middle).min() < MIN_CONTRAST:
        return None
    cells = (values > middle).astype(int)
    if tuple(cells[2]) != MARK or (cells[0] == cells[1]).any():
        return None
    return int("".join(map(str, cells[0])), 2)


def _cell(picture: Pixels, row: int, column: int, height: int, width: int) -> float:
    """Mean brightness of the middle of a cell."""
    rows = slice(
        int((row + 0.3) * height / ROWS), max(int((row + 0.7) * height / ROWS), int((row + 0.3) * height / ROWS) + 1)
    )
    columns = slice(int((column + 0.3) * width / BITS), int((column + 0.7) * width / BITS) + 1)
    return float(picture[rows, columns].mean())
