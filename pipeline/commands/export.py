"""The command `export`: the crops of a workspace in a form that other training code reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from mocrop.pipeline.address import require_no_address
from mocrop.pipeline.commands.steps import export_into, export_stage_of
from mocrop.pipeline.dataset.look import DatasetChanges
from mocrop.pipeline.export.base import Export, ExportSettings
from mocrop.pipeline.export.resolve import ExportOptions
from mocrop.pipeline.run.session import RunOptions, StageReport, open_session
from mocrop.pipeline.workspace.paths import Workspace


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What `mocrop export` did."""

    folder: Path
    form: str
    clips: int  # that the folder holds now
    left_out: int  # clips of the data set that it does not hold
    changes: DatasetChanges | None
    stages: tuple[StageReport, ...]

    @property
    def failed(self) -> int:
        """Number of clips that have failed."""
        return sum(sum(stage.failed.values()) for stage in self.stages)


def export_crops(
    workspace: Workspace | Path | str,
    into: Path | str,
    *,
    overwrite: bool = False,
    run: RunOptions | None = None,
    **options: Unpack[ExportOptions],
) -> ExportReport:
    """Export the crops of a workspace into a folder, or go on with an export that is there.

    Args:
        into: the folder.
        overwrite: replace an export that is there with other settings.
        run: workers, time limit and console.
        options: see ExportOptions and CropOptions; without any, an export goes on as it was.
    Raises: SettingsError for an option, or a folder that holds something else; CacheError, WorkspaceError,
        ClusterError, DiskFullError, FileError.
    """
    require_no_address(into, "an export")
    with open_session(Workspace.at(workspace), run or RunOptions()) as session:
        stage = export_stage_of(session, Path(into), options)
        report, made = export_into(session, stage, overwrite=overwrite)
        return _report(stage.settings, made, session.changes, [report])


def _report(
    settings: ExportSettings, made: Export, changes: DatasetChanges | None, stages: Iterable[StageReport]
) -> ExportReport:
    return ExportReport(
        folder=Path(settings.folder),
        form=settings.form,
        clips=made.counts["done"],
        left_out=made.counts["left_out"],
        changes=changes,
        stages=tuple(stages),
    )
