"""Frames read from shard files are those that zarr reads, and a damaged file is an error that names it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import zarr

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import CacheError
from mocrop.training.data import shard_files
from mocrop.training.data.shard_files import ShardFiles

CLIPS, SLOTS = 7, 4


@pytest.fixture
def cache(tmp_path: Path, make_cache: Callable[..., Path]) -> CropCache:
    """Seven clips, three to a shard: the last shard is short."""
    return CropCache(make_cache(tmp_path / "c.zarr", label=[0] * CLIPS, used=[4, 4, 2, 4, 4, 0, 4]))


def all_pairs() -> tuple[np.ndarray, np.ndarray]:
    clips, slots = np.divmod(np.arange(CLIPS * SLOTS), SLOTS)
    return clips, slots


def read(files: ShardFiles, clips: np.ndarray, slots: np.ndarray) -> np.ndarray:
    out = np.full((len(clips), 3, 8, 8), 255, dtype=np.uint8)
    files.read(clips, slots, out)
    return out


def damage(cache: CropCache, shard: int, at: int) -> None:
    content = bytearray(cache.shard_file(shard).read_bytes())
    content[at] ^= 1
    cache.shard_file(shard).write_bytes(content)


def test_frames_equal_what_zarr_reads(cache: CropCache) -> None:
    expected = np.asarray(zarr.open_group(cache.path, mode="r")["frames"])
    clips, slots = all_pairs()
    order = np.random.default_rng(0).permutation(len(clips))
    frames = read(ShardFiles(cache), clips[order], slots[order])
    assert np.array_equal(frames, expected[clips, slots][order])


def test_slots_that_are_not_stored_read_as_zeros(cache: CropCache) -> None:
    frames = read(ShardFiles(cache), np.array([2, 2, 5]), np.array([1, 2, 0]))
    assert [bool(frame.any()) for frame in frames] == [True, False, False]


def test_a_black_frame_reads_as_zeros(tmp_path: Path, make_cache: Callable[..., Path]) -> None:
    pixels = np.zeros((1, 2, 3, 8, 8), dtype=np.uint8)
    pixels[0, 1] = 7
    cache = CropCache(make_cache(tmp_path / "c.zarr", label=[0], pixels=pixels))
    assert np.array_equal(read(ShardFiles(cache), np.array([0, 0]), np.array([0, 1])), pixels[0])


def test_missing_shard_file_is_named_with_its_clips(cache: CropCache) -> None:
    cache.shard_file(1).unlink()
    files = ShardFiles(cache)
    assert read(files, np.array([0]), np.array([0])).any()
    with pytest.raises(CacheError, match=r"c/1/0/0/0/0 is missing: clips Dig/clip3 to Dig/clip5 .*mocrop precrop"):
        read(files, np.array([4]), np.array([0]))


@pytest.mark.parametrize("kept", [0, 10, 500, -1])
def test_truncated_shard_file_is_an_error(cache: CropCache, kept: int) -> None:
    file = cache.shard_file(2)
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(CacheError, match="cut off"):
        read(ShardFiles(cache), np.array([6]), np.array([0]))


def test_file_cut_off_while_it_is_open_is_an_error(cache: CropCache) -> None:
    files = ShardFiles(cache)
    read(files, np.array([0]), np.array([3]))
    with cache.shard_file(0).open("rb+") as file:
        file.truncate(100)
    with pytest.raises(CacheError, match="is cut off"):
        read(files, np.array([0]), np.array([3]))


def test_one_flipped_bit_is_noticed_when_the_frame_is_first_read(cache: CropCache) -> None:
    first_frame = (
        cache.shard_file(0).read_bytes().index(np.asarray(zarr.open_group(cache.path)["frames"])[1, 2].tobytes())
    )
    damage(cache, 0, at=first_frame + 50)
    files = ShardFiles(cache)
    read(files, np.array([1]), np.array([1]))
    with pytest.raises(CacheError, match="checksum of slot 2 of Dig/clip1"):
        read(files, np.array([1]), np.array([2]))


def test_frames_on_disk_are_all_requested_before_the_first_is_waited_for(
    cache: CropCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is never fast enough: every read that may not wait fails."""
    calls: list[str] = []
    read_now = shard_files.read_at

    def slow_read_at(descriptor: int, buffers: list[memoryview], offset: int, flags: int = 0) -> int:
        if flags:
            raise BlockingIOError
        calls.append("waited")
        return read_now(descriptor, buffers, offset, 0)

    files = ShardFiles(cache)
    clips, slots = np.array([0, 2, 6]), np.array([1, 3, 0])  # slot 3 of clip 2 is not stored
    read(files, clips, slots)  # opens them
    monkeypatch.setattr(shard_files, "IF_IN_MEMORY", 8)
    monkeypatch.setattr(shard_files, "read_at", slow_read_at)
    monkeypatch.setattr(shard_files, "advise", lambda *_: calls.append("asked"))
    expected = np.asarray(zarr.open_group(cache.path, mode="r")["frames"])[clips, slots]
    assert np.array_equal(read(files, clips, slots), expected)
    assert calls == ["asked", "asked", "waited", "waited"]


def test_where_every_read_waits_the_frames_are_the_same(cache: CropCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_files, "IF_IN_MEMORY", 0)
    clips, slots = all_pairs()
    expected = np.asarray(zarr.open_group(cache.path, mode="r")["frames"])[clips, slots]
    assert np.array_equal(read(ShardFiles(cache), clips, slots), expected)


def test_damaged_index_is_noticed(cache: CropCache) -> None:
    damage(cache, 0, at=-10)
    with pytest.raises(CacheError, match="checksum of its index"):
        read(ShardFiles(cache), np.array([0]), np.array([0]))


def test_compressed_cache_is_refused(tmp_path: Path, make_cache: Callable[..., Path]) -> None:
    cache = CropCache(make_cache(tmp_path / "c.zarr", label=[0], compression="zstd"))
    with pytest.raises(ValueError, match="compressed"):
        ShardFiles(cache)


def test_few_open_files_and_many_threads_give_the_same_frames(
    cache: CropCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_files, "MAX_OPEN_FILES", 1)
    files = ShardFiles(cache)
    clips, slots = all_pairs()
    expected = np.asarray(zarr.open_group(cache.path, mode="r")["frames"])[clips, slots]
    rng = np.random.default_rng(0)

    def read_shuffled(_: int) -> bool:
        order = rng.permutation(len(clips))
        return np.array_equal(read(files, clips[order], slots[order]), expected[order])

    before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 0
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read_shuffled, range(200)))
    if before:
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1
