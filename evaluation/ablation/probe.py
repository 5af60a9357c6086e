"""Exact linear probes: multinomial logistic regression with a squared penalty on the weights, many draws at once.

The problem is convex and has one solution, so no seed is needed. With fewer clips than features the solution lies in
the span of the clips, where it is looked for: in the eigenvectors of the clips' products, which each draw has its own
of. There the curvature of the loss is nowhere more than a fixed diagonal matrix (Böhning 1992), so a step against the
gradient, divided by it, never overshoots; Nesterov's momentum, restarted where it leads uphill (O'Donoghue and Candès
2015), makes the steps few. All draws take them together, as products of batches of matrices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from mocrop.pipeline.errors import TrainingError

DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# Weight of the data against the penalty, with features of mean squared length 1; 1 to 100 give the same picture.
STRENGTH = 10.0
MAX_STEPS = 20_000
STEPS_BETWEEN_CHECKS = 5
GRADIENT_TOLERANCE = 1e-6  # of the largest part of the gradient, of every draw
SAME = 1e-12  # clips that differ by less than this share of their largest number are alike
RANK_TOLERANCE = 1e-13  # of the largest squared length; less is rounding
NUMBERS_AT_ONCE = 500_000  # of the training clips of the draws that are fitted together


@dataclass(frozen=True, kw_only=True, eq=False)
class _Clips:
    """Training clips of some draws; the rows of draws with fewer clips than others are filled up with zeros."""

    points: Tensor  # (draws, clips, axes), centred, of mean squared length 1, along axes at right angles
    weights: Tensor  # (draws, clips), 1 or, of a row that is no clip, 0
    targets: Tensor  # (draws, clips, classes), 1 at the class of each clip
    axes: Tensor  # (draws, width, axes), turns weights along the axes into those of features
    mean: Tensor  # (draws, width) that was taken off


def probe_logits(
    features: npt.NDArray[np.floating],
    labels: IntArray,
    trained: BoolArray,
    *,
    classes: int,
    strength: float = STRENGTH,
) -> Iterator[DoubleArray]:
    """Fit a head to the clips of each draw, and give its logits of all clips.

    Args:
        features: (clips, width).
        labels: (clips,), from 0 to ``classes`` - 1.
        trained: (draws, clips), the clips that each draw trains on.
        strength: weight of the summed cross-entropy against half the squared weights.
    Yields: (some draws, clips, classes), draw after draw.
    Raises: TrainingError if features are no finite numbers, or a fit does not come to its end; ValueError for a draw
        without a clip.
    """
    if not np.isfinite(features).all():
        raise TrainingError("features are NaN or infinite, and no head can be fitted to them; pass other --weights")
    if not trained.any(axis=1).all():
        raise ValueError("a draw has no clip to train on")
    everything = _in_span(torch.from_numpy(features.astype(np.float64)))
    for part in _blocks(trained, width=everything.shape[1]):
        clips = _clips(everything, torch.from_numpy(labels), torch.from_numpy(trained[part]), classes)
        weight, bias = _minimise(clips, strength)
        weight = clips.axes @ weight  # (draws, width, classes)
        bias = bias - (clips.mean.unsqueeze(1) @ weight).squeeze(1)
        yield np.asarray((everything @ weight + bias.unsqueeze(1)).numpy())


def _in_span(points: Tensor) -> Tensor:
    """Coordinates of points in their own span: (points, at most as many numbers as points), same distances."""
    if points.shape[1] <= points.shape[0]:
        return points
    upper: Tensor = torch.linalg.qr(points.T, mode="r").R
    return upper.T.contiguous()


def _blocks(trained: BoolArray, *, width: int) -> Iterator[slice]:
    """Draws to fit together, so that memory does not grow with their number."""
    clips = int(trained.sum(axis=1).max())
    step = max(1, NUMBERS_AT_ONCE // (clips * min(clips, width)))
    return (slice(start, start + step) for start in range(0, len(trained), step))


def _clips(everything: Tensor, labels: Tensor, trained: Tensor, classes: int) -> _Clips:
    """Gather the training clips of some draws, and find axes for them."""
    counts = trained.sum(dim=1)
    rows = torch.argsort(trained.to(torch.int8), dim=1, descending=True, stable=True)[:, : int(counts.max())]
    weights = (torch.arange(rows.shape[1]) < counts.unsqueeze(1)).to(torch.float64)
    present = weights.unsqueeze(2)
    points = everything[rows] * present
    rounding = SAME * points.abs().amax(dim=(1, 2))
    mean = points.sum(dim=1) / counts.unsqueeze(1)
    points = (points - mean.unsqueeze(1)) * present
    length = (points.square().sum(dim=(1, 2)) / counts).sqrt()
    length = torch.where(length > rounding, length, 1.0)[:, None, None]  # 1: the clips are all alike
    turned, axes = _principal_axes(points / length)
    targets = functional.one_hot(labels[rows], classes) * present
    return _Clips(points=turned, weights=weights, targets=targets, axes=axes / length, mean=mean)


def _principal_axes(points: Tensor) -> tuple[Tensor, Tensor]:
    """Points along their principal axes, and those axes: (draws, clips, axes) and (draws, width, axes)."""
    clips, width = points.shape[1:]
    if clips >= width:
        axes = torch.linalg.eigh(points.transpose(1, 2) @ points).eigenvectors
        return points @ axes, axes
    squares, turned = torch.linalg.eigh(points @ points.transpose(1, 2))
    real = squares > RANK_TOLERANCE * squares[:, -1:]
    lengths = torch.where(real, squares, 0.0).sqrt().unsqueeze(1)
    inverse = torch.where(real.unsqueeze(1), 1 / lengths, 0.0)
    return turned * lengths, points.transpose(1, 2) @ (turned * inverse)


def _minimise(clips: _Clips, strength: float) -> tuple[Tensor, Tensor]:
    """Minimise from zero: weights (draws, axes, classes) and biases (draws, classes).

    Raises: TrainingError if the gradient of a draw does not vanish.
    """
    points, present = clips.points, clips.weights.unsqueeze(2)
    across = points.transpose(1, 2).contiguous()
    weight = torch.zeros(*across.shape[:2], clips.targets.shape[2], dtype=torch.float64)
    bias = torch.zeros_like(weight[:, :1])
    step = 1 / (strength / 2 * points.square().sum(dim=1) + 1).unsqueeze(2)  # 1 / (bound of the curvature)
    bias_step = 2 / (strength * clips.weights.sum(dim=1))[:, None, None]
    ahead, bias_ahead, momentum = weight, bias, torch.ones(len(points), 1, 1, dtype=torch.float64)
    for number in range(MAX_STEPS):
        error = (torch.softmax(torch.baddbmm(bias_ahead, points, ahead), dim=2) - clips.targets) * present
        gradient = torch.baddbmm(ahead, across, error, alpha=strength)
        bias_gradient = strength * error.sum(dim=1, keepdim=True)
        if number % STEPS_BETWEEN_CHECKS == 0 and _largest(gradient, bias_gradient) <= GRADIENT_TOLERANCE:
            return ahead, bias_ahead.squeeze(1)
        next_weight, next_bias = ahead - step * gradient, bias_ahead - bias_step * bias_gradient
        uphill = (gradient * (next_weight - weight)).sum(dim=(1, 2)) + (bias_gradient * (next_bias - bias)).sum(
            dim=(1, 2)
        )
        momentum = torch.where(uphill[:, None, None] > 0, 1.0, momentum)
        grown = (1 + (1 + 4 * momentum.square()).sqrt()) / 2
        share = (momentum - 1) / grown
        ahead, bias_ahead = next_weight + share * (next_weight - weight), next_bias + share * (next_bias - bias)
        weight, bias, momentum = next_weight, next_bias, grown
    raise TrainingError(
        f"a few-shot head was not fitted within {MAX_STEPS:,} steps: its gradient is still "
        f"{_largest(gradient, bias_gradient):.1e}; leave --few-shot out, and report it"
    )


def _largest(*gradients: Tensor) -> float:
    return max(float(each.abs().max()) for each in gradients)
