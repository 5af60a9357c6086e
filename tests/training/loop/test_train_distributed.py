"""Training and validation by two processes give what one process gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import SettingsError, StoppedError
from mocrop.training.distributed import Ranks
from mocrop.training.loop.callbacks import TrainCallback
from mocrop.training.loop.clips import choose_clips
from mocrop.training.loop.epoch import validate
from mocrop.training.loop.job import set_up
from mocrop.training.loop.meter import Meter
from mocrop.training.loop.optim import StepPosition
from mocrop.training.loop.saver import RunControl
from mocrop.training.loop.step import train_step
from mocrop.training.loop.train import train
from mocrop.training.model.checkpoint import load_checkpoint
from mocrop.training.recipe import TrainSettings
from tests.training.rank_processes import in_ranks

SETTINGS = TrainSettings(
    arch="timm/test_convnext",  # no BatchNorm: a clip's result does not depend on its neighbours
    weights="none",
    epochs=2,
    batch_size=6,
    mixup=0,  # partners are of the same process
    validation_share=0.4,
    device="cpu",
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, make_cache: Callable[..., Path]) -> Path:
    """25 clips to train on, one of which is left out, and 15 to validate on, an unequal number for each process."""
    path = tmp_path_factory.mktemp("parallel") / "caches/noise.zarr"
    path.parent.mkdir()
    (path.parents[1] / "mocrop.toml").write_text('dataset = "nowhere"\n')
    groups = [row // 2 // 4 for row in range(40)]
    return make_cache(path, label=[0, 1] * 20, group=groups, slots=6, size=32, clips_per_shard=8)


def gradients(ranks: Ranks, cache_path: Path, settings: TrainSettings) -> list[np.ndarray]:
    """Gradients of the first update, after as many batches as it takes."""
    cache = CropCache(cache_path)
    job = set_up(cache, choose_clips(cache, settings), settings, weights="none", ranks=ranks)
    for step, batch in enumerate(job.loader):
        if train_step(job, batch, StepPosition(epoch=0, step=step, steps=len(job.loader))).updated:
            break
    return [parameter.grad.numpy() for parameter in job.trained.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_two_processes_have_the_gradients_of_one(cache: Path, accumulate: int) -> None:
    settings = replace(SETTINGS, accumulate=accumulate)
    alone = gradients(Ranks(), cache, settings)
    first, second = in_ranks(gradients, cache, settings)
    assert len(alone) == len(first) > 10
    assert max(np.abs(gradient).max() for gradient in alone) > 1e-3
    for one, two, other in zip(alone, first, second, strict=True):
        assert np.array_equal(two, other)
        np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-6)


def validation(ranks: Ranks, cache_path: Path, settings: TrainSettings) -> Any:
    cache = CropCache(cache_path)
    job = set_up(cache, choose_clips(cache, settings), settings, weights="none", ranks=ranks)
    calls: list[int] = []
    result = validate(job, after_batch=lambda: calls.append(1))
    assert result is not None
    return result.loss, result.top1, result.top5, len(calls), result.mean_precision


def test_two_processes_come_to_the_mean_average_precision_of_one(
    tmp_path: Path, make_cache: Callable[..., Path]
) -> None:
    labels = [[1, 0], [1, 1], [0, 1]] * 5
    label, subset = [row.index(1) for row in labels], [1] * 8 + [3] * 7
    path = make_cache(tmp_path / "several.zarr", label=label, labels=labels, subset=subset, size=32)
    settings = replace(SETTINGS, batch_size=2, validation_share=TrainSettings.validation_share)
    alone = validation(Ranks(), path, settings)
    assert alone[1] is None
    assert 0 < alone[-1] < 1
    for both in in_ranks(validation, path, settings):
        assert both[-1] == pytest.approx(alone[-1])
        assert both[0] == pytest.approx(alone[0], rel=1e-5)


@pytest.mark.parametrize("batch_size", [2, 8])
def test_two_processes_validate_as_one_with_every_clip_counted_once(cache: Path, batch_size: int) -> None:
    settings = replace(SETTINGS, batch_size=batch_size)
    loss, top1, top5, *_ = validation(Ranks(), cache, settings)
    first, second = in_ranks(validation, cache, settings)
    assert first == second
    assert first[1:3] == (top1, top5)
    assert first[0] == pytest.approx(loss, rel=1e-6)


class StopAfter(TrainCallback):
    """Asks this process alone to stop."""

    def __init__(self, control: RunControl, *, batch: int) -> None:
        self._control = control
        self._batch = batch

    def step(self, epoch: int, meter: Meter) -> None:
        if meter.batches_done == self._batch:
            self._control.stop.signal = 15


def stopped_then_finished(ranks: Ranks, cache: Path, folder: Path) -> tuple[str, int, list[dict[str, Any]]]:
    control = RunControl(ranks=ranks)
    callback = StopAfter(control, batch=1) if not ranks.first else TrainCallback()
    with pytest.raises(StoppedError) as stopped:
        train(cache, folder, SETTINGS, callback=callback, control=control)
    meter = load_checkpoint(folder / "last.pt").resume["meter"]
    ranks.wait()
    train(cache, folder, SETTINGS, control=RunControl(ranks=ranks))
    ranks.wait()
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return str(stopped.value), meter["clips"], lines


def test_a_signal_to_one_process_stops_both_after_the_same_batch(cache: Path, tmp_path: Path) -> None:
    train(cache, tmp_path / "alone", SETTINGS)
    alone = [json.loads(line) for line in (tmp_path / "alone/log.jsonl").read_text().splitlines()]
    first, second = in_ranks(stopped_then_finished, cache, tmp_path / "both")
    assert first == second
    message, clips, lines = first
    assert message.startswith("stopped by SIGTERM after batch 2 of 4 of epoch 1")  # a batch later
    assert clips == 12  # of both
    for line, expected in zip(lines, alone, strict=True):
        assert line["validation_top1"] == expected["validation_top1"]
        assert line["train_accuracy"] == expected["train_accuracy"]
        assert line["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-3)


def trained(ranks: Ranks, cache: Path, folder: Path, settings: TrainSettings) -> None:
    train(cache, folder, settings, control=RunControl(ranks=ranks))


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_what_two_processes_validate_is_what_is_saved(cache: Path, tmp_path: Path, ema: float) -> None:
    """Running statistics of BatchNorm are each process's own until they are shared."""
    settings = replace(SETTINGS, arch="timm/test_resnet", epochs=1, ema=ema)
    in_ranks(trained, cache, tmp_path, settings)
    recorded = json.loads((tmp_path / "metrics.json").read_text())["last"]
    opened = CropCache(cache)
    job = set_up(opened, choose_clips(opened, settings), settings, weights="none")
    job.restore(load_checkpoint(tmp_path / "last.pt"))
    result = validate(job, after_batch=lambda: None)
    assert result is not None
    assert recorded["validation_top1"] == asdict(result.top1)
    assert recorded["validation_loss"] == pytest.approx(result.loss, rel=1e-5)


