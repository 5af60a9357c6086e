"""Lines that a training run prints."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mocrop.pipeline.terminal import LineConsole
from mocrop.training.data.selection import LeftOut
from mocrop.training.loop.callbacks import EpochRecord, RunFacts
from mocrop.training.loop.meter import Meter, Totals
from mocrop.training.report.console import ConsoleCallback, describe, describe_meter, live_line
from mocrop.training.scores import Score


def test_the_live_line_of_a_long_run_fits_into_80_columns() -> None:
    before = Totals(batches_done=1, clips=100, loss=1234.5, correct=100, seconds=1e6, waiting_seconds=1e6)
    meter = Meter(5000, torch.device("cpu"), before=before)
    facts = describe_meter(meter)
    for part in ("loss 12.345", "acc 100.0%", "clips/s", "wait 100.0%"):
        assert part in facts
    console = LineConsole(width=80, force_terminal=True)
    progress = live_line(console)
    progress.add_task("epoch 100/100", facts=facts, total=5000, completed=1)
    (line,) = console.render_lines(progress.get_renderable(), pad=False)
    text = "".join(segment.text for segment in line).rstrip()
    assert facts in text
    assert "…" not in text
    assert len(text) <= 80


@pytest.mark.parametrize(("clips_left_out", "lines"), [(0, []), (3, ["3 of the 35 clips"])])
def test_clips_that_an_epoch_leaves_out_are_reported_at_the_start(clips_left_out: int, lines: list[str]) -> None:
    facts = RunFacts(
        run_dir=Path("run"),
        arch="resnet50",
        device="cpu",
        precision="float32",
        channels_last=False,
        train_clips=35,
        validation_clips=4,
        left_out=LeftOut(),
        classes=2,
        classes_with_clips=2,
        epochs=1,
        epochs_done=0,
        clips_left_out=clips_left_out,
    )
    expected = [f"each epoch leaves out {line}, which fill no batch; other ones each time" for line in lines]
    assert describe(facts)[2:] == expected


def test_clips_of_neighbouring_frames_and_crops_are_said() -> None:
    plain = RunFacts(
        run_dir=Path("run"),
        arch="video/r3d_18",
        device="cpu",
        precision="float32",
        channels_last=False,
        train_clips=35,
        validation_clips=4,
        left_out=LeftOut(),
        classes=2,
        classes_with_clips=2,
        epochs=1,
        epochs_done=0,
    )
    assert describe(plain)[2:] == []
    assert describe(replace(plain, clip=(16, 2), crop=112))[2:] == [
        "trained on clips of 16 frames, 2 apart, out of windows; validated on the middle of each clip's",
        "squares of 112 px of each frame, anywhere in it; in validation the middle one",
    ]


def test_the_line_of_an_epoch_fits_into_80_columns_and_tells_training_from_held_out_clips() -> None:
    record = EpochRecord(
        epoch=100,
        learning_rate=0.1,
        train_loss=1.2345,
        train_accuracy=0.5,
        validation_loss=2.3456,
        validation_top1=Score(correct=3, total=4),
        validation_top5=Score(correct=4, total=4),
        seconds=12345.6,
        clips_per_second=1.5,
        waiting_share=0.99,
    )
    console = LineConsole(file=io.StringIO(), width=80)
    ConsoleCallback(console).epoch(record)
    line = console.file.getvalue()
    assert line == "epoch 100/0: loss 1.234 acc 50.0%, held out 2.346 acc 75.0%, 12346 s wait 99%\n"
    assert len(line) <= 80
