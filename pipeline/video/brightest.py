"""The brightest that each pixel is in the frames of a clip, collected while they are decoded for something else."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from mocrop.pipeline.crop_box import PixelEdges
from mocrop.pipeline.video.bars import picture_inside
from mocrop.pipeline.video.orientation import Orientation

LEAST_FRAMES = 8  # that must have been looked at: in fewer, what is dark may be so by chance
EVERY = 12  # frames, of which one is looked at; key frames and the first LEAST_FRAMES are in any case: it costs time
_FULL = 2  # the colour range in ITU-T H.273's words, as FFmpeg has it
_FORMATS = re.compile(r"(yuv[aj]?4\d\dp|gray|gbra?p)(9|1[0246])?(le)?")  # of which the first planes are known

Samples = npt.NDArray[np.integer]


class _Form(NamedTuple):  # one is made of every frame that is looked at
    """What must be the same in all frames of a clip for their pixels to be compared."""

    width: int
    height: int
    pixel_format: str
    full_range: bool
    orientation: Orientation


class Brightest:
    """Looks at frames of a clip, in the order in which they are shown, for the picture inside black bars.

    Luma is what counts, or of RGB the brightest of the three. A clip whose frames change their size, their pixel format
    or how they are turned has no bars here, nor has one in another pixel format than planes of luma or RGB.
    """

    def __init__(self) -> None:
        self._form: _Form | None = None
        self._same = True
        self._seen = self._looked_at = 0
        self._pixels: Samples | None = None

    def see(self, frame: VideoFrame, orientation: Orientation) -> None:
        """Look at the next frame, if it is one of those that are looked at."""
        number, self._seen = self._seen, self._seen + 1
        if self._same and (number % EVERY == 0 or number < LEAST_FRAMES or frame.key_frame):
            self._look_at(frame, orientation)

    def _look_at(self, frame: VideoFrame, orientation: Orientation) -> None:
        name = frame.format.name
        form = _Form(
            width=frame.width,
            height=frame.height,
            pixel_format=name,
            full_range=frame.color_range == _FULL or not name.startswith(("yuv4", "yuva", "gray")),
            orientation=orientation,
        )
        self._form = self._form or form
        planes = _planes(frame, name) if form == self._form else []
        if not planes:
            self._same, self._pixels = False, None
        for plane in planes:
            if self._pixels is None:
                self._pixels = plane.copy()
            elif self._pixels.shape == plane.shape:
                np.maximum(self._pixels, plane, out=self._pixels)
            else:
                self._same, self._pixels = False, None
                break
        self._looked_at += 1

    def picture(self, width: int, height: int) -> PixelEdges:
        """Edges of the picture inside bars in the upright frame; the whole frame where there are none, or in doubt.

        Args:
            width, height: of the upright frame, pixels.
        """
        form, pixels = self._form, self._pixels
        if form is None or pixels is None or self._looked_at < LEAST_FRAMES:
            return 0, 0, width, height
        highest = (1 << _bits(form.pixel_format)) - 1
        black, white = (0, highest) if form.full_range else (16 * (highest + 1) // 256, 235 * (highest + 1) // 256)
        stored = pixels[: form.height, : form.width]
        return picture_inside(form.orientation.upright(stored), black=black, white=white)


def _bits(pixel_format: str) -> int:
    """Bits of a sample; 0 if the format is none of those that are known.

    >>> _bits("yuv420p"), _bits("yuv422p10le"), _bits("gray"), _bits("nv12"), _bits("gray10be")
    (8, 10, 8, 0, 0)
    """
    known = _FORMATS.fullmatch(pixel_format)
    return int(known[2] or 8) if known else 0


def _planes(frame: VideoFrame, pixel_format: str) -> list[Samples]:
    """Views of the luma of a frame, or of its green, blue and red; empty if its format is not known.

    Lines are as long as they are in memory, which is the fastest to compare; what is behind the picture means nothing.
    """
    bits = _bits(pixel_format)
    if not bits:
        return []
    sample: np.dtype[np.integer] = np.dtype(np.uint8 if bits == 8 else "<u2")
    views: list[Samples] = []
    for plane in frame.planes[: 3 if pixel_format.startswith("gbr") else 1]:
        if plane.line_size < frame.width * sample.itemsize or plane.line_size % sample.itemsize:
            return []
        samples = np.frombuffer(memoryview(plane), sample)
        views.append(samples.reshape(-1, plane.line_size // sample.itemsize))
    return views
