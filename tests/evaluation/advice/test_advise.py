"""`mocrop advise`: options with reasons, from facts of clips and tables; what it prints, and its errors."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mocrop.evaluation.advice import report
from mocrop.evaluation.advice.advise import Advice, advise
from mocrop.evaluation.advice.measured import AccuracyTable, CoverageEntry, Tables
from mocrop.evaluation.advice.report import advice_json, print_advice
from mocrop.evaluation.scores.statistics import Estimate
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.store import create_store
from mocrop.pipeline.motion.store_writer import MotionRow, write_shard
from mocrop.pipeline.strict_json import json_text
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace
from tests.conftest import mocrop
from tests.evaluation.advice.made_tables import ALL_BETTER, BETTER, NOT_SHOWN, clip, table
from tests.evaluation.advice.test_motion_facts import motion

MakeVideo = Callable[..., Path]

CURVE = [("follow 0.25", 160, 4, 0.8), ("follow 0.25", 160, 8, 0.805), ("follow 0.25", 96, 4, 0.6)]
STILL = table({"follow 0.25": ALL_BETTER}, accuracies=CURVE)
MIXED = table({"follow 0.25": {**ALL_BETTER, "picture": NOT_SHOWN}}, data="a mixture", still=0.6, spread=0.45)


def tables(*of: AccuracyTable) -> Tables:
    held = Estimate(mean=0.96, low=0.95, high=0.97)
    return Tables(
        accuracy=of, coverage=(CoverageEntry(data="those", kind="still", variant="follow 0.25", inside=held),)
    )


def options(advice: Advice) -> dict[str, str]:
    return {line.option: line.value for line in advice.lines}


def test_a_still_camera_gets_what_is_shown_for_still_cameras() -> None:
    advice = advise([clip()] * 10, tables(STILL, MIXED))
    assert options(advice) == {
        "--policy": "follow",
        "--ratio": "0.25",
        "--size": "160",
        "--frames": "4",
        "--select": "keyframes",
    }
    assert advice.command == "mocrop precrop --policy follow --ratio 0.25 --size 160 --frames 4 --select keyframes"
    assert advice.judged_by == (STILL.conditions,)
    assert "follow 0.25 holds 0.960 [0.950, 0.970] of the actors of those." in advice.remarks


def test_a_mixture_is_judged_by_what_was_measured_on_a_mixture() -> None:
    advice = advise([clip(still=number < 6, spread=0.45) for number in range(10)], tables(STILL, MIXED))
    assert options(advice) == {"--policy": "full", "--select": "keyframes"}
    assert advice.judged_by == (MIXED.conditions,)


def test_for_clips_like_none_that_were_measured_nothing_is_recommended_but_no_crop() -> None:
    advice = advise([clip(still=False, spread=0.5)] * 10, tables(STILL, MIXED))
    assert (options(advice), advice.judged_by) == ({"--policy": "full", "--select": "keyframes"}, ())
    (nearest,) = (remark for remark in advice.remarks if remark.startswith("Nearest to these clips are a mixture"))
    assert "the camera stands still in 60 % of them" in nearest
    assert nearest.endswith("it would be full; for these it is not shown.")


def test_the_centre_crop_of_the_shape_of_the_frame_is_named_as_precrop_knows_it() -> None:
    made = table({"center-frame 0.5": {"full": BETTER, "picture": BETTER}})
    chosen = options(advise([clip()], tables(made)))
    assert (chosen["--policy"], chosen["--ratio"], chosen["--shape"]) == ("center", "0.5", "frame")


def test_without_any_table_nothing_is_recommended_but_no_crop() -> None:
    advice = advise([clip()], Tables(accuracy=(), coverage=()))
    assert options(advice) == {"--policy": "full", "--select": "keyframes"}
    assert "no table" in advice.lines[0].reason


def test_few_key_frames_leave_slots_empty_and_it_is_said_what_fills_them() -> None:
    """Four slots; nine clips of 80 frames and one of 40, of three key frames, leave one empty, those of one three."""
    clips = [clip(frames=80, key_frames=3)] * 9 + [clip(frames=40, key_frames=3)] + [clip(frames=3, key_frames=1)] * 2
    advice = advise(clips, tables(STILL))
    assert options(advice)["--select"] == "uniform"
    (empty,) = (remark for remark in advice.remarks if "would stay empty" in remark)
    assert "16 of 48 slots" in empty
    assert "16 bytes each" in empty
    assert "--key-interval 10" in empty
    assert "Slots stay empty in any case in 2 clips of fewer than 4 frames." in advice.remarks


def test_one_short_clip_among_many_does_not_change_how_all_are_decoded() -> None:
    clips = [clip(frames=80, key_frames=8)] * 99 + [clip(frames=40, key_frames=3)]
    (line,) = (each for each in advise(clips, tables(STILL)).lines if each.option == "--select")
    assert (line.value, line.reason) == ("keyframes", "only 1 % of the clips have fewer than 4 key frames")


def test_a_clip_of_key_frames_alone_is_not_filled_by_other_frames() -> None:
    advice = advise([clip(frames=3, key_frames=3)], tables(STILL))
    assert options(advice)["--select"] == "keyframes"
    assert advice.remarks[0] == "Slots stay empty in any case in 1 clip of fewer than 4 frames."


def test_clips_that_are_too_short_for_the_slots_have_no_key_interval_that_helps() -> None:
    (empty,) = (
        remark
        for remark in advise([clip(frames=3, key_frames=1)], tables(STILL)).remarks
        if "would stay empty" in remark
    )
    assert "--key-interval" not in empty


def test_black_bars_make_picture_the_control() -> None:
    made = table({"follow 0.25": {"picture": NOT_SHOWN, "full": NOT_SHOWN}, "picture": {"full": NOT_SHOWN}})
    advice = advise([clip(bars=0.2)] * 3 + [clip()], tables(made))
    assert options(advice)["--policy"] == "picture"
    (bars,) = (remark for remark in advice.remarks if "bars" in remark)
    assert "75 % of the clips" in bars
    assert "20 % of those" in bars
    assert "+0.1 [-1.9, +2.1] points, no difference shown, on made clips" in bars
    assert not [remark for remark in advise([clip()], tables(made)).remarks if "bars" in remark]


def test_it_fits_80_columns_and_says_everything(capsys: pytest.CaptureFixture[str]) -> None:
    advice = advise([clip(bars=0.2, key_frames=2)] * 10, tables(STILL))
    print_advice(LineConsole(width=80), advice)
    said = capsys.readouterr().out
    tabled = said.split("\n\n")[:2]
    assert all(len(line) <= 80 for part in tabled for line in part.split("\n"))
    for line in advice.lines:
        assert f"{line.option} {line.value}" in said
    assert said.rstrip().endswith(advice.command)
    assert re.search(r"camera stands still +in 100 % of them", said)


def test_json_has_facts_options_reasons_and_the_command() -> None:
    values = json.loads(json_text(advice_json(advise([clip()], tables(STILL)))))
    assert values["facts"]["still"] == 1.0
    assert values["lines"][0]["option"] == "--policy"
    assert values["command"].startswith("mocrop precrop --policy follow")


@pytest.fixture
def workspace(make_video: MakeVideo, tmp_path: Path) -> Workspace:
    """Three clips, looked through and no more."""
    for group in (1, 2, 3):
        make_video(tmp_path / f"data/Walk/v_Walk_g{group:02d}_c01.avi", frames=4)
    workspace = Workspace(tmp_path / "work")
    preprocess.init(workspace, tmp_path / "data")
    return workspace


def test_clips_whose_files_are_gone_do_not_count(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    store(workspace, *[motion(cells=30)] * 3)
    next((tmp_path / "data").rglob("*.avi")).unlink()
    preprocess.init(workspace, tmp_path / "data")
    assert mocrop("advise", "-w", str(workspace.root), "--json") == 0
    assert json.loads(capsys.readouterr().out)["facts"]["clips"] == 2


def store(workspace: Workspace, *motions: ClipMotion) -> None:
    create_store(workspace.motion)
    rows = [MotionRow(position=number, clip=f"Walk/{number}", motion=one) for number, one in enumerate(motions)]
    write_shard(workspace.motion, 0, rows, attributes={})


def test_the_command_looks_at_the_motion_that_is_stored(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "measured_tables", lambda: tables(dataclasses.replace(STILL, spread=0.03)))
    store(workspace, *[motion(cells=30, key_frames=6, frames=72)] * 3)
    capsys.readouterr()
    assert mocrop("advise", "-w", str(workspace.root), "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert values["facts"]["clips"] == 3
    assert values["facts"]["key_frames"] == [6, 6, 6]
    assert values["lines"][0]["value"] == "follow"


@pytest.mark.parametrize("place", ["nowhere", "no motion", "older", "empty"])
def test_an_error_is_one_line_with_the_way_out(
    place: str, workspace: Workspace, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    root, way_out = workspace.root, "run `mocrop extract-mv`"
    if place == "nowhere":
        root, way_out = tmp_path / "nowhere", "make one with `mocrop init DATASET`"
    elif place == "older":
        store(workspace, dataclasses.replace(motion(), seconds=None, picture=None))
    elif place == "empty":
        create_store(workspace.motion)
    capsys.readouterr()
    assert mocrop("advise", "-w", str(root)) == 1
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("error: ")
    assert way_out in line
