"""What `mocrop init` does: scan a data set and bring the workspace up to date with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mocrop.pipeline.dataset.clips import Clip, find_clips
from mocrop.pipeline.dataset.issues import Issue
from mocrop.pipeline.dataset.splits import Splits, read_splits
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.workspace.lock import exclusive
from mocrop.pipeline.workspace.manifest import ClipRow, Manifest
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import DatasetSettings, read_settings, write_settings


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
    workspace: Workspace, *, dataset: Path | None = None, splits: Path | None = None, seed: int | None = None
) -> DatasetReport:
    """Find clips, classes and splits and write the workspace.

    Known clips keep their row in every cache; so do clips that are gone, which are marked absent.

    Args:
        dataset: folder of videos; None: as in mocrop.toml.
        splits: split lists; None: as in mocrop.toml if the data set is the same, else splits are made.
        seed: of splits that are made; None: as in mocrop.toml, 0 in a new workspace.
    Raises: DatasetError if there are no clips or the lists cannot be read; SettingsError if no data set is known, the
        workspace is the data set itself, or the path of the data set or the lists is not UTF-8; WorkspaceError if that
        of the workspace is not.
    """
    workspace.require_utf8()
    settings = _settings(workspace, dataset, splits, seed)
    if settings.dataset.resolve() == workspace.root.resolve():
        raise SettingsError(f"{workspace.root} is the data set itself; name another folder for the workspace with -w")
    found = find_clips(settings.dataset)
    lists = read_splits(settings.splits, found.clips, seed=settings.seed)
    rows = _rows(found.clips, lists)
    with exclusive(workspace), Manifest(workspace.manifest_file) as manifest:
        write_settings(workspace, settings)
        manifest.replace_clips(rows, class_names=lists.class_names, split_names=lists.split_names)
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


def _settings(workspace: Workspace, dataset: Path | None, splits: Path | None, seed: int | None) -> DatasetSettings:
    """Complete what is given by what mocrop.toml has. Raises: SettingsError if no data set is known."""
    if workspace.settings_file.is_file():
        known, _ = read_settings(workspace)
        same = dataset is None or dataset.absolute() == known.dataset  # lists of one data set do not fit another
        return DatasetSettings(
            dataset=(dataset or known.dataset).absolute(),
            splits=splits or (known.splits if same else None),
            seed=known.seed if seed is None else seed,
        )
    if dataset is None:
        raise SettingsError(
            f"there is no workspace at {workspace.root} yet; name the data set, e.g. `mocrop init UCF-101/`"
        )
    return DatasetSettings(dataset=dataset.absolute(), splits=splits, seed=seed or 0)
