"""Batches of a cache at an address: the same bytes as of the cache on this disk, in any way of reading them."""

from __future__ import annotations

import pickle
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mocrop.pipeline.address import Address, RemoteFiles
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import shard_file
from mocrop.pipeline.errors import AddressError, CacheError
from mocrop.training.data.dataset import CropDataset
from mocrop.training.data.frame_reader import FrameReader
from mocrop.training.data.loader import CropLoader
from tests.cloud import FaultyLine, delete_bucket, upload
from tests.conftest import MakeCache

CLIPS = 20


@pytest.fixture
def make_stored(make_cache: MakeCache, tmp_path: Path) -> Any:
    fields = np.random.default_rng(1).integers(-100, 100, (CLIPS, 4, 2, 3, 3), dtype=np.int8)
    return partial(
        make_cache, tmp_path / "here/many.zarr", label=[0, 1] * (CLIPS // 2), clips_per_shard=2, fields=fields, size=16
    )


def data_set(cache: CropCache | Path, **options: Any) -> CropDataset:
    return CropDataset.from_cache(cache, segments=3, **options)


def batches(data: CropDataset) -> list[torch.Tensor]:
    return [batch.frames.clone() for batch in CropLoader(data, batch_size=4, shuffle=True, seed=3)]


@pytest.mark.parametrize("stream", ["frames", "motion"])
@pytest.mark.parametrize("compression", ["none", "zstd"])
@pytest.mark.parametrize("shards", [None, 6])
def test_batches_are_those_of_the_cache_itself(
    make_stored: Any, bucket: str, stream: str, compression: str, shards: int | None, tmp_path: Path
) -> None:
    """Also where the mirror holds six of ten shards."""
    stored = make_stored(compression=compression)
    root, address = tmp_path / "mirror", upload(stored, bucket)
    CropCache(address, mirror=root)
    columns = sum(file.stat().st_size for file in root.rglob("*") if file.is_file())
    shard = CropCache(stored).shard_file(0, stream).stat().st_size  # type: ignore[arg-type]
    most = None if shards is None else columns + shards * shard + 300
    data = data_set(CropCache(address, mirror=root, mirror_bytes=most), stream=stream)
    for _ in range(2):
        if shards and compression == "none":
            with pytest.warns(UserWarning, match="each epoch fetches again") if _ == 0 else _nothing():
                found = batches(data)
        else:
            found = batches(data)
        data.epochs_begun.clear()
        for one, other in zip(found, batches(data_set(stored, stream=stream)), strict=True):
            assert torch.equal(one, other)
        there = [file for file in root.rglob("*") if file.is_file() and file.relative_to(root).parts[0] != ".locks"]
        assert most is None or sum(file.stat().st_size for file in there) <= most


def _nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()


def test_a_cold_epoch_fetches_each_shard_once_and_a_warm_one_none(
    make_stored: Any, bucket: str, faulty_line: FaultyLine, tmp_path: Path
) -> None:
    data = data_set(CropCache(upload(make_stored(), bucket), mirror=tmp_path / "mirror"))
    faulty_line.requests.clear()
    batches(data)
    assert len(faulty_line.fetched("0/0/0/0")) == CLIPS // 2
    faulty_line.requests.clear()
    batches(data)
    assert faulty_line.requests == []


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_fetch_what_they_read(make_stored: Any, bucket: str, method: str, tmp_path: Path) -> None:
    stored = make_stored()
    cache = CropCache(upload(stored, bucket), mirror=tmp_path / "mirror")
    loader = DataLoader(data_set(cache), batch_size=4, num_workers=2, multiprocessing_context=method)
    own = DataLoader(data_set(stored), batch_size=4)
    for (one, _), (other, _) in zip(loader, own, strict=True):
        assert torch.equal(one, other)
    assert len(list((cache.path / "frames").rglob("c/*/0/0/0/0"))) == CLIPS // 2


def test_a_reader_pickles_as_its_mirror(make_stored: Any, bucket: str, tmp_path: Path) -> None:
    stored = make_stored()
    reader = FrameReader(CropCache(upload(stored, bucket), mirror=tmp_path / "mirror"))
    again = pickle.loads(pickle.dumps(reader))
    clips, slots = np.arange(CLIPS), np.zeros((CLIPS, 1), np.int64)
    assert np.array_equal(again.read(clips, slots), FrameReader(CropCache(stored)).read(clips, slots))


@pytest.mark.parametrize("opened_before", [False, True])
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_shard_that_is_damaged_in_the_mirror_is_fetched_anew(
    make_stored: Any, bucket: str, compression: str, opened_before: bool, tmp_path: Path
) -> None:
    stored = make_stored(compression=compression)
    cache = CropCache(upload(stored, bucket), mirror=tmp_path / "mirror")
    reader = FrameReader(cache)
    clips, slots = np.arange(2), np.zeros((2, 1), np.int64)
    cache.fetch_shards([0])
    if opened_before:
        reader.read(clips[1:], slots[1:])
    flip(cache.shard_file(0))
    assert np.array_equal(reader.read(clips, slots), FrameReader(CropCache(stored)).read(clips, slots))
    assert cache.shard_file(0).read_bytes() == shard_file(stored, 0).read_bytes()


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_shard_that_is_damaged_in_the_mirror_and_at_its_address_is_an_error_with_its_address(
    make_stored: Any, bucket: str, compression: str, tmp_path: Path
) -> None:
    address = upload(make_stored(compression=compression), bucket)
    cache = CropCache(address, mirror=tmp_path / "mirror")
    cache.fetch_shards([0])
    flip(cache.shard_file(0))
    RemoteFiles(Address.parse(address)).write("frames/c/0/0/0/0/0", cache.shard_file(0).read_bytes())
    with pytest.raises(CacheError, match=f"{address}/frames/c/0/0/0/0/0 "):
        FrameReader(cache).read(np.arange(2), np.zeros((2, 1), np.int64))


def flip(shard: Path) -> None:
    """Flip the lowest bit of all bytes of the shard's first frame."""
    content = bytearray(shard.read_bytes())
    content[:100] = (np.frombuffer(content[:100], np.uint8) ^ 1).tobytes()
    shard.write_bytes(content)


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_bucket_that_vanishes_ends_the_epoch_with_its_name(
    make_stored: Any, bucket: str, s3_server: str, compression: str, tmp_path: Path
) -> None:
    address = upload(make_stored(compression=compression), bucket)
    cache = CropCache(address, mirror=tmp_path / "mirror")
    delete_bucket(s3_server, bucket)
    with pytest.raises(AddressError, match=address):
        batches(data_set(cache))


def test_a_loop_that_is_broken_off_ends_the_fetching(
    make_stored: Any, bucket: str, faulty_line: FaultyLine, tmp_path: Path
) -> None:
    cache = CropCache(upload(make_stored(), bucket), mirror=tmp_path / "mirror")
    loop = iter(CropLoader(data_set(cache), batch_size=4, shuffle=True))
    next(loop)
    loop.close()  # type: ignore[attr-defined]
    time.sleep(0.3)
    asked = len(faulty_line.requests)
    time.sleep(0.3)
    assert len(faulty_line.requests) == asked
