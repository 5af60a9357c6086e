"""Windows of neighbouring frames: where they begin, what is stored of them, and which slots they are in."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.cache import dense as dense_module
from mocrop.pipeline.cache.columns import require_plausible
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.dense import DenseWindows, even_starts, moving_starts, window_slots, windows_fit
from mocrop.pipeline.cache.description import read_attributes, write_sealed
from mocrop.pipeline.cache.identity import cache_identity
from mocrop.pipeline.checks.crop_cache import verify_cache
from mocrop.pipeline.errors import CacheError
from tests.dense_cache import make_dense_cache, telling_frame

DENSE = DenseWindows(windows=4, frames=5, stride=2)  # 9 frames from the first to the last
dense_windows = st.builds(DenseWindows, windows=st.integers(1, 12), frames=st.integers(1, 40), stride=st.integers(1, 8))


def test_middles_of_windows_are_the_middles_of_equal_parts() -> None:
    """100 frames in parts of 25: a window of 9 has 8 frames of its part on either side."""
    assert even_starts(100, DENSE) == [8, 33, 58, 83]


def test_one_window_is_in_the_middle() -> None:
    assert even_starts(19, DenseWindows(windows=1, frames=5, stride=2)) == [5]


def test_windows_of_the_whole_clip_lie_side_by_side() -> None:
    """36 frames are four windows of 9 and nothing between."""
    assert even_starts(36, DENSE) == [0, 9, 18, 27]


def test_windows_that_must_overlap_begin_at_even_steps() -> None:
    """With 21 frames a window of 9 may begin at 0 to 12."""
    assert even_starts(21, DENSE) == [0, 4, 8, 12]


@pytest.mark.parametrize(("frames", "starts"), [(12, [0, 1, 2, 3]), (11, [0, 1, 2]), (9, [0]), (8, [0]), (1, [0])])
def test_no_more_windows_than_begin_at_different_frames(frames: int, starts: list[int]) -> None:
    assert even_starts(frames, DENSE) == starts


@given(frames=st.integers(1, 3000), dense=dense_windows)
def test_even_windows_differ_and_lie_in_the_clip(frames: int, dense: DenseWindows) -> None:
    starts = even_starts(frames, dense)
    assert starts == sorted(set(starts))
    assert len(starts) == dense.fitting(frames)
    assert starts[0] >= 0
    assert starts[-1] <= max(0, frames - dense.span)


@given(frames=st.integers(1, 3000), dense=dense_windows)
def test_even_windows_are_the_same_backwards_but_for_rounding(frames: int, dense: DenseWindows) -> None:
    starts, last = even_starts(frames, dense), max(0, frames - dense.span)
    assert all(abs(one + other - last) <= 1 for one, other in zip(starts, reversed(starts), strict=True))


def test_frames_that_windows_share_are_needed_once() -> None:
    """0 2 4 6 8 and 4 6 8 10 12."""
    assert DENSE.numbers([0, 4], frames=13) == [0, 2, 4, 6, 8, 10, 12]


def test_last_frame_stands_for_those_behind_it() -> None:
    """0 2 4, and 5 for 6 and 8."""
    assert DENSE.numbers([0], frames=6) == [0, 2, 4, 5]


@pytest.mark.parametrize("values", [{"windows": 0}, {"frames": 0}, {"stride": 0}, {"windows": 2**9, "frames": 2**9}])
def test_windows_that_cannot_be_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        DenseWindows(**{"windows": 4, "frames": 16, "stride": 2, **values})


@given(lengths=st.lists(st.integers(1, 200), min_size=1, max_size=5), dense=dense_windows)
def test_slots_of_windows_hold_the_frames_of_the_windows(lengths: list[int], dense: DenseWindows) -> None:
    starts = [even_starts(length, dense) for length in lengths]
    index = np.full((len(lengths), dense.slots), -1, np.int32)
    window = np.full((len(lengths), dense.windows), -1, np.int32)
    for row, own in enumerate(starts):
        numbers = dense.numbers(own, frames=lengths[row])
        index[row, : len(numbers)], window[row, : len(own)] = numbers, own
    slots = window_slots(index, window, dense)
    for row, own in enumerate(starts):
        for which in range(dense.windows):
            wanted = [min(own[which % len(own)] + i * dense.stride, lengths[row] - 1) for i in range(dense.frames)]
            assert index[row, slots[row, which]].tolist() == wanted


def test_windows_of_no_clips() -> None:
    index, window = np.empty((0, DENSE.slots), np.int32), np.empty((0, DENSE.windows), np.int32)
    assert window_slots(index, window, DENSE).shape == (0, 4, 5)
    assert windows_fit(index, window, DENSE).shape == (0,)


def test_cache_of_windows_tells_them(tmp_path: Path) -> None:
    """Clips of 100, 6 and 11 frames, and one that failed."""
    cache = CropCache(make_dense_cache(tmp_path / "c.zarr", lengths=[100, 6, 11, 0], dense=DENSE))
    assert cache.dense == DENSE
    assert cache.frames_per_clip == 20
    assert cache.window.tolist() == [[8, 33, 58, 83], [0, -1, -1, -1], [0, 1, 2, -1], [-1, -1, -1, -1]]
    assert cache.frame_index[0, :6].tolist() == [8, 10, 12, 14, 16, 33]
    assert cache.frame_index[1, :5].tolist() == [0, 2, 4, 5, -1]
    slots = cache.window_slots
    assert slots[0].tolist() == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11, 12, 13, 14], [15, 16, 17, 18, 19]]
    assert slots[1].tolist() == [[0, 1, 2, 3, 3]] * 4  # padded by its last frame; unused windows repeat it
    assert slots[2].tolist() == [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9], [2, 4, 6, 8, 10], [0, 2, 4, 6, 8]]
    assert not slots[3].any()


def test_slots_do_not_depend_on_how_many_clips_are_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_dense_cache(tmp_path / "c.zarr", lengths=[100, 6, 11, 0, 40], dense=DENSE)
    whole = CropCache(path).window_slots
    monkeypatch.setattr(dense_module, "ROWS_AT_ONCE", 2)
    assert np.array_equal(CropCache(path).window_slots, whole)
    require_plausible(CropCache(path))
    zarr.open_group(path)["window"][4, 0] = 1
    with pytest.raises(CacheError, match="row 4: its window 0 needs frame 1, which is not stored"):
        _ = CropCache(path).window_slots


def test_frames_of_a_window_are_those_that_its_slots_hold(tmp_path: Path) -> None:
    cache = CropCache(make_dense_cache(tmp_path / "c.zarr", lengths=[400, 100], dense=DENSE))
    frames = cache.open_frames()[0].read().result()[cache.window_slots[0, 3]]
    assert cache.window[0, 3] == 345
    assert np.array_equal(frames, [telling_frame(0, 345 + 2 * i, size=8) for i in range(5)])


@pytest.mark.parametrize(
    "told",
    [
        None,
        7,
        [4, 5, 2],
        {},
        {"windows": 4, "frames": 5},
        {"windows": 4, "frames": 5, "stride": 0},
        {"windows": 4, "frames": "5", "stride": 2},
        {"windows": 2, "frames": 10, "stride": 2},
        {"windows": 4, "frames": 4, "stride": 2},
        {"windows": 4, "frames": 5, "stride": 2, "offset": 1},
    ],
)
def test_windows_that_cannot_be_are_damage(told: object, tmp_path: Path) -> None:
    """Nobody writes such an attribute but with the right checksums: mocrop itself, or a program that is hostile."""
    path = make_dense_cache(tmp_path / "c.zarr", lengths=[100, 7], dense=DENSE)
    attributes, _ = read_attributes(path)
    columns = [folder.name for folder in path.iterdir() if folder.is_dir()]
    write_sealed(path, columns, {**attributes, "dense": told})
    with pytest.raises(CacheError, match="its windows: "):
        _ = CropCache(path).dense
    with pytest.raises(CacheError, match="its windows: "):
        require_plausible(CropCache(path))
    assert ["its windows: " in damage.fact for damage in verify_cache(path)] == [True]


def test_other_caches_have_no_windows(tmp_path: Path, make_cache: object) -> None:
    assert callable(make_cache)
    cache = CropCache(make_cache(tmp_path / "c.zarr", label=[0]))
    assert cache.dense is None
    with pytest.raises(CacheError, match="precrop --select dense"):
        _ = cache.window_slots


def test_windows_are_part_of_what_a_cache_is(tmp_path: Path) -> None:
    """Of 10 frames in windows of 5: those from 0, 2 and 5 on are all frames, and so are those from 0, 3 and 5 on."""
    dense = DenseWindows(windows=3, frames=5, stride=1)
    path = make_dense_cache(tmp_path / "c.zarr", lengths=[10], dense=dense)
    cache = CropCache(path)
    assert cache.window.tolist() == [[0, 2, 5]]
    zarr.open_group(path)["window"][0, 1] = 3
    other = CropCache(path)
    require_plausible(other)
    assert cache.checksum.tolist() == other.checksum.tolist()
    assert cache_identity(cache) != cache_identity(other)


def test_moving_windows_hold_the_most_motion() -> None:
    """Of windows of three frames, 1 to 3 hold 12 and 6 to 8 hold 9."""
    speeds = np.array([0, 4, 4, 4, 0, 0, 0, 9, 0, 0])
    assert moving_starts(speeds, DenseWindows(windows=1, frames=3, stride=1)) == [1]
    assert moving_starts(speeds, DenseWindows(windows=2, frames=3, stride=1)) == [1, 5]  # 5, 6 and 7 hold as much


def test_moving_windows_do_not_overlap_where_they_can_lie_side_by_side() -> None:
    """The best two windows of four frames, 2 and 3, overlap; four windows of two fill the clip."""
    speeds = np.array([0, 0, 5, 9, 9, 5, 0, 0])
    assert moving_starts(speeds, DenseWindows(windows=2, frames=4, stride=1)) == [0, 4]
    assert moving_starts(speeds, DenseWindows(windows=1, frames=4, stride=1)) == [2]
    assert moving_starts(speeds, DenseWindows(windows=4, frames=2, stride=1)) == [0, 2, 4, 6]


def test_a_window_counts_the_frames_between_those_that_it_has() -> None:
    """Windows of frames 0 3, 1 4, ..: the motion in frame 2 counts for all that contain it."""
    assert moving_starts(np.array([0, 0, 0, 0, 0, 7, 0, 0]), DenseWindows(windows=1, frames=2, stride=3)) == [2]


def best_by_trying(speeds: Sequence[int], dense: DenseWindows) -> list[int]:
    last = max(0, len(speeds) - dense.span)
    count = dense.fitting(len(speeds))
    apart = max(
        distance for distance in range(dense.span + 1) if distance == 0 or count == 1 or (count - 1) * distance <= last
    )
    choices = [
        each
        for each in itertools.combinations(range(last + 1), count)
        if all(after - before >= apart for before, after in itertools.pairwise(each))
    ]
    return list(
        max(choices, key=lambda each: sum(sum(speeds[n : n + dense.span]) for n in each))
    )  # the first of equals


@given(
    speeds=st.lists(st.integers(0, 3), min_size=1, max_size=14),
    dense=st.builds(DenseWindows, windows=st.integers(1, 4), frames=st.integers(1, 4), stride=st.integers(1, 3)),
)
def test_moving_windows_are_the_first_of_the_best(speeds: list[int], dense: DenseWindows) -> None:
    assert moving_starts(np.array(speeds), dense) == best_by_trying(speeds, dense)


@pytest.mark.parametrize(
    ("column", "row", "values", "fact"),
    [
        ("window", 0, [8, 33, 33, 83], "its windows are not ascending"),
        ("window", 1, [-1, -1, -1, -1], "its windows are not ascending, or there are none"),
        ("window", 0, [8, 33, 58, 84], "its windows begin at .8, 33, 58, 84., and the frames that it holds"),
        ("window", 0, [8, 33, 58, -1], "its windows begin at .8, 33, 58., and the frames"),
        ("window", 0, [8, 33, 58, 600], "its windows begin at"),
        ("window", 1, [1, -1, -1, -1], "its windows begin at .1., and the frames"),
        ("window", 1, [0, 4, -1, -1], "its windows begin at .0, 4., and the frames"),
        ("frame_index", 0, [8, 10, 12, 14, 17], "its windows begin at"),
        ("frame_index", 1, [0, 2, 5, 6], "the frames that it holds are not theirs"),
    ],
)
def test_windows_of_other_frames_than_those_that_are_there_are_noticed(
    column: str, row: int, values: list[int], fact: str, tmp_path: Path
) -> None:
    """Clips of 100 and 7 frames; the second has frames 0 2 4 6, in one window whose last frame is there twice."""
    path = make_dense_cache(tmp_path / "c.zarr", lengths=[100, 7], dense=DENSE)
    require_plausible(CropCache(path))
    zarr.open_group(path)[column][row, : len(values)] = np.array(values, np.int32)
    with pytest.raises(CacheError, match=fact):
        require_plausible(CropCache(path))
