"""Clips that are cut out of one video are one group: on one side of splits, with one number in the manifest."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from mocrop.pipeline.dataset.init import init_workspace
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.groups import FIRST_ACROSS_CLASSES, NO_GROUP
from mocrop.pipeline.workspace.manifest import ClipRow, Manifest
from mocrop.pipeline.workspace.paths import Workspace

VIDEOS = [f"day{n}" for n in range(8)]
LABELS = ("run", "walk", "run", "sit")  # of the four segments of each video


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "work")


def data_set(folder: Path, *names: str) -> Path:
    """Files of different sizes."""
    (folder / "data").mkdir()
    for size, name in enumerate(names, start=1):
        (folder / "data" / name).parent.mkdir(exist_ok=True)
        (folder / "data" / name).write_bytes(b"x" * size)
    return folder / "data"


def table(folder: Path, *videos: str, start: float = 0) -> Path:
    """Four segments a video, without subsets."""
    rows = (f"{video},{label},{start + n},{start + n + 1}\n" for video in videos for n, label in enumerate(LABELS))
    (folder / "segments.csv").write_text("path,label,start,end\n" + "".join(rows))
    return folder / "segments.csv"


def clips(workspace: Workspace) -> list[ClipRow]:
    with Manifest(workspace.manifest_file) as manifest:
        return [row for row in manifest.clips() if any(row.subset)]


def sides(workspace: Workspace) -> dict[str, tuple[int, ...]]:
    """The sides of each video, which must be those of all its segments."""
    found: dict[str, set[tuple[int, ...]]] = {}
    for row in clips(workspace):
        found.setdefault(row.path, set()).add(row.subset)
    assert all(len(each) == 1 for each in found.values()), found
    return {path: each.pop() for path, each in found.items()}


def require_a_group_a_video(rows: list[ClipRow]) -> None:
    pairs = {(row.path, row.group) for row in rows}
    assert len(pairs) == len({path for path, _ in pairs}) == len({group for _, group in pairs})
    assert all(group >= FIRST_ACROSS_CLASSES for _, group in pairs)


@pytest.mark.parametrize("folders", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_split_that_is_made_keeps_a_video_on_one_side(
    tmp_path: Path, workspace: Workspace, seed: int, folders: bool
) -> None:
    names = [f"{'A/' if folders else ''}{video}.mp4" for video in VIDEOS]
    init_workspace(workspace, dataset=data_set(tmp_path, *names), splits=table(tmp_path, *names), seed=seed)
    assert len(clips(workspace)) == 4 * len(VIDEOS)
    require_a_group_a_video(clips(workspace))
    assert all(1 in column and 2 in column for column in zip(*sides(workspace).values(), strict=True))


def test_segments_that_no_expression_groups_stay_together(tmp_path: Path, workspace: Workspace) -> None:
    """Ann is in two videos, Bob in one; of the other two nothing is known."""
    names = ["Ann_1.mp4", "Ann_2.mp4", "Bob_1.mp4", "3.mp4", "4.mp4"]
    dataset, lists = data_set(tmp_path, *names), table(tmp_path, *names)
    report = init_workspace(workspace, dataset=dataset, splits=lists, group_by="([A-Z][a-z]+)_")
    assert sum(issue.count for issue in report.issues if issue.code is IssueCode.NOT_GROUPED) == 2 * 4
    found = sides(workspace)
    assert found["Ann_1.mp4"] == found["Ann_2.mp4"]
    groups = Counter(row.group for row in clips(workspace))
    assert sorted(groups.values()) == [4, 4, 4, 8]
    assert min(groups) >= FIRST_ACROSS_CLASSES


def test_a_video_that_is_renamed_keeps_its_side(tmp_path: Path, workspace: Workspace) -> None:
    names = [f"{video}.mp4" for video in VIDEOS]
    dataset = data_set(tmp_path, *names)
    init_workspace(workspace, dataset=dataset, splits=table(tmp_path, *names))
    before = sides(workspace)
    renamed = {name: f"film{n}.mp4" for n, name in enumerate(reversed(names))}
    for name, new in renamed.items():
        (dataset / name).rename(dataset / new)
    init_workspace(workspace, dataset=dataset, splits=table(tmp_path, *renamed.values()))
    assert sides(workspace) == {renamed[name]: side for name, side in before.items()}


def test_other_segments_of_a_known_video_are_on_its_side(tmp_path: Path, workspace: Workspace) -> None:
    names = [f"{video}.mp4" for video in VIDEOS]
    dataset = data_set(tmp_path, *names)
    init_workspace(workspace, dataset=dataset, splits=table(tmp_path, *names))
    before = sides(workspace)
    init_workspace(workspace, dataset=dataset, splits=table(tmp_path, *names, start=0.5))
    assert sides(workspace) == before


def test_segments_of_activitynet_are_a_group_a_video(tmp_path: Path, workspace: Workspace) -> None:
    database = {
        video: {
            "subset": "training" if n else "validation",
            "duration": 9,
            "annotations": [{"label": label, "segment": [k, k + 1]} for k, label in enumerate(LABELS)],
        }
        for n, video in enumerate(VIDEOS)
    }
    (tmp_path / "net.json").write_text(json.dumps({"database": database}))
    dataset = data_set(tmp_path, *(f"v_{video}.mp4" for video in VIDEOS))
    init_workspace(workspace, dataset=dataset, splits=tmp_path / "net.json")
    assert len(clips(workspace)) == 4 * len(VIDEOS)
    require_a_group_a_video(clips(workspace))


def test_cut_files_of_kinetics_are_a_group_where_they_share_an_id(tmp_path: Path, workspace: Workspace) -> None:
    (tmp_path / "train.csv").write_text(
        "label,youtube_id,time_start,time_end,split\nrun,aa,0,10,train\nwalk,aa,10,20,train\nrun,bb,0,10,train\n"
    )
    names = ("aa_000000_000010.mp4", "aa_000010_000020.mp4", "bb_000000_000010.mp4")
    init_workspace(workspace, dataset=data_set(tmp_path, *names), splits=tmp_path / "train.csv")
    first, second, other = (row.group for row in clips(workspace))
    assert first == second != other
    assert min(first, other) >= FIRST_ACROSS_CLASSES


def test_cut_files_of_kinetics_of_different_ids_have_no_groups(tmp_path: Path, workspace: Workspace) -> None:
    (tmp_path / "train.csv").write_text(
        "label,youtube_id,time_start,time_end,split\nrun,aa,0,10,train\nrun,bb,0,10,train\n"
    )
    dataset = data_set(tmp_path, "aa_000000_000010.mp4", "bb_000000_000010.mp4")
    init_workspace(workspace, dataset=dataset, splits=tmp_path / "train.csv")
    assert [row.group for row in clips(workspace)] == [NO_GROUP, NO_GROUP]
