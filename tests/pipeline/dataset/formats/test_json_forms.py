"""Something-Something v2 and Diving48: entries, classes, subsets, and what is malformed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.listed_subsets import TEST, TRAIN, UNUSED
from mocrop.pipeline.dataset.splits import Splits, read_splits
from mocrop.pipeline.errors import DatasetError
from tests.pipeline.dataset.test_splits import clips

SOMETHING: dict[str, Any] = {
    "something-something-v2-train": [
        {"id": "1", "label": "putting a cup down", "template": "Putting [something] down", "placeholders": ["a cup"]},
        {"id": "22", "label": "opening a box", "template": "Opening [something]", "placeholders": ["a box"]},
    ],
    "something-something-v2-validation": [{"id": "3", "template": "Opening [something]"}],
    "something-something-v2-test": [{"id": "4"}],
    "something-something-v2-labels": {"Putting something down": "0", "Opening something": "1"},
}
DIVING: dict[str, Any] = {
    "Diving48_V2_train": [
        {"vid_name": "-x_00001", "label": 1, "start_frame": 0, "end_frame": 99},
        {"vid_name": "y_00002", "label": 0, "start_frame": 0, "end_frame": 50},
    ],
    "Diving48_V2_test": [{"vid_name": "z_00003", "label": 1, "start_frame": 0, "end_frame": 20}],
    "Diving48_vocab": [["Back", "15som", "05Twis", "FREE"], ["Inward", "Dive", "NoTwis", "PIKE"]],
}


def write(folder: Path, files: dict[str, Any], **changed: Any) -> Path:
    for name, value in {**files, **changed}.items():
        (folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8-sig")
    return folder


def malformed(splits: Splits) -> str:
    return next(issue.sentence for issue in splits.issues if issue.code is IssueCode.MALFORMED_LINE)


@pytest.mark.parametrize("given", ["", "something-something-v2-train.json"])
def test_something_something_takes_its_classes_from_the_label_map_and_has_no_labels_for_the_test(
    tmp_path: Path, given: str
) -> None:
    splits = read_splits(write(tmp_path, SOMETHING) / given, clips("1.webm", "22.mp4", "deep/3.webm", "4.webm"))
    assert splits.form.format.name == "ssv2"
    assert splits.class_names == ("Putting something down", "Opening something")
    assert splits.label.tolist() == [0, 1, 1, -1]
    assert splits.subset[:, 0].tolist() == [TRAIN, TRAIN, TEST, UNUSED]
    assert {issue.code for issue in splits.issues} == {IssueCode.UNKNOWN_CLASS, IssueCode.VALIDATION_AS_TEST}


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"id": "22", "template": "Closing [something]"}, "with a template that is not in the label map"),
        ({"template": "Opening [something]"}, "without an id"),
        ({"id": True, "template": "Opening [something]"}, "without an id"),
        ("22", "without an id"),
    ],
)
def test_an_entry_of_something_something_that_cannot_be_read_is_named(tmp_path: Path, entry: Any, reason: str) -> None:
    train = [SOMETHING["something-something-v2-train"][0], entry]
    splits = read_splits(
        write(tmp_path, SOMETHING, **{"something-something-v2-train": train}), clips("1.webm", "22.webm", "3.webm")
    )
    assert splits.subset[:, 0].tolist() == [TRAIN, UNUSED, TEST]
    assert malformed(splits) == (
        f"1 line cannot be read and is skipped: 1 {reason} (something-something-v2-train.json:2)"
    )


@pytest.mark.parametrize("labels", [{"A": "0", "B": "2"}, {"A": "0", "B": "0"}, {}, ["A"]])
def test_a_label_map_that_is_none_is_refused(tmp_path: Path, labels: Any) -> None:
    write(tmp_path, SOMETHING, **{"something-something-v2-labels": labels})
    with pytest.raises(DatasetError, match=r"labels\.json is no map from class names to numbers"):
        read_splits(tmp_path, clips("1.webm"))


def test_without_a_label_map_nothing_says_what_the_classes_are(tmp_path: Path) -> None:
    (write(tmp_path, SOMETHING) / "something-something-v2-labels.json").unlink()
    with pytest.raises(DatasetError, match="holds no label map, such as"):
        read_splits(tmp_path, clips("1.webm"))


@pytest.mark.parametrize("vocabulary", [True, False])
def test_diving48_names_its_classes_by_the_vocabulary(tmp_path: Path, vocabulary: bool) -> None:
    write(tmp_path, DIVING)
    if not vocabulary:
        (tmp_path / "Diving48_vocab.json").unlink()
    splits = read_splits(tmp_path, clips("rgb/-x_00001.mp4", "rgb/y_00002.mp4", "rgb/z_00003.mp4"))
    named = ("Back 15som 05Twis FREE", "Inward Dive NoTwis PIKE")
    assert splits.class_names == (named if vocabulary else ("0", "1"))
    assert (splits.label.tolist(), splits.subset[:, 0].tolist()) == ([1, 0, 1], [TRAIN, TRAIN, TEST])


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"vid_name": "y_00002", "label": 2, "start_frame": 0}, "with a label that is no number of a class"),
        ({"vid_name": "y_00002", "label": -1}, "with a label that is no number of a class"),
        ({"vid_name": "y_00002", "label": True}, "with a label that is no number of a class"),
        ({"label": 0}, "without a vid_name"),
        (
            {"vid_name": "y_00002", "label": 0, "start_frame": 5},
            "with a start_frame that is not 0, so that the clip is a part of its file",
        ),
    ],
)
def test_an_entry_of_diving48_that_cannot_be_read_is_named(tmp_path: Path, entry: Any, reason: str) -> None:
    train = [DIVING["Diving48_V2_train"][0], entry]
    splits = read_splits(write(tmp_path, DIVING, Diving48_V2_train=train), clips("-x_00001.mp4", "y_00002.mp4"))
    assert splits.subset[:, 0].tolist() == [TRAIN, UNUSED]
    assert malformed(splits) == f"1 line cannot be read and is skipped: 1 {reason} (Diving48_V2_train.json:2)"


@pytest.mark.parametrize("content", [b"[{", b"\xff\xfe[", b"{}", b"[" * 100_000])
def test_a_broken_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (write(tmp_path, DIVING) / "Diving48_V2_test.json").write_bytes(content)
    with pytest.raises(DatasetError, match=r"Diving48_V2_test\.json is no ") as raised:
        read_splits(tmp_path, clips("-x_00001.mp4"))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("files", "other"), [(SOMETHING, "mini-{}"), (DIVING, "Diving48_{}")])
def test_two_sets_of_lists_are_refused_and_a_file_of_one_chooses_it(
    tmp_path: Path, files: dict[str, Any], other: str
) -> None:
    """As both versions of Diving48, whose labels and subsets differ."""
    write(tmp_path, files)
    first = next(iter(files))
    write(tmp_path, {other.format("train"): files[first][:1], other.format("test"): files[first][1:]})
    found = clips("1.webm", "22.webm", "3.webm", "-x_00001.mp4", "y_00002.mp4", "z_00003.mp4")
    with pytest.raises(DatasetError, match=r"holds 2 sets of lists, such as .* pass one of the files of the set"):
        read_splits(tmp_path, found)
    splits = read_splits(tmp_path / f"{first}.json", found)
    assert np.bincount(splits.subset[:, 0]).tolist() == [3, 2, 1]
    splits = read_splits(tmp_path / f"{other.format('train')}.json", found)
    assert np.bincount(splits.subset[:, 0]).tolist() == [4, 1, 1]


@pytest.mark.parametrize(("files", "names"), [(SOMETHING, "labels"), (DIVING, "vocab")])
def test_of_two_files_of_classes_the_one_called_like_the_lists_counts(
    tmp_path: Path, files: dict[str, Any], names: str
) -> None:
    own = next(name for name in files if names in name)
    prefix = next(iter(files)).removesuffix("train")
    write(tmp_path, {**files, f"other_{names}": []})
    (tmp_path / f"{own}.json").rename(tmp_path / f"{prefix}{names}.json")
    assert len(read_splits(tmp_path, clips("1.webm", "-x_00001.mp4")).class_names) == 2
    (tmp_path / f"{prefix}{names}.json").rename(tmp_path / f"another_{names}.json")
    with pytest.raises(DatasetError, match="holds 2 files of classes, such as another_"):
        read_splits(tmp_path, clips("1.webm", "-x_00001.mp4"))


@pytest.mark.parametrize(
    ("files", "changed"),
    [
        (SOMETHING, {"something-something-v2-labels": {"Opening \ud800": "0", "B": "1"}}),
        (DIVING, {"Diving48_vocab": [["\ud800"], ["B"]]}),
    ],
)
def test_class_names_that_are_no_text_are_refused(
    tmp_path: Path, files: dict[str, Any], changed: dict[str, Any]
) -> None:
    with pytest.raises(DatasetError, match=f"{next(iter(changed))}"):
        read_splits(write(tmp_path, files, **changed), clips("1.webm", "-x_00001.mp4"))


def test_a_class_that_the_label_map_has_twice_is_refused(tmp_path: Path) -> None:
    """Of which JSON would keep the last number."""
    write(tmp_path, SOMETHING)
    (tmp_path / "something-something-v2-labels.json").write_text('{"A": "0", "B": "1", "A": "2"}')
    with pytest.raises(DatasetError, match="the key 'A' is there twice"):
        read_splits(tmp_path, clips("1.webm"))
