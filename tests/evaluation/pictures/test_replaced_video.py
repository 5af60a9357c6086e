"""A clip whose video was replaced is not drawn as it was before."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from mocrop.evaluation.pictures.clip_boxes import ShowSettings
from mocrop.evaluation.pictures.clip_view import view_clip
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.errors import ClipError
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace

RUN = RunOptions(workers=0, console=LineConsole(file=StringIO()))


@pytest.mark.parametrize(("span", "name"), [("1,1.5", "A/a#1-1.5"), (",", "A/a")])
def test_a_clip_that_cannot_be_transcoded_any_more_is_not_shown(
    span: str, name: str, tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    video = make_video(tmp_path / "data/A/a.mp4", frames=50, codec="libx264")
    make_video(tmp_path / "data/A/b.mp4", frames=10, codec="libx264")
    (tmp_path / "own.csv").write_text(f"path,label,subset,start,end\nA/a.mp4,X,train,{span}\nA/b.mp4,Y,test,0,0.2\n")
    workspace = Workspace(tmp_path / "work")
    preprocess.init(workspace, tmp_path / "data", splits=tmp_path / "own.csv")
    preprocess.transcode(workspace, run=RUN)
    assert view_clip(workspace, name, ShowSettings()).timeline.frames in (13, 50)
    video.write_bytes(b"no video")
    preprocess.transcode(workspace, run=RUN)
    assert workspace.h264_file(name).is_file()
    with pytest.raises(ClipError, match="transcode failed: "):
        view_clip(workspace, name, ShowSettings())
