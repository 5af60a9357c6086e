"""The CSVs of Kinetics: rows, files, subsets, and what nothing tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from mocrop.pipeline.dataset.issues import IssueCode
from mocrop.pipeline.dataset.splits import TEST, TRAIN, UNUSED, Splits, read_splits
from mocrop.pipeline.errors import DatasetError
from tests.pipeline.dataset.test_splits import clips

HEADER = "label,youtube_id,time_start,time_end,split"
ROWS = {
    "train": ('"air drumming",-abc_12345X,3,13,train', "abseiling,Zyx-_123456,10.0,20.0,train"),
    "validate": ("abseiling,_000010_0ab,0,10,validate", "air drumming,-abc_12345X,120,130,validate"),
}
FILES = (
    "-abc_12345X_000003_000013",
    "Zyx-_123456_000010_000020",
    "_000010_0ab_000000_000010",
    "-abc_12345X_000120_000130",
)


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    for name, rows in ROWS.items():
        (tmp_path / f"{name}.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return tmp_path


def read(lists: Path, *paths: str) -> Splits:
    return read_splits(lists, clips(*paths), dataset=Path("k400"))


@pytest.mark.parametrize("folder", ["", "train/"])
def test_files_are_found_by_id_and_times_wherever_they_lie(lists: Path, folder: str) -> None:
    splits = read(lists, *(f"{folder}{name}.mp4" for name in FILES))
    assert splits.form.format.name == "kinetics"
    assert splits.class_names == ("abseiling", "air drumming")
    assert (splits.label.tolist(), splits.subset[:, 0].tolist()) == ([1, 0, 0, 1], [TRAIN, TRAIN, TEST, TEST])
    assert [issue.code for issue in splits.issues] == [IssueCode.VALIDATION_AS_TEST]


def test_one_file_is_read_alone(lists: Path) -> None:
    splits = read(lists / "train.csv", *(f"{name}.mp4" for name in FILES))
    assert splits.subset[:, 0].tolist() == [TRAIN, TRAIN, UNUSED, UNUSED]


def test_a_test_without_labels_leaves_validation_to_be_tested(lists: Path) -> None:
    (lists / "test.csv").write_text("youtube_id,time_start,time_end,split\nqqqqqqqqqqq,0,10,test\n")
    splits = read(lists, *(f"{name}.mp4" for name in FILES), "qqqqqqqqqqq_000000_000010.mp4")
    assert (splits.label.tolist(), splits.subset[:, 0].tolist()) == (
        [1, 0, 0, 1, -1],
        [TRAIN, TRAIN, TEST, TEST, UNUSED],
    )
    assert {issue.code for issue in splits.issues} == {IssueCode.VALIDATION_AS_TEST, IssueCode.UNKNOWN_CLASS}


def test_missing_clips_are_counted(lists: Path) -> None:
    splits = read(lists, f"{FILES[0]}.mp4", f"{FILES[2]}.webm")
    (issue,) = (issue for issue in splits.issues if issue.code is IssueCode.NOT_ON_DISK)
    assert (issue.count, issue.examples) == (2, (FILES[1], FILES[3]))


def test_files_called_by_their_id_alone_are_refused_since_they_may_be_whole_videos(lists: Path) -> None:
    with pytest.raises(DatasetError, match="k400: 1 videos are called by their id alone, such as Zyx-_123456, so"):
        read(lists, f"{FILES[0]}.mp4", "Zyx-_123456.mp4")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("abseiling,aaaaaaaaaaa,10,20,holdout", "with the subset 'holdout', which is not known"),
        ("abseiling,aaaaaaaaaaa,20,10,train", "with a start and an end between which there is no time"),
        ("abseiling,aaaaaaaaaaa,-1,10,train", "with a start and an end between which there is no time"),
        ("abseiling,aaaaaaaaaaa,0.5,10,train", "with a start and an end between which there is no time"),
        ("abseiling,,10,20,train", "without a youtube_id"),
        ("abseiling,aaaaaaaaaaa,10,20", "with too few cells"),
        ("abseiling,aaaaaaaaaaa,10,20,train,1", "with too many cells"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_with_the_reason(lists: Path, row: str, reason: str) -> None:
    file = lists / "train.csv"
    file.write_text(file.read_text() + row + "\n")
    splits = read(lists, *(f"{name}.mp4" for name in FILES))
    (issue,) = (issue for issue in splits.issues if issue.code is IssueCode.MALFORMED_LINE)
    assert issue.sentence == f"1 line cannot be read and is skipped: 1 {reason} (train.csv:4)"


def test_without_a_column_of_subsets_the_name_of_the_file_says_it(tmp_path: Path) -> None:
    (tmp_path / "kinetics_val.csv").write_text("label,youtube_id,time_start,time_end\nA,b,0,10\n")
    (tmp_path / "kinetics_train.csv").write_text("label,youtube_id,time_start,time_end\nA,a,0,10\n")
    splits = read(tmp_path, "a_000000_000010.mp4", "b_000000_000010.mp4")
    assert splits.subset[:, 0].tolist() == [TRAIN, TEST]
