"""Crop boxes: the search against plain loops, its ties, its refusals, and boxes in pixels."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox
from mocrop.pipeline.errors import CropBoxError
from mocrop.pipeline.policies.box_search import find_box, find_boxes, rectangles

Cells = tuple[int, int, int, int]  # top, left, height, width

grids = st.tuples(st.integers(1, 9), st.integers(1, 16))
RATIOS = [0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0]
ratios = st.sampled_from(RATIOS)


def fitting_cells(rows: int, cols: int, ratio: float) -> list[Cells]:
    """Every rectangle of a fitting area, in the order of four plain loops."""
    return [
        (top, left, height, width)
        for height in range(1, rows + 1)
        for width in range(1, cols + 1)
        if 0.9 * ratio * rows * cols <= height * width <= 1.1 * ratio * rows * cols
        for top in range(rows - height + 1)
        for left in range(cols - width + 1)
    ]


def plain_search(
    density: npt.NDArray[np.generic], ratio: float, number: type[int | Fraction] = Fraction
) -> Cells | None:
    """The search as plain loops in exact arithmetic: the largest sum, the first of equals."""
    cells = [[number(value) for value in row] for row in density.tolist()]
    best: Cells | None = None
    best_sum: int | Fraction = -1
    for top, left, height, width in fitting_cells(*density.shape, ratio):
        total = number(0)
        for row in cells[top : top + height]:
            total += sum(row[left : left + width])
        if total > best_sum:
            best, best_sum = (top, left, height, width), total
    return best


def as_box(cells: Cells, grid: tuple[int, ...]) -> CropBox:
    top, left, height, width = cells
    rows, cols = grid
    return CropBox(left=left / cols, top=top / rows, right=(left + width) / cols, bottom=(top + height) / rows)


def agrees_with_plain_loops(
    density: npt.NDArray[np.generic], ratio: float, number: type[int | Fraction] = Fraction
) -> None:
    expected = plain_search(density, ratio, number)
    if expected is None or not density.any():
        with pytest.raises(CropBoxError):
            find_box(density, ratio=ratio)
    else:
        assert find_box(density, ratio=ratio) == as_box(expected, density.shape)


@settings(max_examples=300)
@given(data=st.data(), grid=grids, ratio=ratios)
def test_search_agrees_with_plain_loops_on_counts(data: st.DataObject, grid: tuple[int, int], ratio: float) -> None:
    counts = st.integers(0, data.draw(st.sampled_from([1, 3, 1000, 10_000_000])))
    agrees_with_plain_loops(data.draw(hnp.arrays(np.float32, grid, elements=counts)), ratio, int)


def test_search_agrees_with_plain_loops_on_thousands_of_maps_full_of_ties() -> None:
    rng = np.random.default_rng(0)
    for _ in range(3000):
        grid = tuple(rng.integers(1, 8, 2))
        agrees_with_plain_loops(rng.integers(0, rng.integers(2, 4), grid).astype(np.float32), rng.choice(RATIOS), int)


@settings(max_examples=100)
@given(data=st.data(), grid=grids, ratio=ratios)
def test_search_agrees_with_plain_loops_on_float32(data: st.DataObject, grid: tuple[int, int], ratio: float) -> None:
    """Float32 values within a factor of a million or so: their sums are exact in the search as well."""
    fractions = st.floats(0, 1, width=32).map(lambda value: round(value * 2**20) / 2**20)
    agrees_with_plain_loops(data.draw(hnp.arrays(np.float32, grid, elements=fractions)), ratio)


@settings(max_examples=100)
@given(data=st.data(), grid=grids, ratio=ratios)
def test_box_holds_all_but_a_trillionth_of_the_best_sum_on_any_floats(
    data: st.DataObject, grid: tuple[int, int], ratio: float
) -> None:
    values = st.floats(0, 1e300, allow_subnormal=False)
    density = data.draw(hnp.arrays(np.float64, grid, elements=values))
    expected = plain_search(density, ratio)
    if expected is None or not density.any():
        return
    box = find_box(density, ratio=ratio)
    exact = {as_box(cells, grid): exact_sum(density, cells) for cells in fitting_cells(*grid, ratio)}
    assert exact[box] >= exact_sum(density, expected) - exact_sum(density, (0, 0, *grid)) / 10**12


def exact_sum(density: npt.NDArray[np.generic], cells: Cells) -> Fraction:
    top, left, height, width = cells
    inside = density[top : top + height, left : left + width].ravel().tolist()
    return sum(map(Fraction, inside), Fraction(0))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("ratio", [0.75, 0.5, 0.25])
def test_search_agrees_with_plain_loops_on_realistic_maps(seed: int, ratio: float) -> None:
    agrees_with_plain_loops(np.random.default_rng(seed).poisson(70, (9, 16)).astype(np.float32), ratio)


@pytest.mark.parametrize("value", [1, 0.1, 7.3e-30, 1e300, 5e-324])
def test_first_of_equals_wins_on_a_flat_map(value: float) -> None:
    """At 6x8 and 0.75 a box has 5x7 = 35 or 6x6 = 36 cells; 36 hold more, and their first place is the left edge."""
    assert find_box(np.full((6, 8), value), ratio=0.75) == as_box((0, 0, 6, 6), (6, 8))


def test_equal_sums_are_equal_whatever_the_order_of_their_cells() -> None:
    """0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 differ in floating point, and not with a pencil."""
    density = np.array([[0.3, 0.2, 0.1], [0.1, 0.3, 0.2], [0.2, 0.1, 0.3]])
    assert find_box(density, ratio=1 / 3) == as_box((0, 0, 1, 3), (3, 3))


def test_box_is_found_where_the_motion_is() -> None:
    density = np.zeros((6, 8), np.float32)
    density[1:6, 1:8] = 1
    assert find_box(density, ratio=0.75) == as_box((1, 1, 5, 7), (6, 8))


def test_one_vector_lies_in_its_box() -> None:
    density = np.zeros((9, 16), np.float32)
    density[8, 15] = 1
    box = find_box(density, ratio=0.25)
    assert (box.right, box.bottom) == (1, 1)


def test_grid_of_six_by_eight_at_three_quarters_has_seven_boxes_one_of_them_the_centred_square() -> None:
    candidates = rectangles((6, 8), ratio=0.75)
    boxes = [candidates.box(index).pixels(320, 240) for index in range(len(candidates))]
    assert len(boxes) == 7
    assert (40, 0, 280, 240) in boxes


@given(grid=grids, ratio=ratios)
def test_rectangles_are_listed_as_plain_loops_list_them(grid: tuple[int, int], ratio: float) -> None:
    expected = fitting_cells(*grid, ratio)
    if expected:
        candidates = rectangles(grid, ratio=ratio)
        assert candidates.cells.tolist() == [list(cells) for cells in expected]
        assert [candidates.box(index) for index in range(len(candidates))] == [as_box(c, grid) for c in expected]


def test_a_stack_of_maps_gives_the_boxes_of_its_maps() -> None:
    stack = np.random.default_rng(0).integers(0, 4, (150, 9, 16)).astype(np.float32)
    stack[:, 0, 0] += 1  # none is zero everywhere
    edges = find_boxes(stack, ratio=0.5)
    assert edges.tolist() == [list(find_box(density, ratio=0.5).edges) for density in stack]


def test_a_stack_decides_ties_of_fractions_as_a_single_map_does() -> None:
    """Sixteen cells of 0.1 to 0.3 in tenths: many boxes hold as much with a pencil, but not as floats are summed."""
    tenths = np.random.default_rng(0).integers(1, 4, (2000, 4, 4)) / 10
    edges = find_boxes(tenths, ratio=0.5)
    assert edges.tolist() == [list(find_box(density, ratio=0.5).edges) for density in tenths]


def test_sums_of_rectangles_are_the_sums_of_their_cells() -> None:
    density = np.arange(12.0).reshape(3, 4)
    candidates = rectangles((3, 4), ratio=0.5)
    expected = [
        density[top : top + height, left : left + width].sum() for top, left, height, width in candidates.cells.tolist()
    ]
    assert candidates.sums(density).tolist() == expected


def test_grid_too_coarse_for_the_ratio_is_an_error_that_says_the_way_out() -> None:
    with pytest.raises(
        CropBoxError, match=r"no box of 2x2 cells .* ratio 0.1; pass a finer --grid or a larger --ratio"
    ):
        rectangles((2, 2), ratio=0.1)


def test_map_of_zeros_has_no_box() -> None:
    with pytest.raises(CropBoxError, match="zero everywhere"):
        find_box(np.zeros((6, 8), np.float32), ratio=0.75)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1.0])
def test_map_that_is_no_density_is_refused(value: float) -> None:
    density = np.ones((6, 8), np.float32)
    density[3, 4] = value
    with pytest.raises(ValueError, match="finite and non-negative"):
        find_box(density, ratio=0.75)
    with pytest.raises(ValueError, match="finite and non-negative"):
        find_boxes(np.stack([np.ones_like(density), density]), ratio=0.75)


@pytest.mark.parametrize("ratio", [0.0, -0.5, 1.01, float("nan")])
def test_ratio_out_of_range_is_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match="ratio"):
        rectangles((6, 8), ratio=ratio)


@pytest.mark.parametrize("grid", [(0, 8), (6, 0)])
def test_empty_grid_is_refused(grid: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="grid"):
        rectangles(grid, ratio=0.5)


@pytest.mark.parametrize(
    ("edges", "size", "pixels"),
    [
        ((0.125, 0, 0.875, 1), (320, 240), (40, 0, 280, 240)),
        ((1 / 6, 1 / 3, 1, 1), (320, 240), (53, 80, 320, 240)),
        ((0.125, 0.125, 0.25, 0.25), (1, 1), (0, 0, 1, 1)),
        ((0.9, 0.9, 1, 1), (3, 3), (2, 2, 3, 3)),
        ((0.25, 0, 0.75, 1), (2, 2), (0, 0, 2, 2)),
    ],
)
def test_edges_are_rounded_to_whole_pixels_and_keep_one(
    edges: tuple[float, ...], size: tuple[int, int], pixels: tuple[int, ...]
) -> None:
    left, top, right, bottom = edges
    assert CropBox(left=left, top=top, right=right, bottom=bottom).pixels(*size) == pixels


@given(
    edges=st.lists(st.floats(0, 1), min_size=4, max_size=4, unique=True).map(sorted),
    size=st.tuples(st.integers(1, 2000), st.integers(1, 2000)),
)
def test_pixels_lie_inside_the_picture_and_are_never_none(edges: list[float], size: tuple[int, int]) -> None:
    box = CropBox(left=edges[0], top=edges[1], right=edges[2], bottom=edges[3])
    left, top, right, bottom = box.pixels(*size)
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]


@pytest.mark.parametrize("edges", [(0.5, 0, 0.5, 1), (0, 0.6, 1, 0.4), (-0.1, 0, 1, 1), (0, 0, 1, 1.1)])
def test_box_outside_the_picture_or_without_area_is_refused(edges: tuple[float, ...]) -> None:
    left, top, right, bottom = edges
    with pytest.raises(ValueError, match="a crop box needs 0 <= left < right <= 1"):
        CropBox(left=left, top=top, right=right, bottom=bottom)


def test_whole_frame_has_area_one() -> None:
    assert WHOLE_FRAME.area == 1
    assert WHOLE_FRAME.edges == (0, 0, 1, 1)


def test_box_in_float32_is_what_a_float32_array_gives_back() -> None:
    box = CropBox(left=1 / 3, top=0.1, right=2 / 3, bottom=0.9)
    assert list(box.in_float32().edges) == np.array(box.edges, np.float32).tolist()
