"""Networks for motion fields: their first layer, their weights, and what they learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mocrop.pipeline.errors import CacheError, CheckpointError, SettingsError
from mocrop.training.loop.train import train
from mocrop.training.model.backbones import IMAGENET_MEAN, build_backbone
from mocrop.training.model.checkpoint import load_checkpoint, restore_backbone, save_checkpoint
from mocrop.training.model.motion_input import MOTION_MEAN, take_motion
from mocrop.training.recipe import DEFAULT_ARCH, TrainSettings

TINY = "timm/test_resnet"
SETTINGS = TrainSettings(
    arch=TINY,
    input="motion",
    weights="none",
    epochs=8,
    batch_size=8,
    learning_rate=3e-3,
    mixup=0,
    validation_share=0.25,
    device="cpu",
)


@pytest.fixture
def leftwards_or_rightwards(tmp_path: Path, make_cache: Callable[..., Path]) -> Path:
    """Clips of noise whose class is where a square moves; a flip that left dx as it is would make them one class."""
    rng = np.random.default_rng(0)
    label = [0, 1] * 16
    fields = rng.integers(-8, 9, (32, 4, 2, 32, 32))
    for row, number in enumerate(label):
        left = 14 * rng.integers(2)  # in the left half or in the right one
        fields[row, :, 0, 8:24, left : left + 16] += 60 if number else -60
    return make_cache(
        tmp_path / "moves.zarr", label=label, group=[row // 4 for row in range(32)], fields=fields.astype(np.int8)
    )


@pytest.mark.parametrize("arch", ["resnet50", "mobilenet_v3_large", "efficientnet_b1", "swin_t", TINY, "timm/test_vit"])
def test_every_network_takes_x_and_y(arch: str) -> None:
    with torch.device("meta"):  # shapes without the work
        backbone = build_backbone(arch, classes=7, size=64, input="motion")
        assert backbone.model(torch.zeros(2, 2, 64, 64)).shape == (2, 7)
    assert (backbone.input, backbone.mean) == ("motion", MOTION_MEAN)


def test_networks_of_frames_are_unchanged() -> None:
    backbone = build_backbone("mobilenet_v3_large", classes=2, size=64)
    assert (backbone.input, backbone.mean) == ("frames", IMAGENET_MEAN)
    assert next(backbone.model.parameters()).shape[1] == 3


def test_pretrained_kernels_answer_grey_as_before_and_random_ones_keep_their_spread() -> None:
    torch.manual_seed(0)
    grey = torch.randn(1, 1, 8, 8)
    for pretrained in (True, False):
        layer = nn.Conv2d(3, 512, 3)
        before, spread = layer(grey.expand(1, 3, 8, 8)), layer.weight.square().sum()
        take_motion(nn.Sequential(layer), arch="x", pretrained=pretrained)
        after = layer(grey.expand(1, 2, 8, 8))
        assert torch.allclose(after, before, atol=1e-5) is pretrained
        if not pretrained:
            assert float(layer.weight.detach().square().sum()) == pytest.approx(float(spread.detach()), rel=0.1)


def test_weights_of_frames_start_a_network_of_motion(tmp_path: Path) -> None:
    source = build_backbone(TINY, classes=5, size=32).model
    torch.save(source.state_dict(), tmp_path / "frames.pt")
    model = build_backbone(TINY, classes=2, size=32, weights=str(tmp_path / "frames.pt"), input="motion").model
    (first, kernels), *others = model.named_parameters()
    theirs = dict(source.named_parameters())
    assert torch.allclose(kernels, theirs[first].mean(dim=1, keepdim=True).expand_as(kernels) * 1.5)
    assert all(torch.equal(values, theirs[name]) for name, values in others if not name.startswith("fc."))


def test_network_that_does_not_begin_with_a_convolution_of_rgb_is_refused() -> None:
    for model in (nn.Linear(3, 2), nn.Conv2d(1, 2, 3), nn.Conv2d(3, 3, 3, groups=3)):
        with pytest.raises(SettingsError, match=r"--arch odd .* --input motion; pass another, e.g. timm/resnet18"):
            take_motion(nn.Sequential(model), arch="odd", pretrained=False)


def test_default_network_of_each_input_is_known() -> None:
    assert DEFAULT_ARCH == {"frames": "resnet50", "motion": "timm/resnet18"}
    assert TrainSettings().arch == DEFAULT_ARCH["frames"]
    with pytest.raises(ValueError, match="input"):
        TrainSettings(input="sound")


def test_a_run_learns_directions_and_its_checkpoint_says_what_it_takes(
    leftwards_or_rightwards: Path, tmp_path: Path
) -> None:
    result = train(leftwards_or_rightwards, tmp_path / "run", SETTINGS)
    assert result.best.validation_top1.share == 1.0
    saved = load_checkpoint(result.checkpoint)
    assert (saved.input, saved.size, saved.settings["input"]) == ("motion", 32, "motion")
    restored = restore_backbone(saved, size=32, source=result.checkpoint)
    assert restored.model.eval()(torch.zeros(1, 2, 32, 32)).shape == (1, 2)
    save_checkpoint(tmp_path / "frames.pt", replace(saved, input="frames"))
    with pytest.raises(CheckpointError, match="of another shape"):
        restore_backbone(load_checkpoint(tmp_path / "frames.pt"), size=32, source=tmp_path / "frames.pt")


def test_head_alone_can_be_trained_on_motion(leftwards_or_rightwards: Path, tmp_path: Path) -> None:
    still = replace(SETTINGS, freeze_backbone=True, flip=False, crop_scales=(1.0,), color_jitter=0, epochs=2)
    result = train(leftwards_or_rightwards, tmp_path / "run", still)
    assert load_checkpoint(result.checkpoint).input == "motion"


def test_training_on_motion_needs_motion_fields(tmp_path: Path, make_cache: Callable[..., Path]) -> None:
    path = make_cache(tmp_path / "c.zarr", label=[0, 1] * 8, group=[row // 4 for row in range(16)])
    with pytest.raises(CacheError, match="has no motion fields; write a cache that has them"):
        train(path, tmp_path / "run", SETTINGS)
    assert not (tmp_path / "run").exists()
