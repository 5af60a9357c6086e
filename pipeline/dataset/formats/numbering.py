"""Whether numbers of classes mean the same in all lists and in `classInd.txt`, as far as folders show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from mocrop.pipeline.dataset.formats.base import Annotations
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.names import printable

_Numbers = Mapping[str, int]  # the number that most clips of each folder have


def require_one_numbering(lists: Annotations) -> None:
    """Refuse lists of which one counts classes from 0 and another from 1, and names of classes of other lists.

    What folders as listed show counts if they tell the classes of a list apart: one number a folder, mostly, and
    another one for each. Two lists disagree if no folder that both name has the same number in both; names are of
    other lists if no folder is called by one, in whatever case and with whatever between words.

    Raises: DatasetError naming the lists and a folder.
    """
    found: dict[str, dict[str, Counter[int]]] = {}
    for entry in () if lists.labels_are_names else lists.listed:
        if entry.parent and entry.labels and all(label.isdecimal() for label in entry.labels):
            counted = found.setdefault(entry.file, {}).setdefault(entry.parent, Counter())
            counted.update(int(label) for label in entry.labels)
    numbers = [(file, told) for file, folders in found.items() if (told := _told_apart(folders))]
    _require_agreement(numbers)
    folders = sorted({folder for _, told in numbers if len(told) > 1 for folder in told})
    names = lists.class_names or ()
    if folders and names and not {*map(_letters, folders)} & {*map(_letters, names)}:
        shown = printable(f"{folders[0]}/, {folders[1]}/")
        raise DatasetError(
            f"the classes are named {printable(f'{names[0]}, {names[-1]}')} ... beside the lists, and none of the "
            f"folders in the lists is called so ({shown}); correct or remove the file of names"
        )


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name)).casefold()


def _require_agreement(numbers: Sequence[tuple[str, _Numbers]]) -> None:
    for (first, one), (file, other) in pairwise(numbers):
        common = [folder for folder in one if folder in other]
        if len(common) > 1 and all(one[folder] != other[folder] for folder in common):
            name = common[0]
            raise DatasetError(
                f"{printable(first)} and {printable(file)} number the classes differently: clips in {printable(name)}/ "
                f"have the label {one[name]} in the one and {other[name]} in the other; correct one of them"
            )


def _told_apart(folders: Mapping[str, Counter[int]]) -> _Numbers:
    """The number of each folder; empty if two have the same, or if a folder has none for most of its clips."""
    most = {folder: counted.most_common(1)[0] for folder, counted in folders.items()}
    if any(2 * count <= folders[folder].total() for folder, (_, count) in most.items()):
        return {}
    numbers = {folder: number for folder, (number, _) in most.items()}
    return numbers if len(set(numbers.values())) == len(numbers) else {}
