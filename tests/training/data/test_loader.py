"""Which batches CropLoader reads, in which order, and when the memory of a batch is used again."""

from __future__ import annotations

import gc
import threading
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import CacheError
from mocrop.training.data.dataset import Batch, CropDataset
from mocrop.training.data.loader import BufferPool, CropLoader, epoch_order
from mocrop.training.distributed import join_ranks
from tests.training.rank_processes import in_ranks

CLIPS = 10


@pytest.fixture
def data(tmp_path: Path, make_cache: Callable[..., Path]) -> CropDataset:
    cache = CropCache(make_cache(tmp_path / "c.zarr", label=[0, 1] * 5, slots=8))
    return CropDataset(cache, np.arange(CLIPS), segments=3, random=True)


def rows(loader: CropLoader) -> list[list[int]]:
    return [batch.rows.tolist() for batch in loader]


def test_without_shuffling_every_clip_comes_once_in_order(data: CropDataset) -> None:
    loader = CropLoader(data, batch_size=4)
    assert rows(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(loader) == 3


def test_shuffled_epochs_have_whole_batches_only(data: CropDataset) -> None:
    loader = CropLoader(data, batch_size=4, shuffle=True, drop_last=True)
    assert [len(batch) for batch in rows(loader)] == [4, 4]
    assert len(loader) == 2


@pytest.mark.parametrize(
    ("shuffle", "drop_last", "ranks", "sizes", "left_out"),
    [
        (True, True, 1, [4, 4], 2),
        (True, False, 1, [4, 4, 2], 0),
        (False, None, 1, [4, 4, 2], 0),
        (False, True, 1, [4, 4], 2),
        (True, False, 3, [3], 1),
        (True, True, 2, [4], 2),
        (False, True, 3, [4], 0),  # ranks 1 and 2 have three clips: an only batch stays
    ],
)
def test_clips_that_are_left_out_are_counted(
    data: CropDataset, shuffle: bool, drop_last: bool | None, ranks: int, sizes: list[int], left_out: int
) -> None:
    loader = CropLoader(data, batch_size=4, shuffle=shuffle, drop_last=drop_last, rank=0, ranks=ranks)
    assert [len(batch) for batch in rows(loader)] == sizes
    assert len(loader) == len(sizes)
    assert loader.clips_left_out == left_out


def test_clips_are_left_out_with_a_warning_unless_drop_last_is_given(data: CropDataset) -> None:
    with pytest.warns(UserWarning, match=r"each epoch leaves out 2 of 10 clips.* batch of 4; pass drop_last=False"):
        loader = CropLoader(data, batch_size=4, shuffle=True)
    assert [len(batch) for batch in rows(loader)] == [4, 4]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for drop_last in (False, True):
            CropLoader(data, batch_size=4, shuffle=True, drop_last=drop_last)
        CropLoader(data, batch_size=5, shuffle=True)
        CropLoader(data, batch_size=4)


def test_a_batch_larger_than_the_data_set_holds_all_of_it(data: CropDataset) -> None:
    assert [sorted(batch) for batch in rows(CropLoader(data, batch_size=64, shuffle=True))] == [list(range(CLIPS))]


def test_an_epoch_is_the_same_whenever_it_comes_and_unlike_the_next(data: CropDataset) -> None:
    loader = CropLoader(data, batch_size=5, shuffle=True, seed=1, lookahead=1)
    epochs = []
    for epoch in (0, 1, 0):
        loader.set_epoch(epoch)
        epochs.append(list(loader))
    assert [batch.rows.tolist() for batch in epochs[0]] != [batch.rows.tolist() for batch in epochs[1]]
    for first, second in zip(epochs[0], epochs[2], strict=True):
        assert torch.equal(first.rows, second.rows)
        assert torch.equal(first.frames, second.frames)


def assert_epoch(batches: Iterable[Batch], loader: CropLoader, epoch: int, *, first_batch: int = 0) -> None:
    """Order and slots are those of the epoch, as a loader that begins there gives them."""
    data = loader.dataset
    order = epoch_order(len(data), shuffle=True, seed=1, epoch=epoch)[first_batch * loader.batch_size :]
    batches = list(batches)
    assert torch.cat([batch.rows for batch in batches]).tolist() == order.tolist()
    assert torch.equal(torch.cat([batch.frames for batch in batches]), data.read(order, epoch=epoch).frames)


@pytest.fixture
def loader(data: CropDataset) -> CropLoader:
    return CropLoader(data, batch_size=5, shuffle=True, seed=1, lookahead=1)


def test_each_loop_goes_through_the_next_epoch(loader: CropLoader) -> None:
    for epoch in range(3):
        assert_epoch(loader, loader, epoch)
    frames = [loader.dataset.read(np.arange(CLIPS), epoch=epoch).frames for epoch in (0, 1)]
    assert not torch.equal(*frames)


def test_a_new_loader_for_each_epoch_goes_on_and_one_with_other_settings_begins(data: CropDataset) -> None:
    for epoch in range(3):
        loader = CropLoader(data, batch_size=5, shuffle=True, seed=1)
        assert_epoch(loader, loader, epoch)
    other = CropLoader(data, batch_size=2, shuffle=True, seed=1)
    assert_epoch(other, other, 0)
    loader.set_epoch(0)
    assert_epoch(loader, loader, 0)


def test_a_choice_of_epoch_and_batch_holds_for_its_own_loader_alone(loader: CropLoader) -> None:
    loader.set_epoch(4, first_batch=1)
    like = CropLoader(loader.dataset, batch_size=5, shuffle=True, seed=1)
    assert_epoch(like, like, 0)
    assert_epoch(loader, loader, 4, first_batch=1)
    assert_epoch(like, like, 5)


def test_ranks_of_one_process_read_the_same_epoch(data: CropDataset) -> None:
    loaders = [CropLoader(data, batch_size=5, shuffle=True, rank=rank, ranks=2) for rank in range(2)]
    for _ in range(2):
        assert sorted(row for loader in loaders for batch in rows(loader) for row in batch) == list(range(CLIPS))


def test_a_resumed_epoch_is_followed_by_the_next_whole_one(loader: CropLoader) -> None:
    loader.set_epoch(4, first_batch=1)
    assert_epoch(loader, loader, 4, first_batch=1)
    assert_epoch(loader, loader, 5)


def test_a_loop_that_is_broken_off_has_been_an_epoch(loader: CropLoader) -> None:
    for _ in loader:
        break
    assert_epoch(loader, loader, 1)


def test_an_iteration_has_its_epoch_from_when_it_was_made(loader: CropLoader) -> None:
    first = iter(loader)
    loader.set_epoch(6)
    assert_epoch(loader, loader, 6)
    assert_epoch(first, loader, 0)
    assert_epoch(loader, loader, 7)


def test_iterations_side_by_side_keep_to_their_epochs(loader: CropLoader) -> None:
    pairs = list(zip(loader, loader, strict=True))
    for epoch, batches in enumerate(zip(*pairs, strict=True)):
        assert_epoch(batches, loader, epoch)


def test_a_loop_leaves_the_epochs_of_the_data_set_alone(loader: CropLoader) -> None:
    loader.dataset.set_epoch(3)
    assert_epoch(loader, loader, 0)
    everything = np.arange(CLIPS)
    frames = loader.dataset.read(everything).frames
    assert torch.equal(frames, loader.dataset.read(everything, epoch=3).frames)


def test_an_epoch_that_begins_in_the_middle_reads_only_the_rest(
    data: CropDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = CropLoader(data, batch_size=3, shuffle=True, drop_last=True, seed=1)
    loader.set_epoch(2)
    whole = list(loader)
    read: list[int] = []
    original = data.read
    monkeypatch.setattr(
        data, "read", lambda indices, **options: (read.extend(indices.tolist()), original(indices, **options))[1]
    )
    loader.set_epoch(2, first_batch=1)
    rest = list(loader)
    assert len(loader) == len(whole) == 3
    for batch, expected in zip(rest, whole[1:], strict=True):
        assert torch.equal(batch.rows, expected.rows)
        assert torch.equal(batch.frames, expected.frames)
    assert sorted(read) == sorted(row for batch in rest for row in batch.rows.tolist())


def test_batches_already_given_out_keep_their_pixels(data: CropDataset) -> None:
    batches = list(CropLoader(data, batch_size=1, lookahead=2))
    for index, batch in enumerate(batches):
        assert torch.equal(batch.frames, data.read(np.array([index]), epoch=0).frames)


def test_ranks_read_everything_once_when_not_shuffled(data: CropDataset) -> None:
    parts = [rows(CropLoader(data, batch_size=3, rank=rank, ranks=3)) for rank in range(3)]
    assert sorted(row for part in parts for batch in part for row in batch) == list(range(CLIPS))


def test_stopping_halfway_leaves_no_thread(data: CropDataset) -> None:
    for _ in CropLoader(data, batch_size=1):
        break
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("crop-loader")]


def test_an_error_of_a_read_reaches_the_caller(tmp_path: Path, make_cache: Callable[..., Path]) -> None:
    cache = CropCache(make_cache(tmp_path / "c.zarr", label=[0] * 6))
    cache.shard_file(1).unlink()
    with pytest.raises(CacheError, match="missing"):
        list(CropLoader(CropDataset(cache, np.arange(6), segments=1), batch_size=2))


@pytest.mark.parametrize(
    "settings", [{"batch_size": 0}, {"lookahead": 0}, {"rank": 2, "ranks": 2}, {"ranks": 2}, {"rank": 0}]
)
def test_impossible_settings_are_refused(data: CropDataset, settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        CropLoader(data, **{"batch_size": 1, **settings})


@given(clips=st.integers(0, 50), ranks=st.integers(1, 5), seed=st.integers(0, 99), epoch=st.integers(0, 99))
def test_shuffled_ranks_share_an_epoch_evenly(clips: int, ranks: int, seed: int, epoch: int) -> None:
    parts = [
        epoch_order(clips, shuffle=True, seed=seed, epoch=epoch, rank=rank, ranks=ranks).tolist()
        for rank in range(ranks)
    ]
    assert {len(part) for part in parts} == {clips // ranks}
    read = [clip for part in parts for clip in part]
    assert len(set(read)) == len(read)
    assert set(read) <= set(range(clips))


def test_memory_comes_back_when_the_tensor_is_gone() -> None:
    pool = BufferPool(24)
    first = pool.take((2, 12))
    address = first.data_ptr()
    del first
    gc.collect()
    assert pool.take((2, 12)).data_ptr() == address


def test_memory_that_is_still_in_use_is_not_handed_out_again() -> None:
    pool = BufferPool(24)
    slice_of_a_view = pool.take((2, 12)).reshape(24)[3:5]
    array = pool.take((4, 6)).numpy()[1:].T
    slice_of_a_view.fill_(1)
    array[...] = 2
    gc.collect()
    for _ in range(3):
        pool.take((24,)).fill_(9)
    assert slice_of_a_view.tolist() == [1, 1]
    assert np.all(array == 2)


def test_smaller_shapes_use_the_same_memory() -> None:
    pool = BufferPool(24)
    address = pool.take((24,)).data_ptr()
    gc.collect()
    small = pool.take((1, 5))
    assert small.data_ptr() == address
    assert small.shape == (1, 5)
    assert small.is_contiguous()


def test_loaders_of_other_seeds_count_their_own_epochs(data: CropDataset) -> None:
    """Each begins with epoch 0 of its seed, whatever the other has gone through."""
    for seed in (1, 2):
        loader = CropLoader(data, batch_size=5, shuffle=True, seed=seed)
        assert np.concatenate(rows(loader)).tolist() == epoch_order(CLIPS, shuffle=True, seed=seed, epoch=0).tolist()


@pytest.mark.parametrize("lookahead", [1, 3])
def test_so_many_batches_are_ahead_of_the_one_that_the_caller_has(
    data: CropDataset, monkeypatch: pytest.MonkeyPatch, lookahead: int
) -> None:
    loader = CropLoader(data, batch_size=1, lookahead=lookahead)
    taken, take = [], loader._buffers.take

    def counted(shape: tuple[int, ...]) -> torch.Tensor:
        taken.append(shape)
        return take(shape)

    monkeypatch.setattr(loader._buffers, "take", counted)
    batches = iter(loader)
    for had in range(1, 4):
        next(batches)
        assert len(taken) == had + lookahead
    batches.close()  # type: ignore[attr-defined]  # of a generator


# ranks that torch.distributed knows


def rows_of_epochs(path: str, *, epochs: int) -> dict[str, list[list[int]]]:
    """What one rank reads, which finds by itself what its part is."""
    clips = CropDataset(CropCache(path), np.arange(CLIPS), segments=1, random=True)
    test = CropLoader(CropDataset(CropCache(path), np.arange(CLIPS), segments=1), batch_size=1)  # before it has joined
    with join_ranks():
        train = CropLoader(clips, batch_size=2, shuffle=True, drop_last=False)
        return {
            "train": [[row for batch in rows(train) for row in batch] for _ in range(epochs)],
            "test": rows(test),
            "alone": rows(CropLoader(clips, batch_size=CLIPS, rank=0, ranks=1)),
            "numbers": [[len(train), len(test), train.clips_left_out]],
        }


def test_joined_ranks_share_each_epoch_by_themselves(tmp_path: Path, make_cache: Callable[..., Path]) -> None:
    path = make_cache(tmp_path / "c.zarr", label=[0, 1] * 5)
    first, second = in_ranks(partial(rows_of_epochs, epochs=3), str(path), join=False)
    epochs = [sorted(one + other) for one, other in zip(first["train"], second["train"], strict=True)]
    assert epochs == [list(range(CLIPS))] * 3
    assert len({tuple(one) for one in first["train"]}) == 3  # another order each time
    assert sorted(first["test"] + second["test"]) == [[row] for row in range(CLIPS)]
    assert first["alone"] == second["alone"] == [list(range(CLIPS))]
    assert first["numbers"] == second["numbers"] == [[3, 5, 0]]


def test_a_process_of_its_own_reads_everything(data: CropDataset) -> None:
    assert len(CropLoader(data, batch_size=1)) == CLIPS
