"""The crop box: a rectangle of the picture, and its edges in pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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


def _whole_pixels(start: float, stop: float, length: int) -> tuple[int, int]:
    first = min(round(start * length), length - 1)
    return first, max(round(stop * length), first + 1)
