"""Segments through the commands: from a CSV with start and end to a crop cache, and what changes of a video do."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import ClipState
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.commands.verify import verify
from mocrop.pipeline.errors import Reason, SettingsError
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace

MakeVideo = Callable[..., Path]
ROWS = """path,label,subset,start,end
A/day1.mp4,Dig,train,0,0.96
A/day1.mp4,Run,test,0.5,1.5
A/day2.mp4,Dig,test,0.48,1.44
A/day2.mp4,Run,train,5,6
"""


def run() -> RunOptions:
    return RunOptions(workers=0, console=LineConsole(file=StringIO()))


@pytest.fixture
def workspace(tmp_path: Path, make_video: MakeVideo) -> Workspace:
    for name in ("day1", "day2"):
        make_video(tmp_path / f"data/A/{name}.mp4", frames=50, codec="libx264")
    (tmp_path / "own.csv").write_text(ROWS)
    made = Workspace(tmp_path / "work")
    preprocess.init(made, tmp_path / "data", splits=tmp_path / "own.csv")
    return made


def files(workspace: Workspace) -> dict[str, int]:
    """When each transcoded file was made, by its name."""
    return {file.name: file.stat().st_mtime_ns for file in workspace.h264.rglob("*.mp4")}


def test_segments_go_through_all_stages_and_are_sound(workspace: Workspace) -> None:
    report = preprocess.run_all(workspace, size=32, run=run())
    assert report.failed == 3  # the segment outside the video, in each stage
    assert sorted(files(workspace)) == ["day1#0-0.96.mp4", "day1#0.5-1.5.mp4", "day2#0.48-1.44.mp4"]
    assert report.stages[0].failed == {Reason.OUTSIDE_VIDEO: 1}
    failed = ClipState.FAILED
    assert [state == failed for state in CropCache(workspace.cache("motion-32")).state] == [False, False, False, True]
    checked = verify(workspace, deep=True, console=run().console)
    assert checked.is_sound
    assert [part.clips for part in checked.parts] == [3, 3, 4]


def test_a_changed_video_has_all_its_segments_cut_again_and_no_other(
    workspace: Workspace, tmp_path: Path, make_video: MakeVideo
) -> None:
    preprocess.transcode(workspace, run=run())
    before = files(workspace)
    make_video(tmp_path / "data/A/day1.mp4", frames=45, codec="libx264")
    os.utime(tmp_path / "data/A/day1.mp4", ns=(1, 1))
    preprocess.transcode(workspace, run=run())
    after = files(workspace)
    assert {name for name in after if after[name] != before[name]} == {"day1#0-0.96.mp4", "day1#0.5-1.5.mp4"}


def test_one_segment_whose_file_is_gone_is_made_again_with_the_same_bytes(workspace: Workspace) -> None:
    preprocess.transcode(workspace, run=run())
    file = workspace.h264_file("A/day1#0.5-1.5")
    before = file.read_bytes()
    file.unlink()
    preprocess.transcode(workspace, run=run())
    assert file.read_bytes() == before


def test_source_original_is_refused_before_anything_runs(workspace: Workspace) -> None:
    for command in (
        lambda: preprocess.extract_mv(workspace, source="original", run=run()),
        lambda: preprocess.precrop(workspace, source="original", policy="center", run=run()),
        lambda: preprocess.run_all(workspace, source="original", run=run()),
    ):
        with pytest.raises(SettingsError, match="pass --source h264, or auto") as caught:
            command()
        assert "\n" not in str(caught.value)
    assert not workspace.caches.exists() or not list(workspace.caches.iterdir())
    assert 'source = "original"' not in workspace.settings_file.read_text()


def test_source_auto_transcodes_every_segment(workspace: Workspace) -> None:
    report = preprocess.run_all(workspace, source="auto", size=32, run=run())
    chosen = report.stages[0].files
    assert chosen is not None
    assert (chosen.as_they_are, chosen.transcoded) == (0, 3)
