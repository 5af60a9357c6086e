"""A table for a terminal of any width: where its columns do not fit, a paragraph for each row instead."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

NAME_WIDTH = 12  # columns of a terminal that names keep at least; longer ones are folded
_FREE = 10_000  # columns, more than any table needs


def fitted(table: Table, console: Console) -> RenderableType:
    """The table, with columns as wide as fit, or its paragraphs where names or numbers would have to be broken.

    Names, in columns that fold, keep :data:`NAME_WIDTH` columns of the terminal, numbers, in those that are set to the
    right, all that they need, and other text its longest word.
    """
    needs = [_needs(column, console, head=table.show_header) for column in table.columns]
    room = console.width - _beside(table) - sum(need.minimum for need in needs)
    if room < 0:
        return Group(*_paragraphs(table))
    if sum(need.span for need in needs) <= room:
        return table  # as it is: older releases of rich add blanks to columns of a given width
    for column, need in zip(table.columns, needs, strict=True):
        more = min(room, need.span)
        column.width, room = need.minimum + more, room - more
    return table


def _needs(column: Column, console: Console, *, head: bool) -> Measurement:
    """Least and most columns of the terminal for what a column of a table holds, its head included if it is shown."""
    free = console.options.update(width=_FREE)
    first = column.header if head else ""
    top, *cells = (Measurement.get(console, free, cell) for cell in (first, *column.cells))
    most = max(each.maximum for each in (top, *cells))
    if column.no_wrap:
        return Measurement(most, most)
    if column.justify == "right":
        return Measurement(max([top.minimum, *(each.maximum for each in cells)]), most)
    least = max(each.minimum for each in (top, *cells))
    return Measurement(min(least, NAME_WIDTH) if column.overflow == "fold" else least, most)


def _beside(table: Table) -> int:
    """Columns of the terminal for lines and blanks between the columns of a table."""
    _, right, _, left = table.padding
    gaps = len(table.columns) - 1
    blanks = gaps * (max(left, right) if table.collapse_padding else left + right)
    lines = gaps + (2 if table.show_edge else 0) if table.box else 0
    return blanks + lines + (left + right if table.pad_edge else 0)


def _paragraphs(table: Table) -> Iterator[RenderableType]:
    """The first cell of each row, and below it what further columns have; empty cells are left out."""
    if table.title:
        yield Text(str(table.title), "italic")
    heads = [column.header for column in table.columns[1:]]
    for first, *rest in zip(*(column.cells for column in table.columns), strict=True):
        name = first.copy() if isinstance(first, Text) else Text(str(first))
        name.stylize("bold")
        yield name
        cells = Table.grid(padding=(0, 2, 0, 0))
        if table.show_header:
            cells.add_column(style="dim")
        cells.add_column(overflow="fold")
        for head, cell in zip(heads, rest, strict=True):
            if str(cell):
                cells.add_row(*([head] if table.show_header else []), cell)
        yield Padding(cells, (0, 0, 0, 2), expand=False)
