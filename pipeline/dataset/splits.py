"""Read or make the splits of a data set: a label for each clip, and its subset in each split."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.dataset.clips import Clip, without_video_suffix
from mocrop.pipeline.dataset.formats.base import Annotations, ListedSubset
from mocrop.pipeline.dataset.formats.registry import AUTO, Recognised, recognised, source_of
from mocrop.pipeline.dataset.generated_splits import class_group, generated_subsets
from mocrop.pipeline.dataset.group_by import GroupNames, group_names
from mocrop.pipeline.dataset.issues import Issue, IssueCode, IssueLog
from mocrop.pipeline.dataset.known_sides import KnownSides
from mocrop.pipeline.dataset.labels import NO_CLASS, Labels, Match, folder_labels, listed_labels
from mocrop.pipeline.dataset.matching import cut_into_segments, match_clips, without_loose
from mocrop.pipeline.dataset.spanning_splits import spanning_subsets
from mocrop.pipeline.dataset.walk import VideoFile
from mocrop.pipeline.errors import DatasetError

UNUSED, TRAIN, TEST, VAL = 0, 1, 2, 3  # the codes of ``subset`` in the crop cache


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
) -> Splits:
    """Read the labels and subsets of clips from annotations or folders; make splits where nothing names subsets.

    A clip listed for train and test of one split is used for test only, so that nothing is tested on what it was
    trained on; one listed for train and validation is used for train only. Where a split lists none of known classes
    for test, its validation clips are the test, and training holds out others.

    Args:
        path: file or folder of annotations; None: the folders say.
        clips: the videos on disk.
        dataset: their folder, for messages.
        seed, known: for making splits, see :func:`generated_subsets`; ignored with lists.
        group_by: see :func:`group_names`; None: a clip's group is that in its file name, or of a segment its video.
        form: name of the form, or "auto".
        unlabelled: the clips have no labels; nothing is read.
    Raises: DatasetError if the form is not known, its files cannot be read or they name none of the clips;
        SettingsError for ``group_by`` or ``form``.
    """
    log = IssueLog()
    if unlabelled:
        return _unlabelled(clips)
    videos = [VideoFile(clip.path, clip.size_bytes, clip.mtime_ns) for clip in clips]
    source = source_of(dataset, videos, path, group_by=group_by)
    found = recognised(source, form)
    lists = found.format.read(source, log)
    matches: Sequence[Match] = match_clips(lists.listed, clips, log)
    if lists.listed and all(match.position is None for match in matches):
        raise DatasetError(
            f"{path}: none of the listed clips is on disk; listed is, for example, {lists.listed[0].path}, "
            f"and on disk {clips[0].path}"
        )
    if path is not None:
        clips, matches = without_loose(clips, matches, log)
    clips, matches = cut_into_segments(clips, matches, log)
    groups = group_names(group_by, clips, log, lists=lists, matches=matches, source=path) if group_by else None
    if groups is None and any(clip.span for clip in clips):
        groups = tuple(class_group(clip.path, clip.group) for clip in clips)
    labelled = any(entry.labels for entry in lists.listed) or (lists.has_subsets and bool(lists.listed))
    labels = listed_labels(lists, matches, clips, log) if labelled else folder_labels(clips)
    if not lists.has_subsets:
        by_folder = not any(entry.labels for entry in lists.listed)
        return _made(clips, labels, groups, log, seed=seed, known=known, form=found, by_folder=by_folder)
    tested = {match.entry.split for match in matches if _is_tested(match, labels)}
    subset = _subsets(lists, tested, _mentions(lists, matches, len(clips), log), clips, log)
    subset[labels.label == NO_CLASS] = UNUSED
    _check_splits(subset, lists.split_names, _shown_groups(clips, labels) if groups is None else groups, log)
    return Splits(
        clips=tuple(clips),
        split_names=lists.split_names,
        class_names=labels.class_names,
        label=labels.label,
        several=labels.several,
        subset=subset,
        issues=log.issues,
        in_full=log.in_full,
        groups=groups,
        form=found,
    )


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


def _made(
    clips: Sequence[Clip],
    labels: Labels,
    groups: GroupNames | None,
    log: IssueLog,
    *,
    seed: int,
    known: KnownSides | None,
    form: Recognised,
    by_folder: bool,
) -> Splits:
    """Make splits of the clips that have a class.

    Args:
        by_folder: the class of a clip is its folder, so that no group spans classes unless ``groups`` do.
    """
    if groups is None and by_folder:
        together = [class_group(clip.path, clip.group) for clip in clips]
        subset = generated_subsets(clips, log, seed=seed, known=known)
    else:
        together = _kept_together(clips, labels, groups, log)
        rows = np.flatnonzero(labels.label != NO_CLASS)
        if not rows.size:
            raise DatasetError("none of the clips has a class, so no split can be made; correct the labels of the list")
        listed = rows.tolist()
        placed = spanning_subsets(
            [clips[row].key for row in listed],
            [together[row] for row in listed],
            [labels.class_names[labels.label[row]] for row in listed],
            log,
            seed=seed,
            known=known,
        )
        subset = np.full((len(clips), placed.shape[1]), UNUSED, dtype=np.uint8)
        subset[rows] = placed
    names = tuple(str(split) for split in range(1, subset.shape[1] + 1))
    for label, name in enumerate(labels.class_names):
        members = labels.label == label
        if members.any() and not np.all(np.any(subset[members] == TRAIN, axis=0)):
            log.note(IssueCode.CLASS_NOT_TRAINED, name)
    _check_splits(subset, names, _shown_groups(clips, labels) if groups is None else groups, log)
    return Splits(
        clips=tuple(clips),
        split_names=names,
        class_names=labels.class_names,
        label=labels.label,
        several=labels.several,
        subset=subset,
        issues=log.issues,
        in_full=log.in_full,
        groups=groups,
        kept_together=tuple(together),
        form=form,
    )


def _kept_together(clips: Sequence[Clip], labels: Labels, groups: GroupNames | None, log: IssueLog) -> list[str]:
    """What each clip is kept together with in splits whose groups may span classes.

    Args:
        log: receives NO_GROUPS where no ``groups`` are given and a file name has none.
    """
    stems = [without_video_suffix(clip.path) for clip in clips]
    if groups is not None:
        return [stem if group is None else f"group {group}" for stem, group in zip(stems, groups, strict=True)]
    for clip in clips:
        if clip.group < 0:
            log.note(IssueCode.NO_GROUPS, clip.path)
    return [shown or stem for stem, shown in zip(stems, _shown_groups(clips, labels), strict=True)]


# subsets that the lists put clips into

_BIT = {ListedSubset.TRAIN: 1, ListedSubset.TEST: 2, ListedSubset.VAL: 4, ListedSubset.NONE: 8}


def _mentions(lists: Annotations, matches: Sequence[Match], clips: int, log: IssueLog) -> npt.NDArray[np.uint8]:
    """Bits of the subsets for which each clip is listed: uint8, shape (clips, splits)."""
    column = {name: i for i, name in enumerate(lists.split_names)}
    bits = np.zeros((clips, len(column)), dtype=np.uint8)
    for match in matches:
        if match.position is None:
            continue
        cell, bit = (match.position, column[match.entry.split]), _BIT[match.entry.subset]
        if bits[cell] & bit:
            log.note(IssueCode.LISTED_TWICE, match.entry.where)
        bits[cell] |= bit
    return bits


def _is_tested(match: Match, labels: Labels) -> bool:
    """Whether an entry is for test and has a class, by its list or folder; the test of a challenge has none."""
    named = bool(match.entry.labels) or not {match.folder, match.parent}.isdisjoint(labels.class_names)
    return match.entry.subset is ListedSubset.TEST and named


def _subsets(
    lists: Annotations, tested: Set[str], bits: npt.NDArray[np.uint8], clips: Sequence[Clip], log: IssueLog
) -> npt.NDArray[np.uint8]:
    """Decide the subset of each clip in each split, test before train before validation: uint8, (clips, splits).

    Args:
        tested: the splits that list clips of known classes for test.
    """
    val_is_test = np.array([name not in tested for name in lists.split_names])
    train, listed = (bits & 1) > 0, (bits & 4) > 0
    test = ((bits & 2) > 0) | (listed & val_is_test)
    val = listed & ~train & ~test
    for code, where in (
        (IssueCode.TRAIN_AND_TEST, train & test),
        (IssueCode.VALIDATION_AS_TEST, listed & val_is_test),
        (IssueCode.TRAIN_AND_VALIDATION, listed & train & ~test),
        (IssueCode.VALIDATION_AND_TEST, listed & test & ~train & ~val_is_test),
        (IssueCode.NOT_LISTED, np.all(bits == 0, axis=1, keepdims=True)),
    ):
        for clip, applies in zip(clips, where.any(axis=1), strict=True):
            if applies:
                log.note(code, clip.path)
    return np.select([test, train, val], [TEST, TRAIN, VAL], UNUSED).astype(np.uint8)


def _check_splits(
    subset: npt.NDArray[np.uint8],
    split_names: Sequence[str],
    groups: GroupNames,
    log: IssueLog,
) -> None:
    """Note groups that are in both train and test of a split, and splits without one of the two."""
    for split, column in zip(split_names, subset.T, strict=True):
        sides = list(zip(groups, column.tolist(), strict=True))
        train, test = ({name for name, code in sides if code == side and name is not None} for side in (TRAIN, TEST))
        for name in sorted(train & test):
            log.note(IssueCode.GROUP_ON_BOTH_SIDES, f"{name} of split {split}")
        if not np.any(column == TRAIN):
            log.note(IssueCode.NO_TRAIN_CLIPS, split)
        if not np.any(column == TEST):
            log.note(IssueCode.NO_TEST_CLIPS, split)


def _shown_groups(clips: Sequence[Clip], labels: Labels) -> GroupNames:
    """The UCF group of each clip, which is of its class; None if it has none."""
    classes = [
        labels.class_names[label] if label != NO_CLASS else clip.class_name
        for clip, label in zip(clips, labels.label, strict=True)
    ]
    return tuple(
        f"{name} g{clip.group:02d}" if clip.group >= 0 else None for clip, name in zip(clips, classes, strict=True)
    )
