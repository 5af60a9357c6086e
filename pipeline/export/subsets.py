"""The subset of each clip in the one split that an export is sorted by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.export.base import ClipInfo

UNLISTED = "unlisted"  # clips that are in no list of the split, and all of a data set without splits
FIRST_SPLIT = "1"


def split_index(split_names: Sequence[str], split: str) -> int | None:
    """Find a split by its name, else by its number from 1; None where there are no splits.

    >>> split_index(["1", "2"], "2"), split_index(["a", "b"], "1"), split_index([], "1")
    (1, 0, None)

    Raises: SettingsError that lists the splits if there is no such one.
    """
    if split in split_names:
        return split_names.index(split)
    if split.isascii() and split.isdecimal() and 1 <= int(split) <= len(split_names):
        return int(split) - 1
    if not split_names and split == FIRST_SPLIT:
        return None
    names = ", ".join(split_names) or "none, as its clips have no labels"
    raise SettingsError(f"there is no split {split!r}; the splits are {names}")


def subset_of(clip: ClipInfo, split: int | None) -> str:
    """``train``, ``test``, ``val`` or ``unlisted``."""
    return UNLISTED if split is None else clip.subsets[split] or UNLISTED


def subset_counts(clips: Iterable[ClipInfo], split: int | None) -> dict[str, int]:
    """Clips in each subset that has any, in a fixed order."""
    counts = Counter(subset_of(clip, split) for clip in clips)
    return {subset: counts[subset] for subset in ("train", "val", "test", UNLISTED) if counts[subset]}
