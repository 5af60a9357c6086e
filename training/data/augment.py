"""Vary the frames of a batch on the device: frames as stored and drawn params go in, float32 frames come out.

Motion fields are varied like the frames that they belong to; they are told apart by their type, int8.

What is drawn is drawn per clip, so that its segments keep looking like one clip, and on the CPU, so that a seed means
the same on every device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from mocrop.training.model.motion_input import FULL_SCALE
from mocrop.training.recipe import TrainSettings

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue, ITU-R BT.601
ERASED_AREA = (0.02, 1 / 3)  # of the frame, the least and the most
ERASED_ASPECT = (0.3, 1 / 0.3)  # width by height


@dataclass(frozen=True, kw_only=True, eq=False)
class AugmentParams:
    """How each clip of a batch is to look; tensors of shape (clips,), but for one, on the device of the frames."""

    flip: Tensor  # bool, left to right
    scale: Tensor  # side of the crop as a fraction of the frame's
    x: Tensor  # place of the crop between the left (-1) and the right (1) edge
    y: Tensor  # place of the crop between the upper (-1) and the lower (1) edge
    brightness: Tensor  # factors; 1 changes nothing
    contrast: Tensor
    saturation: Tensor
    erased: Tensor  # shape (clips, 4): left, top, right, bottom of the blank in fractions of the frame; 0: none


class Mixed(NamedTuple):
    """A batch after mixup."""

    frames: Tensor  # as they were, blended
    targets: Tensor  # float32, (clips, classes), rows sum to 1


def draw_augment_params(
    clips: int, settings: TrainSettings, rng: np.random.Generator, *, device: torch.device
) -> AugmentParams:
    """Draw the params of one batch."""

    def place(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(device, torch.float32)

    jitter = settings.color_jitter
    return AugmentParams(
        flip=place((rng.random(clips) < 0.5) & settings.flip) > 0,
        scale=place(rng.choice(settings.crop_scales, size=clips)),
        x=place(rng.uniform(-1, 1, clips)),
        y=place(rng.uniform(-1, 1, clips)),
        brightness=place(rng.uniform(1 - jitter, 1 + jitter, clips)),
        contrast=place(rng.uniform(1 - jitter, 1 + jitter, clips)),
        saturation=place(rng.uniform(1 - jitter, 1 + jitter, clips)),
        erased=place(_draw_blanks(clips, settings.random_erasing, rng)),
    )


def every_nth(params: AugmentParams, *, first: int, step: int) -> AugmentParams:
    """The params of some clips of a batch: number ``first``, ``first + step``, ..."""
    return AugmentParams(**{field.name: getattr(params, field.name)[first::step] for field in fields(params)})


def augment(frames: Tensor, params: AugmentParams, *, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Crop, flip and colour each clip as its view says, normalise it, and blank a rectangle where wanted.

    Args:
        frames: uint8, shape (clips, segments, 3, size, size), RGB; or motion fields, int8, (clips, segments, 2, side,
            side), which have no colours.
        mean, std: see :func:`normalise`.
    Returns: float32, the same shape.
    """
    cropped = _crop(frames.float(), params)
    if frames.dtype == torch.int8:
        varied = _standardised(_displace(cropped, params), frames.dtype, mean=mean, std=std)
    else:
        varied = _color(cropped, params, mean=mean, std=std)
    return _erase(varied, params)


