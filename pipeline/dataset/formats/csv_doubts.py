"""What the columns of a CSV that are not read say against those that are: subsets, or another class."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mocrop.pipeline.dataset.formats.base import ListedSubset, Source, subset_of
from mocrop.pipeline.dataset.formats.csv_header import READ, is_called_as
from mocrop.pipeline.dataset.formats.folder_readings import is_subset, named
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.names import printable

_WORDS = re.compile("[^a-z]+")
_FLAGS = frozenset({"", "0", "1", "0.0", "1.0", "true", "false", "yes", "no", "y", "n", "x"})


def require_no_doubt(path: Path, columns: Sequence[str], group: str, rows: Iterable[Mapping[str, str | None]]) -> None:
    """Refuse a CSV with a column that is passed over although it says subsets or classes.

    Args:
        columns: by their meaning, as :class:`Header` has them.
        group: the column of --group-by, which is not passed over; "" if there is none.
        rows: all of them, without the header.
    Raises: DatasetError for a column most of whose cells are subsets, or that is called as one and holds flags,
        where no column is the subset; and for a second column of classes, if clips of one label are of several there.
    """
    others = [name for name in dict.fromkeys(columns) if name not in (*READ, group, "")]
    subsets = {name: _Subsets(name) for name in others} if "subset" not in columns else {}
    classes = {name: _Classes() for name in others if is_called_as("label", name)} if "label" in columns else {}
    if not subsets and not classes:
        return
    for row in rows:
        for name, seen in subsets.items():
            seen.add((row.get(name) or "").strip())
        for name, found in classes.items():
            found.add((row.get("label") or "").strip(), (row.get(name) or "").strip())
    for name, seen in subsets.items():
        if seen.says_subsets:
            raise DatasetError(
                f"{path}: the column {printable(name)} holds subsets; call it subset in the first line"
                f"{'' if seen.words else ' and write train, val or test into it'}, or take it out to have a split made"
            )
    for name, found in classes.items():
        if found.contradiction is not None:
            label, one, other = map(printable, found.contradiction)
            raise DatasetError(
                f"{path}: the columns label and {printable(name)} may each be the class, and label {label} is {one} in "
                f"one row and {other} in another; take out the column that is not meant"
            )


def require_no_subset_folders(source: Source) -> None:
    """Raises: DatasetError if most videos lie in folders of several subsets, which a split that is made would mix."""
    words = [next(filter(is_subset, video.path.split("/")[:-1]), "") for video in source.videos]
    found = sorted(set(words) - {""})
    if len({subset_of(word) for word in found}) > 1 and words.count("") * 2 < len(words):
        raise DatasetError(
            f"{source.annotations} says no subsets, and the videos lie in {named(found)}; add a column subset "
            "with train, val or test, or pass --format csv to have a split made regardless of these folders"
        )


class _Subsets:
    """Whether the cells of a column are subsets."""

    def __init__(self, name: str) -> None:
        self._flag = any(subset_of(word) not in (None, ListedSubset.NONE) for word in _WORDS.split(name))
        self._flags = True  # so far
        self._filled = 0
        self.words = 0

    def add(self, cell: str) -> None:
        subset = subset_of(cell)
        self.words += subset not in (None, ListedSubset.NONE)
        self._filled += subset is not ListedSubset.NONE
        self._flags = self._flags and cell.lower() in _FLAGS

    @property
    def says_subsets(self) -> bool:
        """Whether most of the cells that are filled do, or the name does and they are flags."""
        return self._filled > 0 and (self._filled <= 2 * self.words or (self._flag and self._flags))


class _Classes:
    """Whether a second column of classes agrees with the labels: each label is of one class there."""

    def __init__(self) -> None:
        self._class_of: dict[str, str] = {}
        self.contradiction: tuple[str, str, str] | None = None  # a label, and two classes that it is

    def add(self, label: str, name: str) -> None:
        if not label or not name:
            return
        known = self._class_of.setdefault(label, name)
        if known != name and self.contradiction is None:
            self.contradiction = (label, known, name)
