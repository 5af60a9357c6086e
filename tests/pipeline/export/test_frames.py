"""The form `frames`, read back picture by picture."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.export.places import NO_CLASS
from tests.conftest import MakeVideo, mocrop
from tests.pipeline.export.odd_data_set import BROKEN, CLASSES, CLIPS, KEY_FRAMES, export_workspace, workspace

__all__ = ["export_workspace", "workspace"]  # fixtures


def export(folder: Path, *options: str) -> int:
    return mocrop("export", folder, "--to", "frames", "--cache", "c", "--workers", "0", *options)


def pictures(folder: Path) -> dict[str, list[npt.NDArray[np.uint8]]]:
    """The pictures of each clip, RGB, in the order of their names; by the last part of its folder and that before."""
    found: dict[str, list[npt.NDArray[np.uint8]]] = {}
    for file in sorted(folder.rglob("0*")):
        picture = np.asarray(Image.open(file).convert("RGB")).transpose(2, 0, 1)
        found.setdefault("/".join(file.parts[-3:-1]), []).append(picture)
    return found


def frames(workspace: Path) -> dict[str, npt.NDArray[np.uint8]]:
    """The frames of each clip in the cache."""
    cache = CropCache(workspace / "caches/c.zarr")
    stored = cache.open_frames().read().result()
    return {name: stored[row, : cache.frame_counts[row]] for row, name in enumerate(cache.clip) if cache.usable[row]}


def by_clip(folder: Path) -> dict[str, list[npt.NDArray[np.uint8]]]:
    """The same by the names of the clips: the folder of a clip is in that of its class, with its own folder between."""
    found = pictures(folder)
    return {clip: found[clip] for clip in CLIPS}


def test_png_files_are_the_pixels_of_the_cache_and_jpeg_files_nearly(workspace: Path, tmp_path: Path) -> None:
    expected = frames(workspace)
    assert export(tmp_path / "png", "--image", "png") == 3  # one clip has failed
    assert export(tmp_path / "jpg") == 3
    exact, near = by_clip(tmp_path / "png"), by_clip(tmp_path / "jpg")
    for clip in CLIPS:
        assert len(exact[clip]) == len(near[clip]) == KEY_FRAMES[clip]
        assert np.array_equal(np.stack(exact[clip]), expected[clip])
        assert np.abs(np.stack(near[clip]).astype(int) - expected[clip]).mean() < 3


def test_a_clip_is_in_a_folder_of_its_class_whatever_that_is_called(workspace: Path, tmp_path: Path) -> None:
    """A class with a slash is one folder all the same; the broken clip has none; nothing unfinished stays."""
    export(tmp_path / "out")
    folders = sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir())
    assert len(folders) == len(CLASSES)
    assert folders[0] == "Dig"
    assert folders[1].startswith("a_b.c #[x] 日~")
    assert not [*(tmp_path / "out").rglob(f"*{Path(BROKEN).name}*")]


def test_boxes_name_file_frame_edges_and_time(workspace: Path, tmp_path: Path) -> None:
    """Key frames are 12 frames apart at 25 a second; whole frames are 64x48."""
    export(tmp_path / "out")
    rows = list(csv.reader((tmp_path / "out/boxes.csv").open(encoding="utf-8")))
    assert rows[0] == ["file", "frame", "left", "top", "right", "bottom", "seconds"]
    clip = CLIPS[2]  # of three key frames
    own = [row for row in rows if f"/{clip}/" in row[0]]
    assert own == [
        [f"Dig/{clip}/{slot:05d}.jpg", str(12 * slot), "0", "0", "64", "48", str(0.48 * slot)] for slot in range(3)
    ]
    assert {row[0] for row in rows[1:]} == {
        file.relative_to(tmp_path / "out").as_posix() for file in (tmp_path / "out").rglob("0*.jpg")
    }


def test_frames_of_a_policy_need_no_cache(workspace: Path, tmp_path: Path) -> None:
    """The middle of 64x48, a square of three quarters of its area: 48 pixels, from 8 to 56."""
    command = ["export", tmp_path / "out", "--to", "frames", "--policy", "center", "--size", "24", "--frames", "2"]
    assert mocrop(*command, "--workers", "0") == 3
    assert {picture.shape for each in by_clip(tmp_path / "out").values() for picture in each} == {(3, 24, 24)}
    rows = list(csv.reader((tmp_path / "out/boxes.csv").open(encoding="utf-8")))[1:]
    assert {tuple(row[2:6]) for row in rows} == {("8", "0", "56", "48")}


def test_a_size_that_the_cache_does_not_have_is_refused_in_a_line(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(tmp_path / "out", "--size", "48") == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "--to frames takes frames of 32 pixels, not 48" in said
    assert not (tmp_path / "out").exists()


def test_options_of_other_forms_are_refused(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(tmp_path / "out", "--shard-mb", "3") == 1
    assert "--shard-mb goes with --to webdataset, not with --to frames" in capsys.readouterr().err


def test_a_damaged_or_missing_picture_is_found_and_made_again_with_the_same_bytes(
    workspace: Path, tmp_path: Path
) -> None:
    export(tmp_path / "out")
    before = {file: file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file()}
    assert mocrop("verify", tmp_path / "out") == 0
    first, second = (tmp_path / f"out/Dig/{CLIPS[number]}/00000.jpg" for number in (0, 1))
    first.write_bytes(first.read_bytes()[:-1])
    assert mocrop("verify", tmp_path / "out") == 3
    second.unlink()
    assert mocrop("verify", tmp_path / "out", "--repair") == 0
    assert export(tmp_path / "out") == 3
    assert {file: file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file()} == before


def test_clips_without_labels_are_exported_too(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOCROP_WORKSPACE", str(tmp_path / "work"))
    make_video(tmp_path / "data/a.avi")
    assert mocrop("init", tmp_path / "data", "--unlabelled") == 0
    crop = ["--policy", "full", "--source", "original", "--size", "32", "--frames", "2"]
    assert mocrop("precrop", *crop, "--name", "c", "--workers", "0") == 0
    assert export(tmp_path / "out") == 0
    assert len([*(tmp_path / f"out/{NO_CLASS}").rglob("*.jpg")]) == 2


def test_a_clip_whose_record_is_lost_is_written_over(workspace: Path, tmp_path: Path) -> None:
    """Its folder is there, and no record says what is in it."""
    export(tmp_path / "out")
    stray = tmp_path / f"out/Dig/{CLIPS[0]}/00009.jpg"
    stray.write_bytes(b"of an earlier run")
    shutil.rmtree(workspace / "exports")
    assert mocrop("verify", tmp_path / "out") == 3
    assert mocrop("verify", tmp_path / "out", "--repair") == 0
    assert export(tmp_path / "out") == 3
    assert len([*stray.parent.iterdir()]) == KEY_FRAMES[CLIPS[0]]
    assert mocrop("verify", tmp_path / "out") == 0
