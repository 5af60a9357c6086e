"""The commands that prepare a data set, as functions: each takes a workspace and options, and returns a report."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from mocrop.pipeline.choices import Source
from mocrop.pipeline.commands.crop_to_address import crop_to_address, stage_to_address
from mocrop.pipeline.commands.status import known_stages
from mocrop.pipeline.commands.steps import (
    encoding_of,
    extract_from,
    precrop_into,
    run_stage,
    stage_of,
    transcode_all,
)
from mocrop.pipeline.dataset.init import init_workspace
from mocrop.pipeline.dataset.look import DatasetChanges
from mocrop.pipeline.dataset.report import DatasetReport
from mocrop.pipeline.dataset_place import dataset_place
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.run.session import RunOptions, Session, StageReport, open_session
from mocrop.pipeline.stages.cache_settings import CropOptions, resolve_precrop
from mocrop.pipeline.stages.stored_settings import require_same_settings
from mocrop.pipeline.stages.transcode_settings import Entropy
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import write_stage_settings

AnyWorkspace = Workspace | Path | str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one command did."""

    dataset: DatasetReport | None = None  # None: the data set was not scanned
    changes: DatasetChanges | None = None  # None: the data set was not looked at again
    stages: tuple[StageReport, ...] = ()
    faults: tuple[str, ...] = ()  # of exports that could not be tried again: folder, fact and way out

    @property
    def failed(self) -> int:
        """Number of failed clips, counted once per stage that they failed in."""
        return sum(sum(stage.failed.values()) for stage in self.stages)


def init(
    workspace: AnyWorkspace,
    dataset: Path | str,
    *,
    splits: Path | str | None = None,
    form: str | None = None,
    unlabelled: bool | None = None,
    multi_label: bool | None = None,
    label_separator: str | None = None,
    seed: int | None = None,
    group_by: str | None = None,
    replace_dataset: bool = False,
) -> Report:
    """Find clips, classes and splits, and write the workspace.

    Args:
        workspace: a folder, created where missing.
        dataset: folder or address of videos, one folder per class unless lists say otherwise.
        splits: file or folder of split lists; None: those given before, else a split is generated.
        form: of the lists or folders, as `--format` takes it; None: as the workspace has it, else it is recognised.
        unlabelled: take the videos in without labels and splits, for all but training and evaluation; None: as the
            workspace has it, unless lists are given.
        multi_label: a clip may have several labels, and rows for the same clip add up; None: as the workspace has it.
        label_separator: between several labels in one cell, which implies ``multi_label``; None: as the workspace has
            it; "": a cell has one.
        seed: of the generated split; None: as the workspace has it, else 0. Another one than before makes it anew.
        group_by: regular expression on the path of a clip, or column of the CSV, that names the group that it is kept
            together with, in all classes; None: as the workspace has it; "": by the clips' file names.
        replace_dataset: take ``dataset`` even if the workspace has another one, whose clips are given up.
    Raises: DatasetError, SettingsError, WorkspaceError.
    """
    lists = None if splits is None else Path(splits)
    report = init_workspace(
        Workspace.at(workspace),
        dataset=dataset_place(dataset),
        splits=lists,
        form=form,
        unlabelled=unlabelled,
        multi_label=multi_label,
        label_separator=label_separator,
        seed=seed,
        group_by=group_by,
        replace_dataset=replace_dataset,
    )
    return Report(dataset=report)


def transcode(
    workspace: AnyWorkspace,
    dataset: Path | str | None = None,
    *,
    splits: Path | str | None = None,
    group_by: str | None = None,
    crf: int | None = None,
    preset: str | None = None,
    key_interval: int | None = None,
    entropy: Entropy | None = None,
    deinterlace: bool | None = None,
    max_damaged: float | None = None,
    replace_dataset: bool = False,
    run: RunOptions | None = None,
) -> Report:
    """Write the H.264 files; scan the data set first if it, its lists or groups are given, or the workspace is new.

    Otherwise look for files that have changed or are gone.

    Args:
        dataset, splits, group_by, replace_dataset: as for :func:`init`; None: as the workspace has them.
        crf, preset, key_interval, entropy, deinterlace, max_damaged: see TranscodeSettings; None: as the workspace has
            them.
        run: workers, time limit and console.
    Raises: DatasetError, SettingsError, WorkspaceError, ClusterError, DiskFullError.
    """
    options = {
        "crf": crf,
        "preset": preset,
        "key_interval": key_interval,
        "entropy": entropy,
        "deinterlace": deinterlace,
        "max_damaged": max_damaged,
    }
    workspace, run = Workspace.at(workspace), run or RunOptions()
    scanned = _scan_dataset(workspace, run, dataset, splits, group_by, replace_dataset)
    with open_session(workspace, run, scanned=scanned is not None) as session:
        return _report(session, [transcode_all(session, options)], scanned)


def extract_mv(
    workspace: AnyWorkspace,
    *,
    source: Source | None = None,
    key_frames: int | None = None,
    max_damaged: float | None = None,
    run: RunOptions | None = None,
) -> Report:
    """Extract motion vectors into motion.zarr; with source auto, transcode the clips first that need it.

    Args:
        source: which files to read; None: as the workspace has it.
        key_frames: that a clip's own file must have to be read, with source auto; None: as the workspace has it, else
            16.
        max_damaged: largest accepted share of damaged frames in a clip, 0 to 1; None: as the workspace has it.
        run: workers, time limit and console.
    Raises: SettingsError, WorkspaceError, ClusterError, DiskFullError.
    """
    with open_session(Workspace.at(workspace), run or RunOptions()) as session:
        options = {"source": source, "key_frames": key_frames, "max_damaged": max_damaged}
        return _report(session, extract_from(session, stage_of(session, "extract-mv", options)))


