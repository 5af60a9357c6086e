"""Kinetics-400, -600, -700: CSVs with `label,youtube_id,time_start,time_end,split` (Kay et al., arXiv 1705.06950)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mocrop.pipeline.dataset.formats.base import (
    Annotations,
    Listed,
    ListedSubset,
    Source,
    named,
    nothing_listed,
    subset_in_name,
    subset_of,
)
from mocrop.pipeline.dataset.formats.kinetics_files import plain_files, with_files
from mocrop.pipeline.dataset.formats.text_files import lines_of, quotes_checked, require_all_cells, whole_number
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.dataset.walk import without_video_suffix
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.span import MICROSECONDS, Span

_NEEDED = ("youtube_id", "time_start", "time_end")
_OFFICIAL = re.compile("_[0-9]{6}_[0-9]{6}$")  # at the end of a file's name, without its suffix
_MOST_SECONDS = 999_999  # as many as the six digits in a file's name can say


class Kinetics:
    """Ten seconds a row of a video on YouTube, in a file called `<id>_<start>_<end>` with six digits each."""

    name = "kinetics"
    looks_like = "train.csv, validate.csv ... with label,youtube_id,time_start,time_end,split"

    def recognise(self, source: Source) -> str | None:
        """By the first lines of the CSVs."""
        files = _csvs(source)
        if not files:
            return None
        why = named(files, "youtube_id, time_start and time_end")
        if all(_OFFICIAL.search(without_video_suffix(video.path)) for video in source.videos):
            return why
        plain = plain_files(source, list(_rows(source, IssueLog())))
        if plain is None:
            return why
        what = "whole videos, out of which the rows are cut" if plain.whole else "cut to their rows already"
        return f"{why}; {len(plain.rows):,} files called by an id alone are {what}, by the lengths of {plain.opened}"

    def read(self, source: Source, log: IssueLog) -> Annotations:
        """Read all CSVs. The test of Kinetics-400 has no labels, so its clips are in no split.

        Raises: DatasetError also for videos that are called by their id alone and may be cut to a row or whole.
        """
        rows = list(_rows(source, log))
        if not rows:
            raise nothing_listed(source.annotations, log, "rows like `abseiling,-abc_123XYZ,10,20,train`")
        listed = tuple(with_files(rows, plain_files(source, rows), log))
        return Annotations(split_names=("1",), class_names=None, listed=listed)


def _rows(source: Source, log: IssueLog) -> Iterator[Listed]:
    """Every row that can be read, with its official name and its times."""
    return (entry for file in _csvs(source) for entry in _entries(file, log))


def _csvs(source: Source) -> list[Path]:
    return [file for file in source.files if file.suffix.lower() == ".csv" and set(_NEEDED) <= set(_columns(file))]


def _columns(file: Path) -> Sequence[str]:
    try:
        with file.open(encoding="utf-8-sig") as stream:
            first = next(csv.reader([stream.readline(1 << 16)]), [])
    except (UnicodeDecodeError, csv.Error):
        return ()
    except OSError as error:
        raise DatasetError(f"{file} cannot be read ({error.strerror}); check its permissions") from error
    return [name.strip().lower() for name in first]


def _entries(file: Path, log: IssueLog) -> Iterator[Listed]:
    of_file, _ = subset_in_name(file.stem)
    reader = csv.DictReader(lines_of(file), fieldnames=_columns(file), strict=True)
    with quotes_checked(file, reader):
        next(reader, None)
        for row in reader:
            try:
                yield _entry(row, of_file, file.name, reader.line_num)
            except ValueError as error:
                log.note(IssueCode.MALFORMED_LINE, f"{file.name}:{reader.line_num}", kind=str(error))


def _entry(row: Mapping[str, str | None], of_file: ListedSubset | None, file: str, line: int) -> Listed:
    """Raises: ValueError naming what is wrong with the row."""
    require_all_cells(row)
    cells = {name: (cell or "").strip() for name, cell in row.items()}
    subset = subset_of(cells["split"]) if "split" in cells else of_file
    if subset is None:
        word = (
            f"'{cells['split']}', which is not known"
            if "split" in cells
            else "in neither its cells nor its file's name"
        )
        raise ValueError(f"with the subset {word}")
    if not cells["youtube_id"]:
        raise ValueError("without a youtube_id")
    start, end = (whole_number(cells[name]) for name in _NEEDED[1:])
    if start is None or end is None or not start < end <= _MOST_SECONDS:
        raise ValueError("with a start and an end between which there is no time")
    label = cells.get("label", "")
    path = f"{cells['youtube_id']}_{start:06d}_{end:06d}"
    span = Span(start * MICROSECONDS, end * MICROSECONDS)
    return Listed("1", subset, path, (label,) if label else None, file, line, span=span, video=cells["youtube_id"])
