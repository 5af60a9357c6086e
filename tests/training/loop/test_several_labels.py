"""Training where a clip may have several labels: the loss, its targets, and the best epoch."""

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

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.terminal import LineConsole
from mocrop.training.data.augment import mixup, targets_of
from mocrop.training.data.dataset import CropDataset
from mocrop.training.loop.callbacks import EpochRecord, TrainCallback
from mocrop.training.loop.meter import Meter
from mocrop.training.loop.objective import chosen_loss, mean_loss, summed_loss
from mocrop.training.loop.run_folder import best_epoch, record_from_json, record_json
from mocrop.training.loop.train import train
from mocrop.training.model.checkpoint import load_checkpoint
from mocrop.training.recipe import TrainSettings
from mocrop.training.report.console import ConsoleCallback
from mocrop.training.report.curves import draw_curves

SETTINGS = TrainSettings(
    arch="timm/test_resnet",
    weights="none",
    epochs=4,
    batch_size=8,
    learning_rate=3e-3,
    color_jitter=0,
    flip=False,
    crop_scales=(1.0,),
    device="cpu",
)
MARKS = torch.tensor([[1, 0, 1], [0, 1, 0]], dtype=torch.uint8)


@pytest.fixture(scope="module")
def cache_path(tmp_path_factory: pytest.TempPathFactory, make_cache: Callable[..., Path]) -> Path:
    """Clips of stripes down, across, or both; 24 to train on, 8 to validate on, 8 to test on."""
    labels = [[1, 0], [0, 1], [1, 1], [0, 1]] * 10
    bars = np.arange(32) // 4 % 2
    pixels = np.zeros((40, 4, 3, 32, 32))
    rng = np.random.default_rng(0)
    for row, (down, across) in enumerate(labels):
        picture = down * bars[None, :] + across * bars[:, None]
        pixels[row] = picture * rng.uniform(60, 100) + rng.uniform(0, 50, pixels[row].shape)
    return make_cache(
        tmp_path_factory.mktemp("several") / "both.zarr",
        label=[0 if down else 1 for down, _ in labels],
        labels=labels,
        subset=[1] * 24 + [3] * 8 + [2] * 8,
        pixels=pixels.astype(np.uint8),
        class_names=["down", "across"],
        clips_per_shard=16,
    )


def test_binary_cross_entropy_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3)]])  # sigmoid 1/2 and 3/4
    targets = torch.tensor([[1.0, 0.0]])
    expected = (math.log(2) + math.log(4)) / 2
    assert float(mean_loss(logits, targets, loss="bce")) == pytest.approx(expected)
    assert float(summed_loss(logits.repeat(3, 1), targets.repeat(3, 1), loss="bce")) == pytest.approx(3 * expected)


def test_smoothing_of_each_class_is_over_yes_and_no_and_of_one_class_out_of_all_over_all() -> None:
    logits, targets = torch.randn(4, 3), torch.eye(3)[[0, 1, 2, 0]]
    yes_and_no = mean_loss(logits, 0.8 * targets + 0.1, loss="bce")
    assert torch.allclose(mean_loss(logits, targets, loss="bce", label_smoothing=0.2), yes_and_no)
    all_classes = mean_loss(logits, 0.8 * targets + 0.2 / 3, loss="ce")
    assert torch.allclose(mean_loss(logits, targets, loss="ce", label_smoothing=0.2), all_classes)


def test_mixup_blends_marks_like_single_labels() -> None:
    frames = torch.tensor([1.0, 0.0]).view(2, 1, 1)
    rng = np.random.default_rng(3)
    mixed = mixup(frames, MARKS, classes=3, alpha=1.0, rng=rng)
    share = mixed.frames[0].item()
    expected = share * MARKS.float() + (1 - share) * MARKS.float()[[1, 0]]
    assert torch.allclose(mixed.targets, expected) or torch.equal(mixed.targets, MARKS.float())
    assert torch.equal(mixup(frames, MARKS, classes=3, alpha=0, rng=rng).targets, MARKS.float())
    assert torch.equal(targets_of(torch.tensor([2, 0]), classes=3), torch.tensor([[0.0, 0, 1], [1, 0, 0]]))


def test_a_clip_is_right_if_its_highest_class_is_one_of_its_own() -> None:
    meter = Meter(1, torch.device("cpu"))
    meter.add(loss=torch.tensor(1.0), logits=torch.tensor([[0.0, 1.0, 3.0], [2.0, 1.0, 0.0]]), labels=MARKS)
    assert meter.totals().correct == 1


