"""Read annotations that are text: their lines, and the numbers that stand for classes in them."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mocrop.pipeline.dataset.formats.base import Listed
from mocrop.pipeline.errors import DatasetError

_MAX_CLASSES = 100_000  # a larger number is not a label
_WHOLE = re.compile(r"(\d+)(?:\.0*)?", re.ASCII)  # 2, and 2.0 as pandas writes it in a column with a gap
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def lines_of(path: Path) -> list[str]:
    """The lines of a text file, without a byte order mark. Raises: DatasetError if it is no text or unreadable."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
    if "\0" in text:  # of a file that was never written to its end, or of another encoding
        raise DatasetError(f"{path} is no text (it holds a zero byte); fetch it again, or save it as UTF-8")
    return text.split("\n")


@contextlib.contextmanager
def quotes_checked(path: Path, reader: csv.DictReader[str]) -> Iterator[None]:
    """Turn what a CSV reader says of quotation marks into an error that names the line.

    What follows such a line cannot be trusted, as with a quotation mark that is never closed. Raises: DatasetError.
    """
    try:
        yield
    except csv.Error as error:
        where = f"{path}:{reader.line_num + 1}"
        raise DatasetError(f"{where}: {error}; fix the quotation marks in that line") from error


def require_all_cells(row: Mapping[str, str | None]) -> None:
    """Raises: ValueError for a row of a CSV with too many or too few cells."""
    if None in row or None in row.values():  # how csv marks them
        raise ValueError(f"with too {'many' if None in row else 'few'} cells")


def as_label(text: str) -> str:
    """A label as it is compared: a whole number without its decimals, a name as it is.

    >>> as_label("2.0"), as_label("12"), as_label("Archery")
    ('2', '12', 'Archery')

    Raises: ValueError naming what is wrong with a number that cannot be that of a class.
    """
    if (whole := _WHOLE.fullmatch(text)) is not None and int(whole[1]) < _MAX_CLASSES:
        return str(int(whole[1])) if "." in text else text
    if _NUMBER.fullmatch(text) or text.lower() == "nan":  # as a gap in a column of numbers is written
        raise ValueError("with a label that cannot be the number of a class")
    return text


def whole_number(text: str) -> int | None:
    """The whole number that a text is, also with decimals that are zeros; None if it is none.

    >>> whole_number("10"), whole_number("10.0"), whole_number("-1"), whole_number("2.5")
    (10, 10, None, None)
    """
    whole = _WHOLE.fullmatch(text)
    return None if whole is None else int(whole[1])


def split_names(listed: Iterable[Listed]) -> tuple[str, ...]:
    """The names of all splits that are listed, in order: numbers by their value, then words."""
    names = {entry.split for entry in listed}
    return tuple(sorted(names, key=lambda name: (len(name) if name.isdigit() else 99, name)))
