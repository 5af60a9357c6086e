"""Turn a density map into a crop box: the rectangle of whole cells that holds the most of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.errors import CropBoxError

FloatMap = npt.NDArray[np.float32 | np.float64]

AREA_TOLERANCE = 0.1  # a box may be this share smaller or larger than asked for: 0.9 and 1.1 of the ratio
_EXACT_BITS = 52  # of float64's 53, so that rounding the cells up cannot make a sum inexact
_SUMS_AT_ONCE = 1 << 18  # 2 MiB, so that a block of maps stays in the processor's cache


@dataclass(frozen=True, kw_only=True, eq=False)
class Rectangles:
    """All rectangles of whole cells that a search may choose; of equals the first wins.

    They are ordered by height, then width, then top row, then left column, all ascending.

    Attributes:
        grid: rows, cols.
        cells: int32, shape (n, 4): top, left, height, width of each.
    """

    grid: tuple[int, int]
    cells: npt.NDArray[np.int32]
    _corners: npt.NDArray[np.intp]  # (4, n) into a flat summed-area table: bottom right, top left, the two others

    def __len__(self) -> int:
        return len(self.cells)

    def box(self, index: int) -> CropBox:
        """One rectangle in fractions of the picture."""
        (rows, cols), (top, left, height, width) = self.grid, self.cells[index].tolist()
        return CropBox(left=left / cols, top=top / rows, right=(left + width) / cols, bottom=(top + height) / rows)

    def edges(self, indices: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """Left, top, right, bottom of some rectangles in fractions of the picture, float64, shape (len(indices), 4)."""
        (rows, cols), (top, left, height, width) = self.grid, self.cells[indices].T
        return np.stack([left / cols, top / rows, (left + width) / cols, (top + height) / rows], axis=1)

    def sums(self, density: FloatMap) -> npt.NDArray[np.float64]:
        """Sum the map over every rectangle, by one summed-area table.

        Exact where float64 holds every partial sum of the map exactly, as it does for counts.

        Args:
            density: shape (rows, cols), or (rows, cols, maps) for several maps at once.
        Returns: float64, shape (n,) or (n, maps).
        """
        rows, cols, *maps = density.shape
        table = np.zeros((rows + 1, cols + 1, *maps))
        np.add.accumulate(density, axis=0, out=table[1:, 1:])
        np.add.accumulate(table, axis=1, out=table)
        table = table.reshape(-1, *maps)
        bottom_right, top_left, top_right, bottom_left = self._corners
        sums: npt.NDArray[np.float64] = table.take(bottom_right, axis=0)
        sums += table.take(top_left, axis=0)
        sums -= table.take(top_right, axis=0)
        sums -= table.take(bottom_left, axis=0)
        return sums


def find_box(density: FloatMap, *, ratio: float) -> CropBox:
    """Find the rectangle of whole cells that holds the most motion; of equals the first in the order of Rectangles.

    Sums are exact, so equal means exactly equal: cells are first rounded to 2**-52 of a power of two above the map's
    sum, which leaves maps of counts unchanged.

    >>> find_box(np.eye(4), ratio=0.25).pixels(64, 48)
    (0, 0, 32, 24)

    Args:
        density: shape (rows, cols), non-negative.
        ratio: wanted area of the box as a fraction of the frame, in (0, 1].
    Raises:
        CropBoxError: no rectangle of whole cells comes within 10 % of the ratio, or the map is zero everywhere, so that
            there is nothing to choose by.
        ValueError: a cell is negative, infinite or not a number; a ratio out of range.
    Source: arXiv 2509.18473v1, section 2.
    """
    rows, cols = density.shape
    candidates = rectangles((rows, cols), ratio=ratio)
    return candidates.box(int(candidates.sums(_exact(density)).argmax()))


def find_boxes(densities: FloatMap, *, ratio: float) -> npt.NDArray[np.float64]:
    """Find the box of every map of a stack as :func:`find_box` does, in blocks, which takes less time per map.

    Args:
        densities: shape (maps, rows, cols).
        ratio: as for :func:`find_box`.
    Returns: float64, shape (maps, 4): left, top, right, bottom in fractions.
    """
    maps, rows, cols = densities.shape
    candidates = rectangles((rows, cols), ratio=ratio)
    at_once = max(1, min(64, _SUMS_AT_ONCE // len(candidates)))
    best = np.empty(maps, np.intp)
    for start in range(0, maps, at_once):
        block = slice(start, start + at_once)
        exact = _exact(np.ascontiguousarray(np.moveaxis(densities[block], 0, -1)))
        best[block] = candidates.sums(exact).argmax(axis=0)
    return candidates.edges(best)


def _exact(density: FloatMap) -> npt.NDArray[np.float64]:
    """Each map, (rows, cols, ...), in units of 2**-52 of a power of two above its sum, rounded to whole numbers."""
    exact = density.astype(np.float64)
    total = np.add.reduce(exact, axis=(0, 1))
    if not (exact.min() >= 0 and total.max() < np.inf):  # both comparisons are false for NaN
        raise ValueError("a density map must be finite and non-negative everywhere")
    if total.min() == 0:
        raise CropBoxError("the density map is zero everywhere, so no box is better than another; use the whole frame")
    np.ldexp(exact, _EXACT_BITS - np.frexp(total)[1], out=exact)
    return np.rint(exact, out=exact)


@lru_cache(maxsize=8)
def rectangles(grid: tuple[int, int], *, ratio: float) -> Rectangles:
    """List the rectangles of whole cells whose area is within 10 % of ``ratio``.

    Raises: CropBoxError if there are none; ValueError if the ratio is not in (0, 1] or the grid is empty.
    """
    rows, cols = grid
    if rows < 1 or cols < 1:
        raise ValueError(f"a grid needs at least one row and one column, not {rows}x{cols}")
    if not 0 < ratio <= 1:
        raise ValueError(f"ratio must be above 0 and at most 1, not {ratio}")
    cells = _cells(grid, ratio)
    if not len(cells):
        raise CropBoxError(
            f"no box of {rows}x{cols} cells has an area within 10 % of ratio {ratio:g}; "
            "pass a finer --grid or a larger --ratio"
        )
    top, left, height, width = cells.T.astype(np.intp)
    above, below = top * (cols + 1), (top + height) * (cols + 1)
    corners = np.stack([below + left + width, above + left, above + left + width, below + left])
    return Rectangles(grid=grid, cells=cells, _corners=corners)


def _cells(grid: tuple[int, int], ratio: float) -> npt.NDArray[np.int32]:
    """int32, shape (n, 4): top, left, height, width of every rectangle of a fitting area, in order."""
    rows, cols = grid
    area = np.outer(np.arange(1, rows + 1), np.arange(1, cols + 1))
    least, most = (1 - AREA_TOLERANCE) * ratio * rows * cols, (1 + AREA_TOLERANCE) * ratio * rows * cols
    height, width = 1 + np.stack(np.nonzero((least <= area) & (area <= most)))
    columns = cols - width + 1  # left columns at which a rectangle of each size fits
    places = (rows - height + 1) * columns
    size = np.repeat(np.arange(len(places)), places)
    place = np.arange(len(size)) - np.repeat(places.cumsum() - places, places)
    top, left = np.divmod(place, columns[size])
    return np.stack([top, left, height[size], width[size]], axis=1).astype(np.int32)
