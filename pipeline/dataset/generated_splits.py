"""Make train and test splits for a data set that has no split lists, by groups of each class."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.dataset.clips import Clip
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.dataset.known_sides import KnownSides, Sides
from mocrop.pipeline.dataset.walk import without_video_suffix

TEST_SHARE = 0.3  # of the groups of each class
MAX_SPLITS = 3  # as many as UCF-101 has
TRAIN, TEST = 1, 2  # the codes of ``subset`` in the crop cache


def generated_subsets(
    clips: Sequence[Clip], log: IssueLog, *, seed: int, known: KnownSides | None = None
) -> npt.NDArray[np.uint8]:
    """Put about 70 % of each class into train and the rest into test, whole UCF groups at a time.

    A clip without a group counts as a group of its own, files of one stem together. Where every class has at least
    three groups, there are three splits whose test groups do not overlap, as in UCF-101; otherwise there is one. For a
    given number of splits, the groups of a class and the seed alone decide how it is split, on any machine.

    Args:
        log: receives NO_GROUPS and CLASS_NOT_TESTED where they apply.
        known: sides that clips and their groups keep; only other groups are given a place, in as many splits. None:
            there are none.
    Returns: uint8, shape (clips, splits): 1 train, 2 test.
    """
    for clip in clips:
        if clip.group < 0:
            log.note(IssueCode.NO_GROUPS, clip.path)
    group_of = {without_video_suffix(clip.path): class_group(clip.path, clip.group) for clip in clips}
    sides_of = known.of_groups(group_of) if known else {}
    groups: dict[str, set[str]] = {}
    for clip in clips:
        groups.setdefault(clip.class_name, set()).add(group_of[without_video_suffix(clip.path)])
    splits = known.splits if known else split_count(map(len, groups.values()))
    for name in sorted(groups):
        tested = _test_groups(shuffled(groups[name], seed), splits, sides_of)
        if not any(tested):
            log.note(IssueCode.CLASS_NOT_TESTED, name)
        for group in groups[name]:
            sides_of.setdefault(group, tuple(TEST if group in members else TRAIN for members in tested))
    return subsets_of(group_of, [without_video_suffix(clip.path) for clip in clips], sides_of, known)


def subsets_of(
    group_of: Mapping[str, str], clips: Sequence[str], sides_of: Mapping[str, Sides], known: KnownSides | None
) -> npt.NDArray[np.uint8]:
    """The sides of clips: those that they have, else those of their groups; uint8, shape (clips, splits)."""
    by_clip = known.by_clip if known else {}
    rows = [by_clip.get(clip) or sides_of[group_of[clip]] for clip in clips]
    return np.array(rows, dtype=np.uint8).reshape(len(clips), -1)


def class_group(path: str, group: int) -> str:
    """Name of the UCF group of a clip, which is of one class, or of the clip itself if it has none.

    >>> class_group("A/v_g01_c1.avi", 1), class_group("A/x.avi", -1)
    ('A/g1', 'A/x')
    """
    return f"{path.partition('/')[0]}/g{group}" if group >= 0 else without_video_suffix(path)


def split_count(groups: Iterable[int]) -> int:
    """Number of splits to make, from the number of groups of each class."""
    return MAX_SPLITS if min(groups) >= MAX_SPLITS else 1


def groups_to_test(groups: int, *, splits: int) -> int:
    """Number of groups of one class that each split tests on.

    No group is tested in two splits, and each split has at least one group to train on.

    >>> [groups_to_test(groups, splits=3) for groups in (3, 8, 25)], [groups_to_test(n, splits=1) for n in (1, 2)]
    ([1, 2, 8], [0, 1])
    """
    share = max(1, round(TEST_SHARE * groups))
    return min(share, groups // splits, groups - 1)


def shuffled(groups: Iterable[str], seed: int) -> list[str]:
    """Shuffle groups in a way that depends on their names and the seed alone."""
    # not by hash(), which differs between processes
    return sorted(groups, key=lambda group: hashlib.sha256(f"{seed} {group}".encode()).digest())


def _test_groups(groups: Sequence[str], splits: int, sides_of: Mapping[str, Sides]) -> list[set[str]]:
    """The groups of one class that each split tests on: known ones as before, then as many others as are wanted."""
    count = groups_to_test(len(groups), splits=splits)
    known = [group for group in groups if group in sides_of]
    tested = [{group for group in known if sides_of[group][split] == TEST} for split in range(splits)]
    free = [group for group in groups if group not in sides_of]
    for members in tested:
        wanted = max(0, count - len(members))
        members.update(free[:wanted])
        free = free[wanted:]
    return tested
