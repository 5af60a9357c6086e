"""What the columns of a CSV are, by the names in its first line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.names import printable

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
PATHS = ("path", *_ALSO["path"])
_NUMBERS_OF_CLASSES = ("label_id", "label_idx", "label_index", "class_id", "class_idx", "class_index")
_FRAMES = ("start_frame", "frame_start", "end_frame", "frame_end", "stop_frame")


@dataclass(frozen=True, kw_only=True)
class Header:
    """The columns of a CSV."""

    names: tuple[str, ...]  # in lower case; those of READ by the name there, others as written
    taken: tuple[str, ...]  # what was taken for what, for people: "filename is the path"


def as_column(name: str | None) -> str:
    """A name as the columns of a CSV are compared."""
    return (name or "").strip().lower()


def read_header(path: Path, written: Sequence[str], group: str) -> Header:
    """Decide what each column is.

    Args:
        path: the CSV, for messages.
        written: the cells of its first line, by :func:`as_column`.
        group: the column of --group-by, which is nothing else; "" if there is none.
    Raises: DatasetError if path, or label and subset and group are missing, one is there twice or cannot be told.
    """
    meant: dict[str, str] = {}
    others = [name for name in written if name != group]
    if "subset" not in others and "split" in others:
        meant["split"] = "subset"
    for name, also in _ALSO.items():
        found = [each for each in others if each in also] if name not in others else []
        if name == "label" and name not in others and not found:
            found = [each for each in others if each in _NUMBERS_OF_CLASSES]
        if len(found) > 1:
            raise DatasetError(
                f"{path}: the columns {' and '.join(found)} may each be the {name}; call the one that is meant {name}"
            )
        meant.update(dict.fromkeys(found, name))
    names = tuple(name if name == group else meant.get(name, name) for name in written)
    _require_columns(path, names, written, group)
    taken = (f"its {column} is the {name}" for column, name in sorted(meant.items()))
    return Header(names=names, taken=tuple(map(printable, taken)))


def _require_columns(path: Path, names: Sequence[str], written: Sequence[str], group: str) -> None:
    if "path" not in names or not {"subset", "label", group or "subset"} & set(names):
        raise DatasetError(
            f"{path}: the first line must name the columns path and label or subset and, if wanted, split, "
            f"start and end; it names {', '.join(map(printable, filter(None, written))) or 'none'}. "
            "If that is a row, put a line such as path,label,subset above it"
        )
    if ("start" in names) != ("end" in names):
        raise DatasetError(f"{path}: a segment needs both columns, start and end; add the other one")
    if "start" not in names and (frames := [name for name in names if name in _FRAMES and name != group]):
        raise DatasetError(
            f"{path}: the column {frames[0]} counts frames; write the seconds of segments in columns start and end, or "
            "take it out if the videos are cut already"
        )
    twice = [name for name in (*READ, group) if name and names.count(name) > 1]
    if twice:
        raise DatasetError(f"{path}: the first line names the column {printable(twice[0])} twice; rename one of them")
