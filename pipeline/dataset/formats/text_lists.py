"""Text lists of `path label` lines: those of UCF-101 with `classInd.txt`, and anybody's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mocrop.pipeline.dataset.formats.base import Annotations, Listed, ListedSubset, Source
from mocrop.pipeline.dataset.formats.hmdb51 import HMDB51_LIST
from mocrop.pipeline.dataset.formats.text_files import as_label, lines_of, split_names
from mocrop.pipeline.dataset.issues import IssueCode, IssueLog
from mocrop.pipeline.dataset.walk import VIDEO_SUFFIXES
from mocrop.pipeline.errors import DatasetError

CLASS_INDEX = "classInd.txt"
_UCF = re.compile(r"(train|test|val)list\d+\.txt", re.IGNORECASE)
_SUBSET_WORDS = (  # the first that occurs in a file name counts: "trainval" is train
    (re.compile("train(ing)?", re.IGNORECASE), ListedSubset.TRAIN),
    (re.compile("test(ing)?", re.IGNORECASE), ListedSubset.TEST),
    (re.compile("val(idat(ion|e))?", re.IGNORECASE), ListedSubset.VAL),
)
_ENDS_PATH = re.compile(rf"\S.*({'|'.join(map(re.escape, VIDEO_SUFFIXES))})(?=\s|$)", re.IGNORECASE)


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
        lists = [file.name for file in source.files if subset_and_key(file)]
        if (
            not lists
            or any(HMDB51_LIST.fullmatch(name) for name in lists)
            or all(_UCF.fullmatch(name) for name in lists) is not self._official
        ):
            return None
        others = f" and {len(lists) - 1} more" if len(lists) > 1 else ""
        return f"{lists[0]}{others} {'is a text list' if len(lists) == 1 else 'are text lists'}"

    def read(self, source: Source, log: IssueLog) -> Annotations:
        """Given ``trainlist01.txt``, ``testlist01.txt`` beside it is read too; given the folder, all lists in it."""
        assert source.annotations is not None
        files = _list_files(source.annotations)
        listed = tuple(entry for file in files for entry in _entries(file, log))
        class_names = class_index(files[0].path.with_name(CLASS_INDEX))
        if not listed:
            raise DatasetError(f"{source.annotations} lists no clip; expected lines like `Class/video.avi 0`")
        return Annotations(split_names=split_names(listed), class_names=class_names, listed=listed)


UCF101 = TextLists("ucf101", "trainlist01.txt, testlist01.txt ... with `Class/video.avi 1` lines", official=True)
LISTS = TextLists("list", "text lists whose names say train, test or val, with `path label` lines", official=False)


@dataclass(frozen=True)
class _ListFile:
    path: Path
    split: str
    subset: ListedSubset


def _list_files(path: Path) -> list[_ListFile]:
    """Find the lists at ``path``; those whose names differ only in train, test or val belong to one split."""
    folder = path if path.is_dir() else path.parent
    keys = {file: key for file in sorted(folder.iterdir()) if file.is_file() and (key := subset_and_key(file))}
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


def subset_and_key(file: Path) -> tuple[ListedSubset, str] | None:
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


def _entries(file: _ListFile, log: IssueLog) -> Iterator[Listed]:
    for number, line in enumerate(lines_of(file.path), start=1):
        if not line.strip():
            continue
        path, label = path_and_label(line.strip())
        try:
            _require_one(label or "")
            labels = None if label is None else (as_label(label),)
        except ValueError as error:
            log.note(IssueCode.MALFORMED_LINE, f"{file.path.name}:{number}", kind=str(error))
            continue
        yield Listed(file.split, file.subset, path.replace("\\", "/"), labels, file.path.name, number)


def _require_one(label: str) -> None:
    """Raises: ValueError for several cells or numbers, as in `path frames label`: which is the label, nothing says."""
    if "\t" in label:
        raise ValueError("with several cells behind the path")
    words = label.split()
    if len(words) > 1 and all(word.isdecimal() for word in words):
        raise ValueError("with several numbers behind the path")


def path_and_label(line: str) -> tuple[str, str | None]:
    """Split a line into path and label: at a tab, else where the suffix of a video ends, else at its last space.

    >>> path_and_label("A/my clip.avi 3"), path_and_label("A/my clip.avi"), path_and_label("A/clip")
    (('A/my clip.avi', '3'), ('A/my clip.avi', None), ('A/clip', None))
    >>> path_and_label("tai chi/a.avi tai chi"), path_and_label("A/a b" + chr(9) + "air drumming")
    (('tai chi/a.avi', 'tai chi'), ('A/a b', 'air drumming'))
    >>> path_and_label("my.avi files/a.avi 3")
    ('my.avi files/a.avi', '3')
    """
    if "\t" in line:
        path, _, label = line.partition("\t")
        return path.strip(), label.strip() or None
    if line.lower().endswith(VIDEO_SUFFIXES):
        return line, None
    if (end := _ENDS_PATH.match(line)) is not None:
        return end[0], line[end.end() :].strip() or None
    words = line.rsplit(maxsplit=1)
    return (words[0], words[1]) if len(words) == 2 else (line, None)


def class_index(path: Path) -> tuple[str, ...] | None:
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