def trained_each(ranks: Ranks, caches: list[Path], folder: Path) -> None:
    train(caches[ranks.rank], folder, SETTINGS, control=RunControl(ranks=ranks))


def test_processes_that_read_different_caches_are_refused(
    cache: Path, tmp_path: Path, make_cache: Callable[..., Path]
) -> None:
    """As where one of them opens a cache at an address before, and one after it was written again."""
    groups = [row // 2 // 4 for row in range(40)]
    other = make_cache(tmp_path / "noise.zarr", label=[1, 0] * 20, group=groups, slots=6, size=32, clips_per_shard=8)
    (error,) = [end for end in in_ranks(trained_each, [cache, other], tmp_path / "run") if isinstance(end, Exception)]
    assert isinstance(error, SettingsError)
    assert "the cache, which may have been written again meanwhile, is not the same for all processes" in str(error)


def test_torchrun_trains_as_one_process(cache: Path) -> None:
    """With the real launcher and the real command; only one of the processes writes and prints."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "mocrop.cli",
    ]
    options = [
        "-w",
        str(cache.parents[1]),
        "--arch",
        SETTINGS.arch,
        "--weights",
        "none",
        "--epochs",
        "1",
        "--mixup",
        "0",
    ]
    options += [
        "--batch-size",
        "6",
        "--device",
        "cpu",
        "--validation-share",
        "0.4",
        "--no-tensorboard",
        "--name",
        "two",
    ]
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, "train", *options], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("best epoch 1:") == 1
    assert done.stdout.count("epoch 1/1: loss") == 1
    run = cache.parents[1] / "runs/two"
    train(cache, run.with_name("one"), replace(SETTINGS, epochs=1))
    two, one = (json.loads((folder / "metrics.json").read_text())["last"] for folder in (run, run.with_name("one")))
    for fact in ("validation_top1", "validation_top5", "train_accuracy"):
        assert two[fact] == one[fact]
    assert two["validation_loss"] == pytest.approx(one["validation_loss"], rel=1e-3)
    weights = [load_checkpoint(folder / "last.pt").state_dict for folder in (run, run.with_name("one"))]
    assert weights[0].keys() == weights[1].keys()
