"""The commands as a user gives them, on small clips and on broken ones."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import ClipState
from mocrop.pipeline.errors import SilentExit
from mocrop.pipeline.workspace.manifest import Manifest, StageRow
from mocrop.training.data.frame_reader import FrameReader
from tests.conftest import mocrop, needs_torch

MakeVideo = Callable[..., Path]
MOCROP = [sys.executable, "-c", "from mocrop.cli import main; main()"]


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder with a hash of its bytes."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def stores(workspace: Path) -> dict[str, str]:
    """Everything that the stages write, without the manifest, which holds times."""
    parts = {part: tree(workspace / part) for part in ("h264", "motion.zarr", "caches")}
    return {f"{part}/{name}": digest for part, files in parts.items() for name, digest in files.items()}


@pytest.fixture
def dataset(tmp_path: Path, make_video: MakeVideo) -> Path:
    for label in ("Archery", "Surfing"):
        for group in (1, 2, 3):
            make_video(tmp_path / f"data/{label}/v_{label}_g{group:02d}_c01.avi", frames=30 + group)
    return tmp_path / "data"


def test_a_run_walks_over_the_clips_once_a_stage(
    dataset: Path, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    walks: list[str] = []
    rows = Manifest.stage_rows

    def noted(self: Manifest, stage: str, settings: str, *, upstream: tuple[str, str] | None) -> Iterator[StageRow]:
        walks.append(stage)
        return rows(self, stage, settings, upstream=upstream)

    monkeypatch.setattr(Manifest, "stage_rows", noted)
    small = ["--size", "32", "--frames", "4", "--workers", "0"]
    assert mocrop("run", dataset, *small) == 0
    assert walks == ["transcode", "extract-mv", "precrop:motion-32"]
    walks.clear()
    assert mocrop("precrop", *small) == mocrop("extract-mv", "--workers", "0") == 0  # with nothing to do
    assert mocrop("precrop", *small, "--dry-run") == 0
    assert walks == ["precrop:motion-32", "extract-mv", "precrop:motion-32"]
    capsys.readouterr()
    walks.clear()
    assert mocrop("precrop", *small, "--overwrite", "--json") == 0
    (stage,) = json.loads(capsys.readouterr().out)["stages"]
    assert walks == ["precrop:motion-32"]
    assert stage["plan"]["why"] == {"not done yet": 6}  # planned after the old cache was given up
    assert stage["summary"]["done"] == 6


def test_a_stage_whose_upstream_has_not_run_is_refused_before_anything_is_written(
    dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("init", dataset) == 0
    before = {**tree(here / "mocrop-work"), ".lock": ""}  # it holds the number of the process that came last
    assert mocrop("extract-mv", "--workers", "0") == 1
    assert mocrop("precrop", "--size", "32", "--workers", "0") == 1
    said = capsys.readouterr().err
    assert "transcode has not run" in said
    assert "extract-mv has not run" in said
    assert {**tree(here / "mocrop-work"), ".lock": ""} == before


@pytest.mark.smoke
def test_three_commands_in_one_folder_make_a_cache(dataset: Path, here: Path) -> None:
    assert mocrop("transcode", dataset, "--workers", "0") == 0
    assert mocrop("extract-mv", "--workers", "0") == 0
    assert mocrop("precrop", "--size", "32", "--frames", "4", "--workers", "0") == 0
    cache = CropCache(here / "mocrop-work/caches/motion-32.zarr")
    assert cache.shape == (6, 4, 3, 32, 32)
    assert (cache.state == ClipState.CROPPED).all()
    assert cache.frame_index[0].tolist() == [0, 12, 24, -1]
    plain = zarr.open_group(here / "mocrop-work/caches/motion-32.zarr", mode="r")
    frames = np.asarray(plain["frames"][...])
    assert np.array_equal(frames, cache.open_frames().read().result())
    assert frames[:, :3].std() > 10
    assert not frames[:, 3].any()


def test_run_does_the_same_as_the_three_commands(dataset: Path, here: Path) -> None:
    options = ["--size", "32", "--frames", "4", "--workers", "0"]
    assert mocrop("run", dataset, "-w", here / "at-once", *options) == 0
    assert mocrop("transcode", dataset, "-w", here / "apart", "--workers", "0") == 0
    assert mocrop("extract-mv", "-w", here / "apart", "--workers", "0") == 0
    assert mocrop("precrop", "-w", here / "apart", *options) == 0
    assert stores(here / "at-once") == stores(here / "apart")


def test_workers_and_a_plain_loop_write_the_same_bytes(dataset: Path, here: Path) -> None:
    for workers in ("0", "2"):
        command = ["run", dataset, "-w", here / workers, "--size", "32", "--frames", "4", "--workers", workers]
        assert mocrop(*command) == 0
    assert stores(here / "0") == stores(here / "2")


def test_original_files_need_no_transcoding(dataset: Path, here: Path) -> None:
    command = ["run", dataset, "--source", "original", "--size", "32", "--frames", "4", "--workers", "0"]
    assert mocrop(*command) == 0
    assert not (here / "mocrop-work/h264").exists()
    cache = CropCache(here / "mocrop-work/caches/motion-32.zarr")
    assert cache.usable.all()
    assert cache.attributes["settings"]["source"] == "original"


def test_a_second_run_has_nothing_to_do(dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", dataset, "--size", "32", "--frames", "4", "--workers", "0", "--json"]
    assert mocrop(*command) == 0
    before = {path: path.stat().st_mtime_ns for path in (here / "mocrop-work").rglob("*.mp4")}
    precrop = json.loads(capsys.readouterr().out)["stages"][-1]
    assert precrop["plan"]["why"] == {"not done yet": precrop["plan"]["to_run"]}
    assert precrop["summary"]["notes"] == {"fewer-key-frames-than-slots": precrop["summary"]["done"]}
    assert mocrop(*command) == 0
    report = json.loads(capsys.readouterr().out)
    assert [stage["plan"]["to_run"] for stage in report["stages"]] == [0, 0, 0]
    assert before == {path: path.stat().st_mtime_ns for path in (here / "mocrop-work").rglob("*.mp4")}


def test_a_changed_clip_is_done_again_and_no_other(dataset: Path, here: Path, make_video: MakeVideo) -> None:
    command = ["run", "--size", "32", "--frames", "4", "--workers", "0"]
    assert mocrop(command[0], dataset, *command[1:]) == 0
    before = {path: path.stat().st_mtime_ns for path in (here / "mocrop-work/h264").rglob("*.mp4")}
    changed = make_video(dataset / "Archery/v_Archery_g02_c01.avi", frames=40)
    assert mocrop("init", dataset) == 0
    assert mocrop(*command) == 0
    after = {path: path.stat().st_mtime_ns for path in (here / "mocrop-work/h264").rglob("*.mp4")}
    assert {path.stem for path in before if before[path] != after[path]} == {changed.stem}
    cache = CropCache(here / "mocrop-work/caches/motion-32.zarr")
    assert cache.frame_index[1].tolist() == [0, 12, 24, 36]


def test_changed_settings_make_everything_after_them_stale(
    dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("run", dataset, "--size", "32", "--frames", "4", "--workers", "0") == 0
    assert mocrop("transcode", "--crf", "30", "--workers", "0") == 0
    capsys.readouterr()
    assert mocrop("status", "--json") == 0
    stages = {stage["stage"]: stage for stage in json.loads(capsys.readouterr().out)["stages"]}
    assert stages["transcode"]["done"] == 6
    assert stages["extract-mv"]["stale"] == 6
    assert stages["precrop:motion-32"]["stale"] == 6


def test_deinterlacing_is_a_setting_that_stays_until_it_is_taken_back(
    dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = here / "mocrop-work/mocrop.toml"
    for arguments, setting in ((["--deinterlace"], "true"), ([], "true"), (["--no-deinterlace"], "false")):
        capsys.readouterr()
        assert mocrop("transcode", dataset, *arguments, "--workers", "0", "--json") == 0
        assert f"deinterlace = {setting}" in kept.read_text()
        (stage,) = json.loads(capsys.readouterr().out)["stages"]
        assert stage["plan"]["to_run"] == (6 if arguments else 0)
    for argument, clips in (("--deinterlace", 6), ("--no-deinterlace", 0)):
        capsys.readouterr()
        assert mocrop("transcode", argument, "--dry-run") == 0
        assert capsys.readouterr().out.splitlines()[-1] == f"transcode: {clips} clips would run"


def test_dry_run_says_why_and_does_nothing(dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mocrop("init", dataset) == 0
    capsys.readouterr()
    assert mocrop("transcode", "--dry-run") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "transcode  Archery/v_Archery_g01_c01  not done yet"
    assert said[-1] == "transcode: 6 clips would run"
    assert not (here / "mocrop-work/h264").exists()


def test_a_dry_run_of_all_stages_takes_each_as_if_those_before_it_were_done(
    dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("init", dataset) == 0
    small = ["--size", "32", "--frames", "4"]
    capsys.readouterr()
    before = {**tree(here / "mocrop-work"), ".lock": ""}
    assert mocrop("run", dataset, *small, "--dry-run") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-3:] == ["transcode: 6 clips would run", "extract-mv: 6 clips would run", "precrop: 6 clips would run"]
    assert {**tree(here / "mocrop-work"), ".lock": ""} == before
    assert mocrop("run", *small, "--workers", "0") == 0
    for options, clips in ((small, 0), ([*small, "--key-interval", "6"], 6)):
        capsys.readouterr()
        assert mocrop("run", *options, "--dry-run") == 0
        said = capsys.readouterr().out.splitlines()
        assert said[-3:] == [f"{stage}: {clips} clips would run" for stage in ("transcode", "extract-mv", "precrop")]
    assert mocrop("run", *small, "--workers", "0", "--key-interval", "6", "--json") == 0
    stages = json.loads(capsys.readouterr().out)["stages"]
    assert [stage["plan"]["to_run"] for stage in stages] == [6, 6, 6]


def test_a_dry_run_looks_through_no_other_data_set(
    dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("run", dataset, "--dry-run") == 1
    assert not (here / "mocrop-work").exists()
    assert mocrop("init", dataset) == 0
    assert mocrop("transcode", dataset.parent, "--dry-run") == 1
    assert mocrop("run", dataset, "--group-by", "g01", "--dry-run") == 1
    assert capsys.readouterr().err.count("error: --dry-run plans for what is in the workspace") == 3
    assert mocrop("transcode", dataset, "--dry-run") == 0


@pytest.mark.parametrize("source", ["h264", "auto"])
def test_run_takes_the_options_of_files_that_it_transcodes(dataset: Path, here: Path, source: str) -> None:
    command = ["run", dataset, "--size", "32", "--frames", "4", "--workers", "0", "--source", source]
    assert mocrop(*command, "--crf", "40", "--key-interval", "6") == 0
    settings = tomllib.loads((here / "mocrop-work/mocrop.toml").read_text())["transcode"]
    assert (settings["crf"], settings["key_interval"]) == (40, 6)
    if source == "h264":
        numbers = CropCache(here / "mocrop-work/caches/motion-32.zarr").frame_index
        assert set(numbers[numbers >= 0].tolist()) & {6, 18}  # key frames that every 12 frames do not make


def test_options_of_transcoding_are_refused_where_nothing_is_transcoded(
    dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("run", dataset, "--source", "original", "--size", "32", "--crf", "40", "--workers", "0") == 1
    assert "--crf: with --source original nothing is transcoded; leave it out" in capsys.readouterr().err


def test_stages_in_the_wrong_order_name_the_right_one(
    dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("precrop", "--size", "32") == 1
    assert "mocrop init DATASET" in capsys.readouterr().err
    assert mocrop("init", dataset) == 0
    assert mocrop("extract-mv") == 1
    assert "run `mocrop transcode` first" in capsys.readouterr().err
    assert mocrop("precrop", "--size", "32") == 1
    assert "run `mocrop extract-mv` first" in capsys.readouterr().err
    assert not (here / "mocrop-work/caches").exists()


def test_other_settings_onto_a_name_are_refused_unless_overwritten(
    dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("run", dataset, "--size", "32", "--frames", "4", "--workers", "0") == 0
    before = stores(here / "mocrop-work")
    assert mocrop("precrop", "--size", "32", "--ratio", "0.5", "--frames", "3", "--workers", "0") == 1
    said = capsys.readouterr().err
    assert "frames: 4 there, 3 asked" in said
    assert "ratio: 0.75 there, 0.5 asked" in said
    assert "--overwrite" in said
    assert stores(here / "mocrop-work") == before
    assert mocrop("precrop", "--size", "32", "--ratio", "0.5", "--frames", "3", "--overwrite", "--workers", "0") == 0
    assert CropCache(here / "mocrop-work/caches/motion-32.zarr").frames_per_clip == 3


def test_a_compressed_cache_holds_the_same_frames_and_stays_compressed(
    dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = ["--size", "32", "--policy", "center", "--frames", "2", "--workers", "0"]
    assert mocrop("run", dataset, *plain) == 0
    assert mocrop("precrop", *plain, "--compression", "zstd", "--name", "small") == 0
    caches = [CropCache(here / f"mocrop-work/caches/{name}.zarr") for name in ("center-32", "small")]
    assert [cache.compressed for cache in caches] == [False, True]
    rows, slots = np.arange(6), np.tile(np.arange(2), (6, 1))
    one, other = (FrameReader(cache).read(rows, slots) for cache in caches)
    assert np.array_equal(one, other)
    assert mocrop("precrop", "--name", "small", "--workers", "0") == 0
    assert mocrop("precrop", "--name", "small", "--compression", "none", "--workers", "0") == 1
    assert "compression: zstd there, none asked" in capsys.readouterr().err


def test_an_existing_cache_keeps_its_settings_when_none_are_given(dataset: Path, here: Path) -> None:
    first = ["--size", "32", "--frames", "4", "--ratio", "0.5", "--name", "mine"]
    assert mocrop("run", dataset, *first, "--workers", "0") == 0
    before = stores(here / "mocrop-work")
    shutil.rmtree(here / "mocrop-work/caches/mine.zarr/frames/c")
    assert mocrop("precrop", "--name", "mine", "--workers", "0") == 0
    assert stores(here / "mocrop-work") == before


def test_constants_that_the_paper_leaves_open_are_options(
    dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """20 of the vectors are drawn; none is 99 pixels long; a centred box has no use for either."""
    plain = ["--size", "32", "--frames", "2", "--workers", "0"]
    assert mocrop("run", dataset, *plain, "--samples", "20", "--name", "few") == 0
    assert mocrop("precrop", *plain, "--eps-px", "99", "--name", "none") == 0
    few, none = (zarr.open_group(here / f"mocrop-work/caches/{name}.zarr", mode="r") for name in ("few", "none"))
    assert np.asarray(few["density"][...]).sum(axis=(1, 2)).tolist() == [20] * 6
    assert not np.asarray(none["density"][...]).any()
    assert (CropCache(here / "mocrop-work/caches/none.zarr").state == ClipState.WHOLE_FRAME).all()
    capsys.readouterr()
    assert mocrop("precrop", *plain, "--policy", "center", "--samples", "20") == 1
    assert "policy 'center' has no setting 'samples'" in capsys.readouterr().err


def test_motion_fields_are_the_same_from_workers_and_a_plain_loop(dataset: Path, here: Path) -> None:
    """The square moves 2 pixels to the right a frame; 64 pixels become 32, and a step is a sixteenth of a pixel."""
    for workers in ("0", "2"):
        fields = ["--policy", "full", "--motion-fields", "--field-side", "8", "--frames", "4"]
        assert mocrop("run", dataset, "-w", here / workers, "--size", "32", *fields, "--workers", workers) == 0
    assert stores(here / "0") == stores(here / "2")
    motion = np.asarray(zarr.open_group(here / "0/caches/full-32.zarr", mode="r")["motion"])
    assert (motion.shape, motion.dtype) == ((6, 4, 2, 8, 8), np.int8)
    assert 12 <= motion[0, 0, 0].max() <= 20
    assert not motion[:, 3].any()


def test_a_cache_with_motion_fields_keeps_them_and_one_without_must_be_overwritten(
    dataset: Path, here: Path, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--policy", "center", "--size", "32", "--frames", "4", "--workers", "0"]
    assert mocrop("run", dataset, *command) == 0
    path = here / "mocrop-work/caches/center-32.zarr"
    before = stores(here / "mocrop-work")
    assert mocrop("precrop", *command, "--motion-fields") == 1
    assert "motion_fields: none there, side 56 span 12 camera ignore asked" in capsys.readouterr().err
    assert stores(here / "mocrop-work") == before
    assert not CropCache(path).has_motion
    assert mocrop("precrop", *command, "--field-camera", "compensate", "--overwrite") == 0
    assert CropCache(path).attributes["settings"]["motion_fields"]["camera"] == "compensate"
    make_video(dataset / "Archery/a_first.avi", frames=30)
    assert mocrop("run", dataset, *command) == 0  # keeps them, and gives the new clip its row
    assert CropCache(path).item_shape("motion") == (2, 56, 56)
    assert np.asarray(zarr.open_group(path, mode="r")["motion"])[-1, 0].any()


def test_motion_fields_need_vectors_whatever_the_policy(
    dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("transcode", dataset, "--workers", "0") == 0
    assert mocrop("precrop", "--policy", "center", "--motion-fields", "--workers", "0") == 1
    assert "run `mocrop extract-mv` first" in capsys.readouterr().err
    assert mocrop("extract-mv", "--source", "original", "--workers", "0") == 0
    assert mocrop("precrop", "--policy", "center", "--size", "32", "--name", "c", "--workers", "0") == 0
    assert mocrop("extract-mv", "--source", "h264", "--workers", "0") == 0
    assert mocrop("precrop", "--name", "c", "--motion-fields", "--overwrite", "--workers", "0") == 1
    assert "run `mocrop extract-mv --source original` first" in capsys.readouterr().err


@pytest.mark.parametrize("policy", ["full", "center", "random"])
def test_policies_without_motion_need_no_vectors(dataset: Path, here: Path, policy: str) -> None:
    assert mocrop("init", dataset) == 0
    assert mocrop("transcode", "--workers", "0") == 0
    assert mocrop("precrop", "--policy", policy, "--size", "32", "--workers", "0") == 0
    assert CropCache(here / f"mocrop-work/caches/{policy}-32.zarr").usable.all()


def test_new_clips_get_rows_behind_the_old_ones(dataset: Path, here: Path, make_video: MakeVideo) -> None:
    command = ["--size", "32", "--frames", "4", "--workers", "0"]
    assert mocrop("run", dataset, *command) == 0
    old = CropCache(here / "mocrop-work/caches/motion-32.zarr").clip
    make_video(dataset / "Archery/a_first.avi", frames=30)
    (dataset / "Surfing/v_Surfing_g03_c01.avi").unlink()
    assert mocrop("run", dataset, *command) == 0
    new = CropCache(here / "mocrop-work/caches/motion-32.zarr")
    assert new.clip == [*old, "Archery/a_first"]
    assert new.state.tolist() == [1, 1, 1, 1, 1, 3, 1]


def spoiled(dataset: Path, make_video: MakeVideo) -> dict[str, str]:
    """Put broken clips among good ones; returns the reason expected for each."""
    bad = dataset / "Bad"
    bad.mkdir()
    (bad / "empty.avi").touch()
    (bad / "text.avi").write_text("no video at all\n" * 99)
    whole = make_video(bad / "cut.avi", frames=60).read_bytes()
    (bad / "cut.avi").write_bytes(whole[: len(whole) // 2])
    make_video(bad / 'it\'s a "good" -one ü.avi', frames=30)
    return {"Bad/empty": "empty-file", "Bad/text": "not-a-video", "Bad/cut": "truncated"}


@pytest.mark.parametrize("source", ["h264", "original"])
def test_broken_clips_are_said_and_the_others_go_on(
    dataset: Path, here: Path, make_video: MakeVideo, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    expected = spoiled(dataset, make_video)
    command = ["run", dataset, "--source", source, "--size", "32", "--frames", "4", "--workers", "0"]
    assert mocrop(*command) == 3
    said = capsys.readouterr().out
    assert all(reason in said for reason in expected.values())
    assert "mocrop retry" in said
    assert mocrop("status", "--json") == 0
    first = json.loads(capsys.readouterr().out)["stages"][0]
    assert {failure["clip"]: failure["reasons"][0] for failure in first["failures"]} == expected
    cache = CropCache(here / "mocrop-work/caches/motion-32.zarr")
    failed = {name for name, state in zip(cache.clip, cache.state, strict=True) if state == ClipState.FAILED}
    assert failed == set(expected)
    assert cache.usable.sum() == 7


def test_notes_are_shown_by_reason_and_by_clip(
    dataset: Path, here: Path, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    make_video(dataset / "Surfing/[odd].avi", frames=30, size=(65, 48), codec="ffv1")
    assert mocrop("run", dataset, "--size", "32", "--frames", "3", "--workers", "0") == 0
    capsys.readouterr()
    assert mocrop("status") == 0
    assert "odd-size-made-even" not in capsys.readouterr().out
    assert mocrop("status", "--notes") == 0
    said = capsys.readouterr().out.splitlines()
    place = said.index("  noted      1  odd-size-made-even")
    assert said[place - 1] == "transcode:"
    assert said[place + 1] == "    Surfing/[odd]: odd-size-made-even (65x48 cut to 64x48)"
    assert mocrop("status", "--json") == 0
    (first, *_) = json.loads(capsys.readouterr().out)["stages"]
    assert (first["notes"], first["noted"]) == ({}, [])
    assert mocrop("status", "--notes", "--json") == 0
    (first, *_) = json.loads(capsys.readouterr().out)["stages"]
    assert first["notes"] == {"odd-size-made-even": 1}
    (noted,) = first["noted"]
    assert noted == {"clip": "Surfing/[odd]", "reasons": ["odd-size-made-even"], "message": "65x48 cut to 64x48"}


def test_retry_does_the_mended_clip_only(
    dataset: Path, here: Path, make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled(dataset, make_video)
    command = ["run", dataset, "--size", "32", "--frames", "4", "--workers", "0"]
    assert mocrop(*command) == 3
    assert mocrop(*command) == 3  # nothing has changed, nothing is tried again
    for name in ("empty", "text", "cut"):
        mended = dataset / f"Bad/{name}.avi"
        stat = mended.stat()
        make_video(mended, frames=30)
        os.utime(mended, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert mocrop("retry", "--workers", "0") == 0
    assert CropCache(here / "mocrop-work/caches/motion-32.zarr").usable.all()


def test_a_full_disk_is_one_line_and_the_next_run_goes_on(
    dataset: Path, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replace, left = os.replace, [9]

    def full_soon(*paths: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(*paths)  # type: ignore[arg-type]

    command = ["run", dataset, "--size", "32", "--frames", "4", "--workers", "0"]
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full_soon)
        assert mocrop(*command) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("error: no space is left on the disk")
    assert len(said.splitlines()) == 1
    assert mocrop(*command) == 0
    assert mocrop("run", dataset, "-w", here / "undisturbed", *command[2:]) == 0
    assert stores(here / "mocrop-work") == stores(here / "undisturbed")


def killed_at(command: list[str], landmark: Path) -> bool:
    """Start a command and kill it, and all that it has started, once a file is there; False if it ended before."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and not landmark.exists():
        time.sleep(0.002)
    running = process.poll() is None
    if running:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return running


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_killed_run_resumes_to_the_same_bytes(dataset: Path, here: Path, make_video: MakeVideo, workers: str) -> None:
    for n in range(60):
        make_video(dataset / f"Archery/v_Archery_g04_c{n:02d}.avi", frames=20)
    options = ["--size", "32", "--frames", "4", "--workers", workers]
    command = [*MOCROP, "run", str(dataset), "-w", str(here / "killed"), *options]
    landmarks = ("h264/Archery/v_Archery_g04_c09.mp4", "motion.zarr", "caches/motion-32.zarr")
    kills = sum(killed_at(command, here / "killed" / landmark) for landmark in landmarks)
    assert kills  # a landmark seen too late, on a busy machine, costs one kill
    assert mocrop("run", dataset, "-w", here / "killed", *options) == 0
    assert mocrop("run", dataset, "-w", here / "undisturbed", *options[:-1], "0") == 0
    assert stores(here / "killed") == stores(here / "undisturbed")


