"""Classifiers of motion fields: networks for RGB frames whose first convolutions take x and y instead."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import nn

from mocrop.pipeline.cache.layout import STEPS_PER_PIXEL
from mocrop.pipeline.choices import Stream
from mocrop.pipeline.errors import SettingsError
from mocrop.training.recipe import DEFAULT_ARCH

FULL_SCALE = {torch.uint8: 255, torch.int8: 127}  # of stored frames and of stored motion fields, by their type
MOTION_MEAN = (0.0, 0.0)  # of stored numbers, as fractions of the full scale
MOTION_STD = (STEPS_PER_PIXEL / FULL_SCALE[torch.int8],) * 2  # so that networks get pixels per frame
COLORS, DIRECTIONS = 3, 2
CHANNELS: Mapping[Stream, int] = MappingProxyType({"frames": COLORS, "motion": DIRECTIONS})


def input_shape(count: int, stream: Stream, size: int, *, frames: int | None = None) -> tuple[int, ...]:
    """Shape of what a network takes: ``count`` frames or fields; with ``frames``, so many clips of so many of them.

    >>> input_shape(2, "frames", 8), input_shape(2, "motion", 8, frames=16)
    ((2, 3, 8, 8), (2, 2, 16, 8, 8))
    """
    time = () if frames is None else (frames,)
    return (count, CHANNELS[stream], *time, size, size)


def take_motion(model: nn.Module, *, arch: str, pretrained: bool) -> None:
    """Replace the three inputs of a network's first convolution by two, for motion in x and in y.

    Some networks send a frame through several convolutions at once; all that take RGB are changed.

    Pretrained kernels become the mean over the colours times 3/2, so that an input that is the same in all channels
    gives the same output as before; random ones are scaled to keep the spread of the outputs.

    Raises: SettingsError if the network does not begin with a convolution of RGB.
    """
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Conv3d)]
    if not layers or not _takes_rgb(layers[0]):
        raise SettingsError(
            f"--arch {arch} does not begin with a convolution of RGB frames, so it cannot take --input motion; pass "
            f"another, e.g. {DEFAULT_ARCH['motion']}"
        )
    for layer in filter(_takes_rgb, layers):
        _take_directions(layer, pretrained=pretrained)


def _takes_rgb(layer: nn.Conv2d | nn.Conv3d) -> bool:
    return layer.in_channels == COLORS and layer.groups == 1


def _take_directions(layer: nn.Conv2d | nn.Conv3d, *, pretrained: bool) -> None:
    kernels = layer.weight.detach()
    if pretrained:
        kernels = kernels.mean(dim=1, keepdim=True).repeat_interleave(DIRECTIONS, dim=1) * (COLORS / DIRECTIONS)
    else:
        kernels = kernels[:, :DIRECTIONS] * (COLORS / DIRECTIONS) ** 0.5
    layer.weight = nn.Parameter(kernels.contiguous())
    layer.in_channels = DIRECTIONS
