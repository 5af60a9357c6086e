"""Diving48: `Diving48_V2_train.json`, `Diving48_V2_test.json` and `Diving48_vocab.json` (Li et al., ECCV 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mocrop.pipeline.dataset.formats.base import Annotations, Source, named, nothing_listed
from mocrop.pipeline.dataset.formats.json_files import json_files, listed_entries, lists_and_names, read_entries
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.names import is_utf8


class Diving48:
    """Files called by `vid_name`, each one dive, with the number of its class."""

    name = "diving48"
    looks_like = "..._train.json and ..._test.json with vid_name and label a clip, and ..._vocab.json"

    def recognise(self, source: Source) -> str | None:
        """By the key `vid_name`."""
        files = json_files(source, "vid_name")
        return named(files, "a vid_name a clip") if files else None

    def read(self, source: Source, log: IssueLog) -> Annotations:
        """Read both subsets. Classes are called by their words in the vocabulary, or by numbers without one."""
        lists, vocabularies = lists_and_names(source, "vid_name", "vocab")
        names = _class_names(vocabularies[0]) if vocabularies else None
        listed = tuple(listed_entries(lists, lambda entry: (_name(entry), (_label(entry, names),)), log))
        if not listed:
            raise nothing_listed(source.annotations, log, "..._train.json and ..._test.json")
        return Annotations(split_names=("1",), class_names=names, listed=listed, labels_are_names=names is not None)


def _class_names(file: Path) -> tuple[str, ...]:
    """The words of each class, such as "Back 15som 05Twis FREE"."""
    entries = read_entries(file)
    if not all(isinstance(words, list) and words and all(isinstance(word, str) for word in words) for words in entries):
        raise DatasetError(f"{file} is no list of words for every class; fetch it again")
    names = tuple(" ".join(words) for words in entries)
    if len(set(names)) != len(names) or not all(map(is_utf8, names)):
        raise DatasetError(f"{file} has the same words for two classes, or half a letter; fetch it again")
    return names


def _name(entry: Any) -> str:
    """Raises: ValueError if there is none, or if the dive is a part of its file."""
    name = entry.get("vid_name") if isinstance(entry, Mapping) else None
    if not isinstance(name, str) or not name:
        raise ValueError("without a vid_name")
    if entry.get("start_frame", 0) != 0:
        raise ValueError("with a start_frame that is not 0, so that the clip is a part of its file")
    return name


def _label(entry: Mapping[str, Any], names: tuple[str, ...] | None) -> str:
    """Raises: ValueError if the label is none of the classes."""
    label = entry.get("label")
    if type(label) is not int or label < 0 or (names is not None and label >= len(names)):
        raise ValueError("with a label that is no number of a class")
    return str(label) if names is None else names[label]
