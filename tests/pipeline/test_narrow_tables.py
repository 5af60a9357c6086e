"""Tables on terminals of any width."""

from __future__ import annotations

import io

import pytest
from rich.table import Table

from mocrop.pipeline.terminal import LineConsole


def shown(width: int, *, name: str = "timm/efficientnet_lite0", fold: bool = True) -> str:
    table = Table(title="costs", box=None, pad_edge=False)
    table.add_column("backbone", overflow="fold" if fold else "ellipsis")
    table.add_column("95 % interval", justify="right")
    table.add_column("saved", justify="right")
    table.add_row(name, "33.7 to 83.0 %", "26.5 %")
    table.add_row("x", "1 %", "")
    file = io.StringIO()
    LineConsole(file=file, width=width).print(table)
    return file.getvalue()


def test_a_table_that_fits_is_one_line_a_row() -> None:
    """23 + 14 + 6 columns, and two blanks between them."""
    lines = shown(47).splitlines()
    assert [line.split() for line in lines[-2:]] == [
        ["timm/efficientnet_lite0", "33.7", "to", "83.0", "%", "26.5", "%"],
        ["x", "1", "%"],
    ]


@pytest.mark.parametrize("width", [36, 40, 46])
def test_a_long_name_is_folded_and_no_number_is_broken(width: int) -> None:
    said = shown(width)
    assert "33.7 to 83.0 %" in said
    assert "26.5 %" in said
    assert "backbone" in said.splitlines()[-4] + said.splitlines()[-5]
    assert all(len(line) <= width for line in said.splitlines())
    assert said.startswith(" ")  # the title is in the middle of a table


@pytest.mark.parametrize("width", [20, 28, 35])
def test_what_does_not_fit_is_a_paragraph_a_row_with_every_name_and_number(width: int) -> None:
    lines = [line.rstrip() for line in shown(width).splitlines()]
    assert lines[0] == "costs"
    assert "x" in lines
    assert "26.5 %" in shown(width)
    assert "".join(lines[1:3]).startswith("timm/efficientnet_lite0")
    assert sum("saved" in line for line in lines) == 1  # an empty cell says nothing
    assert all(len(line) <= width for line in lines)


def test_a_list_of_facts_without_heads_loses_nothing_either() -> None:
    table = Table.grid(padding=(0, 2))
    table.add_row("clips", "144 of 6 classes")
    for width, lines in ((24, ["clips  144 of 6 classes"]), (12, ["clips", "  144 of 6", "  classes"])):
        file = io.StringIO()
        LineConsole(file=file, width=width).print(table)
        assert [line.rstrip() for line in file.getvalue().splitlines()] == lines
