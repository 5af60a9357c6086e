"""One reader for compressed and uncompressed caches."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import zarr
from torch.utils.data import DataLoader

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.writer import CacheWriter, Shard
from mocrop.pipeline.choices import Stream
from mocrop.pipeline.errors import CacheError
from mocrop.training.data.dataset import CropDataset
from mocrop.training.data.frame_reader import FrameReader, require_shards

BOTH = pytest.mark.parametrize("compression", ["none", "zstd"])


def make(tmp_path: Path, make_cache: Callable[..., Path], compression: str) -> CropCache:
    return CropCache(make_cache(tmp_path / "c.zarr", label=[0] * 5, used=[4, 2, 4, 4, 4], compression=compression))


@BOTH
def test_frames_equal_what_zarr_reads(tmp_path: Path, make_cache: Callable[..., Path], compression: str) -> None:
    cache = make(tmp_path, make_cache, compression)
    expected = np.asarray(zarr.open_group(cache.path, mode="r")["frames"])
    clips = np.array([4, 1, 1])
    slots = np.array([[0, 3], [1, 2], [3, 0]])
    frames = FrameReader(cache).read(clips, slots)
    assert frames.shape == (3, 2, 3, 8, 8)
    assert np.array_equal(frames, expected[clips[:, None], slots])


@BOTH
def test_given_memory_is_filled(tmp_path: Path, make_cache: Callable[..., Path], compression: str) -> None:
    reader = FrameReader(make(tmp_path, make_cache, compression))
    out = np.zeros((1, 1, 3, 8, 8), dtype=np.uint8)
    assert reader.read(np.array([0]), np.array([[1]]), out=out) is out
    assert out.any()


@BOTH
def test_reader_pickles(tmp_path: Path, make_cache: Callable[..., Path], compression: str) -> None:
    reader = FrameReader(make(tmp_path, make_cache, compression))
    before = reader.read(np.array([2]), np.array([[1]]))
    after = pickle.loads(pickle.dumps(reader)).read(np.array([2]), np.array([[1]]))
    assert np.array_equal(before, after)


@BOTH
def test_missing_shard_is_an_error(tmp_path: Path, make_cache: Callable[..., Path], compression: str) -> None:
    cache = make(tmp_path, make_cache, compression)
    cache.shard_file(1).unlink()
    with pytest.raises(CacheError, match=r"missing.*mocrop precrop --overwrite"):
        FrameReader(cache).read(np.array([4]), np.array([[0]]))
    with pytest.raises(CacheError, match="1 shard files are missing"):
        require_shards(cache)


@BOTH
@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_damaged_shard_is_an_error(
    tmp_path: Path, make_cache: Callable[..., Path], compression: str, damage: str
) -> None:
    cache = make(tmp_path, make_cache, compression)
    content = bytearray(cache.shard_file(0).read_bytes())
    content[100] ^= 1
    cache.shard_file(0).write_bytes(content[:300] if damage == "cut" else content)
    every_slot = np.tile(np.arange(4), (3, 1))
    with pytest.raises(CacheError, match="mocrop precrop --overwrite"):
        FrameReader(cache).read(np.arange(3), every_slot)


def test_numbers_outside_the_cache_are_refused(tmp_path: Path, make_cache: Callable[..., Path]) -> None:
    reader = FrameReader(make(tmp_path, make_cache, "none"))
    with pytest.raises(IndexError, match="every clip must be from 0 to 4"):
        reader.read(np.array([-1]), np.array([[0]]))
    with pytest.raises(IndexError, match="every slot must be from 0 to 3"):
        reader.read(np.array([0]), np.array([[4]]))


def test_memory_of_another_shape_is_refused(tmp_path: Path, make_cache: Callable[..., Path]) -> None:
    reader = FrameReader(make(tmp_path, make_cache, "none"))
    with pytest.raises(ValueError, match="out must be C-contiguous"):
        reader.read(np.array([0]), np.array([[0]]), out=np.zeros((1, 2, 3, 8, 8), dtype=np.uint8))


def with_fields(tmp_path: Path, make_cache: Callable[..., Path], compression: str = "none") -> CropCache:
    """Two cells a side, from -127 to 127."""
    fields = np.random.default_rng(1).integers(-127, 128, (5, 4, 2, 2, 2), dtype=np.int8)
    return CropCache(make_cache(tmp_path / "m.zarr", label=[0] * 5, fields=fields, compression=compression))


@BOTH
def test_motion_fields_equal_what_zarr_reads(tmp_path: Path, make_cache: Callable[..., Path], compression: str) -> None:
    cache = with_fields(tmp_path, make_cache, compression)
    stored = np.asarray(zarr.open_group(cache.path, mode="r")["motion"])
    clips, slots = np.array([4, 1]), np.array([[0, 3, 1], [1, 2, 2]])
    reader = FrameReader(cache, "motion")
    read = reader.read(clips, slots)
    assert read.dtype == np.int8
    assert np.array_equal(read, stored[clips[:, None], slots])
    assert np.array_equal(pickle.loads(pickle.dumps(reader)).read(clips, slots), read)
    assert FrameReader(cache).read(clips, slots).shape == (2, 3, 3, 8, 8)


def test_missing_motion_fields_are_an_error(tmp_path: Path, make_cache: Callable[..., Path]) -> None:
    """Either the cache has none, or a file of them is missing while the frames are there."""
    with pytest.raises(CacheError, match="has no motion fields"):
        FrameReader(make(tmp_path, make_cache, "none"), "motion")
    cache = with_fields(tmp_path, make_cache)
    cache.shard_file(1, "motion").unlink()
    require_shards(cache)
    with pytest.raises(CacheError, match=r"1 shard files are missing, the first is .*motion/c/1"):
        require_shards(cache, "motion")
    with pytest.raises(CacheError, match=r"motion/c/1/0/0/0/0 is missing"):
        FrameReader(cache, "motion").read(np.array([3]), np.array([[0]]))


def swap(one: Path, other: Path) -> None:
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


def fields_of(clips: int) -> np.ndarray:
    return np.random.default_rng(1).integers(-9, 9, (clips, 4, 2, 3, 3), dtype=np.int8)


def read_whole(cache: CropCache, stream: Stream, clips: Sequence[int]) -> np.ndarray:
    return FrameReader(cache, stream).read(np.array(clips), np.tile(np.arange(4), (len(clips), 1)))


@BOTH
@pytest.mark.parametrize("stream", ["frames", "motion"])
def test_files_of_other_clips_are_an_error_whatever_their_checksums(
    tmp_path: Path, make_cache: Callable[..., Path], compression: str, stream: Stream
) -> None:
    cache = CropCache(make_cache(tmp_path / "c.zarr", label=[0] * 6, fields=fields_of(6), compression=compression))
    assert read_whole(cache, stream, range(6)).any()
    swap(cache.shard_file(0, stream), cache.shard_file(1, stream))
    with pytest.raises(CacheError, match=r"of another cache.*Dig/clip4.*copy the cache"):
        FrameReader(cache, stream).read(np.array([4]), np.array([[1]]))


@BOTH
def test_a_file_of_another_cache_with_fewer_frames_is_an_error_and_not_black(
    tmp_path: Path, make_cache: Callable[..., Path], compression: str
) -> None:
    cache = CropCache(make_cache(tmp_path / "c.zarr", label=[0] * 3, compression=compression))
    other = CropCache(make_cache(tmp_path / "o.zarr", label=[0] * 3, used=[4, 2, 4], compression=compression))
    cache.shard_file(0).write_bytes(other.shard_file(0).read_bytes())
    reader = FrameReader(cache)
    assert reader.read(np.array([0]), np.array([[3]])).any()  # the same frames in both
    with pytest.raises(CacheError, match=r"of another cache.*Dig/clip1"):
        reader.read(np.array([1]), np.array([[3]]))


def rewrite(cache: CropCache, *, first: int) -> None:
    """Write a shard again, of other pixels, as precrop does when a video has changed."""
    slots = np.tile(np.arange(4, dtype=np.int32), (3, 1))
    CacheWriter(cache.path).write(
        Shard(
            first=first,
            frames=np.full((3, 4, 3, 8, 8), 7, np.uint8),
            frame_index=slots,
            box=cache.box[first : first + 3],
            density=cache.density[first : first + 3],
            state=cache.state[first : first + 3],
        )
    )


@BOTH
@pytest.mark.parametrize("known", [False, True])
def test_a_shard_that_precrop_writes_again_is_not_mixed_with_what_was_there(
    tmp_path: Path, make_cache: Callable[..., Path], compression: str, known: bool
) -> None:
    cache = CropCache(make_cache(tmp_path / "c.zarr", label=[0] * 6, compression=compression))
    reader, clip, slots = FrameReader(cache), np.array([4]), np.array([[0, 3]])
    reader.read(np.array([0]), slots)
    _ = cache.box, cache.density, cache.state, cache.checksum
    before = reader.read(clip, slots) if known else None
    copied = pickle.dumps(reader)
    rewrite(cache, first=3)
    if known:  # the file that was there is open, or what was read is in memory
        with contextlib.suppress(CacheError):
            assert np.array_equal(reader.read(clip, slots), before)
    else:
        with pytest.raises(CacheError, match="was written again since the cache was opened"):
            reader.read(clip, slots)
    with pytest.raises(CacheError, match="was replaced or removed"):
        pickle.loads(copied)
    assert (FrameReader(CropCache(cache.path)).read(clip, slots) == 7).all()


def test_a_forked_process_notices_files_of_other_clips_too(tmp_path: Path, make_cache: Callable[..., Path]) -> None:
    cache = CropCache(make_cache(tmp_path / "c.zarr", label=[0] * 6, fields=fields_of(6)))
    dataset = CropDataset(cache, np.arange(6), segments=2)
    swap(cache.shard_file(0), cache.shard_file(1))
    loader = DataLoader(dataset, batch_size=3, num_workers=1, multiprocessing_context="fork")
    with pytest.raises(CacheError, match="of another cache"):
        list(loader)
