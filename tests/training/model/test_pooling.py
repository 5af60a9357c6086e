"""Heads on the mean of a clip's frames, and on mean and standard deviation: trained, saved and evaluated alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mocrop.evaluation.scores.evaluate import EvalSettings, evaluate
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import CheckpointError, SettingsError
from mocrop.pipeline.settings import plain_settings
from mocrop.training.data.features import load_features
from mocrop.training.data.segments import middle_slots
from mocrop.training.loop.train import train
from mocrop.training.model.backbones import build_backbone, clip_logits
from mocrop.training.model.checkpoint import load_checkpoint, restore_backbone, save_checkpoint
from mocrop.training.model.pooling import pooled, pooled_logits, widen_head
from mocrop.training.options import TrainOptions
from mocrop.training.recipe import SAME_PIXELS, TrainSettings

CPU = torch.device("cpu")
SPREAD = TrainSettings(
    arch="timm/test_resnet",
    weights="none",
    epochs=2,
    batch_size=4,
    segments=2,
    validation_segments=2,
    validation_share=0.25,
    freeze_backbone=True,
    device="cpu",
    pool="mean-std",
    **SAME_PIXELS,
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, make_cache: Callable[..., Path]) -> CropCache:
    place = tmp_path_factory.mktemp("pooling") / "full.zarr"
    label, group = [0, 1] * 8, [number // 2 for number in range(16)]
    make_cache(place, label=label, group=group, subset=[1] * 12 + [2] * 4, size=32, used=[4] * 15 + [1])
    return CropCache(place)


@pytest.fixture(scope="module")
def run(cache: CropCache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(cache.path, tmp_path_factory.mktemp("run") / "spread", SPREAD).checkpoint


def test_mean_and_deviation_stand_side_by_side() -> None:
    frames = torch.tensor([[[1.0, 0.0], [3.0, 0.0]]])
    assert pooled(frames, "mean").tolist() == [[2.0, 0.0]]
    assert pooled(frames, "mean-std").tolist() == [[2.0, 0.0, pytest.approx(math.sqrt(2)), 0.0]]


def test_one_frame_has_no_deviation() -> None:
    assert pooled(torch.tensor([[[5.0]]]), "mean-std").tolist() == [[5.0, 0.0]]


def test_a_head_on_the_mean_is_left_as_it_is() -> None:
    backbone = build_backbone("timm/test_resnet", classes=2, size=32)
    head = backbone.model.fc
    assert widen_head(backbone) is head
    frames = torch.rand(2, 3, 3, 32, 32)
    backbone.model.eval()
    assert torch.equal(pooled_logits(backbone, frames), clip_logits(backbone.model, frames))


def test_eval_pools_as_the_head_was_trained(cache: CropCache, run: Path) -> None:
    checkpoint = load_checkpoint(run)
    backbone = restore_backbone(checkpoint, size=32, source=run)
    assert backbone.model.fc.in_features == 2 * build_backbone(SPREAD.arch, classes=2, size=32).model.fc.in_features
    found = evaluate(cache.path, run, EvalSettings(segments=2, device="cpu")).predictions
    features = load_features(cache, backbone, device=CPU)
    rows = np.arange(12, 16)
    of_clips = features.of(rows, middle_slots(features.used[rows], segments=2))
    with torch.inference_mode():
        by_hand = backbone.model.fc(torch.cat([of_clips.mean(dim=1), of_clips.std(dim=1)], dim=1))
    assert np.allclose(found.logits, by_hand.numpy(), atol=1e-4)


def test_features_on_the_disk_serve_both_heads(cache: CropCache, run: Path) -> None:
    of_run = load_features(cache, restore_backbone(load_checkpoint(run), size=32, source=run), device=CPU)
    torch.manual_seed(SPREAD.seed)
    of_mean = load_features(cache, build_backbone(SPREAD.arch, classes=2, size=32), device=CPU)
    assert not of_mean.computed
    assert np.array_equal(of_run.values, of_mean.values)


def test_an_interrupted_run_goes_on_with_the_same_head(cache: CropCache, run: Path) -> None:
    again = train(cache.path, run.parent, SPREAD).checkpoint
    assert load_checkpoint(again).settings["pool"] == "mean-std"


def test_one_frame_is_refused_where_a_deviation_is_needed(cache: CropCache, run: Path) -> None:
    with pytest.raises(SettingsError, match=r"--pool mean-std, which needs 2 frames a clip; pass larger --segments"):
        evaluate(cache.path, run, EvalSettings(segments=1, device="cpu"))
    with pytest.raises(ValueError, match="needs 2 frames a clip, since one has no spread"):
        replace(SPREAD, segments=1)
    with pytest.raises(ValueError, match="needs 2 frames a clip"):
        replace(SPREAD, validation_segments=1)


def test_a_pool_is_refused_where_nothing_would_honour_it() -> None:
    with pytest.raises(ValueError, match="pass --freeze-backbone, or leave --pool out"):
        TrainSettings(pool="mean-std")
    with pytest.raises(SettingsError, match="pass --freeze-backbone, or"):
        TrainOptions(pool="mean-std").settings()
    with pytest.raises(ValueError, match="pool must be mean or mean-std"):
        replace(SPREAD, pool="median")
    assert TrainOptions(pool="mean-std", freeze_backbone=True).settings().pool == "mean-std"


def test_a_pool_of_a_newer_mocrop_is_refused(run: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(run)
    save_checkpoint(tmp_path / "best.pt", replace(checkpoint, settings={**checkpoint.settings, "pool": "median"}))
    with pytest.raises(CheckpointError, match="pool 'median'"):
        restore_backbone(load_checkpoint(tmp_path / "best.pt"), size=32, source=tmp_path / "best.pt")


def test_a_head_of_another_pool_does_not_fit(run: Path) -> None:
    checkpoint = load_checkpoint(run)
    settings = {name: value for name, value in checkpoint.settings.items() if name != "pool"}
    with pytest.raises(CheckpointError, match="does not fit"):
        restore_backbone(replace(checkpoint, settings=settings), size=32, source=run)


def test_runs_of_before_there_was_a_choice_are_on_the_mean() -> None:
    assert "pool" not in plain_settings(TrainSettings())
