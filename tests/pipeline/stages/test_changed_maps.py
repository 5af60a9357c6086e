"""Density maps that change after a cache was made of them: which clips are cropped again, and what status says."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.commands.status import StageStatus, workspace_status
from mocrop.pipeline.policies.npy_maps import map_path, write_map
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace
from tests.conftest import MakeVideo, mocrop

CLIPS = ("A/a", "A/b", "B/c")
PRECROP = ("precrop", "--policy", "maps", "--ratio", "0.5", "--size", "16", "--frames", "2", "--workers", "0")


def put_map(maps: Path, clip: str, *, left: bool) -> None:
    density = np.zeros((6, 8), np.float32)
    density[:, :4] = left
    density[:, 4:] = not left
    write_map(map_path(maps, clip, grid=(6, 8)), density)


@pytest.fixture
def work(here: Path, make_video: MakeVideo) -> Workspace:
    """A workspace with a cache by maps of A/a and A/b; B/c has none."""
    for clip in CLIPS:
        make_video(here / f"data/{clip}.avi")
    for clip in CLIPS[:2]:
        put_map(here / "maps", clip, left=True)
    assert mocrop("transcode", here / "data", "--workers", "0") == 0
    assert mocrop(*PRECROP, "--density-from", here / "maps") == 0
    return Workspace(here / "mocrop-work")


def said_to_run(capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    assert mocrop(*PRECROP, "--dry-run") == 0
    return [line for line in capsys.readouterr().out.splitlines() if "has changed" in line]


def of_cache(work: Workspace) -> StageStatus:
    return workspace_status(work).stages[-1]


def boxes(work: Workspace) -> dict[str, tuple[float, float]]:
    """Left and right edge of the box of each clip."""
    cache = CropCache(work.cache("maps-16"))
    return {clip: (float(box[0]), float(box[2])) for clip, box in zip(cache.clip, cache.box, strict=True)}


def test_a_clip_whose_map_has_changed_come_or_gone_is_cropped_again(
    work: Workspace, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert boxes(work) == {"A/a": (0, 0.5), "A/b": (0, 0.5), "B/c": (0, 1)}
    assert said_to_run(capsys) == []
    put_map(here / "maps", "A/a", left=False)
    map_path(here / "maps", "A/b", grid=(6, 8)).unlink()
    put_map(here / "maps", "B/c", left=False)
    assert said_to_run(capsys) == [f"precrop  {clip}  its density map has changed" for clip in CLIPS]
    assert (of_cache(work).done, of_cache(work).stale) == (0, 3)
    assert mocrop("precrop", "--name", "maps-16", "--workers", "0") == 0
    assert boxes(work) == {"A/a": (0.5, 1), "A/b": (0, 1), "B/c": (0.5, 1)}
    assert said_to_run(capsys) == []
    assert (of_cache(work).done, of_cache(work).stale) == (3, 0)


def test_the_same_map_written_again_is_no_change(
    work: Workspace, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_map(here / "maps", "A/a", left=True)
    os.utime(map_path(here / "maps", "A/a", grid=(6, 8)), (1, 1))
    assert said_to_run(capsys) == []


def test_a_clip_that_failed_for_its_map_runs_again_once_that_is_mended(
    work: Workspace, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    map_path(here / "maps", "A/a", grid=(6, 8)).write_bytes(b"no map")
    assert mocrop(*PRECROP) == 3
    assert said_to_run(capsys) == []  # it is still the same bad map
    assert len(of_cache(work).failed) == 1
    put_map(here / "maps", "A/a", left=False)
    assert (of_cache(work).failed, of_cache(work).stale) == ({}, 1)
    assert mocrop(*PRECROP) == 0
    assert boxes(work)["A/a"] == (0.5, 1)


def test_a_clip_that_cannot_be_read_is_not_tried_each_time_for_its_map(
    work: Workspace, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "data/A/a.avi").write_bytes(b"")
    assert mocrop("transcode", "--workers", "0") == mocrop(*PRECROP) == 3
    assert said_to_run(capsys) == []


def test_while_the_folder_is_out_of_reach_nothing_counts_as_changed(work: Workspace, here: Path) -> None:
    (here / "maps").rename(here / "elsewhere")
    assert (of_cache(work).done, of_cache(work).stale) == (3, 0)
    assert mocrop("retry", "--workers", "0") == 0
    assert boxes(work)["A/a"] == (0, 0.5)


def test_clips_without_a_kept_checksum_are_cropped_again_once(
    work: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    with Manifest(work.manifest_file) as manifest:  # as a mocrop before this one left it
        manifest._database.execute("UPDATE outcomes SET checksum = NULL WHERE stage = 'precrop:maps-16'")
    assert said_to_run(capsys) == [f"precrop  {clip}  its density map has changed" for clip in CLIPS[:2]]
    assert mocrop(*PRECROP) == 0
    assert said_to_run(capsys) == []
