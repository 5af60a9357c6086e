"""Find the class names of a data set and the label of each clip, from split lists and class folders.

A list may name a class, number it, or leave it to the folder. Where it numbers classes and there is no
``classInd.txt``, the folders of the clips show which number means which class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.dataset.clips import Clip
from mocrop.pipeline.dataset.formats.base import Annotations, Listed
from mocrop.pipeline.dataset.formats.folder_readings import is_subset
from mocrop.pipeline.dataset.formats.text_files import as_label
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog

NO_CLASS = -1
SEPARATORS = {"|": any, ";": any, ",": all, "/": all}  # of labels in one cell, if any or all of the parts are labels


@dataclass(frozen=True, kw_only=True, eq=False)
class Labels:
    """The classes of a data set and the class of each clip."""

    class_names: tuple[str, ...]
    label: npt.NDArray[np.int32]  # (clips,), index into class_names, the first listed of several; -1 = none of them
    several: tuple[tuple[int, ...], ...] = ()  # (clips,) all indices of each, ascending; empty: one label a clip


@dataclass(frozen=True)
class Match:
    """An entry of a list and the position of the clip that it means; None if no clip or more than one fits."""

    entry: Listed
    position: int | None
    folder: str  # class folder of the clip; without a clip, the innermost folder in the list, "" if none

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels as written, none if the entry has none."""
        return self.entry.labels or ()


def labels_apart(lists: Annotations, separator: str, log: IssueLog) -> Annotations:
    """Take apart the labels that stand in one cell, such as "run|jump".

    Args:
        log: receives MALFORMED_LINE where one of them cannot be the number of a class; such a row is left out.
    """
    listed = []
    for entry in lists.listed:
        words = [word.strip() for label in entry.labels or () for word in label.split(separator)]
        try:
            labels = tuple(word if lists.labels_are_names else as_label(word) for word in words if word)
        except ValueError as error:
            log.note(IssueCode.MALFORMED_LINE, entry.where, kind=str(error))
            continue
        listed.append(replace(entry, labels=labels or None))
    return replace(lists, listed=tuple(listed))


def note_joined(listed: Iterable[Listed], log: IssueLog) -> None:
    """Note labels that look like several ones in one cell, such as "run|jump" where others have "run" or "run|hop".

    Args:
        log: receives JOINED_LABELS.
    """
    names = {label for entry in listed for label in entry.labels or ()}
    for separator, enough in SEPARATORS.items():
        joined = {name: parts for name in names if len(parts := _parts(name, separator)) > 1}
        alone = names - joined.keys()
        shared = Counter(part for parts in joined.values() for part in parts)
        for name in sorted(joined):
            if enough(part in alone or shared[part] > 1 for part in joined[name]):
                log.note(IssueCode.JOINED_LABELS, name, kind=f"by {separator!r}")


def _parts(label: str, separator: str) -> set[str]:
    return {part.strip() for part in label.split(separator) if part.strip()}


def folder_labels(clips: Sequence[Clip]) -> Labels:
    """Label clips by their class folders, in sorted order."""
    classes = _Classes(tuple(sorted({clip.class_name for clip in clips})), None)
    return Labels(class_names=classes.names, label=classes.of_folders(clips))


def listed_labels(
    lists: Annotations, matches: Sequence[Match], clips: Sequence[Clip], log: IssueLog, *, several: bool = False
) -> Labels:
    """Label clips by their lists, and those in no list, or listed without a label, by their folders.

    A clip that is listed with two labels has no class, unless a clip may have ``several``. If one of those is of no
    known class, the clip has none, since the others alone would say too little.

    Args:
        matches: one per entry of ``lists``.
        log: receives LABEL_NOT_FOLDER, UNKNOWN_CLASS, CLASS_WITHOUT_CLIPS, TWO_LABELS and MALFORMED_LINE.
    """
    classes = _classes(lists, matches, log)
    by_folder = classes.of_folders(clips)
    by_clip: list[tuple[int, ...]] = [() if index == NO_CLASS else (index,) for index in by_folder.tolist()]
    listed = _by_list(matches, classes)
    for position, found in listed.items():
        if by_folder[position] not in (NO_CLASS, *found):
            log.note(IssueCode.LABEL_NOT_FOLDER, clips[position].shown)
        contradicted = len(found) > 1 and not several
        by_clip[position] = () if contradicted or NO_CLASS in found else tuple(found)
    for position, clip in enumerate(clips):
        if not several and len(listed.get(position, ())) > 1:
            log.note(IssueCode.TWO_LABELS, clip.shown)
        elif not by_clip[position]:
            log.note(IssueCode.UNKNOWN_CLASS, clip.shown)
    used = {index for found in (*by_clip, *listed.values()) for index in found}
    for index, name in enumerate(classes.names):
        if index not in used:
            log.note(IssueCode.CLASS_WITHOUT_CLIPS, name)
    return Labels(
        class_names=classes.names,
        label=np.array([found[0] if found else NO_CLASS for found in by_clip], np.int32),
        several=tuple(tuple(sorted(found)) for found in by_clip) if several else (),
    )


