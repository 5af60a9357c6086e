"""Speed of blocks with and without the camera's motion, and speed of the camera."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from mocrop.pipeline.motion import residual
from mocrop.pipeline.motion.clip_motion import ClipMotion, FrameType
from mocrop.pipeline.motion.residual import camera_speed, picture_speed, speeds
from mocrop.pipeline.policies.density import visible_vectors

MakeMotion = Callable[..., ClipMotion]


def with_camera(motion: ClipMotion, *parameters: float) -> ClipMotion:
    camera = np.zeros((motion.frames, 6), np.float32)
    camera[1] = parameters
    return dataclasses.replace(motion, camera=camera)


def test_ignoring_the_camera_leaves_lengths_as_they_are(make_motion: MakeMotion) -> None:
    motion = with_camera(make_motion([(20, 20, 3, 4)]), 3, 0, 0, 4, 0, 0)
    assert speeds(motion, camera="ignore").tolist() == [5]


def test_a_block_that_follows_a_pan_has_no_motion_of_its_own(make_motion: MakeMotion) -> None:
    motion = with_camera(make_motion([(20, 20, 3, 4), (90, 90, 3, 5)]), 3, 0, 0, 4, 0, 0)
    assert speeds(motion, camera="compensate").tolist() == [0, 1]


def test_a_zoom_moves_blocks_by_their_distance_from_the_centre(make_motion: MakeMotion) -> None:
    """At 320x240, zooming by 1 % moves a block 100 pixels right of the centre by one pixel."""
    motion = with_camera(make_motion([(260, 120, 1, 0), (260, 120, 2, 0)]), 0, 0.01, 0, 0, 0, 0.01)
    assert speeds(motion, camera="compensate") == pytest.approx([0, 1], abs=1e-6)


def test_motion_from_two_frames_back_is_halved_and_from_a_frame_ahead_negated(
    make_motion: MakeMotion,
) -> None:
    """P, B, P: the second P frame looks two frames back, the B frame one back and one ahead."""
    motion = dataclasses.replace(
        make_motion([(20, 20, 2, 0), (20, 20, -2, 0), (20, 20, 4, 0)]),
        vectors_per_frame=np.array([0, 2, 1], np.int32),
        zero_vectors=np.zeros(3, np.int32),
        frame_type=np.array([FrameType.P, FrameType.B, FrameType.P], np.uint8),
        ref=np.array([-1, 1, -1], np.int8),
        camera=np.tile(np.array([2, 0, 0, 0, 0, 0], np.float32), (3, 1)),
        camera_support=np.ones(3, np.float32),
    )
    assert speeds(motion, camera="compensate").tolist() == [0, 0, 0]


def test_compensated_threshold_is_on_own_motion(make_motion: MakeMotion) -> None:
    motion = with_camera(make_motion([(20, 20, 3, 4), (90, 90, 3.5, 4), (150, 90, 0.25, 0)]), 3, 0, 0, 4, 0, 0)
    assert visible_vectors(motion, eps_px=0.5).tolist() == [0, 1]
    assert visible_vectors(motion, eps_px=0.5, camera="compensate").tolist() == [1, 2]  # 0, 0.5 and 4.8 pixels
    assert visible_vectors(motion, eps_px=0.501, camera="compensate").tolist() == [2]


def test_camera_speed_of_a_pan_is_its_length_and_frames_without_vectors_are_left_out(make_motion: MakeMotion) -> None:
    motion = with_camera(make_motion([(20, 20, 3, 4)]), 3, 0, 0, 4, 0, 0)
    assert camera_speed(motion).tolist() == [5]


def test_camera_speed_of_a_zoom_is_the_mean_square_over_the_picture(make_motion: MakeMotion) -> None:
    """A side of length L moved by s times the distance from its middle: mean square s**2 * L**2 / 12."""
    motion = make_motion([(20, 20, 1, 0)], size=(120, 60))
    assert camera_speed(with_camera(motion, 0, 0.1, 0, 0, 0, 0)) == pytest.approx([0.1 * 120 / np.sqrt(12)])
    assert camera_speed(with_camera(motion, 0, 0, 0.1, 0, 0, 0)) == pytest.approx([0.1 * 60 / np.sqrt(12)])
    assert camera_speed(with_camera(motion, 0, 0, 0, 0, 0.1, 0)) == pytest.approx([0.1 * 120 / np.sqrt(12)])
    assert camera_speed(with_camera(motion, 0, 0, 0, 0, 0, 0.1)) == pytest.approx([0.1 * 60 / np.sqrt(12)])


def test_camera_motion_that_is_not_a_number_is_refused(make_motion: MakeMotion) -> None:
    motion = with_camera(make_motion([(20, 20, 1, 0)]), np.nan, 0, 0, 0, 0, 0)
    with pytest.raises(ValueError, match="finite"):
        speeds(motion, camera="compensate")
    with pytest.raises(ValueError, match="finite"):
        camera_speed(motion)
    assert speeds(motion, camera="ignore").tolist() == [1]


def test_speeds_of_a_long_clip_are_computed_in_runs_of_frames_with_the_same_result(
    make_motion: MakeMotion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frame n has n vectors and a camera that pans by n; each vector departs from it by its place in its frame."""
    counts = np.arange(8, dtype=np.int32)
    vectors = [(20, 20, n + k, 0) for n in range(8) for k in range(n)]
    camera = np.zeros((8, 6), np.float32)
    camera[:, 0] = counts
    motion = dataclasses.replace(
        make_motion(vectors),
        vectors_per_frame=counts,
        zero_vectors=np.zeros(8, np.int32),
        frame_type=np.full(8, FrameType.P, np.uint8),
        camera=camera,
        camera_support=np.ones(8, np.float32),
    )
    for size in (1, 5, 1 << 18):
        monkeypatch.setattr(residual, "VECTORS_AT_ONCE", size)
        assert speeds(motion, camera="compensate").tolist() == [k for n in range(8) for k in range(n)]


