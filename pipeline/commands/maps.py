"""The commands `export-npy` and `import-npy`: write the reference's density maps, or check those in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mocrop.pipeline.errors import ClipError, SettingsError, WorkspaceError
from mocrop.pipeline.motion.store import MotionReader
from mocrop.pipeline.policies.base import ClipFacts
from mocrop.pipeline.policies.motion_v1 import MotionSettings
from mocrop.pipeline.policies.npy_maps import Grid, choose_grid, grids_in, map_path, read_map, write_map
from mocrop.pipeline.policies.precomputed import IMPORT_TABLE, ImportedMaps
from mocrop.pipeline.policies.registry import decide
from mocrop.pipeline.run.plan import decision_on
from mocrop.pipeline.run.session import RunOptions, Session, open_session
from mocrop.pipeline.settings import settings_from
from mocrop.pipeline.stages.cache_settings import parse_grid
from mocrop.pipeline.stages.contract import Stage
from mocrop.pipeline.workspace.manifest import StageRow
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import write_stage_settings


@dataclass(kw_only=True)
class ExportReport:
    """What `export-npy` wrote; counts are of clips."""

    folder: Path
    grid: Grid
    written: int = 0
    nothing_moves: int = 0  # no vector is long enough: no map, as the reference has none for a clip it does not crop
    without_motion: int = 0  # motion.zarr has no motion of the clip
    stale: int = 0  # extract-mv has not run on the clip as it is now


@dataclass(frozen=True, kw_only=True)
class BadMap:
    """A map that cannot be used."""

    clip: str
    message: str


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What `import-npy` found for the clips of the workspace."""

    folder: Path
    grid: Grid
    fitting: int
    missing: tuple[str, ...]  # clips without a map: they keep the whole frame
    bad: tuple[BadMap, ...]  # clips that would fail
    unmatched: int  # maps of the grid that belong to no clip of the workspace


def export_settings(options: Mapping[str, Any]) -> MotionSettings:
    """Settings of the maps to write.

    Args:
        options: fields of MotionSettings by name; None: not given. ``grid`` is text such as "6x8".
    Raises: SettingsError naming the option that is invalid.
    """
    grid = options.get("grid")
    options = {**options, "grid": parse_grid(grid) if grid else None}
    table = {"ratio": 1.0}  # no box is made of these maps, and ratio 1 is valid with every grid
    return settings_from(MotionSettings, table, options, where="mocrop export-npy")


def export_maps(
    workspace: Workspace, folder: Path, settings: MotionSettings, *, overwrite: bool = False
) -> ExportReport:
    """Write the density map of policy `motion` for every clip that has motion, under the reference's file names.

    Args:
        overwrite: replace maps of this grid that are in the folder.
    Raises: SettingsError if the folder holds maps of this grid and they may not be overwritten; WorkspaceError if
        there is no motion.zarr.
    """
    report = ExportReport(folder=folder.absolute(), grid=settings.grid)
    if folder.is_dir() and (there := grids_in(folder)[settings.grid]) and not overwrite:
        rows, cols = settings.grid
        raise SettingsError(
            f"{folder} holds {there:,} {rows}x{cols} maps already; "
            "name another folder, or replace them with --overwrite"
        )
    with open_session(workspace, RunOptions(), read_only=True) as session:
        if not workspace.motion.is_dir():
            raise WorkspaceError(f"{workspace.root} has no motion vectors yet; run `mocrop extract-mv` first")
        reader = MotionReader(workspace.motion)
        extract = session.stages.extract()
        for row in session.rows(extract):
            if row.present:
                _export(row, extract, reader, settings, report)
    return report


def _export(
    row: StageRow, extract: Stage, reader: MotionReader, settings: MotionSettings, report: ExportReport
) -> None:
    clip, decision = row.name, decision_on(row, extract)
    path = map_path(report.folder, clip, grid=settings.grid)
    stale = decision.why is not None or decision.waits
    motion = None if stale else reader.read(row.position)
    if motion is not None:
        result = decide("motion", ClipFacts(name=clip, size=(motion.width, motion.height), motion=motion), settings)
        if result.usable:
            write_map(path, result.density)
            report.written += 1
            return
        report.nothing_moves += 1
    elif stale:
        report.stale += 1
    else:
        report.without_motion += 1
    path.unlink(missing_ok=True)  # a map from an earlier export would contradict this one


def import_maps(workspace: Workspace, folder: Path, *, grid: Grid | None = None) -> ImportReport:
    """Check a folder's maps against the clips of a workspace, and remember the folder and its grid in mocrop.toml.

    The maps stay where they are: `precrop --policy maps` reads them there.

    Args:
        grid: rows, cols; None: the only grid that the folder holds.
    Raises: SettingsError if the folder holds several grids and none is chosen, or if none of its maps belongs to a
        clip of the workspace.
    """
    folder = Path(os.path.abspath(folder))
    with open_session(workspace, RunOptions()) as session:
        grid = choose_grid(folder, grid)
        report = _check_maps(_present_clips(session), folder, grid)
        if not (report.fitting or report.bad):
            raise SettingsError(
                f"none of the {len(report.missing):,} clips has a map in {folder}; the first was looked for as "
                f"{map_path(folder, report.missing[0], grid=grid)}"
            )
        write_stage_settings(workspace, IMPORT_TABLE, ImportedMaps(folder=os.fspath(folder), grid=grid))
    return report


def _present_clips(session: Session) -> list[str]:
    return [row.name for row in session.rows(session.stages.extract()) if row.present]


def _check_maps(clips: Iterable[str], folder: Path, grid: Grid) -> ImportReport:
    fitting, missing, bad = 0, list[str](), list[BadMap]()
    for clip in clips:
        try:
            read_map(map_path(folder, clip, grid=grid), clip=clip, grid=grid)
            fitting += 1
        except FileNotFoundError:
            missing.append(clip)
        except ClipError as error:
            bad.append(BadMap(clip=clip, message=str(error)))
    unmatched = grids_in(folder)[grid] - fitting - len(bad)
    return ImportReport(
        folder=folder, grid=grid, fitting=fitting, missing=tuple(missing), bad=tuple(bad), unmatched=unmatched
    )
