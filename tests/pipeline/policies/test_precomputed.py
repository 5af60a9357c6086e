"""The policy `maps`: boxes found on maps in a folder, and the folder and grid that options choose."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from mocrop.pipeline.crop_box import WHOLE_FRAME
from mocrop.pipeline.errors import ClipError, CropBoxError, Reason, SettingsError
from mocrop.pipeline.policies.base import ClipFacts, PolicyResult
from mocrop.pipeline.policies.box_search import find_box
from mocrop.pipeline.policies.npy_maps import map_path, write_map
from mocrop.pipeline.policies.precomputed import ImportedMaps, MapsSettings, map_box, settle_maps
from mocrop.pipeline.settings import settings_hash


def right_half(grid: tuple[int, int]) -> npt.NDArray[np.float32]:
    density = np.zeros(grid, np.float32)
    density[:, grid[1] // 2 :] = 1
    return density


def with_maps(folder: Path, *grids: tuple[int, int]) -> str:
    for grid in grids:
        write_map(map_path(folder, "A/a", grid=grid), right_half(grid))
    return os.fspath(folder)


def decided(folder: str, *, clip: str = "A/a", grid: tuple[int, int] = (6, 8)) -> PolicyResult:
    return map_box(ClipFacts(name=clip, size=(320, 240)), MapsSettings(folder=folder, grid=grid, ratio=0.5))


@pytest.mark.parametrize("grid", [(6, 8), (9, 16), (4, 2)])
def test_the_box_is_where_the_map_is_dense_in_any_grid(tmp_path: Path, grid: tuple[int, int]) -> None:
    result = decided(with_maps(tmp_path, grid), grid=grid)
    assert result.usable
    assert result.box == find_box(right_half(grid), ratio=0.5)
    assert result.box.right == 1
    assert np.array_equal(result.density, right_half(grid))


def test_a_clip_without_a_map_keeps_the_whole_frame_and_says_why(tmp_path: Path) -> None:
    result = decided(with_maps(tmp_path, (6, 8)), clip="A/other")
    assert (result.box, result.usable, result.density.any()) == (WHOLE_FRAME, False, False)
    assert result.why == f"{tmp_path} holds no 6x8 map of it"


def test_a_map_of_zeros_keeps_the_whole_frame_and_says_why(tmp_path: Path) -> None:
    write_map(map_path(tmp_path, "A/a", grid=(6, 8)), np.zeros((6, 8), np.float32))
    result = decided(os.fspath(tmp_path))
    assert (result.box, result.usable) == (WHOLE_FRAME, False)
    assert "zero everywhere" in result.why


def test_a_folder_that_is_gone_is_not_a_clip_without_a_map(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="is not there") as caught:
        decided(os.fspath(tmp_path / "unmounted"))
    assert caught.value.reason is Reason.UNREADABLE


def test_settings_differ_by_folder_and_grid() -> None:
    hashes = {
        settings_hash(MapsSettings(folder=folder, grid=grid), "precrop")
        for folder in ("/a", "/b")
        for grid in ((6, 8), (9, 16))
    }
    assert len(hashes) == 4


@pytest.mark.parametrize("folder", ["", "maps"])
def test_a_folder_that_depends_on_the_current_folder_is_refused(folder: str) -> None:
    with pytest.raises(ValueError, match="--density-from"):
        MapsSettings(folder=folder)


def test_a_grid_without_a_box_of_the_ratio_is_refused_when_settings_are_made() -> None:
    with pytest.raises(CropBoxError, match="finer --grid"):
        MapsSettings(folder="/maps", grid=(2, 2), ratio=0.1)


@pytest.mark.parametrize("grid", [[6], [6, 8, 1], [6.0, 8], "68"])
def test_a_remembered_grid_must_be_rows_and_cols(grid: object) -> None:
    with pytest.raises(ValueError, match="rows and cols"):
        ImportedMaps(folder="maps", grid=grid)  # type: ignore[arg-type]


def test_options_win_over_the_cache_and_the_cache_over_what_was_imported(tmp_path: Path) -> None:
    given, known, imported = (with_maps(tmp_path / name, (6, 8)) for name in ("given", "known", "imported"))
    remembered = ImportedMaps(folder=imported, grid=(6, 8))
    cache = {"folder": known, "grid": [6, 8]}
    wanted = {"folder": given}
    assert settle_maps(wanted, cache, imported=remembered, root=tmp_path)["folder"] == given
    assert settle_maps({}, cache, imported=remembered, root=tmp_path)["folder"] == known
    assert settle_maps({}, {}, imported=remembered, root=tmp_path)["folder"] == imported
    assert "folder" not in settle_maps({}, {}, imported=None, root=tmp_path)


def test_a_remembered_folder_is_relative_to_the_workspace(tmp_path: Path) -> None:
    folder = with_maps(tmp_path / "maps", (6, 8))
    settled = settle_maps({}, {}, imported=ImportedMaps(folder="maps", grid=(6, 8)), root=tmp_path)
    assert settled == {"folder": folder, "grid": (6, 8)}


def test_a_remembered_grid_goes_with_its_folder_alone(tmp_path: Path) -> None:
    both = with_maps(tmp_path / "both", (6, 8), (9, 16))
    other = with_maps(tmp_path / "other", (6, 8), (9, 16))
    imported = ImportedMaps(folder=both, grid=(9, 16))
    assert settle_maps({"folder": both}, {}, imported=imported, root=tmp_path)["grid"] == (9, 16)
    assert settle_maps({"grid": (6, 8)}, {}, imported=imported, root=tmp_path)["grid"] == (6, 8)
    with pytest.raises(SettingsError, match="choose one with --grid"):
        settle_maps({"folder": other}, {}, imported=imported, root=tmp_path)
