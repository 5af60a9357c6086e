from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from mocrop.pipeline.dataset import init
from mocrop.pipeline.dataset.init import init_workspace
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.report import SubsetCounts
from mocrop.pipeline.dataset.splits import Splits, read_splits
from mocrop.pipeline.errors import DatasetError, SettingsError, WorkspaceError
from mocrop.pipeline.workspace.lock import exclusive
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import DatasetSettings, read_settings, write_settings


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


def test_every_row_that_gives_no_clip_stands_in_a_file_which_goes_when_there_is_none(tmp_path: Path) -> None:
    for name in ("A/a.avi", "B/b.avi"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(b"x")
    lists, workspace = tmp_path / "own.csv", Workspace(tmp_path / "work")
    good = "path,label,subset\nA/a.avi,A,train\nB/b.avi,B,test\n"
    lost = "".join(f"A/gone{n}.avi,A,train\n" for n in range(5))
    lists.write_text(f"{good}{lost}A/a.avi,A,holdout\n=x.avi,A,train\n")
    report = init_workspace(workspace, dataset=tmp_path / "data", splits=lists)
    assert report.left_out == workspace.reports / "init/left-out.csv"
    assert report.left_out.read_text().splitlines() == [
        "code,what,reason",
        "malformed-line,own.csv:9,\"with the subset 'holdout', which is not known\"",
        *(f"listed-not-on-disk,A/gone{n}.avi," for n in range(5)),
        "listed-not-on-disk,'=x.avi,",
    ]
    lists.write_text(good)
    assert init_workspace(workspace, dataset=tmp_path / "data").left_out is None
    assert not (workspace.reports / "init/left-out.csv").exists()


def test_official_lists_decide_classes_and_subsets(dataset: Path, workspace: Workspace, tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "classInd.txt").write_bytes(b"1 Surfing\r\n2 Archery\r\n3 YoYo\r\n")
    (lists / "trainlist01.txt").write_bytes(b"Archery/v_Archery_g01_c01.avi 2\r\nYoYo/v_YoYo_g01_c01.avi 3\r\n")
    (lists / "testlist01.txt").write_bytes(b"Archery/v_Archery_g02_c01.avi\r\n")
    report = init_workspace(workspace, dataset=dataset, splits=lists)
    assert list(report.splits.values()) == [SubsetCounts(train=1, val=0, test=1, none=1)]
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
    init_workspace(workspace, dataset=other.parent.parent, replace_dataset=True)
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
    assert all(split.train + split.test == 300 for split in report.splits.values())


# another data set


def another(tmp_path: Path) -> Path:
    file = tmp_path / "other/Running/a.avi"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"clip")
    return tmp_path / "other"


def test_another_data_set_is_refused_naming_both_and_nothing_is_written(
    dataset: Path, workspace: Workspace, tmp_path: Path
) -> None:
    init_workspace(workspace, dataset=dataset)
    other = another(tmp_path)
    before = {file: file.read_bytes() for file in workspace.root.iterdir()}
    with pytest.raises(SettingsError, match=rf"is that of {dataset}, and {other} is another.* -w, .*--replace-dataset"):
        init_workspace(workspace, dataset=other)
    assert {file: file.read_bytes() for file in workspace.root.iterdir()} == before


def test_another_data_set_takes_the_place_of_the_first_where_that_is_asked_for(
    dataset: Path, workspace: Workspace, tmp_path: Path
) -> None:
    init_workspace(workspace, dataset=dataset)
    report = init_workspace(workspace, dataset=another(tmp_path), replace_dataset=True)
    assert (report.clips, report.absent) == (1, 3)
    assert read_settings(workspace)[0].dataset == tmp_path / "other"
    assert names(workspace)[-1] == "Running/a"


