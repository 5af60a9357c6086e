"""Lists and folders that say a class only in appearance: each is refused with the way out, none gives a label."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.splits import read_splits
from mocrop.pipeline.errors import DatasetError
from tests.pipeline.dataset.test_splits import clips, counts, csv_file, write


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (
            ("videos/A/a.avi", "videos/B/b.avi"),
            "videos/ holds all of these; add the label of each clip to the lists, or",
        ),
        (("train/A/a.avi", "test/B/b.avi"), "those in data (test/, train/) are subsets; add the label of each clip to"),
        (("train/a.avi", "test/b.avi"), "data holds videos in test/, train/, which are subsets without class folders"),
        (("p1/run/a.avi", "p2/run/b.avi"), "data holds p1/run/ and p2/run/: the classes may be the upper folders (p1/"),
        (("set_train/a.avi", "set_test/b.avi"), "data holds set_test/, set_train/: they may be classes, or subsets"),
        (
            ("a.avi", "b.avi"),
            "gives no labels, so that the folders of the videos must say the classes, and they lie in",
        ),
    ],
)
@pytest.mark.parametrize("form", ["list", "csv"])
def test_lists_without_labels_need_folders_that_plainly_are_classes(
    tmp_path: Path, form: str, paths: tuple[str, str], message: str
) -> None:
    """The first folder would be the class of every clip: `videos`, or the subset, or the person."""
    if form == "list":
        lists = write(tmp_path, train=f"{paths[0]}\n", test=f"{paths[1]}\n")
    else:
        lists = csv_file(tmp_path, f"path,subset\n{paths[0]},train\n{paths[1]},test\n")
    with pytest.raises(DatasetError, match=re.escape(message)) as raised:
        read_splits(lists, clips(*paths), dataset=Path("data"))
    assert "\n" not in str(raised.value)
    assert "--format folders" not in str(raised.value)  # that is for folders without lists


def test_a_table_of_people_without_labels_does_not_make_classes_of_subset_folders(tmp_path: Path) -> None:
    table = csv_file(tmp_path, "path,person\na,p1\nb,p2\n")
    for form, message in (("auto", "says no subsets, and the videos lie in"), ("csv", "are subsets; add the label")):
        with pytest.raises(DatasetError, match=message):
            read_splits(table, clips("train/A/a.avi", "test/A/b.avi"), group_by="person", form=form)


def test_lists_without_labels_take_the_class_from_plain_class_folders(tmp_path: Path) -> None:
    found = clips("A/a.avi", "B/deep/b.avi", "B/c.avi")
    splits = read_splits(write(tmp_path, train="a.avi\nb.avi\n", test="c.avi\n"), found)
    assert (splits.class_names, splits.label.tolist()) == (("A", "B"), [0, 1, 1])


def test_numbers_are_not_called_by_the_subsets_in_which_their_clips_lie(tmp_path: Path) -> None:
    lists = write(tmp_path, train="train/a.avi 0\ntrain/b.avi 1\n", test="test/c.avi 1\n")
    splits = read_splits(lists, clips("train/a.avi", "train/b.avi", "test/c.avi"))
    assert (splits.class_names, splits.label.tolist(), counts(splits).keys()) == (("0", "1"), [0, 1, 1], set())


def test_folders_in_the_lists_tell_how_numbers_count_where_the_videos_lie_flat(tmp_path: Path) -> None:
    """From 0, though no clip of class 0 is listed."""
    lists = write(tmp_path, classInd="1 A\n2 B\n3 C\n", train="B/a.avi 1\nC/b.avi 2\n", test="B/c.avi 1\n")
    splits = read_splits(lists, clips("a.avi", "b.avi", "c.avi"))
    assert [splits.class_names[label] for label in splits.label] == ["B", "C", "B"]


def test_lists_that_count_classes_differently_are_refused(tmp_path: Path) -> None:
    paths = ("A/a.avi", "A/b.avi", "B/c.avi", "B/d.avi")
    lists = write(tmp_path, train="A/a.avi 0\nB/c.avi 1\n", test="A/b.avi 1\nB/d.avi 2\n")
    message = r"test.txt and train.txt number the classes differently: clips in A/ have the label 1 in the one and 0 in"
    with pytest.raises(DatasetError, match=message):
        read_splits(lists, clips(*paths))
    write(tmp_path, test="A/b.avi 0\nB/d.avi 1\n")
    assert read_splits(lists, clips(*paths)).class_names == ("A", "B")


def test_folders_that_are_no_classes_say_nothing_of_how_lists_count(tmp_path: Path) -> None:
    """Of two people each does something else in the lists for train and for test."""
    paths = ("p1/a.avi", "p1/b.avi", "p1/c.avi", "p2/d.avi", "p2/e.avi", "p2/f.avi")
    train = "p1/a.avi 0\np1/b.avi 1\np2/d.avi 2\np2/e.avi 3\n"
    lists = write(tmp_path, train=train, test="p1/c.avi 1\np2/f.avi 0\n")
    assert read_splits(lists, clips(*paths)).label.tolist() == [0, 1, 1, 2, 3, 0]


@pytest.mark.parametrize("table", ["file_name,label\ntrain/a.avi,A\ntest/b.avi,B\n", "file_name,label\na.avi,A\n"])
def test_no_split_is_made_across_folders_of_subsets_unless_a_csv_is_asked_for(tmp_path: Path, table: str) -> None:
    """As with the metadata.csv of Hugging Face's folders of videos."""
    path, found = csv_file(tmp_path, table), clips("train/a.avi", "train/c.avi", "test/b.avi")
    message = "says no subsets, and the videos lie in test/, train/; add a column subset with train, val or test, or"
    with pytest.raises(DatasetError, match=message):
        read_splits(path, found)
    assert read_splits(path, found, form="csv").kept_together is not None
    assert read_splits(path, clips("train/a.avi", "train/c.avi", "bus/b.avi")).kept_together is not None


