"""Issues: their counts, examples and sentences."""

from __future__ import annotations

from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import MAX_EXAMPLES, Issue, IssueLog


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


def test_examples_are_names_as_they_are_and_a_sentence_shows_them_printably() -> None:
    log = IssueLog()
    log.note(IssueCode.NAME_NOT_UTF8, "caf\udce9\n\x1b[2J.avi")
    (issue,) = log.issues
    assert issue.examples == ("caf\udce9\n\x1b[2J.avi",)
    assert issue.sentence.endswith(r"rename it: caf\udce9\n\x1b[2J.avi")
