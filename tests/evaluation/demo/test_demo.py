from __future__ import annotations

import dataclasses
from pathlib import Path

import matplotlib.image
import pytest

from mocrop.evaluation.demo import demo
from mocrop.evaluation.demo.demo import print_demo, run_demo
from mocrop.evaluation.demo.sprites import SpriteSettings
from mocrop.pipeline.errors import WorkspaceError
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.terminal import LineConsole

SMALL = SpriteSettings(classes=3, groups=4, clips_per_group=1, frames=26, width=128, height=96)


@pytest.mark.smoke
def test_demo_runs_every_stage_and_draws_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "TRAINING", dataclasses.replace(demo.TRAINING, epochs=1))
    run = RunOptions(workers=0, console=LineConsole(quiet=True))
    console = LineConsole(width=80)
    result = run_demo(tmp_path / "demo", run=run, console=console, sprites=SMALL)
    print_demo(console, result)
    said = capsys.readouterr().out
    assert list(result.scores) == ["full", "center", "motion"]
    assert all(scored.top1.total == result.scores["full"].top1.total > 0 for scored in result.scores.values())
    assert result.inside["full"] == (1.0, 1.0)
    assert result.inside["motion"][0] > result.inside["center"][0]
    assert "95 % interval by" in said
    assert "groups" in said
    picture = matplotlib.image.imread(result.picture)
    assert picture.shape[1] > 900
    assert picture[..., :3].std() > 0.1
    again = run_demo(tmp_path / "demo", run=run, console=console, sprites=SMALL)
    assert again.inside == result.inside


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(WorkspaceError, match="something else than an earlier demo"):
        run_demo(tmp_path, run=RunOptions(workers=0), console=LineConsole(quiet=True), sprites=SMALL)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
