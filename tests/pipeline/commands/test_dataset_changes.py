"""A data set that changes under a workspace: what each command notices, does and leaves alone."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.motion.store import MotionReader
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace
from tests.conftest import MakeVideo, mocrop

CLIPS = ("A/a", "A/b", "B/c")
CACHE = ("--size", "16", "--policy", "motion", "--workers", "0")
LOOP = RunOptions(workers=0)


@pytest.fixture
def dataset(make_video: MakeVideo, tmp_path: Path) -> Path:
    for clip in CLIPS:
        make_video(tmp_path / f"data/{clip}.avi", frames=14)
    return tmp_path / "data"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("MOCROP_WORKSPACE", str(tmp_path / "work"))
    return Workspace(tmp_path / "work")


def replace(dataset: Path, make_video: MakeVideo, clip: str = "A/a") -> None:
    make_video(dataset / f"{clip}.avi", frames=20, size=(80, 48))


def to_redo(capsys: pytest.CaptureFixture[str]) -> dict[str, tuple[int, int, int]]:
    """Done, to do and stale clips of each stage, as `mocrop status` says."""
    capsys.readouterr()
    assert mocrop("status", "--json") == 0
    status = json.loads(capsys.readouterr().out)
    return {each["stage"]: (each["done"], each["to_do"], each["stale"]) for each in status["stages"]}


def frames_of(workspace: Workspace, clip: str) -> tuple[list[int], bytes]:
    """Frame numbers and pixels of a clip in the only cache."""
    cache = CropCache(workspace.choose_cache(None))
    row = cache.clip.index(clip)
    count = int(cache.frame_counts[row])
    pixels = np.asarray(cache.open_frames()[row, :count].read().result())
    return cache.frame_index[row, :count].tolist(), pixels.tobytes()


@pytest.mark.parametrize("source", ["h264", "original"])
def test_a_replaced_file_is_noticed_by_every_command_and_redone_in_every_stage(
    source: str,
    dataset: Path,
    workspace: Workspace,
    make_video: MakeVideo,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert mocrop("run", dataset, "--source", source, *CACHE) == 0
    stages = ["transcode", "extract-mv", "precrop:motion-16"][source == "original" :]
    assert to_redo(capsys) == dict.fromkeys(stages, (3, 0, 0))
    replace(dataset, make_video)
    said = "the data set: 1 file was replaced: A/a.avi"
    before = workspace.manifest_file.read_bytes()

    assert to_redo(capsys) == dict.fromkeys(stages, (2, 0, 1))
    assert mocrop("status") == 0
    assert said in capsys.readouterr().out
    assert mocrop("verify") == 0
    assert said in capsys.readouterr().out
    first = stages[0].partition(":")[0]
    assert mocrop(first, "--dry-run") == 0
    out = capsys.readouterr().out
    assert said in out
    assert f"{first}  A/a  its file has changed" in out
    assert workspace.manifest_file.read_bytes() == before

    assert mocrop("run", *CACHE) == 0
    assert said in capsys.readouterr().out
    assert to_redo(capsys) == dict.fromkeys(stages, (3, 0, 0))
    again = MotionReader(workspace.motion).read(0)
    assert again is not None
    assert again.width == 80
    made = frames_of(workspace, "A/a")
    fresh = Workspace(tmp_path / "fresh")
    preprocess.run_all(fresh, dataset, source=source, size=16, policy="motion", run=LOOP)  # type: ignore[arg-type]
    assert made == frames_of(fresh, "A/a")
    if source == "h264":
        assert workspace.h264_file("A/a").read_bytes() == fresh.h264_file("A/a").read_bytes()


def test_a_file_that_is_gone_leaves_the_cache_and_comes_back_to_it(
    dataset: Path, workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("run", dataset, *CACHE) == 0
    before = frames_of(workspace, "A/b")
    (dataset / "A/b.avi").rename(tmp_path / "b.avi")
    capsys.readouterr()
    assert mocrop("transcode", "--dry-run") == 0
    assert "transcode  A/b  its file is gone" in capsys.readouterr().out
    assert mocrop("run", *CACHE) == 0
    assert "the data set: 1 file is gone: A/b.avi" in capsys.readouterr().out
    cache = CropCache(workspace.choose_cache(None))
    assert not cache.usable[1]
    assert not cache.subset[1].any()
    assert mocrop("verify") == 0
    (tmp_path / "b.avi").rename(dataset / "A/b.avi")
    assert to_redo(capsys) == {"transcode": (2, 1, 0), "extract-mv": (2, 1, 0), "precrop:motion-16": (2, 1, 0)}
    assert mocrop("run", *CACHE) == 0
    assert "the data set: 1 file is back: A/b.avi" in capsys.readouterr().out
    assert frames_of(workspace, "A/b") == before


def test_new_files_are_said_with_the_command_that_takes_them_in(
    dataset: Path, workspace: Workspace, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("run", dataset, *CACHE) == 0
    make_video(dataset / "A/new.avi", frames=2)
    for command in (["status"], ["verify"], ["transcode", "--dry-run"], ["transcode", "--workers", "0"]):
        capsys.readouterr()
        assert mocrop(*command) == 0
        assert "1 file is new; `mocrop init DATASET` takes it in: A/new.avi" in capsys.readouterr().out
        assert not workspace.h264_file("A/new").exists()
    assert mocrop("transcode", dataset, "--workers", "0") == 0
    assert workspace.h264_file("A/new").exists()


def test_stages_that_read_h264_go_on_without_the_data_set(
    dataset: Path, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("transcode", dataset, "--workers", "0") == 0
    dataset.rename(dataset.with_name("unmounted"))
    dataset.mkdir()
    capsys.readouterr()
    assert mocrop("extract-mv", "--workers", "0") == 0
    assert mocrop("precrop", *CACHE) == 0
    assert "data set" not in capsys.readouterr().out
    assert mocrop("run", "--size", "24", *CACHE[2:]) == 0  # nothing to transcode
    assert "has none of the 3 clips of this workspace; mount its disk" in capsys.readouterr().out
    assert mocrop("status") == 0
    assert "has none of the 3 clips of this workspace; mount its disk" in capsys.readouterr().out
    with Manifest(workspace.manifest_file) as manifest:
        assert manifest.present_count() == 3


@pytest.mark.parametrize(
    "command",
    [
        ["transcode", "--crf", "30", "--workers", "0"],
        ["extract-mv", "--source", "original", "--workers", "0"],
        ["run", *CACHE, "--source", "original"],
    ],
    ids=lambda command: str(command[0]),
)
def test_a_stage_that_needs_files_of_a_data_set_that_is_not_there_is_an_error_and_writes_nothing(
    command: list[str], dataset: Path, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("transcode", dataset, "--workers", "0") == 0
    dataset.rename(dataset.with_name("unmounted"))
    before = [file.read_bytes() for file in (workspace.manifest_file, workspace.settings_file)]
    assert mocrop(*command) == 1
    assert f"error: {dataset} is not there; mount its disk" in capsys.readouterr().err
    assert [file.read_bytes() for file in (workspace.manifest_file, workspace.settings_file)] == before
    dataset.with_name("unmounted").rename(dataset)
    assert mocrop(*command) == 0


def test_overwriting_a_cache_from_originals_that_are_not_there_leaves_the_cache(
    dataset: Path, workspace: Workspace
) -> None:
    assert mocrop("run", dataset, "--source", "original", *CACHE) == 0
    before = frames_of(workspace, "A/a")
    dataset.rename(dataset.with_name("unmounted"))
    assert mocrop("precrop", *CACHE, "--overwrite") == 1
    assert frames_of(workspace, "A/a") == before
    assert mocrop("precrop", *CACHE) == 0


def test_retry_finds_a_file_that_has_been_mended(
    dataset: Path, workspace: Workspace, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    (dataset / "A/a.avi").write_bytes(b"")
    assert mocrop("transcode", dataset, "--workers", "0") == 3
    replace(dataset, make_video)
    capsys.readouterr()
    assert mocrop("retry", "--workers", "0") == 0
    assert "1 file was replaced" in capsys.readouterr().out
    assert to_redo(capsys)["transcode"] == (3, 0, 0)


def test_retry_without_the_data_set_leaves_the_failures_as_they_are(dataset: Path, workspace: Workspace) -> None:
    (dataset / "A/a.avi").write_bytes(b"")
    assert mocrop("transcode", dataset, "--workers", "0") == 3
    dataset.rename(dataset.with_name("unmounted"))
    assert mocrop("retry", "--workers", "0") == 1
    with Manifest(workspace.manifest_file) as manifest:
        assert [name for name, _, _ in manifest.failures("transcode")] == ["A/a"]
    dataset.with_name("unmounted").rename(dataset)
    assert mocrop("retry", "--workers", "0") == 3


def test_retry_gives_clips_that_init_has_found_their_rows_in_the_cache(
    dataset: Path, workspace: Workspace, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    """Clips behind the last row of the cache, more of them than its only shard has rows for."""
    (dataset / "A/broken.avi").write_bytes(b"RIFFxxxxAVI broken")
    assert mocrop("run", dataset, *CACHE) == 3
    cache = workspace.choose_cache(None)
    per_shard = CropCache(cache).clips_per_shard
    known = [frames_of(workspace, clip) for clip in CLIPS]
    new = [f"C/{n:03}" for n in range(per_shard + 1)]
    make_video(dataset / f"{new[0]}.avi", frames=14)
    for clip in new[1:]:
        shutil.copyfile(dataset / f"{new[0]}.avi", dataset / f"{clip}.avi")
    assert mocrop("init", dataset) == 0
    assert mocrop("retry", "--workers", "0") == 3  # the broken clip is still broken
    clips = len(CLIPS) + len(new)
    assert to_redo(capsys) == dict.fromkeys(("transcode", "extract-mv", "precrop:motion-16"), (clips, 0, 0))
    assert len(CropCache(cache)) == clips + 1
    assert [frames_of(workspace, clip) for clip in CLIPS] == known
    assert frames_of(workspace, new[-1])[0]
    assert mocrop("verify") == 0


def test_a_dry_run_of_a_stage_that_reads_h264_says_the_change_and_plans_as_the_stage_would(
    dataset: Path, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("run", dataset, *CACHE) == 0
    (dataset / "A/a.avi").unlink()
    capsys.readouterr()
    assert mocrop("extract-mv", "--dry-run") == 0
    out = capsys.readouterr().out
    assert "1 file is gone" in out
    assert "extract-mv: 0 clips would run" in out
    assert mocrop("extract-mv", "--workers", "0") == 0
    assert "0 clips done, 3 done before" in capsys.readouterr().out


def test_json_says_what_has_changed(
    dataset: Path, workspace: Workspace, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("transcode", dataset, "--workers", "0", "--json") == 0
    assert json.loads(capsys.readouterr().out)["changes"] is None  # it has scanned the data set instead
    replace(dataset, make_video)
    for command in (["status"], ["verify"], ["transcode", "--workers", "0"]):
        assert mocrop(*command, "--json") == 0
        changes = json.loads(capsys.readouterr().out)["changes"]
        assert changes == {
            "dataset": str(dataset),
            "files": {"replaced": 1},
            "examples": {"replaced": ["A/a.avi"]},
            "unavailable": "",
        }


def test_a_file_replaced_by_one_of_the_same_size_and_time_cannot_be_noticed(
    dataset: Path, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("transcode", dataset, "--workers", "0") == 0
    file = dataset / "A/a.avi"
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    file.write_bytes(bytes(file.stat().st_size))
    os.utime(file, ns=times)
    assert to_redo(capsys)["transcode"] == (3, 0, 0)


@pytest.mark.parametrize("command", [["init"], ["transcode", "--workers", "0"], ["run", *CACHE]], ids=lambda c: c[0])
def test_another_data_set_needs_replace_dataset(
    command: list[str],
    dataset: Path,
    workspace: Workspace,
    make_video: MakeVideo,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert mocrop("init", dataset) == 0
    make_video(tmp_path / "other/C/d.avi", frames=14)
    assert mocrop(command[0], tmp_path / "other", *command[1:]) == 1
    assert f"is that of {dataset}, and {tmp_path}/other is another data set" in capsys.readouterr().err
    assert mocrop(command[0], tmp_path / "other", *command[1:], "--replace-dataset") == 0
    with Manifest(workspace.manifest_file) as manifest:
        assert manifest.present_count() == 1


def test_the_functions_take_replace_dataset_too(
    dataset: Path, workspace: Workspace, make_video: MakeVideo, tmp_path: Path
) -> None:
    other = make_video(tmp_path / "other/C/d.avi", frames=14).parent.parent
    preprocess.init(workspace, dataset)
    for given, keep in ((other, dataset), (dataset, other)):
        with pytest.raises(SettingsError, match="--replace-dataset"):
            preprocess.init(workspace, given)
        with pytest.raises(SettingsError, match="--replace-dataset"):
            preprocess.transcode(workspace, given, run=LOOP)
        with pytest.raises(SettingsError, match="--replace-dataset"):
            preprocess.run_all(workspace, given, run=LOOP)
        assert keep != given
        preprocess.init(workspace, given, replace_dataset=True)
    assert preprocess.transcode(workspace, other, replace_dataset=True, run=LOOP).stages[0].summary.done == 1
    report = preprocess.run_all(workspace, dataset, replace_dataset=True, run=LOOP, size=16, policy="center")
    assert [stage.summary.done for stage in report.stages] == [3, 3, 3]


def test_a_data_set_on_another_mount_point_is_taken_up_by_naming_it(dataset: Path, workspace: Workspace) -> None:
    assert mocrop("transcode", dataset, "--workers", "0") == 0
    moved = dataset.with_name("moved")
    shutil.move(dataset, moved)
    report = preprocess.transcode(workspace, moved, run=LOOP)
    assert (report.stages[0].plan.to_run, report.stages[0].plan.done) == (0, 3)
