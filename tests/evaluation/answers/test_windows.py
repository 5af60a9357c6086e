"""`mocrop predict --window`: a line a window, the same as for the whole where there is one, and nothing left unsaid."""

from __future__ import annotations

import csv
import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from mocrop.evaluation.answers.drawn import Wishes
from mocrop.evaluation.answers.predictor import load_predictor
from mocrop.evaluation.answers.videos import Video
from mocrop.evaluation.answers.windows import answers_for_windows
from mocrop.evaluation.pictures import answer_video
from mocrop.pipeline import Workspace
from mocrop.pipeline.errors import CheckpointError, ClipError, Reason, SettingsError
from mocrop.pipeline.stages.windows import WindowSettings
from tests.conftest import MakeVideo, mocrop
from tests.evaluation.answers.conftest import Train

X264 = {"x264-params": "scenecut=0:bframes=0:ref=1:threads=1"}
SOUND = WindowSettings(seconds=1, stride_seconds=1)


@pytest.fixture
def common(made: Workspace, trained: Train) -> list[str]:
    """Options that name the network: its clips are transcoded."""
    trained("motion", policy="motion")
    return ["-w", str(made.root), "--run", "motion", "--device", "cpu"]


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def video(path: str) -> Video:
    return Video(path=path, name=Path(path).stem, named_by="file")


@pytest.mark.parametrize("policy", ["motion", "follow", "center"])
@pytest.mark.parametrize("source", ["h264", "original"])
def test_a_window_longer_than_the_video_has_the_answer_for_the_whole(
    made: Workspace, trained: Train, capsys: pytest.CaptureFixture[str], policy: str, source: str
) -> None:
    name = f"{policy}-{source}-w"
    trained(name, policy=policy, source=source)
    command = [
        "predict",
        str(made.root.parent / "data"),
        "-w",
        str(made.root),
        "--run",
        name,
        "--device",
        "cpu",
        "--json",
    ]
    assert mocrop(*command) == 0
    whole = said(capsys)["files"]
    assert mocrop(*command, "--window", "60") == 0
    files = said(capsys)["files"]
    assert len(files) == len(whole) == 6
    for file, expected in zip(files, whole, strict=True):
        (window,) = file["windows"]
        for fact in ("logits", "top", "box", "boxes", "frames", "state"):
            assert window[fact] == expected[fact], fact
        assert (window["start"], window["first_frame"], window["last_frame"]) == (0, 0, 25)


