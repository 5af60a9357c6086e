"""Names in Markdown and in CSV files."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.evaluation.report.format import Markdown, in_code, in_markdown, markdown_table, picture
from mocrop.pipeline.csv_file import write_csv
from mocrop.pipeline.names import from_csv_cell

PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("v_Dig_g01_c01", "v_Dig_g01_c01"),
        ("_Dig_", r"\_Dig\_"),
        ("**bold** `code` ~~gone~~", r"\*\*bold\*\* \`code\` \~\~gone\~\~"),
        ("a|b", r"a\|b"),
        ("a\\|b", r"a\\\|b"),
        ("[x](javascript:y)", r"[x\](javascript:y)"),
        ("![x](http://y/z.png)", r"![x\](http://y/z.png)"),
        ("[x]: y", r"[x\]: y"),
        ("<script>", r"\<script>"),
        ("5 < 6, p <0.001", "5 < 6, p <0.001"),
        ("&lt; & you", r"\&lt; & you"),
        ("a\x1b[2J\nb\u202e", r"a\x1b[2J\nb\u202e"),
        ("+2.1 [-1.0, +5.2]", "+2.1 [-1.0, +5.2]"),
        ("# a", r"\# a"),
        ("#a", "#a"),
        ("> a", r"\> a"),
        ("- a", r"\- a"),
        ("---", r"\---"),
        ("-1+2", "-1+2"),
        ("1. a", r"1\. a"),
        ("12) a", r"12\) a"),
        ("1.5 a", "1.5 a"),
        ("[x] a", r"\[x] a"),
        ("a # b - c > d 1. e", "a # b - c > d 1. e"),
    ],
)
def test_a_name_is_no_markup_in_markdown(name: str, written: str) -> None:
    assert in_markdown(name) == written


@given(st.text(PUNCTUATION + "ab \n"))
def test_a_cell_of_a_table_stays_one(name: str) -> None:
    """A bar within a cell is one that an odd number of backslashes stands before."""
    row = markdown_table(("class", "clips"), [(name, 3)]).split("\n")[2]
    inner = row.removeprefix("| ").removesuffix(" | 3 |")
    for at, character in enumerate(inner):
        before = inner[:at]
        backslashes = len(before) - len(before.rstrip("\\"))
        assert character != "|" or backslashes % 2
    assert (len(inner) - len(inner.rstrip("\\"))) % 2 == 0  # the bar after the cell ends it


def test_a_cell_needs_no_escape_for_what_only_a_line_can_be() -> None:
    assert markdown_table(("a",), [("- 1",), ("# 2",), ("-",)]).split("\n")[2:5] == ["| - 1 |", "| # 2 |", "| - |"]


def test_what_is_markdown_already_stays() -> None:
    table = markdown_table(("crop", "shown"), [("**x**", Markdown("**better**"))])
    assert table.split("\n")[2] == r"| \*\*x\*\* | **better** |"
    assert in_code("a`b\x1b") == r"`a b\x1b`"


def test_a_picture_is_found_whatever_its_name() -> None:
    assert picture("x", "a b(1)\n.png") == "![x](a%20b%281%29%0A.png)"


NAMES = ["=cmd()", "+1(", "-A1", "@x", "\tx", "\r=x", "a\nb", "'x", 'a,b;"c"', "-1", "caf\udce9", "日本", " =x", r"\n"]


def test_names_come_back_from_a_csv_file_in_which_numbers_are_numbers(tmp_path: Path) -> None:
    rows = [(name, -3, 0.5, None, "-0.01000") for name in NAMES]
    write_csv(("class", "n", "share", "none", "difference"), rows, tmp_path / "a.csv")
    written = (tmp_path / "a.csv").read_bytes().decode("utf-8")
    assert all(line.isprintable() for line in written.split("\n"))
    head, *read = csv.reader(written.splitlines())
    assert head == ["class", "n", "share", "none", "difference"]
    assert [from_csv_cell(row[0]) for row in read] == NAMES
    assert {tuple(row[1:]) for row in read} == {("-3", "0.5", "", "-0.01000")}
    cells = [row[0] for row in read if row[0] != "-1"]
    assert not [cell for cell in cells if cell.strip()[:1] in tuple("=+-@\t\r")]
