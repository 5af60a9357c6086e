"""Windows of neighbouring frames, from `mocrop precrop` to `mocrop predict`, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mocrop.evaluation.demo.sprites import SpriteSettings, make_sprites
from tests.conftest import mocrop

SPRITES = SpriteSettings(classes=2, groups=4, clips_per_group=1, frames=26, width=48, height=36)
TINY = ("--arch", "timm/test_resnet", "--weights", "none", "--epochs", "1", "--device", "cpu")


@pytest.fixture
def trained(here: Path) -> Path:
    """A run `r` on 2 windows of 4 frames, 2 apart, of each clip."""
    make_sprites(here / "data", SPRITES)
    assert mocrop("run", "data", "--workers", "0", "--size", "32", *dense("2", "4")) == 0
    assert mocrop("train", *TINY, "--clip", "3x2", "--crop", "24", "--name", "r") == 0
    return here


def dense(windows: str, frames: str) -> tuple[str, ...]:
    return ("--select", "dense", "--clips", windows, "--frames", frames, "--stride", "2", "--name", "dense")


def test_eval_and_predict_take_what_training_took(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = json.loads((trained / "mocrop-work/runs/r/config.json").read_text())["settings"]
    assert (config["clip"], config["crop"]) == ([3, 2], 24)
    look = {"frames": 3, "clip": [3, 2], "windows": 2, "crop": 24, "crops": 3}
    capsys.readouterr()
    assert mocrop("eval", "--views", "2x3", "--device", "cpu", "--json") == 0
    assert json.loads(capsys.readouterr().out)["look"] == look
    assert mocrop("predict", "data", "--views", "2x3", "--device", "cpu", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["look"] == look
    assert {len(file["frames"]) for file in said["files"]} == {6}
    for file in said["files"]:
        one, other = file["frames"][:3], file["frames"][3:]
        assert [each[2] - each[0] for each in (one, other)] == [4, 4]


REFUSED: dict[tuple[str, ...], str] = {
    ("eval", "--views", "3"): "has 2 windows per clip; pass 2 or fewer",
    ("eval", "--segments", "2"): "takes clips of 3 frames, 2 apart, not single frames; pass --views instead",
    ("eval", "--views", "2x2"): "the crops of --views must be 1 or 3, not 2",
    ("predict", "data", "--views", "3"): "has 2 windows per clip; pass 2 or fewer",
    ("train", *TINY, "--clip", "5x2"): "none for clips of 5 frames, 2 apart; make a cache that",
    ("train", *TINY, "--clip", "16"): "'16' is not FRAMESxSTRIDE",
    ("train", *TINY, "--clip", "2x2", "--segments", "5"): "--segments 5 is for single frames",
    ("train", *TINY, "--crop", "33"): "out of which no --crop 33 can be cut",
    ("train", *TINY, "--crop", "0"): "crop must be at least 1 and at most",
    ("train", *TINY, "--crop", "16", "--freeze-backbone"): "leave it out, or train without --freeze-backbone",
}


def test_what_cannot_be_is_said_in_one_line(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    for command, said in REFUSED.items():
        capsys.readouterr()
        named = (*command, "--name", "b") if command[0] == "train" else command
        assert mocrop(*named) in (1, 2), command
        shown = capsys.readouterr().err
        assert said in shown
        assert "Traceback" not in shown
        assert not (trained / "mocrop-work/runs/b").exists()
