"""Crop caches under kills and damage: the small form of what `python -m tests.reliability` does at length."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from mocrop.pipeline.cache.create import create_cache
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.table import update_cache
from mocrop.pipeline.checks.crop_cache import verify_cache
from mocrop.pipeline.errors import CacheError
from mocrop.training.data.dataset import CropDataset
from mocrop.training.data.frame_reader import FrameReader
from tests.reliability.cache_flips import delete_files, flip_bits
from tests.reliability.cache_growth import (
    ATTRIBUTES,
    FIRST,
    LAYOUT,
    contents,
    grow_under_kills,
    make_cache,
    require_one_table,
    table,
)

MakeCache = Callable[..., Path]


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs, but for what a context manager of ours must not rely on."""


def kill_at_step(monkeypatch: pytest.MonkeyPatch, step: int) -> list[int]:
    """Let the renaming number ``step`` from now on raise Killed; returns a list whose length counts them."""
    steps: list[int] = []
    replace = os.replace

    def killed(*arguments: Any) -> None:
        steps.append(len(steps))
        if len(steps) > step:
            raise Killed
        replace(*arguments)

    monkeypatch.setattr("os.replace", killed)
    monkeypatch.setattr(Path, "replace", lambda self, target: killed(self, target))
    return steps


def test_growth_that_is_killed_before_any_of_its_steps_is_completed_by_the_next(tmp_path: Path) -> None:
    """A cache grows from 6 to 9 clips and all labels change; after each kill it is the old one, says so, or the new."""
    make_cache(tmp_path / "grown.zarr", FIRST)
    update_cache(tmp_path / "grown.zarr", LAYOUT, table(9), attributes=ATTRIBUTES)
    expected = contents(tmp_path / "grown.zarr")
    seen = []
    for step in range(100):
        path = tmp_path / f"{step}.zarr"
        make_cache(path, FIRST)
        with pytest.MonkeyPatch.context() as patch:
            steps = kill_at_step(patch, step)
            with contextlib.suppress(Killed):
                update_cache(path, LAYOUT, table(9), attributes=ATTRIBUTES)
        seen.append(require_one_table(path))
        assert not seen[-1] or verify_cache(path) == []
        update_cache(path, LAYOUT, table(9), attributes=ATTRIBUTES)
        assert contents(path) == expected
        if len(steps) <= step:
            break
    assert seen[:2] == [FIRST, FIRST]  # zarr's own files, or the mark, were to be renamed: the old cache is whole
    assert seen[-1] == 9
    assert None in seen
    assert seen.index(None) > seen.index(FIRST)


