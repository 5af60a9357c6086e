"""Make train and test splits for a data set that has no split lists."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.dataset.clips import Clip
from mocrop.pipeline.dataset.issues import IssueCode, IssueLog
from mocrop.pipeline.dataset.walk import without_video_suffix

TEST_SHARE = 0.3  # of the groups of each class
MAX_SPLITS = 3  # as many as UCF-101 has
TRAIN, TEST = 1, 2  # the codes of ``subset`` in the crop cache


Known = Mapping[str, tuple[int, ...]]  # subset of a group in each split, by the group's key


def generated_subsets(
    clips: Sequence[Clip], log: IssueLog, *, seed: int, known: Known | None = None
) -> npt.NDArray[np.uint8]:
    """Put about 70 % of each class into train and the rest into test, whole UCF groups at a time.

    A clip without a group counts as a group of its own, files of one stem together. Where every class has at least
    three groups, there are three splits whose test groups do not overlap, as in UCF-101; otherwise there is one. For a
    given number of splits, the groups of a class and the seed alone decide how it is split, on any machine.

    Args:
        log: receives NO_GROUPS and CLASS_NOT_TESTED where they apply.
        known: groups that stay where they are, as :func:`known_groups` makes them; only other groups are given a place,
            in as many splits. None: there are none.
    Returns: uint8, shape (clips, splits): 1 train, 2 test.
    """
    for clip in clips:
        if clip.group < 0:
            log.note(IssueCode.NO_GROUPS, clip.path)
    keys = [_group(clip.path, clip.group) for clip in clips]
    groups: dict[str, set[str]] = {}
    for clip, key in zip(clips, keys, strict=True):
        groups.setdefault(clip.class_name, set()).add(key)
    splits = _split_count(groups, known or {})
    subset = np.full((len(clips), splits), TRAIN, dtype=np.uint8)
    tested = {name: _test_groups(_shuffled(members, seed), splits, known or {}) for name, members in groups.items()}
    for name in sorted(groups):
        if not any(tested[name]):
            log.note(IssueCode.CLASS_NOT_TESTED, name)
    for row, clip, key in zip(subset, clips, keys, strict=True):
        for split, members in enumerate(tested[clip.class_name]):
            if key in members:
                row[split] = TEST
    return subset


def known_groups(clips: Iterable[tuple[str, int, tuple[int, ...]]]) -> Known:
    """Where groups were put, from the path, the group and the subsets of each clip.

    >>> known_groups([("A/v_g01_c1.avi", 1, (1, 2)), ("A/v_g01_c2.avi", 1, (1, 2)), ("A/x.avi", -1, (2, 1))])
    {'A/g1': (1, 2), 'A/x': (2, 1)}
    """
    return {_group(path, group): subsets for path, group, subsets in clips}


def _split_count(groups: Mapping[str, set[str]], known: Known) -> int:
    if known:
        return len(next(iter(known.values())))
    return MAX_SPLITS if min(map(len, groups.values())) >= MAX_SPLITS else 1


def groups_to_test(groups: int, *, splits: int) -> int:
    """Number of groups of one class that each split tests on.

    No group is tested in two splits, and each split has at least one group to train on.

    >>> [groups_to_test(groups, splits=3) for groups in (3, 8, 25)], [groups_to_test(n, splits=1) for n in (1, 2)]
    ([1, 2, 8], [0, 1])
    """
    share = max(1, round(TEST_SHARE * groups))
    return min(share, groups // splits, groups - 1)


def _test_groups(groups: Sequence[str], splits: int, known: Known) -> list[set[str]]:
    """The groups of one class that each split tests on: known ones as before, then as many others as are wanted."""
    count = groups_to_test(len(groups), splits=splits)
    tested = [{group for group in groups if group in known and known[group][split] == TEST} for split in range(splits)]
    free = [group for group in groups if group not in known]
    for members in tested:
        wanted = max(0, count - len(members))
        members.update(free[:wanted])
        free = free[wanted:]
    return tested


def _group(path: str, group: int) -> str:
    return f"{path.partition('/')[0]}/g{group}" if group >= 0 else without_video_suffix(path)


def _shuffled(groups: set[str], seed: int) -> list[str]:
    """Shuffle groups in a way that depends on their names and the seed alone."""
    # not by hash(), which differs between processes
    return sorted(groups, key=lambda group: hashlib.sha256(f"{seed} {group}".encode()).digest())
