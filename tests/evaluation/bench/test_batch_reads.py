"""The batches of a measurement and the floors that readers are compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mocrop.evaluation.bench.batch_reads import (
    EVALUATION,
    TRAINING,
    BatchShape,
    MemmapReader,
    MemoryCopy,
    draw_picks,
    endless_batches,
    flat_copy,
    readable_rows,
)
from mocrop.evaluation.bench.page_cache import evict
from mocrop.evaluation.bench.synthetic_cache import make_cache as make_noise
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.dense import DenseWindows
from mocrop.training.data.frame_reader import FrameReader
from tests.dense_cache import make_dense_cache

MakeCache = Callable[..., Path]
TWO_OF_EACH = BatchShape(clips=3, segments=2, random=True)


@pytest.fixture
def cache(tmp_path: Path, make_cache: MakeCache) -> CropCache:
    """Clip 1 has failed, clip 4 has no frames."""
    return CropCache(
        make_cache(tmp_path / "c.zarr", label=[0] * 7, used=[4, 4, 2, 4, 0, 3, 4], state=[1, 3, 1, 1, 2, 1, 1])
    )


def test_batches_hold_different_clips_and_used_slots(cache: CropCache) -> None:
    assert readable_rows(cache).tolist() == [0, 2, 3, 5, 6]
    for pick in draw_picks(cache, readable_rows(cache), TWO_OF_EACH, batches=20):
        assert len(set(pick.rows.tolist())) == 3
        assert set(pick.rows.tolist()) <= {0, 2, 3, 5, 6}
        assert np.all(pick.slots < cache.frame_counts[pick.rows][:, np.newaxis])
        assert np.all(pick.slots[:, 0] <= pick.slots[:, 1])


def test_evaluation_takes_the_middle_slots(cache: CropCache) -> None:
    shape = BatchShape(clips=1, segments=2, random=False)
    (pick,) = draw_picks(cache, np.array([0]), shape, batches=1)
    assert pick.slots.tolist() == [[1, 3]]


def test_windows_are_read_whole_one_in_training_and_all_in_testing(tmp_path: Path) -> None:
    """Of 40 frames they are 6, 8, 10, 12 and 26, 28, 30, 32, in slots 0 to 7."""
    dense = DenseWindows(windows=2, frames=4, stride=2)
    cache = CropCache(make_dense_cache(tmp_path / "dense.zarr", lengths=[40] * 3, dense=dense))
    training, testing = (replace(shape, clips=2).on(cache) for shape in (TRAINING, EVALUATION))
    assert (training.segments, testing.segments) == (4, 8)
    slots = np.concatenate([pick.slots for pick in draw_picks(cache, np.arange(3), training, batches=20)])
    assert set(map(tuple, slots.tolist())) == {(0, 1, 2, 3), (4, 5, 6, 7)}
    (pick,) = draw_picks(cache, np.arange(3), testing, batches=1)
    assert pick.slots.tolist() == [list(range(8))] * 2
    assert next(endless_batches(cache, np.arange(3), testing)).frames.shape == (2, 2, 4, 3, 8, 8)
    assert next(endless_batches(cache, np.arange(3), training)).frames.shape == (2, 4, 3, 8, 8)


def test_memory_map_gathers_what_the_reader_reads_also_after_eviction(cache: CropCache, tmp_path: Path) -> None:
    rows = np.array([2, 3, 5, 6])
    floor = MemmapReader(flat_copy(cache, rows, tmp_path / "flat.npy"), rows)
    (pick,) = draw_picks(cache, rows, TWO_OF_EACH, batches=1)
    out = np.zeros((3, 2, 3, 8, 8), np.uint8)
    for _ in range(2):
        floor.read(pick, out)
        assert np.array_equal(out, FrameReader(cache).read(pick.rows, pick.slots))
        floor.close()
        evict([floor.path])
        floor.reopen()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_an_error_and_not_the_end_of_the_process(cache: CropCache) -> None:
    with pytest.raises(OSError, match="No space left on device"):
        flat_copy(cache, np.array([0]), Path("/dev/full"))


def test_copy_takes_its_blocks_in_turn() -> None:
    out = np.zeros((2, 2), np.uint8)
    floor = MemoryCopy(out.shape, most_bytes=12)
    seen = []
    for number in range(4):
        floor.copy(number, out)
        seen.append(out.copy())
    assert [block.tolist() for block in seen] == [[[n, n], [n, n]] for n in (0, 1, 2, 0)]


def test_batches_go_on_after_the_last_of_an_epoch(tmp_path: Path, make_cache: MakeCache) -> None:
    cache = CropCache(make_cache(tmp_path / "c.zarr", label=[0] * 7, state=[1, 3, 1, 1, 3, 1, 1]))
    batches = endless_batches(cache, readable_rows(cache), TWO_OF_EACH)
    assert [next(batches).frames.shape for _ in range(4)] == [(3, 2, 3, 8, 8)] * 4


def test_made_cache_is_whole_and_its_last_shard_may_be_short(tmp_path: Path) -> None:
    made = CropCache(make_noise(tmp_path / "noise.zarr", clips=5, size=12, slots=2, per_shard=3))
    assert readable_rows(made).tolist() == [0, 1, 2, 3, 4]
    frames = FrameReader(made).read(np.arange(5), np.tile(np.arange(2), (5, 1)))
    assert frames.shape == (5, 2, 3, 12, 12)
    assert len({frame.tobytes() for frame in frames.reshape(10, -1)}) == 10
