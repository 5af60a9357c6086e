"""Density maps, checked with a pencil, and the sample that they count."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.policies import density
from mocrop.pipeline.policies.density import cells, clip_generator, density_map, visible_vectors

MakeMotion = Callable[..., ClipMotion]

GRID = (6, 8)  # 40 x 40 pixels a cell at 320 x 240


def map_of(
    motion: ClipMotion, *, eps_px: float = 0.5, samples: int = 10_000, seed: int = 0, clip: str = "A/a"
) -> npt.NDArray[np.float32]:
    return density_map(motion, clip=clip, grid=GRID, eps_px=eps_px, samples=samples, seed=seed)


def test_vectors_are_counted_in_the_cells_of_their_blocks_centres(make_motion: MakeMotion) -> None:
    density = map_of(make_motion([(0, 0, 1, 0), (39, 39, 1, 0), (40, 39, 0, 2), (319, 239, -3, 4)]))
    assert density.shape == GRID
    assert density.dtype == np.float32
    expected = np.zeros(GRID)
    expected[0, 0], expected[0, 1], expected[5, 7] = 2, 1, 1
    assert np.array_equal(density, expected)


def test_vectors_shorter_than_eps_are_dropped_and_those_of_its_length_kept(make_motion: MakeMotion) -> None:
    motion = make_motion([(10, 10, 0.25, 0.25), (50, 10, 0.5, 0), (90, 10, 0, -0.5)])
    assert map_of(motion, eps_px=0.5)[0].tolist() == [0, 1, 1, 0, 0, 0, 0, 0]
    assert map_of(motion, eps_px=0)[0].tolist() == [1, 1, 1, 0, 0, 0, 0, 0]


def test_eps_looks_at_the_length_and_not_at_the_components(make_motion: MakeMotion) -> None:
    motion = make_motion([(10, 10, 3, 4)])
    assert map_of(motion, eps_px=5).sum() == 1
    assert map_of(motion, eps_px=5.01).sum() == 0


def test_clip_without_vectors_has_a_map_of_zeros(make_motion: MakeMotion) -> None:
    assert not map_of(make_motion([])).any()


def test_blocks_that_reach_into_the_picture_count_in_the_nearest_cell_others_not(
    make_motion: MakeMotion,
) -> None:
    """A block of 16 pixels whose centre lies 7 pixels outside still shows one column of it; 8 pixels outside, none."""
    assert map_of(make_motion([(-7, 10, 1, 0)]))[0, 0] == 1
    assert map_of(make_motion([(326, 10, 1, 0)]))[0, 7] == 1  # pixels 318 to 333
    assert map_of(make_motion([(10, 247, 1, 0)]))[5, 0] == 1
    assert map_of(make_motion([(-8, 10, 1, 0), (328, 10, 1, 0), (10, 248, 1, 0), (-30000, 10, 1, 0)])).sum() == 0


def test_longest_vector_that_can_be_stored_is_counted(make_motion: MakeMotion) -> None:
    assert map_of(make_motion([(10, 10, -8192, -8192)]), eps_px=1000).sum() == 1


@pytest.mark.parametrize("samples", [1, 5, 99])
def test_sample_has_the_wanted_size_and_draws_no_vector_twice(make_motion: MakeMotion, samples: int) -> None:
    motion = make_motion([(20 + 40 * (n % 8), 20 + 40 * (n // 8), 1, 0) for n in range(48)] * 3)
    density = map_of(motion, samples=samples)
    assert density.sum() == samples
    assert density.max() <= 3


def test_clip_with_fewer_vectors_than_the_sample_gives_all(make_motion: MakeMotion) -> None:
    motion = make_motion([(20, 20, 1, 0)] * 10)
    assert map_of(motion, samples=10)[0, 0] == map_of(motion, samples=11)[0, 0] == 10


def test_every_vector_is_as_likely_as_any_other(make_motion: MakeMotion) -> None:
    """Over 2000 seeds a vector is drawn 500 times from four, give or take four standard deviations of 19.4."""
    motion = make_motion([(20, 20, 1, 0), (60, 20, 9, 0), (100, 20, 1, 0), (140, 20, 1, 0)])
    drawn = sum(map_of(motion, samples=1, seed=seed) for seed in range(2000))
    assert np.all(np.abs(drawn[0, :4] - 500) < 78)


def test_sample_depends_on_seed_and_name_alone(make_motion: MakeMotion) -> None:
    motion = make_motion([(x, y, 1, 0) for x in range(4, 320, 8) for y in range(4, 240, 8)])
    first = map_of(motion, samples=200)
    assert np.array_equal(first, map_of(motion, samples=200))
    assert not np.array_equal(first, map_of(motion, samples=200, seed=1))
    assert not np.array_equal(first, map_of(motion, samples=200, clip="A/b"))


def test_random_numbers_are_the_same_in_another_process() -> None:
    code = (
        "from mocrop.pipeline.policies.density import clip_generator as g\n"
        "print(g(7, 'Tür/\u00fcber').integers(1 << 62))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(printed) == clip_generator(7, "Tür/\u00fcber").integers(1 << 62)


def test_name_that_is_not_unicode_has_random_numbers_too() -> None:
    assert clip_generator(0, "A/\udcff").random() != clip_generator(0, "A/\udcfe").random()


@given(
    places=st.lists(st.tuples(st.integers(-60, 400), st.integers(-60, 300)), max_size=50),
    grid=st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_every_visible_vector_has_a_cell(
    make_motion: MakeMotion, places: list[tuple[int, int]], grid: tuple[int, int]
) -> None:
    motion = make_motion([(x, y, 1, 0) for x, y in places])
    flat = cells(motion, visible_vectors(motion, eps_px=0.5), grid=grid)
    assert ((flat >= 0) & (flat < grid[0] * grid[1])).all()
    inside = [(y * grid[0] // 240) * grid[1] + x * grid[1] // 320 for x, y in places if 0 <= x < 320 and 0 <= y < 240]
    assert not set(inside) - set(flat.tolist())


@pytest.mark.parametrize("camera", ["ignore", "compensate"])
def test_vectors_of_a_long_clip_are_processed_in_parts_with_the_same_result(
    camera: str, make_motion: MakeMotion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every third vector moves on its own; every fifth lies outside the picture."""
    motion = make_motion([(999 if n % 5 == 4 else 8 * n, 8, 1 if n % 3 == 2 else 0.25, 0) for n in range(30)])
    expected = [n for n in range(30) if n % 3 == 2 and n % 5 != 4]
    for vectors in (7, 30, 1 << 18):
        monkeypatch.setattr(density, "VECTORS_AT_ONCE", vectors)
        assert visible_vectors(motion, eps_px=0.5, camera=camera).tolist() == expected
