"""CropLoader's order, its parts and its end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import CacheError
from mocrop.training.data.dataset import CropDataset
from mocrop.training.data.loader import CropLoader, epoch_order

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
    loader = CropLoader(data, batch_size=4, shuffle=True)
    assert [len(batch) for batch in rows(loader)] == [4, 4]
    assert len(loader) == 2


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


def test_an_epoch_that_begins_in_the_middle_reads_only_the_rest(
    data: CropDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = CropLoader(data, batch_size=3, shuffle=True, seed=1)
    loader.set_epoch(2)
    whole = list(loader)
    read: list[int] = []
    original = data.read
    monkeypatch.setattr(
        data, "read", lambda indices, out: (read.extend(indices.tolist()), original(indices, out=out))[1]
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
        assert torch.equal(batch.frames, data.read(np.array([index])).frames)


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


@pytest.mark.parametrize("settings", [{"batch_size": 0}, {"lookahead": 0}, {"rank": 2, "ranks": 2}])
def test_settings_that_cannot_be_are_refused(data: CropDataset, settings: dict[str, int]) -> None:
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
