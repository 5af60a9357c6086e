from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.video.bars import picture_inside

Luma = npt.NDArray[np.uint8]
WIDTH, HEIGHT = 160, 120
WHOLE = (0, 0, WIDTH, HEIGHT)
BARS = {  # left, top, right, bottom: lines
    "top": (0, 15, 0, 0),
    "bottom": (0, 0, 0, 15),
    "left": (20, 0, 0, 0),
    "right": (0, 0, 20, 0),
    "letterbox": (0, 15, 0, 16),
    "pillarbox": (20, 0, 18, 0),
    "all sides": (12, 14, 16, 10),
}


def texture(width: int = WIDTH, height: int = HEIGHT, *, seed: int = 0, low: int = 60, high: int = 235) -> Luma:
    return np.random.default_rng(seed).integers(low, high, (height, width), dtype=np.uint8)


def framed(picture: Luma, left: int, top: int, right: int, bottom: int, *, level: int = 16) -> Luma:
    return np.pad(picture, ((top, bottom), (left, right)), constant_values=level)


def with_bars(left: int, top: int, right: int, bottom: int, **how: int) -> Luma:
    """A frame of 160x120 whose picture is what the bars leave."""
    return framed(texture(WIDTH - left - right, HEIGHT - top - bottom), left, top, right, bottom, **how)


@pytest.mark.parametrize("level", [0, 16, 20])
@pytest.mark.parametrize("bars", BARS.values(), ids=BARS)
def test_bars_end_where_they_end(bars: tuple[int, int, int, int], level: int) -> None:
    left, top, right, bottom = bars
    assert picture_inside(with_bars(*bars, level=level)) == (left, top, WIDTH - right, HEIGHT - bottom)


def test_a_frame_without_bars_stays_whole() -> None:
    assert picture_inside(texture()) == WHOLE
    assert picture_inside(np.full((HEIGHT, WIDTH), 16, np.uint8)) == WHOLE
    assert picture_inside(np.full((HEIGHT, WIDTH), 235, np.uint8)) == WHOLE


@pytest.mark.parametrize(("black", "white"), [(64, 940), (0, 1023), (0, 255), (4096, 60160)])
def test_levels_count_in_the_range_and_the_bits_of_the_video(black: int, white: int) -> None:
    def levels(luma: Luma) -> npt.NDArray[np.uint16]:
        return np.rint((luma - 16.0) * (white - black) / 219 + black).astype(np.uint16)

    assert picture_inside(levels(with_bars(0, 15, 0, 16)), black=black, white=white) == (0, 15, WIDTH, HEIGHT - 16)
    grey = levels(with_bars(0, 15, 0, 16, level=40))  # as dark as a bar in limited range, were 40 counted from 28 on
    assert picture_inside(grey, black=black, white=white) == WHOLE


def test_a_dark_grey_band_is_no_bar() -> None:
    assert picture_inside(with_bars(0, 15, 0, 16, level=28)) == (0, 15, WIDTH, HEIGHT - 16)
    assert picture_inside(with_bars(0, 15, 0, 16, level=29)) == WHOLE


def test_what_is_thinner_than_four_lines_may_be_picture() -> None:
    assert picture_inside(with_bars(0, 3, 0, 0)) == WHOLE
    assert picture_inside(with_bars(0, 4, 0, 0)) == (0, 4, WIDTH, HEIGHT)
    assert picture_inside(framed(texture(800, 600), 9, 0, 0, 0)) == (0, 0, 809, 600)
    assert picture_inside(framed(texture(800, 600), 10, 0, 0, 0)) == (10, 0, 810, 600)  # an eightieth


def test_bars_that_leave_less_than_a_third_are_none() -> None:
    assert picture_inside(with_bars(0, 40, 0, 40)) == (0, 40, WIDTH, HEIGHT - 40)
    assert picture_inside(with_bars(0, 41, 0, 40)) == WHOLE


def night(skyline: npt.NDArray[np.int_], *, noise: int = 3) -> Luma:
    """A black sky above a lit town, whose roofs are at these rows; the sky is from 16 to 16 + ``noise``."""
    rng = np.random.default_rng(1)
    frame = texture(seed=1)
    sky = np.arange(HEIGHT)[:, np.newaxis] < skyline
    frame[sky] = rng.integers(16, 17 + noise, int(sky.sum()))
    return frame


