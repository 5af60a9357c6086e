"""Labels and subsets of clips, with lists and without; whatever is left out is an issue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mocrop.pipeline.dataset.clips import Clip, find_clips, group_of
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.listed_subsets import TEST, TRAIN, UNUSED, VAL
from mocrop.pipeline.dataset.splits import Splits, read_splits
from mocrop.pipeline.dataset.walk import without_video_suffix
from mocrop.pipeline.errors import DatasetError


def clip(path: str) -> Clip:
    return Clip(
        name=without_video_suffix(path),
        path=path,
        class_name=path.partition("/")[0],
        group=group_of(path),
        size_bytes=1,
        mtime_ns=1,
    )


def clips(*paths: str) -> list[Clip]:
    return [clip(path) for path in paths]


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder


def csv_file(folder: Path, text: str) -> Path:
    (folder / "splits.csv").write_text(text, encoding="utf-8")
    return folder / "splits.csv"


def counts(splits: Splits) -> dict[IssueCode, int]:
    return {issue.code: issue.count for issue in splits.issues}


def column(splits: Splits, n: int = 0) -> list[int]:
    return [int(side) for side in splits.subset[:, n]]


# the official lists

INDEX = "1 A\n2 B\n3 C\n"


def test_official_labels_count_from_1_and_a_test_list_takes_them_from_the_folder(tmp_path: Path) -> None:
    write(tmp_path, classInd=INDEX, trainlist01="A/a.avi 1\nB/b.avi 2\n", testlist01="B/c.avi\nC/d.avi\n")
    splits = read_splits(tmp_path, clips("A/a.avi", "B/b.avi", "B/c.avi", "C/d.avi"))
    assert splits.class_names == ("A", "B", "C")
    assert splits.label.tolist() == [0, 1, 1, 2]
    assert column(splits) == [TRAIN, TRAIN, TEST, TEST]
    assert splits.issues == ()


def test_labels_from_0_are_recognised_by_the_folders_even_beside_a_class_index(tmp_path: Path) -> None:
    write(tmp_path, classInd=INDEX, train="B/b.avi 1\nC/c.avi 2\n", test="B/d.avi 1\n")
    splits = read_splits(tmp_path, clips("B/b.avi", "B/d.avi", "C/c.avi"))
    assert splits.label.tolist() == [1, 1, 2]
    assert counts(splits) == {IssueCode.CLASS_WITHOUT_CLIPS: 1}


def test_all_classes_of_the_index_stay_and_those_without_clips_are_counted(tmp_path: Path) -> None:
    write(tmp_path, classInd=INDEX, trainlist01="B/b.avi 2\n", testlist01="B/c.avi\n")
    splits = read_splits(tmp_path, clips("B/b.avi", "B/c.avi"))
    assert splits.class_names == ("A", "B", "C")
    assert counts(splits) == {IssueCode.CLASS_WITHOUT_CLIPS: 2}


def test_a_clip_of_no_known_class_is_in_no_split_and_reported(tmp_path: Path) -> None:
    write(tmp_path, classInd="1 A\n", trainlist01="A/a.avi 1\nX/x.avi 9\n", testlist01="A/b.avi\nX/y.avi\n")
    splits = read_splits(tmp_path, clips("A/a.avi", "A/b.avi", "X/x.avi", "X/y.avi"))
    assert splits.label.tolist() == [0, 0, -1, -1]
    assert column(splits) == [TRAIN, TEST, UNUSED, UNUSED]
    assert counts(splits) == {IssueCode.UNKNOWN_CLASS: 2}


@pytest.mark.real
def test_the_official_lists_fit_the_real_clips(real_clips: Path) -> None:
    found = find_clips(real_clips / "videos").clips
    splits = read_splits(real_clips / "ucfTrainTestlist", found)
    assert splits.split_names == ("1", "2", "3")
    assert len(splits.class_names) == 101
    assert (splits.class_names[0], splits.class_names[100]) == ("ApplyEyeMakeup", "YoYo")
    assert all(splits.class_names[label] == clip.class_name for clip, label in zip(found, splits.label, strict=True))
    assert [np.bincount(side, minlength=3).tolist() for side in splits.subset.T] == [[0, 216, 84]] * 3
    groups_of_split_1 = {clip.group for clip, side in zip(found, splits.subset[:, 0], strict=True) if side == TEST}
    assert groups_of_split_1 == set(range(1, 8))
    assert counts(splits) == {IssueCode.NOT_ON_DISK: 13_320 - 300, IssueCode.CLASS_WITHOUT_CLIPS: 101 - 6}


# lists of "path label" lines


def test_numbers_without_an_index_are_named_after_the_folders(tmp_path: Path) -> None:
    write(tmp_path, train="b.avi 0\na.avi 1\n", test="Zoo/c.avi 0\n")
    splits = read_splits(tmp_path, clips("Apple/a.avi", "Zoo/b.avi", "Zoo/c.avi"))
    assert splits.class_names == ("Zoo", "Apple")
    assert splits.label.tolist() == [1, 0, 0]
    assert splits.issues == ()


def test_numbers_from_1_without_an_index_need_no_class_0(tmp_path: Path) -> None:
    write(tmp_path, train="A/a.avi 1\nB/b.avi 2\n", test="A/c.avi 1\n")
    splits = read_splits(tmp_path, clips("A/a.avi", "A/c.avi", "B/b.avi"))
    assert (splits.class_names, splits.label.tolist()) == (("A", "B"), [0, 0, 1])


def test_numbers_from_2_on_leave_a_place_for_class_1(tmp_path: Path) -> None:
    """As lists of a part of a data set do: what they number 2 is the second class."""
    write(tmp_path, train="B/b.avi 2\nC/c.avi 3\n", test="B/d.avi 2\n")
    splits = read_splits(tmp_path, clips("B/b.avi", "B/d.avi", "C/c.avi"))
    assert (splits.class_names, splits.label.tolist()) == (("class-1", "B", "C"), [1, 1, 2])


def test_a_number_that_no_line_has_keeps_its_place(tmp_path: Path) -> None:
    write(tmp_path, train="A/a.avi 0\nB/b.avi 2\n", test="A/c.avi 0\n")
    splits = read_splits(tmp_path, clips("A/a.avi", "A/c.avi", "B/b.avi"))
    assert (splits.class_names, splits.label.tolist()) == (("A", "class-1", "B"), [0, 0, 2])


def test_numbers_that_do_not_follow_the_folders_stay_numbers(tmp_path: Path) -> None:
    write(tmp_path, train="all/a.avi 0\nall/b.avi 1\n", test="all/c.avi 1\n")
    splits = read_splits(tmp_path, clips("all/a.avi", "all/b.avi", "all/c.avi", "all/d.avi"))
    assert (splits.class_names, splits.label.tolist()) == (("0", "1"), [0, 1, 1, -1])


def test_labels_may_be_names(tmp_path: Path) -> None:
    write(tmp_path, train="a.avi jump\nb.avi run\n", test="c.avi jump\n")
    splits = read_splits(tmp_path, clips("x/a.avi", "x/b.avi", "x/c.avi"))
    assert (splits.class_names, splits.label.tolist()) == (("jump", "run"), [0, 1, 0])


def test_lists_without_labels_take_the_classes_from_the_folders(tmp_path: Path) -> None:
    write(tmp_path, train="A/a.avi\n", test="B/b.avi\n")
    splits = read_splits(tmp_path, clips("A/a.avi", "B/b.avi"))
    assert (splits.class_names, splits.label.tolist()) == (("A", "B"), [0, 1])


def test_a_word_among_numbers_is_a_malformed_line(tmp_path: Path) -> None:
    write(tmp_path, train="A/a.avi 0\nA/b.avi zero\n", test="A/c.avi 0\n")
    splits = read_splits(tmp_path, clips("A/a.avi", "A/b.avi", "A/c.avi"))
    assert counts(splits)[IssueCode.MALFORMED_LINE] == 1
    assert splits.issues[0].examples == ("train.txt:2",)


# clips that lines mean


@pytest.mark.parametrize(
    "listed",
    [
        "A/sub/clip.avi",
        "A/sub/clip",
        "A/sub/clip.mp4",
        "clip.avi",
        "clip",
        "sub/clip.AVI",
        "./A/sub/clip.avi",
        "/data/UCF-101/A/sub/clip.avi",
        r"C:\videos\A\sub\clip.avi",
    ],
)
def test_a_path_may_have_more_folders_or_fewer_and_another_suffix(tmp_path: Path, listed: str) -> None:
    path = csv_file(tmp_path, f"path,subset\n{listed},train\nB/other.avi,test\n")
    splits = read_splits(path, clips("A/sub/clip.avi", "B/other.avi"))
    assert (column(splits), splits.issues) == ([TRAIN, TEST], ())


def test_a_file_name_in_the_wrong_folder_is_not_taken_for_the_clip(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "path,subset\nB/a.avi,train\nA/b.avi,test\n")
    splits = read_splits(path, clips("A/a.avi", "A/b.avi"))
    assert column(splits) == [UNUSED, TEST]
    assert counts(splits)[IssueCode.NOT_ON_DISK] == 1


def test_a_file_name_that_fits_two_clips_is_skipped_and_reported(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "path,subset\na.avi,train\nB/b.avi,test\n")
    splits = read_splits(path, clips("A/a.avi", "B/a.avi", "B/b.avi"))
    assert column(splits) == [UNUSED, UNUSED, TEST]
    assert counts(splits)[IssueCode.AMBIGUOUS] == 1


def test_a_suffix_tells_two_clips_of_one_name_apart(tmp_path: Path) -> None:
    both = [
        clip("A/a.avi"),
        Clip(name="A/a.mp4", path="A/a.mp4", class_name="A", group=-1, size_bytes=1, mtime_ns=1),
    ]
    path = csv_file(tmp_path, "path,subset\nA/a.avi,train\nA/a.mp4,test\n")
    assert column(read_splits(path, both)) == [TRAIN, TEST]


def test_an_accented_letter_is_the_same_in_both_of_its_spellings(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "path,subset\nA/\u00e9t\u00e9.avi,train\n")
    assert column(read_splits(path, clips("A/e\u0301te\u0301.avi"))) == [TRAIN]


def test_lists_of_other_clips_are_an_error_that_shows_one_of_each(tmp_path: Path) -> None:
    write(tmp_path, train="A/x.avi 0\n", test="A/y.avi 0\n")
    with pytest.raises(DatasetError, match=r"none of the listed clips .* A/y\.avi, and on disk B/z\.avi"):
        read_splits(tmp_path, clips("B/z.avi"))


# subsets


def test_missing_and_unlisted_clips_are_counted_once_however_many_splits_there_are(tmp_path: Path) -> None:
    lines = {"trainlist01": "A/a.avi 0\nA/gone.avi 0\n", "trainlist02": "A/b.avi 0\nA/gone.avi 0\n"}
    write(tmp_path, **lines, testlist01="A/b.avi 0\n", testlist02="A/a.avi 0\n")
    splits = read_splits(tmp_path, clips("A/a.avi", "A/b.avi", "A/extra.avi"))
    assert splits.subset.tolist() == [[TRAIN, TEST], [TEST, TRAIN], [UNUSED, UNUSED]]
    assert counts(splits) == {IssueCode.NOT_ON_DISK: 1, IssueCode.NOT_LISTED: 1}


@pytest.mark.parametrize("order", ["train test train", "test train", "train test"])
def test_a_clip_in_train_and_test_is_tested_only_whatever_the_order(tmp_path: Path, order: str) -> None:
    rows = "".join(f"A/a.avi,{subset}\n" for subset in order.split())
    splits = read_splits(csv_file(tmp_path, "path,subset\nA/b.avi,train\n" + rows), clips("A/a.avi", "A/b.avi"))
    assert column(splits) == [TEST, TRAIN]
    assert counts(splits).get(IssueCode.LISTED_TWICE, 0) == order.count("train") - 1
    assert counts(splits)[IssueCode.TRAIN_AND_TEST] == 1


def test_train_in_one_split_and_test_in_another_is_no_contradiction(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "path,subset,split\nA/a,train,1\nA/a,test,2\nA/b,test,1\nA/b,train,2\n")
    assert read_splits(path, clips("A/a.avi", "A/b.avi")).issues == ()


def test_a_line_that_comes_twice_is_counted(tmp_path: Path) -> None:
    write(tmp_path, train="A/a.avi 0\nA/a.avi 0\n", test="A/b.avi 0\n")
    splits = read_splits(tmp_path, clips("A/a.avi", "A/b.avi"))
    assert splits.issues[0].sentence == "1 line repeats an earlier one: train.txt:2"


def test_a_group_on_both_sides_is_reported(tmp_path: Path) -> None:
    write(tmp_path, train="A/v_A_g01_c01.avi 0\nB/v_B_g01_c01.avi 1\n", test="A/v_A_g01_c02.avi 0\n")
    splits = read_splits(tmp_path, clips("A/v_A_g01_c01.avi", "A/v_A_g01_c02.avi", "B/v_B_g01_c01.avi"))
    (issue,) = splits.issues
    assert (issue.code, issue.count) == (IssueCode.GROUP_ON_BOTH_SIDES, 1)
    assert issue.examples == ("A g01 of split 1",)


def test_a_label_that_contradicts_the_folder_wins_and_is_reported(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "path,label,subset\nA/a,A,train\nA/b,B,train\nB/c,B,test\n")
    splits = read_splits(path, clips("A/a.avi", "A/b.avi", "B/c.avi"))
    assert splits.label.tolist() == [0, 1, 1]
    assert counts(splits) == {IssueCode.LABEL_NOT_FOLDER: 1}


def test_folders_that_are_no_classes_contradict_nothing(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "path,label,subset\ntrain/jump/a.mp4,jump,train\nval/run/b.mp4,run,val\n")
    splits = read_splits(path, clips("train/jump/a.mp4", "val/run/b.mp4"))
    assert (splits.class_names, splits.label.tolist()) == (("jump", "run"), [0, 1])
    assert counts(splits) == {IssueCode.VALIDATION_AS_TEST: 1}


def test_a_clip_with_two_labels_is_in_no_split(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "path,label,subset,split\nx/a,A,train,1\nx/a,B,test,2\nx/b,B,test,1\nx/b,B,train,2\n")
    splits = read_splits(path, clips("x/a.avi", "x/b.avi"))
    assert splits.label.tolist() == [-1, 1]
    assert splits.subset.tolist() == [[UNUSED, UNUSED], [TEST, TRAIN]]
    assert counts(splits) == {IssueCode.TWO_LABELS: 1, IssueCode.NO_TRAIN_CLIPS: 1, IssueCode.NO_TEST_CLIPS: 1}


def test_a_group_in_train_and_validation_is_said(tmp_path: Path) -> None:
    five = clips(
        "A/v_A_g01_c01.avi", "A/v_A_g01_c02.avi", "A/v_A_g02_c01.avi", "A/v_A_g03_c01.avi", "A/v_A_g03_c02.avi"
    )
    rows = zip([clip.name for clip in five], ("train", "val", "train", "val", "test"), strict=True)
    splits = read_splits(csv_file(tmp_path, "path,subset\n" + "".join(f"{name},{word}\n" for name, word in rows)), five)
    (issue,) = splits.issues
    assert (issue.code, issue.examples) == (IssueCode.GROUP_IN_VALIDATION, ("A g01 of split 1",))


def test_validation_stands_in_for_a_missing_test_list_and_is_a_subset_of_its_own_otherwise(tmp_path: Path) -> None:
    three = clips("A/a.avi", "A/b.avi", "A/c.avi")
    alone = read_splits(csv_file(tmp_path, "path,subset\nA/a,train\nA/b,val\nA/c,none\n"), three)
    assert (column(alone), counts(alone)) == ([TRAIN, TEST, UNUSED], {IssueCode.VALIDATION_AS_TEST: 1})
    beside = read_splits(csv_file(tmp_path, "path,subset\nA/a,train\nA/b,val\nA/c,test\n"), three)
    assert (column(beside), counts(beside)) == ([TRAIN, VAL, TEST], {})
    both = read_splits(csv_file(tmp_path, "path,subset\nA/a,train\nA/b,val\nA/b,train\nA/c,test\n"), three)
    assert (column(both), counts(both)) == ([TRAIN, TRAIN, TEST], {IssueCode.TRAIN_AND_VALIDATION: 1})
    tested = read_splits(csv_file(tmp_path, "path,subset\nA/a,train\nA/b,val\nA/b,test\nA/c,test\n"), three)
    assert (column(tested), counts(tested)) == ([TRAIN, TEST, TEST], {IssueCode.VALIDATION_AND_TEST: 1})


def test_a_split_with_an_empty_side_is_reported(tmp_path: Path) -> None:
    splits = read_splits(csv_file(tmp_path, "path,subset,split\nA/a,train,1\nA/a,test,2\n"), clips("A/a.avi"))
    assert counts(splits) == {IssueCode.NO_TRAIN_CLIPS: 1, IssueCode.NO_TEST_CLIPS: 1}


# no lists


def test_without_lists_the_classes_are_the_folders_and_the_splits_are_made(tmp_path: Path) -> None:
    found = clips(*(f"{name}/v_{name}_g{group:02d}_c01.avi" for name in ("B", "A") for group in range(1, 11)))
    splits = read_splits(None, found, seed=3)
    assert (splits.class_names, splits.split_names) == (("A", "B"), ("1", "2", "3"))
    assert splits.label.tolist() == [1] * 10 + [0] * 10
    assert (splits.subset == TEST).sum(axis=0).tolist() == [6, 6, 6]
    assert splits.issues == ()
    assert np.array_equal(splits.subset, read_splits(None, found, seed=3).subset)
    assert not np.array_equal(splits.subset, read_splits(None, found, seed=4).subset)


def test_a_single_clip_gives_a_split_without_test_clips_which_is_reported() -> None:
    splits = read_splits(None, clips("A/a.avi"))
    assert splits.subset.tolist() == [[TRAIN]]
    assert set(counts(splits)) == {IssueCode.NO_GROUPS, IssueCode.CLASS_NOT_TESTED, IssueCode.NO_TEST_CLIPS}


@pytest.mark.real
def test_made_splits_of_the_real_clips_keep_groups_on_one_side(real_clips: Path) -> None:
    found = find_clips(real_clips / "videos").clips
    splits = read_splits(None, found)
    assert [np.bincount(side, minlength=3).tolist() for side in splits.subset.T] == [[0, 204, 96]] * 3
    assert splits.issues == ()


def test_each_segment_that_is_missing_or_has_two_labels_is_named_and_counted(tmp_path: Path) -> None:
    rows = ("a.mp4,run,0,1", "a.mp4,sit,0,1", "a.mp4,sit,2,3", "gone.mp4,run,0,1", "gone.mp4,sit,1,2.5")
    table = tmp_path / "own.csv"
    table.write_text("path,label,start,end,subset\n" + "".join(f"{row},train\n" for row in rows))
    a = Clip(name="a", path="a.mp4", class_name="", group=-1, size_bytes=1, mtime_ns=1)
    splits = read_splits(table, [a])
    assert splits.in_full == [
        (IssueCode.NOT_ON_DISK, "gone#0-1", ""),
        (IssueCode.NOT_ON_DISK, "gone#1-2.5", ""),
        (IssueCode.TWO_LABELS, "a#0-1", ""),
    ]
