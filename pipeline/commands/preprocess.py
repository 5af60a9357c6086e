"""The commands of the pipeline as calls: a workspace and options in, reports of what was done out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mocrop.pipeline.commands.status import known_stages
from mocrop.pipeline.dataset.init import DatasetReport, init_workspace
from mocrop.pipeline.run.session import RunOptions, Session, StageReport, open_session
from mocrop.pipeline.stages.cache_settings import prepare_cache, resolve_precrop
from mocrop.pipeline.stages.contract import Stage
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import write_stage_settings

Options = Mapping[str, Any]  # settings of one stage by name; None: as the workspace has it


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one command did."""

    dataset: DatasetReport | None = None  # if the data set was looked through
    stages: tuple[StageReport, ...] = ()

    @property
    def failed(self) -> int:
        """Clips that have failed in any of the stages, each counted once per stage."""
        return sum(sum(stage.failed.values()) for stage in self.stages)


def init(workspace: Workspace, *, dataset: Path, splits: Path | None = None, seed: int | None = None) -> Report:
    """Find clips, classes and splits and write the workspace."""
    return Report(dataset=init_workspace(workspace, dataset=dataset, splits=splits, seed=seed))


def transcode(
    workspace: Workspace,
    run: RunOptions,
    *,
    dataset: Path | None = None,
    splits: Path | None = None,
    options: Options | None = None,
) -> Report:
    """Make the H.264 files; looks through the data set first if one is named or the workspace is new."""
    looked = _look_through(workspace, run, dataset, splits)
    with open_session(workspace, run) as session:
        return Report(dataset=looked, stages=(_transcode(session, options or {}),))


def extract_mv(workspace: Workspace, run: RunOptions, *, options: Options | None = None) -> Report:
    """Extract motion vectors into motion.zarr."""
    with open_session(workspace, run) as session:
        return Report(stages=(_extract(session, options or {}),))


def precrop(workspace: Workspace, run: RunOptions, *, options: Options, overwrite: bool = False) -> Report:
    """Write one crop cache."""
    with open_session(workspace, run) as session:
        return Report(stages=(_precrop(session, options, overwrite),))


def run_all(
    workspace: Workspace,
    run: RunOptions,
    *,
    dataset: Path | None = None,
    splits: Path | None = None,
    extract_options: Options | None = None,
    precrop_options: Options,
    overwrite: bool = False,
) -> Report:
    """Run every stage that the wanted cache needs, in order, resuming what is there."""
    looked = _look_through(workspace, run, dataset, splits)
    with open_session(workspace, run) as session:
        settings = session.stages.extract(extract_options).settings
        reports = [] if settings.source == "original" else [_transcode(session, {})]
        reports.append(_extract(session, extract_options or {}))
        reports.append(_precrop(session, precrop_options, overwrite))
        return Report(dataset=looked, stages=tuple(reports))


def retry(workspace: Workspace, run: RunOptions) -> Report:
    """Run the stages again on the clips that failed, and on those that waited for them."""
    with open_session(workspace, run) as session:
        stages = known_stages(workspace)
        failed = [stage for stage in stages if session.manifest.forget_failures(stage.name)]
        return Report(stages=tuple(session.run(stage) for stage in stages if stage in failed))


def explain(workspace: Workspace, stage_of: str, *, options: Options) -> Iterator[tuple[str, str]]:
    """Say for each clip that a stage would run on, why; nothing is run or written.

    Args:
        stage_of: ``transcode``, ``extract-mv`` or ``precrop``.
        options: settings of that stage, as its command takes them.
    """
    with open_session(workspace, RunOptions()) as session:
        stage = _stage(session, stage_of, options)
        session.require_upstream(stage)
        for decision in session.decisions(stage):
            if decision.why is not None:
                yield decision.row.name, decision.why.value


def _look_through(
    workspace: Workspace, run: RunOptions, dataset: Path | None, splits: Path | None
) -> DatasetReport | None:
    if dataset is None and splits is None and workspace.settings_file.is_file():
        return None
    report = init_workspace(workspace, dataset=dataset, splits=splits)
    if run.on_dataset is not None:
        run.on_dataset(report)
    return report


def _stage(session: Session, name: str, options: Options) -> Stage:
    if name == "precrop":
        return session.stages.precrop(resolve_precrop(session.workspace, session.stages, options))
    return session.stages.transcode(options) if name == "transcode" else session.stages.extract(options)


def _transcode(session: Session, options: Options) -> StageReport:
    stage = session.stages.transcode(options)
    write_stage_settings(session.workspace, stage.name, stage.settings)
    return session.run(stage)


def _extract(session: Session, options: Options) -> StageReport:
    stage = session.stages.extract(options)
    session.require_upstream(stage)
    write_stage_settings(session.workspace, stage.name, stage.settings)
    return session.run(stage)


def _precrop(session: Session, options: Options, overwrite: bool) -> StageReport:
    stage = _stage(session, "precrop", options)
    session.require_upstream(stage)
    prepare_cache(session.workspace, session.manifest, stage, overwrite=overwrite)
    return session.run(stage)  # plans only now: a cache that is made anew has forgotten all outcomes
