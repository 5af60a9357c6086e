"""What changes the weights: a network and settings go in, an optimiser with its groups of parameters comes out."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from mocrop.training.recipe import TrainSettings

MOMENTUM = 0.9  # of SGD


def make_optimizer(model: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """Make the optimiser of a run.

    ``adamw`` shrinks the weights apart from the gradient; ``adam`` and ``sgd`` add the decay to it, as PyTorch does.
    """
    groups, rate = parameter_groups(model, settings), settings.learning_rate
    if settings.optimizer == "adam":
        return torch.optim.Adam(groups, lr=rate)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=MOMENTUM, nesterov=True)
    return torch.optim.AdamW(groups, lr=rate)


def parameter_groups(model: nn.Module, settings: TrainSettings) -> list[dict[str, Any]]:
    """Part the parameters that are trained into those that decay and, with ``decay_norms`` off, those that do not."""
    exempt = set() if settings.decay_norms else undecayed(model)
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    groups = (
        {"params": [value for name, value in named if name not in exempt], "weight_decay": settings.weight_decay},
        {"params": [value for name, value in named if name in exempt], "weight_decay": 0.0},
    )
    return [group for group in groups if group["params"]]


def undecayed(model: nn.Module) -> set[str]:
    """Names of parameters whose size says nothing of how complicated a network is.

    These are vectors (the scales and shifts of norms, biases), biases of more dimensions (Swin's by relative position),
    and what a network of timm names itself.
    """
    named: Any = getattr(model, "no_weight_decay", set)
    small = {name for name, value in model.named_parameters() if value.ndim < 2 or "bias" in name.rpartition(".")[2]}
    return small | set(named())
