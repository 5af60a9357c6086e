"""Which files are meant, and how their clips are called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mocrop.evaluation.answers.videos import Video, find_videos
from mocrop.pipeline import Workspace
from mocrop.pipeline.errors import SettingsError


def _files(here: Path, *names: str) -> None:
    for name in names:
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).touch()


def _called(videos: tuple[Video, ...]) -> dict[str, tuple[str, str]]:
    return {each.path: (each.name, each.named_by) for each in videos}


def test_a_folder_gives_its_videos_named_as_init_names_clips(here: Path) -> None:
    _files(here, "data/b/x.mp4", "data/a.avi", "data/a.mp4", "data/notes.txt", "data/.hidden/x.mp4")
    found = find_videos(["data"], class_names=["b"])
    assert _called(found.videos) == {
        "data/a.avi": ("a", "folder"),
        "data/a.mp4": ("a.mp4", "folder"),  # the short name is taken
        "data/b/x.mp4": ("b/x", "folder"),
    }
    assert "data: 1 file has no suffix of a video and is left out: 1 .txt (notes.txt)" in found.remarks


def test_a_lone_file_is_called_by_its_class_if_its_folder_is_one(here: Path) -> None:
    _files(here, "Dig/x.mp4", "Dug/y.mp4", "z")
    found = find_videos(["Dig/x.mp4", "Dug/y.mp4", "z"], class_names=["Dig", "Run"])
    assert _called(found.videos) == {
        "Dig/x.mp4": ("Dig/x", "class"),
        "Dug/y.mp4": ("y", "file"),
        "z": ("z", "file"),
    }


def test_a_clip_of_a_workspace_has_its_name_by_either_file(made: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made.root)
    own, h264 = "../data/Fish/v_Fish_g01_c01.avi", "h264/Fish/v_Fish_g02_c01.mp4"
    found = find_videos([own, h264, "../data"], workspace=made)
    assert [each.name for each in found.videos[:2]] == ["Fish/v_Fish_g01_c01", "Fish/v_Fish_g02_c01"]
    assert {each.named_by for each in found.videos} == {"workspace"}
    assert len(found.videos) == 7  # six clips, one of them by its H.264 file too
    assert found.remarks == ("1 path led to a file that was there already; each file is answered for once",)


def test_a_pattern_that_the_shell_left_is_followed(here: Path) -> None:
    _files(here, "a/1.mp4", "a/b/2.mp4", "3.mp4", "what?.mp4")
    assert [each.path for each in find_videos(["**/*.mp4"]).videos] == ["3.mp4", "a/1.mp4", "a/b/2.mp4", "what?.mp4"]
    assert [each.path for each in find_videos(["what?.mp4"]).videos] == ["what?.mp4"]  # a file of that name
    with pytest.raises(SettingsError, match=r"x\*: no file fits this pattern"):
        find_videos(["x*"])


def test_a_list_has_a_path_a_line_and_stands_where_it_was_named(here: Path) -> None:
    _files(here, "a b.mp4", " c.mp4", "d.mp4")
    found = find_videos(["d.mp4", "-"], listed=["a b.mp4\n", "\n", " c.mp4\r\n", "gone[1].mp4"])
    assert [each.path for each in found.videos] == ["d.mp4", "a b.mp4", " c.mp4", "gone[1].mp4"]  # none is a pattern


@pytest.mark.parametrize(("given", "said"), [(["empty"], "empty holds no video"), (["-"], "no video to answer for")])
def test_nothing_to_answer_for_is_an_error(here: Path, given: list[str], said: str) -> None:
    (here / "empty").mkdir()
    with pytest.raises(SettingsError, match=said):
        find_videos(given)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no files of such names")
def test_a_name_that_is_not_utf8_is_made_so(here: Path) -> None:
    assert find_videos(["caf\udce9.mp4"]).videos[0].name == r"caf\udce9"  # random draws encode it
