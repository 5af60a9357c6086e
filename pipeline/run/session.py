"""A session: a workspace that this process has locked, to run stages over it or to plan them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property

from rich.console import Console

from mocrop.pipeline.dataset.look import DatasetChanges, look_at
from mocrop.pipeline.dataset.report import DatasetReport
from mocrop.pipeline.errors import DatasetError, Reason, SettingsError, WorkspaceError
from mocrop.pipeline.limits import MAX_WORKERS, require_number, require_whole
from mocrop.pipeline.outcome import ClipTask, Outcome
from mocrop.pipeline.run.executors import Executor, open_executor
from mocrop.pipeline.run.plan import Decision, PlanCounts, StagePlan, plan_decisions, plan_stage
from mocrop.pipeline.run.progress import stage_progress
from mocrop.pipeline.run.runner import StageSummary, run_units
from mocrop.pipeline.run.tls import NO_FILES, TlsFiles, require_fitting
from mocrop.pipeline.stages.contract import Stage, WorkUnit
from mocrop.pipeline.stages.registry import Stages
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.lock import exclusive
from mocrop.pipeline.workspace.manifest import Manifest, StageRow
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import read_settings


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How stages run, the same for every stage."""

    workers: int | None = None  # processes of a local cluster; 0: a plain loop; None: one per core
    scheduler: str | None = None  # address of an existing Dask scheduler; replaces ``workers``
    tls: TlsFiles = NO_FILES  # for a scheduler at an address that begins with tls://
    clip_seconds: float = 600.0  # time limit per clip; 0: none
    console: Console = field(default_factory=lambda: LineConsole(stderr=True))  # for progress
    on_dataset: Callable[[DatasetReport], None] | None = None  # called when the data set was scanned, before stages run
    on_changes: Callable[[DatasetChanges], None] | None = None  # called when it was looked at again, before stages run

    def __post_init__(self) -> None:
        if self.workers is not None:
            require_whole("workers", self.workers, most=MAX_WORKERS)
        require_number("clip_seconds (--clip-timeout)", self.clip_seconds, least=0, most=10**7)
        require_fitting(self.scheduler, self.tls)


@dataclass(frozen=True, kw_only=True)
class FilesRead:
    """Which files the clips of source auto are read from, in clips; those that failed have none."""

    as_they_are: int  # the data set's own
    transcoded: int


@dataclass(frozen=True, kw_only=True)
class StageReport:
    """What one command did in one stage."""

    stage: str
    plan: PlanCounts
    summary: StageSummary
    failed: dict[Reason, int]  # clips by first reason, those of earlier runs too
    files: FilesRead | None = None  # of all clips that are done; None: the stage does not choose them


