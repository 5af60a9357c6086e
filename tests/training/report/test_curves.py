"""curves.png: its contents, and when it is drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mocrop.training.data.selection import LeftOut
from mocrop.training.loop.callbacks import EpochRecord, RunFacts
from mocrop.training.report.curves import CurvesCallback, draw_curves
from mocrop.training.scores import Score

FIRST = EpochRecord(
    epoch=1,
    learning_rate=0.1,
    train_loss=3.0,
    train_accuracy=0.25,
    validation_loss=2.0,
    validation_top1=Score(correct=8, total=10),
    validation_top5=Score(correct=9, total=10),
    seconds=1.0,
    clips_per_second=1.0,
    waiting_share=0.0,
)
SECOND = replace(FIRST, epoch=2, learning_rate=0.01, train_loss=1.0, train_accuracy=0.5, validation_loss=2.5)
UNVALIDATED = replace(FIRST, validation_loss=None, validation_top1=None, validation_top5=None)


def facts(run_dir: Path) -> RunFacts:
    return RunFacts(
        run_dir=run_dir,
        arch="resnet50",
        device="cpu",
        precision="float32",
        channels_last=True,
        train_clips=30,
        validation_clips=10,
        left_out=LeftOut(),
        classes=2,
        classes_with_clips=2,
        epochs=2,
        epochs_done=0,
    )


def test_the_picture_holds_the_records() -> None:
    loss, accuracy, rate = draw_curves([FIRST, SECOND]).axes
    drawn = {line.get_label(): list(line.get_ydata()) for line in loss.lines}
    assert drawn["training"] == [3.0, 1.0]
    assert drawn["validation"] == [2.0, 2.5]
    assert [list(line.get_ydata()) for line in accuracy.lines[:2]] == [[25.0, 50.0], [80.0, 80.0]]
    assert list(rate.lines[0].get_ydata()) == [0.1, 0.01]


def test_the_best_epoch_is_marked() -> None:
    for axis in draw_curves([FIRST, SECOND]).axes:
        assert list(axis.lines[-1].get_xdata()) == [1, 1]  # as many right as the second, at a lower loss
    assert [text.get_text() for text in draw_curves([FIRST, SECOND]).axes[1].texts] == ["best: epoch 1, top-1 80.0%"]


def test_the_interval_of_eight_of_ten_is_drawn() -> None:
    (band,) = draw_curves([FIRST, SECOND]).axes[1].collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (round(heights.min(), 1), round(heights.max(), 1)) == (49.0, 94.3)


def test_without_validation_the_epoch_that_is_kept_is_marked() -> None:
    figure = draw_curves([UNVALIDATED, replace(UNVALIDATED, epoch=2)])
    assert len(figure.axes[0].lines) == 2  # training and the mark
    assert [text.get_text() for text in figure.axes[1].texts] == ["kept"]


@pytest.mark.parametrize(("seconds_between", "early"), [(0.0, True), (3600.0, False)])
def test_it_is_drawn_now_and_then_and_at_the_end(tmp_path: Path, seconds_between: float, early: bool) -> None:
    callback = CurvesCallback(seconds_between=seconds_between)
    callback.started(facts(tmp_path))
    callback.epoch(FIRST)
    assert (tmp_path / "curves.png").exists() == early
    callback.ended()
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_that_goes_on_draws_its_earlier_epochs_too(tmp_path: Path) -> None:
    whole, resumed = CurvesCallback(), CurvesCallback()
    for callback, folder in ((whole, tmp_path / "whole"), (resumed, tmp_path / "resumed")):
        callback.started(replace(facts(folder / "run")))
    for record in (FIRST, SECOND):
        whole.epoch(record)
    resumed.resumed([FIRST])
    resumed.epoch(SECOND)
    for callback in (whole, resumed):
        callback.ended()
    assert (tmp_path / "whole/run/curves.png").read_bytes() == (tmp_path / "resumed/run/curves.png").read_bytes()


def test_without_an_epoch_nothing_is_drawn(tmp_path: Path) -> None:
    callback = CurvesCallback()
    callback.started(facts(tmp_path))
    callback.ended()
    assert not (tmp_path / "curves.png").exists()
