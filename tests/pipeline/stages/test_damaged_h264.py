"""The stages that read a transcoded file refuse one that is not as it was written, however well it decodes."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from mocrop.pipeline.commands.preprocess import extract_mv, precrop, retry, run_all, transcode
from mocrop.pipeline.commands.verify import verify
from mocrop.pipeline.errors import Reason
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace

MakeVideo = Callable[..., Path]
LOOP = RunOptions(workers=0, console=LineConsole(quiet=True))
CLIPS = ("Dig/a_g01_c01", "Dig/a_g02_c01")
CROP = {"size": 16, "frames": 2}


@pytest.fixture
def workspace(tmp_path: Path, make_video: MakeVideo) -> Workspace:
    """A workspace with two transcoded clips, whose first has one changed bit in its last frame."""
    for name in CLIPS:
        make_video(tmp_path / f"data/{name}.avi", frames=13, size=(32, 32))
    workspace = Workspace(tmp_path / "work")
    transcode(workspace, tmp_path / "data", run=LOOP)
    shutil.copytree(workspace.h264, tmp_path / "sound")
    file = workspace.h264_file(CLIPS[0])
    content = bytearray(file.read_bytes())
    content[content.find(b"moov") - 8] ^= 0x10  # the boxes stay whole
    file.write_bytes(content)
    return workspace


def failures(workspace: Workspace, stage: str) -> dict[str, str]:
    with Manifest(workspace.manifest_file) as manifest:
        return {
            name: message for name, (reason, *_), message in manifest.failures(stage) if reason is Reason.UNREADABLE
        }


def content(workspace: Workspace) -> dict[str, bytes]:
    folders = (workspace.h264, workspace.motion, workspace.caches)
    files = (file for folder in folders for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(workspace.root).as_posix(): file.read_bytes() for file in files}


def test_a_damaged_file_is_refused_and_once_it_is_repaired_the_clip_is_as_if_nothing_had_been(
    workspace: Workspace, tmp_path: Path
) -> None:
    extract_mv(workspace, run=LOOP)
    precrop(workspace, policy="center", run=LOOP, **CROP)  # reads h264 and no motion
    for stage in ("extract-mv", "precrop:center-16"):
        assert list(failures(workspace, stage)) == [CLIPS[0]]
        assert "is damaged (checksum differs); make it again with" in failures(workspace, stage)[CLIPS[0]]
    verify(workspace, repair=True, console=LineConsole(quiet=True))
    transcode(workspace, run=LOOP)
    retry(workspace, run=LOOP)
    precrop(workspace, run=LOOP, **CROP)
    undisturbed = Workspace(tmp_path / "undisturbed")
    run_all(undisturbed, tmp_path / "data", run=LOOP, **CROP)
    precrop(undisturbed, policy="center", run=LOOP, **CROP)
    assert content(workspace) == content(undisturbed)


def test_a_file_without_a_checksum_is_read_as_it_is(workspace: Workspace) -> None:
    with sqlite3.connect(workspace.manifest_file) as database:
        database.execute("UPDATE outcomes SET checksum = NULL")
    extract_mv(workspace, run=LOOP)
    assert failures(workspace, "extract-mv") == {}


def test_the_own_files_of_clips_are_not_compared(workspace: Workspace) -> None:
    extract_mv(workspace, source="original", run=LOOP)
    assert failures(workspace, "extract-mv") == {}
