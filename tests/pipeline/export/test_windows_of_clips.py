"""Windows of neighbouring frames in an export: which files each has, and a video with every frame at its time."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mocrop.pipeline.commands.export import export_crops
from mocrop.pipeline.commands.preprocess import precrop
from mocrop.pipeline.workspace.paths import Workspace
from tests.conftest import MakeVideo, mocrop
from tests.pipeline.export.conftest import MakeWorkspace, quietly, times

WINDOWS = {"long": [[0, 1, 2], [3, 4, 5]], "near": [[0, 2, 4], [1, 3, 5]], "short": [[0, 1, 1]]}  # slots
FRAMES = {"long": [5, 7, 9, 20, 22, 24], "near": [0, 1, 2, 3, 4, 5], "short": [0, 1]}
LENGTHS = {"long": 30, "near": 6, "short": 2}
HOW: dict[str, Any] = {"select": "dense", "clips": 2, "frames": 3, "stride": 2, "size": 16, "policy": "full"}


@pytest.fixture
def dense(tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace) -> Workspace:
    """A cache of two windows of three frames, each two after the last, of three clips of 25 frames a second."""
    for name, frames in LENGTHS.items():
        make_video(tmp_path / f"data/Dig/{name}.avi", frames=frames)
    workspace = make_workspace()
    precrop(workspace, name="c", run=quietly(), **HOW)
    return workspace


def test_a_list_says_which_files_are_those_of_each_window(dense: Workspace, tmp_path: Path) -> None:
    export_crops(dense, tmp_path / "out", to="frames", cache="c", run=quietly())
    rows = [line.split(",") for line in (tmp_path / "out/windows.csv").read_text().split()]
    assert rows[0] == ["file", "window", "place"]
    expected = [
        [f"Dig/{clip}/{slot:05d}.jpg", str(window), str(place)]
        for clip, windows in WINDOWS.items()
        for window, slots in enumerate(windows)
        for place, slot in enumerate(slots)
    ]
    assert rows[1:] == expected
    assert all((tmp_path / "out" / file).is_file() for file, _, _ in rows[1:])
    seconds = [line.split(",")[-1] for line in (tmp_path / "out/boxes.csv").read_text().split()[1:7]]
    assert np.array(seconds, float) * 25 == pytest.approx(FRAMES["long"])  # with the gap between the windows
    assert mocrop("verify", tmp_path / "out") == 0
    (tmp_path / "out/windows.csv").unlink()
    assert mocrop("verify", tmp_path / "out") == 3


@pytest.mark.parametrize("options", [{"cache": "c"}, HOW], ids=["of the cache", "without a cache"])
def test_a_sample_says_which_of_its_pictures_are_those_of_each_window(
    dense: Workspace, tmp_path: Path, options: dict[str, Any]
) -> None:
    export_crops(dense, tmp_path / "out", to="webdataset", run=quietly(), **options)
    found = {}
    for shard in (tmp_path / "out").glob("*.tar"):
        with tarfile.open(shard) as tar:
            for name in (name for name in tar.getnames() if name.endswith(".json")):
                about = json.loads(tar.extractfile(name).read())  # type: ignore[union-attr]
                found[about["clip"].removeprefix("Dig/")] = about
    assert {clip: about["windows"] for clip, about in found.items()} == WINDOWS
    assert {clip: about["frames"] for clip, about in found.items()} == FRAMES


def test_a_video_has_all_frames_of_the_clip_at_their_times(dense: Workspace, tmp_path: Path) -> None:
    """So that windows with gaps between them never look like one take."""
    export_crops(dense, tmp_path / "out", to="mp4", cache="c", run=quietly())
    for clip, frames in LENGTHS.items():
        assert times(tmp_path / f"out/Dig/{clip}.mp4") == pytest.approx([n / 25 for n in range(frames)])


def test_other_caches_say_nothing_of_windows(dense: Workspace, tmp_path: Path) -> None:
    precrop(dense, name="plain", size=16, policy="full", frames=2, run=quietly())
    export_crops(dense, tmp_path / "out", to="frames", cache="plain", run=quietly())
    assert not (tmp_path / "out/windows.csv").exists()