def normalise(frames: Tensor, *, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Bring frames to [0, 1], subtract the mean and divide by the standard deviation of each colour.

    Motion fields are brought to [-1, 1] instead, and x and y stand for colours.

    Args:
        frames: uint8, shape (..., 3, size, size), or int8, (..., 2, side, side).
        mean, std: of frames in [0, 1], per colour, or of fields in [-1, 1], of x and y.
    Returns: float32, the same shape.
    """
    return _standardised(frames.float(), frames.dtype, mean=mean, std=std)


def mixup(frames: Tensor, labels: Tensor, *, classes: int, alpha: float, rng: np.random.Generator) -> Mixed:
    """Blend each clip with another one of the batch, with one share for all, and its target likewise.

    The share of a clip itself is at least a half. That is as good as any share, since every pair is as likely in either
    order, and it keeps ``labels`` the best guess.

    Args:
        frames: float32, shape (clips, segments, 3, size, size).
        labels: int64, shape (clips,).
        alpha: of the Beta(alpha, alpha) that the share is drawn from; 0 blends nothing.
    """
    targets = functional.one_hot(labels, classes).float()
    if alpha == 0:
        return Mixed(frames, targets)
    drawn = float(rng.beta(alpha, alpha))
    share = max(drawn, 1 - drawn)
    partner = torch.from_numpy(rng.permutation(len(labels))).to(labels.device)
    return Mixed(torch.lerp(frames[partner], frames, share), torch.lerp(targets[partner], targets, share))


def _draw_blanks(clips: int, probability: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Rectangles of random area, shape and place for some of the clips, nothing for the others: (clips, 4)."""
    chosen = rng.random(clips) < probability
    area = rng.uniform(*ERASED_AREA, clips)
    aspect = np.exp(rng.uniform(math.log(ERASED_ASPECT[0]), math.log(ERASED_ASPECT[1]), clips))
    sides = np.minimum(np.stack([np.sqrt(area * aspect), np.sqrt(area / aspect)], axis=1), 1)
    corner = rng.random((clips, 2)) * (1 - sides)
    return np.concatenate([corner, corner + sides], axis=1) * chosen[:, np.newaxis]


def _crop(frames: Tensor, params: AugmentParams) -> Tensor:
    """Cut out a square of each clip and blow it up to the whole frame, bilinearly, mirrored where wanted."""
    zero, reach = torch.zeros_like(params.scale), 1 - params.scale
    across = torch.where(params.flip, -params.scale, params.scale)
    rows = (across, zero, reach * params.x, zero, params.scale, reach * params.y)
    stacked = frames.flatten(1, 2)  # segments and colours of a clip share its grid
    grid = functional.affine_grid(torch.stack(rows, dim=1).view(-1, 2, 3), list(stacked.shape), align_corners=False)
    return functional.grid_sample(stacked, grid, padding_mode="border", align_corners=False).view_as(frames)


def _displace(fields: Tensor, params: AugmentParams) -> Tensor:
    """Let motion say what it is in the new view: longer in a closer one, and the other way round in a mirrored one."""
    longer = 1 / params.scale
    across = torch.where(params.flip, -longer, longer)
    return fields.mul_(torch.stack((across, longer), dim=1).view(-1, 1, 2, 1, 1))


def _standardised(floats: Tensor, stored: torch.dtype, *, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Subtract the mean and divide by the standard deviation, which are of fractions of the stored type's scale."""
    scale = FULL_SCALE[stored]
    centre, width = (floats.new_tensor(values).view(-1, 1, 1) * scale for values in (mean, std))
    return floats.sub_(centre).div_(width)


def _color(frames: Tensor, params: AugmentParams, *, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Change brightness, then contrast about the clip's mean grey, then saturation, and normalise.

    All of it is one affine map of the colours, hence one pass over frames that are in the range 0 to 255.
    """
    luma, centre, width = (frames.new_tensor(values) for values in (LUMA, mean, std))
    grey = frames.mean(dim=(1, 3, 4)) @ luma
    saturation = params.saturation.view(-1, 1, 1)
    mix = saturation * torch.eye(3, device=frames.device) + (1 - saturation) * luma.expand(3, 3)
    matrix = mix * (params.brightness * params.contrast).view(-1, 1, 1) / (width.view(3, 1) * 255)
    offset = ((1 - params.contrast) * params.brightness * grey).view(-1, 1) / 255
    offset = (offset - centre) / width
    segments = frames.shape[1]
    out = torch.baddbmm(
        offset.repeat_interleave(segments, dim=0).unsqueeze(-1),
        matrix.repeat_interleave(segments, dim=0),
        frames.flatten(0, 1).flatten(2),
    ).view_as(frames)
    black, white = ((level - centre) / width for level in (0, 1))
    return out.clamp_(black.view(3, 1, 1), white.view(3, 1, 1))


def _erase(frames: Tensor, params: AugmentParams) -> Tensor:
    """Blank the same rectangle in all segments of a clip with the mean colour, which is nought once normalised."""
    size = frames.shape[-1]
    middle = (torch.arange(size, device=frames.device) + 0.5) / size  # of each pixel
    left, top, right, bottom = params.erased.unsqueeze(-1).unbind(1)
    across, down = (left <= middle) & (middle < right), (top <= middle) & (middle < bottom)
    blank = down.unsqueeze(-1) & across.unsqueeze(-2)  # (clips, size, size)
    return frames.masked_fill_(blank[:, None, None], 0.0)
