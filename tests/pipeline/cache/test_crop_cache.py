"""The crop cache: the arrays that are created, what plain zarr-python reads, what a reader refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr

from mocrop.pipeline.cache.create import create_cache
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import CacheLayout, ClipTable, shard_file
from mocrop.pipeline.errors import CacheError

MakeCache = Callable[..., Path]
LAYOUT = CacheLayout(frames=4, size=8, grid=(6, 8), clips_per_shard=3)


def table(clips: int = 5, *, splits: int = 2) -> ClipTable:
    return ClipTable(
        names=[f"Klasse {n % 2}/clip «{n}»" for n in range(clips)],
        label=np.arange(clips, dtype=np.int32) % 2,
        group=np.full(clips, -1, np.int32),
        subset=np.ones((clips, splits), np.uint8),
        class_names=["Klasse 0", "Klasse 1"],
        split_names=[str(n + 1) for n in range(splits)],
    )


def test_new_cache_has_the_documented_arrays_and_no_clip_is_written(tmp_path: Path) -> None:
    create_cache(tmp_path / "new.zarr", LAYOUT, table(), attributes={"policy": "full"})
    group = zarr.open_group(tmp_path / "new.zarr", mode="r")
    assert {name: (array.shape, str(array.dtype)) for name, array in group.arrays()} == {
        "frames": ((5, 4, 3, 8, 8), "uint8"),
        "frame_index": ((5, 4), "int32"),
        "box": ((5, 4), "float32"),
        "slot_box": ((5, 4, 4), "float32"),
        "picture": ((5, 4), "float32"),
        "density": ((5, 6, 8), "float32"),
        "label": ((5,), "int32"),
        "group": ((5,), "int32"),
        "subset": ((5, 2), "uint8"),
        "clip": ((5,), "StringDType()"),
        "state": ((5,), "uint8"),
        "checksum": ((5, 4), "uint32"),
    }
    assert group["frames"].chunks == (1, 1, 3, 8, 8)
    assert group["frames"].shards == (3, 4, 3, 8, 8)
    assert (group["frame_index"][...] == -1).all()
    assert not group["state"][...].any()
    assert list(group["clip"][...]) == table().names
    attributes = dict(group.attrs["mocrop"])
    assert sorted(attributes.pop("metadata")) == sorted(group.array_keys())
    assert isinstance(attributes.pop("checksum"), int)
    assert attributes == {
        "schema": 4,
        "size": 8,
        "class_names": ["Klasse 0", "Klasse 1"],
        "split_names": ["1", "2"],
        "policy": "full",
    }


def test_plain_zarr_reads_what_the_writer_wrote(make_cache: MakeCache, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 3, 8, 8), dtype=np.uint8)
    for compression in ("none", "zstd"):
        path = make_cache(
            tmp_path / f"{compression}.zarr", label=[0, 1, 0, 1, 0], pixels=pixels, compression=compression
        )
        assert np.array_equal(zarr.open_group(path, mode="r")["frames"][...], pixels)
        assert CropCache(path).compressed is (compression == "zstd")


@pytest.mark.parametrize("clips", [1, 2, 3, 4])
@pytest.mark.parametrize("splits", [0, 1, 3])
def test_any_number_of_clips_and_splits_makes_a_cache(tmp_path: Path, clips: int, splits: int) -> None:
    create_cache(tmp_path / "c.zarr", LAYOUT, table(clips, splits=splits), attributes={})
    cache = CropCache(tmp_path / "c.zarr")
    assert len(cache) == clips
    assert cache.subset.shape == (clips, splits)
    assert cache.clip == table(clips).names
    assert (cache.frames_per_clip, cache.size, cache.clips_per_shard) == (4, 8, 3)


def test_cache_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one clip"):
        create_cache(tmp_path / "c.zarr", LAYOUT, table(0), attributes={})


def test_existing_cache_is_not_created_over(make_cache: MakeCache, tmp_path: Path) -> None:
    path = make_cache(tmp_path / "c.zarr", label=[0])
    with pytest.raises(FileExistsError):
        create_cache(path, LAYOUT, table(), attributes={})


def test_leftovers_of_a_killed_creation_are_replaced(tmp_path: Path) -> None:
    litter = tmp_path / ".c.zarr.partial"
    litter.mkdir()
    (litter / "zarr.json").write_text("{")
    create_cache(tmp_path / "c.zarr", LAYOUT, table(), attributes={})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.zarr"]


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"size": 0}, {"clips_per_shard": 0}])
def test_impossible_layout_is_refused(wrong: dict[str, int]) -> None:
    values = {"frames": 4, "size": 8, "clips_per_shard": 3, **wrong}
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CacheLayout(grid=(6, 8), **values)


def test_folder_that_is_no_cache_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "empty.zarr").mkdir()
    for name in ("empty.zarr", "absent.zarr"):
        with pytest.raises(CacheError, match="mocrop precrop"):
            CropCache(tmp_path / name)


def test_cache_of_another_schema_is_refused(make_cache: MakeCache, tmp_path: Path) -> None:
    path = make_cache(tmp_path / "c.zarr", label=[0])
    attributes = dict(zarr.open_group(path, mode="r").attrs["mocrop"])
    zarr.open_group(path, mode="r+").attrs["mocrop"] = {**attributes, "schema": 99}
    with pytest.raises(CacheError, match=r"schema 99.*newer mocrop"):
        CropCache(path)


def test_other_zarr_group_is_refused(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "other.zarr", mode="w", zarr_format=3)
    with pytest.raises(CacheError, match="schema"):
        CropCache(tmp_path / "other.zarr")


def test_states_1_and_2_are_usable(make_cache: MakeCache, tmp_path: Path) -> None:
    cache = CropCache(make_cache(tmp_path / "c.zarr", label=[0, 0, 0, 0], state=[0, 1, 2, 3], used=[0, 4, 2, 0]))
    assert cache.usable.tolist() == [False, True, True, False]
    assert cache.frame_counts.tolist() == [0, 4, 2, 0]


def test_a_shard_file_is_missing_only_if_it_should_hold_frames(make_cache: MakeCache, tmp_path: Path) -> None:
    """Shards of three clips: the second holds failed clips only, the third no frame, and neither ever had a file."""
    states, used = [1, 1, 1, 3, 3, 3, 1, 2, 1, 1], [4, 4, 4, 0, 0, 0, 0, 0, 0, 4]
    path = make_cache(tmp_path / "c.zarr", label=[0] * 10, state=states, used=used)
    assert not shard_file(path, 2).exists()
    assert CropCache(path).missing_shards() == []
    shard_file(path, 3).unlink()
    assert CropCache(path).missing_shards() == [3]


@pytest.mark.parametrize(("column", "chunk"), [("box", "c/0/0"), ("clip", "c/0")])
def test_a_damaged_column_is_an_error_that_names_it_and_the_way_out(
    column: str, chunk: str, make_cache: MakeCache, tmp_path: Path
) -> None:
    path = make_cache(tmp_path / "full-8.zarr", label=[0, 1])
    file = path / column / chunk
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(CacheError, match=rf"full-8\.zarr/{column} cannot be read .*`mocrop verify` says"):
        getattr(CropCache(path), column)
