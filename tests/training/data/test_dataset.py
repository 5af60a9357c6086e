"""CropDataset is an ordinary map-style data set."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr
from torch.utils.data import DataLoader

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.training.data.dataset import CropDataset, Sample
from mocrop.training.data.epoch_slots import KEPT_EPOCHS
from mocrop.training.data.loader import CropLoader
from tests.training.rank_processes import process_maker

LABEL = [0, 1, 0, 1, 1]


@pytest.fixture
def path(tmp_path: Path, make_cache: Callable[..., Path]) -> Path:
    return make_cache(tmp_path / "c.zarr", label=LABEL, used=[4, 4, 3, 1, 4])


def dataset(path: Path, *, random: bool = False) -> CropDataset:
    return CropDataset(CropCache(path), np.array([0, 2, 3, 4]), segments=2, random=random, seed=5)


def test_a_sample_is_the_middle_frames_of_its_clip(path: Path) -> None:
    stored = np.asarray(zarr.open_group(path, mode="r")["frames"])
    sample = dataset(path)[1]
    assert sample.label == LABEL[2]
    assert np.array_equal(sample.frames.numpy(), stored[2, [0, 2]])


def test_batched_and_single_reads_agree(path: Path) -> None:
    data = dataset(path, random=True)
    singles = [data[i] for i in (3, 0, 2)]
    data.set_epoch(0)
    for one, many in zip(singles, data.__getitems__([3, 0, 2]), strict=True):
        assert torch.equal(one.frames, many.frames)
        assert one.label == many.label


def test_batch_is_contiguous_and_holds_its_rows(path: Path) -> None:
    batch = dataset(path).read(np.array([2, 0]))
    assert batch.frames.shape == (2, 2, 3, 8, 8)
    assert batch.frames.is_contiguous()
    assert batch.frames.dtype == torch.uint8
    assert batch.rows.tolist() == [3, 0]
    assert batch.labels.tolist() == [1, 0]


def test_random_slots_change_with_the_epoch_and_come_back(tmp_path: Path, make_cache: Callable[..., Path]) -> None:
    cache = CropCache(make_cache(tmp_path / "c.zarr", label=[0] * 20, slots=16, size=2))
    data = CropDataset(cache, np.arange(20), segments=3, random=True)
    everything = np.arange(20)
    first = data.read(everything).frames
    data.set_epoch(1)
    second = data.read(everything).frames
    data.set_epoch(0)
    assert not torch.equal(first, second)
    assert torch.equal(first, data.read(everything).frames)


def test_middle_slots_do_not_change_with_the_epoch(path: Path) -> None:
    data = dataset(path)
    before = data[0].frames
    data.set_epoch(7)
    assert torch.equal(before, data[0].frames)


def test_it_names_the_class_of_each_label(path: Path) -> None:
    data = CropDataset.from_cache(path)
    assert data.class_names == ("Dig", "Run")
    assert pickle.loads(pickle.dumps(data)).class_names == data.class_names


def test_it_pickles_with_its_epoch(path: Path) -> None:
    data = dataset(path, random=True)
    data.set_epoch(3)
    copy = pickle.loads(pickle.dumps(data))
    assert torch.equal(copy[3].frames, data.read(np.array([3]), epoch=3).frames[0])
    copy.set_epoch(0)
    assert torch.equal(data[3].frames, data.read(np.array([3]), epoch=3).frames[0])


@pytest.mark.parametrize(
    ("start", "compression"),
    [("in this process", "none"), ("in this process", "zstd"), ("fork", "none"), ("spawn", "zstd")],
)
def test_any_data_loader_reads_it(
    tmp_path: Path, make_cache: Callable[..., Path], start: str, compression: str
) -> None:
    path = make_cache(tmp_path / "z.zarr", label=LABEL, compression=compression)
    data = CropDataset(CropCache(path), np.arange(5), segments=2, random=True)
    if start == "in this process":
        loader = DataLoader(data, batch_size=2)
    else:
        loader = DataLoader(data, batch_size=2, num_workers=1, multiprocessing_context=start)
    frames = torch.cat([batch[0] for batch in loader])
    labels = torch.cat([batch[1] for batch in loader])
    assert labels.tolist() == LABEL
    assert torch.equal(frames, data.read(np.arange(5), epoch=0).frames)


@pytest.fixture
def numbered(tmp_path: Path, make_cache: Callable[..., Path]) -> CropDataset:
    """Twenty clips whose frames hold the number of their slot; the label of a clip is its row."""
    classes = [f"class {row}" for row in range(20)]
    number = np.broadcast_to(np.arange(16, dtype=np.uint8).reshape(1, 16, 1, 1, 1), (20, 16, 3, 2, 2))
    cache = CropCache(
        make_cache(tmp_path / "n.zarr", label=range(20), class_names=classes, slots=16, size=2, pixels=number)
    )
    return CropDataset(cache, np.arange(20), segments=3, random=True, seed=5)


def slots_by_clip(batches: Iterable[Sample]) -> dict[int, list[int]]:
    """Slots that a pass gives for each clip."""
    return {
        label: frames[:, 0, 0, 0].tolist()
        for batch in batches
        for frames, label in zip(batch[0], batch[1].tolist(), strict=True)  # type: ignore[attr-defined]
    }


def slots_of_epoch(data: CropDataset, epoch: int) -> dict[int, list[int]]:
    return dict(enumerate(data.slots(np.arange(20), epoch=epoch).tolist()))


def test_epochs_have_other_slots(numbered: CropDataset) -> None:
    first, second = (numbered.slots(np.arange(20), epoch=epoch) for epoch in (0, 1))
    assert (first != second).any(axis=1).mean() > 0.5
    assert np.array_equal(first, numbered.slots(np.arange(20), epoch=0))


@pytest.mark.parametrize(
    "workers",
    [
        {},
        {"num_workers": 2, "multiprocessing_context": "fork"},
        {"num_workers": 2, "multiprocessing_context": "fork", "persistent_workers": True},
        {"num_workers": 1, "multiprocessing_context": process_maker()},
        {"num_workers": 2, "multiprocessing_context": process_maker(), "persistent_workers": True},
    ],
    ids=["in this process", "fork", "fork, persistent", "forkserver", "forkserver, persistent"],
)
def test_each_pass_of_a_plain_data_loader_is_the_next_epoch(numbered: CropDataset, workers: dict[str, Any]) -> None:
    loader: DataLoader[Sample] = DataLoader(numbered, batch_size=3, shuffle=True, **workers)
    for epoch in (0, 1):
        assert slots_by_clip(loader) == slots_of_epoch(numbered, epoch)
    numbered.set_epoch(7)  # persistent workers get it too
    for epoch in (7, 8):
        assert slots_by_clip(loader) == slots_of_epoch(numbered, epoch)


def test_a_copy_shares_its_count_with_its_own_workers_alone(numbered: CropDataset) -> None:
    copy = pickle.loads(pickle.dumps(numbered))
    loader: DataLoader[Sample] = DataLoader(copy, batch_size=20, num_workers=1, multiprocessing_context="fork")
    for epoch in (0, 1):
        assert slots_by_clip(loader) == slots_of_epoch(numbered, epoch)
    assert slots_by_clip(DataLoader(numbered, batch_size=20)) == slots_of_epoch(numbered, 0)


def test_a_clip_that_is_asked_for_twice_in_a_batch_has_other_slots_each_time(numbered: CropDataset) -> None:
    frames = numbered.read(np.array([4, 4, -16])).frames  # -16 is clip 4 as well
    assert frames[:, :, 0, 0, 0].tolist() == [slots_of_epoch(numbered, epoch)[4] for epoch in (0, 1, 2)]


def test_clips_that_a_sampler_passes_over_keep_their_next_epoch(numbered: CropDataset) -> None:
    first = slots_by_clip(DataLoader(numbered, batch_size=6, drop_last=True))
    assert sorted(first) == list(range(18))
    second = slots_by_clip(DataLoader(numbered, batch_size=20))
    assert second == {clip: slots_of_epoch(numbered, 1 if clip < 18 else 0)[clip] for clip in range(20)}


def test_reading_an_epoch_by_its_number_counts_for_nothing(numbered: CropDataset) -> None:
    numbered.read(np.arange(20), epoch=3)
    assert slots_by_clip(DataLoader(numbered, batch_size=20)) == slots_of_epoch(numbered, 0)


def test_slots_of_many_epochs_come_back(numbered: CropDataset) -> None:
    """More epochs than are kept in memory."""
    clips = np.arange(20)
    first = [numbered.slots(clips, epoch=epoch) for epoch in range(KEPT_EPOCHS + 2)]
    again = [numbered.slots(clips, epoch=epoch) for epoch in range(KEPT_EPOCHS + 2)]
    assert np.array_equal(first, again)
    mixed = clips % 7
    assert np.array_equal(numbered._slots.of(clips, mixed), np.array(first)[mixed, clips])


def test_a_forked_worker_of_a_compressed_cache_says_what_to_do(tmp_path: Path, make_cache: Callable[..., Path]) -> None:
    path = make_cache(tmp_path / "z.zarr", label=LABEL, compression="zstd")
    data = CropDataset(CropCache(path), np.arange(5), segments=2)
    with pytest.raises(RuntimeError, match=r"TensorStore.*does not survive a fork"):
        next(iter(DataLoader(data, num_workers=1, multiprocessing_context="fork")))


@pytest.mark.parametrize("workers", [0, 2])
def test_motion_fields_of_the_same_slots_come_as_int8(
    workers: int, tmp_path: Path, make_cache: Callable[..., Path]
) -> None:
    """Each field holds the number of its slot, and each frame does."""
    number = np.arange(4).reshape(1, 4, 1, 1, 1) * np.ones((5, 1, 1, 1, 1))
    pixels, fields = (np.broadcast_to(number, (5, 4, *item)) for item in ((3, 8, 8), (2, 2, 2)))
    cache = CropCache(
        make_cache(tmp_path / "m.zarr", label=LABEL, pixels=pixels.astype(np.uint8), fields=-fields.astype(np.int8))
    )
    rows = np.arange(5)
    frames = CropDataset(cache, rows, segments=3, random=True, seed=5)
    motion = CropDataset(cache, rows, segments=3, random=True, seed=5, stream="motion")
    assert motion.batch_shape(2) == (2, 3, 2, 2, 2)
    for of_frames, of_motion in zip(
        DataLoader(frames, batch_size=2, num_workers=workers),
        DataLoader(motion, batch_size=2, num_workers=workers),
        strict=True,
    ):
        assert of_motion.frames.dtype == torch.int8
        assert torch.equal(of_motion.frames[..., 0, 0, 0], -of_frames.frames[..., 0, 0, 0].to(torch.int8))


def test_loader_reads_motion_fields_as_the_data_set_does(tmp_path: Path, make_cache: Callable[..., Path]) -> None:
    fields = np.random.default_rng(1).integers(-127, 128, (5, 4, 2, 2, 2), dtype=np.int8)
    cache = CropCache(make_cache(tmp_path / "m.zarr", label=LABEL, fields=fields))
    motion = CropDataset(cache, np.arange(5), segments=2, stream="motion")
    (batch,) = CropLoader(motion, batch_size=8)
    assert batch.frames.dtype == torch.int8
    assert np.array_equal(batch.frames.numpy(), fields[:, [1, 3]])


def test_another_seed_draws_other_slots(tmp_path: Path, make_cache: Callable[..., Path]) -> None:
    """20 clips of 16 slots in 2 segments: two draws agree by chance once in 8**40."""
    cache, rows = CropCache(make_cache(tmp_path / "c.zarr", label=[0] * 20, slots=16, size=2)), np.arange(20)
    one, same, other = (CropDataset(cache, rows, segments=2, random=True, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.slots(rows, 3), same.slots(rows, 3))
    assert not np.array_equal(one.slots(rows, 3), other.slots(rows, 3))
