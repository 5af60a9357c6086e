"""Which form a source is of, and what is said of one that is of none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mocrop.cli import app
from mocrop.pipeline.dataset.formats.registry import FORMATS, recognised, source_of
from mocrop.pipeline.dataset.walk import VideoFile
from mocrop.pipeline.errors import DatasetError, SettingsError

VIDEOS = [VideoFile("A/a.avi", 1, 1)]
OFFICIAL = {  # files of annotations in the smallest official form
    "folders": {},
    "hmdb51": {"run_test_split1.txt": "a.avi 1\n"},
    "ucf101": {"classInd.txt": "1 A\n", "trainlist01.txt": "A/a.avi 1\n", "testlist01.txt": "A/b.avi\n"},
    "kinetics": {"train.csv": "label,youtube_id,time_start,time_end,split\nabseiling,-abc_d,1,11,train\n"},
    "ssv2": {
        "something-something-v2-train.json": '[{"id": "7", "template": "Moving [something] up"}]',
        "something-something-v2-labels.json": '{"Moving something up": "0"}',
    },
    "diving48": {
        "Diving48_V2_train.json": '[{"vid_name": "a_0", "label": 0, "start_frame": 0, "end_frame": 9}]',
        "Diving48_vocab.json": '[["Back", "15som", "05Twis", "FREE"]]',
    },
    "activitynet": {
        "activity_net.v1-3.min.json": '{"database": {"a": {"subset": "training", "duration": 9.5, "annotations": '
        '[{"label": "Tango", "segment": [0, 2.5]}]}}}'
    },
    "csv": {"labels.csv": "label,path\nA,a.avi\n"},
    "list": {"train.txt": "a.avi 0\n", "test.txt": "b.avi 0\n"},
}


def lay(folder: Path, files: dict[str, str]) -> Path | None:
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder / "labels.csv" if "labels.csv" in files else folder if files else None


@pytest.mark.parametrize("name", OFFICIAL)
def test_each_form_is_recognised_as_what_it_is_and_as_nothing_else(name: str, tmp_path: Path) -> None:
    source = source_of(Path("data"), VIDEOS, lay(tmp_path, OFFICIAL[name]))
    assert [each.name for each in FORMATS if each.recognise(source)] == [name]
    assert recognised(source).format.name == recognised(source, name).format.name == name
    for other in set(OFFICIAL) - {name}:
        with pytest.raises(DatasetError, match="accepted: "):
            recognised(source, other)


def test_every_form_has_a_smallest_example_and_stands_in_the_help() -> None:
    assert {each.name for each in FORMATS} == set(OFFICIAL)
    told = CliRunner().invoke(app, ["init", "--help"], env={"COLUMNS": "200"}).stdout
    assert all(each.name in told for each in FORMATS)


@pytest.mark.parametrize(
    ("videos", "files", "seen"),
    [
        (["a.avi", "b.avi"], {}, "data holds 2 videos beside each other and no class folder with videos; accepted: "),
        (
            ["A/a.avi"],
            {"notes.md": "x", "b.md": "y"},
            "holds 2 .md, such as b.md, in no form that mocrop knows",
        ),
        (["A/a.avi"], {".hidden": "x"}, "holds no file; accepted: "),
        (
            ["A/a.avi"],
            {"all.txt": "a.avi 0\n"},
            "holds 1 .txt, such as all.txt, in no form that mocrop knows",
        ),
        (["A/a.avi"], {"labels.csv": "name,class\na,A\n"}, "must name the columns path and label or subset"),
    ],
)
def test_what_is_of_no_form_is_shown_with_what_is_accepted(
    videos: list[str], files: dict[str, str], seen: str, tmp_path: Path
) -> None:
    source = source_of(Path("data"), [VideoFile(path, 1, 1) for path in videos], lay(tmp_path, files))
    with pytest.raises(DatasetError, match=re.escape(seen)) as raised:
        recognised(source)
    assert "\n" not in str(raised.value)


def test_an_unknown_form_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SettingsError, match="--format 'kinetix' is not known; pass one of auto, folders, ucf101"):
        recognised(source_of(Path("data"), VIDEOS, None), "kinetix")
