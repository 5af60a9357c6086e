"""Clips of neighbouring frames, checked by hand: 4 frames a window, 2 apart, so 7 frames of the video from end to end.

A frame of the made cache is red by its number. Of 40 frames the windows are 6, 8, 10, 12 and 26, 28, 30, 32; of 12 they
are 0, 2, 4, 6 and 5, 7, 9, 11; of 5 there is one, 0, 2, 4, whose last frame stands for the fourth as well.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.dense import DenseWindows, even_starts, window_slots
from mocrop.pipeline.errors import SettingsError
from mocrop.training.data.dataset import CropDataset
from mocrop.training.data.loader import CropLoader
from mocrop.training.data.windows import Windows, chosen_windows, clip_positions
from tests.conftest import MakeCache
from tests.dense_cache import make_dense_cache

DENSE = DenseWindows(windows=2, frames=4, stride=2)
LENGTHS = [40, 12, 5]
ALL = np.arange(len(LENGTHS))


@pytest.fixture
def cache(tmp_path: Path) -> CropCache:
    return CropCache(make_dense_cache(tmp_path / "dense.zarr", lengths=LENGTHS, dense=DENSE, subset=[1, 2, 2], size=4))


def numbers(frames: torch.Tensor) -> list[int]:
    """Numbers of frames, whatever the shape before their last three dimensions."""
    return frames[..., 0, 0, 0].tolist()


def test_testing_takes_the_middle_window_at_its_middle_offset(cache: CropCache) -> None:
    frames = CropDataset(cache, ALL, clip=(2, 2)).read(ALL).frames
    assert frames.shape == (3, 2, 3, 4, 4)
    assert numbers(frames) == [[28, 30], [7, 9], [2, 4]]


def test_views_are_windows_and_a_clip_with_fewer_repeats_them(cache: CropCache) -> None:
    frames = CropDataset(cache, ALL, clip=(2, 2), views=2).read(ALL).frames
    assert frames.shape == (3, 2, 2, 3, 4, 4)
    assert numbers(frames) == [[[8, 10], [28, 30]], [[2, 4], [7, 9]], [[2, 4], [2, 4]]]


def test_a_larger_stride_takes_every_second_frame_of_a_window(cache: CropCache) -> None:
    assert numbers(CropDataset(cache, ALL, clip=(2, 4)).read(ALL).frames) == [[28, 32], [7, 11], [0, 4]]


def test_a_whole_window_repeats_the_last_frame_of_a_clip_that_is_too_short(cache: CropCache) -> None:
    assert numbers(CropDataset(cache, ALL, clip=(4, 2)).read(ALL).frames)[2] == [0, 2, 4, 4]


def test_the_clips_that_are_stored_are_taken_if_nothing_is_asked_for(cache: CropCache) -> None:
    assert numbers(CropDataset(cache, ALL[:1]).read(ALL[:1]).frames) == [[26, 28, 30, 32]]
    assert CropDataset.from_cache(cache).batch_shape(1) == (1, 4, 3, 4, 4)
    assert CropDataset.from_cache(cache, segments=3).batch_shape(1) == (1, 3, 3, 4, 4)


def test_segments_are_of_all_frames_of_all_windows(cache: CropCache) -> None:
    """Its 8 slots are 6, 8, 10, 12, 26, 28, 30, 32."""
    assert numbers(CropDataset(cache, ALL[:1], segments=2).read(ALL[:1]).frames) == [[10, 30]]


def test_training_draws_every_window_and_every_offset(cache: CropCache) -> None:
    data = CropDataset(cache, ALL, clip=(2, 2), random=True)
    drawn = [numbers(data.read(ALL, epoch=epoch).frames) for epoch in range(120)]
    firsts = [{epoch[row][0] for epoch in drawn} for row in ALL]
    assert firsts == [{6, 8, 10, 26, 28, 30}, {0, 2, 4, 5, 7, 9}, {0, 2}]
    assert all(second == first + 2 for epoch in drawn for first, second in epoch)


def test_windows_and_offsets_are_drawn_alike(cache: CropCache) -> None:
    """Of 6 places, each has a sixth of 3000 draws, and a standard deviation of 20."""
    data = CropDataset(cache, np.zeros(3000, np.int64), clip=(2, 2), random=True)
    slots, counts = np.unique(data.slots(np.arange(3000), epoch=0)[:, 0], return_counts=True)
    assert slots.tolist() == [0, 1, 2, 4, 5, 6]
    assert np.abs(counts - 500).max() < 100


def test_random_views_are_of_different_windows(cache: CropCache) -> None:
    data = CropDataset(cache, ALL[:1], clip=(2, 2), views=2, random=True)
    drawn = np.array([numbers(data.read(ALL[:1], epoch=epoch).frames)[0] for epoch in range(60)])
    assert set(drawn[:, 0, 0].tolist()) == {6, 8, 10}
    assert set(drawn[:, 1, 0].tolist()) == {26, 28, 30}


def test_draws_depend_on_seed_epoch_and_row_alone(cache: CropCache) -> None:
    rows = np.arange(200) % 3
    one, same, other = (CropDataset(cache, rows, clip=(2, 2), random=True, seed=seed) for seed in (1, 1, 2))
    everything = np.arange(200)
    together = one.slots(everything, epoch=4)
    assert np.array_equal(together[::-1], np.concatenate([same.slots(n[None], epoch=4) for n in everything[::-1]]))
    assert not np.array_equal(together, other.slots(everything, epoch=4))
    assert not np.array_equal(together, one.slots(everything, epoch=5))


@pytest.mark.parametrize("views", [1, 2])
def test_dataloader_and_croploader_read_the_same_clips(cache: CropCache, views: int) -> None:
    data = CropDataset(cache, ALL, clip=(2, 2), views=views, random=True, seed=3)
    workers = DataLoader(data, batch_size=2, num_workers=1, multiprocessing_context="spawn")
    for epoch in range(2):
        ours = CropLoader(data, batch_size=2, drop_last=False)
        ours.set_epoch(epoch)
        for mine, (theirs, _) in zip(ours, workers, strict=True):
            assert mine.frames.shape == data.batch_shape(len(mine.labels))
            assert torch.equal(mine.frames, theirs)


def test_ranks_read_together_what_one_process_reads(cache: CropCache) -> None:
    data = CropDataset(cache, ALL, clip=(2, 2), random=True)
    (together,) = CropLoader(data, batch_size=3)
    alone = dict(zip(together.rows.tolist(), together.frames, strict=True))
    data = CropDataset(cache, ALL, clip=(2, 2), random=True)
    for rank in range(2):
        for batch in CropLoader(data, batch_size=1, rank=rank, ranks=2):
            for row, frames in zip(batch.rows, batch.frames, strict=True):
                assert torch.equal(alone[int(row)], frames)


def test_a_copy_for_another_process_draws_the_same(cache: CropCache) -> None:
    data = CropDataset(cache, ALL, clip=(2, 2), random=True)
    copy = pickle.loads(pickle.dumps(data))
    assert torch.equal(data.read(ALL, epoch=7).frames, copy.read(ALL, epoch=7).frames)


def test_motion_fields_are_those_of_the_frames(tmp_path: Path) -> None:
    """The fields of the made cache are the number of their slot."""
    path = make_dense_cache(tmp_path / "fields.zarr", lengths=LENGTHS, dense=DENSE, size=4, motion_side=2)
    data = CropDataset(CropCache(path), ALL, clip=(2, 2), stream="motion")
    fields = data.read(ALL).frames
    assert fields.dtype == torch.int8
    assert fields[..., 0, 0, 0].tolist() == [[5, 6], [5, 6], [1, 2]]


@pytest.mark.parametrize("clip", [(5, 2), (2, 3), (4, 4), (2, 1)])
def test_clips_that_no_window_holds_are_refused_in_one_line(cache: CropCache, clip: tuple[int, int]) -> None:
    with pytest.raises(SettingsError) as caught:
        CropDataset(cache, ALL, clip=clip)
    message = str(caught.value)
    assert message.startswith(f"{cache.path} has windows for clips of 4 frames, 2 apart")
    assert f"`mocrop precrop --select dense --frames {clip[0]} --stride {clip[1]}`" in message
    assert "\n" not in message


@pytest.mark.parametrize("clip", [(3, 0), (3, -2), (0, 2), (2.5, 2)])
def test_a_clip_that_stands_still_or_runs_backwards_is_refused(cache: CropCache, clip: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"(frames|stride) of a clip must be (a whole number|at least 1)"):
        CropDataset(cache, ALL, clip=clip)


def test_a_cache_without_windows_is_refused(make_cache: MakeCache, tmp_path: Path) -> None:
    plain = CropCache(make_cache(tmp_path / "plain.zarr", label=[0, 1]))
    with pytest.raises(
        SettingsError, match=r"plain\.zarr has no windows of neighbouring frames for clips of 16 frames"
    ):
        CropDataset(plain, ALL[:2], clip=(16, 2))
    with pytest.raises(ValueError, match="has no windows; pass segments"):
        CropDataset(plain, ALL[:2])


def test_segments_have_no_views(cache: CropCache) -> None:
    with pytest.raises(ValueError, match="segments are single frames"):
        CropDataset(cache, ALL, segments=2, views=2)
    with pytest.raises(ValueError, match="segments are single frames"):
        CropDataset(cache, ALL, segments=2, clip=(2, 2))
    with pytest.raises(ValueError, match="views must be at least 1"):
        CropDataset(cache, ALL, clip=(2, 2), views=0)


def test_a_clip_without_a_window_is_refused(tmp_path: Path) -> None:
    cache = CropCache(make_dense_cache(tmp_path / "failed.zarr", lengths=[40, 0], dense=DENSE))
    with pytest.raises(ValueError, match="clip 1 has no window in use"):
        CropDataset(cache, np.array([0, 1]))


def test_no_clips_have_no_windows(cache: CropCache) -> None:
    for random in (False, True):
        assert CropDataset(cache, ALL[:0], clip=(2, 2), views=2, random=random).read(ALL[:0]).frames.shape[1:3] == (
            2,
            2,
        )


@st.composite
def clips(draw: st.DrawFn) -> tuple[int, DenseWindows, tuple[int, int], int]:
    """Frames of a video, its windows, a clip that they hold, and a number of views."""
    dense = DenseWindows(
        windows=draw(st.integers(1, 4)), frames=draw(st.integers(1, 6)), stride=draw(st.integers(1, 3))
    )
    frames = draw(st.integers(1, dense.frames))
    step = draw(st.integers(1, max(1, (dense.frames - 1) // max(1, frames - 1))))
    return draw(st.integers(1, 40)), dense, (frames, step * dense.stride), draw(st.integers(1, 5))


def windows_of_a_video(
    length: int, dense: DenseWindows, clip: tuple[int, int], views: int
) -> tuple[Windows, list[int]]:
    """The windows of a video of so many frames, and the numbers of the frames in its slots."""
    starts = even_starts(length, dense)
    stored = dense.numbers(starts, frames=length)
    index = np.array([stored], np.int32)
    window = np.array([[*starts, *[-1] * (dense.windows - len(starts))]], np.int32)
    positions = clip_positions(dense, clip, subject="it")
    slots = window_slots(index, window, dense)
    made = chosen_windows(slots, window, index, stride=dense.stride, positions=positions, views=views)
    return made, stored


@given(clips(), st.none() | st.integers(0, 2**32))
def test_a_clip_has_exact_frames_of_one_window(
    case: tuple[int, DenseWindows, tuple[int, int], int], seed: int | None
) -> None:
    length, dense, (frames, stride), views = case
    windows, stored = windows_of_a_video(*case)
    drawn = windows.draw(None if seed is None else np.random.default_rng(seed))
    starts = even_starts(length, dense)
    for slots in drawn.reshape(views, frames).tolist():
        first = stored[slots[0]]
        assert [stored[slot] for slot in slots] == [min(first + n * stride, length - 1) for n in range(frames)]
        last = (dense.frames - 1) * dense.stride - (frames - 1) * stride
        assert any(first - start in range(0, last + 1, dense.stride) for start in starts)
        if first + (frames - 1) * stride >= length:  # repeats only where no window has a place without
            assert (starts, first) == ([0], 0)


@given(clips())
def test_every_place_is_drawn(case: tuple[int, DenseWindows, tuple[int, int], int]) -> None:
    length, dense, (frames, stride), _ = case
    windows, stored = windows_of_a_video(length, dense, (frames, stride), 1)
    rng = np.random.default_rng(0)
    drawn = {stored[int(windows.draw(rng)[0, 0])] for _ in range(600)}
    expected = set()
    for start in even_starts(length, dense):
        last = (dense.frames - 1) * dense.stride - (frames - 1) * stride
        places = {start + n for n in range(0, last + 1, dense.stride) if start + n + (frames - 1) * stride < length}
        expected |= places or {start}
    assert drawn == expected
