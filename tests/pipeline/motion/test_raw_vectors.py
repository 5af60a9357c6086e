from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.motion import raw_vectors
from mocrop.pipeline.motion.clip_motion import ClipMotion, FrameType
from mocrop.pipeline.motion.placement import Placement
from mocrop.pipeline.motion.raw_vectors import RAW_VECTOR, VectorBlock, joined, reference_distances
from mocrop.pipeline.video.orientation import Orientation

I, P, B = FrameType.I, FrameType.P, FrameType.B  # noqa: E741
STORED = Placement(decoded=(64, 48))
Vector = tuple[int, int, int, int]  # dst_x, dst_y, motion_x, motion_y as FFmpeg has them


def raw(vectors: Sequence[Vector], *, scale: int = 4, source: int = -1, block: tuple[int, int] = (16, 16)) -> bytes:
    structs = np.zeros(len(vectors), RAW_VECTOR)
    for name, value in (("source", source), ("w", block[0]), ("h", block[1]), ("motion_scale", scale)):
        structs[name] = value
    for number, name in enumerate(("dst_x", "dst_y", "motion_x", "motion_y")):
        structs[name] = [vector[number] for vector in vectors]
    return structs.tobytes()


def motion_of(
    frames: Sequence[tuple[bytes, FrameType]],
    placement: Placement = STORED,
    picture: tuple[int, int] | None = None,
) -> ClipMotion:
    block = VectorBlock(placement=placement)
    for data, frame_type in frames:
        block.add(data, frame_type)
    return block.motion(picture or placement.upright)


def rows(motion: ClipMotion) -> list[tuple[int, ...]]:
    """(x, y, dx, dy, w, h, ref) of every vector."""
    names = ("x", "y", "dx", "dy", "w", "h", "ref")
    return list(zip(*(getattr(motion, name).tolist() for name in names), strict=True))


@pytest.mark.parametrize(("scale", "quarters"), [(1, -12), (2, -6), (4, -3), (8, -2)])
def test_displacements_are_quarter_pixels_from_reference_to_block(scale: int, quarters: int) -> None:
    """FFmpeg's motion of 3 / scale pixels points from the block to its reference; an eighth of a pixel is rounded."""
    motion = motion_of([(raw([(8, 24, 3, 0)], scale=scale), P)])
    assert rows(motion) == [(8, 24, quarters, 0, 16, 16, -1)]


def test_vectors_without_displacement_are_counted_and_not_kept() -> None:
    motion = motion_of([(b"", I), (raw([(8, 8, 0, 0), (24, 8, 0, 4), (40, 8, 0, 0)]), P)])
    assert rows(motion) == [(24, 8, 0, -4, 16, 16, -1)]
    assert motion.vectors_per_frame.tolist() == [0, 1]
    assert motion.zero_vectors.tolist() == [0, 2]
    assert motion.frame_type.tolist() == [I, P]


def test_displacement_too_small_for_a_quarter_pixel_is_zero() -> None:
    motion = motion_of([(raw([(8, 8, 1, 0)], scale=16), P)])
    assert (len(motion.x), motion.zero_vectors.tolist()) == (0, [1])


def test_vectors_from_the_future_are_marked_and_keep_their_sign() -> None:
    motion = motion_of([(raw([(8, 8, -4, 0)], source=1), B)])
    assert rows(motion) == [(8, 8, 4, 0, 16, 16, 1)]


@pytest.mark.parametrize(
    ("orientation", "row"),
    [
        (Orientation(), (8, 20, 4, 8, 16, 8, -1)),
        (Orientation(mirrored=True), (56, 20, -4, 8, 16, 8, -1)),
        (Orientation(flipped=True), (8, 28, 4, -8, 16, 8, -1)),
        (Orientation(mirrored=True, flipped=True), (56, 28, -4, -8, 16, 8, -1)),  # half a turn
        (Orientation(transposed=True), (20, 8, 8, 4, 8, 16, -1)),
        (Orientation(transposed=True, mirrored=True), (28, 8, -8, 4, 8, 16, -1)),  # clockwise: right becomes down
        (Orientation(transposed=True, flipped=True), (20, 56, 8, -4, 8, 16, -1)),  # anticlockwise: right becomes up
        (Orientation(transposed=True, mirrored=True, flipped=True), (28, 56, -8, -4, 8, 16, -1)),
    ],
    ids=str,
)
def test_positions_and_displacements_turn_with_the_picture(orientation: Orientation, row: tuple[int, ...]) -> None:
    """A block of 16x8 at (8, 20) of 64x48 that moves 1 right and 2 down."""
    placement = Placement(decoded=(64, 48), orientation=orientation)
    motion = motion_of([(raw([(8, 20, -4, -8)], block=(16, 8)), P)], placement)
    assert (motion.width, motion.height) == ((48, 64) if orientation.transposed else (64, 48))
    assert rows(motion) == [row]


def test_what_is_cut_off_at_the_left_and_top_shifts_positions_before_they_turn() -> None:
    """The block at (40, 30) of the coded picture is at (8, 20) of what is shown of it."""
    for orientation, place in ((Orientation(), (8, 20)), (Orientation(transposed=True, mirrored=True), (28, 8))):
        placement = Placement(decoded=(64, 48), orientation=orientation, cut=(32, 10))
        ((x, y, *_),) = rows(motion_of([(raw([(40, 30, -4, 0)]), P)], placement))
        assert (x, y) == place


def test_another_frame_size_is_scaled_to_the_picture() -> None:
    small = Placement(decoded=(32, 16))
    motion = motion_of([(raw([(8, 8, -4, -4)], block=(8, 8)), P)], small, picture=(64, 48))
    assert rows(motion) == [(16, 24, 8, 12, 16, 24, -1)]


