"""``CropDataset.collate`` makes batches with names and rows of what a ``DataLoader`` reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Subset

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.dense import DenseWindows
from mocrop.training import CropDataset
from mocrop.training.data.dataset import Batch
from tests.dense_cache import make_dense_cache

ROWS = [0, 2, 3, 4, 6]  # of a cache of seven clips
LABEL = [0, 1, 1, 0, 1, 0, 0]


@pytest.fixture
def data(tmp_path: Path, make_cache: Callable[..., Path]) -> CropDataset:
    return CropDataset(CropCache(make_cache(tmp_path / "c.zarr", label=LABEL)), np.array(ROWS), segments=2)


def assert_all(batches: list[Batch], data: CropDataset) -> None:
    """Every clip is there once, in order, with its own frames and label."""
    expected = data.read(np.arange(len(data)))
    assert all(isinstance(batch, Batch) for batch in batches)
    assert torch.cat([batch.rows for batch in batches]).tolist() == ROWS
    assert torch.cat([batch.frames for batch in batches]).equal(expected.frames)
    assert torch.cat([batch.labels for batch in batches]).equal(expected.labels)
    assert {batch.rows.dtype for batch in batches} == {torch.int64}


@pytest.mark.parametrize("workers", [0, 1])
def test_a_batch_has_frames_labels_and_rows(data: CropDataset, workers: int) -> None:
    batches = list(DataLoader(data, batch_size=2, collate_fn=data.collate, num_workers=workers))
    assert [batch.frames.shape[0] for batch in batches] == [2, 2, 1]
    assert_all(batches, data)
    assert batches[0].labels.dtype == torch.int64


def test_wrapped_data_sets_keep_their_rows(data: CropDataset) -> None:
    joined = ConcatDataset([Subset(data, [0, 1]), Subset(data, [2, 3, 4])])
    assert_all(list(DataLoader(joined, batch_size=3, collate_fn=CropDataset.collate)), data)


def test_clips_of_several_labels_have_a_row_of_them(tmp_path: Path, make_cache: Callable[..., Path]) -> None:
    labels = [[1, 0], [1, 1], [0, 1]]
    path = make_cache(tmp_path / "c.zarr", label=[0, 0, 1], labels=labels)
    data = CropDataset(CropCache(path), np.arange(3), segments=1)
    (batch,) = DataLoader(data, batch_size=3, collate_fn=data.collate)
    assert batch.labels.tolist() == labels
    assert batch.labels.dtype == torch.uint8


def test_views_of_a_clip_stay_together(tmp_path: Path) -> None:
    """The red of a pixel is the number of its frame, the blue the row of its clip."""
    dense = DenseWindows(windows=3, frames=4, stride=2)  # of 30 frames they begin at 1, 11 and 21
    path = make_dense_cache(tmp_path / "c.zarr", lengths=[30, 30, 30], dense=dense)
    data = CropDataset(CropCache(path), np.array([2, 0]), clip=(4, 2), views=3)
    (batch,) = DataLoader(data, batch_size=2, collate_fn=data.collate)
    assert batch.frames.shape == (2, 3, 4, 3, 8, 8)
    assert batch.frames[0, :, :, 0, 0, 0].tolist() == [[n, n + 2, n + 4, n + 6] for n in (1, 11, 21)]
    assert batch.frames[:, 0, 0, 2, 0, 0].tolist() == batch.rows.tolist() == [2, 0]


def test_a_sample_is_a_pair_still(data: CropDataset) -> None:
    _frames, label = data[1]
    assert (len(data[1]), label, data[1].row) == (2, 1, 2)
    pairs = next(iter(DataLoader(data, batch_size=2)))
    assert [part.shape[0] for part in pairs] == [2, 2]


def test_what_has_lost_its_row_is_refused(data: CropDataset) -> None:
    halved = [(frames // 2, label) for frames, label in (data[0], data[1])]
    with pytest.raises(ValueError, match="only samples as CropDataset gives them know their row"):
        CropDataset.collate(halved)  # type: ignore[arg-type]
