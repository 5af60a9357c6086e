"""Which colours swscale knows, and what becomes of the others; crops of every pixel format."""

from __future__ import annotations

import contextlib
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.video.format import names

from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox
from mocrop.pipeline.errors import ClipError
from mocrop.pipeline.video.colour import (
    MATRICES,
    PRIMARIES,
    TRANSFERS,
    make_convertible,
    matrix_is_known,
    require_convertible,
    unknown_colours,
)
from mocrop.pipeline.video.cropper import Cropper

SIZE = 16
INNER = CropBox(left=7 / 64, top=5 / 48, right=0.75, bottom=1)  # cuts inside samples of chroma
EVERY_NUMBER = [*range(30), 255]


def frame_of(pix_fmt: str = "yuv420p", *, size: tuple[int, int] = (64, 48), value: int = 90) -> av.VideoFrame:
    frame = av.VideoFrame(*size, pix_fmt)
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    for plane in frame.planes:
        plane.update(bytes([value]) * plane.buffer_size)
        value += 40
    return frame


def crop(frame: av.VideoFrame, box: CropBox = WHOLE_FRAME, size: int = SIZE) -> npt.NDArray[np.uint8]:
    out = np.empty((3, size, size), np.uint8)
    Cropper(size=size).crop(frame, out, box=box)
    return out


def all_formats() -> list[str]:
    """Formats of pixels in memory; the others are those of graphics cards."""
    return [name for name in sorted(names) if av.VideoFormat(name).components]


def convertible(pix_fmt: str) -> bool:
    with contextlib.suppress(ClipError):
        require_convertible(av.VideoFrame(16, 16, pix_fmt), clip="A/clip")
        return True
    return False


@pytest.mark.parametrize("box", [WHOLE_FRAME, INNER], ids=["whole", "inner"])
def test_every_format_that_is_not_refused_can_be_cropped(box: CropBox) -> None:
    formats = [name for name in all_formats() if convertible(name)]
    assert len(formats) > 180
    assert {"pal8", "gbrp10le", "gray10le", "yuv440p", "yuva444p", "bayer_rggb8", "gbrpf32le", "xyz12le"} <= set(
        formats
    )
    for name in formats:
        crop(frame_of(name, value=0), box)


def test_what_is_refused_is_what_no_encoder_writes() -> None:
    refused = {name for name in all_formats() if not convertible(name)}
    assert "gray32le" in refused or "gray32le" not in all_formats()
    for codec in (
        "ffv1",
        "rawvideo",
        "png",
        "libx264",
        "libx265",
        "prores_ks",
        "exr",
        "tiff",
        "jpeg2000",
        "dpx",
        "gif",
    ):
        if codec in av.codecs_available:
            written = {form.name for form in av.Codec(codec, "w").video_formats or ()}
            assert not written & refused


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le", "yuv444p", "yuvj420p", "gbrp", "rgb24", "gray", "pal8"])
def test_any_number_for_any_colour_can_be_cropped(pix_fmt: str) -> None:
    """An unknown matrix counts as none, transfer and primaries change nothing."""
    plain = crop(frame_of(pix_fmt))
    for name in ("colorspace", "color_trc", "color_primaries"):
        for number in EVERY_NUMBER:
            frame = frame_of(pix_fmt)
            setattr(frame, name, number)
            same = np.array_equal(crop(frame), plain)
            assert same or (name == "colorspace" and number in MATRICES)


def test_known_matrices_make_other_colours() -> None:
    seen = {}
    for number in MATRICES:
        frame = frame_of()
        for plane, value in zip(frame.planes, (120, 60, 180), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.colorspace = number
        seen[number] = crop(frame)[:, 0, 0].tolist()
    assert seen[5] == seen[6]  # two numbers of BT.601
    assert len({tuple(seen[number]) for number in (1, 5, 7, 9)}) == 4


def test_unknown_colours_are_named_and_known_ones_are_not() -> None:
    frame = frame_of()
    frame.colorspace, frame.color_trc, frame.color_primaries = 14, 9, 30
    assert unknown_colours(frame) == "matrix 14, transfer 9, primaries 30"
    for number in EVERY_NUMBER:
        frame.colorspace = frame.color_trc = frame.color_primaries = 2
        frame.color_trc = number
        assert (unknown_colours(frame) == "") == (number in TRANSFERS or number == 2)
        frame.color_trc, frame.color_primaries = 2, number
        assert (unknown_colours(frame) == "") == (number in PRIMARIES or number == 2)
        frame.color_primaries, frame.colorspace = 2, number
        assert (unknown_colours(frame) == "") == (number in MATRICES or number == 2)


@pytest.mark.parametrize("pix_fmt", ["rgb24", "gbrp", "pal8", "gray", "ya8"])
def test_the_matrix_of_rgb_and_grey_is_no_matrix(pix_fmt: str) -> None:
    frame = frame_of(pix_fmt)
    frame.colorspace = 0
    assert matrix_is_known(frame)
    assert unknown_colours(frame) == ""
    make_convertible(frame)
    assert frame.colorspace == 0


@pytest.mark.parametrize("size", [1, 31, 32, 192])
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 240), (240, 1), (1638, 2), (2, 1638), (9000, 14)])
def test_strips_and_tiny_pictures_can_be_cropped(shape: tuple[int, int], size: int) -> None:
    """swscale refuses a strip of 1638x2 at 31 and 32 pixels if it is scaled in one step."""
    for pix_fmt in ("yuv420p", "gray", "yuv422p10le"):
        out = crop(frame_of(pix_fmt, size=shape), size=size)
        assert np.ptp(out, axis=(1, 2)).max() <= 2  # of one colour, as all of the picture


@pytest.mark.parametrize("across", [True, False])
def test_a_strip_keeps_what_it_shows(across: bool) -> None:
    """A ramp from 0 to 255 along 1638 pixels, two pixels wide, comes out as a ramp of 32 steps."""
    ramp = np.tile(np.linspace(0, 255, 1638).astype(np.uint8), (2, 1))
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(ramp if across else ramp.T), format="gray")
    out = crop(frame, size=32)[0].astype(float)
    steps = out if across else out.T
    assert np.abs(steps - (np.arange(32) + 0.5) * 255 / 32).max() < 4
