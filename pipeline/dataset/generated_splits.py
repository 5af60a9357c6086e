"""Make train and test splits for a data set that has no split lists."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.dataset.clips import Clip
from mocrop.pipeline.dataset.issues import IssueCode, IssueLog

TEST_SHARE = 0.3  # of the groups of each class
MAX_SPLITS = 3  # as many as UCF-101 has
TRAIN, TEST = 1, 2  # the codes of ``subset`` in the crop cache


def generated_subsets(clips: Sequence[Clip], log: IssueLog, *, seed: int) -> npt.NDArray[np.uint8]:
    """Put about 70 % of each class into train and the rest into test, whole UCF groups at a time.

    A clip without a group counts as a group of its own. Where every class has at least three groups, there are three
    splits whose test groups do not overlap, as in UCF-101; otherwise there is one. For a given number of splits, the
    groups of a class and the seed alone decide how it is split, on any machine.

    Args:
        log: receives NO_GROUPS and CLASS_NOT_TESTED where they apply.
    Returns: uint8, shape (clips, splits): 1 train, 2 test.
    """
    for clip in clips:
        if clip.group < 0:
            log.note(IssueCode.NO_GROUPS, clip.path)
    groups: dict[str, set[str]] = {}
    for clip in clips:
        groups.setdefault(clip.class_name, set()).add(_group(clip))
    splits = MAX_SPLITS if min(map(len, groups.values())) >= MAX_SPLITS else 1
    subset = np.full((len(clips), splits), TRAIN, dtype=np.uint8)
    tested = {name: _test_groups(_shuffled(members, seed), splits) for name, members in groups.items()}
    for name in sorted(groups):
        if not any(tested[name]):
            log.note(IssueCode.CLASS_NOT_TESTED, name)
    for row, clip in zip(subset, clips, strict=True):
        for split, members in enumerate(tested[clip.class_name]):
            if _group(clip) in members:
                row[split] = TEST
    return subset


def groups_to_test(groups: int, *, splits: int) -> int:
    """Number of groups of one class that each split tests on.

    No group is tested in two splits, and each split has at least one group to train on.

    >>> [groups_to_test(groups, splits=3) for groups in (3, 8, 25)], [groups_to_test(n, splits=1) for n in (1, 2)]
    ([1, 2, 8], [0, 1])
    """
    share = max(1, round(TEST_SHARE * groups))
    return min(share, groups // splits, groups - 1)


def _test_groups(groups: Sequence[str], splits: int) -> list[set[str]]:
    count = groups_to_test(len(groups), splits=splits)
    return [set(groups[split * count : (split + 1) * count]) for split in range(splits)]


def _group(clip: Clip) -> str:
    return f"{clip.class_name}/g{clip.group}" if clip.group >= 0 else clip.name


def _shuffled(groups: set[str], seed: int) -> list[str]:
    """Shuffle groups in a way that depends on their names and the seed alone."""
    # not by hash(), which differs between processes
    return sorted(groups, key=lambda group: hashlib.sha256(f"{seed} {group}".encode()).digest())
