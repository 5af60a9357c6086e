"""Read or make the splits of a data set: a label for each clip, and its subset in each split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.dataset.clips import Clip, without_video_suffix
from mocrop.pipeline.dataset.generated_splits import class_group, generated_subsets
from mocrop.pipeline.dataset.group_by import GroupNames, group_names
from mocrop.pipeline.dataset.issues import Issue, IssueCode, IssueLog
from mocrop.pipeline.dataset.known_sides import KnownSides
from mocrop.pipeline.dataset.labels import NO_CLASS, Labels, Match, folder_labels, listed_labels
from mocrop.pipeline.dataset.matching import match_clips
from mocrop.pipeline.dataset.spanning_splits import spanning_subsets
from mocrop.pipeline.dataset.split_lists import ListedSubset, SplitLists, read_lists
from mocrop.pipeline.errors import DatasetError

UNUSED, TRAIN, TEST = 0, 1, 2  # the codes of ``subset`` in the crop cache


@dataclass(frozen=True, kw_only=True, eq=False)
class Splits:
    """Classes and splits of a data set; rows are the clips as given."""

    split_names: tuple[str, ...]
    class_names: tuple[str, ...]  # may hold classes without a clip on disk
    label: npt.NDArray[np.int32]  # (clips,), index into class_names; -1 = no known class, then in no split
    subset: npt.NDArray[np.uint8]  # (clips, splits): 0 in neither list, 1 train, 2 test
    issues: tuple[Issue, ...]
    groups: GroupNames | None = None  # (clips,) as --group-by names them; None: by the clips' file names
    kept_together: tuple[str, ...] | None = None  # (clips,) by what a split was made; None: it is from lists


def read_splits(
    path: Path | None,
    clips: Sequence[Clip],
    *,
    seed: int = 0,
    known: KnownSides | None = None,
    group_by: str | None = None,
) -> Splits:
    """Read the split lists at ``path``, or make splits where there are none.

    A clip listed for train and test of one split is used for test only, so that nothing is tested on what it was
    trained on. Validation lists stand in for missing test lists and are left out otherwise.

    Args:
        path: folder of UCF-101 lists or of ``path label`` lists, one such list, or a CSV; None makes splits, and so
            does a CSV without subsets.
        clips: the clips on disk.
        seed, known: for making splits, see :func:`generated_subsets`; ignored with lists.
        group_by: see :func:`group_names`; None: a clip's group is that in its file name.
    Raises: DatasetError if the lists cannot be read or name none of the clips; SettingsError for ``group_by``.
    """
    log = IssueLog()
    if path is None:
        groups = group_names(group_by, clips, log) if group_by else None
        return _made(clips, folder_labels(clips), groups, log, seed=seed, known=known)
    lists = read_lists(path, log, group_by=group_by)
    matches = match_clips(lists.listed, clips, log)
    if all(match.position is None for match in matches):
        raise DatasetError(
            f"{path}: none of the listed clips is on disk; listed is, for example, {lists.listed[0].path}, "
            f"and on disk {clips[0].path}"
        )
    groups = group_names(group_by, clips, log, lists=lists, matches=matches, source=path) if group_by else None
    labelled = lists.has_subsets or any(entry.label is not None for entry in lists.listed)
    labels = listed_labels(lists, matches, clips, log) if labelled else folder_labels(clips)
    if not lists.has_subsets:
        return _made(clips, labels, groups, log, seed=seed, known=known)
    subset = _subsets(lists, _mentions(lists, matches, len(clips), log), clips, log)
    subset[labels.label == NO_CLASS] = UNUSED
    _check_splits(subset, lists.split_names, clips, groups, log)
    return Splits(
        split_names=lists.split_names,
        class_names=labels.class_names,
        label=labels.label,
        subset=subset,
        issues=log.issues,
        groups=groups,
    )


def _made(
    clips: Sequence[Clip],
    labels: Labels,
    groups: GroupNames | None,
    log: IssueLog,
    *,
    seed: int,
    known: KnownSides | None,
) -> Splits:
    """Make splits of the clips that have a class."""
    keys = [without_video_suffix(clip.path) for clip in clips]
    if groups is None:
        together = [class_group(clip.path, clip.group) for clip in clips]
        subset = generated_subsets(clips, log, seed=seed, known=known)
    else:
        together = [key if group is None else f"group {group}" for key, group in zip(keys, groups, strict=True)]
        rows = np.flatnonzero(labels.label != NO_CLASS)
        if not rows.size:
            raise DatasetError("none of the clips has a class, so no split can be made; correct the labels of the CSV")
        listed = rows.tolist()
        placed = spanning_subsets(
            [keys[row] for row in listed],
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
    _check_splits(subset, names, clips, groups, log)
    return Splits(
        split_names=names,
        class_names=labels.class_names,
        label=labels.label,
        subset=subset,
        issues=log.issues,
        groups=groups,
        kept_together=tuple(together),
    )


# subsets that the lists put clips into

_BIT = {ListedSubset.TRAIN: 1, ListedSubset.TEST: 2, ListedSubset.VAL: 4, ListedSubset.NONE: 8}


def _mentions(lists: SplitLists, matches: Sequence[Match], clips: int, log: IssueLog) -> npt.NDArray[np.uint8]:
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


def _subsets(
    lists: SplitLists, bits: npt.NDArray[np.uint8], clips: Sequence[Clip], log: IssueLog
) -> npt.NDArray[np.uint8]:
    """Decide the subset of each clip in each split, test before train: uint8, shape (clips, splits)."""
    splits_with_test = {entry.split for entry in lists.listed if entry.subset is ListedSubset.TEST}
    val_is_test = np.array([name not in splits_with_test for name in lists.split_names])
    train, val = (bits & 1) > 0, (bits & 4) > 0
    test = ((bits & 2) > 0) | (val & val_is_test)
    for code, where in (
        (IssueCode.TRAIN_AND_TEST, train & test),
        (IssueCode.VALIDATION_AS_TEST, val & val_is_test),
        (IssueCode.VALIDATION_LEFT_OUT, val & ~train & ~test),
        (IssueCode.NOT_LISTED, np.all(bits == 0, axis=1, keepdims=True)),
    ):
        for clip, applies in zip(clips, where.any(axis=1), strict=True):
            if applies:
                log.note(code, clip.path)
    return np.where(test, TEST, np.where(train, TRAIN, UNUSED)).astype(np.uint8)


def _check_splits(
    subset: npt.NDArray[np.uint8],
    split_names: Sequence[str],
    clips: Sequence[Clip],
    groups: GroupNames | None,
    log: IssueLog,
) -> None:
    """Note groups that are in both train and test of a split, and splits without one of the two."""
    names = _shown_groups(clips) if groups is None else groups
    for split, column in zip(split_names, subset.T, strict=True):
        sides = list(zip(names, column.tolist(), strict=True))
        train, test = ({name for name, code in sides if code == side and name is not None} for side in (TRAIN, TEST))
        for name in sorted(train & test):
            log.note(IssueCode.GROUP_ON_BOTH_SIDES, f"{name} of split {split}")
        if not np.any(column == TRAIN):
            log.note(IssueCode.NO_TRAIN_CLIPS, split)
        if not np.any(column == TEST):
            log.note(IssueCode.NO_TEST_CLIPS, split)


def _shown_groups(clips: Sequence[Clip]) -> GroupNames:
    return tuple(f"{clip.class_name} g{clip.group:02d}" if clip.group >= 0 else None for clip in clips)