def test_positions_outside_the_picture_are_kept_and_wild_displacements_clipped() -> None:
    motion = motion_of([(raw([(-40, 300, 2**20, -(2**20))]), P)])
    assert rows(motion) == [(-40, 300, -32767, 32767, 16, 16, -1)]
    assert np.isfinite(motion.camera).all()


@given(st.lists(st.integers(0, 70), min_size=1, max_size=6))
def test_any_number_of_vectors_comes_back_in_order(counts: list[int]) -> None:
    frames = [[(n, frame, 4 * (n % 3 > 0), 0) for n in range(count)] for frame, count in enumerate(counts)]
    motion = motion_of([(raw(vectors), P) for vectors in frames])
    moving = [(x, y) for vectors in frames for x, y, right, _ in vectors if right]
    assert list(zip(motion.x.tolist(), motion.y.tolist(), strict=True)) == moving
    assert (motion.vectors_per_frame + motion.zero_vectors).tolist() == counts
    assert motion.frame.tolist() == [y for _, y in moving]


def some_vectors(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 60))
    columns = (rng.integers(0, 64, count), rng.integers(0, 48, count), *rng.integers(-40, 40, (2, count)))
    return raw(list(zip(*(column.tolist() for column in columns), strict=True)))


def vectors_round_a_common_one(seed: int) -> bytes:
    """Blocks of 8x8 all over the picture, of which three in four or more move alike and the others far from them."""
    rng = np.random.default_rng(seed)
    places = [(x, y) for x in range(4, 64, 8) for y in range(4, 48, 8)]
    common, wild = rng.integers(-20, 20, 2), rng.integers(40, 80, (len(places), 2)) * rng.choice((-1, 1))
    own = rng.random(len(places)) < rng.uniform(0, 0.25)
    displacements = np.where(own[:, np.newaxis], wild, common).tolist()
    return raw([(*place, *moved) for place, moved in zip(places, displacements, strict=True)], block=(8, 8))


@pytest.mark.parametrize("vectors", [some_vectors, vectors_round_a_common_one])
@given(seeds=st.lists(st.integers(0, 1000), min_size=2, max_size=12), data=st.data())
def test_where_a_block_ends_makes_no_difference(
    vectors: Callable[[int], bytes], seeds: list[int], data: st.DataObject
) -> None:
    """For the camera only within rounding, which grows without bound where no motion has a majority."""
    frames = [(vectors(seed), P) for seed in seeds]
    cut = data.draw(st.integers(1, len(frames) - 1))
    runs = [motion_of(frames[:cut]), motion_of(frames[cut:])]
    whole, parts = motion_of(frames), joined(runs)
    assert not runs
    fitted = ("camera", "camera_support")
    for name in [field.name for field in dataclasses.fields(ClipMotion) if field.name not in fitted]:
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))
    if vectors is vectors_round_a_common_one:
        for name in fitted:
            np.testing.assert_allclose(getattr(whole, name), getattr(parts, name), rtol=0, atol=1e-3)


def test_the_motion_of_b_frames_is_measured_from_their_own_references() -> None:
    """Everything moves 1 pixel right a frame: I B B P refer 1, 2 and 3 frames back, the B-frames 2 and 1 ahead."""
    places = [(x, y) for x in (8, 24, 40, 56) for y in (8, 24, 40)]

    def moved(pixels: int, source: int) -> bytes:
        return raw([(x, y, -4 * pixels, 0) for x, y in places], source=source)

    frames = [(b"", I), (moved(1, -1) + moved(-2, 1), B), (moved(2, -1) + moved(-1, 1), B), (moved(3, -1), P)]
    motion = motion_of(frames)
    np.testing.assert_allclose(motion.camera[1:], np.tile([1, 0, 0, 0, 0, 0], (3, 1)), atol=1e-3)
    np.testing.assert_allclose(motion.camera_support, [0, 1, 1, 1], atol=1e-5)


@given(st.lists(st.sampled_from([I, P, B]), min_size=1, max_size=20))
def test_distances_are_those_to_the_nearest_frames_that_are_not_b(types: list[FrameType]) -> None:
    past, future = reference_distances(np.array(types, np.uint8))
    anchors = [-1, *(n for n, kind in enumerate(types) if kind != B), len(types)]
    assert past.tolist() == [n - max(a for a in anchors if a < n) for n in range(len(types))]
    assert future.tolist() == [min(a for a in anchors if a > n) - n for n in range(len(types))]


def test_joined_runs_keep_times_that_all_have_and_the_picture_of_the_first() -> None:
    first = dataclasses.replace(motion_of([(b"", I), (b"", P)]), seconds=np.array([0.0, 0.04]), picture=(0, 8, 64, 40))
    second = dataclasses.replace(motion_of([(b"", P)]), seconds=np.array([0.08]))
    whole = joined([first, second])
    assert whole.seconds is not None
    assert whole.seconds.tolist() == [0.0, 0.04, 0.08]
    assert whole.picture == (0, 8, 64, 40)
    assert joined([first, dataclasses.replace(second, seconds=None)]).seconds is None


def test_a_block_is_full_after_a_reference_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_vectors, "FULL_BYTES", 2 * 32 * RAW_VECTOR.itemsize)
    block = VectorBlock(placement=STORED)
    full = []
    for frame_type in (I, P, B, B, P):
        block.add(b"", frame_type)  # every frame takes room for 32 vectors at least
        full.append(block.full)
    assert full == [False, True, False, False, True]


def test_a_block_of_b_frames_alone_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_vectors, "FULL_BYTES", 32 * RAW_VECTOR.itemsize)
    block = VectorBlock(placement=STORED)
    for _ in range(8):
        assert not block.frame_types or not block.full
        block.add(b"", B)
    assert block.full