@pytest.mark.parametrize("name", ["train.csv.gz", "test.txt.zip", "labels.json.xz"])
def test_a_packed_list_is_not_passed_over(tmp_path: Path, name: str) -> None:
    lists = write(tmp_path, train="A/a.avi 0\n")
    (lists / name).write_bytes(b"\x1f\x8b")
    with pytest.raises(DatasetError, match=re.escape(f"{lists / name} is packed, and lists are read unpacked; unpack")):
        read_splits(lists, clips("A/a.avi"))
    (lists / "lists.zip").touch()  # of whatever
    for given in (name, "lists.zip"):
        with pytest.raises(DatasetError, match=re.escape(f"{given} is packed")):
            read_splits(lists / given, clips("A/a.avi"))
    (lists / name).rename(lists / "train.txt.gz")  # unpacked beside it
    assert read_splits(lists, clips("A/a.avi")).class_names == ("A",)


def test_paths_that_each_fit_several_files_are_not_said_to_be_missing(tmp_path: Path) -> None:
    found = clips("training/A/a.avi", "validation/A/a.avi")
    lists = write(tmp_path, train="A/a.avi 0\n", val="A/a.avi 0\n")
    with pytest.raises(DatasetError, match=r"on disk, or several files fit them; .*; give their folders as well"):
        read_splits(lists, found)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Archery", "archery"),
        ("Caf\u00e9", "Cafe\u0301"),
        ("tai chi", "tai_chi"),
        ("a  b", "A b"),
        ("Run", "\uff32un"),
    ],
)
def test_classes_whose_names_differ_in_writing_alone_are_told(tmp_path: Path, one: str, other: str) -> None:
    """Of two such classes one would be trained and the other tested."""
    found = clips(f"train/{one}/a.avi", "train/B/b.avi", f"test/{other}/c.avi", "test/B/d.avi")
    lists = csv_file(tmp_path, f"path,label,subset\n1,{one},train\n2,B,train\n3,{other},test\n")
    for splits in (read_splits(None, found), read_splits(lists, clips("1.avi", "2.avi", "3.avi"))):
        (issue,) = (issue for issue in splits.issues if issue.code is IssueCode.CLASSES_ALIKE)
        assert issue.examples == (" and ".join(sorted((one, other))),)
    assert IssueCode.CLASSES_ALIKE not in counts(read_splits(None, clips("A/a.avi", "AB/b.avi", "A-B/c.avi")))


def test_names_of_the_classes_of_other_lists_are_refused(tmp_path: Path) -> None:
    found = clips("walk_dog/a.avi", "run/b.avi", "run/c.avi")
    lists = write(tmp_path, classInd="1 X\n2 Y\n", train="walk_dog/a.avi 1\nrun/b.avi 2\n", test="run/c.avi\n")
    message = (
        r"the classes are named X, Y ... beside the lists, and none of the folders .* called so \(run/, walk_dog/\)"
    )
    with pytest.raises(DatasetError, match=message):
        read_splits(lists, found)
    write(tmp_path, classInd="1 WalkDog\n2 Y\n", test="run/c.avi 2\n")  # one is enough: folders may be called otherwise
    assert read_splits(lists, found).class_names == ("WalkDog", "Y")
    write(tmp_path, classInd="1 X\n2 Y\n", train="train/a.avi 1\ntrain/b.avi 1\n", test="test/c.avi 2\n")
    found = clips("train/a.avi", "train/b.avi", "test/c.avi")  # folders that are no classes
    assert read_splits(lists, found).class_names == ("X", "Y")
