"""The subset of each clip in each split, as lists say it."""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.dataset.clips import Clip
from mocrop.pipeline.dataset.formats.base import Annotations, ListedSubset
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.dataset.labels import NO_CLASS, Labels, Match

UNUSED, TRAIN, TEST, VAL = 0, 1, 2, 3  # the codes of ``subset`` in the crop cache
_BIT = {ListedSubset.TRAIN: 1, ListedSubset.TEST: 2, ListedSubset.VAL: 4, ListedSubset.NONE: 8}


def listed_subsets(
    lists: Annotations, matches: Sequence[Match], labels: Labels, clips: Sequence[Clip], log: IssueLog
) -> npt.NDArray[np.uint8]:
    """The subset of each clip in each split: uint8, shape (clips, splits); a clip without a class is in none.

    A clip listed for train and test of one split is used for test only, so that nothing is tested on what it was
    trained on; one listed for train and validation is used for train only. Where a split lists none of known classes
    for test, its validation clips are the test.
    """
    tested = {match.entry.split for match in matches if _is_tested(match, labels)}
    subset = _subsets(lists, tested, _mentions(lists, matches, len(clips), log), clips, log)
    subset[labels.label == NO_CLASS] = UNUSED
    return subset


def _mentions(lists: Annotations, matches: Sequence[Match], clips: int, log: IssueLog) -> npt.NDArray[np.uint8]:
    """Bits of the subsets for which each clip is listed: uint8, shape (clips, splits)."""
    column = {name: i for i, name in enumerate(lists.split_names)}
    bits = np.zeros((clips, len(column)), dtype=np.uint8)
    seen: set[tuple[int, int, int, tuple[str, ...]]] = set()
    for match in matches:
        if match.position is None:
            continue
        cell, bit = (match.position, column[match.entry.split]), _BIT[match.entry.subset]
        row = (*cell, bit, match.labels)
        if row in seen:
            log.note(IssueCode.LISTED_TWICE, match.entry.where)
        seen.add(row)
        bits[cell] |= bit
    return bits


def _is_tested(match: Match, labels: Labels) -> bool:
    """Whether an entry is for test and has a class, by its list or folder; the test of a challenge has none."""
    named = bool(match.entry.labels) or not {match.folder, match.entry.parent}.isdisjoint(labels.class_names)
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
                log.note(code, clip.shown)
    return np.select([test, train, val], [TEST, TRAIN, VAL], UNUSED).astype(np.uint8)
