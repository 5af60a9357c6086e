"""Runs on windows of neighbouring frames, and on a crop of each frame: what the network gets, and what is kept of it.

The frames of the made cache are red by their number; those of 40 frames are 6, 8, 10, 12 and 26, 28, 30, 32.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.dense import DenseWindows
from mocrop.pipeline.errors import SettingsError
from mocrop.training.loop import job as job_module
from mocrop.training.loop.callbacks import TrainCallback
from mocrop.training.loop.clips import choose_clips, with_clip
from mocrop.training.loop.epoch import validate
from mocrop.training.loop.job import Job, set_up
from mocrop.training.loop.meter import Meter
from mocrop.training.loop.optim import StepPosition
from mocrop.training.loop.step import vary
from mocrop.training.loop.train import train
from mocrop.training.model.checkpoint import load_checkpoint
from mocrop.training.recipe import SAME_PIXELS, TrainSettings
from tests.dense_cache import make_dense_cache

DENSE = DenseWindows(windows=2, frames=4, stride=2)
SETTINGS = TrainSettings(
    arch="timm/test_resnet",
    weights="none",
    epochs=2,
    batch_size=4,
    mixup=0,
    device="cpu",
    **{**SAME_PIXELS, "flip": True},
)
VAL = 3


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight clips of 40 frames to train on, four to validate on, four to test on."""
    subset = [1] * 8 + [VAL] * 4 + [2] * 4
    return make_dense_cache(
        tmp_path_factory.mktemp("dense") / "dense.zarr",
        lengths=[40] * 16,
        dense=DENSE,
        label=[0, 1] * 8,
        subset=subset,
        size=32,
    )


def job_of(path: Path, settings: TrainSettings) -> Job:
    cache = CropCache(path)
    return set_up(cache, choose_clips(cache, settings), with_clip(settings, cache), weights="none")


def reds(job: Job, frames: torch.Tensor) -> np.ndarray:
    """Numbers of normalised frames."""
    red = frames[..., 0, 0, 0] * job.backbone.std[0] + job.backbone.mean[0]
    return (red * 255).round().int().numpy()


def test_the_network_gets_neighbouring_frames_of_one_window(path: Path) -> None:
    job = job_of(path, replace(SETTINGS, clip=(2, 4), crop=24))
    seen = []
    for epoch in range(10):
        job.loader.set_epoch(epoch)
        for step, batch in enumerate(job.loader):
            position = StepPosition(epoch=epoch, step=step, steps=2)
            mixed = vary(job, batch.frames, batch.labels, position)
            assert mixed.frames.shape == (4, 2, 3, 24, 24)
            seen += reds(job, mixed.frames).tolist()
    assert {first for first, _ in seen} == {6, 8, 26, 28}
    assert all(second == first + 4 for first, second in seen)


def test_validation_sees_the_middle_of_the_middle_window(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_of(path, replace(SETTINGS, clip=(2, 2), crop=24))
    seen: list[torch.Tensor] = []
    job.trained.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    validate(job, after_batch=lambda: None)
    assert [frames.shape for frames in seen] == [(8, 3, 24, 24)]
    assert reds(job, seen[0]).tolist() == [28, 30] * 4


def test_an_interrupted_run_on_windows_goes_on_to_the_same_weights(path: Path, tmp_path: Path) -> None:
    class Stop(TrainCallback):
        def step(self, epoch: int, meter: Meter) -> None:
            if (epoch, meter.batches_done) == (2, 1):
                raise KeyboardInterrupt

    settings = replace(SETTINGS, clip=(2, 2), crop=24, color_jitter=0.2, crop_scales=(1.0, 0.75))
    whole = train(path, tmp_path / "whole", settings)
    with pytest.raises(KeyboardInterrupt):
        train(path, tmp_path / "broken", settings, callback=Stop())
    resumed = train(path, tmp_path / "broken", settings)
    one, other = (load_checkpoint(run.checkpoint) for run in (whole, resumed))
    assert all(torch.equal(value, other.state_dict[name]) for name, value in one.state_dict.items())
    assert (one.settings["clip"], one.settings["crop"], one.size) == ([2, 2], 24, 24)


def test_a_video_network_is_trained_on_what_is_stored_and_keeps_that(path: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, arch="video/mc3_18", epochs=1)
    shapes: list[tuple[int, ...]] = []

    original = job_module.averaging

    def watched(trained: torch.nn.Module, *others: object, **named: object) -> torch.nn.Module:
        trained.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0].shape)))
        return original(trained, *others, **named)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job_module, "averaging", watched)
        done = train(path, tmp_path / "run", settings)
    assert shapes == [(4, 3, 4, 32, 32)] * 3  # two batches to train on, and one to validate on
    assert load_checkpoint(done.checkpoint).settings["clip"] == [4, 2]


def test_a_network_of_frames_takes_segments_unless_a_clip_is_asked_for(path: Path) -> None:
    cache = CropCache(path)
    assert with_clip(SETTINGS, cache).clip is None
    assert with_clip(replace(SETTINGS, clip=(3, 2)), cache).clip == (3, 2)
    assert job_of(path, SETTINGS).loader.dataset.batch_shape(1) == (1, 3, 3, 32, 32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clip": (5, 2)}, "has windows for clips of 4 frames, 2 apart, and none for clips of 5 frames, 2 apart; make"),
        ({"clip": (2, 3)}, "--select dense --frames 2 --stride 3`"),
        ({"clip": (2, 2), "segments": 4}, "--segments is for single frames; leave it out"),
        ({"clip": (2, 2), "validation_segments": 4}, "--validation-segments is for single frames; leave it out"),
        ({"arch": "video/mvit_v2_s"}, "takes clips of 16 frames of 224 px, not clips of 4 frames, 2 apart, of 32 px"),
        ({"crop": 33}, "has frames of 32 px, out of which no --crop 33 can be cut; pass one up to 32"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(
    path: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        train(path, tmp_path / "run", replace(SETTINGS, **changes))  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("changes", [{"clip": (2, 2)}, {"crop": 24}])
def test_features_are_of_whole_single_frames(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="leave it out, or train without --freeze-backbone"):
        TrainSettings(freeze_backbone=True, **{**SAME_PIXELS, **changes})  # type: ignore[arg-type]
