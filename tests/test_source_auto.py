"""Source auto as a user gives it: which file each clip is read from, through every change of mind; source original."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mocrop.evaluation.pictures.clip_boxes import ShowSettings
from mocrop.evaluation.pictures.clip_view import view_clip
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.motion.store import MotionReader
from mocrop.pipeline.stages import extract_mv as extract_module
from mocrop.pipeline.workspace.paths import Workspace
from tests.conftest import mocrop
from tests.test_commands import stores, tree

MakeVideo = Callable[..., Path]
SMALL = ("--size", "32", "--frames", "4", "--workers", "0")
AUTO = ("--source", "auto", *SMALL)
OWN, SHORT = ["A/a_serves", "A/d_serves"], ["A/b_one_key_frame", "A/c_no_vectors"]


@pytest.fixture
def dataset(tmp_path: Path, make_video: MakeVideo) -> Path:
    """Two clips with key frames 0, 12, 24, 36; one with key frame 0 alone; one whose codec has no vectors."""
    make_video(tmp_path / "data/A/a_serves.avi", frames=48)
    make_video(tmp_path / "data/A/b_one_key_frame.avi", frames=48, key_interval=48)
    make_video(tmp_path / "data/A/c_no_vectors.avi", frames=48, codec="ffv1")
    make_video(tmp_path / "data/A/d_serves.avi", frames=40)
    return tmp_path / "data"


Json = Callable[..., Any]


@pytest.fixture
def as_json(capsys: pytest.CaptureFixture[str]) -> Json:
    """Run a command with --json, check its exit code and return what it prints."""

    def run(*arguments: str | Path, code: int = 0) -> Any:
        capsys.readouterr()
        assert mocrop(*arguments, "--json") == code
        return json.loads(capsys.readouterr().out)

    return run


def transcoded(work: Path) -> list[str]:
    return sorted(path.relative_to(work / "h264").with_suffix("").as_posix() for path in (work / "h264").rglob("*.mp4"))


def rows_of(work: Path, cache: str = "motion-32") -> list[tuple[Any, ...]]:
    """What motion.zarr and a cache hold of each clip, as values that can be compared."""
    opened, motion = CropCache(work / f"caches/{cache}.zarr"), MotionReader(work / "motion.zarr")
    frames = np.asarray(opened.open_frames().read().result())
    rows = []
    for position in range(len(opened)):
        vectors = motion.read(position)
        assert vectors is not None
        of_motion = (vectors.dx.tobytes(), vectors.x.tobytes(), vectors.frame_type.tolist())
        of_cache = (frames[position].tobytes(), opened.frame_index[position].tolist(), opened.box[position].tolist())
        rows.append((of_motion, of_cache, int(opened.state[position])))
    return rows


def runs(report: Any) -> dict[str, int]:
    return {stage["stage"]: stage["plan"]["to_run"] for stage in report["stages"]}


def test_each_clip_is_read_from_its_own_file_or_from_the_transcoded_one_and_never_from_both(
    dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("run", dataset, "-w", "auto", *AUTO) == 0
    said = capsys.readouterr().out
    assert "  2 clips as they are, 2 transcoded\n" in said
    assert "own-file" not in said  # once is enough; `status --notes` has it clip by clip
    assert transcoded(here / "auto") == SHORT
    (dataset / "A/c_no_vectors.avi").rename(here / "c_no_vectors.avi")
    assert mocrop("run", dataset, "-w", "own", "--source", "original", *SMALL) == 0
    (here / "c_no_vectors.avi").rename(dataset / "A/c_no_vectors.avi")
    assert mocrop("run", dataset, "-w", "h264", *SMALL) == 0
    auto, own, h264 = (rows_of(here / work) for work in ("auto", "own", "h264"))
    assert auto[0] == own[0] != h264[0]
    assert auto[1] == h264[1] != own[1]
    assert auto[2] == h264[2]
    assert auto[3] == own[2] != h264[3]
    assert [row[1][1] for row in auto] == [row[1][1] for row in h264]  # the same frames, and as many


def test_without_auto_every_clip_is_transcoded(dataset: Path, here: Path, as_json: Json) -> None:
    report = as_json("run", dataset, *SMALL)
    assert transcoded(here / "mocrop-work") == sorted(OWN + SHORT)
    assert [stage["files"] for stage in report["stages"]] == [None] * 3


def test_three_commands_workers_and_a_second_run_do_the_same(dataset: Path, here: Path, as_json: Json) -> None:
    first = as_json("run", dataset, "-w", here / "at-once", *AUTO)
    assert runs(first) == {"transcode": 4, "extract-mv": 4, "precrop:motion-32": 4}
    assert [stage["files"] for stage in first["stages"]] == [{"as_they_are": 2, "transcoded": 2}, None, None]
    before = stores(here / "at-once")
    again = as_json("run", dataset, "-w", here / "at-once", *AUTO)
    assert runs(again) == {"transcode": 0, "extract-mv": 0, "precrop:motion-32": 0}
    assert again["stages"][0]["files"] == {"as_they_are": 2, "transcoded": 2}
    assert mocrop("init", dataset, "-w", "apart") == 0
    assert mocrop("extract-mv", "-w", "apart", "--source", "auto", "--key-frames", "4", "--workers", "0") == 0
    assert mocrop("precrop", "-w", "apart", *SMALL) == 0
    assert mocrop("run", dataset, "-w", "workers", *AUTO[:-1], "2") == 0
    assert stores(here / "apart") == stores(here / "workers") == stores(here / "at-once") == before


def test_a_change_of_mind_gives_what_a_new_workspace_would(
    dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("run", dataset, "-w", "h264", *SMALL) == 0
    assert mocrop("run", dataset, "-w", "auto", *AUTO) == 0
    work = here / "work"
    assert mocrop("run", dataset, "-w", work, *SMALL) == 0
    before = stores(work)
    assert mocrop("run", "-w", work, *AUTO) == 1  # before anything is done
    assert "source: h264 there, auto asked" in capsys.readouterr().err
    assert stores(work) == before
    for source, same in (("auto", "auto"), ("h264", "h264"), ("auto", "auto")):
        assert mocrop("run", "-w", work, "--source", source, *SMALL, "--overwrite") == 0
        assert stores(work) == stores(here / same)


def test_transcode_transcodes_every_clip_and_what_comes_after_takes_those(
    dataset: Path, here: Path, as_json: Json, capsys: pytest.CaptureFixture[str]
) -> None:
    work = here / "mocrop-work"
    assert mocrop("run", dataset, *AUTO) == 0
    assert mocrop("extract-mv", "--source", "h264", "--workers", "0") == 1
    assert "run `mocrop transcode` first" in capsys.readouterr().err
    assert mocrop("transcode", "--workers", "0") == 0
    assert transcoded(work) == sorted(OWN + SHORT)
    assert runs(as_json("extract-mv", "--workers", "0")) == {"extract-mv": 4}
    assert mocrop("precrop", "--name", "motion-32", "--workers", "0") == 1  # its frames are of other files
    assert "run `mocrop extract-mv --source auto --key-frames 4` first" in capsys.readouterr().err
    assert mocrop("precrop", *SMALL, "--name", "new", "--workers", "0") == 0
    assert CropCache(work / "caches/new.zarr").attributes["settings"]["source"] == "h264"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_file_that_lies_in_h264_by_chance_is_not_read(
    when: str, dataset: Path, here: Path, make_video: MakeVideo
) -> None:
    work = here / "mocrop-work"
    assert mocrop("init", dataset) == 0
    stray = work / f"h264/{OWN[0]}.mp4"
    if when == "before":
        make_video(stray, frames=13, codec="libx264")
    assert mocrop("extract-mv", "--source", "auto", "--key-frames", "4", "--workers", "0") == 0
    if when == "after":
        make_video(stray, frames=13, codec="libx264")
        shutil.rmtree(work / "motion.zarr")
        assert mocrop("extract-mv", "--workers", "0") == 0
    motion = MotionReader(work / "motion.zarr").read(0)
    assert motion is not None
    assert motion.frames == 48
    assert mocrop("precrop", *SMALL) == 0
    assert CropCache(work / "caches/motion-32.zarr").frame_index[0].tolist() == [0, 12, 24, 36]


def test_more_slots_than_the_files_were_chosen_for_are_refused_until_they_are_chosen_anew(
    dataset: Path, here: Path, make_video: MakeVideo, as_json: Json, capsys: pytest.CaptureFixture[str]
) -> None:
    make_video(dataset / "A/e_long.avi", frames=64, key_interval=16)  # 4 key frames; transcoded 6
    assert mocrop("run", dataset, *AUTO) == 0
    assert transcoded(here / "mocrop-work") == SHORT
    more = ("--size", "32", "--frames", "5", "--name", "more", "--workers", "0")
    assert mocrop("precrop", *more) == 1
    assert "run `mocrop extract-mv --source auto --key-frames 5` first" in capsys.readouterr().err
    assert not (here / "mocrop-work/caches/more.zarr").exists()
    assert mocrop("precrop", *more, "--select", "uniform") == 0  # needs no key frames
    shutil.rmtree(here / "mocrop-work/caches/more.zarr")
    assert mocrop("extract-mv", "--source", "auto", "--key-frames", "5", "--workers", "0") == 0
    assert mocrop("precrop", *more) == 0
    assert transcoded(here / "mocrop-work") == [*SHORT, "A/e_long"]
    assert CropCache(here / "mocrop-work/caches/more.zarr").frame_index[4].tolist() == [0, 12, 36, 48, 60]
    stages = {stage["stage"]: stage for stage in as_json("status")["stages"]}
    assert stages["precrop:motion-32"]["stale"] == 5
    assert stages["precrop:more"]["done"] == 5
    fewer = as_json("run", *SMALL[:2], "--frames", "2", "--name", "fewer", "--workers", "0")
    assert runs(fewer) == {"transcode": 0, "extract-mv": 0, "precrop:fewer": 5}


def test_frames_at_even_steps_need_no_key_frames_and_no_transcoding(dataset: Path, here: Path) -> None:
    (dataset / "A/c_no_vectors.avi").unlink()
    assert mocrop("run", dataset, *AUTO, "--select", "uniform") == 0
    assert not (here / "mocrop-work/h264").exists()
    assert CropCache(here / "mocrop-work/caches/motion-32.zarr").frame_counts.tolist() == [4, 4, 4]


def test_the_number_of_slots_is_16_for_extract_mv_alone(dataset: Path, here: Path, make_video: MakeVideo) -> None:
    make_video(dataset / "A/e_fifteen.avi", frames=240, key_interval=16)
    make_video(dataset / "A/f_sixteen.avi", frames=256, key_interval=16)
    assert mocrop("init", dataset) == 0
    assert mocrop("extract-mv", "--source", "auto", "--workers", "0") == 0
    assert transcoded(here / "mocrop-work") == [*SHORT, "A/e_fifteen"]
    assert mocrop("precrop", "--size", "32", "--workers", "0") == 0


@pytest.mark.parametrize("policy", ["motion", "center"])
def test_the_share_of_damaged_frames_is_kept_for_the_stage_that_chooses_too(
    policy: str, dataset: Path, here: Path, as_json: Json
) -> None:
    assert mocrop("init", dataset) == 0
    first = ("run",) if policy == "motion" else ("precrop", "--policy", "center")
    assert mocrop(*first, *AUTO, "--max-damaged", "0.5") == 0
    tables = tomllib.loads((here / "mocrop-work/mocrop.toml").read_text())
    assert tables["transcode"]["max_damaged"] == 0.5
    assert "own_key_frames" not in tables["transcode"]
    assert set(runs(as_json(*first, *AUTO)).values()) == {0}


def test_key_frames_go_with_auto_alone(dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mocrop("init", dataset) == 0
    for more in ((), ("--dry-run",)):
        assert mocrop("extract-mv", "--source", "original", "--key-frames", "4", *more) == 1
        assert "--key-frames goes with --source auto, not with --source original" in capsys.readouterr().err


def test_a_file_that_is_replaced_changes_sides(dataset: Path, here: Path, make_video: MakeVideo, as_json: Json) -> None:
    assert mocrop("run", dataset, *AUTO) == 0
    make_video(dataset / "A/a_serves.avi", frames=47, key_interval=47)
    make_video(dataset / "A/b_one_key_frame.avi", frames=47)
    report = as_json("run", dataset, *AUTO)
    assert report["stages"][0]["files"] == {"as_they_are": 2, "transcoded": 2}
    assert runs(report)["transcode"] == 2
    assert transcoded(here / "mocrop-work") == ["A/a_serves", "A/c_no_vectors"]
    assert mocrop("run", dataset, "-w", "fresh", *AUTO) == 0
    assert stores(here / "mocrop-work") == stores(here / "fresh")


def test_a_policy_without_motion_chooses_the_files_and_needs_no_vectors(
    dataset: Path, here: Path, as_json: Json
) -> None:
    assert mocrop("init", dataset) == 0
    command = ("precrop", "--policy", "center", *AUTO)
    dry = ("precrop", "--policy", "center", *AUTO, "--dry-run")
    assert mocrop(*dry) == 0
    report = as_json(*command)
    assert runs(report) == {"transcode": 4, "precrop:center-32": 4}
    assert transcoded(here / "mocrop-work") == SHORT
    assert not (here / "mocrop-work/motion.zarr").exists()
    assert as_json("status")["next_command"] == "mocrop extract-mv"
    stages = as_json("run", *AUTO, "--policy", "center")["stages"]
    counts = [(stage["stage"], stage["plan"]["to_run"]) for stage in stages]
    assert counts == [("transcode", 0), ("extract-mv", 4), ("precrop:center-32", 0)]


def test_a_cache_of_other_files_is_refused_before_any_file_is_chosen(
    dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("transcode", dataset, "--workers", "0") == 0
    assert mocrop("precrop", "--policy", "center", *SMALL) == 0
    before = tree(here / "mocrop-work")
    assert mocrop("precrop", "--policy", "center", *AUTO) == 1
    assert "source: h264 there, auto asked" in capsys.readouterr().err
    assert {**tree(here / "mocrop-work"), ".lock": ""} == {**before, ".lock": ""}


def test_a_dry_run_names_what_would_be_chosen_and_what_would_be_read(
    dataset: Path, here: Path, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    def dry(*arguments: str) -> list[str]:
        capsys.readouterr()
        assert mocrop(*arguments, "--dry-run") == 0
        return capsys.readouterr().out.splitlines()

    assert mocrop("init", dataset) == 0
    before = tree(here / "mocrop-work")
    said = dry("extract-mv", "--source", "auto", "--key-frames", "4")
    assert said[0] == "transcode  A/a_serves  not done yet"
    assert said[4] == "extract-mv  A/a_serves  not done yet"
    assert said[-2:] == ["transcode: 4 clips would run", "extract-mv: 4 clips would run"]
    assert {**tree(here / "mocrop-work"), ".lock": ""} == {**before, ".lock": ""}
    assert mocrop("run", dataset, *AUTO) == 0
    assert dry("extract-mv") == ["extract-mv: 0 clips would run"]
    (here / f"mocrop-work/h264/{SHORT[0]}.mp4").unlink()
    assert dry("extract-mv") == [
        f"transcode  {SHORT[0]}  its output is gone",
        "transcode: 1 clip would run",
        "extract-mv: 0 clips would run",
    ]
    make_video(dataset / "A/d_serves.avi", frames=39)
    assert mocrop("init", dataset) == 0
    said = dry("extract-mv")
    assert "transcode  A/d_serves  its file has changed" in said
    assert "extract-mv  A/d_serves  its file has changed" in said
    assert said[-1] == "extract-mv: 4 clips would run"  # they share a shard


def test_status_names_extract_mv_and_verify_repairs_with_it(
    dataset: Path, here: Path, as_json: Json, make_video: MakeVideo
) -> None:
    assert mocrop("run", dataset, *AUTO) == 0
    before = stores(here / "mocrop-work")
    assert as_json("verify")["damage"] == []
    lost = here / f"mocrop-work/h264/{SHORT[0]}.mp4"
    lost.unlink()
    report = as_json("verify", code=3)
    assert [each["clip"] for each in report["damage"]] == [SHORT[0]]
    assert report["repair"] == ["mocrop verify --repair", "mocrop extract-mv"]
    assert as_json("verify", "--repair")["repair"] == ["mocrop extract-mv"]
    assert mocrop("extract-mv", "--workers", "0") == 0
    assert stores(here / "mocrop-work") == before
    make_video(dataset / "A/e_new.avi", frames=48)
    assert mocrop("init", dataset) == 0
    assert as_json("status")["next_command"] == "mocrop extract-mv"


def test_a_failed_clip_is_tried_again_and_then_goes_its_way(
    dataset: Path, here: Path, make_video: MakeVideo, as_json: Json
) -> None:
    broken = dataset / "A/e_broken.avi"
    broken.touch()
    report = as_json("run", dataset, *AUTO, code=3)
    assert report["stages"][0]["files"] == {"as_they_are": 2, "transcoded": 2}
    assert report["stages"][0]["failed"] == {"empty-file": 1}
    stat = broken.stat()
    make_video(broken, frames=48)
    os.utime(broken, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    retried = as_json("retry", "--workers", "0")
    assert retried["stages"][0]["files"] == {"as_they_are": 3, "transcoded": 2}
    assert CropCache(here / "mocrop-work/caches/motion-32.zarr").usable.all()
    assert transcoded(here / "mocrop-work") == SHORT


def test_a_run_that_is_stopped_between_the_stages_goes_on_as_auto(
    dataset: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mocrop("run", dataset, "-w", "undisturbed", *AUTO) == 0
    assert mocrop("init", dataset) == 0

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(extract_module, "read_motion", stop)
        assert mocrop("extract-mv", "--source", "auto", "--key-frames", "4", "--workers", "0") == 130
    assert mocrop("extract-mv", "--workers", "0") == 0
    assert mocrop("precrop", *SMALL) == 0
    assert stores(here / "mocrop-work") == stores(here / "undisturbed")


def test_show_draws_the_file_that_is_read(dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = Workspace(here / "mocrop-work")
    assert mocrop("run", dataset, *AUTO) == 0
    own, short = (view_clip(work, name, ShowSettings(policies=("motion",))) for name in (OWN[0], SHORT[0]))
    assert (own.source, own.path) == ("original", dataset / "A/a_serves.avi")
    assert (short.source, short.path) == ("h264", work.h264_file(SHORT[0]))
    work.h264_file(SHORT[0]).unlink()
    assert mocrop("show", SHORT[0]) == 1
    assert "run `mocrop extract-mv` first" in capsys.readouterr().err


@pytest.mark.parametrize("more", [("--policy", "motion"), ("--policy", "center", "--motion-fields")])
def test_original_leaves_out_what_has_no_vectors_and_counts_it_with_the_way_out(
    more: tuple[str, ...], dataset: Path, here: Path, as_json: Json, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("run", dataset, "--source", "original", *SMALL, *more, "--name", "c")
    assert mocrop(*command) == 3
    _, said = capsys.readouterr().out.split("precrop:c: 3 clips done, 1 failed")
    assert "failed      1  codec-without-vectors: left out; `mocrop extract-mv --source auto` transcodes" in said
    assert CropCache(here / "mocrop-work/caches/c.zarr").state.tolist() == [1, 1, 3, 1]
    report = as_json(*command, code=3)
    assert runs(report) == {"extract-mv": 0, "precrop:c": 0}
    assert report["stages"][1]["failed"] == {"codec-without-vectors": 1}
    assert mocrop("extract-mv", "--source", "auto", "--workers", "0") == 0
    assert mocrop("precrop", *AUTO, *more, "--name", "c", "--overwrite") == 0  # the way out
    assert CropCache(here / "mocrop-work/caches/c.zarr").state.tolist() == [1, 1, 1, 1]


def test_original_keeps_what_has_no_vectors_where_none_are_needed(dataset: Path, here: Path) -> None:
    assert mocrop("init", dataset) == 0
    assert mocrop("precrop", "--policy", "center", "--source", "original", *SMALL) == 0
    assert CropCache(here / "mocrop-work/caches/center-32.zarr").state.tolist() == [1, 1, 1, 1]


def test_clips_of_key_frames_alone_or_without_movement_stay_whole_frames(
    here: Path, make_video: MakeVideo, as_json: Json
) -> None:
    make_video(here / "data/A/moves.avi", frames=24)
    make_video(here / "data/A/all_key_frames.avi", frames=24, key_interval=1)
    make_video(here / "data/A/still.avi", frames=[np.full((48, 64, 3), 99, np.uint8)] * 24)
    report = as_json("run", here / "data", "--source", "original", *SMALL)
    assert report["stages"][1]["summary"]["notes"]["whole-frame"] == 2
    cache = CropCache(here / "mocrop-work/caches/motion-32.zarr")
    assert dict(zip(cache.clip, cache.state.tolist(), strict=True)) == {
        "A/all_key_frames": 2,
        "A/moves": 1,
        "A/still": 2,
    }


def test_a_cache_never_takes_vectors_of_other_files_than_its_frames(
    dataset: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (dataset / "A/c_no_vectors.avi").unlink()
    assert mocrop("run", dataset, *SMALL) == 0
    at_first = stores(here / "mocrop-work")
    assert mocrop("extract-mv", "--source", "original", "--workers", "0") == 0
    before = stores(here / "mocrop-work")
    assert mocrop("precrop", "--name", "motion-32", "--workers", "0") == 1
    assert "run `mocrop extract-mv --source h264` first" in capsys.readouterr().err
    assert mocrop("precrop", *SMALL, "--source", "h264", "--name", "other") == 1
    assert stores(here / "mocrop-work") == before
    assert mocrop("precrop", *SMALL, "--name", "own") == 0
    assert CropCache(here / "mocrop-work/caches/own.zarr").attributes["settings"]["source"] == "original"
    assert mocrop("run", "--name", "motion-32", "--workers", "0") == 0  # goes back to the files of that cache
    shutil.rmtree(here / "mocrop-work/caches/own.zarr")
    assert stores(here / "mocrop-work") == at_first
