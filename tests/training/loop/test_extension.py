"""Runs that are made longer: what they come to, what is remembered, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch

from mocrop.pipeline.errors import TrainingError
from mocrop.pipeline.terminal import LineConsole
from mocrop.training.loop.callbacks import TrainCallback
from mocrop.training.loop.extension import free_to_extend
from mocrop.training.loop.meter import Meter
from mocrop.training.loop.train import train
from mocrop.training.model.checkpoint import load_checkpoint
from mocrop.training.recipe import TrainSettings
from mocrop.training.report.console import ConsoleCallback

CONSTANT = TrainSettings(
    arch="timm/test_resnet",
    weights="none",
    epochs=2,
    batch_size=8,
    learning_rate=3e-3,
    learning_rate_steps=(1.0,),  # at the end, so that the rate is the same whatever the number of epochs
    validation_share=0.25,
    device="cpu",
)
COSINE = replace(CONSTANT, schedule="cosine")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, make_cache: Callable[..., Path]) -> Path:
    return make_cache(
        tmp_path_factory.mktemp("extension") / "noise.zarr",
        label=[0, 1] * 16,
        group=[row // 4 for row in range(32)],
        pixels=np.random.default_rng(0).integers(0, 256, (32, 4, 3, 32, 32), dtype=np.uint8),
    )


def log(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def losses(run: Path) -> list[float]:
    return [record["train_loss"] for record in log(run)]


def same_weights(one: Path, other: Path) -> bool:
    states = [load_checkpoint(run / "last.pt").state_dict for run in (one, other)]
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_where_the_rate_does_not_change_a_longer_run_is_one_that_was_as_long_from_the_start(
    cache: Path, tmp_path: Path
) -> None:
    train(cache, tmp_path / "long", replace(CONSTANT, epochs=4))
    train(cache, tmp_path / "extended", CONSTANT)
    train(cache, tmp_path / "extended", replace(CONSTANT, epochs=4), extend=True)
    assert losses(tmp_path / "extended") == losses(tmp_path / "long")
    assert same_weights(tmp_path / "extended", tmp_path / "long")


def test_on_a_cosine_the_rate_goes_back_up_to_that_of_the_longer_run(cache: Path, tmp_path: Path) -> None:
    train(cache, tmp_path, COSINE)
    train(cache, tmp_path, replace(COSINE, epochs=4), extend=True)
    steps = 3  # of 24 clips to train on; the last one of an epoch has its middle half a step before the end
    of = [2, 2, 4, 4]
    passed = [epoch + 1 - 0.5 / steps for epoch in range(4)]
    wanted = [3e-3 * (1 + math.cos(math.pi * at / epochs)) / 2 for at, epochs in zip(passed, of, strict=True)]
    assert [record["learning_rate"] for record in log(tmp_path)] == pytest.approx(wanted, rel=1e-9)
    assert wanted[2] > 10 * wanted[1]


class _Kill(TrainCallback):
    def step(self, epoch: int, meter: Meter) -> None:
        if epoch == 4 and meter.batches_done == 2:
            raise KeyboardInterrupt


def test_a_run_that_is_killed_after_it_was_made_longer_goes_on_to_the_same_weights(cache: Path, tmp_path: Path) -> None:
    longer = replace(COSINE, epochs=5)
    for run in ("once", "killed"):
        train(cache, tmp_path / run, COSINE)
    train(cache, tmp_path / "once", longer, extend=True)
    with pytest.raises(KeyboardInterrupt):
        train(cache, tmp_path / "killed", longer, extend=True, callback=_Kill())
    train(cache, tmp_path / "killed", longer)  # it is a run of five epochs now
    assert losses(tmp_path / "killed") == losses(tmp_path / "once")
    assert same_weights(tmp_path / "killed", tmp_path / "once")
    for run in ("once", "killed"):
        assert json.loads((tmp_path / run / "config.json").read_text())["extensions"] == [{"after": 2, "epochs": 2}]


def test_a_run_says_that_it_was_made_longer_and_what_that_means(cache: Path, tmp_path: Path) -> None:
    said = StringIO()
    train(cache, tmp_path, COSINE, callback=ConsoleCallback(LineConsole(file=said)))
    assert "made longer" not in said.getvalue()
    assert "extensions" not in json.loads((tmp_path / "config.json").read_text())
    for epochs in (4, 5):
        console = ConsoleCallback(LineConsole(file=said))
        train(cache, tmp_path, replace(COSINE, epochs=epochs), extend=True, callback=console)
    text = said.getvalue()
    assert "made longer: 2 epochs before, 4 now, 2 done when that was decided" in text
    assert "the learning rate is from here on that of a run of 4 epochs: 0.0015 after 5.1e-05" in text
    assert "the result is not that of a run which had 5 epochs from the start" in text
    assert load_checkpoint(tmp_path / "last.pt").resume["extensions"] == [
        {"after": 2, "epochs": 2},
        {"after": 4, "epochs": 4},
    ]


@pytest.mark.parametrize(
    ("settings", "extend", "why"),
    [
        (replace(COSINE, epochs=4), False, "epochs: 2, now 4"),
        (replace(COSINE, epochs=1), True, "epochs: 2, now 1"),
        (replace(COSINE, epochs=4, seed=1), True, r"\(seed: 0, now 1\)"),
        (replace(COSINE, epochs=4, warmup_epochs=1), True, "warmup_epochs: 0.0, now 1"),
    ],
)
def test_what_is_no_extension_is_refused(
    cache: Path, tmp_path: Path, settings: TrainSettings, extend: bool, why: str
) -> None:
    train(cache, tmp_path, COSINE)
    with pytest.raises(TrainingError, match=why):
        train(cache, tmp_path, settings, extend=extend)


def test_a_warm_up_in_proportion_comes_with_the_recipe_and_stays_that_of_the_run(cache: Path, tmp_path: Path) -> None:
    warm = replace(COSINE, warmup_epochs=0.5)
    train(cache, tmp_path, warm)
    train(cache, tmp_path, replace(warm, epochs=4, warmup_epochs=1), extend=True)
    settings = load_checkpoint(tmp_path / "last.pt").settings
    assert (settings["epochs"], settings["warmup_epochs"]) == (4, 0.5)


def test_only_more_epochs_make_a_run_longer() -> None:
    two, four = {"epochs": 2, "warmup_epochs": 0.5}, {"epochs": 4, "warmup_epochs": 1.0}
    assert free_to_extend(two, four) == {"epochs", "warmup_epochs"}
    assert free_to_extend(two, {**four, "warmup_epochs": 0.5}) == {"epochs"}
    assert free_to_extend(four, two) == free_to_extend(two, two) == frozenset()
