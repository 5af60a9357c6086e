"""Read split lists, one entry per line, not yet matched with clips.

Three forms are understood: the official UCF-101 folder (``classInd.txt``, ``trainlist01.txt``, ``testlist01.txt``),
lists of ``path label`` lines whose file names hold train, test or val, and a CSV with the columns ``path`` and
``subset`` and, if wanted, ``label`` and ``split``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mocrop.pipeline.dataset.clips import VIDEO_SUFFIXES
from mocrop.pipeline.dataset.issues import IssueCode, IssueLog
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.names import from_csv_cell, printable

CLASS_INDEX = "classInd.txt"
MAX_CLASSES = 100_000  # a larger number at the end of a line is not a label


class ListedSubset(StrEnum):
    """Subset into which a list puts a clip."""

    TRAIN = "train"
    TEST = "test"
    VAL = "val"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of a list."""

    split: str
    subset: ListedSubset
    path: str  # as written, but with "/" for "\\"
    label: str | None  # index or class name as written, None if the line has none
    file: str
    line: int
    group: str = ""  # what the column of --group-by says; "" if it says nothing, or there is none

    @property
    def where(self) -> str:
        """ "file:line", for issues."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, kw_only=True)
class SplitLists:
    """Contents of the lists, before they are matched with the clips on disk."""

    split_names: tuple[str, ...]
    class_names: tuple[str, ...] | None  # in the order of classInd.txt; None without one
    listed: tuple[Listed, ...]
    columns: tuple[str, ...] = ()  # of a CSV, in lower case

    @property
    def has_subsets(self) -> bool:
        """Whether the lists say what is for train and what for test; a CSV of groups need not."""
        return not self.columns or "subset" in self.columns


def read_lists(path: Path, log: IssueLog, *, group_by: str | None = None) -> SplitLists:
    """Read a folder of lists, one list together with its counterpart, or a CSV.

    Given ``trainlist01.txt``, ``testlist01.txt`` beside it is read too; given the folder, all lists in it.

    Args:
        path: the folder, list or CSV.
        log: receives MALFORMED_LINE with "file:line" for each line that cannot be read.
        group_by: name of a column of a CSV, which is read if it is there; the CSV then needs no subsets.
    Raises: DatasetError if there are no lists at ``path`` or no line of them can be read.
    """
    if not path.exists():
        raise DatasetError(f"split lists {path} do not exist; pass a folder of lists, a list or a CSV")
    columns: list[str] = []
    if path.is_file() and path.suffix.lower() == ".csv":
        listed, class_names = tuple(_csv_entries(path, log, columns, as_column(group_by))), None
    else:
        files = _list_files(path)
        listed = tuple(entry for file in files for entry in _list_entries(file, log))
        class_names = _class_index(files[0].path.with_name(CLASS_INDEX))
    if not listed:
        raise DatasetError(f"{path} lists no clip; expected lines like `Class/video.avi 0`")
    return SplitLists(split_names=_sorted_names(listed), class_names=class_names, listed=listed, columns=tuple(columns))


def as_column(name: str | None) -> str:
    """A name as the columns of a CSV are compared."""
    return (name or "").strip().lower()


def _sorted_names(listed: tuple[Listed, ...]) -> tuple[str, ...]:
    return tuple(
        sorted({entry.split for entry in listed}, key=lambda name: (len(name) if name.isdigit() else 99, name))
    )


# lists of "path label" lines


@dataclass(frozen=True)
class _ListFile:
    path: Path
    split: str
    subset: ListedSubset


_SUBSET_WORDS = (  # the first that occurs in a file name counts: "trainval" is train
    (re.compile("train(ing)?", re.IGNORECASE), ListedSubset.TRAIN),
    (re.compile("test(ing)?", re.IGNORECASE), ListedSubset.TEST),
    (re.compile("val(idation)?", re.IGNORECASE), ListedSubset.VAL),
)


def _list_files(path: Path) -> list[_ListFile]:
    """Find the lists at ``path``; those whose names differ only in train, test or val belong to one split."""
    folder = path if path.is_dir() else path.parent
    keys = {file: key for file in sorted(folder.iterdir()) if file.is_file() and (key := _subset_and_key(file))}
    if path.is_file():
        if path not in keys:
            raise DatasetError(
                f"{path}: the file name says neither train nor test nor val; "
                "rename it, or pass a CSV with a subset column"
            )
        wanted = keys[path][1]
        keys = {file: key for file, key in keys.items() if key[1] == wanted}
    if not keys:
        raise DatasetError(
            f"{path} holds no split lists; expected files such as trainlist01.txt and testlist01.txt, or pass a CSV"
        )
    names = _split_names(sorted({key for _, key in keys.values()}))
    return [_ListFile(file, names[key], subset) for file, (subset, key) in keys.items()]


def _subset_and_key(file: Path) -> tuple[ListedSubset, str] | None:
    """Subset in a list's file name, and the rest of the name, which its counterparts share; None if it is no list."""
    if file.name.startswith(".") or file.suffix.lower() not in (".txt", ".list", ".lst", ""):
        return None
    for word, subset in _SUBSET_WORDS:
        if word.search(file.stem):
            return subset, word.sub("", file.stem, count=1) + file.suffix
    return None


