"""The policy `maps`: the box search of policy `motion` on density maps that are read from files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mocrop.pipeline.checksums import file_checksum
from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.policies.base import MAX_GRID, AreaSettings, ClipFacts, PolicyResult, whole_frame
from mocrop.pipeline.policies.box_search import find_box, rectangles
from mocrop.pipeline.policies.npy_maps import choose_grid, map_path, read_map

POLICY = "maps"
IMPORT_TABLE = "import-npy"  # of mocrop.toml


@dataclass(frozen=True, kw_only=True)
class MapsSettings(AreaSettings):
    """Settings of policy `maps`; the grid is that of the maps.

    The name of the folder is part of a cache's settings, its content is not: the outcome of each clip keeps the
    checksum of its map, so that a clip whose map has changed is cropped again.
    Raises: CropBoxError if no rectangle of the grid comes within 10 % of the ratio.
    """

    folder: str = ""  # absolute path of the folder that holds a folder of maps per class

    def __post_init__(self) -> None:
        super().__post_init__()
        if not os.path.isabs(self.folder):
            raise ValueError(
                f"policy {POLICY!r} needs the folder of density maps as an absolute path, not {self.folder!r}; "
                "name it with --density-from, or once with `mocrop import-npy DIR`"
            )
        if self.bars != "keep":
            raise ValueError(f"policy {POLICY!r} cannot cut bars: its maps are of whole frames")
        rectangles(self.grid, ratio=self.ratio)


@dataclass(frozen=True, kw_only=True)
class ImportedMaps:
    """The table [import-npy] of mocrop.toml: the maps that are read when --density-from is not given."""

    folder: str  # absolute, or relative to the workspace
    grid: tuple[int, int]  # rows, cols

    def __post_init__(self) -> None:
        if not self.folder or "\0" in self.folder:
            raise ValueError(f"folder must be a path, not {self.folder!r}")
        if not (len(self.grid) == 2 and all(type(side) is int and 1 <= side <= MAX_GRID for side in self.grid)):
            raise ValueError(f"grid must be rows and cols from 1 to {MAX_GRID} such as [6, 8], not {self.grid}")
        object.__setattr__(self, "grid", tuple(self.grid))


def map_checksum(clip: str, settings: MapsSettings) -> int | None:
    """CRC-32C of the file of a clip's map; None if there is none.

    Raises: OSError if it cannot be read.
    """
    try:
        return file_checksum(map_path(Path(settings.folder), clip, grid=settings.grid))
    except FileNotFoundError:
        return None


def map_has_changed(clip: str, kept: int | None, settings: MapsSettings) -> bool:
    """Whether a clip's map is another one than it was cropped by, or has come or gone.

    False where that cannot be told, as while the disk with the maps is not mounted: what was made of them stays.

    Args:
        kept: the checksum that its outcome has; None: it had no map, or an older mocrop has kept no checksum.
    """
    try:
        now = map_checksum(clip, settings)
    except OSError:
        return False
    return now != kept and Path(settings.folder).is_dir()


def map_box(clip: ClipFacts, settings: MapsSettings) -> PolicyResult:
    """Choose the rectangle of whole cells that holds most of the clip's map.

    Raises: ClipError if the map is bad, or its folder cannot be reached.
    """
    folder, (rows, cols) = Path(settings.folder), settings.grid
    try:
        density = read_map(map_path(folder, clip.name, grid=settings.grid), clip=clip.name, grid=settings.grid)
    except FileNotFoundError:
        if not folder.is_dir():  # a worker on another machine, or a disk that is not mounted: the map may exist
            raise ClipError(
                Reason.UNREADABLE,
                f"{clip.name}: the folder of density maps {folder} is not there; make it reachable and run "
                "`mocrop retry`",
            ) from None
        return whole_frame(settings, why=f"{folder} holds no {rows}x{cols} map of it")
    if not density.any():
        return whole_frame(settings, why="its density map is zero everywhere")
    return PolicyResult(box=find_box(density, ratio=settings.ratio), density=density)


def settle_maps(
    given: Mapping[str, Any], known: Mapping[str, Any], *, imported: ImportedMaps | None, root: Path
) -> dict[str, Any]:
    """Complete the settings of the policy: find the folder and the grid of its maps.

    Args:
        given: settings given as options.
        known: settings of an existing cache that is to be brought up to date; empty if there is none.
        imported: the table [import-npy] of mocrop.toml, if there is one.
        root: folder of the workspace.
    Returns: ``given`` with a folder and a grid; unchanged if no folder is given or known.
    Raises: SettingsError if the folder or its maps of the grid are missing, or there are several grids to choose from.
    """
    grids = {known["folder"]: tuple(known["grid"])} if known else {}
    folder = given.get("folder") or known.get("folder")
    if imported is not None:
        imported_folder = os.path.abspath(root / imported.folder)
        folder = folder or imported_folder
        grids.setdefault(imported_folder, imported.grid)
    if folder is None:
        return dict(given)
    grid = choose_grid(Path(folder), given.get("grid") or grids.get(folder))
    return {**given, "folder": folder, "grid": grid}
