from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path

import matplotlib.image
import pytest

from mocrop.evaluation.coverage.actor_boxes import read_actor_boxes
from mocrop.evaluation.demo import demo, scenes
from mocrop.evaluation.demo.crossing import CrossingSettings
from mocrop.evaluation.demo.demo import make_data_set, print_demo, run_demo
from mocrop.evaluation.demo.sprites import SpriteSettings
from mocrop.pipeline.errors import WorkspaceError
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.terminal import LineConsole
from tests.conftest import mocrop

SMALL = SpriteSettings(classes=3, groups=4, clips_per_group=1, frames=26, width=128, height=96)


@pytest.mark.smoke
def test_demo_runs_every_stage_and_draws_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "TRAINING", dataclasses.replace(demo.TRAINING, epochs=1))
    run = RunOptions(workers=0, console=LineConsole(quiet=True))
    console = LineConsole(width=80)
    result = run_demo(tmp_path / "demo", run=run, console=console, scene=SMALL)
    print_demo(console, result)
    said = capsys.readouterr().out
    assert list(result.scores) == ["full", "center", "motion"]
    assert all(scored.top1.total == result.scores["full"].top1.total > 0 for scored in result.scores.values())
    assert result.inside["full"] == {"still": 1.0, "panning": 1.0}
    assert result.inside["motion"]["still"] > result.inside["center"]["still"]
    assert "95 % interval by" in said
    assert "groups" in said
    assert "Trained too short to compare: full, center, motion knew fewer than 90% of their own training clips." in said
    picture = matplotlib.image.imread(result.picture)
    assert picture.shape[1] > 900
    assert picture[..., :3].std() > 0.1
    again = run_demo(tmp_path / "demo", run=run, console=console, scene=SMALL)
    assert again.inside == result.inside


def test_each_row_of_the_demo_learns_its_training_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole frames are the hardest to learn: what they miss in the test must not be for want of epochs."""
    monkeypatch.setattr(demo, "SPRITE_POLICIES", ("full", "motion"))  # the last is the one that crops
    train = demo.train
    quick = dataclasses.replace(demo.TRAINING, epochs=1)
    monkeypatch.setattr(
        demo, "train", lambda cache, run, of, **rest: train(cache, run, of if "full" in run.name else quick, **rest)
    )
    result = run_demo(tmp_path / "demo", run=RunOptions(workers=0), console=LineConsole(quiet=True))
    assert result.learnt["full"] > demo.LEARNT > result.learnt["motion"]
    low, _ = result.scores["full"].top1.interval
    assert low > 1 / 6  # chance of six classes


def test_of_the_crossing_scene_the_box_that_follows_holds_the_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "TRAINING", dataclasses.replace(demo.TRAINING, epochs=1))
    small = CrossingSettings(classes=3, groups=3, clips_per_group=1, frames=(40, 40), width=192, height=144)
    result = run_demo(tmp_path / "demo", run=RunOptions(workers=0), console=LineConsole(width=80), scene=small)
    print_demo(LineConsole(width=80), result)
    assert list(result.scores) == ["full", "center", "adaptive", "follow"]
    inside = {policy: shares["still"] for policy, shares in result.inside.items()}
    assert inside["full"] == 1.0
    assert inside["follow"] > max(inside["adaptive"], inside["center"]) + 0.2
    assert result.scores["follow"].top1.total == 3  # one group of each class, as the first of the split lists says
    assert "figure in crop" in capsys.readouterr().out


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(WorkspaceError, match="something else than an earlier demo"):
        run_demo(tmp_path, run=RunOptions(workers=0), console=LineConsole(quiet=True), scene=SMALL)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_only_data_makes_a_data_set_and_says_what_to_run_on_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = CrossingSettings(classes=2, clips_per_group=1, frames=(6, 8), width=96, height=72)
    monkeypatch.setitem(scenes.SCENES, "crossing", small)
    folder = tmp_path / "a b"
    assert mocrop("demo", str(folder), "--scene", "crossing", "--groups", "3", "--only-data") == 0
    assert sorted(path.name for path in folder.iterdir() if not path.name.startswith("this-is")) == [
        "actor-boxes.json",
        "splits",
        "videos",
    ]
    commands = [shlex.split(line) for line in capsys.readouterr().out.splitlines() if line.startswith("mocrop ")]
    assert commands == [
        ["mocrop", "run", str(folder / "videos"), "--splits", str(folder / "splits")],
        ["mocrop", "coverage", "--boxes", str(folder / "actor-boxes.json")],
    ]
    assert mocrop("init", *commands[0][2:], "-w", str(tmp_path / "work")) == 0
    said = capsys.readouterr().out
    assert "6 clips in 2 classes" in said
    assert re.search(r"^3 +4 +- +2 +- *$", said, re.MULTILINE)  # split, train, validation, test, in none


def test_the_sprites_have_split_lists_and_boxes_too(tmp_path: Path) -> None:
    console = LineConsole(quiet=True)
    made = make_data_set(tmp_path / "demo", dataclasses.replace(SMALL, frames=4), console=console)
    assert read_actor_boxes(made.files.boxes).keys() == made.boxes.keys()
    assert (made.files.splits / "classInd.txt").read_text().split() == ["1", "Donut", "2", "Fish", "3", "Flower"]
