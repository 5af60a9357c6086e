"""Which clips of a crop cache belong to a subset of a split, and which groups are held out for validation."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import VALIDATION, ClipState
from mocrop.pipeline.choices import require_choice
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.groups import FIRST_ACROSS_CLASSES
from mocrop.pipeline.names import shell_word

IntArray = npt.NDArray[np.int64]
SubsetName = Literal["train", "test", "val"]


class Subset(IntEnum):
    """Subsets of a split, with their numbers in the array ``subset`` of a cache."""

    TRAIN = 1
    TEST = 2
    VAL = VALIDATION


def as_subset(subset: Subset | SubsetName) -> Subset:
    """The subset with that name.

    >>> as_subset("test"), as_subset(Subset.TRAIN)
    (<Subset.TEST: 2>, <Subset.TRAIN: 1>)

    Raises: ValueError for another name.
    """
    if isinstance(subset, Subset):
        return subset
    require_choice("subset", subset, SubsetName)
    return Subset[subset.upper()]


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Numbers of clips of a subset that cannot be used, by reason."""

    failed: int = 0  # a stage failed on them
    not_written: int = 0  # precrop has not processed them
    without_frames: int = 0  # no slot in use

    @property
    def total(self) -> int:
        return self.failed + self.not_written + self.without_frames

    def __str__(self) -> str:
        parts = (
            (self.failed, "failed"),
            (self.not_written, "not written yet"),
            (self.without_frames, "without frames"),
        )
        return ", ".join(f"{count} {what}" for count, what in parts if count) or "none"


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """Usable clips of one subset of one split."""

    rows: IntArray  # (n,) rows of the cache, ascending
    left_out: LeftOut


def require_labelled(cache: CropCache) -> None:
    """Check that clips have labels, without which there is nothing to learn and nothing to test.

    Raises: SettingsError that says how to get them.
    """
    if not cache.class_names:
        raise SettingsError(
            f"{cache.path}: its clips have no labels; run `mocrop init` again without --unlabelled, with the lists as "
            f"--splits, then `mocrop precrop --name {shell_word(cache.path.stem)}`, which keeps the frames"
        )


def require_one_label(cache: CropCache, what: str) -> None:
    """Check that a clip has one label at most.

    Args:
        what: needs that, with its verb.
    Raises: SettingsError.
    """
    if cache.labels is not None:
        raise SettingsError(f"{cache.path}: a clip may have several labels, and {what} one; leave it out")


def require_labels(cache: CropCache, rows: IntArray, subset: Subset) -> None:
    """Check that each clip of a subset has a label: without one it would count as of no class.

    Raises: SettingsError that names the first that has none.
    """
    bare = cache.label[rows] < 0
    if cache.labels is not None:
        bare |= ~cache.labels[rows].any(axis=1)
    if bare.any():
        raise SettingsError(
            f"{cache.path}: {cache.clip[rows[bare][0]]} is in the {subset.name.lower()} list and has no label; give it "
            f"one in the lists, then run `mocrop init` and `mocrop precrop --name {shell_word(cache.path.stem)}`"
        )


def split_index(cache: CropCache, split: str) -> int:
    """Find a split by its name, else by its number from 1.

    Raises: SettingsError that lists the splits if there is no such one, or if the clips have no labels.
    """
    require_labelled(cache)
    if (index := find_split(cache.split_names, split)) is not None:
        return index
    names = ", ".join(cache.split_names)
    raise SettingsError(f"{cache.path} has no split {split!r}; pass --split with one of: {names}")


def find_split(names: Sequence[str], split: str) -> int | None:
    """Index of a split among all names: by its name, else by its number from 1; None if there is no such split.

    >>> find_split(["first", "second"], "2"), find_split(["first", "second"], "third")
    (1, None)
    """
    if split in names:
        return names.index(split)
    return int(split) - 1 if split.isdecimal() and 1 <= int(split) <= len(names) else None


