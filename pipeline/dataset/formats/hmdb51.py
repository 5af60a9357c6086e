"""The lists of HMDB-51: `<class>_test_split<N>.txt` with a clip and 0, 1 or 2 a line (Kuehne et al., ICCV 2011)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mocrop.pipeline.dataset.formats.base import Annotations, Listed, ListedSubset, Source
from mocrop.pipeline.dataset.formats.list_names import subset_and_key
from mocrop.pipeline.dataset.formats.text_files import lines_of, split_names
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.errors import DatasetError

_LIST = re.compile(r"(?P<label>.+)_test_split(?P<split>[0-9]+)\.txt")
_SUBSETS = {"0": ListedSubset.NONE, "1": ListedSubset.TRAIN, "2": ListedSubset.TEST}


class Hmdb51:
    """HMDB-51, and any data set with lists of its form."""

    name = "hmdb51"
    looks_like = "<class>_test_split1.txt ... with `video.avi 1` lines: 1 train, 2 test, 0 neither"

    def recognise(self, source: Source) -> str | None:
        """By the names of the files."""
        files = hmdb51_lists(source)
        return f"{len(files)} files are called <class>_test_split<N>.txt" if files else None

    def read(self, source: Source, log: IssueLog) -> Annotations:
        """Read the lists of all classes and splits.

        A list of one split alone counts for that split. Every class must be listed in every split, since the clips of
        one that is not would be missing from it without a word.
        """
        files = hmdb51_lists(source)
        of_file = {file: tuple(_entries(file, log)) for file in files}
        if empty := [file for file, entries in of_file.items() if not entries]:
            raise DatasetError(f"{empty[0]} lists no clip; expected lines like `video.avi 1`, so fetch it again")
        listed = tuple(entry for entries in of_file.values() for entry in entries)
        of_split: dict[str, set[str]] = {}
        for file in files:
            label, split = _label_and_split(file)
            of_split.setdefault(split, set()).add(label)
        classes = sorted(set().union(*of_split.values()))
        for split, labels in of_split.items():
            if lacking := sorted(set(classes) - labels):
                raise DatasetError(
                    f"{source.annotations}: split {split} has no list of {lacking[0]}"
                    f"{f' and {len(lacking) - 1} more classes' if lacking[1:] else ''}; add it, or remove the lists "
                    "of the other splits"
                )
        return Annotations(
            split_names=split_names(listed), class_names=tuple(classes), listed=listed, labels_are_names=True
        )


def hmdb51_lists(source: Source) -> list[Path]:
    """The lists of a source; none if they have counterparts for train, as `own_test_split1.txt` may have.

    Raises: DatasetError if some have counterparts and others have none.
    """
    if source.annotations is None:
        return []
    files = source.files
    if source.annotations.is_file() and _LIST.fullmatch(source.annotations.name):
        beside = source.annotations.parent.iterdir()
        files = tuple(sorted(file for file in beside if file.is_file() and not file.name.startswith(".")))
    lists = [file for file in files if _LIST.fullmatch(file.name)]
    others = {key[1]: file for file in files if (key := subset_and_key(file)) and file not in lists}
    paired = [(file, others[key[1]]) for file in lists if (key := subset_and_key(file)) and key[1] in others]
    if paired and len(paired) < len(lists):
        file, other = paired[0]
        raise DatasetError(
            f"{source.annotations} holds {len(lists)} files called as the lists of HMDB-51 are, and {file.name} among "
            f"them has the counterpart {other.name}, which those do not have; move the lists of one data set away"
        )
    return [] if paired else lists


def _label_and_split(file: Path) -> tuple[str, str]:
    parts = _LIST.fullmatch(file.name)
    assert parts is not None
    return parts["label"], str(int(parts["split"]))


def _entries(file: Path, log: IssueLog) -> Iterator[Listed]:
    label, split = _label_and_split(file)
    for number, line in enumerate(lines_of(file), start=1):
        words = line.strip().rsplit(maxsplit=1)
        if not words:
            continue
        subset = _SUBSETS.get(words[1]) if len(words) == 2 else None
        if subset is None:
            log.note(IssueCode.MALFORMED_LINE, f"{file.name}:{number}", kind="without 0, 1 or 2 at the end")
            continue
        clip = words[0]
        if "/" in clip and PurePosixPath(clip).parent.name != label:
            log.note(IssueCode.MALFORMED_LINE, f"{file.name}:{number}", kind="with a folder that is not the class")
            continue
        path = clip if "/" in clip else f"{label}/{clip}"
        yield Listed(split, subset, path, (label,), file.name, number, other_paths=(clip,))
