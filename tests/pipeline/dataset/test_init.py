from __future__ import annotations

from pathlib import Path

import pytest

from mocrop.pipeline.dataset.init import init_workspace
from mocrop.pipeline.dataset.issues import IssueCode
from mocrop.pipeline.errors import DatasetError, SettingsError
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import read_settings


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    for name in ("Archery/v_Archery_g01_c01", "Archery/v_Archery_g02_c01", "Surfing/v_Surfing_g01_c01"):
        file = tmp_path / "data" / f"{name}.avi"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"clip")
    return tmp_path / "data"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "work")


def names(workspace: Workspace) -> list[str]:
    with Manifest(workspace.manifest_file) as manifest:
        return [clip.name for clip in manifest.clips()]


def test_clips_classes_and_groups_reach_the_manifest(dataset: Path, workspace: Workspace) -> None:
    report = init_workspace(workspace, dataset=dataset)
    assert (report.clips, report.classes, report.absent) == (3, 2, 0)
    with Manifest(workspace.manifest_file) as manifest:
        clips = list(manifest.clips())
        assert manifest.names("class_names") == ["Archery", "Surfing"]
    assert [(clip.label, clip.group) for clip in clips] == [(0, 1), (0, 2), (1, 1)]
    assert {clip.size_bytes for clip in clips} == {4}


def test_official_lists_decide_classes_and_subsets(dataset: Path, workspace: Workspace, tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "classInd.txt").write_bytes(b"1 Surfing\r\n2 Archery\r\n3 YoYo\r\n")
    (lists / "trainlist01.txt").write_bytes(b"Archery/v_Archery_g01_c01.avi 2\r\nYoYo/v_YoYo_g01_c01.avi 3\r\n")
    (lists / "testlist01.txt").write_bytes(b"Archery/v_Archery_g02_c01.avi\r\n")
    report = init_workspace(workspace, dataset=dataset, splits=lists)
    assert list(report.splits.values()) == [(1, 1)]
    assert (report.classes, report.listed_classes) == (2, 3)
    counts = {issue.code: issue.count for issue in report.issues}
    assert counts[IssueCode.NOT_ON_DISK] == 1
    assert counts[IssueCode.NOT_LISTED] == 1
    with Manifest(workspace.manifest_file) as manifest:
        assert [(clip.label, clip.subset) for clip in manifest.clips()] == [(1, (1,)), (1, (2,)), (0, (0,))]


def test_a_second_scan_needs_no_arguments_and_keeps_positions(dataset: Path, workspace: Workspace) -> None:
    init_workspace(workspace, dataset=dataset, seed=3)
    (dataset / "Archery/v_Archery_g01_c01.avi").unlink()
    (dataset / "Archery/a_new_one.avi").write_bytes(b"clip")
    report = init_workspace(workspace)
    assert (report.clips, report.absent) == (3, 1)
    assert names(workspace) == [
        "Archery/v_Archery_g01_c01",
        "Archery/v_Archery_g02_c01",
        "Surfing/v_Surfing_g01_c01",
        "Archery/a_new_one",
    ]
    assert read_settings(workspace)[0].seed == 3


def test_another_data_set_does_not_inherit_the_lists_of_the_first(
    dataset: Path, workspace: Workspace, tmp_path: Path
) -> None:
    lists = tmp_path / "all.csv"
    lists.write_text("path,label,subset\nArchery/v_Archery_g01_c01.avi,Archery,train\n")
    init_workspace(workspace, dataset=dataset, splits=lists)
    assert read_settings(workspace)[0].splits == lists
    other = tmp_path / "other/Running/a.avi"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"clip")
    init_workspace(workspace, dataset=other.parent.parent)
    assert read_settings(workspace)[0].splits is None


def test_without_a_workspace_a_data_set_must_be_named(workspace: Workspace) -> None:
    with pytest.raises(SettingsError, match="mocrop init UCF-101/"):
        init_workspace(workspace)


def test_the_data_set_itself_cannot_be_the_workspace(dataset: Path) -> None:
    with pytest.raises(SettingsError, match="name another folder for the workspace with -w"):
        init_workspace(Workspace(dataset), dataset=dataset)


def test_a_folder_without_clips_makes_no_workspace(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "empty/Archery").mkdir(parents=True)
    with pytest.raises(DatasetError):
        init_workspace(workspace, dataset=tmp_path / "empty")
    assert not workspace.root.exists()


@pytest.mark.real
def test_the_real_clips_and_the_official_lists(real_clips: Path, workspace: Workspace) -> None:
    report = init_workspace(workspace, dataset=real_clips / "videos", splits=real_clips / "ucfTrainTestlist")
    assert (report.clips, report.classes, report.listed_classes) == (300, 6, 101)
    assert len(report.splits) == 3
    assert all(train + test == 300 for train, test in report.splits.values())
