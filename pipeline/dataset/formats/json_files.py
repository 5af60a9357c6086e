"""Annotations in JSON: which of several files is for what, and their entries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mocrop.pipeline.dataset.formats.base import ListedSubset, Source, subset_of
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.names import is_utf8
from mocrop.pipeline.strict_json import parsed_json

HEAD_BYTES = 64 << 10  # enough to tell one form from another


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


def head_of(file: Path, most: int = HEAD_BYTES) -> str:
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


def by_subset(files: Iterable[Path]) -> Iterator[tuple[Path, ListedSubset]]:
    """The files whose name holds the word of a subset, `..._train.json`, and that subset."""
    for file in files:
        words = file.stem.replace("-", "_").replace(".", "_").split("_")
        found = {subset for word in words if word and (subset := subset_of(word)) is not None}
        if len(found) == 1:
            yield file, found.pop()