def test_a_night_sky_above_roofs_is_picture() -> None:
    roofs = np.random.default_rng(2).integers(30, 60, WIDTH // 8).repeat(8)
    assert picture_inside(night(roofs, noise=0)) == WHOLE
    assert picture_inside(night(roofs)) == WHOLE
    hill = (40 + 10 * np.sin(np.linspace(0, 3, WIDTH))).astype(int)
    assert picture_inside(night(hill, noise=0)) == WHOLE


def test_a_noisy_night_sky_above_a_level_horizon_is_picture() -> None:
    """It is dark, and its edge is as straight as that of a bar; but it is not flat."""
    assert picture_inside(night(np.full(WIDTH, 40), noise=11)) == WHOLE


def test_points_of_light_in_a_dark_sky_are_kept() -> None:
    roofs = np.random.default_rng(2).integers(30, 60, WIDTH // 8).repeat(8)
    frame = night(roofs)
    frame[12:14, ::20] = 200
    assert picture_inside(frame) == WHOLE


def test_a_lit_stage_in_a_dark_hall_is_no_picture_in_bars() -> None:
    """Its edges are straight, but they are not as long as half of the side."""
    frame = np.full((HEIGHT, WIDTH), 16, np.uint8)
    frame[30:90, 45:115] = texture(70, 60)
    assert picture_inside(frame) == WHOLE


def test_a_picture_that_is_dark_at_one_half_of_the_edge_has_its_bar_cut_and_at_more_keeps_it() -> None:
    frame = with_bars(0, 15, 0, 0)
    frame[15:40, :70] = 16
    assert picture_inside(frame) == (0, 15, WIDTH, HEIGHT)
    frame[15:40, :90] = 16
    assert picture_inside(frame) == WHOLE


def test_a_dark_clip_keeps_all_of_it() -> None:
    """The same bars: round a picture of which a tenth is bright, and round a dark one."""
    dark = framed(texture(WIDTH, 90, low=30, high=50), 0, 15, 0, 15)
    assert picture_inside(dark) == WHOLE
    lit = dark.copy()
    lit[15:27] = 120
    assert picture_inside(lit) == (0, 15, WIDTH, HEIGHT - 15)


@pytest.mark.parametrize("level", [60, 130, 235])
def test_subtitles_in_a_bar_end_it(level: int) -> None:
    """Letters from the tenth line from the bottom on, of 30 lines of bar, over half of the width."""
    frame = with_bars(0, 30, 0, 30)
    frame[100:110, 40:120:2] = level
    assert picture_inside(frame) == (0, 30, WIDTH, 110)


@pytest.mark.parametrize(("rows", "top"), [(range(8, 14), 8), (range(3), 0), (range(16, 20), 16)])
def test_a_logo_in_a_bar_ends_it(rows: range, top: int) -> None:
    frame = with_bars(0, 30, 0, 0)
    frame[rows.start : rows.stop, 140:150] = 120
    assert picture_inside(frame) == ((0, top, WIDTH, HEIGHT) if top else WHOLE)


def test_a_logo_of_one_pixel_ends_a_bar() -> None:
    frame = with_bars(0, 30, 0, 0)
    frame[12, 150] = 60
    assert picture_inside(frame) == (0, 12, WIDTH, HEIGHT)


def test_a_black_thing_that_fills_one_side_of_the_picture_is_picture() -> None:
    """A piano: its edge is straight along more than half of the side, and a line shines on it."""
    frame = texture()
    frame[:, 90:] = 18
    frame[:40, 90:120] = texture(30, 40)
    frame[60, 90:150] = 90
    assert picture_inside(frame) == WHOLE


def test_the_line_between_bar_and_picture_goes_if_it_is_nearly_all_bar() -> None:
    frame = with_bars(0, 15, 0, 0)
    frame[15] = 16 + (frame[16].astype(int) - 16) // 5
    frame[HEIGHT - 1] = 60
    assert picture_inside(frame) == (0, 16, WIDTH, HEIGHT)
    frame[15] = 16 + (frame[16].astype(int) - 16) // 2
    assert picture_inside(frame) == (0, 15, WIDTH, HEIGHT)


def test_what_coding_spreads_into_a_bar_next_to_the_picture_does_not_keep_it() -> None:
    frame = with_bars(0, 30, 0, 0)
    frame[22:30, ::64] = 40  # 3 pixels of 160
    assert picture_inside(frame) == (0, 30, WIDTH, HEIGHT)
    frame[25, 60] = 80
    assert picture_inside(frame) == (0, 25, WIDTH, HEIGHT)
    frame[21, ::64] = 40
    assert picture_inside(frame) == (0, 21, WIDTH, HEIGHT)


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1), (2, 3), (7, 9), (8, 8), (16, 16), (121, 77)])
def test_frames_of_any_size_are_whole_without_bars_and_do_not_fail(shape: tuple[int, int]) -> None:
    height, width = shape
    for frame in (texture(width, height), np.full(shape, 16, np.uint8), np.full(shape, 200, np.uint8)):
        assert picture_inside(frame) == (0, 0, width, height)


