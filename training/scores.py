"""Accuracies with their confidence intervals, and how to count right answers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

Z_95 = 1.959963984540054  # standard normal quantile of 0.975


@dataclass(frozen=True, kw_only=True)
class Score:
    """An accuracy: ``correct`` right answers out of ``total``."""

    correct: int
    total: int  # at least 1

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.total or self.total < 1:
            raise ValueError(f"{self.correct} of {self.total} is no score")

    @property
    def share(self) -> float:
        return self.correct / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the share, for the curves of a training.

        It takes clips for independent. Where those of a group go together it covers 63 to 96 % instead of 95: reports
        of `mocrop eval` count groups instead (:func:`~mocrop.evaluation.scores.statistics.accuracy_interval`).

        >>> [round(end, 3) for end in Score(correct=8, total=10).interval]
        [0.49, 0.943]
        """
        share, weight = self.share, Z_95**2 / self.total
        centre = (share + weight / 2) / (1 + weight)
        reach = Z_95 / (1 + weight) * math.sqrt(share * (1 - share) / self.total + weight / (4 * self.total))
        low = 0.0 if self.correct == 0 else centre - reach  # exact at both ends, where the sum of floats is not
        return low, 1.0 if self.correct == self.total else centre + reach

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.share:.1%} ({self.correct}/{self.total}, 95 % interval {low:.1%} to {high:.1%})"


def count_correct(logits: Tensor, labels: Tensor, *, k: int = 1) -> int:
    """Number of clips whose label is among the ``k`` largest logits; with fewer classes than ``k``, all of them.

    Args:
        logits: shape (clips, classes).
        labels: int64, shape (clips,).
    """
    best = logits.topk(min(k, logits.shape[1]), dim=1).indices
    return int(torch.count_nonzero(best == labels.unsqueeze(1)))
