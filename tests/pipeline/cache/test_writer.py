"""Writing shards: every frame is stored, equal shards give equal bytes, unfinished shards have state 0."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorstore as ts
import zarr

from mocrop.pipeline.cache.create import create_cache
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import CacheLayout, ClipTable, shard_file
from mocrop.pipeline.cache.writer import CacheWriter, Shard
from mocrop.pipeline.errors import CacheError

SLOTS, SIZE, PER_SHARD = 4, 16, 8
NewCache = Callable[..., Path]


@pytest.fixture
def new_cache(tmp_path: Path) -> NewCache:
    """Create an empty cache: ``new_cache(clips=16, name="c", motion_side=0) -> path``."""

    def create(*, clips: int = 16, name: str = "c", motion_side: int = 0) -> Path:
        path = tmp_path / f"{name}.zarr"
        zeros = np.zeros(clips, np.int32)
        table = ClipTable(
            names=[f"A/{n}" for n in range(clips)],
            label=zeros,
            group=zeros,
            subset=np.ones((clips, 1), np.uint8),
            class_names=["A"],
            split_names=["1"],
        )
        layout = CacheLayout(frames=SLOTS, size=SIZE, grid=(2, 3), clips_per_shard=PER_SHARD, motion_side=motion_side)
        create_cache(path, layout, table, attributes={})
        return path

    return create


def shard(first: int = 0, *, clips: int = PER_SHARD, used: int = SLOTS, seed: int = 0) -> Shard:
    rng = np.random.default_rng(seed)
    index = np.where(np.arange(SLOTS) < used, np.arange(SLOTS), -1).astype(np.int32)
    return Shard(
        first=first,
        frames=[rng.integers(0, 256, (used, 3, SIZE, SIZE), dtype=np.uint8) for _ in range(clips)],
        frame_index=np.tile(index, (clips, 1)),
        box=rng.random((clips, 4), dtype=np.float32),
        density=rng.random((clips, 2, 3), dtype=np.float32),
        state=np.ones(clips, np.uint8),
    )


def contents(path: Path) -> dict[str, bytes]:
    """Every file of a cache."""
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def holds(path: Path, written: Shard) -> bool:
    """Whether plain zarr finds exactly this shard."""
    group = zarr.open_group(path, mode="r")
    rows = slice(written.first, written.first + len(written.state))
    stored = group["frames"]
    frames = all(np.array_equal(stored[rows.start + row, : len(c)], c) for row, c in enumerate(written.frames))
    names = ("frame_index", "box", "density", "state")
    return frames and all(np.array_equal(group[name][rows], getattr(written, name)) for name in names)


def test_every_frame_is_stored_every_time(new_cache: NewCache) -> None:
    """TensorStore silently drops writes whose futures nobody keeps; that showed in one run out of two."""
    path = new_cache()
    for seed in range(20):
        written = shard(seed=seed)
        CacheWriter(path).write(written)
        assert holds(path, written)


def test_shards_are_written_in_any_order_and_by_any_writer_with_the_same_bytes(new_cache: NewCache) -> None:
    one, other = new_cache(name="one"), new_cache(name="other")
    writer = CacheWriter(one)
    for first in (0, 8):
        writer.write(shard(first, seed=first))
    for first in (8, 0):
        CacheWriter(other).write(shard(first, seed=first))
    assert contents(one) == contents(other)


def test_shard_written_over_another_leaves_nothing_of_it(new_cache: NewCache) -> None:
    fresh, used = new_cache(name="fresh"), new_cache(name="used")
    few = shard(used=1)
    CacheWriter(used).write(shard(seed=1))
    CacheWriter(used).write(few)
    CacheWriter(fresh).write(few)
    assert contents(used) == contents(fresh)


def test_last_shard_may_be_short(new_cache: NewCache) -> None:
    path = new_cache(clips=10)
    written = shard(8, clips=2)
    CacheWriter(path).write(written)
    assert holds(path, written)


@pytest.mark.parametrize(("first", "clips"), [(1, 8), (0, 7), (8, 8), (0, 9)])
def test_rows_that_are_not_exactly_one_shard_are_refused(new_cache: NewCache, first: int, clips: int) -> None:
    path = new_cache(clips=10)
    before = contents(path)
    with pytest.raises(ValueError, match="not one shard"):
        CacheWriter(path).write(shard(first, clips=clips))
    assert contents(path) == before


def test_black_frames_are_stored_so_that_a_missing_file_is_a_fault(new_cache: NewCache) -> None:
    path = new_cache()
    black = [np.zeros((SLOTS, 3, SIZE, SIZE), np.uint8)] * PER_SHARD
    CacheWriter(path).write(dataclasses.replace(shard(), frames=black))
    assert shard_file(path, 0).exists()
    assert CropCache(path).missing_shards() == []


def test_shard_of_failed_clips_has_no_file_and_does_not_count_as_missing(new_cache: NewCache) -> None:
    path = new_cache()
    CacheWriter(path).write(dataclasses.replace(shard(used=0), state=np.full(PER_SHARD, 3, np.uint8)))
    assert not shard_file(path, 0).exists()
    cache = CropCache(path)
    assert cache.missing_shards() == []
    assert cache.state.tolist() == [3] * 8 + [0] * 8


def test_writer_stopped_halfway_leaves_state_0(new_cache: NewCache, monkeypatch: pytest.MonkeyPatch) -> None:
    path = new_cache()
    CacheWriter(path).write(shard())

    def stop(_self: CacheWriter, _shard: Shard) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(CacheWriter, "_write_frames", stop)
    with pytest.raises(KeyboardInterrupt):
        CacheWriter(path).write(shard(seed=1))
    assert CropCache(path).state.tolist() == [0] * 16


def test_leftovers_of_a_killed_writer_do_not_block_the_next_one(new_cache: NewCache) -> None:
    """TensorStore writes under a name that ends in .__lock first."""
    clean, littered = new_cache(name="clean"), new_cache(name="littered")
    lock = shard_file(littered, 0).with_name("0.__lock")
    lock.parent.mkdir(parents=True)
    lock.write_bytes(b"half a shard")
    for path in (clean, littered):
        CacheWriter(path).write(shard())
    assert contents(clean) == contents(littered)


def test_write_that_fails_is_an_error(new_cache: NewCache) -> None:
    path = new_cache()
    shard_file(path, 0).parent.parent.parent.parent.mkdir(parents=True)
    shard_file(path, 0).parent.parent.parent.write_bytes(b"a file where a folder should be")
    with pytest.raises((OSError, ValueError)):
        CacheWriter(path).write(shard())
    assert not CropCache(path).state.any()


def test_a_missing_cache_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="not a crop cache"):
        CacheWriter(tmp_path / "absent.zarr")


def test_frames_can_be_read_one_by_one_through_tensorstore(new_cache: NewCache) -> None:
    path, written = new_cache(), shard()
    CacheWriter(path).write(written)
    frames = CropCache(path).open_frames(context=ts.Context())
    assert np.array_equal(frames[3, 2].read().result(), written.frames[3][2])


def with_motion(written: Shard, *, side: int = 4) -> Shard:
    rng = np.random.default_rng(1)
    fields = [rng.integers(-127, 128, (len(clip), 2, side, side), dtype=np.int8) for clip in written.frames]
    return dataclasses.replace(written, motion=fields)


def test_motion_fields_are_read_by_plain_zarr_and_change_nothing_else(new_cache: NewCache) -> None:
    """Every file of the cache without them is there with the same bytes, but for the attributes."""
    plain, both = new_cache(name="plain"), new_cache(name="both", motion_side=4)
    CacheWriter(plain).write(shard())
    written = with_motion(shard())
    CacheWriter(both).write(written)
    stored = zarr.open_group(both, mode="r")["motion"]
    assert (stored.shape, stored.chunks, stored.shards) == ((16, 4, 2, 4, 4), (1, 1, 2, 4, 4), (8, 4, 2, 4, 4))
    assert (str(stored.dtype), stored.attrs["steps_per_pixel"]) == ("int8", 16)
    assert np.array_equal(stored[:8], np.stack(written.motion))
    extra = {name for name in contents(both) if name.startswith(("motion/", "motion_checksum/"))} | {"zarr.json"}
    assert {name: content for name, content in contents(both).items() if name not in extra} == {
        name: content for name, content in contents(plain).items() if name != "zarr.json"
    }
    assert [CropCache(path).has_motion for path in (plain, both)] == [False, True]


def test_field_in_which_nothing_moves_is_stored_and_that_of_an_unused_slot_is_not(new_cache: NewCache) -> None:
    path = new_cache(motion_side=4)
    still = [np.zeros((2, 2, 4, 4), np.int8) for _ in range(PER_SHARD)]
    CacheWriter(path).write(dataclasses.replace(shard(used=2), motion=still))
    field_bytes, entry_bytes = 2 * 4 * 4 + 4, 16
    slots = PER_SHARD * SLOTS
    assert shard_file(path, 0, "motion").stat().st_size == slots // 2 * field_bytes + slots * entry_bytes + 4
    assert CropCache(path).missing_shards("motion") == []
    shard_file(path, 0, "motion").unlink()
    assert CropCache(path).missing_shards("motion") == [0]
    assert CropCache(path).missing_shards() == []


def test_motion_fields_are_written_only_to_a_cache_that_has_them(new_cache: NewCache) -> None:
    for path, written in ((new_cache(), with_motion(shard())), (new_cache(name="m", motion_side=4), shard())):
        with pytest.raises(ValueError, match="motion fields"):
            CacheWriter(path).write(written)
        assert not CropCache(path).state.any()


def test_cache_without_motion_fields_names_the_command_that_writes_them(new_cache: NewCache) -> None:
    assert CropCache(new_cache(motion_side=4)).item_shape("motion") == (2, 4, 4)
    with pytest.raises(CacheError, match="precrop --motion-fields"):
        CropCache(new_cache(name="plain")).item_shape("motion")