edges = st.sampled_from([0, 4, 5, 11, 25])


def drawn(seed: int, left: int, top: int, right: int, bottom: int) -> Luma:
    """Bars with coding noise and sometimes a logo, round a picture that may be dark here and there."""
    rng = np.random.default_rng(seed)
    frame = with_bars(left, top, right, bottom)
    frame[rng.random(frame.shape) < 0.3] += 1
    x, y, side = (int(rng.integers(limit)) for limit in (WIDTH, HEIGHT, 40))
    frame[y : y + side, x : x + side] = rng.choice((16, 17, 120))
    return frame


@given(seed=st.integers(0, 10_000), left=edges, top=edges, right=edges, bottom=edges)
def test_mirrored_and_turned_frames_give_mirrored_and_turned_pictures(
    seed: int, left: int, top: int, right: int, bottom: int
) -> None:
    frame = drawn(seed, left, top, right, bottom)
    x0, y0, x1, y1 = picture_inside(frame)
    assert picture_inside(frame[:, ::-1]) == (WIDTH - x1, y0, WIDTH - x0, y1)
    assert picture_inside(frame[::-1]) == (x0, HEIGHT - y1, x1, HEIGHT - y0)
    assert picture_inside(frame.T) == (y0, x0, y1, x1)


@given(seed=st.integers(0, 10_000), left=edges, top=edges, right=edges, bottom=edges)
def test_nothing_brighter_than_a_bar_is_cut_but_next_to_the_picture(
    seed: int, left: int, top: int, right: int, bottom: int
) -> None:
    frame = drawn(seed, left, top, right, bottom)
    x0, y0, x1, y1 = picture_inside(frame)
    outside = frame.copy()
    outside[max(0, y0 - 10) : y1 + 10, max(0, x0 - 10) : x1 + 10] = 0
    assert outside.max() <= 28


@given(seed=st.integers(0, 10_000), lines=st.integers(4, 50), side=st.integers(0, 3))
def test_a_bar_of_more_lines_moves_its_edge_by_as_many(seed: int, lines: int, side: int) -> None:
    picture = np.rot90(texture(seed=seed), side)
    height, width = picture.shape
    assert picture_inside(framed(picture, 0, lines, 0, 0)) == (0, lines, width, height + lines)
    assert picture_inside(framed(picture, lines, 0, 0, 0)) == (lines, 0, width + lines, height)


@given(seed=st.integers(0, 10_000), low=st.integers(0, 60), spread=st.integers(20, 190))
def test_no_bar_is_found_in_noise(seed: int, low: int, spread: int) -> None:
    assert picture_inside(texture(seed=seed, low=low, high=low + spread)) == WHOLE


def test_a_dark_line_of_a_bar_may_be_darker_than_black() -> None:
    """A bar of two bars, one of 0 and one of 16, as a file that was framed twice has them."""
    frame = with_bars(0, 30, 0, 0)
    frame[:15] = 0
    assert picture_inside(frame) == (0, 30, WIDTH, HEIGHT)
    frame[:20, :60] = 0
    assert picture_inside(frame) == (0, 30, WIDTH, HEIGHT)
