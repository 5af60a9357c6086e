"""Fit a linear head exactly: features and labels of a few clips go in, the one best head comes out, without a seed.

It is multinomial logistic regression with a squared penalty on the weights, a convex problem with one solution. With
fewer clips than numbers per clip the solution lies in the span of the clips, where it is looked for.
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

STRENGTH = (
    10.0  # of the data against the penalty, with features of mean squared length 1; 1 to 100 give the same picture
)
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
    points = torch.from_numpy(features.astype(np.float64))  # all by PyTorch, whose threads can be told to be few
    mean = points.mean(dim=0)
    length = float((points - mean).square().sum(dim=1).mean().sqrt()) or 1.0
    span, coordinates = torch.linalg.qr((points - mean).T / length)  # (width, rank), (rank, clips)
    weight, bias = _minimise(coordinates.T.contiguous(), torch.from_numpy(labels), classes, strength)
    weight = weight @ span.T / length
    return Probe(weight=weight.numpy(), bias=(bias - weight @ mean).numpy())


def _minimise(points: Tensor, labels: Tensor, classes: int, strength: float) -> tuple[Tensor, Tensor]:
    """The minimum, from zero: (classes, rank) and (classes,)."""
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
