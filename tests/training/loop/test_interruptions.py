"""Runs that are killed, are stopped or diverge in the middle of an epoch, and what they leave."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from mocrop.cli import main
from mocrop.evaluation.scores.targets import Choice, choose_tasks
from mocrop.pipeline.errors import StoppedError, TrainingError
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.commands import choose_run
from mocrop.training.data.dataset import CropDataset
from mocrop.training.loop import epoch as epoch_module
from mocrop.training.loop import saver as saver_module
from mocrop.training.loop import train as train_module
from mocrop.training.loop.callbacks import Callbacks, TrainCallback
from mocrop.training.loop.meter import Meter
from mocrop.training.loop.optim import StepPosition
from mocrop.training.loop.saver import RunControl, Saver
from mocrop.training.loop.signals import StopRequest
from mocrop.training.loop.train import train
from mocrop.training.model.checkpoint import Checkpoint, load_checkpoint
from mocrop.training.recipe import SAME_PIXELS, TrainSettings
from tests.training.rank_processes import process_maker

SETTINGS = TrainSettings(  # 24 clips to train on: 6 batches an epoch; all that is random is on, dropout too
    arch="timm/test_efficientnet",
    weights="none",
    epochs=2,
    batch_size=4,
    learning_rate=3e-3,
    validation_share=0.25,
    device="cpu",
)
BATCHES = 6
KILLED_AFTER = 4  # batches of the second epoch


class Wait(TrainCallback):
    """Reports when a batch is done, and sleeps until the process is killed."""

    def __init__(self, end: Connection, *, epoch: int, batch: int) -> None:
        self._end = end
        self._at = epoch, batch

    def step(self, epoch: int, meter: Meter) -> None:
        if (epoch, meter.batches_done) == self._at:
            self._end.send("ready")
            time.sleep(600)


def train_until_killed(end: Connection, cache: Path, folder: Path) -> None:
    torch.set_num_threads(1)
    callback = Wait(end, epoch=2, batch=KILLED_AFTER)
    train(cache, folder, SETTINGS, callback=callback, control=RunControl(save_every_seconds=0))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, make_cache: Callable[..., Path]) -> Path:
    root = tmp_path_factory.mktemp("interrupted")
    (root / "mocrop.toml").write_text('dataset = "nowhere"\n')
    groups = [row // 2 // 4 for row in range(32)]  # four of each class, with four clips each
    make_cache(root / "caches/noise.zarr", label=[0, 1] * 16, group=groups, slots=6, size=32, clips_per_shard=8)
    return root


@pytest.fixture(scope="module")
def cache(workspace: Path) -> Path:
    return workspace / "caches/noise.zarr"


@pytest.fixture(scope="module")
def undisturbed(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    train(cache, folder, SETTINGS)
    return folder


class StopAfter(TrainCallback):
    """Requests a stop when a batch is done, as a signal in the middle of a step does."""

    def __init__(self, stop: StopRequest, *, epoch: int, batch: int) -> None:
        self._stop = stop
        self._at = epoch, batch

    def step(self, epoch: int, meter: Meter) -> None:
        if (epoch, meter.batches_done) == self._at:
            self._stop.signal = signal.SIGTERM


def curve(folder: Path) -> list[dict[str, Any]]:
    """log.jsonl without measured times."""
    timed = {"seconds", "clips_per_second", "waiting_share"}
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in timed} for line in lines]


def equal_to_the_bit(one: object, other: object) -> bool:
    """Whether two checkpoints' contents are the same, tensors and all."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal_to_the_bit(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal_to_the_bit, one, other))
    return one == other


def trained(checkpoint: Checkpoint) -> dict[str, Any]:
    """Weights and everything else that later steps depend on."""
    state = {name: value for name, value in checkpoint.resume.items() if name != "history"}
    return {"weights": dict(checkpoint.state_dict), **state}


def assert_same_run(folder: Path, undisturbed: Path) -> None:
    for file in ("last.pt", "best.pt"):
        one, other = load_checkpoint(folder / file), load_checkpoint(undisturbed / file)
        assert equal_to_the_bit(trained(one), trained(other))
        assert one.epoch == other.epoch
    assert curve(folder) == curve(undisturbed)


