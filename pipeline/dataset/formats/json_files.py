"""Annotations in JSON: which of several files is for what, and their entries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mocrop.pipeline.dataset.formats.base import ListedSubset, Source, subset_of
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.strict_json import parsed_json

HEAD_BYTES = 64 << 10  # enough to tell one form from another


def json_files(source: Source, mark: str) -> list[Path]:
    """The JSON files of a source if one of them has the key ``mark`` near its start, else none.

    Given one file, those beside it count too: its counterparts and the names of the classes.
    """
    if source.annotations is None:
        return []
    files = [file for file in source.files if file.suffix.lower() == ".json"]
    if not any(f'"{mark}"' in _head(file) for file in files):
        return []
    if source.annotations.is_file():
        beside = source.annotations.parent.iterdir()
        files = [file for file in beside if file.suffix.lower() == ".json" and file.is_file() and file.name[0] != "."]
    return sorted(files)


def _head(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(HEAD_BYTES).decode("utf-8-sig", "replace")
    except OSError as error:
        raise DatasetError(f"{file} cannot be read ({error.strerror}); check its permissions") from error


def read_json(file: Path) -> Any:
    """The value in a file. Raises: DatasetError if it cannot be read or is no JSON."""
    try:
        return parsed_json(file.read_bytes().removeprefix(b"\xef\xbb\xbf"))
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


def by_subset(files: Iterable[Path]) -> Iterator[tuple[Path, ListedSubset]]:
    """The files whose name holds the word of a subset, `..._train.json`, and that subset."""
    for file in files:
        words = file.stem.replace("-", "_").replace(".", "_").split("_")
        found = {subset for word in words if word and (subset := subset_of(word)) is not None}
        if len(found) == 1:
            yield file, found.pop()
