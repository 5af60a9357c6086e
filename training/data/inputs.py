"""What networks take, of what a cache stores: normalised numbers, and clips with time behind the channels."""

from __future__ import annotations

from collections.abc import Sequence

import timm
import torch
from torch import Tensor

from mocrop.training.model.backbones import IMAGENET_MEAN, IMAGENET_STD, TIMM, Color, require_known
from mocrop.training.model.motion_input import CHANNELS, FULL_SCALE, MOTION_MEAN, MOTION_STD
from mocrop.training.model.video import is_video, kinetics_normalisation


def normalise(
    frames: Tensor,
    arch: str | None = None,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Tensor:
    """Scale frames to [0, 1], or motion fields to [-1, 1], subtract the mean and divide by the standard deviation.

    Args:
        frames: as they are stored: uint8, shape (..., 3, size, size), RGB, or motion fields, int8, (..., 2, side,
            side); any dimensions before these, on any device.
        arch: network whose published weights expect what comes out, by the names of `mocrop train --arch`.
        mean, std: in its place, per channel: of frames in [0, 1], or of fields in [-1, 1]. Fields need neither: they
            come out as `mocrop train` has them, in pixels per frame.
    Returns: float32, the same shape, a new tensor on the same device.
    Raises: ValueError for another dtype or another number of channels, which come third from the end, and if there is
        not either an arch or a mean and a deviation; SettingsError for an unknown arch.
    """
    if frames.dtype not in FULL_SCALE:
        raise ValueError(f"frames must be as stored, uint8, or int8 for motion fields, not {frames.dtype}")
    centre, width = _scale(frames.dtype, arch, mean, std)
    if frames.ndim < 3 or not frames.shape[-3] == len(centre) == len(width):
        raise ValueError(
            f"frames of the shape {tuple(frames.shape)} do not have {len(centre)} channels third from the end, "
            f"for as many means and {len(width)} deviations"
        )
    return standardised(frames.float(), frames.dtype, mean=centre, std=width)


def standardised(floats: Tensor, stored: torch.dtype, *, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Subtract the mean and divide by the standard deviation, in place, both given as fractions of the full scale.

    Args:
        floats: float32, shape (..., channels, height, width).
        stored: type of which they were.
    """
    scale = FULL_SCALE[stored]
    centre, width = (floats.new_tensor(values).view(-1, 1, 1) * scale for values in (mean, std))
    return floats.sub_(centre).div_(width)


def to_video(frames: Tensor) -> Tensor:
    """Put the frames of clips behind their channels, as networks of videos take them.

    Args:
        frames: of any dtype, shape (clips, frames, channels, height, width), or with views, (clips, views, frames,
            channels, height, width).
    Returns: the same memory in another order, shape (clips, channels, frames, height, width), or (clips, views,
        channels, ...), of which ``flatten(0, 1)`` makes clips without a copy. It is not contiguous; what needs it so
        takes ``.contiguous()``, or ``.contiguous(memory_format=torch.channels_last_3d)``, which copies.
    Raises: ValueError unless there are 3 colours or 2 directions third from the end.
    """
    if frames.ndim < 4 or frames.shape[-3] not in CHANNELS.values():
        raise ValueError(
            f"frames of the shape {tuple(frames.shape)} are not (..., frames, channels, height, width) with 3 colours "
            "or 2 directions"
        )
    return frames.transpose(-4, -3)


def normalisation_of(arch: str) -> tuple[Color, Color]:
    """Mean and standard deviation, per colour, of frames in [0, 1] for which the weights of a network were made.

    Raises: SettingsError for an unknown architecture.
    """
    require_known(arch)
    if is_video(arch):
        return kinetics_normalisation(arch)
    if not arch.startswith(TIMM):
        return IMAGENET_MEAN, IMAGENET_STD
    facts = timm.get_pretrained_cfg(arch.removeprefix(TIMM), allow_unregistered=False)
    return (facts.mean, facts.std) if facts else (IMAGENET_MEAN, IMAGENET_STD)


def _scale(
    stored: torch.dtype, arch: str | None, mean: Sequence[float] | None, std: Sequence[float] | None
) -> tuple[Sequence[float], Sequence[float]]:
    if (mean is None) != (std is None) or (arch is not None and mean is not None):
        raise ValueError("pass either the arch or both the mean and the std")
    if mean is not None and std is not None:
        return mean, std
    if stored == torch.int8:
        return MOTION_MEAN, MOTION_STD
    if arch is None:
        raise ValueError("frames are normalised as their network expects it: pass its arch, or the mean and the std")
    return normalisation_of(arch)