def test_speed_of_the_picture_is_the_mean_over_its_area(make_motion: MakeMotion) -> None:
    """A block of 16 x 16 of a picture of 64 x 64, a sixteenth of it, moves by 5 pixels; another one by a quarter."""
    motion = make_motion([(24, 24, 3, 4), (40, 40, 0.25, 0)], size=(64, 64))
    assert picture_speed(motion, camera="ignore").tolist() == [312, 312]  # thousandths; 5 / 16, rounded to even


def test_key_frames_are_as_fast_as_the_frame_before(make_motion: MakeMotion) -> None:
    """A key frame, P, key frame, P: blocks that fill the picture, by 1 and by 2 pixels."""
    motion = dataclasses.replace(
        make_motion([(8, 8, 1, 0), (8, 8, 2, 0)], size=(16, 16)),
        vectors_per_frame=np.array([0, 1, 0, 1], np.int32),
        zero_vectors=np.zeros(4, np.int32),
        frame_type=np.array([FrameType.I, FrameType.P, FrameType.I, FrameType.P], np.uint8),
        camera=np.zeros((4, 6), np.float32),
        camera_support=np.zeros(4, np.float32),
    )
    assert picture_speed(motion, camera="ignore").tolist() == [1000, 1000, 1000, 2000]
    still = dataclasses.replace(motion, zero_vectors=np.array([0, 0, 9, 0], np.int32))
    assert picture_speed(still, camera="ignore").tolist() == [1000, 1000, 0, 2000]


def test_speed_of_the_picture_apart_from_the_camera(make_motion: MakeMotion) -> None:
    motion = with_camera(make_motion([(8, 8, 3, 4)], size=(16, 16)), 3, 0, 0, 0, 0, 0)
    assert picture_speed(motion, camera="ignore").tolist() == [5000, 5000]
    assert picture_speed(motion, camera="compensate").tolist() == [4000, 4000]


def test_two_vectors_a_block_count_as_one_and_blocks_outside_do_not(make_motion: MakeMotion) -> None:
    twice = make_motion([(8, 8, 2, 0), (8, 8, 4, 0), (-8, 8, 9, 9)], size=(16, 16))
    assert picture_speed(twice, camera="ignore").tolist() == [3000, 3000]


def test_speed_of_the_picture_does_not_depend_on_how_many_vectors_are_worked_on(
    make_motion: MakeMotion, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    vectors = [(x, 20, float(n % 7), 1.0) for n, x in enumerate(rng.integers(0, 320, 60).tolist())]
    motion = dataclasses.replace(
        make_motion(vectors),
        vectors_per_frame=np.full(6, 10, np.int32),
        zero_vectors=np.zeros(6, np.int32),
        frame_type=np.full(6, FrameType.P, np.uint8),
        camera=np.zeros((6, 6), np.float32),
        camera_support=np.zeros(6, np.float32),
    )
    whole = picture_speed(motion, camera="ignore").tolist()
    monkeypatch.setattr(residual, "VECTORS_AT_ONCE", 15)
    assert picture_speed(motion, camera="ignore").tolist() == whole
