"""What speaks against the folders that are taken for classes: that they may be subsets, or lie above the classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mocrop.pipeline.dataset.formats.base import ListedSubset, subset_of
from mocrop.pipeline.dataset.formats.list_names import subset_and_key
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.names import printable

_ALSO_A_CLASS = frozenset({"train", "training"})  # a vehicle, a sport; nobody calls a class "val"
_NUMBERS = re.compile("[0-9]+")
WAY_OUT = "pass --format folders to take the upper folders for the classes, or list the clips in a CSV for --splits"


@dataclass
class _Folder:
    """A folder and the videos in it."""

    direct: int = 0
    inner: Counter[str] = field(default_factory=Counter)  # videos by the folder inside, however deep they lie


def require_classes(sizes: Mapping[str, int], dataset: str) -> None:
    """Refuse folders of which some are called as subsets and hold videos, when they are taken for classes.

    A single one called as a class may be, beside other folders, passes: see :func:`other_reading`.

    Raises: DatasetError.
    """
    folders = _folders(sizes)
    words = [name for name in folders if is_subset(name)]
    if words and (len(words) > 1 or len(folders) == 1):
        raise DatasetError(
            f"{dataset} holds videos in {named(words)}, which are subsets without class folders; list the clips with "
            "path and label in a CSV and pass it with --splits"
        )


def require_several(sizes: Mapping[str, int], dataset: str) -> None:
    """Raises: DatasetError if a single folder holds all classes that there are, and no video beside them."""
    folders = _folders(sizes)
    if len(folders) > 1 or any(folder.direct for folder in folders.values()):
        return
    ((name, folder),) = folders.items()
    raise DatasetError(
        f"{dataset} holds a single class folder, {printable(name)}/, and that holds only folders "
        f"({named(sorted(folder.inner))}); if those are the classes, take {printable(name)}/ away, or list the clips "
        "in a CSV and pass it with --splits"
    )


def other_reading(sizes: Mapping[str, int], dataset: str) -> str:
    """Another reading of class folders, with a way out; "" if there is none.

    Args:
        sizes: videos by folder, below the level above the classes, "/" between parts; "" for that level itself.
        dataset: what that level is called in the message.
    """
    folders = _folders(sizes)
    if words := counterparts(folders):
        return (
            f"{dataset} holds {named(words)}: they may be classes, or subsets, which are called train/, val/ and "
            f"test/; {WAY_OUT}"
        )
    for name, folder in folders.items():
        if is_subset(name) and name.lower() not in _ALSO_A_CLASS:
            return (
                f"{dataset} holds {named([name])} beside {named([other for other in folders if other != name])}: it "
                f"may be a class, or a subset without class folders; {WAY_OUT}"
            )
        if words := sorted(filter(is_subset, folder.inner)) or counterparts(folder.inner):
            return (
                f"{dataset} holds {printable(name)}/, and that holds {named(words)}: it may be a class, whose subsets "
                f"would be ignored, or something above the subsets; {WAY_OUT}"
            )
    return _repeated(folders, dataset)


def counterparts(folders: Iterable[str]) -> list[str]:
    """Folders whose names differ in the word of a subset alone, or all of them if all hold such words; sorted.

    >>> counterparts(["train_256", "val_256", "a"]), counterparts(["videos-train", "test"]), counterparts(["train dog"])
    (['train_256', 'val_256'], ['test', 'videos-train'], [])
    """
    names = sorted(folders)
    keys = {name: key for name in names if (key := subset_and_key(Path(name))) is not None}
    by_rest: dict[str, set[ListedSubset]] = {}
    for subset, rest in keys.values():
        by_rest.setdefault(rest, set()).add(subset)
    if len(keys) == len(names) and len({subset for subset, _ in keys.values()}) > 1:
        return names
    return [name for name, (_, rest) in keys.items() if len(by_rest[rest]) > 1]


def _repeated(folders: Mapping[str, _Folder], dataset: str) -> str:
    """Whether folders that hold only folders hold the same ones, as people do who each run and walk."""
    if any(folder.direct for folder in folders.values()):
        return ""
    above = Counter(inner for folder in folders.values() for inner in folder.inner)
    same = sorted(inner for inner, count in above.items() if count > 1)
    words = same if _numbered(folders) else [inner for inner in same if not inner.isdecimal()]
    if not words:
        return ""
    one, other = (printable(name) for name in [name for name in folders if words[0] in folders[name].inner][:2])
    inner = printable(words[0])
    return (
        f"{dataset} holds {one}/{inner}/ and {other}/{inner}/: the classes may be the upper folders "
        f"({named(list(folders))}) or the lower ({named(words)}); {WAY_OUT}"
    )


def _numbered(names: Iterable[str]) -> bool:
    """Whether names differ in their numbers only, as those of people and cameras do.

    >>> _numbered(["person1", "person12"]), _numbered(["Diving", "Golf"])
    (True, False)
    """
    return len({_NUMBERS.sub("#", name) for name in names}) == 1


def _folders(sizes: Mapping[str, int]) -> dict[str, _Folder]:
    """The folders of the first level in sorted order; videos beside them count for nothing."""
    found: dict[str, _Folder] = {}
    for path, videos in sizes.items():
        first, slash, rest = path.partition("/")
        if not first:
            continue
        folder = found.setdefault(first, _Folder())
        if slash:
            folder.inner[rest.partition("/")[0]] += videos
        else:
            folder.direct += videos
    return dict(sorted(found.items()))


def is_subset(name: str) -> bool:
    """Whether a folder is called as a subset.

    >>> is_subset("Validation"), is_subset("none"), is_subset("Archery")
    (True, False, False)
    """
    return subset_of(name) not in (None, ListedSubset.NONE)


def named(folders: Sequence[str]) -> str:
    """The first few of some folders, for a message."""
    return printable(", ".join([f"{name}/" for name in folders[:3]] + (["..."] if folders[3:] else [])))
