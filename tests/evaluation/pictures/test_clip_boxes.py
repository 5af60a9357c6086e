"""The boxes of policies on a clip, frame by frame, and the ways that they take."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.evaluation.pictures.box_path import BoxPath
from mocrop.evaluation.pictures.clip_boxes import ShowSettings, decided, edge_widths, path_frames
from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox
from mocrop.pipeline.errors import MotionStoreError
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.policies.base import ClipFacts

WIDTH, HEIGHT, FRAMES, BLOCKS = 320, 240, 60, 9


def crossing(*, speed_px: int = 4) -> ClipMotion:
    """Nine blocks in a square that cross the frame at mid height, from x = 40 on; the camera stands still."""
    frames = np.arange(FRAMES)
    across = (40 + speed_px * frames)[:, np.newaxis] + np.tile([-16, 0, 16], 3)
    down = np.full((FRAMES, 1), HEIGHT // 2) + np.repeat([-16, 0, 16], 3)
    count = FRAMES * BLOCKS
    return ClipMotion(
        width=WIDTH,
        height=HEIGHT,
        vectors_per_frame=np.full(FRAMES, BLOCKS, np.int32),
        x=across.ravel().astype(np.int16),
        y=down.ravel().astype(np.int16),
        dx=np.full(count, 4 * speed_px, np.int16),
        dy=np.zeros(count, np.int16),
        w=np.full(count, 16, np.uint8),
        h=np.full(count, 16, np.uint8),
        ref=np.full(count, -1, np.int8),
        zero_vectors=np.full(FRAMES, 291, np.int32),
        frame_type=np.full(FRAMES, 2, np.uint8),
        camera=np.zeros((FRAMES, 6), np.float32),
        camera_support=np.ones(FRAMES, np.float32),
        seconds=frames / 25,
        picture=(0, 0, WIDTH, HEIGHT),
    )


def facts(motion: ClipMotion | None, slots: tuple[int, ...] = (0, 30, 59)) -> ClipFacts:
    return ClipFacts(name="Run/a", size=(WIDTH, HEIGHT), motion=motion, slots=slots)


def test_a_moving_box_is_where_the_action_is_in_each_frame_and_a_static_one_stays() -> None:
    boxes = decided(facts(crossing()), ShowSettings(policies=("adaptive", "follow"), ratio=0.1))
    for number in (0, 30, 59):
        x = (40 + 4 * number) / WIDTH
        assert boxes.at(number)["follow"].left < x < boxes.at(number)["follow"].right
        assert boxes.at(number)["adaptive"] == boxes.results["adaptive"].box
    assert boxes.at(0)["follow"].right < boxes.at(59)["follow"].left


def test_a_box_is_the_same_whatever_other_frames_are_asked_for() -> None:
    settings = ShowSettings(policies=("follow",), ratio=0.1)
    alone, among = (decided(facts(crossing(), slots), settings) for slots in ((30,), tuple(range(FRAMES))))
    assert alone.at(30) == among.at(30)


def test_a_path_has_as_many_points_as_slots_each_in_the_middle_of_its_box() -> None:
    boxes = decided(facts(crossing()), ShowSettings(ratio=0.1))
    assert list(boxes.paths) == ["follow"]
    path = boxes.paths["follow"]
    assert path.numbers == (0, 30, 59)
    assert path.centres.shape == (3, 2)
    first = boxes.at(0)["follow"]
    assert path.centres[0] == pytest.approx(((first.left + first.right) / 2, (first.top + first.bottom) / 2))


def test_in_a_frame_without_a_known_place_a_moving_box_is_left_out() -> None:
    boxes = decided(facts(crossing()), ShowSettings(policies=("adaptive", "follow"), ratio=0.1))
    assert list(boxes.at(7)) == ["adaptive"]


def test_one_slot_is_one_point() -> None:
    path = decided(facts(crossing(), (30,)), ShowSettings(policies=("follow",))).paths["follow"]
    assert (path.numbers, path.centres.shape) == ((30,), (1, 2))


def test_in_a_clip_that_stands_still_follow_is_left_out_unless_it_is_named() -> None:
    still = dataclasses.replace(crossing(), dx=np.zeros(FRAMES * BLOCKS, np.int16))
    assert "follow" not in decided(facts(still), ShowSettings()).results
    named = decided(facts(still), ShowSettings(policies=("follow",)))
    assert named.results["follow"].box == WHOLE_FRAME
    assert named.paths == {}


def test_a_store_without_times_and_bars_leaves_out_what_needs_them_and_says_so() -> None:
    older = dataclasses.replace(crossing(), seconds=None, picture=None)
    boxes = decided(facts(older), ShowSettings())
    assert list(boxes.left_out) == ["picture", "follow"]
    assert "without the times of frames" in boxes.left_out["follow"]
    assert not boxes.left_out.keys() & boxes.results.keys()
    assert decided(facts(crossing()), ShowSettings()).left_out == {}
    with pytest.raises(MotionStoreError, match="run `mocrop extract-mv` again"):
        decided(facts(older), ShowSettings(policies=("follow",)))


def test_a_clip_without_motion_keeps_the_whole_frame_where_bars_are_to_be_cut() -> None:
    assert decided(facts(None, ()), ShowSettings()).left_out == {}
    named = decided(facts(None, ()), ShowSettings(policies=("picture", "center"), bars="cut"))
    assert [result.usable for result in named.results.values()] == [False, False]
    kept = decided(facts(None, ()), ShowSettings(policies=("center",)))
    assert kept.results["center"].usable


def test_boxes_lie_inside_of_bars_that_are_cut_and_count_in_what_is_left() -> None:
    barred = dataclasses.replace(crossing(), picture=(0, 60, WIDTH, 180))
    keep, cut = (
        decided(facts(barred), ShowSettings(policies=("center", "follow"), ratio=0.5, bars=bars))
        for bars in ("keep", "cut")
    )
    for name in ("center", "follow"):
        box = cut.at(30)[name]
        assert 0.25 <= box.top < box.bottom <= 0.75
        assert box.area == pytest.approx(0.25)
        assert cut.results[name].picture.edges == (0, 0.25, 1, 0.75)
        assert keep.at(30)[name].area == pytest.approx(0.5)
        assert keep.results[name].picture == WHOLE_FRAME


@given(frames=st.integers(0, 500), shown=st.lists(st.integers(0, 600)), most=st.integers(2, 50))
def test_frames_of_a_path_are_those_shown_and_both_ends(frames: int, shown: list[int], most: int) -> None:
    numbers = path_frames(shown, frames, most=most)
    assert list(numbers) == sorted(set(numbers))
    assert {number for number in shown if number < frames} <= set(numbers)
    assert not frames or {0, frames - 1} <= set(numbers) <= set(range(frames))
    assert len(numbers) <= most + len(set(shown))


def test_a_path_ends_where_it_is_cut() -> None:
    boxes = [CropBox(left=x, top=0, right=x + 0.5, bottom=0.5) for x in (0, 0.25, 0.5)]
    path = BoxPath.of((3, 5, 9), boxes)
    assert path.centres.tolist() == [[0.25, 0.25], [0.5, 0.25], [0.75, 0.25]]
    assert path.at([5, 6]).tolist() == [[0.5, 0.25]]
    assert [path.until(number).numbers for number in (2, 3, 8, 9)] == [(), (3,), (3, 5), (3, 5, 9)]
    with pytest.raises(ValueError, match="2 boxes for 3 frames"):
        BoxPath.of((3, 5, 9), boxes[:2])


def test_edges_that_coincide_are_wider_for_each_box_drawn_later() -> None:
    box = CropBox(left=0.25, top=0.25, right=0.75, bottom=0.75)
    assert edge_widths({"a": box, "whole": WHOLE_FRAME, "b": box, "c": box}) == {
        "a": (3, 3, 3, 3),
        "b": (2, 2, 2, 2),
        "c": (1, 1, 1, 1),
    }