def test_a_run_killed_in_the_middle_of_an_epoch_goes_on_to_the_same_bits(
    cache: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = process_maker().Pipe()
    process = process_maker().Process(target=train_until_killed, args=(theirs, cache, tmp_path))
    process.start()
    assert ours.recv() == "ready"
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    left = load_checkpoint(tmp_path / "last.pt")
    assert left.epoch == 1
    assert left.resume["meter"]["batches_done"] == KILLED_AFTER - 1
    read: list[int] = []
    original = CropDataset.read

    def spy(self: CropDataset, indices: np.ndarray, **options: Any) -> Any:
        read.append(len(indices) if self.segments == SETTINGS.segments else 0)
        return original(self, indices, **options)

    monkeypatch.setattr(CropDataset, "read", spy)
    assert train(cache, tmp_path, SETTINGS).facts.batches_done == KILLED_AFTER - 1
    assert sum(read) == SETTINGS.batch_size * (BATCHES - KILLED_AFTER + 1)  # what was skipped is not read
    assert_same_run(tmp_path, undisturbed)


@pytest.mark.parametrize(("epoch", "batch"), [(1, 1), (1, BATCHES), (2, 3)])
def test_a_stopped_run_is_saved_and_goes_on_to_the_same_bits(
    cache: Path, undisturbed: Path, tmp_path: Path, epoch: int, batch: int
) -> None:
    stop = StopRequest()
    where = rf"stopped by SIGTERM after batch {batch} of {BATCHES} of epoch {epoch}, .*; the same command goes on there"
    with pytest.raises(StoppedError, match=where) as stopped:
        train(
            cache, tmp_path, SETTINGS, callback=StopAfter(stop, epoch=epoch, batch=batch), control=RunControl(stop=stop)
        )
    assert stopped.value.exit_code == 143
    assert load_checkpoint(tmp_path / "last.pt").resume["meter"]["batches_done"] == batch
    train(cache, tmp_path, SETTINGS)
    assert_same_run(tmp_path, undisturbed)


def test_a_run_stopped_during_validation_validates_again(
    cache: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = StopRequest()

    def asked(*arguments: Any, **options: Any) -> int:
        stop.signal = signal.SIGINT
        return 0

    with monkeypatch.context() as patched:
        patched.setattr(epoch_module, "count_correct", asked)
        with pytest.raises(StoppedError, match=f"SIGINT after batch {BATCHES}") as stopped:
            train(cache, tmp_path, SETTINGS, control=RunControl(stop=stop))
    assert stopped.value.exit_code == 130
    train(cache, tmp_path, SETTINGS)
    assert_same_run(tmp_path, undisturbed)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_command_with_one_line_and_its_exit_code(
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    code: int,
) -> None:
    step, handler = epoch_module.train_step, signal.getsignal(number)

    def signalled(*arguments: Any, **options: Any) -> Any:
        os.kill(os.getpid(), number)
        return step(*arguments, **options)

    monkeypatch.setattr(epoch_module, "train_step", signalled)
    run = f"signal-{code}"
    arguments = ["--arch", SETTINGS.arch, "--weights", "none", "--batch-size", "4", "--device", "cpu", "--name", run]
    with pytest.raises(SystemExit) as end:
        main(["train", "-w", str(workspace), *arguments])
    assert end.value.code == code
    where = f"after batch 1 of {BATCHES} of epoch 1"
    line = f"stopped by {number.name} {where}, which is saved; the same command goes on there"
    assert capsys.readouterr().err == f"{line}\n"
    assert load_checkpoint(workspace / "runs" / run / "last.pt").resume["meter"]["batches_done"] == 1
    assert signal.getsignal(number) == handler


def test_a_batch_whose_loss_is_not_finite_is_named_and_not_saved(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = epoch_module.train_step

    def diverged(job: Any, batch: Any, place: StepPosition) -> Any:
        done = step(job, batch, place)
        return done._replace(loss=done.loss * float("nan")) if (place.epoch, place.step) == (1, 2) else done

    monkeypatch.setattr(epoch_module, "train_step", diverged)
    with pytest.raises(TrainingError, match=r"the training loss of epoch 2, batch 3 is nan; pass a lower --lr"):
        train(cache, tmp_path, SETTINGS, control=RunControl(save_every_seconds=0))
    left = load_checkpoint(tmp_path / "last.pt")
    assert (left.epoch, left.resume["meter"]["batches_done"]) == (1, 2)
    assert all(tensor.isfinite().all() for tensor in left.state_dict.values())


def test_weights_that_the_last_step_made_infinite_are_not_saved(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = epoch_module.train_step

    def overflowing(job: Any, batch: Any, place: StepPosition) -> Any:
        done = step(job, batch, place)  # its loss is of the weights before it
        next(job.model.parameters()).data[0] = float("inf")
        return done

    monkeypatch.setattr(epoch_module, "train_step", overflowing)
    with pytest.raises(TrainingError, match=r"weights .* are no finite numbers any more; pass a lower --lr"):
        train(cache, tmp_path, replace(SETTINGS, batch_size=64, validation_share=0))
    assert not (tmp_path / "last.pt").exists()
    assert not (tmp_path / "best.pt").exists()


def test_a_frozen_run_stops_while_its_features_are_computed(cache: Path, tmp_path: Path) -> None:
    frozen = replace(SETTINGS, freeze_backbone=True, **SAME_PIXELS)
    stop = StopRequest()
    stop.signal = signal.SIGTERM
    with pytest.raises(StoppedError, match="stopped by SIGTERM while features were computed; the same command goes on"):
        train(cache, tmp_path, frozen, control=RunControl(stop=stop))
    assert not [*cache.with_suffix(".features").glob(".*")]  # nothing half-written
    train(cache, tmp_path, frozen)


def test_what_ends_a_run_is_not_hidden_by_a_callback_that_fails(cache: Path, tmp_path: Path) -> None:
    class Broken(TrainCallback):
        def ended(self) -> None:
            raise OSError("no space for the picture")

    class Listening(TrainCallback):
        notified = False

        def ended(self) -> None:
            self.notified = True

    listening, stop = Listening(), StopRequest()
    stop.signal = signal.SIGTERM
    with pytest.raises(StoppedError):
        train(cache, tmp_path, SETTINGS, callback=Callbacks(Broken(), listening), control=RunControl(stop=stop))
    assert listening.notified


def test_a_run_is_saved_each_time_that_so_many_seconds_have_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every 10 s, with a batch done every 4: after 12 s, and 10 s after that have passed at 24."""
    clock, saved = [0.0], list[float]()
    monkeypatch.setattr(saver_module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    saver = Saver(RunControl(save_every_seconds=10), lambda _: saved.append(clock[0]))
    saver.begin_epoch()
    for seconds in range(4, 40, 4):
        clock[0] = seconds
        saver.after_batch(0, Meter(9, torch.device("cpu")))
    assert saved == [12, 24, 36]


@pytest.mark.parametrize("seconds_between_saves", [0.0, 1000.0])
def test_a_stopped_head_without_validation_leaves_its_last_whole_epoch(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds_between_saves: float
) -> None:
    monkeypatch.setattr(train_module, "HEAD_SECONDS_BETWEEN_SAVES", seconds_between_saves)
    frozen = replace(SETTINGS, freeze_backbone=True, **SAME_PIXELS, validation_share=0, epochs=2)
    train(cache, tmp_path / "two", frozen)
    stop = StopRequest()
    stopping = StopAfter(stop, epoch=3, batch=2)
    with pytest.raises(StoppedError):
        train(cache, tmp_path / "four", replace(frozen, epochs=4), callback=stopping, control=RunControl(stop=stop))
    two, four = (load_checkpoint(tmp_path / name / "best.pt") for name in ("two", "four"))
    assert two.epoch == four.epoch == 2
    assert json.loads((tmp_path / "four" / "metrics.json").read_text())["best"]["epoch"] == 2
    assert not equal_to_the_bit(dict(four.state_dict), dict(load_checkpoint(tmp_path / "four/last.pt").state_dict))
    assert train(cache, tmp_path / "four", replace(frozen, epochs=4)).best.epoch == 4


def test_a_run_stopped_in_its_first_epoch_is_a_trained_run(workspace: Path) -> None:
    stop, made = StopRequest(), Workspace(workspace)
    with pytest.raises(StoppedError):
        train(
            made.cache("noise"),
            made.run("first"),
            SETTINGS,
            callback=StopAfter(stop, epoch=1, batch=1),
            control=RunControl(stop=stop),
        )
    assert choose_run(made, "first") == made.run("first")
    (task,) = choose_tasks(made, Choice(run="first"), "1")
    assert (task.target.checkpoint, task.target.name) == (made.run("first") / "last.pt", "first-last")
