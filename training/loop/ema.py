"""Exponential moving average of the weights, with warm-up."""

from __future__ import annotations

from collections.abc import Mapping

from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn


class Ema:
    """The moving average, as a network of its own in evaluation mode.

    Every floating-point entry of the state dict is averaged, also the running mean and variance of BatchNorm: they
    belong to the weights, and the latest ones would not fit averaged weights. Integers (BatchNorm's count of batches)
    are copied.

    The decay is at most ``(1 + updates) / (10 + updates)``, since a short run would else keep much of its random first
    weights.

    Args:
        model: the network in training; the average starts as its weights.
        decay: share of the average that each update keeps, in (0, 1).
    Attributes:
        updates: number of updates so far.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        self._average = ModelEmaV3(model, decay=decay)
        self._decay = decay
        self.updates = 0

    @property
    def model(self) -> nn.Module:
        """The network with the average."""
        average: nn.Module = self._average.module
        return average

    def update(self, model: nn.Module) -> None:
        """Add the weights after an update."""
        self.updates += 1
        self._average.decay = min(self._decay, (1 + self.updates) / (10 + self.updates))
        self._average.update(model)

    def restore(self, state: Mapping[str, Tensor], *, updates: int) -> None:
        """Resume from the average after some updates.

        Args:
            state: state dict of the average.
        """
        self.model.load_state_dict(state, strict=True)
        self.updates = updates
