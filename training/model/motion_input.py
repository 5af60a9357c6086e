"""Classifiers of motion fields: networks for RGB frames whose first convolution takes x and y instead."""

from __future__ import annotations

import torch
from torch import nn

from mocrop.pipeline.cache.layout import STEPS_PER_PIXEL
from mocrop.pipeline.errors import SettingsError
from mocrop.training.recipe import DEFAULT_ARCH

FULL_SCALE = {torch.uint8: 255, torch.int8: 127}  # of stored frames and of stored motion fields, by their type
MOTION_MEAN = (0.0, 0.0)  # of stored numbers, as fractions of the full scale
MOTION_STD = (STEPS_PER_PIXEL / FULL_SCALE[torch.int8],) * 2  # so that networks get pixels per frame
COLORS, DIRECTIONS = 3, 2


def take_motion(model: nn.Module, *, arch: str, pretrained: bool) -> None:
    """Replace the three inputs of a network's first convolution by two, for motion in x and in y.

    Pretrained kernels become the mean over the colours times 3/2, so that an input that is the same in all channels
    gives the same output as before; random ones are scaled to keep the spread of the outputs.

    Raises: SettingsError if the network does not begin with a convolution of RGB.
    """
    layer = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    if layer is None or layer.in_channels != COLORS or layer.groups != 1:
        raise SettingsError(
            f"--arch {arch} does not begin with a convolution of RGB frames, so it cannot take --input motion; pass "
            f"another, e.g. {DEFAULT_ARCH['motion']}"
        )
    kernels = layer.weight.detach()
    if pretrained:
        kernels = kernels.mean(dim=1, keepdim=True).expand(-1, DIRECTIONS, -1, -1) * (COLORS / DIRECTIONS)
    else:
        kernels = kernels[:, :DIRECTIONS] * (COLORS / DIRECTIONS) ** 0.5
    layer.weight = nn.Parameter(kernels.contiguous())
    layer.in_channels = DIRECTIONS
