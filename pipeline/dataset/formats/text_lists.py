"""Text lists of `path label` lines: those of UCF-101 with `classInd.txt`, and anybody's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from mocrop.pipeline.dataset.formats.base import Annotations, Listed, Source, nothing_listed
from mocrop.pipeline.dataset.formats.csv_header import READ, as_column, is_called_as
from mocrop.pipeline.dataset.formats.hmdb51 import hmdb51_lists
from mocrop.pipeline.dataset.formats.list_names import LIST_SUFFIXES, ListFile, list_files, subset_and_key
from mocrop.pipeline.dataset.formats.text_files import as_label, lines_of, split_names
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.dataset.walk import VIDEO_SUFFIXES
from mocrop.pipeline.errors import DatasetError

_CLASS_INDEX = "classInd.txt"
_UCF = re.compile(r"(train|test|val)list\d+\.txt", re.IGNORECASE)
_ENDS_PATH = re.compile(rf"\S.*({'|'.join(map(re.escape, VIDEO_SUFFIXES))})(?=\s|$)", re.IGNORECASE)
_QUOTED = re.compile(r'"([^"]+)"(?=[\s,;]|$)(.*)')
_NUMBERS = re.compile(r"[0-9.]+([\s,;]+[0-9.]+)+")
_FRAMES = re.compile(r"\S+\s+[0-9]+\s+[0-9]+")
_BETWEEN_CELLS = re.compile(r"\s*[,;\t]\s*|\s+")


class TextLists:
    """A format of text lists; those of UCF-101 are called `trainlist01.txt` and so on."""

    def __init__(self, name: str, looks_like: str, *, official: bool) -> None:
        self.name = name
        self.looks_like = looks_like
        self._official = official

    def recognise(self, source: Source) -> str | None:
        """By the names of the files."""
        if source.annotations is None:
            return None
        lists = [file.name for file in source.files if _is_list(file) and subset_and_key(file)]
        if not lists or hmdb51_lists(source) or all(_UCF.fullmatch(name) for name in lists) is not self._official:
            return None
        others = f" and {len(lists) - 1} more" if len(lists) > 1 else ""
        return f"{lists[0]}{others} {'is a text list' if len(lists) == 1 else 'are text lists'}"

    def read(self, source: Source, log: IssueLog) -> Annotations:
        """Given ``trainlist01.txt``, ``testlist01.txt`` beside it is read too; given the folder, all lists in it."""
        assert source.annotations is not None
        files = list_files(source.annotations, _is_list)
        lines = [(file, *line) for file in files for line in _lines(file.path)]
        first = {file.path: line for file, _, line in reversed(lines)}
        if header := next((path for path, line in first.items() if _names_columns(line)), None):
            raise DatasetError(f"{header} has a line that names columns, as a CSV does; rename it to {header.stem}.csv")
        listed = tuple(_entries(lines, log, source.label_separator))
        class_names = _class_index(files[0].path.with_name(_CLASS_INDEX))
        if not listed:
            raise nothing_listed(source.annotations, log, "lines like `Class/video.avi 0`")
        return Annotations(split_names=split_names(listed), class_names=class_names, listed=listed)


UCF101 = TextLists("ucf101", "trainlist01.txt, testlist01.txt ... with `Class/video.avi 1` lines", official=True)
LISTS = TextLists("list", "text lists whose names say train, test or val, with `path label` lines", official=False)


def is_ucf101(lists: Path | None) -> bool:
    """Whether a list, or a folder of lists, is called as those of UCF-101 are."""
    if lists is None:
        return False
    inside = sorted(lists.iterdir()) if lists.is_dir() else [lists]
    return any(_UCF.fullmatch(file.name) for file in inside)


def _lines(path: Path) -> list[tuple[int, str]]:
    """Number and text of the lines that are not blank."""
    return [(number, line.strip()) for number, line in enumerate(lines_of(path), start=1) if line.strip()]


def _names_columns(line: str) -> bool:
    """Whether a line is the header of a CSV.

    >>> _names_columns("video_name label"), _names_columns("file,Class,subset"), _names_columns("clip.avi class")
    (True, True, False)
    """
    names = [as_column(cell.strip('"')) for cell in _BETWEEN_CELLS.split(line)]
    said = [next((each for each in READ if name == each or is_called_as(each, name)), "") for name in names]
    return said[0] == "path" and any(each in ("label", "subset", "split") for each in said[1:])


def _entries(lines: Sequence[tuple[ListFile, int, str]], log: IssueLog, between_labels: str) -> Iterator[Listed]:
    texts = [line for _, _, line in lines]
    separator = _separator(texts)
    counted = bool(texts) and not between_labels.isspace() and all(map(_FRAMES.fullmatch, texts))
    for file, number, line in lines:
        try:
            if counted:  # frames of a folder, and a label
                raise ValueError("with several numbers behind the path")
            yield _entry(file, number, line, separator, between_labels)
        except ValueError as error:
            log.note(IssueCode.MALFORMED_LINE, f"{file.path.name}:{number}", kind=str(error))


def _is_list(file: Path) -> bool:
    return file.suffix.lower() in LIST_SUFFIXES


def _entry(file: ListFile, number: int, line: str, separator: str, between_labels: str) -> Listed:
    """Raises: ValueError naming what is wrong with the line."""
    path, label = _path_and_label(line, separator)
    if not path:
        raise ValueError("without a path")
    if not between_labels or between_labels not in (label or ""):
        _require_one(label or "")
    labels = None if label is None else (as_label(label),)
    return Listed(file.split, file.subset, path.replace("\\", "/"), labels, file.path.name, number)


def _require_one(label: str) -> None:
    """Raises: ValueError for several cells or numbers, as in `path frames label`: which is the label, nothing says."""
    if "\t" in label:
        raise ValueError("with several cells behind the path")
    if _NUMBERS.fullmatch(label):
        raise ValueError("with several numbers behind the path")


def _path_and_label(line: str, separator: str = "") -> tuple[str, str | None]:
    """Split a line into path and label: at a tab, else where the suffix of a video ends, else at its last space.

    Args:
        separator: the comma or semicolon behind the path of every line; "" if there is none.

    >>> _path_and_label("A/my clip.avi 3"), _path_and_label("A/my clip.avi"), _path_and_label("A/clip")
    (('A/my clip.avi', '3'), ('A/my clip.avi', None), ('A/clip', None))
    >>> _path_and_label("tai chi/a.avi tai chi"), _path_and_label("A/a b" + chr(9) + "air drumming")
    (('tai chi/a.avi', 'tai chi'), ('A/a b', 'air drumming'))
    >>> _path_and_label("my.avi files/a.avi 3"), _path_and_label("A/a b,tai chi", ","), _path_and_label('"a b" 3')
    (('my.avi files/a.avi', '3'), ('A/a b', 'tai chi'), ('a b', '3'))
    """
    if (quoted := _QUOTED.fullmatch(line)) is not None:
        label = quoted[2].strip().removeprefix(separator).strip()
        return quoted[1].strip(), _unquoted(label) or None
    if "\t" in line or separator:
        path, _, label = line.partition(separator or "\t")
        return path.strip(), _unquoted(label.strip()) or None
    if line.lower().endswith(VIDEO_SUFFIXES):
        return line, None
    if (end := _ENDS_PATH.match(line)) is not None:
        return end[0], line[end.end() :].strip() or None
    words = line.rsplit(maxsplit=1)
    return (words[0], words[1]) if len(words) == 2 else (line, None)


def _unquoted(label: str) -> str:
    return label[1:-1].strip() if len(label) > 1 and label[0] == label[-1] == '"' else label


def _separator(lines: Sequence[str]) -> str:
    """The comma or semicolon that stands behind the path of every line, "" if there is none.

    >>> _separator(["a.mp4,3", "b.mp4,4"]), _separator(["a, b.mp4 3", "c, d.mp4 4"]), _separator(["A/a;tai chi"])
    (',', '', '')
    """
    return next((each for each in ",;" if lines and all(_is_separated(line, each) for line in lines)), "")


def _is_separated(line: str, separator: str) -> bool:
    """Whether the first separator is behind the suffix of a video or a quoted path, or stands before a number."""
    if (quoted := _QUOTED.fullmatch(line)) is not None:
        return quoted[2].lstrip().startswith(separator)
    path, found, label = line.partition(separator)
    behind = path.strip().lower().endswith(VIDEO_SUFFIXES) and not label.strip().lower().endswith(VIDEO_SUFFIXES)
    return bool(found) and "\t" not in line and (behind or label.strip().replace(".", "", 1).isdecimal())


def _class_index(path: Path) -> tuple[str, ...] | None:
    """Read ``classInd.txt``: lines ``1 ApplyEyeMakeup``, numbered from 1 without gaps; None if there is no such file.

    Raises: DatasetError naming the line if it is of another form.
    """
    if not path.is_file():
        return None
    names: dict[int, str] = {}
    for number, line in enumerate(lines_of(path), start=1):
        words = line.split(maxsplit=1)
        if not words:
            continue
        if len(words) != 2 or not words[0].isdecimal() or int(words[0]) in names:
            raise DatasetError(f"{path}:{number}: expected a new number and a class, such as `1 ApplyEyeMakeup`")
        names[int(words[0])] = words[1].strip()
    if sorted(names) != list(range(1, len(names) + 1)) or len(set(names.values())) != len(names):
        raise DatasetError(f"{path}: the classes must be different and numbered from 1 without gaps")
    return tuple(names[index] for index in sorted(names))
