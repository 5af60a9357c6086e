"""Annotations in JSON: which of several files is for what, and their entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mocrop.pipeline.dataset.formats.base import Listed, ListedSubset, Source, name_words, subset_in_name
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.names import is_utf8
from mocrop.pipeline.strict_json import parsed_json

_HEAD_BYTES = 64 << 10  # enough to tell one form from another

_List = tuple[Path, ListedSubset]
_Key = tuple[str, ...]  # the words in the names of a set of lists, but those of subsets


def json_files(source: Source, mark: str) -> list[Path]:
    """The JSON files of a source if one of them has the key ``mark`` near its start, else none.

    Given one file, those beside it count too: its counterparts and the names of the classes.
    """
    if source.annotations is None:
        return []
    files = [file for file in source.files if file.suffix.lower() == ".json"]
    if not any(f'"{mark}"' in head_of(file) for file in files):
        return []
    if source.annotations.is_file():
        beside = source.annotations.parent.iterdir()
        files = [file for file in beside if file.suffix.lower() == ".json" and file.is_file() and file.name[0] != "."]
    return sorted(files)


def head_of(file: Path, most: int = _HEAD_BYTES) -> str:
    """The first bytes of a file as text, whatever it is. Raises: DatasetError if it cannot be read."""
    try:
        with file.open("rb") as stream:
            return stream.read(most).decode("utf-8-sig", "replace")
    except OSError as error:
        raise DatasetError(f"{file} cannot be read ({error.strerror}); check its permissions") from error


def read_json(file: Path) -> Any:
    """The value in a file. Raises: DatasetError if it cannot be read, is no JSON or has a key twice in one object."""
    try:
        return parsed_json(file.read_bytes().removeprefix(b"\xef\xbb\xbf"), distinct_keys=True)
    except ValueError as error:  # also of another encoding
        raise DatasetError(f"{file} is no JSON ({error}); fetch it again") from error
    except OSError as error:
        raise DatasetError(f"{file} cannot be read ({error.strerror}); check its permissions") from error


def read_entries(file: Path) -> list[Any]:
    """The entries of a file that is a list. Raises: DatasetError if it is not, or as :func:`read_json` does."""
    value = read_json(file)
    if not isinstance(value, list):
        raise DatasetError(f"{file} is no list of clips but of type {type(value).__name__}; fetch it again")
    return value


def text_in(entry: Mapping[str, Any], key: str) -> str:
    """The text under a key. Raises: ValueError if there is none, or it cannot be a name."""
    value = entry.get(key)
    if value is None:
        raise ValueError(f"without a {key}")
    if not isinstance(value, str) or not value.strip() or not is_utf8(value):
        raise ValueError(f"with a {key} that is no text")
    return value.strip()


def lists_and_names(source: Source, mark: str, word: str) -> tuple[list[_List], list[Path]]:
    """The lists of one set, each with its subset, and the file that names the classes.

    A set is what differs in the word of its subset alone, `..._train.json` and `..._test.json`. Given one of the lists,
    its set is meant.

    Args:
        mark: see :func:`json_files`.
        word: in the name of the file of classes.
    Returns: the lists, and the file of classes that is called like them, or else the only one; none if there is none.
    Raises: DatasetError for several sets of lists, which may contradict each other, or several files of classes.
    """
    files = json_files(source, mark)
    named = [file for file in files if word in file.stem.lower()]
    sets: dict[_Key, list[_List]] = {}
    for file in files:
        subset, key = subset_in_name(file.stem)
        if file not in named and subset is not None:
            sets.setdefault(key, []).append((file, subset))
    key, lists = _only_set(sets, source)
    return lists, _file_of_names(named, word, key, source)


def listed_entries(
    lists: Sequence[_List], read: Callable[[Any], tuple[str, tuple[str, ...] | None]], log: IssueLog
) -> Iterator[Listed]:
    """Every entry of some lists that can be read.

    Args:
        lists: files, and the subset of each.
        read: gives path and labels of an entry. Raises: ValueError naming what is wrong with it.
        log: receives MALFORMED_LINE with that reason.
    """
    for file, subset in lists:
        for number, entry in enumerate(read_entries(file), start=1):
            try:
                path, labels = read(entry)
            except ValueError as error:
                log.note(IssueCode.MALFORMED_LINE, f"{file.name}:{number}", kind=str(error))
            else:
                yield Listed("1", subset, path, labels, file.name, number)


def _only_set(sets: Mapping[_Key, list[_List]], source: Source) -> tuple[_Key, list[_List]]:
    """The set of the list that is given, or the only one; an empty one if there is none."""
    if source.annotations is not None and source.annotations.is_file():
        key = subset_in_name(source.annotations.stem)[1]
        if key in sets:
            return key, sets[key]
    if len(sets) > 1:
        first, second = (lists[0][0].name for lists in list(sets.values())[:2])
        raise DatasetError(
            f"{source.annotations} holds {len(sets)} sets of lists, such as {first} and {second}; "
            "pass one of the files of the set that is meant"
        )
    return next(iter(sets.items()), ((), []))


def _file_of_names(named: list[Path], word: str, key: _Key, source: Source) -> list[Path]:
    """Of the files of classes the one that is called like a set of lists, or else the only one."""
    like_them = [file for file in named if tuple(part for part in name_words(file.stem) if word not in part) == key]
    if len(like_them or named) > 1:
        raise DatasetError(
            f"{source.annotations} holds {len(named)} files of classes, such as {named[0].name}; keep the right one"
        )
    return like_them or named
