"""What a format of data sets reads, and from what: the rows of its annotations, before they are matched with videos."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.dataset.walk import VideoFile
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.names import printable
from mocrop.pipeline.span import Span


class ListedSubset(StrEnum):
    """Subset into which a row puts a clip."""

    TRAIN = "train"
    TEST = "test"
    VAL = "val"
    NONE = "none"


_BETWEEN_WORDS = re.compile("[-_. ]+")
_WORDS = {
    "train": ListedSubset.TRAIN,
    "training": ListedSubset.TRAIN,
    "test": ListedSubset.TEST,
    "testing": ListedSubset.TEST,
    "eval": ListedSubset.VAL,
    "dev": ListedSubset.VAL,
    "val": ListedSubset.VAL,
    "valid": ListedSubset.VAL,
    "validate": ListedSubset.VAL,
    "validation": ListedSubset.VAL,
    "none": ListedSubset.NONE,
    "": ListedSubset.NONE,
}


def subset_of(word: str) -> ListedSubset | None:
    """The subset that a word means, in any case; None if it means none.

    >>> subset_of("Validate"), subset_of("holdout")
    (<ListedSubset.VAL: 'val'>, None)
    """
    return _WORDS.get(word.strip().lower())


def subset_in_name(stem: str) -> tuple[ListedSubset | None, tuple[str, ...]]:
    """The subset that a word in a file's name says, and the other words in lower case; None for none or several.

    >>> subset_in_name("kinetics-400_val"), subset_in_name("train-val")
    ((<ListedSubset.VAL: 'val'>, ('kinetics', '400')), (None, ()))
    """
    words = name_words(stem)
    found = {subset for word in words if (subset := subset_of(word)) is not None}
    return (found.pop() if len(found) == 1 else None), tuple(word for word in words if subset_of(word) is None)


def name_words(stem: str) -> tuple[str, ...]:
    """The words of a file's name in lower case.

    >>> name_words("Diving48_V2_train")
    ('diving48', 'v2', 'train')
    """
    return tuple(word for word in _BETWEEN_WORDS.split(stem.lower()) if word)


def named(files: Sequence[Path], what: str) -> str:
    """Say of a few files what they have, for people.

    >>> named([Path("train.csv")], "ids"), named([Path("a.json"), Path("b.json")], "ids")
    ('train.csv has ids', 'a.json, b.json have ids')
    """
    names = ", ".join(printable(file.name) for file in files[:3]) + (" ..." if files[3:] else "")
    return f"{names} {'has' if len(files) == 1 else 'have'} {what}"


def nothing_listed(place: Path | None, log: IssueLog, expected: str) -> DatasetError:
    """An error that says why no row of annotations can be read, and what a row looks like."""
    reasons = [f"{count:,} {kind}" for kind, count in log.kinds(IssueCode.MALFORMED_LINE).items()]
    why = f" that can be read, of {', '.join(reasons[:3])}{', ...' if reasons[3:] else ''}" if reasons else ""
    return DatasetError(f"{place} lists no clip{why}; expected {expected}")


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of an annotation."""

    split: str  # its name; "1" where there is one split
    subset: ListedSubset
    path: str  # as listed, "/" between parts; of an id: the id
    labels: tuple[str, ...] | None  # class names or numbers as written; None: the row has none
    file: str
    line: int  # from 1; in JSON the number of the entry
    group: str = ""  # what the column of --group-by says; "" if it says nothing, or there is none
    span: Span | None = None  # to be cut out of the video; None: the whole file
    video: str = ""  # out of which the clip is cut, where the rows say so: its id; "" if they do not
    other_paths: tuple[str, ...] = ()  # further names under which the video may be stored, in order of preference

    @property
    def parent(self) -> str:
        """Innermost folder of the path as listed, "" if the list gives file names only.

        >>> Listed("1", ListedSubset.TRAIN, "/data/Archery/a.avi", None, "a.txt", 1).parent
        'Archery'
        """
        return self.path.rpartition("/")[0].rpartition("/")[2]

    @property
    def where(self) -> str:
        """ "file:line", for issues."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, kw_only=True)
class Source:
    """What there is of a data set, to recognise its form and to read it."""

    dataset: Path
    videos: Sequence[VideoFile]  # every video under the data set, at any depth, sorted by path
    annotations: Path | None  # --splits: a file or a folder; None: not given
    files: tuple[Path, ...] = ()  # the file of annotations, or every visible file in their folder, sorted
    group_by: str | None = None  # an expression on paths, or a column of a CSV
    by_name: bool = False  # --format names the form, so that of two readings the plain one is meant
    label_separator: str = ""  # between the labels of a row; "": a row has one label at most


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """What a format has read."""

    split_names: tuple[str, ...]
    class_names: tuple[str, ...] | None  # in the official order; None: labels and folders say
    listed: tuple[Listed, ...]
    columns: tuple[str, ...] = ()  # of a CSV, in lower case
    labels_are_names: bool = False  # also where they are digits; False: digits may be numbers of classes
    has_subsets: bool = True  # False: nothing says what is for train and what for test, and a split is made


class Format(Protocol):
    """A form in which data sets come."""

    @property
    def name(self) -> str:
        """Value of --format."""
        ...

    @property
    def looks_like(self) -> str:
        """What it looks like on disk, in one line, for errors."""
        ...

    def recognise(self, source: Source) -> str | None:
        """Why a source is of this form, in one clause; None if it is not. Reads the first lines of files at most.

        Raises: DatasetError if it is of this form, but in a way that can be read in two ways.
        """
        ...

    def read(self, source: Source, log: IssueLog) -> Annotations:
        """Read all rows of a source that is of this form.

        Args:
            log: receives MALFORMED_LINE with "file:line" and the reason for every row that cannot be read.
        Raises: DatasetError if the annotations cannot be read at all.
        """
        ...
