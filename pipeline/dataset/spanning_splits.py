"""Make train and test splits by groups that span classes, such as the people of a data set.

A person who appears in several classes is on one side in all of them, so no class can be split by itself. Groups are
placed one after the other, those with many clips first, each where the shares of its classes come nearest to 30 % of
the clips for test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.dataset.generated_splits import TEST, TEST_SHARE, TRAIN, shuffled, split_count, subsets_of
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.dataset.known_sides import KnownSides, Sides

LAST_CHANCE = 1000.0  # more than any difference in shares: a class is tested if it can be


def spanning_subsets(
    clips: Sequence[str],
    groups: Sequence[str],
    classes: Sequence[str],
    log: IssueLog,
    *,
    seed: int,
    known: KnownSides | None = None,
) -> npt.NDArray[np.uint8]:
    """Put whole groups into train or test so that every class has about 30 % of its clips in test.

    Where every class has at least three groups there are three splits whose test groups do not overlap, otherwise one.
    In each split every class keeps a group to train on, unless known sides leave it none.

    Args:
        clips, groups, classes: (clips,) key, group and class of each clip; files of one key are in one group.
        log: receives CLASS_NOT_TESTED where it applies.
        known: sides that clips and their groups keep; None: there are none.
    Returns: uint8, shape (clips, splits): 1 train, 2 test.
    """
    members: dict[str, Counter[str]] = {}
    for group, name in zip(groups, classes, strict=True):
        members.setdefault(group, Counter())[name] += 1
    group_of = dict(zip(clips, groups, strict=True))
    sides_of = known.of_groups(group_of) if known else {}
    per_class = Counter(name for counts in members.values() for name in counts)
    table = _Shares(members, splits=known.splits if known else split_count(per_class.values()))
    for group in members:
        if group in sides_of:
            table.put(group, sides_of[group])
    free = shuffled((group for group in members if group not in sides_of), seed)
    for group in sorted(free, key=lambda group: -members[group].total().bit_length()):  # stable: shuffled among alike
        sides_of[group] = table.choose(group)
        table.put(group, sides_of[group])
    for name in sorted(per_class):
        if not any(table.tested[split][name] for split in range(table.splits)):
            log.note(IssueCode.CLASS_NOT_TESTED, name)
    return subsets_of(group_of, clips, sides_of, known)


@dataclass
class _Shares:
    """How many clips and groups of each class are on which side so far."""

    members: Mapping[str, Counter[str]]  # clips of each class by group
    splits: int
    total: Counter[str] = field(default_factory=Counter)  # clips by class
    waiting: Counter[str] = field(default_factory=Counter)  # groups by class that have no place yet
    tested: list[Counter[str]] = field(default_factory=list)  # by split: clips by class; the last: tested in no split
    to_train: list[Counter[str]] = field(default_factory=list)  # by split: groups by class that it does not test

    def __post_init__(self) -> None:
        for counts in self.members.values():
            self.total.update(counts)
            self.waiting.update(counts.keys())
        self.tested = [Counter() for _ in range(self.splits + 1)]
        self.to_train = [Counter(self.waiting) for _ in range(self.splits)]

    def put(self, group: str, sides: Sides) -> None:
        """Count a group on its sides."""
        counts = self.members[group]
        self.waiting.subtract(counts.keys())
        tested = [split for split, side in enumerate(sides) if side == TEST]
        for split in tested:
            self.to_train[split].subtract(counts.keys())
        for place in tested or [self.splits]:
            self.tested[place].update(counts)

    def choose(self, group: str) -> Sides:
        """The sides that bring the shares of a group's classes nearest to what is wanted."""
        names = self.members[group]
        places = [split for split in range(self.splits) if all(self.to_train[split][name] >= 2 for name in names)]
        chosen = min([*places, self.splits], key=lambda place: self._cost(group, place))
        return tuple(TEST if split == chosen else TRAIN for split in range(self.splits))

    def _cost(self, group: str, place: int) -> float:
        """How far the shares in one place move away from what is wanted there: the sum of squares over classes."""
        share_to_test = min(TEST_SHARE, 1 / self.splits)
        wanted = share_to_test if place < self.splits else 1 - share_to_test * self.splits
        cost = 0.0
        for name, clips in self.members[group].items():
            share = clips / self.total[name]
            cost += share * (2 * self.tested[place][name] / self.total[name] + share - 2 * wanted)
            if place < self.splits and not self.tested[place][name]:
                empty = sum(not self.tested[split][name] for split in range(self.splits))
                cost -= LAST_CHANCE * (self.waiting[name] <= empty)
        return cost