def _split_names(keys: list[str]) -> dict[str, str]:
    """Name splits by the last number in their keys if these numbers differ: "list01.txt" is split "1"."""
    numbers = {key: re.findall("[0-9]+", key)[-1:] for key in keys}
    names = {key: str(int(found[0])) if found else "" for key, found in numbers.items()}
    if len(keys) == 1 and not names[keys[0]]:
        return {keys[0]: "1"}
    if all(names.values()) and len(set(names.values())) == len(keys):
        return names
    return {key: key.rpartition(".")[0].strip("-_ ") or "1" for key in keys}


def _list_entries(file: _ListFile, log: IssueLog) -> Iterator[Listed]:
    for number, line in enumerate(_lines(file.path), start=1):
        if not line.strip():
            continue
        path, label = _path_and_label(line.strip())
        if _is_label(label):
            yield Listed(file.split, file.subset, path.replace("\\", "/"), label, file.path.name, number)
        else:
            log.note(IssueCode.MALFORMED_LINE, f"{file.path.name}:{number}")


def _path_and_label(line: str) -> tuple[str, str | None]:
    """Split a line into path and label, its last word, unless that is the end of a path.

    >>> _path_and_label("A/my clip.avi 3"), _path_and_label("A/my clip.avi"), _path_and_label("A/clip")
    (('A/my clip.avi', '3'), ('A/my clip.avi', None), ('A/clip', None))
    """
    words = line.rsplit(maxsplit=1)
    if len(words) == 1 or line.lower().endswith(VIDEO_SUFFIXES):
        return line, None
    return words[0], words[1]


def _is_label(label: str | None) -> bool:
    if label is None or not label.lstrip("+-").isdecimal():
        return True
    return label.isdecimal() and int(label) < MAX_CLASSES


def _class_index(path: Path) -> tuple[str, ...] | None:
    """Read ``classInd.txt``: lines ``1 ApplyEyeMakeup``, numbered from 1 without gaps; None if there is no such file.

    Raises: DatasetError naming the line if it is of another form.
    """
    if not path.is_file():
        return None
    names: dict[int, str] = {}
    for number, line in enumerate(_lines(path), start=1):
        words = line.split(maxsplit=1)
        if not words:
            continue
        if len(words) != 2 or not words[0].isdecimal() or int(words[0]) in names:
            raise DatasetError(f"{path}:{number}: expected a new number and a class, such as `1 ApplyEyeMakeup`")
        names[int(words[0])] = words[1].strip()
    if sorted(names) != list(range(1, len(names) + 1)) or len(set(names.values())) != len(names):
        raise DatasetError(f"{path}: the classes must be different and numbered from 1 without gaps")
    return tuple(names[index] for index in sorted(names))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); check its permissions") from error


# CSV

_SUBSETS = {
    "train": ListedSubset.TRAIN,
    "training": ListedSubset.TRAIN,
    "test": ListedSubset.TEST,
    "testing": ListedSubset.TEST,
    "val": ListedSubset.VAL,
    "validation": ListedSubset.VAL,
    "none": ListedSubset.NONE,
    "": ListedSubset.NONE,
}


def _csv_entries(path: Path, log: IssueLog, columns: list[str], group_by: str) -> Iterator[Listed]:
    """Yield the entries of a CSV; its columns are added to ``columns`` before the first one."""
    lines = _lines(path)
    delimiter = max(",;\t", key=lines[0].count)
    reader = csv.DictReader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        reader.fieldnames = _columns(path, reader.fieldnames or [], group_by)
        columns += reader.fieldnames
        for row in reader:
            entry = _csv_entry(row, path.name, reader.line_num, group_by)
            if entry is None:
                log.note(IssueCode.MALFORMED_LINE, f"{path.name}:{reader.line_num}")
            else:
                yield entry
    except csv.Error as error:  # such as a quotation mark that is never closed: what follows cannot be trusted
        raise DatasetError(f"{path}:{reader.line_num + 1}: {error}; fix the quotation marks in that line") from error


def _columns(path: Path, names: Sequence[str], group_by: str) -> list[str]:
    columns = [name.strip().lower() for name in names]
    if "path" not in columns or not {"subset", group_by or "subset"} & set(columns):
        raise DatasetError(
            f"{path}: the first line must name the columns path, subset and, if wanted, label and split; "
            f"it names {', '.join(filter(None, columns)) or 'none'}"
        )
    read = [name for name in ("path", "subset", "label", "split", group_by) if name and columns.count(name) > 1]
    if read:
        raise DatasetError(f"{path}: the first line names the column {printable(read[0])} twice; rename one of them")
    return columns


def _csv_entry(row: dict[str, str], file: str, line: int, group_by: str) -> Listed | None:
    """Turn a row into an entry; None if it has too many or too few cells, or one that is not valid."""
    if None in row or None in row.values():  # how csv marks too many and too few cells
        return None
    cells = {name: cell.strip() for name, cell in row.items()}
    subset, label = _SUBSETS.get(cells.get("subset", "").lower()), from_csv_cell(cells.get("label", "")) or None
    if subset is None or not cells["path"] or not _is_label(label):
        return None
    return Listed(
        from_csv_cell(cells.get("split", "")) or "1",
        subset,
        cells["path"].replace("\\", "/"),
        label,
        file,
        line,
        from_csv_cell(cells.get(group_by, "")) if group_by else "",
    )
