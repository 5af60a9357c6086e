"""One JPEG a clip: a row of frames, and below it a row of crops for each way; and where in it they are."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from mocrop.evaluation.pictures.clip_view import Picture

FRAME_PX, CROP_PX = 192, 128  # height of a frame and longer side of a crop, pixels
WIDEST = 2.4  # a frame is at most so many times as wide as high
BLOCK_PX = 16  # of JPEG with halved colour: pictures that begin at its edges do not run into each other
QUALITY = 78
GROUND = (128, 128, 128)  # where there is no picture


@dataclass(frozen=True, kw_only=True)
class Row:
    """Where a row of pictures is in a sheet, pixels: the n-th begins at (n * width, top)."""

    top: int
    width: int  # of each picture
    height: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Sheet:
    """A JPEG and the place of its rows; None for one without pictures."""

    jpeg: bytes
    width: int
    height: int
    rows: tuple[Row | None, ...]


def make_sheet(rows: Sequence[Sequence[Picture]]) -> Sheet | None:
    """Put pictures into rows and write them as a JPEG.

    Args:
        rows: of frames first, then of crops; within a row all of one shape, (height, width, 3) uint8.
    Returns: None if there is no picture at all.
    """
    sizes = [_size(pictures[0], crops=number > 0) if len(pictures) else (0, 0) for number, pictures in enumerate(rows)]
    width = max(size[0] * len(pictures) for size, pictures in zip(sizes, rows, strict=True))
    if not width:
        return None
    sheet = Image.new("RGB", (width, sum(height for _, height in sizes)), GROUND)
    places, top = [], 0
    for size, pictures in zip(sizes, rows, strict=True):
        for number, picture in enumerate(pictures):
            sheet.paste(Image.fromarray(np.ascontiguousarray(picture)).resize(size), (number * size[0], top))
        places.append(Row(top=top, width=size[0], height=size[1]) if len(pictures) else None)
        top += size[1]
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=QUALITY)
    return Sheet(jpeg=file.getvalue(), width=width, height=top, rows=tuple(places))


def _size(picture: Picture, *, crops: bool) -> tuple[int, int]:
    """Width and height of a picture in the sheet, whole blocks."""
    height, width = picture.shape[:2]
    if crops:
        scale = CROP_PX / max(height, width)
        return _blocks(width * scale), _blocks(height * scale)
    return _blocks(FRAME_PX * min(width / height, WIDEST)), FRAME_PX


def _blocks(pixels: float) -> int:
    return max(1, round(pixels / BLOCK_PX)) * BLOCK_PX
