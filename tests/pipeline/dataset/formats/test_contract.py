"""What holds for every format of data sets, on small data sets in their official forms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mocrop.pipeline.dataset.formats.base import Format
from mocrop.pipeline.dataset.formats.registry import FORMATS, recognised
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.errors import DatasetError
from tests.pipeline.dataset.formats.official import FIXTURES, Fixture, Row, rows_of, source

BY_NAME = {form.name: form for form in FORMATS}
WITH_FILES = [name for name in FIXTURES if not name.startswith("folders")]

ENDS_IN_LABELS = {"list"}  # a line cut within its label is a line


def format_of(fixture: str) -> Format:
    return BY_NAME[fixture.partition("/")[0]]


def annotation_files(fixture: Fixture) -> list[Path]:
    """The files that hold rows or class names."""
    if fixture.annotations is None:
        return []
    return sorted(fixture.annotations.iterdir()) if fixture.annotations.is_dir() else [fixture.annotations]


def read_or_error(form: Format, fixture: Fixture) -> tuple[list[Row], str]:
    """The rows of a data set whose files are damaged, or the error."""
    try:
        return rows_of(form.read(source(fixture), IssueLog())), ""
    except DatasetError as error:
        return [], str(error)


def test_every_format_has_a_fixture_and_every_fixture_a_format() -> None:
    assert {name.partition("/")[0] for name in FIXTURES} == BY_NAME.keys()


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_a_format_says_in_one_line_what_it_looks_like(form: Format) -> None:
    assert re.fullmatch(r".+[^.\n]", form.looks_like)


@pytest.mark.parametrize("name", FIXTURES)
def test_a_format_recognises_its_own_data_sets_and_no_other_does(name: str, tmp_path: Path) -> None:
    fixture = FIXTURES[name](tmp_path)
    found = source(fixture)
    reasons = {form.name: form.recognise(found) for form in FORMATS}
    assert {form for form, reason in reasons.items() if reason} == {format_of(name).name}, reasons


@pytest.mark.parametrize("name", FIXTURES)
def test_a_format_gives_the_rows_splits_and_classes_that_were_written_by_hand(name: str, tmp_path: Path) -> None:
    fixture, log = FIXTURES[name](tmp_path), IssueLog()
    read = format_of(name).read(source(fixture), log)
    assert rows_of(read) == sorted(fixture.rows, key=str)
    assert (read.split_names, read.class_names) == (fixture.split_names, fixture.class_names)
    assert read.has_subsets == fixture.has_subsets
    assert log.kinds(IssueCode.MALFORMED_LINE) == {}


@pytest.mark.parametrize("name", WITH_FILES)
def test_every_row_says_in_which_file_and_line_it_stands(name: str, tmp_path: Path) -> None:
    fixture = FIXTURES[name](tmp_path)
    read = format_of(name).read(source(fixture), IssueLog())
    files = {file.name for file in annotation_files(fixture)}
    assert all(entry.file in files and entry.line >= 1 for entry in read.listed)
    assert all(re.fullmatch(r".+:[0-9]+", entry.where) for entry in read.listed)


@pytest.mark.parametrize("name", WITH_FILES)
def test_a_byte_order_mark_changes_nothing(name: str, tmp_path: Path) -> None:
    fixture = FIXTURES[name](tmp_path)
    for file in annotation_files(fixture):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    found = source(fixture)
    assert format_of(name).recognise(found)
    read = format_of(name).read(found, IssueLog())
    assert (rows_of(read), read.class_names) == (sorted(fixture.rows, key=str), fixture.class_names)


@pytest.mark.parametrize("name", sorted(set(WITH_FILES) - ENDS_IN_LABELS))
def test_a_file_cut_off_anywhere_never_gives_another_label(name: str, tmp_path: Path) -> None:
    """Rows may be lost, and a row may lose its label, but none is made up."""
    fixture = FIXTURES[name](tmp_path)
    for file in annotation_files(fixture):
        content = file.read_bytes()
        for length in range(0, len(content), max(1, len(content) // 60)):
            file.write_bytes(content[:length])
            rows, error = read_or_error(format_of(name), fixture)
            assert "\n" not in error
            assert {row[2:] for row in rows if row[3] is not None} <= {row[2:] for row in fixture.rows}, length
        file.write_bytes(content)


@pytest.mark.parametrize("name", WITH_FILES)
@pytest.mark.parametrize("damage", ["empty", "blank", "utf-16", "latin-1", "zeros", "picture"])
def test_a_file_that_is_none_gives_an_error_or_counted_rows(name: str, damage: str, tmp_path: Path) -> None:
    fixture = FIXTURES[name](tmp_path)
    for file in annotation_files(fixture):
        content = file.read_bytes()
        file.write_bytes(
            {
                "empty": b"",
                "blank": b" \n\n",
                "utf-16": content.decode().encode("utf-16"),
                "latin-1": content[:9] + "é".encode("latin-1") + content[9:],
                "zeros": bytes(len(content)),
                "picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
            }[damage]
        )
        rows, error = read_or_error(format_of(name), fixture)
        assert "\n" not in error
        assert set(rows) <= set(fixture.rows)
        file.write_bytes(content)


@pytest.mark.parametrize("name", FIXTURES)
def test_a_format_asked_for_by_name_refuses_data_sets_of_another_in_one_line(name: str, tmp_path: Path) -> None:
    other = source(FIXTURES[name](tmp_path))
    for form in set(BY_NAME) - {format_of(name).name}:
        with pytest.raises(DatasetError, match=r"^[^\n]+$"):
            recognised(other, form)
