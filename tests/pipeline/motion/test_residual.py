"""Speed of blocks with and without the camera's motion, and speed of the camera."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from mocrop.pipeline.motion import residual
from mocrop.pipeline.motion.clip_motion import ClipMotion, FrameType
from mocrop.pipeline.motion.residual import camera_speed, speeds
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
