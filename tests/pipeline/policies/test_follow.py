"""The policy that follows: a box for each slot, found from the motion around it."""

from __future__ import annotations

import dataclasses
import tracemalloc
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox
from mocrop.pipeline.errors import MotionStoreError
from mocrop.pipeline.motion.clip_motion import ClipMotion, FrameType
from mocrop.pipeline.policies.adaptive import AdaptiveSettings, adaptive_box
from mocrop.pipeline.policies.base import ClipFacts
from mocrop.pipeline.policies.follow import FollowSettings, follow_boxes

SIZE = (320, 240)
FRAMES = 75  # three seconds
SLOTS = tuple(range(2, FRAMES, 12))
TENTH = FollowSettings(ratio=0.1)
CELL = (1 / 32, 1 / 24)  # of the map, fractions of the frame: starts of boxes lie no further apart
Edges = tuple[float, float, float, float]


def moving(frames: Sequence[Sequence[tuple[float, float]]], *, step: tuple[int, int] = (8, 0)) -> ClipMotion:
    """A clip of blocks of 16 pixels at these centres, frame by frame, that all move by so many quarter pixels."""
    per_frame = np.array([len(blocks) for blocks in frames], np.int32)
    centres = np.array([centre for blocks in frames for centre in blocks], np.float64).reshape(-1, 2)
    count = len(centres)
    return ClipMotion(
        width=SIZE[0],
        height=SIZE[1],
        vectors_per_frame=per_frame,
        x=centres[:, 0].astype(np.int16),
        y=centres[:, 1].astype(np.int16),
        dx=np.full(count, step[0], np.int16),
        dy=np.full(count, step[1], np.int16),
        w=np.full(count, 16, np.uint8),
        h=np.full(count, 16, np.uint8),
        ref=np.full(count, -1, np.int8),
        zero_vectors=np.zeros(len(frames), np.int32),
        frame_type=np.full(len(frames), FrameType.P, np.uint8),
        camera=np.zeros((len(frames), 6), np.float32),
        camera_support=np.zeros(len(frames), np.float32),
        seconds=np.arange(len(frames)) / 25,
        picture=(0, 0, *SIZE),
    )


def blocks_around(x: float, y: float) -> list[tuple[float, float]]:
    """Sixteen blocks about a place, which an actor of 64 pixels would have."""
    return [(x + 16 * i - 24, y + 16 * j - 24) for i in range(4) for j in range(4)]


@cache
def crossing() -> ClipMotion:
    """An actor that walks from left to right at half the height, 3.2 pixels a frame."""
    return moving([blocks_around(40 + 3.2 * n, 120) for n in range(FRAMES)])


def boxes_of(motion: ClipMotion, chosen: FollowSettings = TENTH, slots: Sequence[int] = SLOTS) -> tuple[CropBox, ...]:
    return follow_boxes(ClipFacts(name="A/a", size=SIZE, motion=motion, slots=slots), chosen).slot_boxes


def edges_of(motion: ClipMotion, chosen: FollowSettings = TENTH, slots: Sequence[int] = SLOTS) -> np.ndarray:
    return np.array([box.edges for box in boxes_of(motion, chosen, slots)])


