from __future__ import annotations

import av
import numpy as np
import pytest

from mocrop.pipeline.video.brightest import EVERY, LEAST_FRAMES, Brightest
from mocrop.pipeline.video.orientation import UPRIGHT, Orientation

WIDTH, HEIGHT = 70, 60  # no multiple of the length of a line in memory
WHOLE, INSIDE = (0, 0, WIDTH, HEIGHT), (0, 20, WIDTH, HEIGHT)


def frame(pixel_format: str = "yuv420p", *, barred: bool = True, full_range: bool = False) -> av.VideoFrame:
    """A bright frame with a bar of 20 lines at the top, or without; what is behind its lines in memory is bright."""
    rgb = np.random.default_rng(0).integers(80, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    rgb[: 20 * barred] = 0
    made = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pixel_format)
    for plane in made.planes[:1] if made.format.name == "yuv420p" else ():
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size).copy()
        lines[:, WIDTH:] = 255
        plane.update(lines.tobytes())
    if full_range:
        made.color_range = 2
    return made


def picture(frames: list[av.VideoFrame], orientation: Orientation = UPRIGHT) -> tuple[int, int, int, int]:
    looked = Brightest()
    for each in frames:
        looked.see(each, orientation)
    return looked.picture(WIDTH, HEIGHT)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "yuv422p10le", "yuva420p", "gray", "gray12le", "gbrp"])
def test_luma_and_planes_of_colours_are_looked_at(pixel_format: str) -> None:
    assert picture([frame(pixel_format)] * LEAST_FRAMES) == INSIDE
    assert picture([frame(pixel_format, barred=False)] * LEAST_FRAMES) == WHOLE


def test_a_bar_of_one_colour_of_three_is_none() -> None:
    blue = np.random.default_rng(0).integers(80, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    blue[:20] = (0, 0, 90)
    made = av.VideoFrame.from_ndarray(blue, format="rgb24").reformat(format="gbrp")
    assert picture([made] * LEAST_FRAMES) == WHOLE


@pytest.mark.parametrize(
    "pixel_format", ["nv12", "rgb24", "yuyv422", "pal8", "gray10be", "monob", "p010le", "grayf32le"]
)
def test_frames_of_other_pixels_are_whole(pixel_format: str) -> None:
    made = av.VideoFrame(WIDTH, HEIGHT, "pal8") if pixel_format == "pal8" else frame(pixel_format)
    assert picture([made] * LEAST_FRAMES) == WHOLE


@pytest.mark.parametrize(
    "other",
    [frame("yuv444p"), frame("yuv420p", full_range=True), frame().reformat(width=WIDTH + 2), frame("nv12")],
    ids=["format", "range", "size", "not known"],
)
def test_frames_of_two_kinds_are_whole(other: av.VideoFrame) -> None:
    frames = [frame()] * (2 * EVERY)
    assert picture(frames) == INSIDE
    for number in (0, EVERY):
        changed = frames.copy()
        changed[number] = other
        assert picture(changed) == WHOLE


def test_a_turn_on_the_way_leaves_the_frame_whole() -> None:
    looked = Brightest()
    for number in range(2 * EVERY):
        looked.see(frame(), UPRIGHT if number < EVERY else Orientation(flipped=True))
    assert looked.picture(WIDTH, HEIGHT) == WHOLE
    assert picture([frame()] * LEAST_FRAMES, Orientation(flipped=True)) == (0, 0, WIDTH, HEIGHT - 20)


@pytest.mark.parametrize(("number", "looked_at"), [(3, True), (EVERY, True), (5 * EVERY, True), (EVERY + 1, False)])
def test_the_first_frames_and_every_so_many_are_looked_at(number: int, looked_at: bool) -> None:
    frames = [frame()] * (6 * EVERY)
    frames[number] = frame(barred=False)
    assert picture(frames) == (WHOLE if looked_at else INSIDE)


def test_nothing_seen_is_whole() -> None:
    assert picture([]) == WHOLE
    assert picture([frame()] * (LEAST_FRAMES - 1)) == WHOLE
