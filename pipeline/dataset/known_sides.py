"""Where earlier scans have put clips in a split that mocrop made, so that no clip ever changes sides."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from mocrop.pipeline.dataset.clips import clip_key
from mocrop.pipeline.span import Span

Sides = tuple[int, ...]  # one per split: 1 train, 2 test


class File(Protocol):
    """What clips on disk and rows of the manifest have in common."""

    @property
    def path(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def mtime_ns(self) -> int: ...
    @property
    def span(self) -> Span | None: ...


@dataclass(frozen=True, kw_only=True)
class KnownSides:
    """The sides of all clips that were ever in a split; a clip's key is its path under the data set without suffix."""

    splits: int
    by_clip: Mapping[str, Sides]
    group_of: Mapping[str, str]  # what each was kept together with when it was given its side

    def of_groups(self, groups: Mapping[str, str]) -> dict[str, Sides]:
        """The side of each group that has a known clip, or had one: the side of most of them.

        Args:
            groups: group by clip, of the clips that are there now.
        """
        votes: dict[str, Counter[Sides]] = {}
        for clip, sides in self.by_clip.items():
            votes.setdefault(groups.get(clip) or self.group_of[clip], Counter())[sides] += 1
        return {group: min(counts, key=lambda sides: (-counts[sides], sides)) for group, counts in votes.items()}


def known_sides(clips: Iterable[tuple[str, str, Sides]]) -> KnownSides | None:
    """Make known sides of the key, the group and the sides of each clip; None if there is no clip.

    >>> known_sides([("A/x", "A/g1", (2, 1)), ("A/y", "A/g1", (2, 1))]).of_groups({"A/x": "A/g1"})
    {'A/g1': (2, 1)}
    """
    rows = list(clips)
    if not rows:
        return None
    return KnownSides(
        splits=len(rows[0][2]),
        by_clip={clip: sides for clip, _, sides in rows},
        group_of={clip: group for clip, group, _ in rows},
    )


def with_moved(known: KnownSides, clips: Sequence[File], before: Iterable[File]) -> KnownSides:
    """Give clips that were moved or renamed, as with a class folder, the sides that they had under their old names.

    Args:
        clips: the files that are there now.
        before: files of all clips as they were last seen; of a video that was cut, its segments.
    """
    rows = [file for file in before if _key(file) in known.by_clip]
    here, seen = {_stem(clip) for clip in clips}, known.by_clip.keys() | {_stem(file) for file in rows}
    new = [clip for clip in clips if _stem(clip) not in seen]
    gone = [file for file in rows if _stem(file) not in here]
    old_names = moved_files(new, gone, known.by_clip) if new else {}
    if not old_names:
        return known
    path_of, stem_of = {_stem(clip): clip.path for clip in new}, {_key(file): _stem(file) for file in gone}
    parts: dict[str, list[File]] = {}
    for file in gone:
        parts.setdefault(_stem(file), []).append(file)
    moved = {
        clip_key(path_of[clip], file.span): known.by_clip[_key(file)]
        for clip, old in old_names.items()
        for file in parts[stem_of[old]]
    }
    return replace(
        known, by_clip={**known.by_clip, **moved}, group_of={**known.group_of, **{clip: clip for clip in moved}}
    )


def moved_files(new: Sequence[File], gone: Sequence[File], sides: Mapping[str, Sides]) -> dict[str, str]:
    """Which new file was which one that is gone: key of the new one -> key of the old one.

    Two are the same if they share the name in their folder and the size, or size and time of modification, and no other
    file does. Files of several that are alike are told apart by name, size and time together. A file that has moved
    before is gone from several places: those that are alike and have the same sides count as one.

    Args:
        gone: files, or the segments of each, which are alike.
        sides: of the files that are gone, by their keys.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for mark in _MARKS:
        new_by_mark = _by_mark((file for file in new if _key(file) not in found), mark)
        gone_by_mark = _by_mark((file for file in gone if _key(file) not in taken), mark)
        for value in new_by_mark.keys() & gone_by_mark.keys():
            here, there = new_by_mark[value], gone_by_mark[value]
            if len(here) == 1 and len({sides[key] for key in there}) == 1:
                found[here.pop()] = min(there)
                taken |= there
    return found


def _key(file: File) -> str:
    return clip_key(file.path, file.span)


def _stem(file: File) -> str:
    return clip_key(file.path, None)


def _name(file: File) -> str:
    name = _stem(file).rpartition("/")[2]
    return name if name.isascii() else unicodedata.normalize("NFC", name)  # disks spell accents in two ways


_MARKS: tuple[Callable[[File], Hashable], ...] = (
    lambda file: (_name(file), file.size_bytes, file.mtime_ns),
    lambda file: (_name(file), file.size_bytes),
    lambda file: (file.size_bytes, file.mtime_ns),
)


def _by_mark(files: Iterable[File], mark: Callable[[File], Hashable]) -> dict[Hashable, set[str]]:
    """Keys of the files that have the same mark."""
    by_mark: dict[Hashable, set[str]] = {}
    for file in files:
        by_mark.setdefault(mark(file), set()).add(_key(file))
    return by_mark