def at_random(seed: int, *, frames: int = FRAMES) -> ClipMotion:
    """Up to thirty blocks a frame anywhere; none in some frames."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 30, frames) * (rng.random(frames) < 0.8)
    return moving([[(rng.uniform(0, 320), rng.uniform(0, 240)) for _ in range(count)] for count in counts])


def test_the_box_goes_with_the_actor_whom_the_static_one_loses() -> None:
    for slot, box in zip(SLOTS, boxes_of(crossing()), strict=True):
        x = (40 + 3.2 * slot) / 320
        assert box.left <= x - 24 / 320 or box.left == 0
        assert box.right >= x + 24 / 320 or box.right == 1
        assert box.top < 0.5 < box.bottom
        assert box.area == pytest.approx(0.1)
    static = adaptive_box(ClipFacts(name="", size=SIZE, motion=crossing()), AdaptiveSettings(ratio=0.1)).box
    assert not static.left <= (40 + 3.2 * SLOTS[0]) / 320 <= static.right


def test_the_clip_s_box_is_the_mean_of_its_slots_and_that_of_adaptive_without_any() -> None:
    facts = ClipFacts(name="A/a", size=SIZE, motion=crossing(), slots=SLOTS)
    result = follow_boxes(facts, TENTH)
    assert np.allclose(result.box.edges, np.mean([box.edges for box in result.slot_boxes], axis=0))
    assert result.boxes(2) == result.slot_boxes[:2]
    alone = follow_boxes(dataclasses.replace(facts, slots=()), TENTH)
    assert alone.box == adaptive_box(facts, AdaptiveSettings(ratio=0.1)).box
    assert alone.slot_boxes == ()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), ratio=st.sampled_from([0.75, 0.5, 0.25, 0.1]), late=st.floats(0, 1000))
def test_a_window_without_end_gives_the_box_of_adaptive_bit_for_bit(seed: int, ratio: float, late: float) -> None:
    motion = at_random(seed)
    motion = dataclasses.replace(motion, seconds=motion.seconds * (1 + late))
    facts = ClipFacts(name="A/a", size=SIZE, motion=motion, slots=SLOTS)
    static = adaptive_box(facts, AdaptiveSettings(ratio=ratio))
    endless = follow_boxes(facts, FollowSettings(ratio=ratio, window_seconds=1e12))
    assert set(endless.slot_boxes) == {static.box}
    assert endless.density.tobytes() == static.density.tobytes()


def test_a_long_window_does_not_hold_the_maps_of_all_frames_at_once() -> None:
    """Of 4,000 frames 25 MB; those of a film would be a gigabyte."""
    motion = moving([[(160, 120)]] * 4000)
    tracemalloc.start()
    try:
        boxes_of(motion, FollowSettings(window_seconds=1e6), slots=[2000])
        assert tracemalloc.get_traced_memory()[1] < 8e6
    finally:
        tracemalloc.stop()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), slot=st.integers(0, FRAMES - 1))
def test_a_slot_s_box_depends_on_no_other_slot(seed: int, slot: int) -> None:
    motion = at_random(seed)
    slots = sorted({slot, *SLOTS})
    alone = boxes_of(motion, slots=[slot])
    assert boxes_of(motion, slots=slots)[slots.index(slot)] == alone[0]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_time_reversed_gives_the_boxes_reversed(seed: int) -> None:
    motion = at_random(seed)
    frames = [range(a, b) for a, b in zip(*_bounds(motion), strict=True)]
    order = np.concatenate([np.arange(r.start, r.stop) for r in frames[::-1]])
    assert motion.seconds is not None
    reversed_motion = dataclasses.replace(
        motion,
        vectors_per_frame=motion.vectors_per_frame[::-1],
        seconds=motion.seconds[-1] - motion.seconds[::-1],
        **{name: getattr(motion, name)[order] for name in ("x", "y", "dx", "dy", "w", "h", "ref")},
    )
    backwards = [FRAMES - 1 - slot for slot in SLOTS[::-1]]
    assert np.allclose(edges_of(reversed_motion, slots=backwards)[::-1], edges_of(motion), atol=1e-12)


def _bounds(motion: ClipMotion) -> tuple[np.ndarray, np.ndarray]:
    ends = np.cumsum(motion.vectors_per_frame)
    return ends - motion.vectors_per_frame, ends


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_motion_mirrored_mirrors_the_boxes(seed: int) -> None:
    """With blocks in the middles of cells, which have twins; equals go to the more central box, mirrored or not."""
    rng = np.random.default_rng(seed)
    places = [[(10 * rng.integers(0, 32) + 5, 10 * rng.integers(0, 24) + 5) for _ in range(20)] for _ in range(FRAMES)]
    motion = moving(places)
    mirrored = moving([[(320 - x, 240 - y) for x, y in blocks] for blocks in places])
    edges, turned = edges_of(motion), edges_of(mirrored)
    unique = np.abs(edges + turned[:, [2, 3, 0, 1]] - 1).max(axis=1) < 1e-9
    assert unique.mean() >= 0.8  # where two boxes hold the same to a billionth, the one listed first wins


def test_motion_shifted_shifts_the_boxes() -> None:
    """By whole cells, ten pixels each; without the prior, which does not shift."""
    chosen = dataclasses.replace(TENTH, prior_still=0.0, prior_moving=0.0)
    here = moving([blocks_around(100 + 1.0 * n, 100) for n in range(FRAMES)])
    there = moving([blocks_around(160 + 1.0 * n, 130) for n in range(FRAMES)])
    shift = np.array([60 / 320, 30 / 240] * 2)
    assert np.abs(edges_of(there, chosen) - edges_of(here, chosen) - shift).max() <= max(CELL)


@pytest.mark.parametrize("slot", SLOTS)
def test_a_stray_vector_moves_nothing(slot: int) -> None:
    frames = [blocks_around(40 + 3.2 * n, 120) for n in range(FRAMES)]
    frames[slot] = [*frames[slot], (300, 20)]
    assert boxes_of(moving(frames)) == boxes_of(crossing())


def test_a_stray_vector_in_a_pause_moves_nothing() -> None:
    """The actor rests in the last second, in which one vector appears in a corner: the box is the static one."""
    frames = [blocks_around(100 + n, 120) if n < 30 else [] for n in range(FRAMES)]
    static = adaptive_box(ClipFacts(name="", size=SIZE, motion=moving(frames)), AdaptiveSettings(ratio=0.1)).box
    assert boxes_of(moving(frames), slots=[70]) == (static,)
    frames[70] = [(300, 20)]
    (box,) = boxes_of(moving(frames), slots=[70])
    assert np.abs(np.subtract(box.edges, static.edges)).max() <= max(CELL)


def test_a_frame_rate_doubled_by_repetition_gives_the_same_boxes_within_a_cell() -> None:
    """Repeated frames hold no motion; the seconds say that no time has passed in between."""
    motion = crossing()
    twice = np.zeros(2 * FRAMES, np.int32)
    twice[::2] = motion.vectors_per_frame
    names = {name: np.repeat(getattr(motion, name), 2, axis=0) for name in ("frame_type", "camera", "camera_support")}
    doubled = dataclasses.replace(
        motion,
        vectors_per_frame=twice,
        zero_vectors=np.zeros(2 * FRAMES, np.int32),
        **names,
        seconds=np.arange(2 * FRAMES) / 50,
    )
    slots = [2 * slot for slot in SLOTS]
    assert np.abs(edges_of(doubled, slots=slots) - edges_of(motion)).max() <= max(CELL)
    as_25 = dataclasses.replace(doubled, seconds=np.arange(2 * FRAMES) / 25)  # what frames instead of seconds would do
    assert np.abs(edges_of(as_25, slots=slots) - edges_of(motion)).max() > 0


def test_uneven_frame_times_count_in_seconds() -> None:
    """Ten frames of motion on the left, then three on the right: the left wins, unless it is long past."""
    near = moving([blocks_around(60, 60)] * 10 + [blocks_around(260, 180)] * 3)
    far = dataclasses.replace(near, seconds=np.concatenate([np.arange(10) / 25, 100 + np.arange(3) / 25]))
    assert boxes_of(near, slots=[10])[0].right < 0.5
    assert boxes_of(far, slots=[10])[0].left > 0.5


def test_a_clip_without_own_motion_stays_whole() -> None:
    for motion in (None, moving([[] for _ in range(FRAMES)])):
        result = follow_boxes(ClipFacts(name="A/a", size=SIZE, motion=motion, slots=SLOTS), TENTH)
        assert (result.box, result.slot_boxes, result.usable) == (WHOLE_FRAME, (), False)
        assert result.boxes(len(SLOTS)) == (WHOLE_FRAME,) * len(SLOTS)


def test_motion_without_frame_times_is_refused() -> None:
    with pytest.raises(MotionStoreError, match=r"A/a: an older mocrop wrote motion\.zarr.*extract-mv"):
        boxes_of(dataclasses.replace(crossing(), seconds=None))


@pytest.mark.parametrize("slots", [[-1, 3], [3, FRAMES]])
def test_slots_outside_of_the_clip_are_refused(slots: list[int]) -> None:
    with pytest.raises(ValueError, match=f"of {FRAMES} frames"):
        boxes_of(crossing(), slots=slots)


@pytest.mark.parametrize("window", [0, -1, 1e-300, float("inf"), float("nan")])
def test_a_window_must_have_a_length(window: float) -> None:
    with pytest.raises(ValueError, match="window_seconds"):
        FollowSettings(window_seconds=window)


def test_boxes_of_all_frames_take_no_more_memory_than_one_box() -> None:
    """But for a fixed part: the maps of the slots that are worked on together."""
    rng = np.random.default_rng(0)
    motion = moving([[(rng.uniform(0, 320), rng.uniform(0, 240)) for _ in range(200)] for _ in range(600)])
    facts = ClipFacts(name="A/a", size=SIZE, motion=motion, slots=range(600))
    peaks = []
    for choose in (
        lambda: adaptive_box(facts, AdaptiveSettings(ratio=0.1)),
        lambda: follow_boxes(facts, TENTH),
    ):
        tracemalloc.start()
        choose()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + (16 << 20)
    assert peaks[1] < len(motion.x) * 60 + (16 << 20)
