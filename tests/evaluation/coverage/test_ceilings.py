"""The best boxes of hindsight: no box of their size holds more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.evaluation.coverage.ceilings import MOST_STARTS, best_moving_boxes, best_static_box
from mocrop.evaluation.coverage.overlap import DoubleMap, overlaps

QUARTER = (0.5, 0.5)

side = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted).filter(lambda pair: pair[1] - pair[0] > 1e-3)
actors = st.lists(st.tuples(side, side), min_size=1, max_size=6).map(
    lambda boxes: np.array([[x[0], y[0], x[1], y[1]] for x, y in boxes])
)
length = st.floats(0.05, 1)
starts = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=6, max_size=6)


def inside(truth: DoubleMap, edges: DoubleMap) -> float:
    return float(overlaps(truth, edges.reshape(-1, 4))[0])


def placed(start: tuple[float, float], extent: tuple[float, float]) -> list[float]:
    """A box of an extent somewhere in the frame; ``start`` is a share of the room there is."""
    left, top = (share * (1 - length) for share, length in zip(start, extent, strict=True))
    return [left, top, min(left + extent[0], 1), min(top + extent[1], 1)]


@given(truth=actors, across=length, down=length, start=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_no_static_box_holds_more_than_the_best(
    truth: DoubleMap, across: float, down: float, start: tuple[float, float]
) -> None:
    best = best_static_box(truth, extent=(across, down))
    assert inside(truth, np.array(placed(start, (across, down)))) <= inside(truth, best) + 1e-9
    assert best[2:] - best[:2] == pytest.approx([across, down])
    assert ((best >= 0) & (best <= 1)).all()


@given(truth=actors, frames=st.lists(st.integers(0, 2), min_size=6, max_size=6), places=starts, side=length)
def test_no_moving_boxes_hold_more_than_the_best_and_these_no_less_than_the_best_static_one(
    truth: DoubleMap, frames: list[int], places: list[tuple[float, float]], side: float
) -> None:
    """Frames with one actor and with several."""
    numbers, extent = np.array(frames[: len(truth)]), (side, side)
    best = inside(truth, best_moving_boxes(numbers, truth, extent=extent))
    moving = np.array([placed(places[number], extent) for number in numbers])
    assert inside(truth, moving) <= best + 1e-9
    assert inside(truth, best_static_box(truth, extent=extent)) <= best + 1e-9


def test_an_actor_that_crosses_fits_into_moving_boxes_and_half_of_the_time_into_a_static_one() -> None:
    """Half of the frame wide, it stands at the left, then at the right."""
    truth = np.array([[0, 0.25, 0.5, 0.75], [0.5, 0.25, 1, 0.75]])
    assert inside(truth, best_static_box(truth, extent=QUARTER)) == pytest.approx(0.5)
    assert inside(truth, best_moving_boxes(np.array([0, 7]), truth, extent=QUARTER)) == pytest.approx(1)


def test_two_actors_in_a_frame_share_its_box() -> None:
    """At the left and the right border, a quarter wide each: half of the frame's width holds one of them, or halves."""
    truth = np.array([[0, 0, 0.25, 0.5], [0.75, 0, 1, 0.5]])
    edges = best_moving_boxes(np.array([3, 3]), truth, extent=QUARTER)
    assert inside(truth, edges) == pytest.approx(0.5)
    assert np.array_equal(edges[0], edges[1])


def test_an_actor_larger_than_the_box_fills_it() -> None:
    truth = np.array([[0.1, 0.0, 0.9, 1.0]])
    assert inside(truth, best_static_box(truth, extent=QUARTER)) == pytest.approx(0.25 / 0.8)
    assert inside(truth, best_moving_boxes(np.array([0]), truth, extent=QUARTER)) == pytest.approx(0.25 / 0.8)


def test_many_actors_cost_a_little_exactness_and_no_more_memory() -> None:
    """5,000 actors have more places than are tried: the best box is at most one of their steps off."""
    rng = np.random.default_rng(0)
    middle = rng.uniform(0.3, 0.4, (5000, 2))
    truth = np.concatenate([middle - 0.1, middle + 0.1], axis=1)
    best = best_static_box(truth, extent=(0.3, 0.3))
    assert inside(truth, best) > 1 - 4 / MOST_STARTS  # the box from 0.2 to 0.5 holds them all
