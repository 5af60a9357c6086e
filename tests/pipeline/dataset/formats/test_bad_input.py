"""The same bad rows in every form of lists: each is counted with a reason, and no other clip changes its label."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from mocrop.pipeline.dataset.clips import find_clips
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import Issue
from mocrop.pipeline.dataset.listed_subsets import TEST, TRAIN, UNUSED
from mocrop.pipeline.dataset.splits import Splits, read_splits
from mocrop.pipeline.errors import DatasetError

CLASSES = ("Archery", "tai chi")


class Row(NamedTuple):
    """What one row says."""

    name: str
    label: str
    subset: str
    start: int = 10
    end: int = 20

    @property
    def folder(self) -> str:
        """The class folder on disk, whatever the row says."""
        return CLASSES[int(self.name.rpartition("_")[2]) % 2]


ROWS = [Row(f"-n{n:02}_{n}", CLASSES[n % 2], "test" if n % 5 == 0 else "train") for n in range(20)]
KINETICS = "_{:06d}_{:06d}"


def as_csv(rows: Sequence[Row], *, times: bool = False) -> dict[str, str]:
    header, ends = ("path,label,subset", ("" for _ in rows))
    if times:
        header, ends = f"{header},start,end", (f",{row.start},{row.end}" for row in rows)
    lines = (f"{row.name},{row.label},{row.subset}{end}" for row, end in zip(rows, ends, strict=True))
    return {"own.csv": "\n".join((header, *lines))}


def as_segments(rows: Sequence[Row]) -> dict[str, str]:
    return as_csv(rows, times=True)


def as_lists(rows: Sequence[Row]) -> dict[str, str]:
    return {
        f"{side}.txt": "".join(f"{row.name}.avi {row.label}\n" for row in rows if row.subset == side)
        for side in ("train", "test")
    }


def as_ucf101(rows: Sequence[Row]) -> dict[str, str]:
    lists = {
        f"{side}list01.txt": "".join(
            f"{row.folder}/{row.name}.avi\t{CLASSES.index(row.label) + 1}\n" for row in rows if row.subset == side
        )
        for side in ("train", "test")
    }
    return {**lists, "classInd.txt": "1 Archery\n2 tai chi\n"}


def as_hmdb51(rows: Sequence[Row]) -> dict[str, str]:
    digit = {"train": 1, "test": 2}
    return {
        f"{label}_test_split1.txt": "".join(
            f"{row.name}.avi {digit.get(row.subset, row.subset)} \n" for row in rows if row.label == label
        )
        for label in CLASSES
    }


def as_kinetics(rows: Sequence[Row]) -> dict[str, str]:
    lines = (f"{row.label},{row.name},{row.start},{row.end},{row.subset}" for row in rows)
    return {"k.csv": "\n".join(("label,youtube_id,time_start,time_end,split", *lines))}


def as_ssv2(rows: Sequence[Row]) -> dict[str, str]:
    lists = {
        f"{side}.json": json.dumps([{"id": row.name, "template": row.label} for row in rows if row.subset == side])
        for side in ("train", "test")
    }
    return {**lists, "labels.json": json.dumps({name: str(n) for n, name in enumerate(CLASSES)})}


def as_diving48(rows: Sequence[Row]) -> dict[str, str]:
    lists = {
        f"D_{side}.json": json.dumps(
            [{"vid_name": row.name, "label": CLASSES.index(row.label)} for row in rows if row.subset == side]
        )
        for side in ("train", "test")
    }
    return {**lists, "D_vocab.json": json.dumps([name.split() for name in CLASSES])}


def as_activitynet(rows: Sequence[Row]) -> dict[str, str]:
    database: dict[str, dict[str, object]] = {}
    for row in rows:
        entry = database.setdefault(row.name, {"subset": row.subset, "duration": 60, "annotations": []})
        annotations = entry["annotations"]
        assert isinstance(annotations, list)
        annotations.append({"label": row.label, "segment": [row.start, row.end]})
    return {"a.json": json.dumps({"database": database})}


Writer = Callable[[Sequence[Row]], dict[str, str]]
FORMS: dict[str, Writer] = {
    "csv": as_csv,
    "segments": as_segments,
    "list": as_lists,
    "ucf101": as_ucf101,
    "hmdb51": as_hmdb51,
    "kinetics": as_kinetics,
    "ssv2": as_ssv2,
    "diving48": as_diving48,
    "activitynet": as_activitynet,
}
WITH_TIMES = ["segments", "kinetics", "activitynet"]
WITH_WORDS = ["csv", "segments", "kinetics", "activitynet", "hmdb51"]  # a subset a row


def read(folder: Path, form: str, rows: Sequence[Row], *, missing: Sequence[str] = ()) -> Splits:
    """Lay the videos of ROWS, but those that are missing, and read rows in a form."""
    for row in ROWS:
        file = folder / "videos" / row.folder / f"{row.name}{KINETICS.format(10, 20) if form == 'kinetics' else ''}.avi"
        file.parent.mkdir(parents=True, exist_ok=True)
        if row.name not in missing:
            file.touch()
    (folder / "lists").mkdir()
    for name, text in FORMS[form](rows).items():
        (folder / "lists" / name).write_text(text)
    clips = find_clips(folder / "videos", loose=True).clips
    return read_splits(folder / "lists", clips, dataset=folder / "videos")


def require_right(splits: Splits, *but: str) -> None:
    """Every clip has the class and the subset that ROWS say, ``but`` some that have neither."""
    rows = {row.name: row for row in ROWS}
    for clip, label, side in zip(splits.clips, splits.label, splits.subset[:, 0], strict=True):
        row = rows[clip.path.rpartition("/")[2].removesuffix(".avi").removesuffix(KINETICS.format(10, 20))]
        if row.name in but:
            assert side == UNUSED, row
        else:
            assert splits.class_names[label] == row.label
            assert side == (TRAIN if row.subset == "train" else TEST)


def only(splits: Splits, code: IssueCode) -> Issue:
    (issue,) = (issue for issue in splits.issues if issue.code is code)
    return issue


@pytest.mark.parametrize("form", FORMS)
def test_names_with_dashes_in_front_are_names(tmp_path: Path, form: str) -> None:
    splits = read(tmp_path, form, ROWS)
    require_right(splits)
    assert (splits.issues, len(splits.clips)) == ((), 20)


@pytest.mark.parametrize("form", FORMS)
def test_one_in_ten_missing_is_counted_and_named_in_full(tmp_path: Path, form: str) -> None:
    splits = read(tmp_path, form, ROWS, missing=["-n03_3", "-n10_10"])
    require_right(splits)
    assert (only(splits, IssueCode.NOT_ON_DISK).count, len(splits.clips)) == (2, 18)
    named = [what for code, what, _ in splits.in_full if code is IssueCode.NOT_ON_DISK]
    assert sorted(("-n03_3" in what, "-n10_10" in what) for what in named) == [(False, True), (True, False)]


@pytest.mark.parametrize("form", FORMS)
def test_lists_that_name_nothing_that_is_there_are_refused(tmp_path: Path, form: str) -> None:
    rows = [row._replace(name=f"other{row.name}") for row in ROWS]
    with pytest.raises(DatasetError, match=r"none of the listed clips is on disk; listed is, for example, .*other-n0"):
        read(tmp_path, form, rows)


@pytest.mark.parametrize("form", FORMS)
def test_a_row_twice_is_counted_once(tmp_path: Path, form: str) -> None:
    splits = read(tmp_path, form, [*ROWS, ROWS[3]])
    require_right(splits)
    assert only(splits, IssueCode.LISTED_TWICE).count == 1


@pytest.mark.parametrize("form", FORMS)
def test_two_labels_for_a_clip_are_none(tmp_path: Path, form: str) -> None:
    splits = read(tmp_path, form, [*ROWS, ROWS[3]._replace(label=CLASSES[0])])
    require_right(splits, ROWS[3].name)
    (label,) = (int(n) for clip, n in zip(splits.clips, splits.label, strict=True) if ROWS[3].name in clip.path)
    assert (label, only(splits, IssueCode.TWO_LABELS).count) == (-1, 1)


@pytest.mark.parametrize("form", sorted(FORMS.keys() - {"activitynet"}))  # where a video has one subset
def test_a_clip_for_train_and_test_is_for_test(tmp_path: Path, form: str) -> None:
    splits = read(tmp_path, form, [*ROWS, ROWS[3]._replace(subset="test")])
    assert only(splits, IssueCode.TRAIN_AND_TEST).count == 1
    sides = {clip.path: int(side) for clip, side in zip(splits.clips, splits.subset[:, 0], strict=True)}
    assert [side for path, side in sides.items() if ROWS[3].name in path] == [TEST]


@pytest.mark.parametrize("form", WITH_WORDS)
def test_an_unknown_subset_leaves_the_row_out_with_the_reason(tmp_path: Path, form: str) -> None:
    splits = read(tmp_path, form, [row if row is not ROWS[3] else row._replace(subset="3") for row in ROWS])
    require_right(splits, ROWS[3].name)
    (kind,) = only(splits, IssueCode.MALFORMED_LINE).kinds
    assert "subset" in kind or "0, 1 or 2" in kind


@pytest.mark.parametrize("form", WITH_TIMES)
@pytest.mark.parametrize(("start", "end"), [(20, 10), (10, 10)])
def test_an_end_before_its_start_leaves_the_row_out_with_the_reason(
    tmp_path: Path, form: str, start: int, end: int
) -> None:
    splits = read(tmp_path, form, [row if row is not ROWS[3] else row._replace(start=start, end=end) for row in ROWS])
    require_right(splits, ROWS[3].name)
    (kind,) = only(splits, IssueCode.MALFORMED_LINE).kinds
    assert "no time" in kind or "does not end after its start" in kind
