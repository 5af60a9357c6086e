"""Policies that count within the picture inside black bars, and the control that keeps just this picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox
from mocrop.pipeline.errors import MotionStoreError
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.residual import camera_speed, speeds
from mocrop.pipeline.policies.bars import cropped_motion
from mocrop.pipeline.policies.base import AreaSettings, ClipFacts, PolicyResult
from mocrop.pipeline.policies.registry import POLICIES, decide, needs_motion

MakeMotion = Callable[..., ClipMotion]
LETTERBOX = (0, 30, 320, 210)  # three quarters of 320 x 240
LETTERBOX_BOX = CropBox(left=0, top=0.125, right=1, bottom=0.875)
CROPPING = [name for name, policy in POLICIES.items() if issubclass(policy.settings, AreaSettings) and name != "maps"]


def in_bars(make_motion: MakeMotion, vectors: list[tuple[float, float, float, float]]) -> ClipMotion:
    return dataclasses.replace(make_motion(vectors), picture=LETTERBOX)


def chosen(policy: str, motion: ClipMotion | None, *, bars: str = "cut", ratio: float = 0.5) -> PolicyResult:
    settings = dataclasses.replace(POLICIES[policy].settings(), ratio=ratio, bars=bars)
    facts = ClipFacts(name="A/a", size=(320, 240), motion=motion, slots=(0, 1))
    return decide(policy, facts, settings)


def test_picture_keeps_what_is_inside_the_bars(make_motion: MakeMotion) -> None:
    facts = ClipFacts(name="A/a", size=(320, 240), motion=in_bars(make_motion, [(20, 20, 1, 0)]))
    result = decide("picture", facts, POLICIES["picture"].settings())
    assert (result.box, result.picture, result.usable) == (LETTERBOX_BOX, LETTERBOX_BOX, True)
    without = dataclasses.replace(facts, motion=make_motion([(20, 20, 1, 0)]))
    assert decide("picture", without, POLICIES["picture"].settings()).box == WHOLE_FRAME


@pytest.mark.parametrize("policy", CROPPING)
def test_an_area_within_the_picture_is_that_share_of_it_and_lies_in_it(policy: str, make_motion: MakeMotion) -> None:
    motion = in_bars(make_motion, [(x, y, 4, 0) for x in range(20, 120, 8) for y in range(5, 200, 8)])
    result = chosen(policy, motion)
    assert result.picture == LETTERBOX_BOX
    for box in (result.box, *result.slot_boxes):
        assert box.top >= 0.125 - 1e-12
        assert box.bottom <= 0.875 + 1e-12
        assert 0.9 * 0.5 * 0.75 - 1e-9 <= box.area <= 1.1 * 0.5 * 0.75 + 1e-9


@pytest.mark.parametrize("policy", CROPPING)
def test_without_bars_cutting_changes_nothing(policy: str, make_motion: MakeMotion) -> None:
    motion = make_motion([(x, y, 4, 0) for x in range(20, 120, 8) for y in range(5, 200, 8)])
    cut, kept = (chosen(policy, motion, bars=bars) for bars in ("cut", "keep"))
    assert (cut.box, cut.slot_boxes, cut.picture) == (kept.box, kept.slot_boxes, WHOLE_FRAME)
    assert cut.density.tobytes() == kept.density.tobytes()


def test_stray_vectors_in_a_bar_do_not_count_once_it_is_cut(make_motion: MakeMotion) -> None:
    motion = in_bars(make_motion, [(8, 8, 4, 0)] * 50 + [(310, 200, 4, 0)] * 40)
    kept, cut = (chosen("motion", motion, bars=bars, ratio=0.25).box for bars in ("keep", "cut"))
    assert (kept.left, kept.top) == (0, 0)
    assert (cut.right, cut.bottom) == (1, 0.875)


def test_a_clip_that_cannot_be_cropped_keeps_the_whole_picture(make_motion: MakeMotion) -> None:
    result = chosen("motion", in_bars(make_motion, [(160, 8, 4, 0)]))  # moves in a bar alone
    assert (result.box, result.picture, result.usable) == (LETTERBOX_BOX, LETTERBOX_BOX, False)


def test_settings_that_cut_bars_need_what_extract_mv_has_found() -> None:
    settings = POLICIES["center"].settings()
    assert isinstance(settings, AreaSettings)
    assert not needs_motion("center", settings)
    assert needs_motion("center", dataclasses.replace(settings, bars="cut"))


def test_bars_that_nobody_looked_for_are_not_taken_for_none(make_motion: MakeMotion) -> None:
    unknown = dataclasses.replace(make_motion([(160, 120, 4, 0)]), picture=None)
    for policy in ("center", "follow"):
        with pytest.raises(MotionStoreError, match=r"A/a: an older mocrop wrote motion\.zarr.*black bars.*extract-mv"):
            chosen(policy, unknown)
        with pytest.raises(MotionStoreError, match="A/a: its black bars are not known"):
            chosen(policy, None)


def test_maps_are_of_whole_frames() -> None:
    with pytest.raises(ValueError, match="cannot cut bars"):
        POLICIES["maps"].settings(folder="/maps", bars="cut")  # type: ignore[call-arg]


@settings(max_examples=30, deadline=None)
@given(
    left=st.integers(0, 100),
    top=st.integers(0, 80),
    right=st.integers(200, 320),
    bottom=st.integers(160, 240),
    seed=st.integers(0, 1000),
)
def test_motion_against_the_camera_is_the_same_in_a_part_of_the_frame(
    left: int, top: int, right: int, bottom: int, seed: int
) -> None:
    """A zoom with a pan: positions count from another centre, the motion that they stand for does not change."""
    rng = np.random.default_rng(seed)
    motion = _zooming(rng)
    part = cropped_motion(motion, (left, top, right, bottom))
    assert np.allclose(speeds(part, camera="compensate"), speeds(motion, camera="compensate"), atol=1e-4)
    assert part.width == right - left
    assert part.picture == (0, 0, right - left, bottom - top)
    plain = dataclasses.replace(motion, camera=np.tile(np.float32([3, 0, 0, 4, 0, 0]), (2, 1)))
    assert camera_speed(cropped_motion(plain, (left, top, right, bottom))) == pytest.approx([5])


def _zooming(rng: np.random.Generator) -> ClipMotion:
    count = 40
    return ClipMotion(
        width=320, height=240,
        vectors_per_frame=np.array([0, count], np.int32),
        x=rng.integers(0, 320, count).astype(np.int16), y=rng.integers(0, 240, count).astype(np.int16),
        dx=rng.integers(-40, 40, count).astype(np.int16), dy=rng.integers(1, 40, count).astype(np.int16),
        w=np.full(count, 16, np.uint8), h=np.full(count, 16, np.uint8), ref=np.full(count, -1, np.int8),
        zero_vectors=np.zeros(2, np.int32), frame_type=np.array([1, 2], np.uint8),
        camera=rng.normal(0, 0.05, (2, 6)).astype(np.float32), camera_support=np.zeros(2, np.float32),
        seconds=np.array([0, 0.04]), picture=(0, 0, 320, 240),
    )  # fmt: skip
