"""A small workspace with what data sets can have: odd class names, two splits, a clip in no list, a broken one."""

from __future__ import annotations

from pathlib import Path

import pytest

from mocrop.pipeline.csv_file import write_csv
from tests.conftest import MakeVideo, mocrop

CLASSES = ("Dig", "a/b.c #[x] 日")
CLIPS = [f"{folder}/v.{number}" for folder in ("one", "two") for number in range(4)]  # of class 0, then of class 1
UNLISTED = "two/v.3"  # in the first split
BROKEN = "one/broken"
KEY_FRAMES = {clip: 1 + number % 3 for number, clip in enumerate(CLIPS)}  # of each clip: a key frame each 12 frames


@pytest.fixture(scope="session")
def export_workspace(tmp_path_factory: pytest.TempPathFactory, make_video: MakeVideo) -> Path:
    """The workspace, with one cache called `c` of whole frames at 32 pixels; tests must not change it."""
    folder = tmp_path_factory.mktemp("exports")
    rows = []
    for number, clip in enumerate([*CLIPS, BROKEN]):
        file = folder / f"data/{clip}.avi"
        if clip == BROKEN:
            file.write_bytes(b"RIFF")
        else:
            make_video(file, frames=12 * KEY_FRAMES[clip])
        label = CLASSES[clip.startswith("two")]
        subset = "none" if clip == UNLISTED else "test" if number % 4 == 0 else "train"
        rows += [(f"{clip}.avi", label, subset, "1"), (f"{clip}.avi", label, "train" if number % 2 else "test", "2")]
    write_csv(("path", "label", "subset", "split"), [row for row in rows if row[2] != "none"], folder / "lists.csv")
    work = folder / "work"
    assert mocrop("init", folder / "data", "--splits", folder / "lists.csv", "-w", work) == 0
    assert mocrop("transcode", "-w", work, "--workers", "0") == 3
    crop = ["--policy", "full", "--size", "32", "--frames", "4", "--name", "c", "--workers", "0"]
    assert mocrop("precrop", *crop, "-w", work) == 3
    return work


@pytest.fixture
def workspace(export_workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, found by every command."""
    monkeypatch.setenv("MOCROP_WORKSPACE", str(export_workspace))
    return export_workspace
