"""Dense motion fields, compared with fields drawn by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox, content_edges
from mocrop.pipeline.motion.clip_motion import ClipMotion, FrameType
from mocrop.pipeline.motion.fields import Fields, MotionFieldSettings, dense_motion

MakeMotion = Callable[..., ClipMotion]
PICTURE = (64, 64)  # four by four blocks of 16 pixels; frames are of the same size unless told otherwise


def fields_of(
    motion: ClipMotion, numbers: Sequence[int] = (0,), *, box: CropBox = WHOLE_FRAME, size: int = 64, **settings: Any
) -> Fields:
    return dense_motion(
        motion, numbers, boxes=[box] * len(numbers), size=size, settings=MotionFieldSettings(**{"side": 4, **settings})
    )


def drawn(**cells: float) -> list[list[float]]:
    """Four rows of four cells that stand still but for those named, e.g. ``r2c1=3``; pixels per frame."""
    field = np.zeros((4, 4))
    for name, value in cells.items():
        field[int(name[1]), int(name[3])] = value
    return field.tolist()


def frame_by_frame(
    make: MakeMotion, per_frame: Sequence[Sequence[tuple[int, int, float, float]]], types: str
) -> ClipMotion:
    """Motion of frames with these vectors and types, e.g. "IPP"; P and B frames without vectors have a still block."""
    frames = len(types)
    kinds = np.array([FrameType[letter] for letter in types], np.uint8)
    counts = np.array([len(vectors) for vectors in per_frame], np.int32)
    return dataclasses.replace(
        make([vector for vectors in per_frame for vector in vectors], size=PICTURE),
        vectors_per_frame=counts,
        zero_vectors=((counts == 0) & (kinds != FrameType.I)).astype(np.int32),
        frame_type=kinds,
        camera=np.zeros((frames, 6), np.float32),
        camera_support=np.zeros(frames, np.float32),
    )


def pan(make: MakeMotion, *, missing: int = 0) -> ClipMotion:
    """Every block but the last ``missing`` ones moves by (3, -2), which the camera does."""
    blocks = [(x, y, 3, -2) for y in range(8, 64, 16) for x in range(8, 64, 16)]
    motion = make(blocks[: 16 - missing], size=PICTURE)
    camera = np.zeros((2, 6), np.float32)
    camera[1] = (3, 0, 0, -2, 0, 0)
    return dataclasses.replace(motion, camera=camera)


def test_one_moving_block_is_one_moving_cell(make_motion: MakeMotion) -> None:
    """Its centre is (24, 40): second column, third row."""
    x, y = fields_of(make_motion([(24, 40, 2, -1)], size=PICTURE))[0]
    assert (x / 16).tolist() == drawn(r2c1=2)
    assert (y / 16).tolist() == drawn(r2c1=-1)


def test_cell_is_the_mean_over_what_it_covers(make_motion: MakeMotion) -> None:
    """A block that lies across the border of two cells moves half of each; one of 8 pixels a quarter of its cell."""
    across = fields_of(make_motion([(32, 40, 2, 0)], size=PICTURE))[0, 0]
    assert (across / 16).tolist() == drawn(r2c1=1, r2c2=1)
    small = fields_of(make_motion([(20, 36, 2, 0)], size=PICTURE, block=8))[0, 0]
    assert (small / 16).tolist() == drawn(r2c1=0.5)


def test_finer_field_shows_the_block_in_more_cells(make_motion: MakeMotion) -> None:
    x = fields_of(make_motion([(24, 40, 2, 0)], size=PICTURE), side=8)[0, 0]
    assert np.argwhere(x).tolist() == [[4, 2], [4, 3], [5, 2], [5, 3]]
    assert set(x[x != 0].tolist()) == {32}


def test_block_outside_the_picture_counts_with_what_is_inside(make_motion: MakeMotion) -> None:
    x = fields_of(make_motion([(0, 0, 4, 0), (80, 80, 4, 0)], size=PICTURE))[0, 0]
    assert (x / 16).tolist() == drawn(r0c0=1)


def test_box_is_what_the_field_shows(make_motion: MakeMotion) -> None:
    """The right lower quarter, 32x32 pixels blown up to 64: the block at its left upper corner moves twice as far."""
    box = CropBox(left=0.5, top=0.5, right=1, bottom=1)
    x, y = fields_of(make_motion([(40, 40, 2, 1), (24, 24, 7, 7)], size=PICTURE), box=box)[0]
    assert (x / 16).tolist() == drawn(r0c0=4, r0c1=4, r1c0=4, r1c1=4)
    assert (y / 16).tolist() == drawn(r0c0=2, r0c1=2, r1c0=2, r1c1=2)


def test_pixels_are_those_of_the_scaled_frame(make_motion: MakeMotion) -> None:
    """A 64x32 picture squashed to 32x32: x by a half, y not at all. Rows of 8 pixels: the block fills two."""
    x, y = fields_of(make_motion([(24, 24, 2, 2)], size=(64, 32)), size=32)[0]
    assert (x / 16).tolist() == drawn(r2c1=1, r3c1=1)
    assert (y / 16).tolist() == drawn(r2c1=2, r3c1=2)


def test_fast_motion_is_clipped_alike_in_both_directions(make_motion: MakeMotion) -> None:
    x, y = fields_of(make_motion([(8, 8, 100, -100), (24, 8, 7.75, -7.75)], size=PICTURE))[0]
    assert x[0].tolist() == [127, 124, 0, 0]
    assert y[0].tolist() == [-127, -124, 0, 0]


def test_field_is_the_mean_of_the_frames_until_the_next_chosen_one(make_motion: MakeMotion) -> None:
    """Frames 0 and 3 are key frames; the block moves by 2 and 4 in one half of the clip, by 1 and not in the other."""
    block = [[], [(8, 8, 2, 0)], [(8, 8, 4, 0)], [], [(8, 8, 1, 0)], []]
    motion = frame_by_frame(make_motion, block, "IPPIPP")
    assert (fields_of(motion, [0, 3])[:, 0, 0, 0] / 16).tolist() == [3, 0.5]
    assert (fields_of(motion, [0])[:, 0, 0, 0] / 16).tolist() == [1.75]  # four frames have vectors
    assert (fields_of(motion, [0, 3], span=2)[:, 0, 0, 0] / 16).tolist() == [2, 1]


def test_frame_at_the_end_takes_the_frames_before_it(make_motion: MakeMotion) -> None:
    motion = frame_by_frame(make_motion, [[], [(8, 8, 2, 0)], [(8, 8, 4, 0)], []], "IPPI")
    assert (fields_of(motion, [0, 3])[:, 0, 0, 0] / 16).tolist() == [3, 3]
    assert (fields_of(motion, [0, 3], span=2)[:, 0, 0, 0] / 16).tolist() == [2, 4]


def test_clip_of_key_frames_and_clip_where_nothing_moves_have_fields_of_zeros(make_motion: MakeMotion) -> None:
    for types in ("III", "IPP"):
        assert not fields_of(frame_by_frame(make_motion, [[], [], []], types), [0, 2]).any()


def test_vector_from_two_frames_ahead_counts_backwards_and_by_half(make_motion: MakeMotion) -> None:
    """Frame 1 is a B frame between P frames 0 and 3: the reference of its vector is frame 3, two frames ahead."""
    motion = frame_by_frame(make_motion, [[], [(8, 8, -4, 0)], [], []], "PBBP")
    from_ahead = dataclasses.replace(motion, ref=np.array([1], np.int8))
    assert (fields_of(from_ahead, [1], span=1)[0, 0] / 16).tolist() == drawn(r0c0=2)
    assert (fields_of(motion, [1], span=1)[0, 0] / 16).tolist() == drawn(r0c0=-4)  # from frame 0


def test_block_with_a_vector_each_way_moves_by_their_mean(make_motion: MakeMotion) -> None:
    motion = frame_by_frame(make_motion, [[], [(8, 8, 2, 0), (8, 8, -4, 0), (24, 8, 1, 0)], []], "PBP")
    both = dataclasses.replace(motion, ref=np.array([-1, 1, -1], np.int8))
    assert (fields_of(both, [1], span=1)[0, 0] / 16).tolist() == drawn(r0c0=3, r0c1=1)


def test_pan_is_a_field_of_one_value_and_of_zeros_once_compensated(make_motion: MakeMotion) -> None:
    motion = pan(make_motion)
    x, y = fields_of(motion)[0]
    assert (set(x.ravel().tolist()), set(y.ravel().tolist())) == ({48}, {-32})
    assert not fields_of(motion, camera="compensate").any()


def test_what_the_camera_holds_still_moves_against_it_once_compensated(make_motion: MakeMotion) -> None:
    """The last block has no vector: it stands still in the picture while the ground goes by (3, -2)."""
    x, y = fields_of(pan(make_motion, missing=1), camera="compensate")[0] / 16
    assert x.tolist() == drawn(r3c3=-3)
    assert y.tolist() == drawn(r3c3=2)


def test_zoom_of_the_camera_grows_from_the_middle(make_motion: MakeMotion) -> None:
    """By an eighth and a quarter of the distance from the middle, 8 and 24 pixels, in a picture that stands still."""
    camera = np.zeros((2, 6), np.float32)
    camera[1] = (0, 0.125, 0, 0, 0, 0.25)
    still = dataclasses.replace(make_motion([(8, 8, 0.25, 0)], size=PICTURE), camera=camera)
    x, y = fields_of(still, camera="compensate")[0] / 16
    assert x[1].tolist() == [3, 1, -1, -3]
    assert y[:, 1].tolist() == [6, 2, -2, -6]


def test_mirrored_clip_has_the_mirrored_field_with_x_negated(make_motion: MakeMotion) -> None:
    """What a flip in training must do to a field."""
    rng = np.random.default_rng(0)
    blocks = [(8 + 16 * col, 8 + 16 * row, *(rng.integers(-20, 20, 2) / 4)) for row in range(4) for col in range(4)]
    mirrored = [(64 - x, y, -dx, dy) for x, y, dx, dy in blocks]
    field = fields_of(make_motion(blocks, size=PICTURE), side=8)[0]
    other = fields_of(make_motion(mirrored, size=PICTURE), side=8)[0]
    assert np.array_equal(other[0], -field[0, :, ::-1])
    assert np.array_equal(other[1], field[1, :, ::-1])


@pytest.mark.parametrize("setting", [{"side": 0}, {"span": 0}, {"camera": "follow"}])
def test_impossible_settings_are_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        MotionFieldSettings(**setting)


def test_every_field_lies_in_the_box_of_its_frame(make_motion: MakeMotion) -> None:
    """One block moves in the upper left quarter: a box on it sees that, one on the opposite quarter does not."""
    motion = frame_by_frame(make_motion, [[], [(8, 8, 2, 0)], [], [(8, 8, 2, 0)]], "IPIP")
    quarters = [CropBox(left=a, top=a, right=a + 0.5, bottom=a + 0.5) for a in (0, 0.5)]
    settings = MotionFieldSettings(side=4)
    both = dense_motion(motion, [0, 2], boxes=quarters, size=64, settings=settings)
    for slot, box in enumerate(quarters):
        alone = fields_of(motion, (0, 2), box=box)
        assert np.array_equal(both[slot], alone[slot])
    assert both[0].any()
    assert not both[1].any()


def test_nothing_moves_in_the_padding(make_motion: MakeMotion) -> None:
    """A frame twice as wide as high: bars above and below, a quarter of the height each, and motion half the size."""
    blocks = [(x, y, 4, 0) for x in range(8, 128, 16) for y in range(8, 64, 16)]
    motion = make_motion(blocks, size=(128, 64))
    settings = MotionFieldSettings(side=4)
    inside = [content_edges((0, 0, 128, 64), size=64, fit="pad")]
    x, y = dense_motion(motion, [0], boxes=[WHOLE_FRAME], size=64, settings=settings, contents=inside)[0] / 16
    assert x.tolist() == [[0] * 4, [2] * 4, [2] * 4, [0] * 4]
    assert not y.any()
    odd = MotionFieldSettings(side=2)
    x, _ = dense_motion(motion, [0], boxes=[WHOLE_FRAME], size=64, settings=odd, contents=inside)[0] / 16
    assert x.tolist() == [[1, 1], [1, 1]]  # half of each cell is padding


def test_fields_of_windows_reach_to_the_next_frame_of_the_window(make_motion: MakeMotion) -> None:
    """Frames 0 and 6 are chosen, two apart in their windows: fields of frames 0 1 and 6 7, not of 0 to 5 and 6 on."""
    block = (8, 8)
    vectors = [[], *[[(*block, float(frame), 0.0)] for frame in range(1, 9)]]
    motion = frame_by_frame(make_motion, vectors, "IPPPPPPPP")
    settings = MotionFieldSettings(side=4, span=12)
    boxes = [WHOLE_FRAME] * 2
    fields = dense_motion(motion, [0, 6], boxes=boxes, size=64, settings=settings, ahead=2)
    assert (fields[:, 0, 0, 0] / 16).tolist() == [1, 6.5]  # frame 1 alone has vectors; the mean of 6 and 7
    fields = dense_motion(motion, [0, 6], boxes=boxes, size=64, settings=settings, ahead=1)
    assert (fields[:, 0, 0, 0] / 16).tolist() == [1, 6]  # a key frame takes those of the next frame
