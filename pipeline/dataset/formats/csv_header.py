"""What the columns of a CSV are, by the names in its first line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.names import printable

GROUP = "group"  # the column of groups, where --group-by asks for nothing else
READ = ("path", "subset", "label", "split", "start", "end")  # columns that mean something by their names
_ALSO = {  # what else they may be called, where no column has the name itself
    "path": (
        *("file_path", "filepath", "file", "filename", "file_name", "video", "video_path", "video_file"),
        *("video_name", "video_id", "clip", "clip_path", "clip_name", "clip_id"),
    ),
    "label": ("labels", "label_name", "class", "class_name", "classname", "category", "action"),
    "start": ("start_time", "start_seconds", "start_sec", "time_start"),
    "end": ("end_time", "end_seconds", "end_sec", "time_end"),
}
_NUMBERS_OF_CLASSES = ("label_id", "label_idx", "label_index", "class_id", "class_idx", "class_index")
_FRAMES = ("start_frame", "frame_start", "end_frame", "frame_end", "stop_frame")
_PARTS = re.compile("[^a-z0-9]+")
_STARTS = re.compile("t?(start|begin|onset|from)")  # how a word starts that may be that of a time
_ENDS = re.compile("t?(end|stop|finish|offset|duration|to$)")


@dataclass(frozen=True, kw_only=True)
class Header:
    """The columns of a CSV."""

    names: tuple[str, ...]  # in lower case; those of READ by the name there, others as written
    taken: tuple[str, ...]  # what was taken for what, for people: "filename is the path"


def as_column(name: str | None) -> str:
    """A name as the columns of a CSV are compared."""
    return (name or "").strip().lower()


def is_called_as(column: str, name: str) -> bool:
    """Whether a name may be that of a column, which is called otherwise.

    >>> is_called_as("start", "start time"), is_called_as("label", "verb_class"), is_called_as("label", "class-id")
    (True, False, True)
    """
    plain = _plain(name)
    return plain in _ALSO.get(column, ()) or (column == "label" and plain in _NUMBERS_OF_CLASSES)


def _plain(name: str) -> str:
    return _PARTS.sub("_", name).strip("_")


def read_header(
    path: Path, written: Sequence[str], group: str, way_out: str = "put a line such as path,label,subset above it"
) -> Header:
    """Decide what each column is.

    Args:
        path: the CSV, for messages.
        written: the cells of its first line, by :func:`as_column`.
        group: the column of --group-by, which is nothing else; "" if there is none.
        way_out: what to do where the first line is no header, for messages.
    Raises: DatasetError if path, or label and subset and group are missing, one is there twice or cannot be told.
    """
    meant: dict[str, str] = {}
    others = [name for name in written if name != group]
    if "subset" not in others and "split" in others:
        meant["split"] = "subset"
    for name in _ALSO:
        found = [each for each in others if is_called_as(name, each)] if name not in others else []
        if name == "label":
            found = [each for each in found if _plain(each) not in _NUMBERS_OF_CLASSES] or found
        if len(found) > 1:
            raise DatasetError(
                f"{path}: the columns {' and '.join(found)} may each be the {name}; call the one that is meant {name}"
            )
        meant.update(dict.fromkeys(found, name))
    names = tuple(name if name == group else meant.get(name, name) for name in written)
    _require_columns(path, names, written, group, way_out)
    _require_no_other_times(path, [name for name in names if name != group])
    taken = (f"its {column} is the {name}" for column, name in sorted(meant.items()))
    return Header(names=names, taken=tuple(map(printable, taken)))


def _require_columns(path: Path, names: Sequence[str], written: Sequence[str], group: str, way_out: str) -> None:
    if "path" not in names or not {"subset", "label", group or "subset"} & set(names):
        raise DatasetError(
            f"{path}: the first line must name the columns path and label or subset and, if wanted, split, "
            f"start and end; it names {', '.join(map(printable, filter(None, written))) or 'none'}. "
            f"If that is a row, {way_out}"
        )
    if ("start" in names) != ("end" in names):
        raise DatasetError(f"{path}: a segment needs both columns, start and end; add the other one")
    twice = [name for name in (*READ, group) if name and names.count(name) > 1]
    if twice:
        raise DatasetError(f"{path}: the first line names the column {printable(twice[0])} twice; rename one of them")


def _require_no_other_times(path: Path, names: Sequence[str]) -> None:
    """Raises: DatasetError for columns of times that are not read: whole videos would get the labels of segments."""
    if "start" in names:
        return
    if frames := [name for name in names if _plain(name) in _FRAMES]:
        raise DatasetError(
            f"{path}: the column {printable(frames[0])} counts frames; write the seconds of segments in columns start "
            "and end, or take it out if the videos are cut already"
        )
    starts, ends = ([name for name in names if any(map(each.match, _PARTS.split(name)))] for each in (_STARTS, _ENDS))
    if starts and ends:
        raise DatasetError(
            f"{path}: the columns {printable(starts[0])} and {printable(ends[0])} may be the times of segments; call "
            "them start and end and write seconds into them, or take them out if the videos are cut already"
        )
