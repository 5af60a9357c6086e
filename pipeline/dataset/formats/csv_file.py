"""A CSV with a header: the columns `path`, `label`, `subset`, and if wanted `split`, `start`, `end` and `group`."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from mocrop.pipeline.dataset.formats.base import Annotations, Listed, ListedSubset, Source, named, subset_of
from mocrop.pipeline.dataset.formats.text_files import as_label, lines_of, split_names
from mocrop.pipeline.dataset.issues import IssueCode, IssueLog
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.names import from_csv_cell, printable
from mocrop.pipeline.span import Span

READ = ("path", "subset", "label", "split", "start", "end")  # columns that mean something by their names


class CsvFile:
    """One CSV file."""

    name = "csv"
    looks_like = "a .csv file whose first line names the columns path and label or subset"

    def recognise(self, source: Source) -> str | None:
        """By its suffix, and by the column `path`."""
        if source.annotations is None or not _is_csv(source.annotations):
            return None
        rows = _Rows(source.annotations, source.group_by)
        meant = ", and its split is the subset" if rows.subset_is_split else ""
        columns = ", ".join(map(printable, filter(None, rows.columns)))
        return f"{named([source.annotations], 'the columns')} {columns}{meant}"

    def read(self, source: Source, log: IssueLog) -> Annotations:
        """Read all rows."""
        assert source.annotations is not None
        rows = _Rows(source.annotations, source.group_by)
        listed = tuple(rows.entries(log))
        if not listed:
            raise DatasetError(f"{source.annotations} lists no clip; expected rows like `Class/video.avi,Class,train`")
        return Annotations(
            split_names=split_names(listed),
            class_names=None,
            listed=listed,
            columns=rows.columns,
            has_subsets="subset" in rows.columns,
        )


def as_column(name: str | None) -> str:
    """A name as the columns of a CSV are compared."""
    return (name or "").strip().lower()


def _is_csv(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in (".csv", ".tsv")


class _Rows:
    """The header of a CSV, and its rows."""

    def __init__(self, path: Path, group_by: str | None) -> None:
        self._path = path
        self._lines = lines_of(path)
        delimiter = max(",;\t", key=self._lines[0].count)
        self._reader = csv.DictReader(self._lines, delimiter=delimiter, skipinitialspace=True, strict=True)
        with _Quotes(self._path, self._reader):
            written = tuple(as_column(name) for name in self._reader.fieldnames or ())
        self.subset_is_split = "split" in written and "subset" not in written
        names = tuple("subset" if self.subset_is_split and name == "split" else name for name in written)
        self._group = as_column(group_by) if as_column(group_by) in names else ""
        self.columns = names
        self._require_columns(names, written)
        self._reader.fieldnames = list(names)
        if "subset" not in names:
            self._require_no_subsets(delimiter)

    def _require_no_subsets(self, delimiter: str) -> None:
        """Raises: DatasetError if a column of another name holds nothing but subsets, which would be passed over."""
        rows = csv.DictReader(self._lines, self.columns, delimiter=delimiter, skipinitialspace=True, strict=True)
        others = {name for name in self.columns if name not in (*READ, self._group, "")}
        words: dict[str, set[str]] = {name: set() for name in others}
        with _Quotes(self._path, rows):
            next(rows, None)
            for row in rows:
                for name in [name for name in words if subset_of(row.get(name) or "") is None]:
                    del words[name]
                for name, found in words.items():
                    found.add(str(subset_of(row.get(name) or "")))
        if held := sorted(name for name, found in words.items() if found - {str(ListedSubset.NONE)}):
            raise DatasetError(
                f"{self._path}: the column {printable(held[0])} holds subsets; call it subset in the first line, or "
                "take it out to have a split made"
            )

    def _require_columns(self, names: Sequence[str], written: Sequence[str]) -> None:
        if "path" not in names or not {"subset", "label", self._group or "subset"} & set(names):
            raise DatasetError(
                f"{self._path}: the first line must name the columns path and label or subset and, if wanted, split, "
                f"start and end; it names {', '.join(map(printable, filter(None, written))) or 'none'}"
            )
        if ("start" in names) != ("end" in names):
            raise DatasetError(f"{self._path}: a segment needs both columns, start and end; add the other one")
        twice = [name for name in (*READ, self._group) if name and names.count(name) > 1]
        if twice:
            raise DatasetError(
                f"{self._path}: the first line names the column {printable(twice[0])} twice; rename one of them"
            )

    def entries(self, log: IssueLog) -> Iterator[Listed]:
        """Every row that can be read; the others are noted with the reason."""
        with _Quotes(self._path, self._reader):
            for row in self._reader:
                line = self._reader.line_num
                try:
                    yield self._entry(row, line)
                except ValueError as error:
                    log.note(IssueCode.MALFORMED_LINE, f"{self._path.name}:{line}", kind=str(error))

    def _entry(self, row: dict[str, str], line: int) -> Listed:
        """Turn a row into an entry. Raises: ValueError naming what is wrong with it."""
        if None in row or None in row.values():  # how csv marks too many and too few cells
            raise ValueError(f"with too {'many' if None in row else 'few'} cells")
        cells = {name: cell.strip() for name, cell in row.items()}
        subset = subset_of(cells["subset"]) if "subset" in cells else ListedSubset.NONE
        if subset is None:
            raise ValueError(f"with the subset '{cells['subset']}', which is not known")
        if not cells["path"]:
            raise ValueError("without a path")
        label = from_csv_cell(cells.get("label", ""))
        return Listed(
            from_csv_cell(cells.get("split", "")) or "1",
            subset,
            cells["path"].replace("\\", "/"),
            (as_label(label),) if label else None,
            self._path.name,
            line,
            from_csv_cell(cells.get(self._group, "")) if self._group else "",
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
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError("with a start and an end between which there is no time") from error


class _Quotes:
    """Turns what the CSV reader says of quotation marks into an error that names the line.

    What follows such a line cannot be trusted, as with a quotation mark that is never closed.
    """

    def __init__(self, path: Path, reader: csv.DictReader[str]) -> None:
        self._path, self._reader = path, reader

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, csv.Error):
            where = f"{self._path}:{self._reader.line_num + 1}"
            raise DatasetError(f"{where}: {error}; fix the quotation marks in that line") from error
