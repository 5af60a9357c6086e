"""Files of every suffix, and names that collide or are as long as names can be, from the folder to the pictures."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from mocrop.evaluation.pictures.clip_boxes import ShowSettings
from mocrop.evaluation.pictures.clip_view import view_clip
from mocrop.evaluation.pictures.gallery import GallerySettings, workspace_gallery
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.commands.status import workspace_status
from mocrop.pipeline.outcome import ClipTask, clip_log
from mocrop.pipeline.workspace.paths import Workspace
from tests.conftest import MakeVideo, mocrop

CACHE = ("--size", "16", "--policy", "motion", "--workers", "0")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("MOCROP_WORKSPACE", str(tmp_path / "work"))
    return Workspace(tmp_path / "work")


def messages(workspace: Workspace) -> dict[str, str]:
    """What has failed and why, by stage and clip."""
    stages = workspace_status(workspace, failures=True).stages
    return {f"{stage.stage} {failure.clip}": failure.message for stage in stages for failure in stage.failures}


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        (".mpg", "mpeg1video"),
        (".MPEG", "mpeg2video"),
        (".ts", "libx264"),
        (".MTS", "libx264"),
        (".m2ts", "libx264"),
        (".wmv", "wmv2"),
        (".3gp", "mpeg4"),
        (".flv", "flv1"),
        (".M4V", "mpeg4"),
        (".gif", "gif"),
    ],
)
def test_a_file_of_every_suffix_becomes_frames(
    suffix: str, codec: str, workspace: Workspace, make_video: MakeVideo, tmp_path: Path
) -> None:
    pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
    make_video(tmp_path / f"data/A/clip{suffix.lower()}", codec=codec, pix_fmt=pix_fmt).rename(
        tmp_path / f"data/A/clip{suffix}"
    )
    assert mocrop("run", tmp_path / "data", *CACHE) == 0, messages(workspace)
    cache = CropCache(workspace.choose_cache(None))
    assert (cache.clip, cache.frame_counts.tolist()) == (["A/clip"], [2])


def test_two_files_of_one_stem_and_a_folder_called_as_a_written_file_all_work(
    workspace: Workspace, make_video: MakeVideo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ("A/a.avi", "A/a.mp4/b.avi", "A/c.avi", "A/c.mp4", "A/c.mp4.avi", "A/c/d.avi", "A/e.AVI", "A/e.avi")
    for file in files:
        make_video(tmp_path / "data" / file, frames=14)
    if len(list((tmp_path / "data").rglob("*.*"))) < 9:
        pytest.skip("this file system takes names for one that differ in case")
    assert mocrop("run", tmp_path / "data", *CACHE) == 0, messages(workspace)
    cache = CropCache(workspace.choose_cache(None))
    assert cache.clip == ["A/a.avi", "A/a.mp4/b", "A/c", "A/c.mp4", "A/c.mp4.avi", "A/c/d", "A/e", "A/e.avi"]
    assert cache.frame_counts.tolist() == [2] * 8
    assert mocrop("gallery") == 0
    for clip in ("A/a.avi", "A/a.mp4/b"):
        assert mocrop("show", clip, "--frames", "1") == 0
    for command in (["run", *CACHE], ["verify"]):  # nothing is left to do, and nothing is missing
        capsys.readouterr()
        assert mocrop(*command, "--json") == 0
    assert json.loads(capsys.readouterr().out)["damage"] == []


@pytest.mark.parametrize(("letter", "suffix"), [("n", ".ts"), ("\u00e9", ".ts"), ("n", ".mp4")])
def test_names_as_long_as_names_can_be_work_in_every_command(
    letter: str, suffix: str, workspace: Workspace, make_video: MakeVideo, tmp_path: Path
) -> None:
    stem = letter * ((255 - len(suffix)) // len(letter.encode()))
    stem += "x" * (255 - len(suffix) - len(stem.encode()))
    other = stem[:-1] + "y"
    made = make_video(tmp_path / f"clip{suffix}", frames=14, codec="libx264" if suffix == ".ts" else "mpeg4")
    folder = tmp_path / "data" / ("A" * 255)
    folder.mkdir(parents=True)
    for name in (stem, other):
        (folder / f"{name}{suffix}").write_bytes(made.read_bytes())
    assert mocrop("run", tmp_path / "data", *CACHE) == 0, messages(workspace)
    assert CropCache(workspace.choose_cache(None)).frame_counts.tolist() == [2, 2]
    assert len(list(workspace.h264.rglob("*.mp4"))) == 2
    assert all(len(file.name.encode()) <= 255 for file in workspace.h264.rglob("*"))
    assert mocrop("verify") == 0
    assert mocrop("gallery") == 0
    assert mocrop("gallery", "--cache", "motion-16") == 0
    clip = f"{folder.name}/{stem}"
    assert mocrop("show", clip, "--frames", "1") == 0
    assert mocrop("show", clip, "--video", "-o", tmp_path) == 0
    assert mocrop("show", f"{folder.name}/{other}", "--frames", "1") == 0
    assert len(list((workspace.reports / "show").glob("*.png"))) == 2
    assert mocrop("export-npy", tmp_path / "maps") == 0


def test_a_name_that_fits_is_not_changed(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for name, file in (("a", "a.mp4"), ("a" * 251, "a" * 251 + ".mp4"), ("a.b", "a.b.mp4")):
        assert workspace.h264_file(f"Class/sub/{name}") == tmp_path / "h264/Class/sub" / file
    long = workspace.h264_file("Class/" + "a" * 252)
    assert (len(long.name), long.name.startswith("a" * 230), long.parent.name) == (255, True, "Class")
    assert long != workspace.h264_file("Class/" + "a" * 253)


@pytest.mark.parametrize(("number", "reason"), [(errno.ENAMETOOLONG, "name-too-long"), (errno.EIO, "unexpected-error")])
def test_a_name_too_long_for_the_disk_is_an_outcome_of_its_own(number: int, reason: str) -> None:
    """As on disks that take fewer than 255 bytes."""
    with clip_log(ClipTask(position=0, name="A/a", path="A/a.avi")) as log:
        raise OSError(number, "no", "A/a.mp4")
    assert log.outcome is not None
    assert log.outcome.reasons == (reason,)
    assert log.outcome.message.startswith("A/a: ")


def test_a_clip_is_found_by_its_name_before_that_of_another_by_its_path(
    workspace: Workspace, make_video: MakeVideo, tmp_path: Path
) -> None:
    """`A/c.mp4` is the path of clip A/c and the name of the other."""
    for file in ("A/c.mp4", "A/c.mp4.avi"):
        make_video(tmp_path / "data" / file, frames=14)
    assert mocrop("run", tmp_path / "data", *CACHE) == 0
    assert mocrop("gallery") == 0
    assert mocrop("show", "A/c.mp4", "--frames", "1") == 0
    assert [file.name for file in (workspace.reports / "show").iterdir()] == ["A__c.mp4.png"]


def test_a_clip_of_no_known_class_is_shown_as_such(make_video: MakeVideo, tmp_path: Path, workspace: Workspace) -> None:
    for file in ("A/a.avi", "Other/b.avi"):
        make_video(tmp_path / "data" / file, frames=14)
    (tmp_path / "all.csv").write_text("path,label,subset\nA/a.avi,A,train\n")
    assert mocrop("run", tmp_path / "data", "--splits", tmp_path / "all.csv", *CACHE) == 0
    tiles = workspace_gallery(workspace, GallerySettings()).tiles
    assert {tile.clip: tile.label for tile in tiles} == {"A/a": "A", "Other/b": "no class"}
    assert view_clip(workspace, "Other/b", ShowSettings()).label == "no class"
