"""Names as text that can be shown, and the cells of CSV files that they become."""

from __future__ import annotations

import shutil
import string
import subprocess
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mocrop.pipeline.names import csv_cell, from_csv_cell, printable, shell_word

ODD = "\x00\x07\t\n\r\x1b\x7f\x85\x9b\xa0\xad\u061c\u200b\u200d\u2028\u202e\u2066\ufeff\U000e0041\udce9"
ANY_TEXT = st.text(st.characters() | st.sampled_from(ODD + "=+-@'\\\"；＝" + string.ascii_letters))


@pytest.mark.parametrize("text", ["plain.avi", "été 日本.avi", 'it\'s "quoted".avi', r"C:\new\t.avi", "😀", "שלום"])
def test_what_can_be_shown_is_left_alone(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("character", ODD)
def test_controls_turns_of_direction_and_bytes_that_are_no_letters_are_written_as_their_codes(character: str) -> None:
    shown = printable(f"a{character}b")
    assert shown.isascii()
    assert shown.encode("ascii").decode("unicode_escape") == f"a{character}b"


@given(ANY_TEXT)
def test_what_is_printable_has_no_control_and_is_not_changed_again(text: str) -> None:
    shown = printable(text)
    assert not any(unicodedata.category(character)[0] == "C" for character in shown)
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "café 日 😀"),
        ("cp1252", r"café \u65e5 \U0001f600"),
        ("latin-1", r"café \u65e5 \U0001f600"),
        ("ascii", r"caf\xe9 \u65e5 \U0001f600"),
        ("shift-jis", r"caf\xe9 日 \U0001f600"),
    ],
)
def test_an_encoding_gets_what_it_has_and_codes_for_the_rest(encoding: str, shown: str) -> None:
    assert printable("café 日 😀", encoding=encoding) == shown


@given(ANY_TEXT, st.sampled_from(["utf-8", "cp1252", "latin-1", "ascii", "cp437", "shift-jis"]))
def test_every_name_can_be_written_in_every_encoding(text: str, encoding: str) -> None:
    printable(text, encoding=encoding).encode(encoding)


def test_what_a_place_has_no_picture_of_is_written_as_its_code() -> None:
    assert printable("a日b", shows=lambda character: character != "日") == r"a\u65e5b"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝", "＋", "－", "＠"])
def test_a_cell_that_a_spreadsheet_would_run_starts_with_an_apostrophe(start: str) -> None:
    for name in (f"{start}cmd()", f" {start}cmd()"):
        assert csv_cell(name) == f"'{name}"
    assert csv_cell(f"a{start}b") == f"a{start}b"


@pytest.mark.parametrize("start", ["\t", "\r", "\n"])
def test_a_cell_starts_with_no_tab_or_line_break(start: str) -> None:
    assert csv_cell(f"{start}=cmd()") == f"{printable(start)}=cmd()"


@pytest.mark.parametrize("number", [-1, 0.25, True, None, "-0.01000", "+3", "1e-05", "-2.5E+10", ".5"])
def test_numbers_stay_numbers(number: object) -> None:
    assert csv_cell(number) == number


@pytest.mark.parametrize("formula", ["-1+2", "-A1", "+1(", "-inf", "--1", "-1e"])
def test_what_only_starts_as_a_number_is_a_formula(formula: str) -> None:
    assert csv_cell(formula) == f"'{formula}"


@given(ANY_TEXT)
@example(r"\n")
@example(r"\\n")
@example(r"\x41\u0041")
@example("\\\n")
@example("'=x")
@example("''=x")
@example("'")
def test_a_cell_gives_its_name_back(name: str) -> None:
    cell = csv_cell(name)
    assert isinstance(cell, str)
    assert from_csv_cell(cell) == name
    assert printable(cell) == cell
    assert cell.lstrip(" ")[:1] not in tuple("=+-@＝＋－＠") or float(cell) is not None


WORDS = ["motion-192", "a b; rm -rf ~", "a'b", "$HOME `ls`"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="asks a shell")
@pytest.mark.parametrize("name", [*WORDS, "a\x1b[2J1f\n", "\\\t'$x", "\u202e日😀", "\x9b\U000e0041"])
def test_a_name_is_one_word_of_a_command(name: str) -> None:
    word = shell_word(name)
    assert word.isprintable()
    command = ["bash", "-c", f"LC_ALL=C.UTF-8; printf %s {word}"]
    assert subprocess.run(command, capture_output=True, check=True).stdout.decode() == name


@pytest.mark.parametrize("cell", ["'Dig'", r"a\b", r"C:\Users", "'", "don't"])
def test_a_cell_that_mocrop_has_not_written_is_taken_as_it_is(cell: str) -> None:
    assert from_csv_cell(cell) == cell
