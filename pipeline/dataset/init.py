"""What `mocrop init` does: scan a data set and bring the workspace up to date with it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from mocrop.pipeline.dataset.clips import Clip, FoundClips, find_clips
from mocrop.pipeline.dataset.generated_splits import Known, known_groups
from mocrop.pipeline.dataset.issues import Issue
from mocrop.pipeline.dataset.splits import Splits, read_splits
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.platform_calls import folds_names
from mocrop.pipeline.workspace.lock import exclusive
from mocrop.pipeline.workspace.manifest import ClipRow, Manifest
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import DatasetSettings, read_settings, write_settings

SAME_SHARE = 0.9  # of the known files must be in a folder for it to be the same data set at another place


@dataclass(frozen=True, kw_only=True)
class DatasetReport:
    """What a scan of a data set found."""

    workspace: Path
    dataset: Path
    clips: int
    classes: int  # with clips
    listed_classes: int
    absent: int  # clips that an earlier scan found and this one did not
    splits: dict[str, tuple[int, int]]  # name -> clips to train on, clips to test on
    issues: tuple[Issue, ...]


def init_workspace(
    workspace: Workspace,
    *,
    dataset: Path | None = None,
    splits: Path | None = None,
    seed: int | None = None,
    replace_dataset: bool = False,
) -> DatasetReport:
    """Find clips, classes and splits and write the workspace.

    Known clips keep their row in every cache, and their place in splits that were made; so do clips that are gone,
    which are marked absent.

    Args:
        dataset: folder of videos; None: as in mocrop.toml.
        splits: split lists; None: as in mocrop.toml if the data set is the same, else splits are made.
        seed: of splits that are made; None: as in mocrop.toml, 0 in a new workspace.
        replace_dataset: take ``dataset`` even if the workspace has another one.
    Raises: DatasetError if there are no clips or the lists cannot be read; SettingsError if no data set is known, the
        workspace is the data set itself or has another data set that may not be replaced, or the path of the data set
        or the lists is not UTF-8; WorkspaceError if that of the workspace is not.
    """
    workspace.require_utf8()
    known = read_settings(workspace)[0] if workspace.settings_file.is_file() else None
    folder = _folder(workspace, known, dataset)
    lists_given = splits or (known.splits if known else None)
    found = find_clips(folder, lists=lists_given, folds_names=lambda: _folds_names(workspace))
    same = known is not None and _is_the_same(workspace, known.dataset, folder, found)
    if known is not None and not (same or replace_dataset):
        raise SettingsError(_another(workspace, known.dataset, folder))
    settings = _settings(folder, known, splits, seed, same=same)
    lists = read_splits(settings.splits, found.clips, seed=settings.seed, known=_known(workspace, settings, same=same))
    rows = _rows(found.clips, lists)
    with exclusive(workspace), Manifest(workspace.manifest_file) as manifest:
        write_settings(workspace, settings)
        seed_used = None if settings.splits else settings.seed
        manifest.replace_clips(rows, class_names=lists.class_names, split_names=lists.split_names, split_seed=seed_used)
        absent = manifest.clip_count() - manifest.present_count()
    subsets = {name: [row.subset[n] for row in rows] for n, name in enumerate(lists.split_names)}
    return DatasetReport(
        workspace=workspace.root,
        dataset=settings.dataset,
        clips=len(rows),
        classes=len({row.label for row in rows if row.label >= 0}),
        listed_classes=len(lists.class_names),
        absent=absent,
        splits={name: (codes.count(1), codes.count(2)) for name, codes in subsets.items()},
        issues=(*found.issues, *lists.issues),
    )


def _folder(workspace: Workspace, known: DatasetSettings | None, dataset: Path | None) -> Path:
    """The folder to scan. Raises: SettingsError if none is known, or if it is the workspace."""
    if dataset is None and known is None:
        raise SettingsError(
            f"there is no workspace at {workspace.root} yet; name the data set, e.g. `mocrop init UCF-101/`"
        )
    folder = (dataset or cast("DatasetSettings", known).dataset).absolute()
    if folder.resolve() == workspace.root.resolve():
        raise SettingsError(f"{workspace.root} is the data set itself; name another folder for the workspace with -w")
    return folder


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
        for name in manifest.files.class_names():
            files = [file for file in manifest.files.of_class(name).values() if file.present]
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


def _known(workspace: Workspace, settings: DatasetSettings, *, same: bool) -> Known | None:
    """Where groups are in the splits that the workspace has, if those were made and with the same seed."""
    if settings.splits is not None or not same:
        return None
    with Manifest(workspace.manifest_file) as manifest:
        return known_groups(manifest.subsets()) if manifest.split_seed() == settings.seed else None


def _rows(clips: Sequence[Clip], splits: Splits) -> list[ClipRow]:
    return [
        ClipRow(
            name=clip.name,
            path=clip.path,
            label=int(label),
            group=clip.group,
            subset=tuple(int(code) for code in subset),
            size_bytes=clip.size_bytes,
            mtime_ns=clip.mtime_ns,
        )
        for clip, label, subset in zip(clips, splits.label, splits.subset, strict=True)
    ]


def _settings(
    folder: Path, known: DatasetSettings | None, splits: Path | None, seed: int | None, *, same: bool
) -> DatasetSettings:
    """Complete what is given by what mocrop.toml has."""
    if known is None:
        return DatasetSettings(dataset=folder, splits=splits, seed=seed or 0)
    return DatasetSettings(
        dataset=folder,
        splits=splits or (known.splits if same else None),  # lists of one data set do not fit another
        seed=known.seed if seed is None else seed,
    )
