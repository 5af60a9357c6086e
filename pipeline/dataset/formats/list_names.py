"""Annotation files whose names say a subset: which belong together, and what their splits are called."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mocrop.pipeline.dataset.formats.base import ListedSubset

LIST_SUFFIXES = (".txt", ".list", ".lst", "")  # of text lists
_STARTS = "(?:(?<![a-zA-Z])|(?<=[a-z])(?=[A-Z]))"  # not within a word, as in "latest"
_ENDS = "(?=[^a-zA-Z]|$|[A-Z]|(?i:list|set|split|val|test|video|clip|file|data|label|anno))"  # not as in "values"


def _word(*words: str) -> re.Pattern[str]:
    forms = "|".join(form for word in words for form in (word, word.capitalize(), word.upper()))
    return re.compile(f"{_STARTS}(?:{forms}){_ENDS}")


_SUBSET_WORDS = (  # of train and val the first counts: "trainval" is train
    (_word("training", "train"), ListedSubset.TRAIN),
    (_word("testing", "test"), ListedSubset.TEST),
    (_word("validation", "validate", "valid", "val"), ListedSubset.VAL),
)


@dataclass(frozen=True)
class ListFile:
    """An annotation file, and what its name says."""

    path: Path
    split: str
    subset: ListedSubset


def subset_and_key(file: Path) -> tuple[ListedSubset, str] | None:
    """Subset in the name of a file, and the rest of it, which its counterparts share; None if it says no subset.

    A name that says test and another subset says none: such a list holds both.

    >>> subset_and_key(Path("trainlist01.txt")), subset_and_key(Path("ucfVal.csv"))
    ((<ListedSubset.TRAIN: 'train'>, 'list01.txt'), (<ListedSubset.VAL: 'val'>, 'ucf.csv'))
    >>> subset_and_key(Path("latest.txt")), subset_and_key(Path("values.txt")), subset_and_key(Path("train_test.txt"))
    (None, None, None)
    """
    found = [] if file.name.startswith(".") else [each for each in _SUBSET_WORDS if each[0].search(file.stem)]
    if not found or (found[1:] and any(subset is ListedSubset.TEST for _, subset in found)):
        return None
    word, subset = found[0]
    return subset, word.sub("", file.stem, count=1) + file.suffix


def list_files(path: Path, is_list: Callable[[Path], bool]) -> list[ListFile]:
    """Find the files at ``path`` whose names say a subset; those that differ in that alone belong to one split.

    Args:
        path: a folder, or a file that brings its counterparts along; where its name says no subset there is none.
        is_list: whether a file is of the wanted kind.
    """
    folder = path if path.is_dir() else path.parent
    keys: dict[Path, tuple[ListedSubset, str]] = {}
    for file in sorted(folder.iterdir()):
        if file.is_file() and (key := subset_and_key(file)) and is_list(file):
            keys[file] = key
    if path.is_file():
        keys = {file: key for file, key in keys.items() if path in keys and key[1] == keys[path][1]}
    names = _split_names(sorted({key for _, key in keys.values()}))
    return [ListFile(file, names[key], subset) for file, (subset, key) in keys.items()]


def _split_names(keys: list[str]) -> dict[str, str]:
    """Name splits by the last number in their keys if these numbers differ: "list01.txt" is split "1"."""
    numbers = {key: re.findall("[0-9]+", key)[-1:] for key in keys}
    names = {key: str(int(found[0])) if found else "" for key, found in numbers.items()}
    if len(keys) == 1 and not names[keys[0]]:
        return {keys[0]: "1"}
    if all(names.values()) and len(set(names.values())) == len(keys):
        return names
    return {key: key.rpartition(".")[0].strip("-_ ") or "1" for key in keys}
