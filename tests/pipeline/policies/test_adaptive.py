"""The adaptive policy: motion decides where the camera rests, the centre where it does not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mocrop.pipeline.choices import Camera
from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.policies.adaptive import (
    AdaptiveSettings,
    adaptive_box,
    camera_share,
    centre_prior,
    departs,
    fullest_boxes,
    motion_density,
    own_motion,
)
from mocrop.pipeline.policies.base import ClipFacts, PolicyResult, box_extent

MakeMotion = Callable[..., ClipMotion]
PICTURE = (320, 240)
CENTRED = CropBox(left=0.25, top=0.25, right=0.75, bottom=0.75)
QUARTER = AdaptiveSettings(ratio=0.25)


def facts(motion: ClipMotion | None, clip: str = "A/a") -> ClipFacts:
    return ClipFacts(name=clip, size=PICTURE, motion=motion)


def density_of(motion: ClipMotion, *, camera: Camera, blur_cells: float = 2) -> npt.NDArray[np.float64] | None:
    own = own_motion(motion, AdaptiveSettings(camera=camera, blur_cells=blur_cells))
    return None if own is None else motion_density(own)


def fullest_box(evidence: npt.NDArray[np.float64], *, extent: tuple[float, float]) -> CropBox:
    return fullest_boxes(evidence[np.newaxis], extent=extent)[0]


def with_camera(motion: ClipMotion, right_px: float) -> ClipMotion:
    camera = np.zeros((motion.frames, 6), np.float32)
    camera[1, 0] = right_px
    return dataclasses.replace(motion, camera=camera)


def quarter(motion: ClipMotion | None) -> PolicyResult:
    return adaptive_box(facts(motion), QUARTER)


def test_still_camera_and_motion_in_a_corner_give_a_box_in_that_corner(make_motion: MakeMotion) -> None:
    box = quarter(make_motion([(280, 200, 4, 0)] * 200)).box
    assert box.left > 0.4
    assert box.top > 0.4
    assert box.right > 280 / 320
    assert box.bottom > 200 / 240


def test_motion_everywhere_gives_the_centred_box(make_motion: MakeMotion) -> None:
    everywhere = [(x, y, 4, 0) for x in range(5, 320, 10) for y in range(5, 240, 10)]
    assert quarter(make_motion(everywhere)).box.edges == pytest.approx(CENTRED.edges)


def test_one_vector_alone_does_not_move_the_box(make_motion: MakeMotion) -> None:
    assert quarter(make_motion([(10, 10, 4, 0)])).box.edges == pytest.approx(CENTRED.edges)


def in_two_frames(motion: ClipMotion, first: int) -> ClipMotion:
    """The same vectors, the first so many of them in the first frame."""
    per_frame = np.array([first, len(motion.x) - first], np.int32)
    return dataclasses.replace(motion, vectors_per_frame=per_frame, frame_type=np.array([2, 2], np.uint8))


def test_a_frame_with_a_thousand_vectors_counts_little_more_than_one_with_a_hundred(make_motion: MakeMotion) -> None:
    """Every vector is 16/17 sure; the frames weigh 94.1 / 104.1 and 941 / 951, so 0.477 to 0.523."""
    motion = in_two_frames(make_motion([(45, 35, 4, 0)] * 100 + [(275, 205, 4, 0)] * 1000), 100)
    density = density_of(motion, camera="ignore", blur_cells=0)
    assert density is not None
    assert density[:12].sum() / density.sum() == pytest.approx(0.477, abs=0.001)


def test_a_stray_vector_in_a_frame_of_its_own_does_not_matter(make_motion: MakeMotion) -> None:
    motion = in_two_frames(make_motion([(45, 35, 4, 0)] + [(275, 205, 4, 0)] * 100), 1)
    box = quarter(motion).box
    assert box.right > 275 / 320
    assert box.bottom > 205 / 240


def test_a_pan_that_everything_follows_counts_as_no_motion(make_motion: MakeMotion) -> None:
    panned = with_camera(make_motion([(280, 200, 4, 0)] * 200), 4)
    assert density_of(panned, camera="compensate") is None
    assert density_of(panned, camera="ignore") is not None


def test_the_same_motion_moves_the_box_less_when_the_camera_moves(make_motion: MakeMotion) -> None:
    """A third of the motion top left, the rest spread out, with a still camera and with a fast pan."""
    spread = [(x, y, 0, 4) for x in range(5, 320, 10) for y in range(5, 240, 10)]
    motion = make_motion(spread + [(45, 35, 0, 4)] * 400)
    still = adaptive_box(facts(motion), dataclasses.replace(QUARTER, camera="ignore")).box
    moving = adaptive_box(facts(with_camera(motion, 50)), dataclasses.replace(QUARTER, camera="ignore")).box
    assert still.left < 0.1
    assert moving.left > 0.2


@pytest.mark.parametrize("vectors", [[], [(1000, 1000, 4, 0)]])
def test_without_motion_in_the_picture_the_whole_frame_is_kept_with_the_reason(
    vectors: list[tuple[float, ...]], make_motion: MakeMotion
) -> None:
    result = quarter(make_motion(vectors))
    assert (result.box, result.usable, result.density.any()) == (WHOLE_FRAME, False, False)
    assert "nothing moves" in result.why
    assert not quarter(None).usable


def test_vectors_partly_outside_count_at_the_border(make_motion: MakeMotion) -> None:
    box = quarter(make_motion([(323, 243, 4, 0)] * 500)).box
    assert (box.right, box.bottom) == (1, 1)


def test_camera_motion_that_is_not_a_number_is_refused(make_motion: MakeMotion) -> None:
    with pytest.raises(ValueError, match="finite"):
        quarter(with_camera(make_motion([(20, 20, 4, 0)]), float("nan")))


def test_at_the_following_distance_a_vector_counts_half(make_motion: MakeMotion) -> None:
    """One pixel at 320x240."""
    sure = departs(np.array([0.0, 1.0, 3.0]), make_motion([]))
    assert sure.tolist() == pytest.approx([0, 0.5, 0.9])


def test_a_still_camera_has_a_share_of_zero_and_a_pan_of_three_pixels_of_nine_tenths(make_motion: MakeMotion) -> None:
    motion = make_motion([(20, 20, 4, 0)])
    assert camera_share(motion) == 0
    assert camera_share(with_camera(motion, 3)) == pytest.approx(0.9)


def test_prior_is_symmetric_and_sums_to_one() -> None:
    prior = centre_prior((24, 32), size=0.22)
    assert prior.sum() == pytest.approx(1)
    assert prior == pytest.approx(prior[::-1, ::-1])


def test_box_cuts_through_cells() -> None:
    """Four cells in a row, boxes 3/8 long that begin at 0, 5/32, ...: the third of five holds 3/4 * 4 + 3/4 * 2."""
    box = fullest_box(np.array([[0.0, 4.0, 2.0, 0.0]]), extent=(0.375, 1.0))
    assert box.edges == pytest.approx((0.3125, 0, 0.6875, 1))


@pytest.mark.parametrize("extent", [(0.5, 1.0), (1.0, 0.5), (0.5, 0.25)])
def test_where_nothing_prefers_a_place_the_box_is_in_the_middle(extent: tuple[float, float]) -> None:
    width, height = extent
    box = fullest_box(np.ones((8, 8)), extent=extent)
    assert box.edges == ((1 - width) / 2, (1 - height) / 2, (1 + width) / 2, (1 + height) / 2)


@pytest.mark.parametrize("grid", [(1, 1), (1, 4), (4, 1)])
def test_where_nothing_prefers_a_place_it_is_so_in_a_grid_of_one_row_or_column(grid: tuple[int, int]) -> None:
    (box,) = fullest_boxes(np.ones((1, *grid)), extent=(0.5, 0.5))
    assert box.edges == (0.25, 0.25, 0.75, 0.75)


def test_of_equal_boxes_the_most_central_wins() -> None:
    assert fullest_box(np.ones((24, 32)), extent=(0.5, 0.5)).edges == pytest.approx(CENTRED.edges)


@given(
    width=st.integers(16, 4000),
    height=st.integers(16, 4000),
    ratio=st.floats(0.01, 1),
    shape=st.sampled_from(["frame", "square"]),
)
def test_extent_has_the_area_and_fits(width: int, height: int, ratio: float, shape: str) -> None:
    across, down = box_extent((width, height), ratio=ratio, shape=shape)  # type: ignore[arg-type]
    assert across * down == pytest.approx(ratio)
    assert max(across, down) <= 1


vector = st.tuples(
    st.integers(-40, 360), st.integers(-40, 280), st.integers(-30, 30).map(lambda q: q / 4 or 1.0), st.just(0.0)
)


@settings(max_examples=50)
@given(
    vectors=st.lists(vector, max_size=40),
    ratio=st.floats(0.05, 1),
    grid=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    shape=st.sampled_from(["frame", "square"]),
    blur=st.floats(0, 5),
)
def test_any_vectors_give_a_box_of_the_area_whatever_their_order(
    make_motion: MakeMotion,
    vectors: list[tuple[int, int, float, float]],
    ratio: float,
    grid: tuple[int, int],
    shape: str,
    blur: float,
) -> None:
    chosen = AdaptiveSettings(ratio=ratio, grid=grid, shape=shape, blur_cells=blur)  # type: ignore[arg-type]
    result = adaptive_box(facts(make_motion(vectors)), chosen)
    assert result.density.shape == grid
    assert np.isfinite(result.density).all()
    assert result.density.min() >= 0
    assert result.box.area == pytest.approx(ratio if result.usable else 1)
    again = adaptive_box(facts(make_motion(vectors[::-1]), "A/b"), chosen)
    assert again.density == pytest.approx(result.density, rel=1e-5, abs=1e-9)
    assert adaptive_box(facts(make_motion(vectors), "A/b"), chosen).box == result.box


@settings(max_examples=50)
@given(vectors=st.lists(vector, min_size=1, max_size=40))
def test_a_mirrored_clip_has_the_mirrored_density(
    make_motion: MakeMotion, vectors: list[tuple[int, int, float, float]]
) -> None:
    """Blocks at x and 319 - x lie in mirrored cells."""
    mirrored = [(319 - x, y, -dx, dy) for x, y, dx, dy in vectors if 0 <= x < 320]
    plain = [v for v in vectors if 0 <= v[0] < 320]
    there, back = quarter(make_motion(plain)), quarter(make_motion(mirrored))
    assert back.usable == there.usable
    assert back.density == pytest.approx(there.density[:, ::-1], rel=1e-5, abs=1e-9)


@pytest.mark.parametrize(
    "wrong",
    [
        {"prior_size": 0},
        {"prior_still": -1},
        {"prior_moving": float("nan")},
        {"blur_cells": -1},
        {"shape": "round"},
        {"camera": "follow"},
        {"ratio": 0},
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AdaptiveSettings(**wrong)  # type: ignore[arg-type]
