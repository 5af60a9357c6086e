"""Read or make the splits of a data set: a label for each clip, and its subset in each split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.dataset.clips import Clip
from mocrop.pipeline.dataset.formats.base import Annotations, Source
from mocrop.pipeline.dataset.formats.folders import require_class_folders
from mocrop.pipeline.dataset.formats.numbering import require_one_numbering
from mocrop.pipeline.dataset.formats.registry import AUTO, Recognised, recognised, source_of
from mocrop.pipeline.dataset.group_by import GroupNames, clip_groups, shown_groups
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import Issue, IssueLog
from mocrop.pipeline.dataset.known_sides import KnownSides
from mocrop.pipeline.dataset.labels import (
    NO_CLASS,
    Labels,
    Match,
    folder_labels,
    labels_apart,
    listed_labels,
    note_joined,
)
from mocrop.pipeline.dataset.listed_subsets import TEST, TRAIN, VAL, listed_subsets
from mocrop.pipeline.dataset.made_subsets import made_subsets
from mocrop.pipeline.dataset.matching import cut_into_segments, match_clips, without_loose
from mocrop.pipeline.dataset.names import note_alike
from mocrop.pipeline.dataset.walk import VideoFile
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.names import printable


@dataclass(frozen=True, kw_only=True, eq=False)
class Splits:
    """Classes and splits of a data set."""

    clips: tuple[Clip, ...]  # the rows: those given, or the segments that are cut out of them
    split_names: tuple[str, ...]
    class_names: tuple[str, ...]  # may hold classes without a clip on disk
    label: npt.NDArray[np.int32]  # (clips,), index into class_names; -1 = no known class, then in no split
    subset: npt.NDArray[np.uint8]  # (clips, splits): 0 in no list, 1 train, 2 test, 3 validation
    issues: tuple[Issue, ...]
    in_full: Sequence[tuple[IssueCode, str, str]]  # see IssueLog
    several: tuple[tuple[int, ...], ...] = ()  # (clips,) all labels of each; empty: one label a clip
    listed: int = 0  # different clips or segments in the lists; 0: the folders say
    unlisted: int = 0  # clips that no list names
    form: Recognised | None = None  # None: the clips are not labelled
    groups: GroupNames | None = None  # (clips,) as --group-by names them; None: by the clips' file names
    kept_together: tuple[str, ...] | None = None  # (clips,) by what a split was made; None: it is from lists


def read_splits(
    path: Path | None,
    clips: Sequence[Clip],
    *,
    dataset: Path = Path(),
    seed: int = 0,
    known: KnownSides | None = None,
    group_by: str | None = None,
    form: str = AUTO,
    unlabelled: bool = False,
    several: bool = False,
    label_separator: str = "",
) -> Splits:
    """Read the labels and subsets of clips from annotations or folders; make splits where nothing names subsets.

    Args:
        path: file or folder of annotations; None: the folders say.
        clips: the videos on disk.
        dataset: their folder, for messages.
        seed, known: for making splits, see :func:`generated_subsets`; ignored with lists.
        group_by: see :func:`clip_groups`.
        form: name of the form, or "auto".
        unlabelled: the clips have no labels; nothing is read.
        several: a clip may have several labels; rows for the same clip add up.
        label_separator: between several labels in one cell; "": a row has one.
    Raises: DatasetError if the form is not known, its files cannot be read, they name none of the clips, or no labels
        where there should be several;
        SettingsError for ``group_by`` or ``form``.
    """
    log = IssueLog()
    if unlabelled:
        return _unlabelled(clips)
    videos = [VideoFile(clip.path, clip.size_bytes, clip.mtime_ns) for clip in clips]
    source = source_of(dataset, videos, path, group_by=group_by, label_separator=label_separator)
    found = recognised(source, form)
    lists = _read(found, source, log, several=several)
    matches: Sequence[Match] = match_clips(lists.listed, clips, log)
    _require_matches(lists, matches, clips, path, log)
    _require_labels(lists, source, several=several)
    if path is not None:
        clips, matches = without_loose(clips, matches, log)
    clips, matches = cut_into_segments(clips, matches, log)
    groups = clip_groups(group_by, clips, log, lists=lists, matches=matches, source=path, several=several)
    labels = _labels(lists, matches, clips, log, path=path, several=several)
    if lists.has_subsets:
        together, names = None, lists.split_names
        subset = listed_subsets(lists, matches, labels, clips, log)
    else:
        by_folder = not any(entry.labels for entry in lists.listed)
        subset, together = made_subsets(clips, labels, groups, log, seed=seed, known=known, by_folder=by_folder)
        names = tuple(str(split) for split in range(1, subset.shape[1] + 1))
    _check_splits(subset, names, shown_groups(clips, labels) if groups is None else groups, log)
    return Splits(
        clips=tuple(clips),
        split_names=names,
        class_names=labels.class_names,
        label=labels.label,
        several=labels.several,
        listed=len({(entry.path, entry.span) for entry in lists.listed}) if path else 0,
        unlisted=len(clips) - len({match.position for match in matches} - {None}) if path else 0,
        subset=subset,
        issues=log.issues,
        in_full=log.in_full,
        groups=groups,
        kept_together=together,
        form=found,
    )


def _read(found: Recognised, source: Source, log: IssueLog, *, several: bool) -> Annotations:
    """The rows of a source, with several labels of a cell taken apart, or noted where that is not asked for."""
    lists = found.format.read(source, log)
    if source.label_separator:
        return labels_apart(lists, source.label_separator, log)
    if lists.class_names is None and not several:
        note_joined(lists.listed, log)
    return lists


def _labels(
    lists: Annotations,
    matches: Sequence[Match],
    clips: Sequence[Clip],
    log: IssueLog,
    *,
    path: Path | None,
    several: bool,
) -> Labels:
    """The labels of clips, by lists or folders. Raises: DatasetError if there is no class at all."""
    by_lists = any(entry.labels for entry in lists.listed) or (lists.has_subsets and bool(lists.listed))
    labels = listed_labels(lists, matches, clips, log, several=several) if by_lists else folder_labels(clips)
    if not labels.class_names:
        raise DatasetError(f"{path} gives no labels, and no listed clip is in a class folder; add a label to each row")
    note_alike(labels.class_names, log)
    return labels


def _require_matches(
    lists: Annotations, matches: Sequence[Match], clips: Sequence[Clip], path: Path | None, log: IssueLog
) -> None:
    """Raises: DatasetError if lists name none of the clips."""
    if not lists.listed or any(match.position is not None for match in matches):
        return
    ambiguous = any(code is IssueCode.AMBIGUOUS for code, _, _ in log.in_full)
    raise DatasetError(
        f"{path}: none of the listed clips is on disk{', or several files fit them' if ambiguous else ''}; listed is,"
        f" for example, {printable(lists.listed[0].path)}, and on disk {printable(clips[0].path)}"
        f"{'; give their folders as well' if ambiguous else ''}"
    )


def _require_labels(lists: Annotations, source: Source, *, several: bool) -> None:
    """Raises: DatasetError if nothing says plainly what the classes are, or not that a clip may have several."""
    path, labelled = source.annotations, any(entry.labels for entry in lists.listed)
    if several and not labelled:
        seen = "folders give a clip one" if path is None else f"no row of {path} has any"
        raise DatasetError(f"--multi-label needs labels in lists, and {seen}; pass a CSV of path and label as --splits")
    if path is not None and lists.class_names is None and not labelled:
        require_class_folders(source)
    require_one_numbering(lists)


def _unlabelled(clips: Sequence[Clip]) -> Splits:
    """Clips of no class and in no split."""
    return Splits(
        clips=tuple(clips),
        split_names=(),
        class_names=(),
        label=np.full(len(clips), NO_CLASS, np.int32),
        subset=np.zeros((len(clips), 0), np.uint8),
        issues=(),
        in_full=(),
    )


def _check_splits(
    subset: npt.NDArray[np.uint8],
    split_names: Sequence[str],
    groups: GroupNames,
    log: IssueLog,
) -> None:
    """Note groups that are in both train and test of a split, and splits without one of the two."""
    for split, column in zip(split_names, subset.T, strict=True):
        sides = list(zip(groups, column.tolist(), strict=True))
        train, test, val = (
            {name for name, code in sides if code == side and name is not None} for side in (TRAIN, TEST, VAL)
        )
        for name in sorted(train & test):
            log.note(IssueCode.GROUP_ON_BOTH_SIDES, f"{name} of split {split}")
        for name in sorted(train & val):
            log.note(IssueCode.GROUP_IN_VALIDATION, f"{name} of split {split}")
        if not np.any(column == TRAIN):
            log.note(IssueCode.NO_TRAIN_CLIPS, split)
        if not np.any(column == TEST):
            log.note(IssueCode.NO_TEST_CLIPS, split)
