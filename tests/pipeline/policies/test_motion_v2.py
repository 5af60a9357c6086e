"""Version 2 of the method: which vectors are kept and drawn, and which rectangle wins."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.crop_box import WHOLE_FRAME
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.policies.base import ClipFacts
from mocrop.pipeline.policies.box_search import find_box
from mocrop.pipeline.policies.motion_v2 import MotionV2Settings, best_box, fastest, motion_v2_box, sample

MakeMotion = Callable[..., ClipMotion]
PICTURE = (320, 240)


def facts(motion: ClipMotion | None, clip: str = "A/a") -> ClipFacts:
    return ClipFacts(name=clip, size=PICTURE, motion=motion)


def test_the_fastest_hundredth_is_kept_rounded_up() -> None:
    speed = np.arange(250, dtype=np.float32)
    assert fastest(speed, np.arange(250), keep=0.01).tolist() == [247, 248, 249]


def test_one_vector_is_kept_of_few() -> None:
    assert fastest(np.array([1, 5], np.float32), np.arange(2), keep=0.01).tolist() == [1]


def test_of_equally_fast_vectors_the_first_is_kept() -> None:
    assert fastest(np.array([1, 3, 2, 3], np.float32), np.arange(4), keep=0.25).tolist() == [1]
    assert fastest(np.full(5, 3, np.float32), np.arange(5), keep=0.4).tolist() == [0, 1]


def test_the_draws_are_a_share_of_the_kept_vectors_not_of_all(make_motion: MakeMotion) -> None:
    """Of 1,000 vectors 100 are kept, and of these a tenth is drawn."""
    motion = make_motion([(20, 20, 2 + n / 4, 0) for n in range(1000)])
    settings = MotionV2Settings(keep=0.1, gamma=0.1)
    assert motion_v2_box(facts(motion), settings).density.sum() == 10


def test_only_the_pool_is_looked_at() -> None:
    assert fastest(np.array([9, 1, 2], np.float32), np.array([1, 2]), keep=0.5).tolist() == [2]


def test_a_tenth_of_the_kept_is_drawn_and_twice_the_speed_is_drawn_sixteen_times_as_often() -> None:
    """17,000 kept vectors, half of speed 1 and half of speed 2: of 1,700 draws 1,600 are expected to be fast."""
    speed = np.repeat(np.array([1, 2], np.float32), 8500)
    drawn = sample(speed, np.arange(17_000), clip="A/a", settings=MotionV2Settings())
    assert len(drawn) == 1700
    fast = int((speed[drawn] == 2).sum())
    assert abs(fast - 1600) < 5 * np.sqrt(1700 * 16 / 17 / 17)


def test_all_motion_in_one_corner_puts_the_box_there(make_motion: MakeMotion) -> None:
    motion = make_motion([(300, 220, 8, 0)] * 20 + [(20, 20, 1, 0)] * 20)
    result = motion_v2_box(facts(motion), MotionV2Settings(ratio=0.25))
    assert result.usable
    assert (result.box.right, result.box.bottom) == (1, 1)
    assert result.density.shape == (9, 16)


def test_with_nothing_but_the_sum_the_box_is_that_of_the_first_version() -> None:
    density = np.random.default_rng(0).integers(0, 9, (9, 16)).astype(np.float32)
    assert best_box(density, ratio=0.5, sum_weight=1) == find_box(density, ratio=0.5)


def test_of_rectangles_that_hold_as_much_the_smaller_wins() -> None:
    """All in one cell of 4x4: boxes of 8 cells, as 2x4 or 4x2, all hold it, so the first of them wins."""
    density = np.zeros((9, 16), np.float32)
    density[4, 8] = 1
    box = best_box(density, ratio=0.5, sum_weight=0.6)
    cells = round(box.area * 9 * 16)
    assert cells == 65  # 64.8 is the least allowed: 5x13


@pytest.mark.parametrize(("sum_weight", "width"), [(1.0, 11), (0.6, 9), (0.0, 9)])
def test_the_mean_counts_as_a_share_of_the_largest_mean(sum_weight: float, width: int) -> None:
    """Nine cells of 10 in a row of ones: 9, 10 or 11 of 20 cells hold 90, 91 and 92, and 10, 9.1 and 8.4 on average.

    So the smallest scores 0.6 * 90 / 92 + 0.4 = 0.99, and the largest 0.6 + 0.4 * 8.4 / 10 = 0.93.
    """
    density = np.ones((1, 20), np.float32)
    density[0, 5:14] = 10
    assert round(20 * best_box(density, ratio=0.5, sum_weight=sum_weight).area) == width


@pytest.mark.parametrize("vectors", [[], [(20, 20, 0.25, 0)]])
def test_without_a_long_enough_vector_the_whole_frame_is_kept_with_the_reason(
    vectors: list[tuple[float, ...]], make_motion: MakeMotion
) -> None:
    result = motion_v2_box(facts(make_motion(vectors)), MotionV2Settings())
    assert (result.box, result.usable) == (WHOLE_FRAME, False)
    assert "0.5 pixels" in result.why
    assert not motion_v2_box(facts(None), MotionV2Settings()).usable


def test_the_box_depends_on_seed_and_name_alone(make_motion: MakeMotion) -> None:
    rng = np.random.default_rng(3)
    spread = np.stack([*rng.integers(0, [[320], [240]], (2, 4000)), rng.integers(1, 9, 4000), np.zeros(4000)], axis=1)
    motion = make_motion(spread.tolist())

    def density(clip: str, seed: int) -> bytes:
        return motion_v2_box(facts(motion, clip), MotionV2Settings(seed=seed)).density.tobytes()

    assert density("A/a", 0) == density("A/a", 0)
    assert len({density("A/a", 0), density("A/b", 0), density("A/a", 1)}) == 3


def test_compensated_the_camera_s_own_speed_does_not_count(make_motion: MakeMotion) -> None:
    """The left follows a pan of 8 pixels; a block on the right moves by 4, so by -4 against the camera."""
    motion = make_motion([(20, 120, 8, 0)] * 100 + [(300, 120, 4, 0)])
    camera = np.zeros((2, 6), np.float32)
    camera[1, 0] = 8
    panned = dataclasses.replace(motion, camera=camera)
    settings = MotionV2Settings(ratio=0.25)
    assert motion_v2_box(facts(panned), settings).box.left == 0
    compensated = dataclasses.replace(settings, camera="compensate")
    assert motion_v2_box(facts(panned), compensated).box.right > 300 / 320


@pytest.mark.parametrize(
    "wrong", [{"keep": 0}, {"gamma": 2}, {"beta": -1}, {"beta": float("inf")}, {"sum_weight": 1.5}, {"camera": "x"}]
)
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MotionV2Settings(**wrong)  # type: ignore[arg-type]


@given(beta=st.floats(0, 1e6), speeds=st.lists(st.floats(0.5, 8000, width=32), min_size=1, max_size=50))
def test_any_exponent_draws_kept_vectors(beta: float, speeds: list[float]) -> None:
    kept = np.arange(len(speeds))
    drawn = sample(np.array(speeds, np.float32), kept, clip="A/a", settings=MotionV2Settings(beta=beta))
    assert set(drawn.tolist()) <= set(kept.tolist())
    assert len(drawn) >= 1
