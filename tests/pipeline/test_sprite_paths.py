"""Paths of camera and sprite: sizes and a generator go in, coordinates come out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.sprite_paths import Paths, panning_paths, still_paths

FRAME, SCENE = (320, 240), (576, 432)
LARGEST_RADIUS = 32  # pixels, of a sprite on such a frame

MakePaths = Callable[[tuple[int, int], tuple[int, int], int, np.random.Generator], Paths]

seeds = st.integers(0, 10_000)
lengths = st.integers(2, 200)


@given(seeds, lengths)
def test_a_still_camera_stands_on_one_pixel_of_the_scene(seed: int, frames: int) -> None:
    paths = still_paths(FRAME, SCENE, frames, np.random.default_rng(seed))
    assert np.all(paths.camera == paths.camera[0])
    assert np.array_equal(paths.camera[0], np.round(paths.camera[0]))


@given(seeds, lengths, st.sampled_from([still_paths, panning_paths]))
def test_the_sprite_is_whole_on_every_frame_and_the_frame_in_the_scene(seed: int, frames: int, make: MakePaths) -> None:
    paths = make(FRAME, SCENE, frames, np.random.default_rng(seed))
    assert paths.camera.shape == paths.sprite.shape == (frames, 2)
    assert np.all(paths.in_frame - LARGEST_RADIUS >= 0)
    assert np.all(paths.in_frame + LARGEST_RADIUS <= FRAME)
    assert np.all(paths.camera >= 0)
    assert np.all(paths.camera + FRAME <= SCENE)


@given(seeds)
def test_before_a_still_camera_the_sprite_goes_round_off_the_centre(seed: int) -> None:
    paths = still_paths(FRAME, SCENE, 60, np.random.default_rng(seed))
    middle = (paths.in_frame.max(axis=0) + paths.in_frame.min(axis=0)) / 2
    assert np.all(np.abs(middle - np.array(FRAME) / 2) >= np.array([0.15, 0.06]) * FRAME)
    steps = np.hypot(*np.diff(paths.in_frame, axis=0).T)
    assert 1 < steps.mean() < 10


@given(seeds)
def test_a_panning_camera_moves_and_keeps_the_sprite_near_the_centre(seed: int) -> None:
    paths = panning_paths(FRAME, SCENE, 40, np.random.default_rng(seed))
    assert np.all(np.abs(np.diff(paths.camera[:, 0])) > 0.9)
    assert np.all(np.abs(paths.in_frame - np.array(FRAME) / 2) <= 0.13 * np.array(FRAME))


def test_the_heading_of_a_sprite_is_where_it_goes_next() -> None:
    paths = still_paths(FRAME, SCENE, 60, np.random.default_rng(1))
    step = paths.sprite[31] - paths.sprite[29]
    assert np.allclose(np.hypot(*step) * np.array([np.cos(paths.heading[30]), np.sin(paths.heading[30])]), step)