def test_growth_under_kills(tmp_path: Path) -> None:
    storm = grow_under_kills(tmp_path, kills=2)
    assert (storm.kills, storm.refused + storm.whole) == (2, 2)


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_flipped_bits_and_deleted_files_are_refused(compression: str, make_cache: MakeCache, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = make_cache(
        tmp_path / "c.zarr",
        label=[0, 1, 0, 1, 0],
        used=[4, 3, 2, 0, 1],
        state=[1, 2, 1, 3, 1],
        fields=rng.integers(-9, 9, (5, 4, 2, 4, 4), np.int8),
        compression=compression,
        attributes={"settings": {"policy": "full"}},
    )
    deleted = delete_files(path)
    assert deleted.tried == deleted.refused > 20
    flipped = flip_bits(path, flips=100)
    assert (flipped.silent, flipped.tried) == ((), 100)
    assert flipped.refused > 90


@pytest.mark.parametrize(
    ("column", "value", "fact"),
    [
        ("state", 9, "state is 9"),
        ("frame_index", 5, "not ascending"),
        ("box", 2, "not inside the picture"),
        ("density", -1, "negative"),
        ("label", 7, "its label is 7"),
        ("subset", 4, "its subsets are"),
    ],
)
def test_values_that_cannot_be_right_are_refused_by_the_loader(
    column: str, value: int, fact: str, make_cache: MakeCache, tmp_path: Path
) -> None:
    path = make_cache(tmp_path / "c.zarr", label=[0, 1])
    CropDataset(CropCache(path), np.array([0]), segments=1)
    zarr.open_group(path, mode="r+")[column][1] = value
    with pytest.raises(CacheError, match=fact):
        CropDataset(CropCache(path), np.array([0]), segments=1)


def test_metadata_that_somebody_has_consolidated_do_not_go_stale(tmp_path: Path) -> None:
    path = tmp_path / "c.zarr"
    make_cache(path, FIRST)
    with pytest.warns(match="[Cc]onsolidated"):
        zarr.consolidate_metadata(path)
    assert len(CropCache(path)) == FIRST
    update_cache(path, LAYOUT, table(9), attributes=ATTRIBUTES)
    for consolidated in (True, False):
        assert zarr.open_group(path, mode="r", use_consolidated=consolidated)["frames"].shape[0] == 9
    assert len(CropCache(path)) == 9
    assert verify_cache(path) == []


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_reader_never_mixes_a_cache_with_the_one_that_takes_its_place(
    compression: str, make_cache: MakeCache, tmp_path: Path
) -> None:
    """Both have the same clips; the first is black, the second is not. Columns are refused too."""
    path = tmp_path / "c.zarr"
    pixels = np.zeros((4, 4, 3, 8, 8), np.uint8)
    make_cache(path, label=[0, 1, 0, 1], pixels=pixels, clips_per_shard=1, compression=compression)
    cache = CropCache(path)
    reader = FrameReader(cache)
    assert not reader.read(np.array([0]), np.array([[0]])).any()
    for shade in (255, 128):  # twice: the number of a folder may be given again
        make_white(path, shade, make_cache, tmp_path / f"{shade}.zarr", compression)
        assert FrameReader(CropCache(path)).read(np.array([1]), np.array([[0]])).all()
        with pytest.raises(CacheError, match=r"c\.zarr was replaced or removed while it was read"):
            reader.read(np.array([1]), np.array([[0]]))
        with pytest.raises(CacheError, match=r"c\.zarr was replaced or removed while it was read"):
            _ = cache.box


def make_white(path: Path, shade: int, make_cache: MakeCache, aside: Path, compression: str) -> None:
    """Put a cache of one shade in the place of another, as precrop --overwrite does."""
    pixels = np.full((4, 4, 3, 8, 8), shade, np.uint8)
    make_cache(aside, label=[0, 1, 0, 1], pixels=pixels, clips_per_shard=1, compression=compression)
    path.rename(path.with_name(f"old-{shade}"))
    aside.rename(path)


def test_a_cache_is_created_in_the_place_of_another_only_where_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "c.zarr"
    make_cache(path, FIRST)
    with pytest.raises(FileExistsError):
        create_cache(path, LAYOUT, table(3), attributes=ATTRIBUTES)
    create_cache(path, LAYOUT, table(3), attributes=ATTRIBUTES, replace=True)
    assert len(CropCache(path)) == 3
    assert [entry.name for entry in tmp_path.iterdir()] == ["c.zarr"]


@pytest.mark.parametrize("clips", [1 << 40, 1 << 25, -1, 0])
def test_a_cache_of_impossible_shape_is_refused_before_anything_is_allocated(clips: int, tmp_path: Path) -> None:
    """Also if all arrays agree on it, and if it is one of schema 1, which has no checksum of its metadata."""
    path = tmp_path / "c.zarr"
    make_cache(path, FIRST)
    group = json.loads((path / "zarr.json").read_text())
    group["attributes"]["mocrop"]["schema"] = 1
    (path / "zarr.json").write_text(json.dumps(group))
    assert len(CropCache(path)) == FIRST
    for file in path.glob("*/zarr.json"):
        array = json.loads(file.read_text())
        array["shape"][0] = clips
        file.write_text(json.dumps(array))
    with pytest.raises(CacheError, match=r"c\.zarr is damaged \(frames cannot have shape"):
        CropCache(path)
