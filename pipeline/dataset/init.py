"""What `mocrop init` does: scan a data set and bring the workspace up to date with it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from mocrop.pipeline.collector import collector_paused
from mocrop.pipeline.dataset.clips import Clip, FoundClips, find_clips, unreadable
from mocrop.pipeline.dataset.formats.registry import AUTO, lists_inside
from mocrop.pipeline.dataset.given import Given, completed
from mocrop.pipeline.dataset.group_by import numbered
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import Issue, IssueLog
from mocrop.pipeline.dataset.remembered import BY_VIDEO, Remembered, changed_sides, keep, numbers_of, remember
from mocrop.pipeline.dataset.report import DatasetReport, dataset_report, write_left_out
from mocrop.pipeline.dataset.splits import Splits, read_splits
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.files import real_path
from mocrop.pipeline.groups import NO_GROUP
from mocrop.pipeline.platform_calls import folds_names
from mocrop.pipeline.workspace.lock import exclusive
from mocrop.pipeline.workspace.manifest import ClipRow, LabelKind, Manifest
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import DatasetSettings, is_bare, read_settings, write_settings

SAME_SHARE = 0.9  # of the known files must be in a folder for it to be the same data set at another place


@collector_paused()
def init_workspace(
    workspace: Workspace,
    *,
    dataset: Path | None = None,
    splits: Path | None = None,
    seed: int | None = None,
    group_by: str | None = None,
    form: str | None = None,
    unlabelled: bool | None = None,
    multi_label: bool | None = None,
    label_separator: str | None = None,
    replace_dataset: bool = False,
) -> DatasetReport:
    """Find clips, classes and splits and write the workspace.

    Known clips keep their row in every cache, and their place in splits that were made; so do clips that are gone,
    which are marked absent. Only another seed or grouping gives them another place, which is an issue.

    Args:
        dataset: folder of videos; None: as in mocrop.toml.
        splits: split lists; None: as in mocrop.toml if the data set is the same, else splits are made.
        seed: of splits that are made; None: as in mocrop.toml, 0 in a new workspace.
        group_by: see :func:`~mocrop.pipeline.dataset.group_by.group_names`; None: as in mocrop.toml if the data set is
            the same; "": clips are grouped by their file names.
        form: name of a form of annotations or folders, or "auto"; None: as in mocrop.toml if the data set and its
            lists are the same, else "auto".
        unlabelled: take videos in without labels and splits; None: as in mocrop.toml if the data set is the same and
            no lists are given.
        multi_label: a clip may have several labels, and rows for the same clip add up; None: as in mocrop.toml if the
            data set and its lists are the same.
        label_separator: between several labels in one cell, which implies ``multi_label``; None: as in mocrop.toml if
            the data set and its lists are the same, unless ``multi_label`` is False; "": a cell has one.
        replace_dataset: take ``dataset`` even if the workspace has another one.
    Raises: DatasetError if there are no clips or the lists cannot be read; SettingsError if no data set is known, the
        workspace is the data set itself or has another data set that may not be replaced, or the path of the data set
        or the lists is not UTF-8, or ``group_by`` gives no groups; WorkspaceError if that of the workspace is not.
    """
    given = Given(
        splits=splits,
        seed=seed,
        group_by=group_by,
        form=form,
        unlabelled=unlabelled,
        multi_label=multi_label,
        label_separator=label_separator,
    )
    workspace.require_utf8()
    is_new = not workspace.settings_file.is_file() or is_bare(workspace)
    known = None if is_new else read_settings(workspace)[0]
    folder = _folder(workspace, known, dataset)
    lists_given = splits or (known.splits if known else None)
    found = find_clips(
        folder,
        lists=lists_given,
        loose=lists_given is not None or given.takes_unlabelled(known),
        folds_names=lambda: _folds_names(workspace),
    )
    same = known is not None and _is_the_same(workspace, known.dataset, folder, found)
    if known is not None and not (same or replace_dataset):
        raise SettingsError(_another(workspace, known.dataset, folder))
    settings = completed(folder, known, given, same=same)
    with contextlib.ExitStack() as stack:
        if known is not None:  # another init may be adding clips, whose sides must not be given again
            stack.enter_context(exclusive(workspace))
        then, numbers = _before(workspace, settings, known, found, same=same)
        lists = _splits(settings, found, then)
        numbers = numbered(lists.groups or (), numbers)
        rows = _rows(lists.clips, lists, numbers)
        if known is None:  # nothing is written where the lists cannot be read
            stack.enter_context(exclusive(workspace))
        manifest = stack.enter_context(Manifest(workspace.manifest_file))
        write_settings(workspace, settings)
        keep(manifest, settings, lists.clips, lists, then)
        if lists.groups is not None:
            manifest.split_memory.remember_numbers(settings.group_by or BY_VIDEO, numbers)
        manifest.replace_clips(
            rows,
            class_names=lists.class_names,
            split_names=lists.split_names,
            split_seed=None if lists.kept_together is None else settings.seed,
            label_kind=_label_kind(settings),
        )
        absent = manifest.clip_count() - manifest.present_count()
        left_out = write_left_out(workspace, lists)
    issues = (
        *found.issues,
        *(_lists_not_read(folder) if settings.splits is None and not settings.unlabelled else ()),
        *unreadable(folder, found.clips),
        *lists.issues,
        *changed_sides(rows, lists, settings, then),
    )
    return dataset_report(workspace, settings.dataset, lists, rows, issues, absent=absent, left_out=left_out)


def _label_kind(settings: DatasetSettings) -> LabelKind:
    if settings.unlabelled:
        return "none"
    return "several" if settings.several_labels else "one"


def _folder(workspace: Workspace, known: DatasetSettings | None, dataset: Path | None) -> Path:
    """The folder to scan. Raises: SettingsError if none is known, or if it is the workspace."""
    if dataset is None and known is None:
        raise SettingsError(
            f"there is no workspace at {workspace.root} yet; name the data set, e.g. `mocrop init UCF-101/`"
        )
    folder = (dataset or cast("DatasetSettings", known).dataset).absolute()
    if real_path(folder) == real_path(workspace.root):
        raise SettingsError(f"{workspace.root} is the data set itself; name another folder for the workspace with -w")
    return folder


def _splits(settings: DatasetSettings, found: FoundClips, then: Remembered) -> Splits:
    """Read or make the splits of the clips that are there."""
    return read_splits(
        settings.splits,
        found.clips,
        dataset=settings.dataset,
        seed=settings.seed,
        known=then.known,
        group_by=settings.group_by,
        form=settings.form or AUTO,
        unlabelled=settings.unlabelled,
        several=settings.several_labels,
        label_separator=settings.label_separator,
    )


def _lists_not_read(folder: Path) -> tuple[Issue, ...]:
    """An issue if lists lie in a data set whose folders are taken for the classes."""
    log = IssueLog()
    if form := lists_inside(folder):
        log.note(IssueCode.LISTS_NOT_READ, form)
    return log.issues


def _is_the_same(workspace: Workspace, known: Path, folder: Path, found: FoundClips) -> bool:
    """Whether a folder holds the data set of a workspace: by its path, by a link to it, or by what is in it.

    By what is in it, as after a move, if nine of ten known files are there with the same path and size.
    """
    with contextlib.suppress(OSError):  # where one of them cannot be reached
        if folder == known or os.path.samefile(folder, known):
            return True
    size_of = {clip.path: clip.size_bytes for clip in found.clips}
    before = matching = 0
    with Manifest(workspace.manifest_file) as manifest:
        for name in manifest.files.folders():
            present = (
                next((clip for clip in clips if clip.present), None)
                for clips in manifest.files.of_folder(name).values()
            )
            files = [file for file in present if file is not None]
            before += len(files)
            matching += sum(size_of.get(file.path) == file.size_bytes for file in files)
    return bool(before) and matching >= SAME_SHARE * before


def _another(workspace: Workspace, known: Path, folder: Path) -> str:
    return (
        f"the workspace {workspace.root} is that of {known}, and {folder} is another data set; name another workspace "
        "with -w, or give up the clips of this one with --replace-dataset"
    )


def _folds_names(workspace: Workspace) -> bool:
    """Whether the disk of a workspace that need not be there yet takes names for one that differ in case."""
    return folds_names(next(folder for folder in (workspace.root, *workspace.root.parents) if folder.is_dir()))


def _before(
    workspace: Workspace, settings: DatasetSettings, known: DatasetSettings | None, found: FoundClips, *, same: bool
) -> tuple[Remembered, Mapping[str, int]]:
    """What the workspace remembers of its splits, and the numbers of its groups; nothing if it is new."""
    if known is None:
        return Remembered(), {}
    with Manifest(workspace.manifest_file) as manifest:
        then = remember(manifest, settings, found.clips, same=same, lists_before=known.splits is not None)
        return then, numbers_of(manifest, settings)


def _rows(clips: Sequence[Clip], splits: Splits, numbers: Mapping[str, int]) -> list[ClipRow]:
    several = splits.several or ((),) * len(clips)
    groups = [clip.group for clip in clips]
    if splits.groups is not None:
        groups = [NO_GROUP if name is None else numbers[name] for name in splits.groups]
    return [
        ClipRow(
            name=clip.name,
            path=clip.path,
            label=int(label),
            group=group,
            subset=tuple(int(code) for code in subset),
            size_bytes=clip.size_bytes,
            mtime_ns=clip.mtime_ns,
            span=clip.span,
            labels=labels,
        )
        for clip, group, label, subset, labels in zip(clips, groups, splits.label, splits.subset, several, strict=True)
    ]
