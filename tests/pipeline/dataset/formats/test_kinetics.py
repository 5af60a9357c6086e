"""The CSVs of Kinetics: rows, files, subsets, and what nothing tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from mocrop.pipeline.dataset.formats import kinetics_files
from mocrop.pipeline.dataset.formats.base import Listed
from mocrop.pipeline.dataset.formats.registry import recognised, source_of
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.dataset.listed_subsets import TEST, TRAIN, UNUSED
from mocrop.pipeline.dataset.splits import Splits, read_splits
from mocrop.pipeline.dataset.walk import VideoFile
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.span import Span
from tests.pipeline.dataset.formats.official import lay_seconds
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
    of_both = {IssueCode.VALIDATION_AS_TEST, IssueCode.GROUP_ON_BOTH_SIDES}  # -abc_12345X is in both lists
    assert {issue.code for issue in splits.issues} == of_both


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
    assert {issue.code for issue in splits.issues} == {
        IssueCode.VALIDATION_AS_TEST,
        IssueCode.UNKNOWN_CLASS,
        IssueCode.GROUP_ON_BOTH_SIDES,
    }


def test_missing_clips_are_counted(lists: Path) -> None:
    splits = read(lists, f"{FILES[0]}.mp4", f"{FILES[2]}.webm")
    (issue,) = (issue for issue in splits.issues if issue.code is IssueCode.NOT_ON_DISK)
    assert (issue.count, issue.examples) == (2, (FILES[1], FILES[3]))


# files that are called by the id alone

IDS = ("Zyx-_123456", "_000010_0ab", "-leading-id", "onehasspace")


@pytest.fixture
def plain(tmp_path: Path) -> Plain:
    return Plain(tmp_path)


class Plain:
    """A data set of files called by an id alone, whose rows are from second 10 to 12."""

    def __init__(self, folder: Path) -> None:
        self.dataset, self.lists = folder / "k400", folder / "train.csv"
        self.dataset.mkdir()
        self.rows(*((name, 10, 12) for name in IDS))

    def rows(self, *rows: tuple[str, int, int]) -> None:
        lines = (f"yoga,{name},{start},{end},train" for name, start, end in rows)
        self.lists.write_text("\n".join([HEADER, *lines]) + "\n")

    def file(self, name: str, *, seconds: int) -> None:
        lay_seconds(self.dataset / f"{name}.mp4", seconds)

    def read(self) -> tuple[list[Listed], str, IssueLog]:
        videos = [VideoFile(file.name, 1, 1) for file in sorted(self.dataset.iterdir())]
        form, why = recognised(source := source_of(self.dataset, videos, self.lists))
        log = IssueLog()
        return list(form.read(source, log).listed), why, log


def test_files_as_long_as_their_rows_are_cut_already(plain: Plain) -> None:
    for name in IDS:
        plain.file(name, seconds=3)  # up to 1.5 s longer, as encoders cut at key frames
    listed, why, _ = plain.read()
    assert [(entry.path, entry.other_paths, entry.span) for entry in listed] == [
        (f"{name}_000010_000012", (name,), None) for name in IDS
    ]
    assert why.endswith("; 4 files called by an id alone are cut to their rows already, by the lengths of 4")


def test_out_of_files_that_go_on_until_their_rows_end_the_rows_are_cut(plain: Plain) -> None:
    for name in IDS:
        plain.file(name, seconds=14)
    plain.file(f"{IDS[0]}_000010_000012", seconds=2)  # the official name says that this one is cut
    listed, why, _ = plain.read()
    assert [entry.span for entry in listed] == [None, *[Span(10_000_000, 12_000_000)] * 3]
    assert listed[0].other_paths == ()
    assert "; 3 files called by an id alone are whole videos, out of which the rows are cut" in why


def test_a_whole_video_may_yield_several_rows_and_a_cut_one_is_that_of_none(plain: Plain) -> None:
    plain.rows((IDS[0], 10, 12), (IDS[0], 20, 22), (IDS[1], 10, 12))
    plain.file(IDS[0], seconds=24)
    listed, _, log = plain.read()
    assert [entry.span for entry in listed[:2]] == [Span(10_000_000, 12_000_000), Span(20_000_000, 22_000_000)]
    assert log.issues == ()
    plain.file(IDS[0], seconds=2)
    listed, _, log = plain.read()
    assert [entry.other_paths for entry in listed] == [(), (), ()]
    assert [(issue.code, issue.examples) for issue in log.issues] == [(IssueCode.AMBIGUOUS, (IDS[0],))]


@pytest.mark.parametrize(
    ("seconds", "counted"),
    [
        ((2, 14, 2, 2), "of 4 that were opened 3 can only be cut, 1 only whole, 0 neither, and 0 cannot be read"),
        ((2, 2, 2, 7), "of 4 that were opened 3 can only be cut, 0 only whole, 1 neither, and 0 cannot be read"),
        ((2, 0, 0, 0), "of 4 that were opened 1 can only be cut, 0 only whole, 0 neither, and 3 cannot be read"),
    ],
)
def test_files_whose_lengths_do_not_tell_are_refused(plain: Plain, seconds: tuple[int, ...], counted: str) -> None:
    for name, length in zip(IDS, seconds, strict=True):
        if length:
            plain.file(name, seconds=length)
        else:
            (plain.dataset / f"{name}.mp4").write_bytes(b"no video")
    with pytest.raises(DatasetError, match="k400: 4 videos are called by their id alone, such as Zyx-_123456") as error:
        plain.read()
    assert counted in str(error.value)
    assert str(error.value).endswith(
        "rename those that are cut as Zyx-_123456_000010_000012 is called, and move others away"
    )


def test_a_few_files_that_cannot_be_read_do_not_matter(plain: Plain) -> None:
    for name in IDS[:3]:
        plain.file(name, seconds=2)
    (plain.dataset / f"{IDS[3]}.mp4").write_bytes(b"")
    listed, _, _ = plain.read()
    assert [entry.span for entry in listed] == [None] * 4


def test_a_video_that_ends_with_its_row_may_be_either(plain: Plain) -> None:
    plain.rows((IDS[0], 0, 2), (IDS[1], 10, 12))
    plain.file(IDS[0], seconds=2)
    plain.file(IDS[1], seconds=14)
    assert [entry.span for entry in plain.read()[0]] == [Span(0, 2_000_000), Span(10_000_000, 12_000_000)]
    plain.file(IDS[1], seconds=2)
    assert [entry.span for entry in plain.read()[0]] == [None, None]


def test_sixteen_files_are_opened_at_most(plain: Plain, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{n:011d}" for n in range(33)]
    plain.rows(*((name, 10, 12) for name in names))
    for name in names:
        (plain.dataset / f"{name}.mp4").touch()
    opened: set[str] = set()
    monkeypatch.setattr(kinetics_files, "_seconds", lambda path: float(opened.add(path.stem) or 2))
    assert [entry.span for entry in plain.read()[0]] == [None] * 33
    assert opened == set(names[::3])


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
