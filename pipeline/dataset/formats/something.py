"""Something-Something v2: `something-something-v2-{train,validation,test,labels}.json` (Goyal et al., ICCV 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mocrop.pipeline.dataset.formats.base import Annotations, Source, named, nothing_listed
from mocrop.pipeline.dataset.formats.json_files import (
    json_files,
    listed_entries,
    lists_and_names,
    read_json,
)
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.names import is_utf8


class SomethingSomething:
    """Files called by an id, with a template a clip and a map from templates to numbers."""

    name = "ssv2"
    looks_like = "...-train.json, ...-validation.json with id and template a clip, and ...-labels.json"

    def recognise(self, source: Source) -> str | None:
        """By the key `template`."""
        files = json_files(source, "template")
        return named(files, "an id and a template a clip") if files else None

    def read(self, source: Source, log: IssueLog) -> Annotations:
        """Read all subsets; the clips of the test have no label. The classes are in the order of the label map."""
        lists, maps = lists_and_names(source, "template", "label")
        if not maps:
            raise DatasetError(
                f"{source.annotations} holds no label map, such as something-something-v2-labels.json; one is needed, "
                "which says what the classes are"
            )
        names = _class_names(maps[0])
        known = frozenset(names)
        listed = tuple(listed_entries(lists, lambda entry: (_id(entry), _labels(entry, known)), log))
        if not listed:
            raise nothing_listed(source.annotations, log, "...-train.json and ...-validation.json")
        return Annotations(split_names=("1",), class_names=names, listed=listed, labels_are_names=True)


def _class_names(file: Path) -> tuple[str, ...]:
    """The templates in the order of their numbers, which count from 0 without gaps."""
    value = read_json(file)
    numbers = {str(number): name for name, number in value.items()} if isinstance(value, Mapping) else {}
    wanted = [str(number) for number in range(len(numbers))]
    if not numbers or len(value) != len(numbers) or set(numbers) != set(wanted) or not all(map(is_utf8, value)):
        raise DatasetError(f"{file} is no map from class names to numbers from 0 without gaps; fetch it again")
    return tuple(numbers[number] for number in wanted)


def _id(entry: Any) -> str:
    """Raises: ValueError if there is none."""
    found = entry.get("id") if isinstance(entry, Mapping) else None
    if isinstance(found, bool) or not isinstance(found, str | int) or not str(found):
        raise ValueError("without an id")
    return str(found)


def _labels(entry: Mapping[str, Any], names: frozenset[str]) -> tuple[str, ...] | None:
    """The class of an entry: its template without the brackets around what is put in.

    Raises: ValueError if the label map has no such class.
    """
    template = entry.get("template")
    if template is None:
        return None
    name = str(template).replace("[", "").replace("]", "")
    if name not in names:
        raise ValueError("with a template that is not in the label map")
    return (name,)
