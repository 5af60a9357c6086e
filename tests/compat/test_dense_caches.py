"""Caches of windows beside those that earlier versions have made, and what an earlier version finds in one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mocrop.pipeline.cache import layout
from mocrop.pipeline.cache.columns import require_plausible
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.choices import Spread
from mocrop.pipeline.errors import CacheError
from mocrop.pipeline.settings import plain_settings
from mocrop.pipeline.stages import precrop_settings
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.stored_settings import read_precrop_settings
from mocrop.pipeline.workspace.paths import Workspace
from tests.compat.conftest import Kept
from tests.conftest import mocrop

DENSE = ("--select", "dense", "--frames", "3", "--size", "16", "--policy", "full", "--name", "dense")


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_kept_workspace_gets_a_cache_of_windows_and_its_others_stay(kept: Kept) -> None:
    """The clips have 13 frames: windows of 5 begin at 0, 2, 5 and 8."""
    others = {path: files(path) for path in sorted((kept.root / "caches").glob("*.zarr"))}
    assert mocrop("precrop", *DENSE, "--workers", "0", "-w", kept.root) == 0
    cache = CropCache(kept.root / "caches/dense.zarr")
    assert cache.window[cache.usable].tolist() == [[0, 2, 5, 8]] * int(cache.usable.sum())
    assert cache.usable.any()
    for path, before in others.items():
        assert files(path) == before
        assert CropCache(path).dense is None


def test_an_earlier_version_does_not_go_on_with_a_cache_of_windows(
    latest: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settings are those of this version without windows; it knows two ways to choose frames."""
    assert mocrop("precrop", *DENSE, "--workers", "0", "-w", latest.root) == 0
    monkeypatch.setattr(precrop_settings, "Select", Spread)
    with pytest.raises(CacheError, match="select must be keyframes or uniform, not 'dense'"):
        read_precrop_settings(Workspace(latest.root), "dense")


@pytest.mark.parametrize("value", [{}, {"clips": 2}, {"stride": 1}, {"at": "motion"}])
def test_what_an_earlier_version_does_not_know_is_stored_only_where_it_matters(value: dict[str, Any]) -> None:
    """So caches without windows stay current, and one of windows has at least a `select` that is not known there."""
    settings = PrecropSettings(name="a", size=16)
    assert {"clips", "stride", "at"}.isdisjoint(plain_settings(settings))
    dense = plain_settings(dataclasses.replace(settings, select="dense", clips_per_shard=0, **value))
    assert dense["select"] == "dense"
    assert {"clips", "stride", "at"} & dense.keys() == value.keys()


def test_an_earlier_version_finds_ordinary_frames(latest: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows neither the column nor the attribute: frames ascend, used slots come first, each has its box."""
    assert mocrop("precrop", *DENSE, "--workers", "0", "-w", latest.root) == 0
    cache = CropCache(latest.root / "caches/dense.zarr")
    assert cache.attributes["schema"] == 4
    columns = tuple(name for name in layout.SHARD_COLUMNS if name != layout.OF_WINDOWS)
    monkeypatch.setattr("mocrop.pipeline.cache.columns.SHARD_COLUMNS", columns)
    require_plausible(cache)
    used = cache.frame_index[cache.usable]
    assert np.array_equal(used[0][used[0] >= 0], [0, 2, 4, 5, 6, 7, 8, 9, 10, 12])
