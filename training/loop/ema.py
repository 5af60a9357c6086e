"""A moving average of the weights: a network goes in after each update, a network that is less restless comes out."""

from __future__ import annotations

from collections.abc import Mapping

from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn


class Ema:
    """Keeps the average, as a network of its own in evaluation mode.

    Every floating-point entry of the state dict is averaged, the running mean and variance of BatchNorm too: they
    belong to the weights, and those of the moment would not fit averaged ones. Integers (how many batches BatchNorm has
    seen) are copied, since their average would be none.

    Early on the average follows faster, by ``(1 + updates) / (10 + updates)``: a short run would else keep much of its
    random first weights.

    Args:
        model: what is trained; its weights now are the average of none.
        decay: share of the average that stays at each update, in (0, 1).
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        self._average = ModelEmaV3(model, decay=decay)
        self._decay = decay
        self.updates = 0

    @property
    def model(self) -> nn.Module:
        """The average."""
        average: nn.Module = self._average.module
        return average

    def update(self, model: nn.Module) -> None:
        """Take in the weights after an update."""
        self.updates += 1
        self._average.decay = min(self._decay, (1 + self.updates) / (10 + self.updates))
        self._average.update(model)

    def restore(self, state: Mapping[str, Tensor], *, updates: int) -> None:
        """Go on from an average of so many updates."""
        self.model.load_state_dict(state, strict=True)
        self.updates = updates
