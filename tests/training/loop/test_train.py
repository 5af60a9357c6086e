"""Training runs on a cache that can be learnt: complete, interrupted, refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import CacheError, SettingsError, TrainingError
from mocrop.pipeline.terminal import LineConsole
from mocrop.training.loop import job as job_module
from mocrop.training.loop.callbacks import EpochRecord, TrainCallback
from mocrop.training.loop.clips import choose_clips
from mocrop.training.loop.meter import Meter
from mocrop.training.loop.run_folder import RunFolder
from mocrop.training.loop.train import train
from mocrop.training.model.checkpoint import load_checkpoint
from mocrop.training.model.trained_on import name_hashes
from mocrop.training.recipe import TrainSettings, recipe_table
from mocrop.training.report.console import ConsoleCallback

SETTINGS = TrainSettings(
    arch="timm/test_resnet",
    weights="none",
    epochs=4,
    batch_size=8,
    learning_rate=3e-3,
    mixup=0,
    color_jitter=0,
    validation_share=0.25,
    device="cpu",
)
CLASSES = ["Dig", "Never", "Run"]  # no clip of the second


def striped(labels: list[int], size: int = 32) -> np.ndarray:
    """Clips whose class is the direction of their stripes: vertical (2) or horizontal (0), at any brightness."""
    rng = np.random.default_rng(0)
    bars = (np.arange(size) // 4 % 2).astype(np.float64)
    pixels = np.zeros((len(labels), 4, 3, size, size))
    for row, label in enumerate(labels):
        picture = bars[:, None] if label == 0 else bars[None, :]
        pixels[row] = picture * rng.uniform(80, 200) + rng.uniform(0, 50, pixels[row].shape)
    return pixels.astype(np.uint8)


@pytest.fixture(scope="module")
def cache_path(tmp_path_factory: pytest.TempPathFactory, make_cache: Callable[..., Path]) -> Path:
    labels = [0, 2] * 20
    return make_cache(
        tmp_path_factory.mktemp("train") / "stripes.zarr",
        label=labels,
        group=[row // 4 for row in range(40)],
        subset=[1] * 32 + [2] * 8,
        state=[1] * 31 + [3] + [1] * 8,
        pixels=striped(labels),
        class_names=CLASSES,
        clips_per_shard=16,
    )


class Interrupt(TrainCallback):
    """Stops the run in the middle of an epoch, as a killed process would."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def step(self, epoch: int, meter: Meter) -> None:
        if epoch == self._epoch and meter.batches_done == 2:
            raise KeyboardInterrupt


class Listen(TrainCallback):
    def __init__(self) -> None:
        self.epochs: list[int] = []

    def epoch(self, record: EpochRecord) -> None:
        self.epochs.append(record.epoch)


def weights(file: Path) -> dict[str, torch.Tensor]:
    return dict(load_checkpoint(file).state_dict)


def test_a_run_learns_and_leaves_its_files(cache_path: Path, tmp_path: Path) -> None:
    result = train(cache_path, tmp_path / "run", SETTINGS)
    assert {file.name for file in (tmp_path / "run").iterdir()} == {
        "config.json",
        "log.jsonl",
        "metrics.json",
        "last.pt",
        "best.pt",
        ".lock",
    }
    assert result.best.validation_top1.share == 1.0
    assert result.last.train_loss < 0.5
    assert result.facts.train_clips + result.facts.validation_clips == 31
    assert result.facts.left_out.failed == 1
    assert (result.facts.classes, result.facts.classes_with_clips) == (3, 2)
    best = load_checkpoint(result.checkpoint)
    assert best.class_names == CLASSES
    assert best.state_dict["fc.weight"].shape[0] == 3
    assert best.epoch == result.best.epoch
    assert best.settings["arch"] == "timm/test_resnet"
    assert best.cache["size"] == 32
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["settings"]["learning_rate"] == 3e-3
    assert config["clips"]["left_out"]["failed"] == 1
    assert (config["precision"], config["channels_last"]) == ("float32", True)


