"""A CSV with a header: the columns `path`, `label`, `subset`, and if wanted `split`, `start`, `end` and `group`."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from mocrop.pipeline.dataset.formats.base import (
    Annotations,
    Listed,
    ListedSubset,
    Source,
    named,
    nothing_listed,
    subset_of,
)
from mocrop.pipeline.dataset.formats.csv_doubts import require_no_doubt, require_no_subset_folders
from mocrop.pipeline.dataset.formats.csv_header import GROUP, READ, as_column, is_called_as, read_header
from mocrop.pipeline.dataset.formats.list_names import LIST_SUFFIXES, ListFile, list_files, subset_and_key
from mocrop.pipeline.dataset.formats.text_files import (
    as_label,
    lines_of,
    quotes_checked,
    require_all_cells,
    split_names,
)
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.names import from_csv_cell, printable
from mocrop.pipeline.span import Span


class CsvFile:
    """One CSV, or several without subsets whose names say train, val or test."""

    name = "csv"
    looks_like = "a .csv file whose first line names the columns path and label or subset"

    def recognise(self, source: Source) -> str | None:
        """By its suffix, and by the column `path`."""
        tables = _tables(source)
        if not tables:
            return None
        rows = tables[0]
        if not (source.by_name or any(table.has_subsets for table in tables)):
            require_no_subset_folders(source)
        columns = ", ".join(map(printable, filter(None, rows.columns)))
        said = [f"{printable(table.path.name)} is for {table.said}" for table in tables if table.said is not None]
        return ", and ".join((f"{named([rows.path], 'the columns')} {columns}", *rows.taken, *said[:3]))

    def read(self, source: Source, log: IssueLog) -> Annotations:
        """Read all rows."""
        tables = _tables(source)
        for table in tables:
            table.require_no_doubt()
        listed = tuple(entry for table in tables for entry in table.entries(log))
        if not listed:
            raise nothing_listed(source.annotations, log, "rows like `Class/video.avi,Class,train`")
        return Annotations(
            split_names=split_names(listed),
            class_names=None,
            listed=listed,
            columns=tuple(dict.fromkeys(name for table in tables for name in table.columns)),
            has_subsets=any(table.has_subsets for table in tables),
        )


def require_header(source: Source) -> None:
    """Raises: DatasetError saying what the header of a CSV lacks, if there is a CSV; of one for a subset first."""
    for file in sorted(filter(_is_csv, source.files), key=lambda file: subset_and_key(file) is None)[:1]:
        _Rows(file, source.group_by)


def _tables(source: Source) -> list[_Rows]:
    """The CSV of a source, with its counterparts if its name alone says the subset; those of a folder without lists.

    Raises: DatasetError if one of them cannot be read, or does not say subsets where there are several.
    """
    if source.annotations is None:
        return []
    if source.annotations.is_file():
        if not _is_csv(source.annotations):
            return []
        rows = _Rows(source.annotations, source.group_by)
        suffix = source.annotations.suffix.lower()
        if rows.has_subsets or "label" not in rows.columns:
            return [rows]
        found = list_files(source.annotations, lambda file: file.suffix.lower() == suffix)
        return [_Rows(file.path, source.group_by, file) for file in found] or [rows]
    files = [file for file in source.files if _is_csv(file)]
    with_lists = any(file.suffix.lower() in LIST_SUFFIXES and subset_and_key(file) for file in source.files)
    if with_lists or not any(map(_names_path, files)):
        return []
    if len(files) == 1:
        return _tables(replace(source, annotations=files[0], files=(files[0],)))
    of_file = {file.path: file for file in list_files(source.annotations, _is_csv)}
    tables = [_Rows(file, source.group_by, of_file.get(file)) for file in files]
    if silent := [table.path.name for table in tables if not table.has_subsets]:
        raise DatasetError(
            f"{source.annotations} holds {len(files)} CSVs, and neither name nor columns of {printable(silent[0])} say "
            "what is for train, val or test; pass one of them, or add a column subset"
        )
    return tables


def _is_csv(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in (".csv", ".tsv")


def _names_path(path: Path) -> bool:
    """Whether the first line of a CSV names a column of paths, whatever separates them."""
    names = (as_column(name.strip('" ')) for name in re.split("[,;\t]", lines_of(path)[0]))
    return any(name == "path" or is_called_as("path", name) for name in names)


@lru_cache(maxsize=4096)  # few names stand in many rows
def _name(cell: str) -> str:
    return from_csv_cell(cell)


class _Rows:
    """The header of a CSV, and its rows."""

    def __init__(self, path: Path, group_by: str | None, of_file: ListFile | None = None) -> None:
        self.path = path
        self._lines = [f"{line}\n" for line in lines_of(path)]
        self._delimiter = max(",;\t", key=self._lines[0].count)
        with quotes_checked(path, reader := self._reader(None)):
            written = tuple(as_column(name) for name in reader.fieldnames or ())
        group = as_column(group_by) or GROUP
        self._group = group if group in written else ""
        header = read_header(path, written, self._group, self._above())
        self.columns, self.taken = header.names, header.taken
        by_name = of_file is not None and "subset" not in self.columns and "label" in self.columns
        self.said = of_file.subset if of_file is not None and by_name else None
        self._split = of_file.split if of_file is not None and by_name else "1"

    @property
    def has_subsets(self) -> bool:
        """Whether columns or the name of the file say what is for train and what for test."""
        return "subset" in self.columns or self.said is not None

    def _above(self) -> str:
        """What to do where the first line is no header but a row."""
        if self._delimiter not in self._lines[0]:  # as in the lists of other programs: `a.mp4 3`
            name = self.path.stem if subset_and_key(self.path) else "train"
            return f"rename the file to {printable(name)}.txt, and it is read as a list of `path label` lines"
        names = ("path", "label", "subset")[: self._lines[0].count(self._delimiter) + 1]
        columns = self._delimiter.join(names).replace("\t", " (tab) ")
        return f"put a line such as {columns} above it"

    def _reader(self, columns: Sequence[str] | None) -> csv.DictReader[str]:
        return csv.DictReader(self._lines, columns, delimiter=self._delimiter, skipinitialspace=True, strict=True)

    def require_no_doubt(self) -> None:
        """Raises: DatasetError if a column that is passed over says something else than what is read."""
        rows = self._reader(self.columns)
        with quotes_checked(self.path, rows):
            next(rows, None)  # the header
            require_no_doubt(self.path, self.columns, self._group, rows)

    def entries(self, log: IssueLog) -> Iterator[Listed]:
        """Every row that can be read; the others are noted with the reason.

        Raises: DatasetError if a cell runs over several lines, as where a quotation mark is closed in another row.
        """
        rows = self._reader(self.columns)
        with quotes_checked(self.path, rows):
            next(rows, None)  # the header
            for row in rows:
                line = rows.line_num
                try:
                    yield self._entry(row, line)
                except ValueError as error:
                    log.note(IssueCode.MALFORMED_LINE, f"{self.path.name}:{line}", kind=str(error))

    def _entry(self, row: dict[str, str], line: int) -> Listed:
        """Turn a row into an entry. Raises: ValueError naming what is wrong with it."""
        require_all_cells(row)
        cells = {name: cell.strip() for name, cell in row.items()}
        if torn := next((name for name in (*READ, self._group) if "\n" in cells.get(name, "")), None):
            raise DatasetError(f"{self.path}:{line}: the {torn} runs over several lines; fix the quotation marks there")
        subset = subset_of(cells["subset"]) if "subset" in cells else self.said or ListedSubset.NONE
        if subset is None:
            raise ValueError(f"with the subset '{cells['subset']}', which is not known")
        if not cells["path"]:
            raise ValueError("without a path")
        label = _name(cells.get("label", ""))
        return Listed(
            _name(cells.get("split", "")) or self._split,
            subset,
            cells["path"].replace("\\", "/"),
            (as_label(label),) if label else None,
            self.path.name,
            line,
            _name(cells.get(self._group, "")) if self._group else "",
            _span(cells.get("start", ""), cells.get("end", "")),
        )


def _span(start: str, end: str) -> Span | None:
    """The span between two cells; None if both are empty. Raises: ValueError for any other pair that is none."""
    if not start and not end:
        return None
    if not start or not end:
        raise ValueError("with a start and no end" if start else "with an end and no start")
    try:
        return Span.seconds(start, end)
    except ValueError as error:
        raise ValueError("with a start and an end between which there is no time") from error
