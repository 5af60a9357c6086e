"""Exact linear probe: multinomial logistic regression with a squared penalty on the weights.

The problem is convex and has one solution, so no seed is needed. With fewer clips than features the solution lies in
the span of the clips, where it is looked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Weight of the data against the penalty, with features of mean squared length 1; 1 to 100 give the same picture.
STRENGTH = 10.0
MAX_STEPS = 200
GRADIENT_TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Probe:
    """A linear head."""

    weight: DoubleArray  # (classes, width)
    bias: DoubleArray  # (classes,)

    def logits(self, features: npt.NDArray[np.floating]) -> DoubleArray:
        """(clips, width) to (clips, classes)."""
        points = torch.from_numpy(features.astype(np.float64))
        return np.asarray(points @ torch.from_numpy(self.weight.T) + torch.from_numpy(self.bias))


def fit_probe(
    features: npt.NDArray[np.floating], labels: IntArray, *, classes: int, strength: float = STRENGTH
) -> Probe:
    """Fit a head to clips.

    Args:
        features: (clips, width).
        labels: (clips,), from 0 to ``classes`` - 1.
        strength: weight of the summed cross-entropy against half the squared weights.
    """
    points = torch.from_numpy(features.astype(np.float64))  # in PyTorch, whose number of threads can be set
    mean = points.mean(dim=0)
    length = float((points - mean).square().sum(dim=1).mean().sqrt()) or 1.0
    span, coordinates = torch.linalg.qr((points - mean).T / length)  # (width, rank), (rank, clips)
    weight, bias = _minimise(coordinates.T.contiguous(), torch.from_numpy(labels), classes, strength)
    weight = weight @ span.T / length
    return Probe(weight=weight.numpy(), bias=(bias - weight @ mean).numpy())


def _minimise(points: Tensor, labels: Tensor, classes: int, strength: float) -> tuple[Tensor, Tensor]:
    """Minimise from zero by L-BFGS: weights (classes, rank) and biases (classes,)."""
    weight = torch.zeros((classes, points.shape[1]), dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=MAX_STEPS, tolerance_grad=GRADIENT_TOLERANCE, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        error = functional.cross_entropy(points @ weight.T + bias, labels, reduction="sum")
        total: Tensor = strength * error + weight.square().sum() / 2
        torch.autograd.backward(total)
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()
