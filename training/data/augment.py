"""Augmentation of a batch on its device: multi-scale crop, flip, colour jitter, random erasing, mixup.

Motion fields, which are recognised by their type, int8, are augmented like the frames that they belong to.

All but mixup's share is drawn per clip, so that its segments keep looking like one clip. Random numbers are drawn on
the CPU, so that a seed gives the same on every device.
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

from mocrop.training.data.inputs import standardised
from mocrop.training.recipe import TrainSettings

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue, ITU-R BT.601
ERASED_AREA = (0.02, 1 / 3)  # least and largest, as fractions of the frame's
ERASED_ASPECT = (0.3, 1 / 0.3)  # least and largest width / height


@dataclass(frozen=True, kw_only=True, eq=False)
class AugmentParams:
    """Augmentation of each clip of a batch: tensors of shape (clips,), but for one, on the device of the frames."""

    flip: Tensor  # bool, left to right
    scale: Tensor  # side of the crop as a fraction of what the network sees of the frame, which may be all of it
    x: Tensor  # position of the crop between the left (-1) and the right (1) edge
    y: Tensor  # position of the crop between the upper (-1) and the lower (1) edge
    brightness: Tensor  # factor; 1 changes nothing
    contrast: Tensor  # factor; 1 changes nothing
    saturation: Tensor  # factor; 1 changes nothing
    erased: Tensor  # shape (clips, 4): left, top, right, bottom of the rectangle as fractions of the frame; 0: none


class Mixed(NamedTuple):
    """A batch after mixup."""

    frames: Tensor  # blended; same shape as before
    targets: Tensor  # float32, (clips, classes), rows sum to 1 where a clip has one label


def draw_augment_params(
    clips: int, settings: TrainSettings, rng: np.random.Generator, *, device: torch.device
) -> AugmentParams:
    """Draw the augmentation of each clip of one batch.

    Args:
        clips: in the batch.
        device: of the tensors returned.
    """

    def on_device(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(device, torch.float32)

    jitter = settings.color_jitter
    return AugmentParams(
        flip=on_device((rng.random(clips) < 0.5) & settings.flip) > 0,
        scale=on_device(rng.choice(settings.crop_scales, size=clips)),
        x=on_device(rng.uniform(-1, 1, clips)),
        y=on_device(rng.uniform(-1, 1, clips)),
        brightness=on_device(rng.uniform(1 - jitter, 1 + jitter, clips)),
        contrast=on_device(rng.uniform(1 - jitter, 1 + jitter, clips)),
        saturation=on_device(rng.uniform(1 - jitter, 1 + jitter, clips)),
        erased=on_device(_draw_blanks(clips, settings.random_erasing, rng)),
    )


def every_nth(params: AugmentParams, *, first: int, step: int) -> AugmentParams:
    """The parameters of some clips of a batch: those number ``first``, ``first + step``, ..."""
    return AugmentParams(**{field.name: getattr(params, field.name)[first::step] for field in fields(params)})


def augment(
    frames: Tensor, params: AugmentParams, *, mean: Sequence[float], std: Sequence[float], crop: int | None = None
) -> Tensor:
    """Crop, flip and colour each clip by its parameters, normalise it, and blank a rectangle where there is one.

    One rule for both crops: a square of ``scale * crop`` pixels is cut out of the stored frame, and is resized to
    ``crop`` pixels. At scale 1 it is a piece of the frame, pixel for pixel.

    Args:
        frames: uint8, shape (clips, segments, 3, size, size), RGB; or motion fields, int8, (clips, segments, 2, side,
            side), whose values colour jitter leaves alone.
        mean, std: see :func:`~mocrop.training.data.inputs.normalise`.
        crop: side of what the network sees, pixels; None: the frame's.
    Returns: float32, the same shape, but for frames of ``crop`` pixels.
    """
    cropped = _crop(frames.float(), params, side=crop or frames.shape[-1])
    if frames.dtype == torch.int8:
        normalised = standardised(_rescale_motion(cropped, params), frames.dtype, mean=mean, std=std)
    else:
        normalised = _color(cropped, params, mean=mean, std=std)
    return _erase(normalised, params)


def targets_of(labels: Tensor, *, classes: int) -> Tensor:
    """Labels as targets: float32, shape (clips, classes), 1 for each class of a clip.

    Args:
        labels: int64, shape (clips,), or 1 for each class of a clip, shape (clips, classes).
    """
    return (functional.one_hot(labels, classes) if labels.ndim == 1 else labels).float()


def mixup(frames: Tensor, labels: Tensor, *, classes: int, alpha: float, rng: np.random.Generator) -> Mixed:
    """Blend each clip, and its target, with a clip drawn from the batch; all with the same share.

    Args:
        frames: float32, shape (clips, segments, ...).
        labels: int64, shape (clips,), or 1 for each class of a clip, shape (clips, classes).
        alpha: of the Beta(alpha, alpha) distribution of the share; 0 blends nothing.
    """
    targets = targets_of(labels, classes=classes)
    if alpha == 0:
        return Mixed(frames, targets)
    drawn = float(rng.beta(alpha, alpha))
    # A clip keeps at least half of itself, so that `labels` stays the best guess. That does not change the distribution
    # of blends, since every pair is as likely in either order.
    share = max(drawn, 1 - drawn)
    partner = torch.from_numpy(rng.permutation(len(labels))).to(labels.device)
    return Mixed(torch.lerp(frames[partner], frames, share), torch.lerp(targets[partner], targets, share))


def _draw_blanks(clips: int, probability: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Rectangles of random area, shape and position for some of the clips, zeros for the others: (clips, 4)."""
    chosen = rng.random(clips) < probability
    area = rng.uniform(*ERASED_AREA, clips)
    aspect = np.exp(rng.uniform(math.log(ERASED_ASPECT[0]), math.log(ERASED_ASPECT[1]), clips))
    sides = np.minimum(np.stack([np.sqrt(area * aspect), np.sqrt(area / aspect)], axis=1), 1)
    corner = rng.random((clips, 2)) * (1 - sides)
    return np.concatenate([corner, corner + sides], axis=1) * chosen[:, np.newaxis]