def precrop(
    workspace: AnyWorkspace,
    *,
    to: str | None = None,
    scratch: Path | str | None = None,
    overwrite: bool = False,
    run: RunOptions | None = None,
    **options: Unpack[CropOptions],
) -> Report:
    """Write one crop cache.

    Args:
        to: address of the cache, such as ``s3://bucket/motion-192.zarr``: each worker transcodes, extracts and crops
            the clips of one shard at a time on its own disk, and needs no other; None: it is in the workspace.
        scratch: folder on the workers' disks for that; None: where each system keeps temporary files.
        overwrite: replace a cache of that name that has other settings, or whatever is at the address.
        run: workers, time limit and console.
        options: see CropOptions; what is not given, or None, is as in the cache of that name, else the default.
    Raises: CacheError if there is one with other settings; SettingsError, WorkspaceError, ClusterError, DiskFullError;
        AddressError.
    """
    if to is None and scratch is not None:
        raise SettingsError("--scratch is for workers that write to an address; pass --to too, or leave it out")
    with open_session(Workspace.at(workspace), run or RunOptions()) as session:
        if to is not None:
            stage = stage_to_address(session, {**options, "to": to, "scratch": scratch}, overwrite=overwrite)
            return _report(session, (crop_to_address(session, each, overwrite=overwrite) for each in [stage]))
        return _report(session, precrop_into(session, options, overwrite))


def run_all(
    workspace: AnyWorkspace,
    dataset: Path | str | None = None,
    *,
    splits: Path | str | None = None,
    group_by: str | None = None,
    crf: int | None = None,
    key_interval: int | None = None,
    overwrite: bool = False,
    replace_dataset: bool = False,
    run: RunOptions | None = None,
    **options: Unpack[CropOptions],
) -> Report:
    """Run transcode, extract-mv and precrop in order, on the clips that need them.

    Args:
        dataset, splits, group_by, replace_dataset: as for :func:`init`; None: as the workspace has them.
        crf, key_interval: of the files that are transcoded; None: as the workspace has them.
        run: workers, time limit and console.
        overwrite, options: as for :func:`precrop`; ``max_damaged`` is for all three stages. With source "original"
            nothing is transcoded, with "auto" what needs it.
    Raises: what :func:`transcode`, :func:`extract_mv` and :func:`precrop` raise; SettingsError for settings of files
        that are transcoded where none are.
    """
    workspace, run = Workspace.at(workspace), run or RunOptions()
    scanned = _scan_dataset(workspace, run, dataset, splits, group_by, replace_dataset)
    with open_session(workspace, run, scanned=scanned is not None) as session:
        settings = resolve_precrop(session.workspace, session.stages, options)
        if not overwrite:
            require_same_settings(session.workspace, settings)
        damage = {"max_damaged": options.get("max_damaged")}
        encoding = encoding_of({"crf": crf, "key_interval": key_interval}, source=settings.source)
        if encoding and settings.source == "auto":  # the stage that chooses files transcodes as mocrop.toml says
            write_stage_settings(session.workspace, "transcode", session.stages.transcode(encoding).settings)
        transcoded = (transcode_all(session, {**encoding, **damage}),) if settings.source == "h264" else ()
        extracted = extract_from(session, session.stages.extract_for(settings, damage))
        cropped = precrop_into(session, options, overwrite, chosen=True)
        return _report(session, [*transcoded, *extracted, *cropped], scanned)


def retry(workspace: AnyWorkspace, *, run: RunOptions | None = None) -> Report:
    """Run the stages that have failed clips again, on those clips and on those that waited for them.

    Raises: WorkspaceError, ClusterError, DiskFullError.
    """
    workspace = Workspace.at(workspace)
    with open_session(workspace, run or RunOptions()) as session:
        known = known_stages(workspace)
        stages = known.stages
        for stage in stages:
            if any(True for _ in session.manifest.failures(stage.name)):
                session.look_again(stage, anew=True)
        failed = [stage for stage in stages if session.manifest.forget_failures(stage.name)]
        report = _report(session, (run_stage(session, stage) for stage in stages if stage in failed))
        return dataclasses.replace(report, faults=known.faults)


def _report(session: Session, stages: Iterable[StageReport], scanned: DatasetReport | None = None) -> Report:
    done = tuple(stages)  # runs them, if they are still to run; session.changes comes with the first
    return Report(dataset=scanned, changes=session.changes, stages=done)


def _scan_dataset(
    workspace: Workspace,
    run: RunOptions,
    dataset: Path | str | None,
    splits: Path | str | None,
    group_by: str | None,
    replace: bool,
) -> DatasetReport | None:
    if dataset is None and splits is None and group_by is None and workspace.settings_file.is_file():
        return None
    folder = None if dataset is None else dataset_place(dataset)
    lists = None if splits is None else Path(splits)
    report = init_workspace(workspace, dataset=folder, splits=lists, group_by=group_by, replace_dataset=replace)
    if run.on_dataset is not None:
        run.on_dataset(report)
    return report