@pytest.mark.parametrize("replace_dataset", [False, True])
@pytest.mark.parametrize("way", ["the same path", "a relative path", "a link", "moved", "copied"])
def test_the_same_data_set_by_another_path_is_the_same(
    way: str,
    replace_dataset: bool,
    dataset: Path,
    workspace: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lists = tmp_path / "all.csv"
    lists.write_text("path,label,subset\nArchery/v_Archery_g01_c01.avi,Archery,train\n")
    init_workspace(workspace, dataset=dataset, splits=lists)
    monkeypatch.chdir(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    if way == "a link":
        elsewhere.symlink_to(dataset, target_is_directory=True)
    elif way == "moved":
        dataset.rename(elsewhere)
    elif way == "copied":
        shutil.copytree(dataset, elsewhere)
    given = {"the same path": dataset, "a relative path": Path("data")}.get(way, elsewhere)
    report = init_workspace(workspace, dataset=given, replace_dataset=replace_dataset)
    assert (report.clips, report.absent) == (3, 0)
    assert read_settings(workspace)[0].dataset == given.absolute()
    assert read_settings(workspace)[0].splits == lists


def test_a_link_to_the_data_set_leads_to_it_whatever_has_become_of_its_files(
    dataset: Path, workspace: Workspace, tmp_path: Path
) -> None:
    init_workspace(workspace, dataset=dataset)
    for file in dataset.rglob("*.avi"):
        file.write_bytes(b"another clip, of another size")
    link = tmp_path / "link"
    link.symlink_to(dataset, target_is_directory=True)
    assert init_workspace(workspace, dataset=link).clips == 3


@pytest.mark.parametrize(("gone", "refused"), [(2, False), (3, True)])
def test_a_moved_data_set_is_known_by_nine_tenths_of_its_files(
    gone: int, refused: bool, workspace: Workspace, tmp_path: Path
) -> None:
    for number in range(20):
        file = tmp_path / f"data/A/{number}.avi"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * number)
    init_workspace(workspace, dataset=tmp_path / "data")
    (tmp_path / "data").rename(tmp_path / "moved")
    for number in range(gone):
        (tmp_path / f"moved/A/{number}.avi").write_bytes(b"another clip, of another size")
    if refused:
        with pytest.raises(SettingsError, match="--replace-dataset"):
            init_workspace(workspace, dataset=tmp_path / "moved")
    else:
        assert init_workspace(workspace, dataset=tmp_path / "moved").absent == 0


# splits that were made


def lay_groups(dataset: Path, class_name: str, groups: range) -> None:
    (dataset / class_name).mkdir(parents=True, exist_ok=True)
    for group in groups:
        (dataset / class_name / f"v_{class_name}_g{group:02d}_c01.avi").write_bytes(b"clip")


def subset_by_name(workspace: Workspace) -> dict[str, tuple[int, ...]]:
    with Manifest(workspace.manifest_file) as manifest:
        return {clip.name: clip.subset for clip in manifest.clips()}


@pytest.mark.parametrize("seed", range(5))
def test_new_files_leave_made_splits_as_they_are_and_find_their_own_place(
    seed: int, workspace: Workspace, tmp_path: Path
) -> None:
    dataset = tmp_path / "data"
    lay_groups(dataset, "Archery", range(1, 11))
    lay_groups(dataset, "Surfing", range(1, 4))
    init_workspace(workspace, dataset=dataset, seed=seed)
    before = subset_by_name(workspace)
    lay_groups(dataset, "Archery", range(11, 21))
    lay_groups(dataset, "Single", range(1, 2))  # would alone make one split of three
    report = init_workspace(workspace)
    after = subset_by_name(workspace)
    assert {name: after[name] for name in before} == before
    assert len(report.splits) == 3
    archery = [subset for name, subset in after.items() if name.startswith("Archery")]
    assert [sum(subset[split] == 2 for subset in archery) for split in range(3)] == [6, 6, 6]  # 30 % of 20
    assert all(subset.count(2) <= 1 for subset in after.values())
    assert after["Single/v_Single_g01_c01"] == (1, 1, 1)


def test_another_seed_makes_splits_anew(workspace: Workspace, tmp_path: Path) -> None:
    dataset = tmp_path / "data"
    lay_groups(dataset, "Archery", range(1, 26))
    init_workspace(workspace, dataset=dataset, seed=1)
    first = subset_by_name(workspace)
    init_workspace(workspace, seed=2)
    second = subset_by_name(workspace)
    init_workspace(workspace, seed=1)
    assert subset_by_name(workspace) == first != second


def test_splits_from_lists_are_not_taken_for_made_ones(workspace: Workspace, tmp_path: Path) -> None:
    dataset = tmp_path / "data"
    lay_groups(dataset, "Archery", range(1, 9))
    lists = tmp_path / "all.csv"
    lists.write_text("path,label,subset\nArchery/v_Archery_g01_c01.avi,Archery,train\n")
    fresh = Workspace(tmp_path / "fresh")
    init_workspace(fresh, dataset=dataset)
    init_workspace(workspace, dataset=dataset, splits=lists)
    write_settings(workspace, DatasetSettings(dataset=dataset))
    init_workspace(workspace)
    assert subset_by_name(workspace) == subset_by_name(fresh)


def test_files_of_one_stem_are_on_one_side_of_a_made_split(workspace: Workspace, tmp_path: Path) -> None:
    for name in "abcdefgh":
        for suffix in (".avi", ".mp4"):
            file = tmp_path / f"data/A/{name}{suffix}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"clip")
    init_workspace(workspace, dataset=tmp_path / "data")
    subsets = subset_by_name(workspace)
    assert len(subsets) == 16
    assert all(subsets[f"A/{name}"] == subsets[f"A/{name}.mp4"] for name in "abcdefgh")


def test_a_disk_that_folds_names_is_asked_where_the_workspace_will_be(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    monkeypatch.setattr("mocrop.pipeline.dataset.init.folds_names", lambda folder: asked.append(folder) or True)
    for name in ("a.avi", "A.avi"):
        file = tmp_path / "data/A" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    if len(list((tmp_path / "data/A").iterdir())) < 2:
        pytest.skip("this file system takes the names for one")
    init_workspace(workspace, dataset=tmp_path / "data")
    assert names(workspace) == ["A/A", "A/a.avi"]
    assert asked == [tmp_path]


def test_sides_are_read_and_written_under_one_lock(
    dataset: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that of two scans at once none gives a clip a side that the other has given already."""
    init_workspace(workspace, dataset=dataset)

    def read_under_lock(*arguments: Any, **options: Any) -> Splits:
        with pytest.raises(WorkspaceError, match="another mocrop"), exclusive(workspace):
            pass
        return read_splits(*arguments, **options)

    monkeypatch.setattr(init, "read_splits", read_under_lock)
    init_workspace(workspace, dataset=dataset)
    assert len(names(workspace)) == 3