class _Classes:
    """Class names in order, and the class that a label or a folder means."""

    def __init__(self, names: tuple[str, ...], first_number: int | None) -> None:
        self.names = names
        self._first_number = first_number  # number of the first class in the lists; None if they name classes
        self._index = {name: index for index, name in enumerate(names)}

    def of_label(self, label: str) -> int:
        """Index of the class that a label means, NO_CLASS if there is no such class."""
        number = number_of(label)
        if self._first_number is None or number is None:
            return self._index.get(label, NO_CLASS)
        index = number - self._first_number
        return index if 0 <= index < len(self.names) else NO_CLASS

    def of_folder(self, match: Match) -> int:
        """Index of the class that the folders of an entry mean, NO_CLASS if there is no such class."""
        return self._index.get(match.folder, self._index.get(match.entry.parent, NO_CLASS))

    def of_folders(self, clips: Sequence[Clip]) -> npt.NDArray[np.int32]:
        """int32, shape (clips,): index of each clip's class folder, NO_CLASS where that is not a class."""
        return np.array([self._index.get(clip.class_name, NO_CLASS) for clip in clips], dtype=np.int32)


def _by_list(matches: Sequence[Match], classes: _Classes) -> dict[int, dict[int, None]]:
    """Class indices, in the order in which they are listed, by position of every listed clip.

    NO_CLASS is among them where a label is of no known class; a row without a label says nothing if its folder is none.
    """
    indices_of: dict[int, dict[int, None]] = {}
    for match in matches:
        if match.position is None:
            continue
        known = indices_of.setdefault(match.position, {})
        known.update((classes.of_label(label), None) for label in match.labels)
        if not match.labels and (index := classes.of_folder(match)) != NO_CLASS:
            known[index] = None
    return indices_of


def number_of(label: str) -> int | None:
    """The number that a label is; None if it is none.

    >>> number_of("12"), number_of("Archery")
    (12, None)
    """
    return int(label) if label.isdecimal() else None


def _classes(lists: Annotations, matches: Sequence[Match], log: IssueLog) -> _Classes:
    """Decide whether the lists number or name their classes, and what the classes are called."""
    labelled = [(match, label) for match in matches for label in match.labels]
    numbered = [(match, number) for match, label in labelled if (number := number_of(label)) is not None]
    if lists.labels_are_names:
        return _Classes(lists.class_names or tuple(sorted({label for _, label in labelled})), None)
    if lists.class_names is not None:
        return _Classes(lists.class_names, _first_number(numbered, lists.class_names))
    if not labelled:
        return _Classes(tuple(sorted({match.folder for match in matches if match.folder})), None)
    if 2 * len(numbered) < len(labelled):
        return _Classes(tuple(sorted({label for _, label in labelled})), None)
    for match, label in labelled:
        if number_of(label) is None:
            log.note(IssueCode.MALFORMED_LINE, match.entry.where, kind="with a label that is no number, as most are")
    numbers = [number for _, number in numbered]
    first = min(1, min(numbers))
    return _Classes(_names_of_numbers(numbered, range(first, max(numbers) + 1)), first)


_Numbered = Sequence[tuple[Match, int]]


def _first_number(numbered: _Numbered, class_names: tuple[str, ...]) -> int:
    """Number of the first class, 0 or, as in the official lists, 1: whichever agrees with more folders."""
    index = {name: i for i, name in enumerate(class_names)}
    folders = ((match.folder if match.folder in index else match.entry.parent, number) for match, number in numbered)
    offsets = Counter(number - index[folder] for folder, number in folders if folder in index)
    if offsets[0] == offsets[1]:
        return 0 if any(number == 0 for _, number in numbered) else 1
    return 0 if offsets[0] > offsets[1] else 1


def _names_of_numbers(numbered: _Numbered, numbers: range) -> tuple[str, ...]:
    """Name each number after the folder of its clips or, if folders do not tell classes apart, after itself.

    Folders on disk or those in the lists count, whichever name more numbers: in a flat folder only clips that are
    missing have any on disk.
    """
    found: list[tuple[int, tuple[str, ...]]] = []
    folders: tuple[Callable[[Match], str], ...] = (lambda match: match.folder, lambda match: match.entry.parent)
    for folder_of in folders:
        votes: dict[int, Counter[str]] = {}
        for match, number in numbered:
            if folder_of(match):
                votes.setdefault(number, Counter())[folder_of(match)] += 1
        names = [votes[number].most_common(1)[0][0] if number in votes else f"class-{number}" for number in numbers]
        if votes and len(set(names)) == len(names) and sum(map(is_subset, names)) < 2:
            found.append((len(votes), tuple(names)))
    return max(found, key=lambda each: each[0])[1] if found else tuple(str(number) for number in numbers)