def test_the_loss_follows_from_the_cache_unless_it_cannot_be(
    cache_path: Path, tmp_path: Path, make_cache: Callable[..., Path]
) -> None:
    several, one = CropCache(cache_path), CropCache(make_cache(tmp_path / "one.zarr", label=[0, 1]))
    assert [chosen_loss(several, asked) for asked in (None, "bce")] == ["bce", "bce"]
    assert [chosen_loss(one, asked) for asked in (None, "bce", "ce")] == ["ce", "bce", "ce"]
    with pytest.raises(SettingsError, match="several labels, and --loss ce takes one"):
        train(cache_path, tmp_path / "run", replace(SETTINGS, loss="ce"))
    assert not (tmp_path / "run").exists()
    with pytest.raises(ValueError, match="loss"):
        replace(SETTINGS, loss="mse")  # type: ignore[arg-type]


def test_batches_have_a_mark_for_each_class_and_a_data_loader_collates_them(cache_path: Path) -> None:
    data = CropDataset.from_cache(cache_path, subset="val", segments=2)
    assert len(data) == 8
    assert data.read(np.array([0, 2])).labels.tolist() == [[1, 0], [1, 1]]
    _, labels = next(iter(torch.utils.data.DataLoader(data, batch_size=4)))
    assert labels.tolist() == [[1, 0], [0, 1], [1, 1], [0, 1]]


def test_a_run_learns_chooses_by_mean_average_precision_and_says_so(cache_path: Path, tmp_path: Path) -> None:
    text = StringIO()
    result = train(cache_path, tmp_path / "run", SETTINGS, callback=ConsoleCallback(LineConsole(file=text, width=200)))
    assert result.best.validation_map is not None
    assert result.best.validation_map > 0.9
    assert (result.best.validation_top1, result.best.validation_top5) == (None, None)
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["loss"] == "bce"
    assert config["clips"] == {
        "train": 24,
        "validation": 8,
        "left_out": {"failed": 0, "not_written": 0, "without_frames": 0},
        "validation_list": 8,
        "validation_by": "list",
        "validation_left_out": {"failed": 0, "not_written": 0, "without_frames": 0},
    }
    printed = text.getvalue()
    assert "24 clips to train on, 8 of the validation list to validate on, left out: none" in printed
    assert "loss: binary cross-entropy" in printed
    assert f"mAP {result.last.validation_map:.1%}" in printed
    records = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    best = max(records, key=lambda record: (record["validation_map"], -record["validation_loss"]))
    assert load_checkpoint(result.checkpoint).epoch == best["epoch"]
    draw_curves([record_from_json(record) for record in records])


class _StopAfter(TrainCallback):
    def epoch(self, record: EpochRecord) -> None:
        if record.epoch == 2:
            raise KeyboardInterrupt


def test_an_interrupted_run_goes_on_to_the_same_scores(cache_path: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, epochs=3, mixup=0.5, label_smoothing=0.1)
    whole = train(cache_path, tmp_path / "whole", settings)
    with pytest.raises(KeyboardInterrupt):
        train(cache_path, tmp_path / "run", settings, callback=_StopAfter())
    resumed = train(cache_path, tmp_path / "run", settings)
    for record in ("best", "last"):
        one, other = getattr(whole, record), getattr(resumed, record)
        assert (one.train_loss, one.validation_loss, one.validation_map) == (
            other.train_loss,
            other.validation_loss,
            other.validation_map,
        )


def test_a_record_of_one_label_says_nothing_of_precision_and_another_is_read_as_it_was() -> None:
    def record(**values: object) -> EpochRecord:
        plain = {"train_loss": 1.0, "train_accuracy": 0.5, "learning_rate": 0.1, "validation_top1": None}
        others = {"validation_top5": None, "seconds": 1.0, "clips_per_second": 1.0, "waiting_share": 0.0}
        return EpochRecord(**{**plain, **others, "epoch": 1, "validation_loss": None, **values})  # type: ignore[arg-type]

    assert "validation_map" not in record_json(record())
    scored = [
        record(epoch=number, validation_loss=loss, validation_map=score)
        for number, (score, loss) in enumerate([(0.5, 1.0), (0.7, 2.0), (0.7, 1.5), (0.6, 0.1)], start=1)
    ]
    assert best_epoch(scored) == 3
    assert [record_from_json(record_json(each)) for each in scored] == scored
