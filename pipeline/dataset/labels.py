"""Find the class names of a data set and the label of each clip, from split lists and class folders.

A list may name a class, number it, or leave it to the folder. Where it numbers classes and there is no
``classInd.txt``, the folders of the clips show which number means which class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.dataset.clips import Clip
from mocrop.pipeline.dataset.issues import IssueCode, IssueLog
from mocrop.pipeline.dataset.split_lists import Listed, SplitLists

NO_CLASS = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Labels:
    """The classes of a data set and the class of each clip."""

    class_names: tuple[str, ...]
    label: npt.NDArray[np.int32]  # (clips,), index into class_names; -1 = none of them


@dataclass(frozen=True)
class Match:
    """An entry of a list and the position of the clip that it means; None if no clip or more than one fits."""

    entry: Listed
    position: int | None
    folder: str  # class folder of the clip; without a clip, the innermost folder in the list, "" if none

    @property
    def parent(self) -> str:
        """Innermost folder of the path as listed, "" if the list gives file names only."""
        return parent_folder(self.entry.path)

    @property
    def number(self) -> int | None:
        """The label, if it is a number."""
        label = self.entry.label
        return int(label) if label is not None and label.isdecimal() else None


def parent_folder(path: str) -> str:
    """Innermost folder of a path with "/" between its parts.

    >>> parent_folder("/data/Archery/a.avi"), parent_folder("a.avi")
    ('Archery', '')
    """
    return path.rpartition("/")[0].rpartition("/")[2]


def folder_labels(clips: Sequence[Clip]) -> Labels:
    """Label clips by their class folders, in sorted order."""
    classes = _Classes(tuple(sorted({clip.class_name for clip in clips})), None)
    return Labels(class_names=classes.names, label=classes.of_folders(clips))


def listed_labels(lists: SplitLists, matches: Sequence[Match], clips: Sequence[Clip], log: IssueLog) -> Labels:
    """Label clips by their lists, and those in no list, or listed without a label, by their folders.

    Args:
        matches: one per entry of ``lists``.
        log: receives LABEL_NOT_FOLDER, UNKNOWN_CLASS, CLASS_WITHOUT_CLIPS, TWO_LABELS and MALFORMED_LINE.
    """
    classes = _classes(lists, matches, log)
    by_folder = classes.of_folders(clips)
    label = by_folder.copy()
    for position, index in _by_list(matches, classes, clips, log).items():
        if by_folder[position] not in (NO_CLASS, index):
            log.note(IssueCode.LABEL_NOT_FOLDER, clips[position].path)
        label[position] = index
    for clip, index in zip(clips, label, strict=True):
        if index == NO_CLASS:
            log.note(IssueCode.UNKNOWN_CLASS, clip.path)
    used = set(label.tolist())
    for index, name in enumerate(classes.names):
        if index not in used:
            log.note(IssueCode.CLASS_WITHOUT_CLIPS, name)
    return Labels(class_names=classes.names, label=label)


class _Classes:
    """Class names in order, and the class that a label or a folder means."""

    def __init__(self, names: tuple[str, ...], first_number: int | None) -> None:
        self.names = names
        self._first_number = first_number  # number of the first class in the lists; None if they name classes
        self._index = {name: index for index, name in enumerate(names)}

    def of_label(self, match: Match) -> int:
        """Index of the class that a labelled entry means, NO_CLASS if there is no such class."""
        if self._first_number is None or match.number is None:
            return self._index.get(match.entry.label or "", NO_CLASS)
        index = match.number - self._first_number
        return index if 0 <= index < len(self.names) else NO_CLASS

    def of_folder(self, match: Match) -> int:
        """Index of the class that the folders of an entry mean, NO_CLASS if there is no such class."""
        return self._index.get(match.folder, self._index.get(match.parent, NO_CLASS))

    def of_folders(self, clips: Sequence[Clip]) -> npt.NDArray[np.int32]:
        """int32, shape (clips,): index of each clip's class folder, NO_CLASS where that is not a class."""
        return np.array([self._index.get(clip.class_name, NO_CLASS) for clip in clips], dtype=np.int32)


def _by_list(matches: Sequence[Match], classes: _Classes, clips: Sequence[Clip], log: IssueLog) -> dict[int, int]:
    """Class index by position of every listed clip; of several, the first that is a class counts."""
    index_of: dict[int, int] = {}
    contradicted: set[int] = set()
    for match in matches:
        if match.position is None:
            continue
        index = classes.of_folder(match) if match.entry.label is None else classes.of_label(match)
        first = index_of.get(match.position, NO_CLASS)
        if first == NO_CLASS:
            index_of[match.position] = index
        elif index != first:
            contradicted.add(match.position)
    for position in sorted(contradicted):
        log.note(IssueCode.TWO_LABELS, clips[position].path)
    return index_of


def _classes(lists: SplitLists, matches: Sequence[Match], log: IssueLog) -> _Classes:
    """Decide whether the lists number or name their classes, and what the classes are called."""
    labelled = [match for match in matches if match.entry.label is not None]
    numbered = [match for match in labelled if match.number is not None]
    if lists.class_names is not None:
        return _Classes(lists.class_names, _first_number(numbered, lists.class_names))
    if not labelled:
        return _Classes(tuple(sorted({match.folder for match in matches if match.folder})), None)
    if 2 * len(numbered) < len(labelled):
        return _Classes(tuple(sorted({str(match.entry.label) for match in labelled})), None)
    for match in labelled:
        if match.number is None:
            log.note(IssueCode.MALFORMED_LINE, match.entry.where)
    numbers = [match.number for match in numbered if match.number is not None]
    first = min(1, min(numbers))
    return _Classes(_names_of_numbers(numbered, range(first, max(numbers) + 1)), first)


def _first_number(numbered: Sequence[Match], class_names: tuple[str, ...]) -> int:
    """Number of the first class, 0 or, as in the official lists, 1: whichever agrees with more folders."""
    index = {name: i for i, name in enumerate(class_names)}
    offsets = Counter(
        match.number - index[match.folder] for match in numbered if match.number is not None and match.folder in index
    )
    if offsets[0] == offsets[1]:
        return 0 if any(match.number == 0 for match in numbered) else 1
    return 0 if offsets[0] > offsets[1] else 1


def _names_of_numbers(numbered: Sequence[Match], numbers: range) -> tuple[str, ...]:
    """Name each number after the folder of its clips or, if folders do not tell classes apart, after itself."""
    folders: tuple[Callable[[Match], str], ...] = (lambda match: match.folder, lambda match: match.parent)
    for folder_of in folders:
        votes: dict[int, Counter[str]] = {}
        for match in numbered:
            if match.number is not None and folder_of(match):
                votes.setdefault(match.number, Counter())[folder_of(match)] += 1
        names = [votes[number].most_common(1)[0][0] if number in votes else f"class-{number}" for number in numbers]
        if votes and len(set(names)) == len(names):
            return tuple(names)
    return tuple(str(number) for number in numbers)
