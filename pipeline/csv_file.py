"""CSV files that people open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from mocrop.pipeline.files import write_whole
from mocrop.pipeline.names import csv_cell


def write_csv(head: Sequence[str], rows: Iterable[Sequence[object]], file: Path) -> None:
    """Write a table; None becomes an empty cell, and a spreadsheet runs none of the names.

    :func:`~mocrop.pipeline.names.from_csv_cell` gives the name that a cell was made of.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([csv_cell(value) for value in row] for row in (head, *rows))
    write_whole(file, text.getvalue().encode())
