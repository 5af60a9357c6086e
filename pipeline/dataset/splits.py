"""Read or make the splits of a data set: a label for each clip, and its subset in each split."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.dataset.clips import Clip, without_video_suffix
from mocrop.pipeline.dataset.generated_splits import Known, generated_subsets
from mocrop.pipeline.dataset.issues import Issue, IssueCode, IssueLog
from mocrop.pipeline.dataset.labels import NO_CLASS, Match, folder_labels, listed_labels, parent_folder
from mocrop.pipeline.dataset.split_lists import Listed, ListedSubset, SplitLists, read_lists
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.names import csv_cell

UNUSED, TRAIN, TEST = 0, 1, 2  # the codes of ``subset`` in the crop cache


@dataclass(frozen=True, kw_only=True, eq=False)
class Splits:
    """Classes and splits of a data set; rows are the clips as given."""

    split_names: tuple[str, ...]
    class_names: tuple[str, ...]  # may hold classes without a clip on disk
    label: npt.NDArray[np.int32]  # (clips,), index into class_names; -1 = no known class, then in no split
    subset: npt.NDArray[np.uint8]  # (clips, splits): 0 in neither list, 1 train, 2 test
    issues: tuple[Issue, ...]


def read_splits(path: Path | None, clips: Sequence[Clip], *, seed: int = 0, known: Known | None = None) -> Splits:
    """Read the split lists at ``path``, or make splits where there are none.

    A clip listed for train and test of one split is used for test only, so that nothing is tested on what it was
    trained on. Validation lists stand in for missing test lists and are left out otherwise.

    Args:
        path: folder of UCF-101 lists or of ``path label`` lists, one such list, or a CSV; None makes splits.
        clips: the clips on disk.
        seed, known: for making splits, see :func:`generated_subsets`; ignored with lists.
    Raises: DatasetError if the lists cannot be read or name none of the clips.
    """
    if path is None:
        return _make_splits(clips, seed, known)
    log = IssueLog()
    lists = read_lists(path, log)
    matches = _match(lists.listed, clips, log)
    if all(match.position is None for match in matches):
        raise DatasetError(
            f"{path}: none of the listed clips is on disk; listed is, for example, {lists.listed[0].path}, "
            f"and on disk {clips[0].path}"
        )
    labels = listed_labels(lists, matches, clips, log)
    subset = _subsets(lists, _mentions(lists, matches, len(clips), log), clips, log)
    subset[labels.label == NO_CLASS] = UNUSED
    _check_splits(subset, lists.split_names, clips, log)
    return Splits(
        split_names=lists.split_names,
        class_names=labels.class_names,
        label=labels.label,
        subset=subset,
        issues=log.issues,
    )


def _make_splits(clips: Sequence[Clip], seed: int, known: Known | None) -> Splits:
    log = IssueLog()
    labels = folder_labels(clips)
    subset = generated_subsets(clips, log, seed=seed, known=known)
    names = tuple(str(split) for split in range(1, subset.shape[1] + 1))
    _check_splits(subset, names, clips, log)
    return Splits(
        split_names=names,
        class_names=labels.class_names,
        label=labels.label,
        subset=subset,
        issues=log.issues,
    )


# clips that the lists mean


class _ClipIndex:
    """Finds clips by paths as lists give them: with or without suffix, with more folders or fewer."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._paths = [_key(clip.path) for clip in clips]
        self._by_path = {path: position for position, path in enumerate(self._paths)}
        self._by_name = {_key(clip.name): position for position, clip in enumerate(clips)}
        self._by_cell = {  # names that mocrop itself writes in another way
            _key(str(csv_cell(name))): position
            for position, clip in enumerate(clips)
            for name in (clip.name, clip.path)
            if csv_cell(name) != name
        }
        self._by_file: dict[str, list[int]] = {}
        for position, path in enumerate(self._paths):
            self._by_file.setdefault(_file_stem(path), []).append(position)

    def find(self, listed: str) -> list[int]:
        """Positions of the clips that a listed path can mean; it should be exactly one."""
        path = _key(listed)
        by_name = without_video_suffix(path)
        for index, key in ((self._by_path, path), (self._by_name, by_name), (self._by_cell, path)):
            if key in index:
                return [index[key]]
        wanted = "/" + without_video_suffix(path)
        found = []
        for position in self._by_file.get(_file_stem(path), []):
            clip = "/" + without_video_suffix(self._paths[position])
            if clip.endswith(wanted) or wanted.endswith(clip):
                found.append(position)
        return found


def _key(path: str) -> str:
    """Normal form of a path: disks and lists may spell an accented letter in two ways, and "/" as a backslash."""
    return path if path.isascii() and "\\" not in path else unicodedata.normalize("NFC", path.replace("\\", "/"))


def _file_stem(path: str) -> str:
    return without_video_suffix(path.rpartition("/")[2])


def _match(listed: Sequence[Listed], clips: Sequence[Clip], log: IssueLog) -> list[Match]:
    """Find the clip of every entry; each path without one, or with several, is noted once."""
    index = _ClipIndex(clips)
    position_of: dict[str, int | None] = {}
    for entry in listed:
        if entry.path in position_of:
            continue
        found = index.find(entry.path)
        position_of[entry.path] = found[0] if len(found) == 1 else None
        if len(found) != 1:
            log.note(IssueCode.AMBIGUOUS if found else IssueCode.NOT_ON_DISK, entry.path)
    return [_matched(entry, position_of[entry.path], clips) for entry in listed]


def _matched(entry: Listed, position: int | None, clips: Sequence[Clip]) -> Match:
    return Match(entry, position, parent_folder(entry.path) if position is None else clips[position].class_name)


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
    subset: npt.NDArray[np.uint8], split_names: Sequence[str], clips: Sequence[Clip], log: IssueLog
) -> None:
    """Note UCF groups that are in both train and test of a split, and splits without one of the two."""
    groups = sorted({(clip.class_name, clip.group) for clip in clips if clip.group >= 0})
    number = {group: i for i, group in enumerate(groups)}
    group = np.array([number.get((clip.class_name, clip.group), -1) for clip in clips])
    for name, column in zip(split_names, subset.T, strict=True):
        for both in np.intersect1d(group[column == TRAIN], group[column == TEST]):
            if both >= 0:
                log.note(IssueCode.GROUP_ON_BOTH_SIDES, f"{groups[both][0]} g{groups[both][1]:02d} of split {name}")
        if not np.any(column == TRAIN):
            log.note(IssueCode.NO_TRAIN_CLIPS, name)
        if not np.any(column == TEST):
            log.note(IssueCode.NO_TEST_CLIPS, name)
