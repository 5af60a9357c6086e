"""Issues: their counts, examples and sentences."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.dataset.issues import MAX_EXAMPLES, Issue, IssueCode, IssueLog, printable


def test_every_code_has_a_sentence_for_one_and_for_many() -> None:
    for code in IssueCode:
        one, many = (Issue(code=code, count=count).sentence for count in (1, 1234))
        assert one.startswith("1 ")
        assert many.startswith("1,234 ")
        assert one != many


def test_a_sentence_names_its_examples_and_says_if_there_are_more() -> None:
    log = IssueLog()
    for name in "abcd":
        log.note(IssueCode.EMPTY_CLASS, name)
    log.note(IssueCode.FOLDER_LOOP, "e")
    empty, loop = log.issues
    assert empty.sentence == "4 class folders hold no clip: a, b, c, ..."
    assert loop.sentence == "1 link leads back to a folder above it and is not followed: e"


def test_issues_are_reported_in_the_order_of_their_codes() -> None:
    log = IssueLog()
    for code in reversed(IssueCode):
        log.note(code, "x")
    assert [issue.code for issue in log.issues] == list(IssueCode)


def test_memory_is_bounded_by_keeping_the_first_few_examples_only() -> None:
    log = IssueLog()
    for number in range(1000):
        log.note(IssueCode.NOT_ON_DISK, str(number))
    (issue,) = log.issues
    assert (issue.count, issue.examples) == (1000, ("0", "1", "2"))
    assert len(issue.examples) == MAX_EXAMPLES


@pytest.mark.parametrize("text", ["plain.avi", "été 日本.avi", 'it\'s "quoted".avi'])
def test_what_a_terminal_can_show_is_left_alone(text: str) -> None:
    assert printable(text) == text


@given(st.text(st.characters() | st.sampled_from("\x1b\n\udce9" + string.ascii_letters)))
def test_examples_can_always_be_printed(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()
