"""The optimiser with its groups of parameters, which steps share an update, and the learning rate of an update."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mocrop.training.recipe import TrainSettings

MOMENTUM = 0.9  # of SGD


def make_optimizer(model: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """Make the optimiser of a run.

    ``adamw`` decouples weight decay from the gradient; ``adam`` and ``sgd`` add it to the gradient, as in PyTorch.
    """
    groups, rate = parameter_groups(model, settings), settings.learning_rate
    if settings.optimizer == "adam":
        return torch.optim.Adam(groups, lr=rate)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=MOMENTUM, nesterov=True)
    return torch.optim.AdamW(groups, lr=rate)


def parameter_groups(model: nn.Module, settings: TrainSettings) -> list[dict[str, Any]]:
    """Divide the trained parameters into those that decay and, with ``decay_norms`` off, those that do not."""
    exempt = set() if settings.decay_norms else undecayed(model)
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    groups = (
        {"params": [value for name, value in named if name not in exempt], "weight_decay": settings.weight_decay},
        {"params": [value for name, value in named if name in exempt], "weight_decay": 0.0},
    )
    return [group for group in groups if group["params"]]


def undecayed(model: nn.Module) -> set[str]:
    """Names of the parameters that weight decay is usually kept off.

    These are vectors (scales and shifts of norms, biases), tables of biases (Swin's relative positions), and what a
    network of timm names in ``no_weight_decay``.
    """
    # timm.optim.param_groups_weight_decay would decay the tables of torchvision's Swin, which have two dimensions
    named: Any = getattr(model, "no_weight_decay", set)
    small = {name for name, value in model.named_parameters() if value.ndim < 2 or "bias" in name.rpartition(".")[2]}
    return small | set(named())


@dataclass(frozen=True, kw_only=True)
class StepPosition:
    """Position of a step in a run; a step is one batch."""

    epoch: int  # from 0
    step: int  # from 0, within the epoch
    steps: int  # of the epoch


def update_group(position: StepPosition, *, accumulate: int) -> range:
    """Steps of an epoch that share one update of the weights; only the last group may be smaller.

    >>> [update_group(StepPosition(epoch=0, step=step, steps=5), accumulate=2) for step in (0, 1, 4)]
    [range(0, 2), range(0, 2), range(4, 5)]
    """
    start = position.step - position.step % accumulate
    return range(start, min(start + accumulate, position.steps))


def epoch_fraction(position: StepPosition, group: range) -> float:
    """Epochs passed at the middle of a group of steps.

    The middle keeps the first update of a warm-up and the last of a cosine from having a learning rate of 0.

    >>> epoch_fraction(StepPosition(epoch=2, step=3, steps=4), range(2, 4))
    2.75
    """
    return position.epoch + (group.start + group.stop) / 2 / position.steps


def learning_rate(settings: TrainSettings, *, epochs_passed: float) -> float:
    """Learning rate after some epochs, which may be a fraction.

    >>> [learning_rate(TrainSettings(epochs=5), epochs_passed=epoch) for epoch in (0, 1.9, 2, 3.9, 4)]
    [0.001, 0.001, 0.0001, 0.0001, 1e-05]
    """
    if epochs_passed < settings.warmup_epochs:
        return settings.learning_rate * epochs_passed / settings.warmup_epochs
    if settings.schedule == "cosine":
        progress = (epochs_passed - settings.warmup_epochs) / (settings.epochs - settings.warmup_epochs)
        return settings.learning_rate * (1 + math.cos(math.pi * progress)) / 2
    steps_passed = sum(epochs_passed >= step * settings.epochs for step in settings.learning_rate_steps)
    return settings.learning_rate / 10.0**steps_passed
