"""Class folders and subset folders: which of them a tree is, and what could be read in two ways."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.dataset.formats.folders import Folders, holds_subsets
from mocrop.pipeline.dataset.formats.registry import source_of
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.dataset.listed_subsets import TEST, TRAIN
from mocrop.pipeline.dataset.splits import read_splits
from mocrop.pipeline.dataset.walk import VideoFile
from mocrop.pipeline.errors import DatasetError
from tests.pipeline.dataset.test_splits import clips


def recognise(*paths: str) -> str | None:
    return Folders().recognise(source_of(Path("data"), [VideoFile(path, 1, 1) for path in sorted(paths)], None))


@pytest.mark.parametrize("above", ["", "videos/"])
def test_subset_folders_hold_the_classes(above: str) -> None:
    found = clips(*(f"{above}{path}.mp4" for path in ("Train/A/a", "Train/B/b", "Train/B/deep/c", "validation/A/d")))
    assert (
        recognise(*(clip.path for clip in found))
        == "its folders Train/, validation/ are subsets, which hold class folders"
    )
    splits = read_splits(None, found)
    assert (splits.class_names, splits.label.tolist()) == (("A", "B"), [0, 1, 1, 0])
    assert (splits.split_names, splits.subset[:, 0].tolist()) == (("1",), [TRAIN, TRAIN, TRAIN, TEST])
    assert [issue.code for issue in splits.issues] == [IssueCode.VALIDATION_AS_TEST]


def test_train_and_test_are_what_the_folders_say() -> None:
    splits = read_splits(None, clips("train/A/a.avi", "train/B/b.avi", "test/A/c.avi", "test/B/d.avi"))
    assert (splits.subset[:, 0].tolist(), splits.label.tolist()) == ([TRAIN, TRAIN, TEST, TEST], [0, 1, 0, 1])


def test_a_group_in_train_and_test_is_reported_though_the_first_folders_differ() -> None:
    splits = read_splits(None, clips("train/A/v_A_g01_c01.avi", "test/A/v_A_g01_c02.avi", "test/B/v_B_g01_c01.avi"))
    (issue,) = (issue for issue in splits.issues if issue.code is IssueCode.GROUP_ON_BOTH_SIDES)
    assert issue.examples == ("A g01 of split 1",)


def test_class_folders_are_classes() -> None:
    assert recognise("Archery/a.avi", "Surfing/deep/b.avi") == "2 class folders, such as Archery/, Surfing/"
    assert recognise("train/a.avi", "car/b.avi") == "2 class folders, such as car/, train/"  # a vehicle
    assert recognise("a.avi") is None


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (
            ("train/A/a.avi", "test/A/b.avi", "extra/A/c.avi", "extra/B/d.avi"),
            "data holds the subsets test/, train/ and 1 folders that are none (extra/: 2 videos); move those away, or "
            "list the clips in a CSV and pass it with --splits",
        ),
        (
            ("train/A/a.avi", "train/b.avi", "test/A/c.avi"),
            "data holds the subsets test/, train/, and train/ holds videos beside class folders, so that it may be a "
            "class too; move them into class folders, or list the clips in a CSV and pass it with --splits",
        ),
        (
            ("videos/train/A/a.avi", "videos/holdout/A/b.avi"),
            "data/videos holds the subsets train/ and 1 folders that are none (holdout/: 1 videos); move those away, "
            "or list the clips in a CSV and pass it with --splits",
        ),
        (
            ("videos/a.avi", "videos/train/A/b.avi"),
            "data/videos holds the subsets train/ and beside them 1 videos; move those away",
        ),
        (("train/a.avi", "test/b.avi"), "data holds videos in test/, train/, which are subsets without class folders"),
        (("train/a.avi",), "data holds videos in train/, which are subsets without class folders"),
        (("car/a.avi", "train/a.avi", "val/b.avi"), "data holds videos in train/, val/, which are subsets"),
        (
            ("train/rgb/A/a.avi", "test/rgb/A/b.avi"),
            "each subset in data holds a single class folder, rgb/, and that holds only folders (A/); if those",
        ),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(paths: tuple[str, ...], message: str) -> None:
    with pytest.raises(DatasetError, match=re.escape(message)):
        recognise(*paths)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (
            ("person1/run/a.avi", "person2/run/a.avi", "person2/walk/b.avi"),
            "data holds person1/run/ and person2/run/: the classes may be the upper folders (person1/, person2/) or "
            "the lower (run/); pass --format folders to take the upper folders for the classes, or list the clips",
        ),
        (("p01/1/a.avi", "p02/1/a.avi"), "data holds p01/1/ and p02/1/: the classes may be"),
        (("A/a.avi", "B/b.avi", "test/c.avi"), "data holds test/ beside A/, B/: it may be a class, or a subset"),
        (("A/train/a.avi", "B/test/b.avi"), "data holds A/, and that holds train/: it may be a class, whose subsets"),
        (
            ("videos_train/a.avi", "videos_val/b.avi"),
            "data holds videos_train/, videos_val/: they may be classes, or subsets, which are called train/, val/ and",
        ),
        (("train_256/A/a.avi", "val_256/B/b.avi", "C/c.avi"), "data holds train_256/, val_256/: they may be classes"),
        (("trainset/a.avi", "TestVideos/b.avi"), "data holds TestVideos/, trainset/: they may be classes, or subsets"),
        (("A/set_train/a.avi", "A/set_test/b.avi"), "data holds A/, and that holds set_test/, set_train/: it may be"),
    ],
)
def test_what_can_be_classes_or_something_else_is_refused_unless_folders_are_asked_for(
    paths: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DatasetError, match=re.escape(message)):
        read_splits(None, clips(*paths), dataset=Path("data"))
    splits = read_splits(None, clips(*paths), dataset=Path("data"), form="folders")
    assert [splits.class_names[label] for label in splits.label] == [clip.class_name for clip in splits.clips]


def test_below_subsets_it_is_asked_too_which_folders_are_classes() -> None:
    paths = ("train/p1/run/a.avi", "train/p2/run/a.avi", "val/p1/run/b.avi")
    with pytest.raises(DatasetError, match=re.escape("each subset in data holds p1/run/ and p2/run/: ")):
        recognise(*paths)
    assert read_splits(None, clips(*paths), form="folders").class_names == ("p1", "p2")


@pytest.mark.parametrize(
    "paths",
    [
        ("Diving/001/a.avi", "Diving/002/b.avi", "Golf/001/a.avi"),  # UCF Sports
        ("biking/v_biking_01/a.avi", "diving/v_diving_01/a.avi"),  # UCF11
        ("A/person1/a.avi", "B/person1/b.avi", "B/c.avi"),
        ("none/a.avi", "wave/b.avi"),
        ("Tests/a.avi", "Trainer/b.avi"),
        ("training dog/a.avi", "test driving/b.avi", "cooking/c.avi"),
    ],
)
def test_folders_in_class_folders_that_say_nothing_of_classes_are_no_doubt(paths: tuple[str, ...]) -> None:
    assert "class folders" in str(recognise(*paths))


def test_class_folders_called_by_numbers_are_names_and_leave_no_gaps() -> None:
    splits = read_splits(None, clips("train/3/a.avi", "train/10/b.avi", "test/7/c.avi"))
    assert splits.class_names == ("10", "3", "7")
    assert [splits.class_names[label] for label in splits.label] == [clip.path.split("/")[1] for clip in splits.clips]


@given(st.lists(st.sampled_from(["train", "test", "val"]), min_size=1), st.data())
def test_the_class_of_a_video_is_the_folder_below_its_subset(subsets: list[str], data: st.DataObject) -> None:
    paths = sorted({f"{subset}/{data.draw(st.sampled_from('ABC'))}/{n}.avi" for n, subset in enumerate(subsets)})
    videos = [VideoFile(path, 1, 1) for path in paths]
    source = source_of(Path("data"), videos, None)
    assert holds_subsets(source.dataset, videos)
    rows = Folders().read(source, IssueLog()).listed
    assert [(f"{row.subset}/{''.join(row.labels or ())}", row.path) for row in rows] == [
        (path.rpartition("/")[0], path) for path in paths
    ]