def _crop(frames: Tensor, params: AugmentParams, *, side: int) -> Tensor:
    """Cut out a square of each clip and scale it to ``side`` pixels, bilinearly, mirrored where its flip is set."""
    size = frames.shape[-1]
    share = params.scale * (side / size)
    x, y = (_centre(place, share, size=size, side=side) for place in (params.x, params.y))
    zero, across = torch.zeros_like(share), torch.where(params.flip, -share, share)
    rows = (across, zero, x, zero, share, y)
    stacked = frames.flatten(1, 2)  # segments and colours of a clip share its grid
    shape = [*stacked.shape[:2], side, side]
    grid = functional.affine_grid(torch.stack(rows, dim=1).view(-1, 2, 3), shape, align_corners=False)
    sampled = functional.grid_sample(stacked, grid, padding_mode="border", align_corners=False)
    return sampled.view(*frames.shape[:-2], side, side)


def _centre(place: Tensor, share: Tensor, *, size: int, side: int) -> Tensor:
    """Middle of a crop between the edges of the frame (-1 and 1), for a place between its first and last one."""
    if side == size:
        return (1 - share) * place
    room = (size * (1 - share)).add(1e-3).floor()  # whole pixels, all equally likely: pixels are copied at scale 1
    corner = torch.minimum(((place + 1) / 2 * (room + 1)).floor(), room)
    return 2 * corner / size + share - 1


def _rescale_motion(fields: Tensor, params: AugmentParams) -> Tensor:
    """Make vectors longer as the crop is enlarged, and reverse their x where it is mirrored."""
    factor = 1 / params.scale
    across = torch.where(params.flip, -factor, factor)
    return fields.mul_(torch.stack((across, factor), dim=1).view(-1, 1, 2, 1, 1))


def _color(frames: Tensor, params: AugmentParams, *, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Jitter brightness, then contrast about the clip's mean grey, then saturation of frames in 0 to 255; normalise."""
    # all of it is one affine map of the colours, hence a single pass over the frames
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
    """Blank the same rectangle in all segments of a clip with the mean colour, which is 0 after normalisation."""
    size = frames.shape[-1]
    middle = (torch.arange(size, device=frames.device) + 0.5) / size  # of each pixel
    left, top, right, bottom = params.erased.unsqueeze(-1).unbind(1)
    across, down = (left <= middle) & (middle < right), (top <= middle) & (middle < bottom)
    blank = down.unsqueeze(-1) & across.unsqueeze(-2)  # (clips, size, size)
    return frames.masked_fill_(blank[:, None, None], 0.0)
