"""The crop box: a rectangle of the picture, and its edges in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mocrop.pipeline.choices import Fit

PixelEdges = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True, kw_only=True)
class CropBox:
    """The part of the picture that a crop keeps, in fractions of the upright picture.

    Raises: ValueError unless 0 <= left < right <= 1 and 0 <= top < bottom <= 1.
    """

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right <= 1 and 0 <= self.top < self.bottom <= 1):
            raise ValueError(f"a crop box needs 0 <= left < right <= 1 and 0 <= top < bottom <= 1, not {self}")

    @classmethod
    def of(cls, edges: Sequence[float]) -> CropBox:
        """The box with these edges: left, top, right, bottom, in fractions."""
        left, top, right, bottom = edges
        return cls(left=left, top=top, right=right, bottom=bottom)

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom, in fractions."""
        return self.left, self.top, self.right, self.bottom

    @property
    def area(self) -> float:
        """Fraction of the picture that the box covers."""
        return (self.right - self.left) * (self.bottom - self.top)

    def in_float32(self) -> CropBox:
        """The same box with its edges rounded to float32, as a crop cache stores them."""
        left, top, right, bottom = np.array(self.edges, np.float32).tolist()
        return CropBox(left=left, top=top, right=right, bottom=bottom)

    def placed_in(self, outer: CropBox) -> CropBox:
        """The same part of the frame, for a box in fractions of ``outer``.

        >>> CropBox(left=0.5, top=0, right=1, bottom=1).placed_in(CropBox(left=0, top=0.25, right=1, bottom=0.75))
        CropBox(left=0.5, top=0.25, right=1, bottom=0.75)
        """
        if outer == WHOLE_FRAME:
            return self
        left, right = (_between(outer.left, outer.right, share) for share in (self.left, self.right))
        top, bottom = (_between(outer.top, outer.bottom, share) for share in (self.top, self.bottom))
        return CropBox(left=left, top=top, right=right, bottom=bottom)

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, right, bottom in pixels of a picture, each edge rounded to the nearest integer.

        Halves round to even, as Python's ``round`` does. A box thinner than a pixel keeps one pixel.

        >>> CropBox(left=0.125, top=0, right=0.875, bottom=1).pixels(320, 240)
        (40, 0, 280, 240)
        """
        left, right = _whole_pixels(self.left, self.right, width)
        top, bottom = _whole_pixels(self.top, self.bottom, height)
        return left, top, right, bottom


WHOLE_FRAME = CropBox(left=0.0, top=0.0, right=1.0, bottom=1.0)


def content_edges(crop: PixelEdges, *, size: int, fit: Fit) -> PixelEdges:
    """Find the part of a square frame that shows the picture: all of it, or as much as the shape of the crop leaves.

    >>> content_edges((0, 0, 320, 240), size=224, fit="pad"), content_edges((0, 0, 320, 240), size=224, fit="squash")
    ((0, 28, 224, 196), (0, 0, 224, 224))

    Args:
        crop: edges of the crop in the picture, pixels, which are taken as square.
        size: side of the frame, pixels.
    """
    if fit == "squash":
        return 0, 0, size, size
    width, height = crop[2] - crop[0], crop[3] - crop[1]
    across, down = (max(1, round(size * side / max(width, height))) for side in (width, height))
    left, top = (size - across) // 2, (size - down) // 2
    return left, top, left + across, top + down


def _between(start: float, stop: float, share: float) -> float:
    return start + share * (stop - start) if share < 1 else stop


def _whole_pixels(start: float, stop: float, length: int) -> tuple[int, int]:
    first = min(round(start * length), length - 1)
    return first, max(round(stop * length), first + 1)
