"""Video networks are trained, resumed, evaluated and refused as networks of frames are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mocrop.evaluation.scores.evaluate import EvalSettings, evaluate
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import CheckpointError, SettingsError
from mocrop.training.data.frame_reader import FrameReader
from mocrop.training.distributed import Ranks
from mocrop.training.loop.callbacks import TrainCallback
from mocrop.training.loop.clips import choose_clips
from mocrop.training.loop.epoch import validate
from mocrop.training.loop.job import set_up
from mocrop.training.loop.meter import Meter
from mocrop.training.loop.optim import StepPosition
from mocrop.training.loop.step import train_step
from mocrop.training.loop.train import train
from mocrop.training.model import backbones
from mocrop.training.model.checkpoint import load_checkpoint
from mocrop.training.model.external_checkpoint import load_any_checkpoint
from mocrop.training.options import TrainOptions
from mocrop.training.recipe import TrainSettings
from tests.training.rank_processes import in_ranks

SMALL = "video/mc3_18"
SETTINGS = TrainSettings(
    arch=SMALL,
    weights="none",
    epochs=2,
    batch_size=4,
    segments=4,
    validation_segments=4,
    validation_share=0.25,
    device="cpu",
)
SIZE = 16


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, make_cache: Callable[..., Path]) -> Path:
    label, group = [0, 1] * 8, [number // 2 for number in range(16)]
    fields = np.random.default_rng(1).integers(-60, 60, (16, 5, 2, 8, 8), dtype=np.int8)
    place = tmp_path_factory.mktemp("video") / "full.zarr"
    subset = [1] * 12 + [2] * 4
    used = [5] * 15 + [2]
    return make_cache(place, label=label, group=group, subset=subset, slots=5, size=SIZE, used=used, fields=fields)


@pytest.fixture(scope="module")
def run(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(cache, tmp_path_factory.mktemp("run") / "r3d", replace(SETTINGS, ema=0.5)).checkpoint


class Interrupt(TrainCallback):
    """Stops the run in its second epoch, as a killed process would."""

    def step(self, epoch: int, meter: Meter) -> None:
        if epoch == 2:
            raise KeyboardInterrupt


def test_an_interrupted_run_ends_as_one_that_was_not(cache: Path, run: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, ema=0.5)
    with pytest.raises(KeyboardInterrupt):
        train(cache, tmp_path / "again", settings, callback=Interrupt())
    resumed = load_checkpoint(train(cache, tmp_path / "again", settings).checkpoint)
    whole = load_checkpoint(run)
    assert all(torch.equal(resumed.state_dict[name], value) for name, value in whole.state_dict.items())


def test_eval_takes_as_many_frames_as_validation_did_and_in_their_order(cache: Path, run: Path) -> None:
    result = evaluate(cache, run, EvalSettings(device="cpu"))
    assert result.segments == 4
    backbone = backbones.build_backbone(SMALL, classes=2, size=SIZE)
    backbone.model.load_state_dict(load_checkpoint(run).state_dict)
    backbone.model.eval()
    middles = np.array([[0, 1, 3, 4]])  # slots in the middle of four parts of five
    pixels = FrameReader(CropCache(cache)).read(np.array([12]), middles)[0]
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (backbone.mean, backbone.std))
    clip = ((torch.from_numpy(pixels) / 255 - mean) / std).permute(1, 0, 2, 3)
    with torch.inference_mode():
        by_hand = backbone.model(clip.unsqueeze(0))[0]
        turned = backbone.model(clip.flip(1).unsqueeze(0))[0]
    assert torch.allclose(torch.from_numpy(result.predictions.logits[0]), by_hand, atol=1e-5)
    assert not torch.allclose(by_hand, turned, atol=1e-4)


def test_latency_and_frames_in_reports_are_those_of_clips(cache: Path, run: Path) -> None:
    result = evaluate(cache, run, EvalSettings(segments=5, device="cpu"))
    assert (result.segments, result.latency.segments, result.predictions.origin.segments) == (5, 5, 5)
    assert result.latency.network.median > 0


@pytest.mark.parametrize(
    "options",
    [
        {"amp": "bf16"},
        {"ema": 0.9, "clip_grad": 1.0, "accumulate": 2},
        {"random_erasing": 0.5, "mixup": 0.4},
        {"input": "motion", "color_jitter": 0.0},
        {"arch": "video/r2plus1d_18"},
        {"arch": "video/r3d_18"},
        {"arch": "video/swin3d_t"},
    ],
)
def test_a_step_changes_the_weights(cache: Path, options: dict[str, Any]) -> None:
    settings = replace(SETTINGS, **options)
    opened = CropCache(cache)
    job = set_up(opened, choose_clips(opened, settings), settings, weights="none")
    before = {name: value.clone() for name, value in job.trained.named_parameters()}
    steps = len(job.loader)
    for step, batch in enumerate(job.loader):
        assert batch.frames.shape[:2] == (4, 4)
        assert torch.isfinite(train_step(job, batch, StepPosition(epoch=0, step=step, steps=steps)).loss)
    assert any(not torch.equal(before[name], value) for name, value in job.trained.named_parameters())
    assert validate(job, after_batch=lambda: None) is not None
    assert not job.channels_last


def gradients(ranks: Ranks, cache_path: Path, settings: TrainSettings) -> np.ndarray:
    """Gradients of the first update, one after the other."""
    opened = CropCache(cache_path)
    job = set_up(opened, choose_clips(opened, settings), settings, weights="none", ranks=ranks)
    train_step(job, next(iter(job.loader)), StepPosition(epoch=0, step=0, steps=len(job.loader)))
    return np.concatenate([value.grad.numpy().ravel() for value in job.trained.parameters() if value.grad is not None])


def test_two_processes_average_their_gradients(cache: Path) -> None:
    settings = replace(SETTINGS, mixup=0.0)
    found = in_ranks(gradients, cache, settings)
    assert all(isinstance(each, np.ndarray) for each in found), found
    assert np.array_equal(found[0], found[1])


def test_random_slots_of_a_clip_stay_in_their_order(cache: Path) -> None:
    opened = CropCache(cache)
    job = set_up(opened, choose_clips(opened, SETTINGS), SETTINGS, weights="none")
    dataset = job.loader.dataset
    for epoch in range(20):
        slots = dataset.slots(np.arange(len(dataset)), epoch)
        assert (np.diff(slots, axis=1) >= 0).all()


def refusal(cache: Path, **options: Any) -> str:
    settings = replace(SETTINGS, **options)
    opened = CropCache(cache)
    with pytest.raises(SettingsError) as refused:
        set_up(opened, choose_clips(opened, settings), settings, weights="none")
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_what_a_network_or_a_cache_cannot_give_is_refused(cache: Path) -> None:
    assert "takes clips of 16 frames of 224 px, not 4 frames of 16 px" in refusal(cache, arch="video/mvit_v2_s")
    assert "takes clips of at least 13 frames of at least 209 px" in refusal(cache, arch="video/s3d")
    assert refusal(cache, segments=6).endswith(
        "full.zarr has 5 frames per clip, fewer than the 6 that video/mc3_18 is to see at once (--segments); pass "
        "--segments 5 or fewer, or take a cache of `mocrop precrop --frames 6`"
    )
    assert "(--validation-segments); pass --validation-segments 5" in refusal(cache, validation_segments=16)
    assert "has weights of five dimensions; leave it out" in refusal(cache, channels_last=True)
    assert "unknown --arch 'video/r3d_50'" in refusal(cache, arch="video/r3d_50")
    assert refusal(cache, batch_size=1, segments=1).endswith("pass a larger --batch-size")


def test_eval_refuses_more_frames_than_a_clip_has(cache: Path, run: Path) -> None:
    with pytest.raises(SettingsError, match=r"has 5 frames per clip, fewer than the 8 that video/mc3_18 is to see at"):
        evaluate(cache, run, EvalSettings(segments=8, device="cpu"))


def test_the_defaults_of_a_video_network_are_kinetics_weights_and_16_frames() -> None:
    settings = TrainOptions(arch="video/mvit_v2_s").settings()
    assert (settings.weights, settings.segments, settings.validation_segments) == ("kinetics", 16, 16)
    chosen = TrainOptions(arch="video/r3d_18", weights="none", segments=8).settings()
    assert (chosen.weights, chosen.segments, chosen.validation_segments) == ("none", 8, 8)
    apart = TrainOptions(arch="video/r3d_18", segments=8, validation_segments=16).settings()
    assert (apart.segments, apart.validation_segments) == (8, 16)
    assert TrainOptions(arch="resnet50").settings() == TrainSettings()
    with pytest.raises(SettingsError, match="leave --freeze-backbone out"):
        TrainOptions(arch="video/r3d_18", freeze_backbone=True).settings()


def test_a_checkpoint_is_of_one_kind(cache: Path, run: Path, tmp_path: Path) -> None:
    opened = CropCache(cache)
    with pytest.raises(CheckpointError, match=r"was trained as video/mc3_18, not as resnet50; leave --arch out"):
        load_any_checkpoint(run, cache=opened, arch="resnet50")
    state = load_checkpoint(run).state_dict
    torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}}, tmp_path / "theirs.pth")
    with pytest.raises(CheckpointError, match=r"holds weights of video/mc3_18, not of mobilenet_v3_large; pass"):
        load_any_checkpoint(tmp_path / "theirs.pth", cache=opened, arch="mobilenet_v3_large")
    with pytest.raises(CheckpointError, match=r"does not say which backbone it is of; pass --arch video/mc3_18"):
        load_any_checkpoint(tmp_path / "theirs.pth", cache=opened)
    frames = backbones.build_backbone("mobilenet_v3_large", classes=2, size=SIZE).model.state_dict()
    torch.save(frames, tmp_path / "frames.pth")
    with pytest.raises(CheckpointError, match=r"holds weights of mobilenet_v3_large, not of video/mc3_18; pass"):
        load_any_checkpoint(tmp_path / "frames.pth", cache=opened, arch=SMALL)


def test_weights_of_another_program_are_evaluated_by_name(cache: Path, run: Path, tmp_path: Path) -> None:
    state = load_checkpoint(run).state_dict
    torch.save({"model": {f"backbone.{name}": value for name, value in state.items()}}, tmp_path / "theirs.pth")
    settings = EvalSettings(segments=4, device="cpu")
    theirs = evaluate(cache, tmp_path / "theirs.pth", settings, arch=SMALL)
    assert np.array_equal(theirs.predictions.logits, evaluate(cache, run, settings).predictions.logits)