@dataclass(frozen=True)
class Session:
    """An open workspace; made by :func:`open_session`."""

    workspace: Workspace
    manifest: Manifest
    options: RunOptions
    resources: ExitStack  # closed with the session; holds the executor
    scanned: bool = False  # the data set has just been scanned, so that there is no need to look at it again
    looks: list[DatasetChanges] = field(default_factory=list)  # at the data set; at most one a session

    @property
    def stages(self) -> Stages:
        """The stages with the settings that mocrop.toml has at this moment."""
        return Stages(self.workspace, read_settings(self.workspace)[1])

    @cached_property
    def _executor(self) -> Executor:
        """The executor, started when a stage first has units to run and kept for the stages after it."""
        options = self.options
        workers = (os.cpu_count() or 1) if options.workers is None else options.workers
        opened = open_executor(
            workers,
            options.scheduler,
            tls=options.tls,
            clip_seconds=options.clip_seconds,
            say=options.console.print,
        )
        return self.resources.enter_context(opened)

    def rows(self, stage: Stage) -> Iterator[StageRow]:
        """Every clip with its outcomes of ``stage`` and of the stage before."""
        upstream = (stage.upstream.name, stage.upstream.settings_hash) if stage.upstream else None
        return self.manifest.stage_rows(stage.name, stage.settings_hash, upstream=upstream)

    def decisions(self, stage: Stage) -> Iterator[Decision]:
        """What ``stage`` would do with every clip."""
        return plan_decisions(self.rows(stage), stage)

    @property
    def changes(self) -> DatasetChanges | None:
        """What has changed in the data set; None if no stage has asked to look at it again."""
        return next(iter(self.looks), None)

    def look_again(self, stage: Stage, *, anew: bool = False) -> None:
        """Look at the data set again if ``stage`` reads it, once a session, and write to the manifest what has changed.

        To be called before a stage writes anything.

        Args:
            anew: the stage will run on clips that it has done, as after --overwrite.
        Raises: DatasetError if the data set is not there, and a clip must run for which it is needed.
        """
        if not stage.reads_dataset or self.scanned:
            return
        if not self.looks:
            changes, seen = look_at(read_settings(self.workspace)[0].dataset, self.manifest.files)
            self.manifest.files.update(seen)
            self.looks.append(changes)
            if self.options.on_changes is not None:
                self.options.on_changes(self.looks[0])
        if self.looks[0].unavailable and (anew or any(d.why and d.row.present for d in self.decisions(stage))):
            raise DatasetError(self.looks[0].unavailable)

    def require_upstream(self, stage: Stage) -> None:
        """Refuse a stage that would find nothing to work on, before anything is written.

        Raises: SettingsError if it is to read the own files of clips that are segments; WorkspaceError if there are
            clips, but the stage before has run on none of them.
        """
        if getattr(stage.settings, "source", None) == "original" and self.manifest.files.of_segments():
            raise SettingsError(
                f"{stage.name}: --source original reads whole files, and clips of this data set are segments of longer "
                "videos; pass --source h264, or auto, which transcode them"
            )
        before = stage.upstream
        if before and self.manifest.present_count() and not self.manifest.has_run(before.name, before.settings_hash):
            raise WorkspaceError(f"{stage.name}: {before.name} has not run as {stage.name} needs it; {before.way_out}")

    def plan(self, stage: Stage) -> StagePlan:
        """What :meth:`run` would do."""
        dataset = read_settings(self.workspace)[0].dataset
        return plan_stage(self.rows(stage), stage, dataset=dataset, clip_seconds=self.options.clip_seconds)

    def ask(self, stage: Stage, clips: tuple[ClipTask, ...]) -> list[Outcome] | None:
        """Run a stage on some clips as one unit, and record nothing; None if its process has died over it."""
        self._executor.submit(stage, WorkUnit(index=0, clips=clips), str(self.workspace.root))
        return self._executor.next_finished().outcomes

    def run(self, stage: Stage) -> StageReport:
        """Run ``stage`` on every clip that needs it.

        Raises: WorkspaceError as :meth:`require_upstream` does, DatasetError as :meth:`look_again` does, DiskFullError,
            ClusterError.
        """
        self.look_again(stage)
        self.require_upstream(stage)
        plan = self.plan(stage)
        summary = self._run_units(stage, plan) if plan.units else StageSummary()
        failed = self.manifest.counts(stage.name, stage.settings_hash).failed
        return StageReport(stage=stage.name, plan=plan.counts, summary=summary, failed=failed)

    def _run_units(self, stage: Stage, plan: StagePlan) -> StageSummary:
        executor = self._executor
        if stage.prepare is not None:
            stage.prepare()
        self.manifest.doubt(stage.name, (clip.position for unit in plan.units for clip in unit.clips))
        size_bytes = sum(unit.size_bytes for unit in plan.units)
        with stage_progress(
            self.options.console,
            stage.shown,
            total=plan.counts.to_run,
            size_bytes=size_bytes,
            dashboard=executor.dashboard,
        ) as progress:
            return run_units(
                stage,
                plan.units,
                executor=executor,
                manifest=self.manifest,
                workspace=self.workspace.root,
                progress=progress,
            )


@contextmanager
def open_session(
    workspace: Workspace, options: RunOptions, *, scanned: bool = False, read_only: bool = False
) -> Iterator[Session]:
    """Lock a workspace for this process until the body ends, unless it is only read.

    Args:
        scanned: the data set has just been scanned.
        read_only: the body writes nothing into the workspace, whose disk may be read-only.
    Raises: WorkspaceError if there is no workspace, or another process has locked it.
    """
    workspace.require()
    lock = nullcontext() if read_only else exclusive(workspace)
    with lock, Manifest(workspace.manifest_file, read_only=read_only) as manifest, ExitStack() as resources:
        if not manifest.clip_count():
            raise WorkspaceError(f"{workspace.manifest_file} lists no clips; run `mocrop init` again")
        yield Session(workspace, manifest, options, resources, scanned)
