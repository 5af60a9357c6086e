"""Encode one cropped frame as a JPEG or PNG file.

Pillow does it, which comes with matplotlib and torchvision. Of the encoders that were at hand, on frames of real clips
at 192 pixels: its JPEG takes 0.2 ms a frame as torchvision's does, which pipeline/ may not import; its PNG at level 1
takes 2 ms where PyAV's takes 5. PyAV's MJPEG encoder takes no quality for a single picture.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from mocrop.pipeline.choices import Picture, require_choice
from mocrop.pipeline.limits import require_whole

DEFAULT_QUALITY = 95
_MOST_QUALITY = 100
_DIGITS = 5  # of the number of a slot in the name of its file: sorted by name, files are in order of time
_PNG_LEVEL = 1  # of zlib; level 6 takes three times as long for files that are 8 % smaller


@dataclass(frozen=True, kw_only=True)
class PictureSettings:
    """How frames become files."""

    image: Picture = "jpg"
    quality: int = DEFAULT_QUALITY  # of JPEG, 1 to 100

    def __post_init__(self) -> None:
        require_choice("image", self.image, Picture)
        require_whole("quality", self.quality, least=1, most=_MOST_QUALITY)
        if self.image == "png" and self.quality != DEFAULT_QUALITY:
            raise ValueError("quality does not go with --image png, which keeps every pixel")


def picture_name(slot: int, settings: PictureSettings) -> str:
    """The name of the file of a slot.

    >>> picture_name(3, PictureSettings())
    '00003.jpg'
    """
    return f"{slot:0{_DIGITS}d}.{settings.image}"


def encode_picture(frame: npt.NDArray[np.uint8], settings: PictureSettings) -> bytes:
    """The file of one frame. PNG keeps every pixel; JPEG keeps the colours at full resolution (4:4:4).

    Args:
        frame: uint8, shape (3, height, width), RGB.
    """
    picture = Image.fromarray(np.ascontiguousarray(frame.transpose(1, 2, 0)))
    file = io.BytesIO()
    if settings.image == "png":
        picture.save(file, "PNG", compress_level=_PNG_LEVEL)
    else:
        picture.save(file, "JPEG", quality=settings.quality, subsampling=0)
    return file.getvalue()
