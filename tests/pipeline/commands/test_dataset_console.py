"""What `mocrop init` prints: at 80 columns, and as JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mocrop.cli import app
from mocrop.pipeline.commands.dataset_console import print_dataset
from mocrop.pipeline.dataset.init import init_workspace
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.report import SubsetCounts
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace

LISTS = """path,label,subset
A/1,A,train
A/2,A,val
A/gone,A,train
B/3,B,test
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four videos in two folders, of which three are listed and one is empty, and a link to nowhere."""
    for name, content in {"A/1.avi": b"x", "A/2.AVI": b"x", "B/3.mp4": b"", "B/4.avi": b"x"}.items():
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(content)
    (tmp_path / "data/B/5.avi").symlink_to("nowhere")
    (tmp_path / "own.csv").write_text(LISTS)
    return tmp_path / "data"


def test_the_table_comes_last_and_counts_everything(data: Path, tmp_path: Path) -> None:
    report = init_workspace(Workspace(tmp_path / "work"), dataset=data, splits=tmp_path / "own.csv")
    print_dataset(LineConsole(file=(out := io.StringIO()), width=80), report)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert lines[: lines.index("")] == [
        "4 clips in 2 classes",
        "  read as csv: own.csv has the columns path, label, subset",
        "    A/1 is A, train",
        "    A/2 is A, validation",
        "    B/3 is B, test",
        "  note 1 entry is named like a video but is a broken link, out of reach or no regular file, and is left out: "
        "B/5.avi",
        "  note 1 video is an empty file, which no stage can read; fetch it again: B/3.mp4",
        "  note 1 listed clip is not on disk: A/gone",
        "  note 1 clip is in no list, so it is in no split: B/4.avi",
        f"every row that gives no labelled clip: {tmp_path}/work/reports/init/left-out.csv",
    ]
    assert lines[lines.index("") + 1 :] == [
        "split  train  validation  test  in none",
        "1          1           1     1        1",
        "",
        "classes     2, 2 clips each",
        "videos      4: 3 .avi, 1 .mp4",
        "missing     1 of 4 in the lists (25.0 %)",
        "in no list  1",
        "unreadable  2",
        f"workspace: {tmp_path}/work",
    ]


def test_without_lists_nothing_is_missing(data: Path, tmp_path: Path) -> None:
    report = init_workspace(Workspace(tmp_path / "work"), dataset=data)
    print_dataset(LineConsole(file=(out := io.StringIO()), width=80), report)
    assert "missing" not in out.getvalue()
    assert "in no list" not in out.getvalue()
    assert (report.listed, report.missing, report.in_no_list) == (0, 0, 0)


def test_clips_that_a_list_without_subsets_leaves_out_are_counted(data: Path, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("path,label\nA/1,A\nA/2,A\nB/3,B\n")
    report = init_workspace(Workspace(tmp_path / "work"), dataset=data, splits=tmp_path / "own.csv")
    assert (report.listed, report.missing, report.in_no_list) == (3, 0, 1)
    assert report.splits["1"].train + report.splits["1"].test == 4 or report.splits["1"].none == 1


def test_a_single_class_is_said_to_teach_nothing(tmp_path: Path) -> None:
    (tmp_path / "data/videos").mkdir(parents=True)
    (tmp_path / "data/videos/1.mp4").write_bytes(b"x")
    report = init_workspace(Workspace(tmp_path / "work"), dataset=tmp_path / "data")
    print_dataset(LineConsole(file=(out := io.StringIO()), width=80), report)
    assert "read as folders: videos/ is the only class folder" in out.getvalue()
    assert "classes     1, 1 clip each; with one class there is nothing to learn" in out.getvalue()


def test_lists_in_the_data_set_that_nobody_passed_are_said(data: Path, tmp_path: Path) -> None:
    def said() -> list[str]:
        report = init_workspace(Workspace(tmp_path / "work"), dataset=data)
        return [issue.sentence for issue in report.issues if issue.code is IssueCode.LISTS_NOT_READ]

    (data / "readme.txt").write_text("train on everything")
    assert said() == []
    (data / "train.txt").write_text("A/1.avi 0")
    assert said() == [
        "1 set of lists lies in the data set and is not read; pass it with --splits if it says the classes: "
        "list: train.txt is a text list"
    ]
    init_workspace(Workspace(tmp_path / "work"), dataset=data, splits=data / "train.txt")
    assert said() == []


def test_json_has_the_same_counts(data: Path, tmp_path: Path) -> None:
    where = ["-w", str(tmp_path / "work"), "--json"]
    done = CliRunner().invoke(app, ["init", str(data), "--splits", str(tmp_path / "own.csv"), *where])
    found = json.loads(done.stdout)["dataset"]
    assert found["splits"] == {"1": vars(SubsetCounts(train=1, val=1, test=1, none=1))}
    assert {key: found[key] for key in ("clips", "classes", "listed", "missing", "in_no_list", "unreadable")} == {
        "clips": 4,
        "classes": 2,
        "listed": 4,
        "missing": 1,
        "in_no_list": 1,
        "unreadable": 2,
    }
    assert (found["class_clips"], found["suffixes"]) == ({"A": 2, "B": 2}, {".avi": 3, ".mp4": 1})