def test_validation_clips_are_whole_groups_of_the_training_list(
    cache_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, set[int]] = {"random": set(), "middle": set()}
    read = job_module.CropDataset.read

    def spy(self: job_module.CropDataset, indices: np.ndarray, **options: object) -> object:
        seen["random" if self._random else "middle"].update(self.rows[indices].tolist())
        return read(self, indices, **options)

    monkeypatch.setattr(job_module.CropDataset, "read", spy)
    train(cache_path, tmp_path / "run", replace(SETTINGS, epochs=3, batch_size=4))
    cache = CropCache(cache_path)
    assert seen["middle"]
    assert all(cache.subset[row, 0] == 1 for rows in seen.values() for row in rows)
    groups = {name: {(cache.label[row], cache.group[row]) for row in rows} for name, rows in seen.items()}
    assert not groups["random"] & groups["middle"]


def test_a_checkpoint_names_the_clips_that_its_run_has_seen(cache_path: Path, tmp_path: Path) -> None:
    cache, settings = CropCache(cache_path), replace(SETTINGS, epochs=1)
    clips = choose_clips(cache, settings)
    expected = [name_hashes([cache.clip[row] for row in rows]).tolist() for rows in (clips.train, clips.validate)]
    best = train(cache_path, tmp_path / "first", settings).checkpoint
    for file in (best, tmp_path / "first" / "last.pt"):
        saved = load_checkpoint(file)
        assert saved.trained_on is not None
        assert saved.validated_on is not None
        assert [saved.trained_on.tolist(), saved.validated_on.tolist()] == expected
    more = replace(settings, weights=str(best), validation_share=0.0)
    after = load_checkpoint(train(cache_path, tmp_path / "second", more).checkpoint)
    assert after.trained_on is not None
    assert after.validated_on is not None
    assert after.trained_on.tolist() == sorted([*expected[0], *expected[1]])
    assert after.validated_on.tolist() == expected[1]


