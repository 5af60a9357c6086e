"""Class names and labels, from lists and folders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.dataset.clips import Clip
from mocrop.pipeline.dataset.formats.base import Annotations, Listed, ListedSubset
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.dataset.labels import Match, folder_labels, listed_labels


def clip(path: str) -> Clip:
    folder = path.partition("/")[0]
    return Clip(name=path, path=path, class_name=folder, group=-1, size_bytes=1, mtime_ns=1)


def lists_of(*lines: tuple[str, str | None], class_names: tuple[str, ...] | None = None) -> Annotations:
    listed = tuple(
        Listed("1", ListedSubset.TRAIN, path, None if label is None else (label,), "train.txt", n + 1)
        for n, (path, label) in enumerate(lines)
    )
    return Annotations(split_names=("1",), class_names=class_names, listed=listed)


def labels_of(lists: Annotations, clips: list[Clip]) -> tuple[tuple[str, ...], list[int], set[IssueCode]]:
    """Class names, labels and issues, each line meaning the clip of the same path."""
    position = {clip.path: n for n, clip in enumerate(clips)}
    matches = [Match(entry, position.get(entry.path), entry.path.partition("/")[0]) for entry in lists.listed]
    log = IssueLog()
    labels = listed_labels(lists, matches, clips, log)
    return labels.class_names, labels.label.tolist(), {issue.code for issue in log.issues}


def test_folders_are_classes_in_sorted_order() -> None:
    labels = folder_labels([clip("B/1"), clip("A/2"), clip("B/3")])
    assert (labels.class_names, labels.label.tolist()) == (("A", "B"), [1, 0, 1])


def test_a_clip_in_no_list_takes_the_class_of_its_folder() -> None:
    names, label, _ = labels_of(lists_of(("A/1", "0"), ("B/2", "1")), [clip("A/1"), clip("B/2"), clip("B/3")])
    assert (names, label) == (("A", "B"), [0, 1, 1])


@pytest.mark.parametrize("first_number", [0, 1])
def test_the_folders_tell_whether_numbers_beside_a_class_index_count_from_0_or_1(first_number: int) -> None:
    lines = [(f"{name}/1", str(n + first_number)) for n, name in enumerate("ABCD") if name != "A"]
    lists = lists_of(*lines, class_names=("A", "B", "C", "D"))
    assert labels_of(lists, [clip(path) for path, _ in lines])[1] == [1, 2, 3]


def test_one_wrong_number_does_not_change_what_the_others_mean() -> None:
    lists = lists_of(("A/1", "1"), ("B/2", "2"), ("B/3", "1"), ("C/4", "3"), class_names=("A", "B", "C"))
    _, label, found = labels_of(lists, [clip("A/1"), clip("B/2"), clip("B/3"), clip("C/4")])
    assert (label, found) == ([0, 1, 0, 2], {IssueCode.LABEL_NOT_FOLDER})


def test_a_number_beyond_the_class_index_is_no_class() -> None:
    lists = lists_of(("A/1", "1"), ("B/2", "2"), ("B/3", "7"), class_names=("A", "B"))
    _, label, found = labels_of(lists, [clip("A/1"), clip("B/2"), clip("B/3")])
    assert label[:2] == [0, 1]
    assert label[2] == -1
    assert found == {IssueCode.LABEL_NOT_FOLDER, IssueCode.UNKNOWN_CLASS}


def test_a_folder_named_like_a_number_is_not_taken_for_one() -> None:
    names, label, _ = labels_of(lists_of(("2/1", "0"), ("1/2", "1")), [clip("2/1"), clip("1/2")])
    assert (names, label) == (("2", "1"), [0, 1])


folders = st.sampled_from(["A", "B", "C"])
lines = st.tuples(st.tuples(folders, st.integers(0, 5)), st.none() | folders | st.integers(0, 5).map(str))


@given(
    st.lists(lines, min_size=1),
    st.sets(st.tuples(folders, st.integers(0, 5)), min_size=1),
    st.sampled_from([None, "AB"]),
)
def test_every_label_is_a_class_or_none_whatever_the_lists_say(
    listed: list[tuple[tuple[str, int], str | None]], on_disk: set[tuple[str, int]], index: str | None
) -> None:
    lists = lists_of(
        *((f"{folder}/{n}", label) for (folder, n), label in listed), class_names=tuple(index or ()) or None
    )
    names, label, _ = labels_of(lists, [clip(f"{folder}/{n}") for folder, n in sorted(on_disk)])
    assert len(set(names)) == len(names)
    assert all(-1 <= value < len(names) for value in label)


def test_a_missing_clip_takes_no_name_from_the_classes_of_a_flat_folder() -> None:
    lists = lists_of(("A/1", "1"), ("B/2", "2"), ("A/gone", "1"))
    flat = [Clip(name=name, path=name, class_name="", group=-1, size_bytes=1, mtime_ns=1) for name in ("1", "2")]
    matches = [Match(lists.listed[0], 0, ""), Match(lists.listed[1], 1, ""), Match(lists.listed[2], None, "A")]
    labels = listed_labels(lists, matches, flat, IssueLog())
    assert (labels.class_names, labels.label.tolist()) == (("A", "B"), [0, 1])
