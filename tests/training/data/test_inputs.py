"""What others' loops give to their networks: numbers on the scale that weights expect, and time behind the channels."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch

from mocrop.pipeline.errors import SettingsError
from mocrop.training import normalise, to_video
from mocrop.training.model.backbones import IMAGENET_MEAN, IMAGENET_STD, build_backbone

FRAMES = torch.arange(2 * 4 * 3 * 5 * 6).remainder(256).to(torch.uint8).view(2, 4, 3, 5, 6)


def test_white_and_black_of_imagenet() -> None:
    ends = torch.tensor([255, 0], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 1, 1)
    out = normalise(ends, "resnet50")
    for channel, (mean, std) in enumerate(zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)):
        assert out[:, channel].flatten().tolist() == pytest.approx([(1 - mean) / std, -mean / std])


@pytest.mark.parametrize("dims", [(), (2,), (2, 3), (2, 3, 4)])
def test_any_dimensions_before_the_channels_are_kept(dims: tuple[int, ...]) -> None:
    frames = torch.full((*dims, 3, 5, 6), 51, dtype=torch.uint8)
    out = normalise(frames, mean=(0, 0.1, 0.2), std=(1, 1, 0.5))
    assert (out.shape, out.dtype) == (frames.shape, torch.float32)
    assert out.movedim(-3, 0).flatten(1).mean(1).tolist() == pytest.approx([0.2, 0.1, 0], abs=1e-6)
    assert frames.unique().tolist() == [51]  # as before


def test_fields_become_pixels_per_frame_whatever_the_network() -> None:
    fields = torch.tensor([[[[8]], [[-127]]]], dtype=torch.int8)
    for arch in (None, "resnet50"):
        assert normalise(fields, arch).flatten().tolist() == pytest.approx([0.5, -127 / 16])  # 16 steps a pixel


@pytest.mark.parametrize("arch", ["resnet50", "timm/vit_tiny_patch16_224", "timm/test_resnet", "video/r3d_18"])
def test_a_network_has_the_numbers_that_training_uses(arch: str) -> None:
    size = 160 if "test" in arch else 224
    backbone = build_backbone(arch, classes=2, size=size)
    assert normalise(FRAMES, arch).equal(normalise(FRAMES, mean=backbone.mean, std=backbone.std))
    if arch == "timm/vit_tiny_patch16_224":  # unlike ImageNet's
        assert timm.get_pretrained_cfg("vit_tiny_patch16_224").mean == (0.5, 0.5, 0.5) == backbone.mean
    if arch == "video/r3d_18":
        assert backbone.mean == (0.43216, 0.394666, 0.37645)


THREE: dict[str, Any] = {"mean": (0, 0, 0), "std": (1, 1, 1)}


@pytest.mark.parametrize(
    ("frames", "how", "error"),
    [
        (FRAMES.float(), {"arch": "resnet50"}, r"as stored, uint8, or int8 for motion fields, not torch\.float32"),
        (FRAMES.movedim(2, -1), {"arch": "resnet50"}, r"shape \(2, 4, 5, 6, 3\) do not have 3 channels third from"),
        (FRAMES[:, :, 0], THREE, "do not have 3 channels"),
        (FRAMES[0, 0, 0], THREE, "do not have 3 channels"),
        (FRAMES, {"mean": (0,), "std": (1,)}, "do not have 1 channels"),
        (FRAMES, {"mean": (0, 0, 0), "std": (1,)}, "and 1 deviations"),
        (FRAMES, {}, "pass its arch, or the mean and the std"),
        (FRAMES, {"mean": (0, 0, 0)}, "both the mean and the std"),
        (FRAMES, {"arch": "resnet50", **THREE}, "either the arch or both"),
        (FRAMES[:, :, :2].view(torch.int8), THREE, "do not have 3 channels"),
    ],
)
def test_what_would_be_scaled_wrongly_is_refused(frames: torch.Tensor, how: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        normalise(frames, **how)


def test_an_unknown_network_is_named() -> None:
    with pytest.raises(SettingsError, match="unknown --arch 'resnet51'"):
        normalise(FRAMES, "resnet51")


def test_a_video_has_its_channels_before_its_frames_in_the_same_memory() -> None:
    video = to_video(FRAMES)
    assert video.shape == (2, 3, 4, 5, 6)
    assert all(video[1, color, time].equal(FRAMES[1, time, color]) for color in range(3) for time in range(4))
    assert video.data_ptr() == FRAMES.data_ptr()
    assert not video.is_contiguous()


def test_views_become_clips_without_a_copy() -> None:
    views = FRAMES.view(1, 2, 4, 3, 5, 6)
    clips = to_video(views).flatten(0, 1)
    assert clips.equal(to_video(FRAMES))
    assert clips.data_ptr() == FRAMES.data_ptr()


def test_a_video_network_takes_it() -> None:
    out = torch.nn.Conv3d(3, 1, 3)(to_video(normalise(FRAMES, "resnet50")))
    assert out.shape == (2, 1, 2, 3, 4)


@pytest.mark.parametrize("shape", [(4, 3, 5), (2, 3, 4, 5, 6), (2, 4, 5, 6, 3)])
def test_what_is_a_video_already_or_none_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="with 3 colours or 2 directions"):
        to_video(torch.zeros(shape))
