"""Clips with several labels: lists that give them, what is refused, and what is said of those that look like it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mocrop.pipeline.dataset.clips import Clip, find_clips
from mocrop.pipeline.dataset.init import init_workspace
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.listed_subsets import TEST, TRAIN, UNUSED
from mocrop.pipeline.dataset.splits import Splits, read_splits
from mocrop.pipeline.errors import DatasetError, SettingsError
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import read_settings


def videos(folder: Path, *paths: str) -> tuple[Clip, ...]:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"x")
    return find_clips(folder, loose=True).clips


def written(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def counts(splits: Splits) -> dict[IssueCode, int]:
    return {issue.code: issue.count for issue in splits.issues}


def named(splits: Splits) -> list[list[str]]:
    return [[splits.class_names[index] for index in found] for found in splits.several]


def test_rows_for_one_clip_add_up(tmp_path: Path) -> None:
    clips = videos(tmp_path / "data", "a.mp4", "b.mp4", "c.mp4")
    rows = "path,label,subset\na,walk,train\nb,run,train\na,run,train\nc,walk,test\na,run,train\n"
    own = written(tmp_path / "own.csv", rows)
    splits = read_splits(own, clips, several=True)
    assert splits.class_names == ("run", "walk")
    assert (named(splits), splits.label.tolist()) == ([["run", "walk"], ["run"], ["walk"]], [1, 0, 1])  # first listed
    assert (splits.subset[:, 0].tolist(), counts(splits)) == ([TRAIN, TRAIN, TEST], {IssueCode.LISTED_TWICE: 1})
    one = read_splits(own, clips)
    assert (one.several, one.label.tolist()) == ((), [-1, 0, 1])
    assert counts(one) == {IssueCode.LISTED_TWICE: 1, IssueCode.TWO_LABELS: 1}
    assert one.subset[:, 0].tolist() == [UNUSED, TRAIN, TEST]


@pytest.mark.parametrize(
    ("file", "text", "separator"),
    [
        ("own.csv", "path,label\na,walk|run\nb,run\nc, walk | \n", "|"),
        ("own.csv", 'path,label\na,"walk, run"\nb,run\nc,walk\n', ","),
        ("train.txt", "a.mp4 1;0\nb.mp4 0\nc.mp4 1\n", ";"),
        ("train.txt", "a.mp4 1 0\nb.mp4 0\nc.mp4 1.0\n", " "),
        ("train.txt", "a\t1 0\nb\t0\nc\t1\n", " "),
        ("train.txt", "a.mp4,1,0\nb.mp4,0\nc.mp4,1\n", ","),
    ],
)
def test_a_separator_takes_labels_apart(tmp_path: Path, file: str, text: str, separator: str) -> None:
    clips = videos(tmp_path / "data", "a.mp4", "b.mp4", "c.mp4")
    splits = read_splits(written(tmp_path / file, text), clips, several=True, label_separator=separator)
    assert splits.several == ((0, 1), (0,), (1,))
    assert IssueCode.MALFORMED_LINE not in counts(splits)


def test_a_count_of_frames_is_taken_for_a_label_only_where_blanks_are_said_to_divide_labels(tmp_path: Path) -> None:
    clips = videos(tmp_path / "data", "a.mp4", "b.mp4")
    lists = written(tmp_path / "train.txt", "a.mp4 120 3\nb.mp4 77 1\n")
    for several in (False, True):
        with pytest.raises(DatasetError, match="lists no clip"):
            read_splits(lists, clips, several=several)
    assert len(read_splits(lists, clips, several=True, label_separator=" ").several[0]) == 2


def test_a_clip_of_whose_labels_one_is_unknown_is_in_no_split(tmp_path: Path) -> None:
    clips = videos(tmp_path / "data", "a.mp4", "b.mp4")
    written(tmp_path / "lists/classInd.txt", "1 run\n2 walk\n")
    lists = written(tmp_path / "lists/trainlist01.txt", "a.mp4 run|fly\nb.mp4 run|walk\n").parent
    splits = read_splits(lists, clips, several=True, label_separator="|")
    assert (splits.several, splits.label.tolist()) == (((), (0, 1)), [-1, 0])
    assert splits.subset[:, 0].tolist() == [UNUSED, TRAIN]
    assert splits.in_full == [(IssueCode.UNKNOWN_CLASS, "a.mp4", "")]


def test_a_known_and_an_unknown_label_contradict_each_other_where_a_clip_has_one(tmp_path: Path) -> None:
    clips = videos(tmp_path / "data", "a.mp4", "b.mp4")
    written(tmp_path / "lists/classInd.txt", "1 run\n2 walk\n")
    lists = written(tmp_path / "lists/trainlist01.txt", "a.mp4 run\na.mp4 fly\nb.mp4 walk\n").parent
    splits = read_splits(lists, clips)
    assert splits.label.tolist() == [-1, 1]
    assert counts(splits)[IssueCode.TWO_LABELS] == 1


def test_a_part_that_is_no_label_leaves_its_row_out(tmp_path: Path) -> None:
    clips = videos(tmp_path / "data", "a.mp4", "b.mp4")
    splits = read_splits(
        written(tmp_path / "own.csv", "path,label\na,0;-1\nb,0;1\n"), clips, several=True, label_separator=";"
    )
    assert splits.several == ((), (0, 1))
    assert splits.in_full[0] == (
        IssueCode.MALFORMED_LINE,
        "own.csv:2",
        "with a label that cannot be the number of a class",
    )


def test_groups_of_file_names_are_the_same_in_all_classes_so_that_none_is_on_both_sides(tmp_path: Path) -> None:
    names = [f"D/v_g{group:02d}_c{clip}" for group in range(1, 8) for clip in (1, 2)]
    clips = videos(tmp_path / "data", *(f"{name}.avi" for name in names))
    rows = [f"{name},{'run|walk' if name.endswith('1') else 'walk'}" for name in names]
    splits = read_splits(
        written(tmp_path / "own.csv", "\n".join(["path,label", *rows, ""])), clips, several=True, label_separator="|"
    )
    assert splits.groups == tuple(f"D/g{group}" for group in range(1, 8) for _ in (1, 2))
    for column in splits.subset.T.tolist():
        assert all(column[2 * n] == column[2 * n + 1] for n in range(7))
        assert {TRAIN, TEST} == set(column)


def test_a_class_that_is_only_a_second_label_is_said_where_no_clip_trains_it(tmp_path: Path) -> None:
    names = [f"D/v_g{group:02d}_c1" for group in range(1, 8)]
    clips = videos(tmp_path / "data", *(f"{name}.avi" for name in names))

    def split(rare: int) -> Splits:
        rows = [f"{name},walk{'|hop' if n == rare else ''}" for n, name in enumerate(names)]
        own = written(tmp_path / "own.csv", "\n".join(["path,label", *rows, ""]))
        return read_splits(own, clips, several=True, label_separator="|")

    tested = [TEST in row for row in split(-1).subset.tolist()]
    assert IssueCode.CLASS_NOT_TRAINED not in counts(split(tested.index(False)))
    assert counts(split(tested.index(True)))[IssueCode.CLASS_NOT_TRAINED] == 1


@pytest.mark.parametrize(
    ("labels", "joined"),
    [
        (["run|walk", "run", "hop"], {"by '|'": 1}),
        (["run|walk", "run|hop"], {"by '|'": 2}),
        (["run|walk", "hop"], {}),  # maybe a name
        (["run, walk", "run", "walk"], {"by ','": 1}),
        (["run, walk", "run"], {}),  # a comma is found in names too
        (["run;walk", "walk;run"], {"by ';'": 2}),
    ],
)
def test_labels_that_look_like_several_in_one_are_said(
    tmp_path: Path, labels: list[str], joined: dict[str, int]
) -> None:
    clips = videos(tmp_path / "data", *(f"{n}.mp4" for n in range(len(labels))))
    rows = "".join(f'{n},"{label}"\n' for n, label in enumerate(labels))
    splits = read_splits(written(tmp_path / "own.csv", f"path,label\n{rows}"), clips)
    assert joined == {} or IssueCode.JOINED_LABELS in counts(splits)
    assert [issue.kinds for issue in splits.issues if issue.code is IssueCode.JOINED_LABELS] == (
        [joined] if joined else []
    )
    assert len(splits.class_names) == len(set(labels))


def test_the_workspace_keeps_that_clips_have_several_labels(tmp_path: Path) -> None:
    videos(tmp_path / "data", "a.mp4", "b.mp4")
    own = written(tmp_path / "own.csv", "path,label,subset\na,run|walk,train\nb,run,test\n")
    workspace, data = Workspace(tmp_path / "work"), tmp_path / "data"

    def kept() -> tuple[str, list[tuple[int, ...]], bool, str]:
        settings = read_settings(workspace)[0]
        with Manifest(workspace.manifest_file, read_only=True) as manifest:
            labels = [clip.labels for clip in manifest.clips()]
            return manifest.label_kind(), labels, settings.multi_label, settings.label_separator

    report = init_workspace(workspace, dataset=data, splits=own, label_separator="|")
    assert (report.several_labels, report.class_clips, report.classes) == (True, {"run": 2, "walk": 1}, 2)
    assert report.examples == (("a", "run + walk", "train"), ("b", "run", "test"))
    assert kept() == ("several", [(0, 1), (0,)], False, "|")
    init_workspace(workspace, dataset=data)  # as it was
    assert kept() == ("several", [(0, 1), (0,)], False, "|")
    init_workspace(workspace, dataset=data, multi_label=False)
    assert kept() == ("one", [(), ()], False, "")
    init_workspace(workspace, dataset=data, multi_label=True)
    assert kept() == ("several", [(1,), (0,)], True, "")
    other = written(tmp_path / "other.csv", "path,label,subset\na,run,train\nb,run,test\n")
    init_workspace(workspace, dataset=data, splits=other)  # other lists are not known to give several
    assert kept() == ("one", [(), ()], False, "")
    init_workspace(workspace, dataset=data, splits=own, label_separator="|")
    init_workspace(workspace, dataset=data, splits=other)
    assert kept() == ("one", [(), ()], False, "")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"multi_label": True},
            DatasetError,
            "--multi-label needs labels in lists, and folders give a clip one; pass a",
        ),
        ({"multi_label": False, "label_separator": "|"}, SettingsError, "drop one of the two"),
        ({"multi_label": True, "unlabelled": True}, SettingsError, "--unlabelled takes no labels, and --multi-label"),
    ],
)
def test_what_contradicts_itself_is_refused(
    tmp_path: Path, options: dict[str, bool], error: type[Exception], message: str
) -> None:
    videos(tmp_path / "data", "A/a.mp4", "B/b.mp4")
    with pytest.raises(error, match=message):
        init_workspace(Workspace(tmp_path / "work"), dataset=tmp_path / "data", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "work").exists()


def test_lists_without_labels_give_no_clip_several(tmp_path: Path) -> None:
    clips = videos(tmp_path / "data", "A/a.mp4", "B/b.mp4")
    with pytest.raises(DatasetError, match=r"no row of .*own.csv has any"):
        read_splits(written(tmp_path / "own.csv", "path,subset\nA/a,train\nB/b,test\n"), clips, several=True)
