"""What `transcode` makes of decoded frames of every kind before it encodes them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np
import pytest

from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.normalise import RegularFrames
from mocrop.pipeline.video.orientation import UPRIGHT

BT709, SMPTE170M, YCGCO = 1, 6, 8  # matrices, ITU-T H.273
LIMITED, FULL = 1, 2
ORANGE = (200, 120, 40)


def picture(
    rgb: tuple[int, int, int] = ORANGE,
    *,
    size: tuple[int, int] = (64, 48),
    pix_fmt: str = "yuv420p",
    matrix: int = BT709,
    colour_range: int = LIMITED,
) -> av.VideoFrame:
    """A frame of one colour, stored by a matrix and a range."""
    whole = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), rgb, np.uint8), format="rgb24")
    frame = whole.reformat(format=pix_fmt, dst_colorspace=matrix, dst_color_range=colour_range)
    frame.colorspace, frame.color_range = matrix, colour_range
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    return frame


def made(frames: Sequence[av.VideoFrame], log: ClipLog | None = None, **how: bool) -> list[av.VideoFrame]:
    for number, frame in enumerate(frames):
        frame.pts = number
    regular = RegularFrames(clip="A/clip", log=log or ClipLog(0), **how)
    ready = [each for frame in frames for each in regular.add(frame, UPRIGHT)]
    return [*ready, *regular.finish()]


def colour(frame: av.VideoFrame) -> list[float]:
    """Mean of each plane."""
    return [
        float(np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)[:, : plane.width].mean())
        for plane in frame.planes
    ]


def test_frames_in_the_wanted_form_are_passed_on() -> None:
    log = ClipLog(0)
    frames = [picture(), picture()]
    assert [a is b for a, b in zip(frames, made(frames, log), strict=True)] == [True, True]
    assert log.reasons == []


@pytest.mark.parametrize("deinterlace", [False, True])
@pytest.mark.parametrize(
    "size", [(1, 1), (2, 2), (3, 5), (5, 3), (1, 240), (240, 1), (15, 17), (67, 51), (2048, 2), (2, 2048)]
)
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "gray", "rgb24", "gbrp", "yuv410p", "yuv411p", "nv12"])
def test_any_size_in_any_format_becomes_even_420(size: tuple[int, int], pix_fmt: str, deinterlace: bool) -> None:
    frames = [av.VideoFrame(*size, pix_fmt) for _ in range(3)]
    found = made(frames, deinterlace=deinterlace)
    even = tuple(max(2, side - side % 2) for side in size)
    assert [(frame.format.name, frame.width, frame.height) for frame in found] == [("yuv420p", *even)] * 3


@pytest.mark.parametrize(("matrix", "colour_range"), [*itertools.product((BT709, SMPTE170M), (LIMITED, FULL))])
def test_colours_that_change_become_those_of_the_first_frame(matrix: int, colour_range: int) -> None:
    """The same orange all the time, stored first by BT.709 in limited range, then by another matrix or range."""
    first, second = made([picture(), picture(matrix=matrix, colour_range=colour_range)])
    assert np.abs(np.subtract(colour(first), colour(second))).max() <= 1.5
    assert (second.colorspace, second.color_range) == (first.colorspace, first.color_range) == (BT709, LIMITED)
    if (matrix, colour_range) != (BT709, LIMITED):
        stored = picture(matrix=matrix, colour_range=colour_range)
        assert np.abs(np.subtract(colour(first), colour(stored))).max() > 3


def test_full_range_stays_full_where_the_format_does_not_change() -> None:
    first, second = made([picture(colour_range=FULL), picture(colour_range=LIMITED)])
    assert (first.color_range, second.color_range) == (FULL, FULL)
    assert np.abs(np.subtract(colour(first), colour(second))).max() <= 1.5


@pytest.mark.parametrize("matrix", [0, 3, YCGCO, 10, 11, 12, 13, 14, 15, 99])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_an_unknown_matrix_is_noted_and_kept(matrix: int, pix_fmt: str) -> None:
    """What converts no colours needs no matrix; the file that is written says the same of its colours as the source."""
    frame = picture(pix_fmt=pix_fmt)
    expected = colour(made([picture(pix_fmt=pix_fmt)])[0])
    frame.colorspace = matrix
    log = ClipLog(0)
    (found,) = made([frame], log)
    assert Reason.UNKNOWN_COLOUR in log.reasons
    assert f"matrix {matrix}: " in log.messages[0]
    assert colour(found) == expected
    assert found.colorspace == matrix


@pytest.mark.parametrize(("name", "number"), [("color_trc", 9), ("color_trc", 0), ("color_primaries", 3)])
def test_unknown_transfer_and_primaries_are_noted_and_kept(name: str, number: int) -> None:
    frame = picture(pix_fmt="yuv444p")
    setattr(frame, name, number)
    log = ClipLog(0)
    (found,) = made([frame], log)
    assert Reason.UNKNOWN_COLOUR in log.reasons
    assert getattr(found, name) == number


def test_known_colours_are_not_noted() -> None:
    log = ClipLog(0)
    for matrix, transfer, primaries in itertools.product((1, 2, 4, 5, 6, 7, 9), (1, 2, 8, 18), (1, 2, 12, 22)):
        frame = picture(pix_fmt="yuv444p")
        frame.colorspace, frame.color_trc, frame.color_primaries = matrix, transfer, primaries
        made([frame], log)
    assert log.reasons == [Reason.PIXEL_FORMAT_CONVERTED]


def test_pixels_that_ffmpeg_cannot_convert_fail_with_a_way_out() -> None:
    with pytest.raises(ClipError, match=r"A/clip: .* gray32le pixels.*; encode it again in a usual format"):
        made([av.VideoFrame(16, 16, "gray32le")])
