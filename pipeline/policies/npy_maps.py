"""The density maps of the reference implementation: find, write, read and check its `.npy` files, one per clip.

A map lies at ``<folder>/<Class>/<clip>/motion_vectors_denoised_all_mc_<rows>_<cols>.npy`` and has shape (rows, cols).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.errors import ClipError, Reason, SettingsError
from mocrop.pipeline.files import real_path
from mocrop.pipeline.policies.box_search import FloatMap

Grid = tuple[int, int]  # rows, cols

_STEM = "motion_vectors_denoised_all_mc"
_NAME = re.compile(rf"{_STEM}_([1-9]\d*)_([1-9]\d*)\.npy")
_WAY_OUT = "write it again, or remove it to keep the whole frame"


def map_path(folder: Path, clip: str, *, grid: Grid) -> Path:
    """Path of the map of a clip.

    >>> map_path(Path("maps"), "Surfing/v_Surfing_g01_c01", grid=(6, 8)).as_posix()
    'maps/Surfing/v_Surfing_g01_c01/motion_vectors_denoised_all_mc_6_8.npy'
    """
    rows, cols = grid
    return folder / clip / f"{_STEM}_{rows}_{cols}.npy"


def write_map(path: Path, density: FloatMap) -> None:
    """Write one map, shape (rows, cols); the file appears under its name only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as stream:
        np.save(stream, density, allow_pickle=False)
    os.replace(partial, path)  # no fsync: it would take most of the time, and maps can be made again


def read_map(path: Path, *, clip: str, grid: Grid) -> npt.NDArray[np.float32]:
    """Read one map. Nothing is unpickled, and no cell is read before shape and type are checked.

    Args:
        clip: its name, for messages.
        grid: rows, cols that the map must have.
    Returns: float32, shape grid: finite and non-negative.
    Raises: FileNotFoundError if there is no such file; ClipError with BAD_MAP if it holds anything else.
    """
    try:
        stored = np.lib.format.open_memmap(path, mode="r")
    except (FileNotFoundError, ClipError):  # ClipError: the clip's time limit has passed
        raise
    except Exception as error:  # a malformed header fails in more ways than NumPy documents
        raise _bad(clip, path, f"is not a readable .npy file of numbers ({error})") from error
    if stored.shape != grid:
        raise _bad(clip, path, f"has shape {stored.shape}, not {grid}")
    if stored.dtype.kind not in "iuf":
        raise _bad(clip, path, f"holds {stored.dtype} instead of numbers")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused below
        density = np.array(stored, dtype=np.float32)
    if not np.isfinite(density).all():
        raise _bad(clip, path, "has cells that are infinite, too large for float32 or not a number")
    if density.min() < 0:
        raise _bad(clip, path, f"has negative cells, the least {density.min():g}")
    return density


def _bad(clip: str, path: Path, fact: str) -> ClipError:
    return ClipError(Reason.BAD_MAP, f"{clip}: its density map {path} {fact}; {_WAY_OUT}")


def grids_in(folder: Path) -> Counter[Grid]:
    """Count the maps below a folder by the grid in their names; links are followed, but not in circles.

    Raises: SettingsError if there is no such folder; OSError if one in it cannot be read.
    """
    if not folder.is_dir():
        raise SettingsError(f"there is no folder {folder} to read density maps from")
    grids = Counter[Grid]()
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        folders[:] = [name for name in folders if not _leads_back(Path(parent, name))]
        grids.update((int(name[1]), int(name[2])) for name in map(_NAME.fullmatch, files) if name)
    return grids


def _refuse(error: OSError) -> None:
    """Let a folder that cannot be read be an error: its maps would be missed."""
    raise error


def _leads_back(folder: Path) -> bool:
    """Whether a folder is a link to a folder above it."""
    return folder.is_symlink() and real_path(folder.parent).is_relative_to(real_path(folder))


def choose_grid(folder: Path, grid: Grid | None) -> Grid:
    """The grid of the maps to read: the one asked for, or the only one that a folder holds.

    Args:
        grid: rows, cols; None: the only grid in the folder.
    Raises: SettingsError that lists the grids in the folder, if there are several to choose from or not this one.
    """
    there = grids_in(folder)
    if not there:
        example = map_path(Path("<Class>"), "<clip>", grid=(6, 8))
        raise SettingsError(f"{folder} holds no density maps; their paths must be like {folder / example}")
    listed = ", ".join(f"{rows}x{cols} ({count:,})" for (rows, cols), count in sorted(there.items()))
    if grid is None and len(there) > 1:
        raise SettingsError(f"{folder} holds maps of {len(there)} grids; choose one with --grid: {listed}")
    if grid is not None and grid not in there:
        raise SettingsError(f"{folder} holds no {grid[0]}x{grid[1]} maps; --grid can be: {listed}")
    return grid or next(iter(there))
