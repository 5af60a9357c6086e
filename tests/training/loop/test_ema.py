"""The moving average of the weights, in numbers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mocrop.training.loop.ema import Ema


def set_weight(model: nn.Linear, value: float) -> None:
    nn.init.constant_(model.weight, value)


def test_the_average_follows_fast_at_first_and_then_by_the_decay() -> None:
    model = nn.Linear(1, 1)
    set_weight(model, 0)
    ema = Ema(model, decay=0.2)
    set_weight(model, 1)
    ema.update(model)
    assert ema.model.weight.item() == pytest.approx(1 - 2 / 11)  # (1 + 1) / (10 + 1) is below the decay
    ema.update(model)
    assert ema.model.weight.item() == pytest.approx(1 - 0.2 * 2 / 11)


def test_a_high_decay_keeps_most_of_the_average() -> None:
    model = nn.Linear(1, 1)
    set_weight(model, 0)
    ema = Ema(model, decay=0.999)
    ema.restore(ema.model.state_dict(), updates=10**6)
    set_weight(model, 1)
    ema.update(model)
    assert ema.model.weight.item() == pytest.approx(0.001, rel=1e-3)


def test_running_statistics_are_averaged_and_counts_are_copied() -> None:
    model = nn.BatchNorm1d(1, momentum=1.0)
    ema = Ema(model, decay=0.1)
    for _ in range(2):
        model.train()(torch.tensor([[4.0], [6.0]]))
        ema.update(model)
    assert model.running_mean.item() == 5
    assert ema.model.running_mean.item() == pytest.approx(5 * (1 - 0.1 * 0.1))
    assert ema.model.num_batches_tracked.item() == 2


def test_the_average_is_a_network_of_its_own_in_evaluation_mode() -> None:
    model = nn.BatchNorm1d(2).train()
    ema = Ema(model, decay=0.9)
    assert not ema.model.training
    assert ema.model.weight is not model.weight
    nn.init.zeros_(model.weight)
    assert ema.model.weight.tolist() == [1, 1]
