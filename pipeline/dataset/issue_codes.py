"""Codes of the issues of a data set."""

from __future__ import annotations

from enum import StrEnum


class IssueCode(StrEnum):
    """Codes of what can be found in a data set or its lists, in order of reporting; stable across releases."""

    # in the folders of the data set
    SAME_NAME = "same-name"
    SAME_FILE = "same-file-name"
    SAME_VIDEO = "same-video"
    WITHOUT_CLASS = "without-class"
    EMPTY_CLASS = "empty-class"
    DEEPER_CLASSES = "deeper-classes"
    OTHER_SUFFIX = "other-suffix"
    NOT_A_FILE = "not-a-file"
    LISTS_NOT_READ = "lists-not-read"
    EMPTY_FILE = "empty-file"
    NO_PERMISSION = "no-permission"
    NAME_NOT_UTF8 = "name-not-utf8"
    UNREADABLE_FOLDER = "unreadable-folder"
    FOLDER_LOOP = "folder-loop"

    # in the split lists
    MALFORMED_LINE = "malformed-line"
    NOT_ON_DISK = "listed-not-on-disk"
    AMBIGUOUS = "listed-ambiguous"
    NOT_LISTED = "clip-not-listed"
    LISTED_TWICE = "listed-twice"
    TRAIN_AND_TEST = "train-and-test"
    GROUP_ON_BOTH_SIDES = "group-on-both-sides"
    GROUP_IN_VALIDATION = "group-in-validation"
    UNKNOWN_CLASS = "unknown-class"
    LABEL_NOT_FOLDER = "label-not-folder"
    TWO_LABELS = "two-labels"
    JOINED_LABELS = "joined-labels"
    CLASS_WITHOUT_CLIPS = "class-without-clips"
    CLASSES_ALIKE = "classes-alike"
    VALIDATION_AS_TEST = "validation-as-test"
    TRAIN_AND_VALIDATION = "train-and-validation"
    VALIDATION_AND_TEST = "validation-and-test"
    NO_SEGMENTS = "no-segments"
    NO_TRAIN_CLIPS = "no-train-clips"
    NO_TEST_CLIPS = "no-test-clips"

    # in the groups of --group-by
    NOT_GROUPED = "not-grouped"
    TWO_GROUPS = "two-groups"

    # in a split that mocrop makes
    NO_GROUPS = "no-groups"
    CLASS_NOT_TESTED = "class-not-tested"
    CLASS_NOT_TRAINED = "class-not-trained"

    # since the last scan
    SIDES_CHANGED = "sides-changed"


SERIOUS = frozenset(  # what makes labels or test scores wrong, or leaves out videos that were meant to be in
    {
        IssueCode.WITHOUT_CLASS,
        IssueCode.LISTS_NOT_READ,
        IssueCode.NAME_NOT_UTF8,
        IssueCode.UNREADABLE_FOLDER,
        IssueCode.MALFORMED_LINE,
        IssueCode.AMBIGUOUS,
        IssueCode.TRAIN_AND_TEST,
        IssueCode.GROUP_ON_BOTH_SIDES,
        IssueCode.UNKNOWN_CLASS,
        IssueCode.TWO_LABELS,
        IssueCode.JOINED_LABELS,
        IssueCode.CLASSES_ALIKE,
        IssueCode.SAME_VIDEO,
        IssueCode.NO_TRAIN_CLIPS,
        IssueCode.NO_TEST_CLIPS,
        IssueCode.NO_GROUPS,
        IssueCode.NOT_GROUPED,
        IssueCode.TWO_GROUPS,
        IssueCode.CLASS_NOT_TRAINED,
        IssueCode.SIDES_CHANGED,
    }
)

IN_FULL = frozenset(  # what rows of lists lose: a file names each of them
    {
        IssueCode.MALFORMED_LINE,
        IssueCode.NOT_ON_DISK,
        IssueCode.AMBIGUOUS,
        IssueCode.TWO_LABELS,
        IssueCode.UNKNOWN_CLASS,
    }
)
