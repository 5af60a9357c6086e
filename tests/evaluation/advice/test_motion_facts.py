"""What stored motion says of a data set: cameras, movement, key frames, black bars."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mocrop.evaluation.advice.motion_facts import MotionFacts, facts_of, summed_up
from mocrop.pipeline.errors import LackingMotionError
from mocrop.pipeline.motion.clip_motion import ClipMotion, FrameType

WHOLE = (0, 0, 320, 240)


def motion(
    *,
    frames: int = 25,
    key_frames: int = 3,
    pan_px: float = 0.0,
    cells: int = 1,
    picture: tuple[int, int, int, int] | None = WHOLE,
) -> ClipMotion:
    """Frames at 320x240, the first ones key frames; in the others, blocks in so many cells move down by 8 px."""
    moving = frames - key_frames
    every = cells * moving
    return ClipMotion(
        width=320,
        height=240,
        vectors_per_frame=np.array([0] * key_frames + [cells] * moving, np.int32),
        x=np.tile(5 + 10 * np.arange(cells), moving).astype(np.int16),
        y=np.full(every, 5, np.int16),
        dx=np.zeros(every, np.int16),
        dy=np.full(every, 32, np.int16),
        w=np.full(every, 16, np.uint8),
        h=np.full(every, 16, np.uint8),
        ref=np.full(every, -1, np.int8),
        zero_vectors=np.full(frames, 10, np.int32),
        frame_type=np.array([FrameType.I] * key_frames + [FrameType.P] * moving, np.uint8),
        camera=np.array([[0] * 6] * key_frames + [[pan_px, 0, 0, 0, 0, 0]] * moving, np.float32),
        camera_support=np.ones(frames, np.float32),
        seconds=np.arange(frames) / 25,
        picture=picture,
    )


@pytest.mark.parametrize(("pan_px", "still"), [(0.0, True), (3.0, False)])
def test_a_camera_that_pans_does_not_stand_still(pan_px: float, still: bool) -> None:
    assert facts_of(motion(pan_px=pan_px), "A/a").still is still


def test_key_frames_are_counted_by_the_type_of_their_pictures() -> None:
    facts = facts_of(motion(frames=30, key_frames=4), "A/a")
    assert (facts.frames, facts.key_frames) == (30, 4)


def test_motion_in_one_cell_of_768_is_spread_over_that_cell() -> None:
    assert facts_of(motion(cells=1), "A/a").spread == pytest.approx(1 / 768)
    assert facts_of(motion(cells=30), "A/a").spread == pytest.approx(27 / 768)  # nine tenths of thirty alike


def test_where_nothing_moves_there_is_no_spread() -> None:
    still = dataclasses.replace(motion(cells=0), camera=np.zeros((25, 6), np.float32))
    assert facts_of(still, "A/a").spread is None


def test_bars_of_a_fifth_of_the_height_are_a_fifth_of_the_frame() -> None:
    assert facts_of(motion(picture=(0, 24, 320, 216)), "A/a").bars == pytest.approx(0.2)
    assert facts_of(motion(), "A/a").bars == 0


def test_a_store_of_an_older_mocrop_is_an_error_with_the_way_out() -> None:
    old = dataclasses.replace(motion(), seconds=None, picture=None)
    with pytest.raises(LackingMotionError, match=r"A/old: an older mocrop .* remove the folder motion.zarr and run"):
        facts_of(old, "A/old")


def test_facts_are_summed_up_as_shares_of_clips_and_medians() -> None:
    clips = [
        MotionFacts(frames=10, key_frames=1, still=True, spread=0.1, bars=0.0),
        MotionFacts(frames=20, key_frames=2, still=True, spread=0.3, bars=0.2),
        MotionFacts(frames=40, key_frames=5, still=True, spread=None, bars=0.4),
        MotionFacts(frames=30, key_frames=3, still=False, spread=0.2, bars=0.0),
    ]
    found = summed_up(clips)
    assert (found.clips, found.still, found.moving) == (4, 0.75, 0.75)
    assert (found.frames, found.key_frames) == ((10, 20, 40), (1, 2, 5))
    assert (found.with_bars, found.bars) == (0.5, pytest.approx(0.3))
    assert found.spread == pytest.approx(0.2)
    nothing = summed_up([clips[2]])
    assert (nothing.spread, nothing.moving) == (None, 0)
    assert summed_up([clips[0]]).bars is None
