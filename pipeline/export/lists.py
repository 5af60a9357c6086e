"""The lists of an export: labels and subsets, in the form of UCF-101 or as a CSV, which `mocrop init` reads back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mocrop.pipeline.csv_file import write_csv
from mocrop.pipeline.export.base import Export, ExportedClip
from mocrop.pipeline.files import write_whole
from mocrop.pipeline.groups import FIRST_ACROSS_CLASSES, NO_GROUP

CSV = "splits.csv"
CLASS_INDEX = "classInd.txt"


def write_lists(export: Export) -> list[Path]:
    """Write the lists of what is done. Returns: the files; none for a data set without labels and splits."""
    if not export.class_names:
        return []
    return _as_ucf101(export) if export.like_ucf101 else [_as_csv(export)]


def _as_csv(export: Export) -> Path:
    """A row for each clip, split and label."""
    file = export.folder / CSV
    grouped = len({_group(clip) for clip in export.clips()} - {""}) > 1  # or the column would keep nothing apart
    head = ("path", "label", "subset", "split", *(("group",) if grouped else ()))
    write_csv(head, (row[: len(head)] for row in _rows(export)), file)
    return file


def _rows(export: Export) -> Iterator[tuple[str, ...]]:
    for clip in export.clips():
        for split, subset in zip(export.split_names or ("1",), clip.info.subsets or ("",), strict=True):
            for label in clip.info.labels or ("",):
                yield clip.path, label, subset or "none", split, _group(clip)


def _group(clip: ExportedClip) -> str:
    """A name for the group of a clip; one that counts within a class alone names that class."""
    number = clip.info.group
    if number == NO_GROUP:
        return ""
    return f"{number}" if number >= FIRST_ACROSS_CLASSES else f"{number} of {'|'.join(clip.info.labels)}"


def _as_ucf101(export: Export) -> list[Path]:
    """``trainlist01.txt`` and so on, and ``classInd.txt``."""
    lines: dict[str, list[str]] = {
        CLASS_INDEX: [f"{number} {name}" for number, name in enumerate(export.class_names, start=1)]
    }
    for clip in export.clips():
        for split, subset in zip(export.split_names, clip.info.subsets, strict=True):
            if subset:
                lines.setdefault(f"{subset}list{int(split):02d}.txt", []).append(_line(clip, subset))
    files = [export.folder / name for name in sorted(lines)]
    for file in files:
        write_whole(file, "".join(f"{line}\n" for line in lines[file.name]).encode())
    return files


def _line(clip: ExportedClip, subset: str) -> str:
    return clip.path if subset == "test" else f"{clip.path} {clip.info.label_numbers[0] + 1}"
