"""Files of ActivityNet's form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mocrop.pipeline.dataset.formats.activitynet import ActivityNet
from mocrop.pipeline.dataset.formats.base import Annotations
from mocrop.pipeline.dataset.formats.registry import source_of
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.errors import DatasetError
from tests.pipeline.dataset.formats.official import rows_of, source, write, write_activitynet


def read(annotations: Path, log: IssueLog | None = None) -> Annotations:
    return ActivityNet().read(source_of(Path("videos"), [], annotations), log or IssueLog())


def lists(folder: Path, database: object) -> Path:
    return write(folder, {"all.json": json.dumps({"database": database})}) / "all.json"


def video(*segments: object, duration: object = 20.0, subset: object = "training") -> dict[str, object]:
    return {
        "subset": subset,
        "duration": duration,
        "annotations": [{"label": "Tango", "segment": segment} for segment in segments],
    }


@pytest.mark.parametrize(
    ("segment", "reason"),
    [
        ([20, 21], "with a segment that starts after the end of the video"),
        ([3, 3], "with a segment that does not end after its start"),
        ([5, 3], "with a segment that does not end after its start"),
        ([-1, 3], "with a segment that is no pair of seconds from 0 on"),
        ([1, float("nan")], "with a segment that is no pair of seconds from 0 on"),
        ([1, float("inf")], "with a segment that is no pair of seconds from 0 on"),
        ([1, 10**400], "with a segment that is no pair of seconds from 0 on"),
        (["1", "2"], "with a segment that is no pair of seconds from 0 on"),
        ([False, True], "with a segment that is no pair of seconds from 0 on"),
        ([1, 1.0000001], "with a segment shorter than a microsecond"),
        ([1], "with a segment that is no pair of seconds from 0 on"),
        (None, "with a segment that is no pair of seconds from 0 on"),
        ({"start": 1}, "with a segment that is no pair of seconds from 0 on"),
    ],
)
def test_a_segment_that_cannot_be_is_named_with_the_reason_and_the_others_stay(
    segment: object, reason: str, tmp_path: Path
) -> None:
    log = IssueLog()
    file = lists(tmp_path, {"a": video([0, 1]), "b": video([1, 2], segment)})
    assert [row[2:] for row in rows_of(read(file, log))] == [
        ("a", ("Tango",), "0-1"),
        ("b", ("Tango",), "1-2"),
    ]
    (issue,) = log.issues
    assert (issue.code, issue.examples, dict(issue.kinds)) == (IssueCode.MALFORMED_LINE, ("all.json:2",), {reason: 1})


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ([], "that is no object"),
        (video([0, 1], subset="all"), "with a subset that is none of training, validation, testing"),
        (video([0, 1], subset=None), "without a subset"),
        (video([0, 1], duration="20"), "with a duration that is no number of seconds"),
        ({**video(), "annotations": {}}, "with annotations that are no list"),
        ({**video(), "annotations": [[0, 1]]}, "with an annotation that is no object"),
        ({**video(), "annotations": [{"segment": [0, 1]}]}, "without a label"),
        ({**video(), "annotations": [{"label": 3, "segment": [0, 1]}]}, "with a label that is no text"),
    ],
)
def test_a_video_that_cannot_be_read_is_named_with_the_reason(entry: object, reason: str, tmp_path: Path) -> None:
    log = IssueLog()
    file = lists(tmp_path, {"a": entry, "b": video([0, 1])})
    assert [row[2] for row in rows_of(read(file, log))] == ["b"]
    assert log.kinds(IssueCode.MALFORMED_LINE) == {reason: 1}


def test_a_segment_beyond_a_duration_or_without_one_is_read_as_it_is(tmp_path: Path) -> None:
    without = video([100, 200])
    del without["duration"]
    found = read(lists(tmp_path, {"a": video([19.9, 20.4]), "b": without}))
    assert [row[4] for row in rows_of(found)] == ["19.9-20.4", "100-200"]


def test_videos_without_segments_give_no_row(tmp_path: Path) -> None:
    """Those that are on disk are counted where segments are cut out."""
    fixture, log = write_activitynet(tmp_path), IssueLog()
    assert "zzz" not in {entry.path for entry in ActivityNet().read(source(fixture), log).listed}
    assert log.issues == ()


def test_a_video_may_be_stored_with_v_in_front_unless_that_is_another_video(tmp_path: Path) -> None:
    found = read(lists(tmp_path, {"a": video([0, 1]), "v_a": video([0, 1]), "b": video([0, 1])}))
    assert [(entry.path, entry.other_paths) for entry in found.listed] == [
        ("a", ()),
        ("v_a", ("v_v_a",)),
        ("b", ("v_b",)),
    ]


@pytest.mark.parametrize("content", ['{"database": []}', '{"database": {}}', '{"database": {"a": {}, "a": {}}}', "[]"])
def test_a_file_of_another_form_or_with_a_video_twice_is_refused_by_name(content: str, tmp_path: Path) -> None:
    write(tmp_path, {"all.json": content})
    with pytest.raises(DatasetError, match=r"all\.json"):
        read(tmp_path / "all.json")


def test_of_two_files_in_a_folder_one_must_be_chosen(tmp_path: Path) -> None:
    lists(tmp_path, {"a": video([0, 1])})
    write(tmp_path, {"old.json": json.dumps({"taxonomy": ["x"] * 10_000, "database": {"a": {}}})})
    with pytest.raises(DatasetError, match=r"holds 2 files with a database of segments, such as all\.json"):
        read(tmp_path)
