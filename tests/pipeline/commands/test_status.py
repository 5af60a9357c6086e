"""What `mocrop status` says of failures, clip by clip, and of the command that comes next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mocrop.pipeline.commands.status import workspace_status
from mocrop.pipeline.workspace.paths import Workspace
from tests.conftest import MakeVideo, mocrop


@pytest.fixture
def prepared(here: Path, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]) -> Workspace:
    """A workspace with a crop cache, of four clips and one that is empty."""
    for name in ("A/v_A_g01_c01", "A/v_A_g02_c01", "B/v_B_g01_c01", "B/v_B_g02_c01"):
        make_video(here / f"data/{name}.avi")
    (here / "data/A/v_A_g03_c01.avi").write_bytes(b"")
    assert mocrop("run", here / "data", "--size", "16", "--frames", "2", "--workers", "0") == 3
    capsys.readouterr()
    return Workspace(here / "mocrop-work")


def test_a_clip_that_fails_is_listed_once_with_the_stage_that_found_it(
    prepared: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("status", "--failed") == 0
    said = capsys.readouterr().out
    assert said.count("v_A_g03_c01") == 1
    assert "    A/v_A_g03_c01: the file is empty (transcode, and so 2 stages after it)\n" in said
    (failed,) = workspace_status(prepared, failures=True).failed_clips
    assert failed.stages == ("transcode", "extract-mv", "precrop:motion-16")
    assert mocrop("status") == 0
    assert "v_A_g03_c01" not in capsys.readouterr().out


def test_a_fault_that_two_stages_find_by_themselves_is_one_line(prepared: Workspace) -> None:
    (prepared.h264 / "B/v_B_g01_c01.mp4").write_bytes(b"nothing")
    for name in ("one", "two"):
        assert mocrop("precrop", "--policy", "full", "--size", "16", "--name", name, "--workers", "0") == 3
    of_clip = [each for each in workspace_status(prepared, failures=True).failed_clips if each.clip == "B/v_B_g01_c01"]
    assert [each.stages for each in of_clip] == [("precrop:one", "precrop:two")]


def begun_run(workspace: Workspace, name: str, *, epochs: int, done: int) -> Path:
    """What `mocrop train` leaves of a run; no checkpoint is read by `status`."""
    run = workspace.runs / name
    run.mkdir(parents=True)
    (run / "last.pt").touch()
    (run / "config.json").write_text(json.dumps({"settings": {"epochs": epochs}, "cache": {"name": "motion-16"}}))
    if done:
        (run / "log.jsonl").write_text('{"epoch": 1}\n' * done)
    return run


@pytest.mark.parametrize(("done", "command"), [(0, "mocrop train --name 'a run'"), (2, "mocrop train --name 'a run'")])
def test_a_run_with_epochs_to_do_is_next(
    prepared: Workspace, done: int, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    begun_run(prepared, "a finished run", epochs=2, done=2)
    begun_run(prepared, "a run", epochs=3, done=done)
    assert mocrop("status") == 0
    said = capsys.readouterr().out
    assert f"run a run: {done} of 3 epochs done\n" in said
    assert f"next: {command}\n" in said


def test_a_finished_run_is_next_to_be_evaluated(prepared: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert workspace_status(prepared).next_command == "mocrop train --arch resnet50"
    run = begun_run(prepared, "r", epochs=3, done=3)
    assert workspace_status(prepared).next_command == "mocrop eval"
    (run / "config.json").write_text("[]")  # nothing can be told of it, and that is not for `status` to say
    assert workspace_status(prepared).next_command == "mocrop eval"
    assert workspace_status(prepared).unfinished == ()