def select_clips(cache: CropCache, *, split: str | int, subset: Subset | SubsetName) -> Selection:
    """Choose the clips of one subset that have frames, and count the others.

    Args:
        split: its name, else its number from 1.
        subset: or its name, "train", "test" or "val".
    Raises: ValueError for another subset; SettingsError if the split is unknown, no clip is left, or one has no label.
    """
    split, subset = str(split), as_subset(subset)
    members = cache.subset[:, split_index(cache, split)] == subset
    usable = cache.usable & (cache.frame_counts > 0)
    left_out = LeftOut(
        failed=int(np.count_nonzero(members & (cache.state == ClipState.FAILED))),
        not_written=int(np.count_nonzero(members & (cache.state == ClipState.NOT_WRITTEN))),
        without_frames=int(np.count_nonzero(members & cache.usable & ~usable)),
    )
    rows = np.flatnonzero(members & usable)
    if not rows.size:
        raise SettingsError(_nothing_to_use(cache, split, subset, left_out))
    require_labels(cache, rows, subset)
    return Selection(rows=rows, left_out=left_out)


def classes_of(cache: CropCache, rows: IntArray) -> IntArray:
    """Numbers of the classes that some of the clips are of: int64, ascending."""
    if cache.labels is None:
        return np.unique(cache.label[rows]).astype(np.int64)
    return np.flatnonzero(cache.labels[rows].any(axis=0))


def hold_out(cache: CropCache, rows: IntArray, *, share: float, seed: int) -> tuple[IntArray, IntArray]:
    """Divide the training clips into those to train on and those to validate on, by whole groups.

    Each class gives about ``share`` of its groups, at least one if it has two, and keeps at least one; a clip without
    a group counts as a group of its own. A group that spans classes is held out of all of them or of none, so that a
    class may give one more, or none. The choice depends on the seed and the names of class and group alone, so the
    same groups are held out of any cache of a data set, whatever other clips it has. Where a clip may have several
    labels, clips of a group may differ in all of theirs, so a group is one across classes.

    Args:
        rows: int64, shape (n,), rows of the cache.
        share: fraction of the groups of each class, in [0, 1).
        seed: of the choice.
    Returns: rows to train on and rows to validate on, in the order of ``rows``.
    """
    names = [_group_name(cache, row) for row in rows.tolist()]
    labels_of: dict[str, set[int]] = {}
    for labels, name in zip(_classes_of(cache, rows), names, strict=True):
        labels_of.setdefault(name, set()).update(labels)
    held = _chosen(labels_of, share=share, seed=seed)
    validate = np.array([name in held for name in names], dtype=np.bool_)
    return rows[~validate], rows[validate]


def _classes_of(cache: CropCache, rows: IntArray) -> Iterator[list[int]]:
    """The classes of each clip."""
    if cache.labels is None:
        return ([label] for label in cache.label[rows].tolist())
    return (np.flatnonzero(marks).tolist() for marks in cache.labels[rows])


def _chosen(labels_of: Mapping[str, set[int]], *, share: float, seed: int) -> set[str]:
    """Groups to hold out, drawn one after the other while a class of theirs wants more and all keep one to train on.

    Args:
        labels_of: the classes of each group.
    """
    if share == 0:
        return set()
    left = Counter(label for labels in labels_of.values() for label in labels)
    wanted = {label: max(1, round(share * groups)) for label, groups in left.items()}
    held: set[str] = set()
    for group in sorted(labels_of, key=lambda group: hashlib.sha256(f"{seed} {group}".encode()).digest()):
        labels = labels_of[group]
        if any(wanted[label] > 0 for label in labels) and all(left[label] > 1 for label in labels):
            held.add(group)
            left.subtract(labels)
            for label in labels:
                wanted[label] -= 1
    return held


def _group_name(cache: CropCache, row: int) -> str:
    group = int(cache.group[row])
    if group >= FIRST_ACROSS_CLASSES or (group >= 0 and cache.labels is not None):
        return f"g{group}"
    return f"{cache.class_names[cache.label[row]]}/g{group}" if group >= 0 else cache.clip[row]


def _nothing_to_use(cache: CropCache, split: str, subset: Subset, left_out: LeftOut) -> str:
    column = cache.subset[:, split_index(cache, split)]
    named = ((1, "train"), (2, "test"), (3, "val"), (0, "neither"))
    counts = [(np.count_nonzero(column == number), name) for number, name in named]
    there = ", ".join(f"{count} in {name}" for count, name in counts if count or name != "val")
    return (
        f"{cache.path}: no usable {subset.name.lower()} clip in split {split} (clips: {there}; left out: {left_out}); "
        f"pass another --split of {', '.join(cache.split_names)}, or see `mocrop status`"
    )
