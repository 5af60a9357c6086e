"""How often intervals of accuracies, of means over classes and of means over splits hold the truth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from null_models import correct_clips

from mocrop.evaluation.scores.metrics import class_weights
from mocrop.evaluation.scores.predictions import Origin, Predictions
from mocrop.evaluation.scores.split_mean import mean_over_splits
from mocrop.evaluation.scores.statistics import accuracy_interval, wilson

Z = 1.959963984540054
ORIGIN = Origin(checkpoint="", checkpoint_hash="", arch="", epoch=0, trained_on={}, cache={}, segments=1)
Row = dict[str, Any]


def accuracies(sets: int) -> Iterator[Row]:
    """Accuracies and means over classes: intervals by groups, and Wilson's over clips."""
    for groups in (8, 20, 50):
        for accuracy in (0.5, 0.8, 0.95, 0.99):
            for together in (0.0, 0.3, 0.6):
                rng, held, width = np.random.default_rng(0), np.zeros(3), np.zeros(2)
                for _ in range(sets):
                    right, clusters = correct_clips(rng, groups, accuracy=accuracy, together=together)
                    classes = clusters * 4 // groups
                    ends = (
                        accuracy_interval(right, clusters=clusters),
                        wilson(float(right.mean()), len(right), quantile=Z),
                        accuracy_interval(right, clusters=clusters, weights=class_weights(classes)),
                    )
                    held += [low <= accuracy <= high for low, high in ends]
                    width += [high - low for low, high in ends[:2]]
                by_groups, by_clips, mean_class = (held / sets).tolist()
                yield {
                    "groups": groups,
                    "accuracy": accuracy,
                    "together": together,
                    "sets": sets,
                    "covered": by_groups,
                    "by_clips": by_clips,
                    "mean_class": mean_class,
                    "width": float(width[0] / sets),
                    "width_by_clips": float(width[1] / sets),
                }


def splits(sets: int) -> Iterator[Row]:
    """Means over three splits whose test lists have groups in common or not; each split has a network of its own."""
    for name, step in (("other groups", 20), ("half of the groups again", 10), ("the same groups", 0)):
        for accuracy in (0.5, 0.8, 0.95):
            rng, held, width = np.random.default_rng(0), 0, 0.0
            for _ in range(sets):
                found = mean_over_splits(_three_splits(rng, step, accuracy)).top1
                held += found.low <= accuracy <= found.high
                width += found.high - found.low
            yield {
                "lists": name,
                "accuracy": accuracy,
                "sets": sets,
                "covered": held / sets,
                "width": width / sets,
            }


def _three_splits(rng: np.random.Generator, step: int, accuracy: float) -> list[Predictions]:
    """Twenty groups of five clips a split, of which ``step`` are new in the next one; a group is as hard in each."""
    groups, strength = 20 + 2 * step, 1 / 0.3 - 1
    own = rng.beta(accuracy * strength, (1 - accuracy) * strength, groups)
    found = []
    for split in range(3):
        members = np.repeat(np.arange(split * step, split * step + 20), 5)
        right = rng.random(len(members)) < own[members]
        found.append(
            Predictions(
                clips=tuple(f"{group}/{number % 5}" for number, group in enumerate(members.tolist())),
                labels=np.zeros(len(members), np.int64),
                groups=members.astype(np.int32),
                logits=np.column_stack((right, ~right)).astype(np.float32),
                class_names=("a", "b"),
                split=str(split + 1),
                origin=ORIGIN,
            )
        )
    return found
