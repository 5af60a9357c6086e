"""The reference's `.npy` maps: written, found, and read without trust in their contents."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mocrop.pipeline.errors import ClipError, Reason, SettingsError
from mocrop.pipeline.policies.npy_maps import choose_grid, grids_in, map_path, read_map, write_map

CLIP = "Surfing/v_Surfing_g01_c01"
REUSED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)


def read(path: Path, grid: tuple[int, int] = (2, 3)) -> npt.NDArray[np.float32]:
    return read_map(path, clip=CLIP, grid=grid)


def saved(path: Path, values: object, **options: bool) -> Path:
    np.save(path, np.asarray(values), **options)
    return path


@given(
    density=arrays.arrays(
        np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.floats(0, 9, width=32)
    )
)
@REUSED
def test_what_is_written_is_what_is_read(tmp_path: Path, density: npt.NDArray[np.float32]) -> None:
    grid = (density.shape[0], density.shape[1])
    path = map_path(tmp_path, CLIP, grid=grid)
    write_map(path, density)
    again = read(path, grid)
    assert again.dtype == np.float32
    assert np.array_equal(again, density)


def test_a_written_map_is_an_ordinary_npy_file_under_the_reference_s_name(tmp_path: Path) -> None:
    path = map_path(tmp_path, CLIP, grid=(6, 8))
    write_map(path, np.ones((6, 8), np.float32))
    assert path == tmp_path / "Surfing/v_Surfing_g01_c01/motion_vectors_denoised_all_mc_6_8.npy"
    assert np.load(path).sum() == 48
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<f2", "<i8", ">u2", "u1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_maps_of_any_number_type_and_order_are_read(tmp_path: Path, dtype: str, order: str) -> None:
    values = np.array([[0, 1, 2], [3, 4, 5]], dtype=dtype, order="C" if order == "C" else "F")
    assert read(saved(tmp_path / "map.npy", values)).tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("values", "fact"),
    [
        (np.zeros(6), r"shape \(6,\), not \(2, 3\)"),
        (np.zeros((3, 2)), r"shape \(3, 2\), not \(2, 3\)"),
        (np.zeros((1, 2, 3)), r"shape \(1, 2, 3\)"),
        (np.float64(4), r"shape \(\)"),
        (np.zeros((0, 3)), "density map"),
        ([[0, 1, np.nan], [0, 0, 0]], "not a number"),
        ([[0, 1, np.inf], [0, 0, 0]], "infinite"),
        ([[0, 1, 1e300], [0, 0, 0]], "too large for float32"),
        ([[0, 1, -0.5], [0, 0, 0]], "negative cells, the least -0.5"),
        ([["a", "b", "c"]] * 2, "<U1 instead of numbers"),
        (np.zeros((2, 3), complex), "complex128 instead of numbers"),
        (np.zeros((2, 3), bool), "bool instead of numbers"),
        (np.zeros((2, 3), "M8[s]"), "instead of numbers"),
        (np.zeros((2, 3), [("a", "f4")]), "instead of numbers"),
    ],
)
def test_an_invalid_map_is_refused_with_clip_fact_and_way_out(tmp_path: Path, values: object, fact: str) -> None:
    path = saved(tmp_path / "map.npy", values)
    with pytest.raises(ClipError, match=fact) as caught:
        read(path)
    assert caught.value.reason is Reason.BAD_MAP
    assert str(caught.value).startswith(f"{CLIP}: ")
    assert str(path) in str(caught.value)
    assert "write it again, or remove it" in str(caught.value)


class Bomb:
    """Leaves a mark if it is ever unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.mark,)


def test_objects_are_refused_and_never_unpickled(tmp_path: Path) -> None:
    mark = tmp_path / "unpickled"
    path = tmp_path / "map.npy"
    np.save(path, np.array([[Bomb(mark)] * 3] * 2, dtype=object), allow_pickle=True)
    with pytest.raises(ClipError, match=r"not a readable \.npy file of numbers"):
        read(path)
    assert not mark.exists()


def test_a_header_that_claims_more_than_the_file_holds_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "map.npy", np.zeros((2, 3)))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ClipError, match=r"not a readable \.npy"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"text", b"\x93NUMPY", b"\x93NUMPY\x09\x00"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "map.npy"
    path.write_bytes(content)
    with pytest.raises(ClipError, match=r"not a readable \.npy"):
        read(path)


@given(place=st.integers(0, 151), byte=st.integers(0, 255))
@REUSED
def test_a_changed_byte_gives_a_valid_map_or_an_error(tmp_path: Path, place: int, byte: int) -> None:
    path = saved(tmp_path / "map.npy", np.ones((2, 3), np.float32))
    content = bytearray(path.read_bytes())
    assert len(content) == 152
    content[place] = byte
    path.write_bytes(content)
    with contextlib.suppress(ClipError):
        density = read(path)
        assert density.shape == (2, 3)
        assert np.isfinite(density).all()
        assert density.min() >= 0


def test_a_missing_file_is_not_a_bad_map(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "map.npy")


def test_a_folder_in_place_of_the_file_is_a_bad_map(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"not a readable \.npy"):
        read(tmp_path)


def folder_of(tmp_path: Path, *grids: tuple[int, int]) -> Path:
    for grid in grids:
        for clip in ("A/a", "B/b"):
            write_map(map_path(tmp_path, clip, grid=grid), np.ones(grid, np.float32))
    return tmp_path


def test_grids_are_counted_by_name_and_other_files_are_not_maps(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, (6, 8), (9, 16))
    for name in ("motion_vectors_denoised_all_mc_6.npy", "motion_vectors_denoised_all_mc_6_8.npy.bak", "b_6_8.npy"):
        (folder / name).touch()
    assert grids_in(folder) == {(6, 8): 2, (9, 16): 2}


def test_maps_are_found_through_links_and_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps/A").symlink_to(folder_of(tmp_path / "elsewhere", (6, 8)) / "A")
    (tmp_path / "maps/A/back").symlink_to(tmp_path / "maps/A")
    (tmp_path / "maps/again").symlink_to(tmp_path / "maps")
    assert grids_in(tmp_path / "maps") == {(6, 8): 1}


def test_the_only_grid_is_chosen_and_another_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, (6, 8))
    assert choose_grid(folder, None) == (6, 8)
    assert choose_grid(folder, (6, 8)) == (6, 8)
    with pytest.raises(SettingsError, match=r"holds no 9x16 maps; --grid can be: 6x8 \(2\)"):
        choose_grid(folder, (9, 16))


def test_of_several_grids_one_must_be_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, (9, 16), (6, 8))
    with pytest.raises(SettingsError, match=r"maps of 2 grids; choose one with --grid: 6x8 \(2\), 9x16 \(2\)"):
        choose_grid(folder, None)
    assert choose_grid(folder, (9, 16)) == (9, 16)


def test_a_folder_without_maps_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"<Class>/<clip>/motion_vectors_denoised_all_mc_6_8\.npy"):
        choose_grid(tmp_path, None)
    with pytest.raises(SettingsError, match="there is no folder"):
        choose_grid(tmp_path / "none", None)