def test_an_interrupted_run_goes_on_to_the_same_weights(cache_path: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train(cache_path, whole, SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        train(cache_path, broken, SETTINGS, callback=Interrupt(epoch=3))
    assert load_checkpoint(broken / "last.pt").epoch == 2
    listen = Listen()
    result = train(cache_path, broken, SETTINGS, callback=listen)
    assert listen.epochs == [3, 4]
    assert result.facts.epochs_done == 2
    for file in ("last.pt", "best.pt"):
        expected = weights(whole / file)
        assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(broken / file).items())
    lines = [json.loads(line) for line in (broken / "log.jsonl").read_text().splitlines()]
    expected_lines = [json.loads(line) for line in (whole / "log.jsonl").read_text().splitlines()]
    assert [line["train_loss"] for line in lines] == [line["train_loss"] for line in expected_lines]


def test_a_finished_run_is_not_trained_again(cache_path: Path, tmp_path: Path) -> None:
    short = replace(SETTINGS, epochs=1)
    first = train(cache_path, tmp_path, short)
    before = (tmp_path / "last.pt").read_bytes()
    listen = Listen()
    assert train(cache_path, tmp_path, short, callback=listen).last == first.last
    assert listen.epochs == []
    assert (tmp_path / "last.pt").read_bytes() == before


def test_another_run_in_the_folder_is_refused_with_the_difference(cache_path: Path, tmp_path: Path) -> None:
    train(cache_path, tmp_path, replace(SETTINGS, epochs=1))
    with pytest.raises(
        TrainingError, match=r"other settings \(epochs: 1, now 2; seed: 0, now 5\); pass another --name"
    ):
        train(cache_path, tmp_path, replace(SETTINGS, epochs=2, seed=5))


def test_two_runs_at_once_in_one_folder_are_refused(cache_path: Path, tmp_path: Path) -> None:
    short = replace(SETTINGS, epochs=1)
    with RunFolder(tmp_path).held():
        with pytest.raises(
            TrainingError, match=r"another `mocrop train` \(process \d+\) is at work in .*; wait for it"
        ):
            train(cache_path, tmp_path, short)
        assert [file.name for file in tmp_path.iterdir()] == [".lock"]
    train(cache_path, tmp_path, short)


def test_a_run_may_resume_on_another_device(cache_path: Path, tmp_path: Path) -> None:
    train(cache_path, tmp_path, replace(SETTINGS, epochs=1, device="cpu"))
    train(cache_path, tmp_path, replace(SETTINGS, epochs=1, device="auto"))


def test_a_cache_with_other_clips_is_refused(cache_path: Path, tmp_path: Path, make_cache: Callable[..., Path]) -> None:
    train(cache_path, tmp_path / "run", replace(SETTINGS, epochs=1))
    labels = [0, 2] * 20
    other = make_cache(tmp_path / "other.zarr", label=labels, pixels=striped(labels), class_names=CLASSES)
    with pytest.raises(TrainingError, match=r"other settings \(cache: stripes, now other\)"):
        train(other, tmp_path / "run", replace(SETTINGS, epochs=1))


def test_a_loss_that_is_not_finite_stops_the_run(cache_path: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"training loss of epoch 1, batch \d+ is (nan|inf); pass a lower --lr"):
        train(cache_path, tmp_path, replace(SETTINGS, learning_rate=1e6, weight_decay=1e6))
    assert not (tmp_path / "last.pt").exists()


def test_without_validation_the_last_epoch_is_the_best(cache_path: Path, tmp_path: Path) -> None:
    result = train(cache_path, tmp_path, replace(SETTINGS, epochs=2, validation_share=0))
    assert result.facts.validation_clips == 0
    assert result.best == result.last
    assert result.best.validation_top1 is None
    expected = weights(tmp_path / "last.pt")
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(tmp_path / "best.pt").items())


def test_nothing_to_hold_out_is_an_error(tmp_path: Path, make_cache: Callable[..., Path]) -> None:
    path = make_cache(tmp_path / "c.zarr", label=[0, 1], size=32)
    with pytest.raises(SettingsError, match=r"no class has two groups.*--validation-share 0"):
        train(path, tmp_path / "run", SETTINGS)


def test_a_missing_shard_ends_the_run_before_it_starts(tmp_path: Path, make_cache: Callable[..., Path]) -> None:
    path = make_cache(tmp_path / "c.zarr", label=[0, 1] * 4, size=32)
    CropCache(path).shard_file(1).unlink()
    with pytest.raises(CacheError, match="1 shard files are missing"):
        train(path, tmp_path / "run", SETTINGS)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("terminal", [True, False])
def test_the_console_shows_each_epoch(cache_path: Path, tmp_path: Path, terminal: bool) -> None:
    text = StringIO()
    console = LineConsole(file=text, force_terminal=terminal, width=200)
    train(cache_path, tmp_path, replace(SETTINGS, epochs=2), callback=ConsoleCallback(console))
    shown = text.getvalue()
    assert "only 2 of 3 classes have clips to train on" in shown
    assert "left out: 1 failed" in shown
    assert "epoch 2/2: loss" in shown
    assert " wait " in shown
    train(cache_path, tmp_path, replace(SETTINGS, epochs=2), callback=ConsoleCallback(console))
    assert "all 2 epochs are done already" in text.getvalue()


def test_the_modern_recipe_learns_too(cache_path: Path, tmp_path: Path) -> None:
    options = {"epochs": 10, "learning_rate": 3e-3, "mixup": 0.0, "color_jitter": 0.0}
    modern = replace(SETTINGS, **{**recipe_table("modern", options), **options})
    result = train(cache_path, tmp_path / "run", modern)
    assert result.best.validation_top1.share == 1.0
    assert result.last.learning_rate < 1e-4  # the cosine has come down