def test_usage_errors_end_with_two(here: Path) -> None:
    assert mocrop("precrop", "--size", "nought") == 2
    assert mocrop("no-such-command") == 2


@pytest.mark.real
def test_real_clips_run_through_every_stage(real_clips: Path, here: Path) -> None:
    clips = sorted((real_clips / "videos").glob("*/*_g0[12]_c01.avi"))
    for clip in clips:
        link = here / "some" / clip.parent.name / clip.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(clip)
    lists = real_clips / "ucfTrainTestlist"
    assert mocrop("run", here / "some", "--splits", lists, "--size", "192", "--workers", "2") == 0
    cache = CropCache(here / "mocrop-work/caches/motion-192.zarr")
    assert len(cache) == len(clips) == 12
    assert (cache.state == ClipState.CROPPED).all()
    assert len(cache.class_names) == 101
    assert cache.subset.shape == (12, 3)
    areas = (cache.box[:, 2] - cache.box[:, 0]) * (cache.box[:, 3] - cache.box[:, 1])
    assert areas.min() >= 0.675
    assert areas.max() <= 0.825


@pytest.mark.smoke
@needs_torch
def test_the_five_commands_work_one_after_the_other(
    dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["transcode", dataset], ["extract-mv"], ["precrop", "--size", "32", "--frames", "4"]):
        assert mocrop(*command, "--workers", "0") == 0
    small = ["--arch", "timm/test_resnet.r160_in1k", "--weights", "none", "--epochs", "1", "--validation-share", "0"]
    assert mocrop("train", *small) == 0
    capsys.readouterr()
    assert mocrop("eval", "--segments", "4", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["top1"]["total"] == 2
    assert (result["cache"]["name"], result["trained_on"]["name"]) == ("motion-32", "motion-32")
    assert (result["cache"]["policy"], result["trained_on"]["policy"]) == ("motion", "motion")
    (report,) = (here / "mocrop-work/reports").glob("*.json")
    assert json.loads(report.read_text())["top1"] == result["top1"]
    assert report.with_suffix(".npz").exists()
    run = "timm-test_resnet.r160_in1k-motion-32"
    assert mocrop("eval", "--segments", "4", "--fuse", run, "--fuse-weight", "0.25", "--json") == 0
    fusion = json.loads(capsys.readouterr().out)["fusion"]
    assert (fusion["weight"], fusion["fused"]["top1"]) == (0.25, result["top1"])  # with itself
    assert mocrop("eval", "--split", "all") == 1
    assert f"none like {run} was trained on split 2, 3" in capsys.readouterr().err
    assert mocrop("status", "--json") == 0
    assert json.loads(capsys.readouterr().out)["next_command"] == "mocrop eval"


@needs_torch
def test_a_frozen_backbone_refuses_augmentation_that_is_asked_for(
    dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("run", dataset, "--size", "32", "--frames", "4", "--policy", "full", "--workers", "0") == 0
    frozen = ["train", "--arch", "timm/test_resnet", "--weights", "none", "--epochs", "1", "--freeze-backbone"]
    assert mocrop(*frozen, "--augment") == 1
    assert "its pixels must stay the same" in capsys.readouterr().err
    assert mocrop(*frozen) == 0
    assert "features: " in capsys.readouterr().out
    assert mocrop("eval", "--segments", "2") == 0


@needs_torch
def test_frames_and_motion_of_one_cache_are_trained_on_and_evaluated_apart(
    dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = ["--size", "32", "--frames", "4", "--motion-fields", "--field-side", "32", "--workers", "0"]
    assert mocrop("run", dataset, *cache) == 0
    small = ["--arch", "timm/test_resnet.r160_in1k", "--weights", "none", "--epochs", "1", "--validation-share", "0"]
    assert mocrop("train", *small) == 0
    assert mocrop("train", *small, "--input", "motion") == 0
    names = ["timm-test_resnet.r160_in1k-motion-32", "timm-test_resnet.r160_in1k-motion-32-fields"]
    capsys.readouterr()
    for name in names:
        assert mocrop("eval", "--run", name, "--segments", "4", "--json") == 0
        assert json.loads(capsys.readouterr().out)["top1"]["total"] == 2
    inputs = [json.loads((here / f"mocrop-work/runs/{name}/config.json").read_text())["settings"] for name in names]
    assert [settings["input"] for settings in inputs] == ["frames", "motion"]


@needs_torch
def test_ablate_makes_the_caches_it_lacks_and_goes_on_where_it_ended(
    dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("transcode", dataset, "--workers", "0") == 0
    command = ["ablate", "--policies", "full,center", "--sizes", "32"]
    command += ["--arch", "timm/test_resnet", "--weights", "none", "--freeze-backbone", "--epochs", "1"]
    command += ["--slots", "2", "--frames", "2", "--workers", "0"]
    assert mocrop(*command) == 0
    shown = capsys.readouterr()
    assert "Does a plain centre crop beat the whole frame? No difference shown. trained" in shown.out
    assert "**" not in shown.out
    first = [line.split("  ")[0] for line in shown.out.splitlines()]
    assert first[first.index("crop") :][1:5] == ["full", "center 0.75", "GFLOPs a clip", "against the most"]
    assert "cell 2/2: center-0.75-32-split1-seed0" in shown.err
    report = here / "mocrop-work/reports/ablation/report.md"
    assert "center 0.75" in report.read_text()
    assert CropCache(here / "mocrop-work/caches/center-0.75-32.zarr").usable.all()
    report.unlink()
    assert mocrop(*command, "--json") == 0
    again = capsys.readouterr()
    assert "cell 2/2: center-0.75-32-split1-seed0, done before" in again.err
    assert len(json.loads(again.out)["full_data"]) == 1
    assert report.exists()


@needs_torch
def test_train_and_eval_ask_when_the_choice_is_not_clear(
    dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("train") == 1
    assert "mocrop init DATASET" in capsys.readouterr().err
    assert mocrop("init", dataset) == 0
    assert mocrop("train") == 1
    assert "no crop cache yet" in capsys.readouterr().err
    assert mocrop("eval") == 1
    assert "no trained run yet" in capsys.readouterr().err
    assert mocrop("transcode", "--workers", "0") == 0
    for policy in ("full", "center"):
        assert mocrop("precrop", "--policy", policy, "--size", "32", "--workers", "0") == 0
    assert mocrop("train", "--weights", "none") == 1
    assert "name one with --cache: center-32, full-32" in capsys.readouterr().err


@pytest.mark.parametrize("policy", ["motion-v2", "adaptive"])
@pytest.mark.parametrize("camera", ["compensate", "ignore"])
def test_any_motion_policy_takes_the_camera_out_or_leaves_it(
    dataset: Path, here: Path, policy: str, camera: str
) -> None:
    options = ["--source", "original", "--policy", policy, "--camera", camera, "--size", "32", "--workers", "0"]
    assert mocrop("run", dataset, *options) == 0
    cache = CropCache(here / f"mocrop-work/caches/{policy}-32.zarr")
    assert cache.attributes["settings"]["policy_settings"]["camera"] == camera
    assert cache.usable.all()


def test_coverage_of_annotated_clips_is_printed_and_kept(
    dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tube = {"start": 0, "stop": 32, "boxes": [[2 * n, 16, 16, 16] for n in range(32)]}  # the clips have 30 frames
    names = [str(clip.relative_to(dataset).with_suffix("")) for clip in sorted(dataset.rglob("*.avi"))]
    beyond = {"start": 900, "stop": 901, "boxes": [[0, 0, 16, 16]]}
    tubes = {**{name: [tube] for name in names[:3]}, names[3]: [beyond], names[4]: []}
    (here / "boxes.json").write_text(json.dumps(tubes))
    assert mocrop("init", dataset) == 0
    assert mocrop("extract-mv", "--source", "original", "--workers", "0") == 0
    capsys.readouterr()
    assert mocrop("coverage", "--boxes", here / "boxes.json", "--policy", "motion", "--ratio", "0.5") == 0
    said = capsys.readouterr().out
    assert "mean over 3 clips of 3 groups" in said
    assert f"2 clips without boxes in the box file: left out ({names[4]}, ...)" in said
    assert f"1 clip whose boxes all lie after the last frame: left out ({names[3]})" in said
    report = (here / "mocrop-work/reports/coverage.md").read_text()
    assert "3 clips of 3 groups at slots, 3 clips of 3 groups at all frames." in report
    assert {path.name for path in (here / "mocrop-work/reports").iterdir()} == {
        "coverage.json",
        "coverage.md",
        "coverage.png",
    }


def test_an_interrupted_command_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mocrop.pipeline.commands.status.workspace_status", interrupted)
    assert mocrop("status", "-w", tmp_path) == 130
    assert capsys.readouterr().err == "stopped; the same command goes on where this one ended\n"


def test_a_process_beside_one_that_has_spoken_ends_in_silence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def silent(*arguments: object, **options: object) -> None:
        raise SilentExit(130)

    monkeypatch.setattr("mocrop.pipeline.commands.status.workspace_status", silent)
    assert mocrop("status", "-w", tmp_path) == 130
    assert capsys.readouterr().err == ""