def test_a_long_video_has_a_line_for_each_window(
    common: list[str], here: Path, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    make_video(here / "long.mp4", frames=110)
    options = ["--window", "2", "--stride", "1", "--timeline", "t.png", "--video", "v.mp4", "--csv", "o.csv"]
    assert mocrop("predict", "long.mp4", *common, *options, "--json") == 0
    found = said(capsys)
    assert (found["window"], found["stride"], found["failed"]) == (2, 1, 0)
    windows = found["files"][0]["windows"]
    assert [(each["start"], each["end"], each["first_frame"], each["last_frame"]) for each in windows] == [
        (0, 2, 0, 49),
        (1, 3, 25, 74),
        (2, 4, 50, 99),
        (3, 4.4, 75, 109),
    ]
    assert all(each["first_frame"] <= number <= each["last_frame"] for each in windows for number in each["frames"])
    assert all(sum(top["probability"] for top in each["top"]) == pytest.approx(1) for each in windows)
    rows = list(csv.DictReader((here / "o.csv").open()))
    assert [(float(row["start"]), row["class_1"]) for row in rows] == [
        (each["start"], each["top"][0]["class"]) for each in windows
    ]
    assert (here / "t.png").read_bytes()[:4] == b"\x89PNG"
    with av.open("v.mp4") as container:
        assert sum(1 for _ in container.decode(video=0)) == 110
    assert mocrop("predict", "long.mp4", *common, *options[:4]) == 0
    text = capsys.readouterr().out
    assert text.count("0:0") == 8
    assert "fewer-key-frames-than-slots: 1 window of 4" in text


def test_the_video_is_drawn_without_windows_too(common: list[str], here: Path, make_video: MakeVideo) -> None:
    make_video(here / "c.mp4", frames=30, size=(66, 50))
    assert mocrop("predict", "c.mp4", *common, "--video", "v.mp4") == 0
    with av.open("v.mp4") as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 30
    assert frames[0].shape[1] == 660


def test_several_videos_are_drawn_into_a_folder(common: list[str], here: Path, make_video: MakeVideo) -> None:
    for name in ("a", "b"):
        make_video(here / f"in/{name}.mp4", frames=30)
    (here / "out").mkdir()
    options = ["--window", "1", "--timeline", "out", "--video", "out"]
    assert mocrop("predict", "in", *common, *options) == 0
    assert sorted(each.name for each in (here / "out").iterdir()) == ["a.mp4", "a.png", "b.mp4", "b.png"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--stride", "1"], "pass --window, too"),
        (["--timeline", "t.png"], "pass --window, too"),
        (["--window", "0"], "window must be above 0"),
        (["--window", "2", "--stride", "0.001"], "pass a --stride of at least 0.02"),
        (["--window", "2", "--timeline", "t.jpg"], "name a .png file, or a folder that is there"),
        (["--video", "v.avi"], "name a .mp4 file, or a folder that is there"),
        (["--video", "nowhere/v.mp4"], "there is no folder"),
        (["--video", "a.mp4"], "would write over the video"),
        (["--video", "."], "would write over the video"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_before_anything_is_read(
    common: list[str],
    here: Path,
    make_video: MakeVideo,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    says: str,
) -> None:
    make_video(here / "a.mp4", frames=10)
    before = (here / "a.mp4").read_bytes()
    assert mocrop("predict", "a.mp4", *common, *options) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert says in said.err
    assert [each.name for each in here.iterdir()] == ["a.mp4"]
    assert (here / "a.mp4").read_bytes() == before


def test_one_file_for_several_videos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is one file, and there are 2 videos; pass a folder that is there"):
        Wishes(video=tmp_path / "v.mp4").require_places([video("a.mp4"), video("b.mp4")])
    with pytest.raises(SettingsError, match="two videos have one name"):
        Wishes(video=tmp_path).require_places([video("x/a.mp4"), video("y/a.mp4")])


def broken(make_video: MakeVideo, path: Path, packets: Sequence[int]) -> None:
    """A video whose middle is overwritten in some packets."""
    noise = np.random.default_rng(0).integers(0, 256, (100, 48, 64, 3), dtype=np.uint8)
    make_video(path, frames=list(noise), codec="libx264", options=X264)
    with av.open(path) as container:
        places = [(each.pos, each.size) for each in container.demux(video=0) if each.size]
    data = bytearray(path.read_bytes())
    for number in packets:
        start, size = places[number]
        data[start + size // 4 : start + size] = bytes(size - size // 4)
    path.write_bytes(data)


def test_a_broken_stretch_is_said_with_exit_code_3_and_the_other_windows_have_their_answers(
    made: Workspace, trained: Train, here: Path, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    trained("own", policy="motion", source="original")
    common = ["-w", str(made.root), "--run", "own", "--device", "cpu", "--window", "1", "--stride", "1"]
    broken(make_video, here / "c.mp4", range(50, 72))
    make_video(here / "good.mp4", frames=30)
    command = ["predict", "c.mp4", "good.mp4", *common, "--timeline", ".", "--csv", "o.csv"]
    assert mocrop(*command, "--json") == 3
    found = said(capsys)
    bad, good = found["files"]
    assert [each["state"] == "failed" for each in bad["windows"]] == [False, False, True, False]
    assert bad["windows"][2]["reasons"][0] == "damaged"
    assert bad["windows"][2]["top"] == []
    assert [each["state"] == "failed" for each in good["windows"]] == [False, False]
    assert found["failed"] == 1
    assert [row["state"] for row in csv.DictReader((here / "o.csv").open())].count("failed") == 1
    assert (here / "c.png").is_file()
    assert mocrop(*command) == 3
    text = capsys.readouterr().out
    assert "no answer" in text
    assert "damaged: 1 window of 4, such as: c: " in text
    assert "1 file of 2 could not be read in part or at all" in text


def test_a_file_that_is_cut_off_gives_the_windows_before_and_its_reason(
    made: Workspace, trained: Train, here: Path, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    trained("own", policy="motion", source="original")
    common = ["-w", str(made.root), "--run", "own", "--device", "cpu", "--window", "1", "--stride", "1"]
    noise = np.random.default_rng(0).integers(0, 256, (100, 48, 64, 3), dtype=np.uint8)
    data = make_video(here / "c.avi", frames=list(noise), codec="mpeg4").read_bytes()
    (here / "c.avi").write_bytes(data[: len(data) * 6 // 10])
    assert mocrop("predict", "c.avi", *common, "--csv", "o.csv") == 3
    text = capsys.readouterr().out
    assert "c.avi: truncated, after 0:02 of the video: only" in text
    rows = list(csv.DictReader((here / "o.csv").open()))
    assert [(row["start"], row["state"], row["reasons"]) for row in rows[-1:]] == [("2.0", "failed", "truncated")]
    assert len(rows) == 3


def test_files_that_cannot_be_read_at_all_do_not_stop_the_others(
    common: list[str], here: Path, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "empty.mp4").touch()
    make_video(here / "one.mp4", frames=1)
    assert mocrop("predict", "empty.mp4", "gone.mp4", "one.mp4", *common, "--window", "2", "--json") == 3
    empty, gone, one = said(capsys)["files"]
    assert (empty["state"], empty["reasons"], empty["windows"]) == ("broken", ["empty-file"], [])
    assert (gone["reasons"], gone["message"]) == (["vanished"], "gone: there is no such file")
    assert one["windows"][0]["last_frame"] == 0
    assert "one-frame" in one["windows"][0]["reasons"]


def test_what_is_in_no_window_is_said(
    common: list[str], here: Path, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    make_video(here / "c.mkv", frames=12, codec="libx264", options=X264, pts=[*range(10), 250, 251])
    assert mocrop("predict", "c.mkv", *common, "--window", "1", "--stride", "2") == 0
    text = capsys.readouterr().out
    assert "1 of every 2 seconds are in no window; pass a --stride of at most 1 to miss nothing" in text
    assert "4 windows in which no frame begins are left out" in text


def test_a_window_without_key_frames_says_so_in_its_line(
    made: Workspace, trained: Train, here: Path, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    trained("own", policy="motion", source="original")
    make_video(here / "c.mp4", frames=50, codec="libx264", options=X264, key_interval=100)
    common = ["-w", str(made.root), "--run", "own", "--device", "cpu"]
    assert mocrop("predict", "c.mp4", *common, "--window", "1", "--stride", "1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "no-key-frames" not in next(line for line in lines if "0:00" in line)
    assert "no-key-frames" in next(line for line in lines if "0:01 " in line and "0:02" in line)


def test_threads_that_read_ahead_end_with_an_error_of_the_network(
    made: Workspace, trained: Train, here: Path, make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = load_predictor(trained("motion", policy="motion") / "best.pt", device="cpu")
    paths = [str(make_video(here / f"{number}.mp4", frames=150)) for number in range(6)]

    def diverged(*_: object) -> None:
        raise CheckpointError("answers with NaN")

    monkeypatch.setattr(type(predictor), "answer", diverged)
    with pytest.raises(CheckpointError):
        list(answers_for_windows([video(path) for path in paths], predictor, SOUND))
    for thread in threading.enumerate():
        if thread.name.startswith("predict-"):
            thread.join(timeout=30)
            assert not thread.is_alive()


def test_a_full_disk_while_drawing_loses_no_answers(
    common: list[str],
    here: Path,
    make_video: MakeVideo,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(answer_video, "_encode", full)
    make_video(here / "a.mp4", frames=60)
    for options in ([], ["--window", "1"]):
        assert mocrop("predict", "a.mp4", *common, *options, "--json", "--csv", "o.csv", "--video", "v.mp4") == 1
        told = capsys.readouterr()
        assert json.loads(told.out)["failed"] == 0
        assert "no space is left" in told.err
        assert told.err.count("\n") == 1
        assert (here / "o.csv").exists()
        assert not (here / "v.mp4").exists()


def test_a_video_that_could_not_be_drawn_is_said_and_shows_in_the_exit_code(
    common: list[str],
    here: Path,
    make_video: MakeVideo,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(path: Path, *_: object, clip: str, **__: object) -> None:
        raise ClipError(Reason.VANISHED, f"{clip}: the file is gone")

    monkeypatch.setattr(answer_video, "_encode", gone)
    make_video(here / "a.mp4", frames=30)
    assert mocrop("predict", "a.mp4", *common, "--json", "--video", "v.mp4") == 3
    told = capsys.readouterr()
    assert json.loads(told.out)["failed"] == 0
    assert told.err == "a.mp4: no video could be made of it: a: the file is gone\n"


def test_files_are_written_where_nobody_reads_what_is_printed(
    common: list[str], here: Path, make_video: MakeVideo
) -> None:
    make_video(here / "a.mp4", frames=30)
    command = [sys.executable, "-m", "mocrop", "predict", "a.mp4", *common, "--csv", "o.csv", "--video", "v.mp4"]
    read, write = os.pipe()
    os.close(read)
    subprocess.run(command, stdout=write, check=False, timeout=120)
    os.close(write)
    assert len((here / "o.csv").read_text().splitlines()) == 2
    assert (here / "v.mp4").exists()


def test_a_file_that_fails_is_named_once(common: list[str], here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "a.mp4").touch()
    assert mocrop("predict", "a.mp4", *common, "--window", "1") == 3
    assert "a.mp4: empty-file: the file is empty" in capsys.readouterr().out
