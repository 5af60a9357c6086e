"""When the weights change and how fast: settings and a step's place go in, its group and learning rate come out."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mocrop.training.recipe import TrainSettings


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a step stands in a run; a step is one batch."""

    epoch: int  # from 0
    step: int  # from 0, within the epoch
    steps: int  # of the epoch


def update_group(place: Place, *, accumulate: int) -> range:
    """Steps of an epoch whose gradients go into the same update of the weights; only the last may be fewer.

    >>> [update_group(Place(epoch=0, step=step, steps=5), accumulate=2) for step in (0, 1, 4)]
    [range(0, 2), range(0, 2), range(4, 5)]
    """
    start = place.step - place.step % accumulate
    return range(start, min(start + accumulate, place.steps))


def moment(place: Place, group: range) -> float:
    """Epochs passed at the middle of a group of steps, so that neither the first nor the last update is one of nought.

    >>> moment(Place(epoch=2, step=3, steps=4), range(2, 4))
    2.75
    """
    return place.epoch + (group.start + group.stop) / 2 / place.steps


def learning_rate(settings: TrainSettings, *, epochs_passed: float) -> float:
    """Learning rate at a moment of the run.

    >>> [learning_rate(TrainSettings(epochs=5), epochs_passed=epoch) for epoch in (0, 1.9, 2, 3.9, 4)]
    [0.001, 0.001, 0.0001, 0.0001, 1e-05]
    """
    if epochs_passed < settings.warmup_epochs:
        return settings.learning_rate * epochs_passed / settings.warmup_epochs
    if settings.schedule == "cosine":
        way = (epochs_passed - settings.warmup_epochs) / (settings.epochs - settings.warmup_epochs)
        return settings.learning_rate * (1 + math.cos(math.pi * way)) / 2
    passed = sum(epochs_passed >= step * settings.epochs for step in settings.learning_rate_steps)
    return settings.learning_rate / 10.0**passed
