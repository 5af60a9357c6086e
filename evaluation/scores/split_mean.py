"""Mean scores over the splits of a data set, as papers report them.

Some data sets test one clip in several splits, and all test clips of one group in one or several. Intervals therefore
count the groups of all splits together: a clip or a group that two splits test is not taken for two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.scores.metrics import (
    Units,
    class_weights,
    estimate_json,
    right,
    share_estimate,
    units_of,
    weighted_share,
)
from mocrop.evaluation.scores.predictions import Predictions
from mocrop.evaluation.scores.statistics import Estimate, cluster_numbers, group_interval, sign_flip_test

DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class SplitMean:
    """Plain means over splits, each with its 95 % interval."""

    splits: tuple[str, ...]
    units: Units  # of the intervals, in all splits together
    top1: Estimate
    top5: Estimate
    mean_class: Estimate

    def to_json(self) -> dict[str, Any]:
        return {
            "splits": list(self.splits),
            "intervals_by": asdict(self.units),
            **{name: estimate_json(getattr(self, name)) for name in ("top1", "top5", "mean_class")},
        }


@dataclass(frozen=True, kw_only=True)
class MeanGain:
    """Mean difference of two networks a split over splits, in top-1."""

    difference: Estimate
    p_value: float  # from flipping the signs of whole groups


def mean_over_splits(predictions: Sequence[Predictions]) -> SplitMean:
    """Average the scores of several splits, each with the same weight."""
    clusters = pooled_clusters(predictions)
    by_clip = [np.full(len(each), 1 / len(each)) for each in predictions]
    by_class = [class_weights(each.labels) for each in predictions]
    top1, top5 = ([right(each, k=k) for each in predictions] for k in (1, 5))
    return SplitMean(
        splits=tuple(each.split for each in predictions),
        units=units_of(predictions, clusters),
        top1=_mean(predictions, top1, by_clip, clusters),
        top5=_mean(predictions, top5, by_clip, clusters),
        mean_class=_mean(predictions, top1, by_class, clusters),
    )


def mean_gain(first: Sequence[Predictions], second: Sequence[Predictions]) -> MeanGain:
    """How much better the second networks are than the first, over splits of the same weight.

    Args:
        first, second: by split, of the same clips in the same order.
    """
    clusters = pooled_clusters(first)
    differences = [right(two).astype(np.float64) - right(one) for one, two in zip(first, second, strict=True)]
    weights = np.concatenate([np.full(len(each), 1 / len(each)) for each in first])
    values = np.concatenate(differences)
    mean, low, high = group_interval(values, clusters=clusters, weights=weights)
    return MeanGain(
        difference=Estimate(mean=float(mean), low=float(low), high=float(high)),
        p_value=sign_flip_test(values * weights / weights.mean(), clusters=clusters),
    )


def pooled_clusters(predictions: Sequence[Predictions]) -> IntArray:
    """Clusters of the clips of all splits, split after split; a clip or group in two splits has one number."""
    labels, groups = (np.concatenate([getattr(each, name) for each in predictions]) for name in ("labels", "groups"))
    return cluster_numbers(labels, groups, [clip for each in predictions for clip in each.clips])


def _mean(
    predictions: Sequence[Predictions],
    values: Sequence[npt.NDArray[np.bool_]],
    weights: Sequence[DoubleArray],
    clusters: IntArray,
) -> Estimate:
    """Weighted mean over the clips of all splits; one that several splits test counts as one clip with a mean."""
    names = [clip for each in predictions for clip in each.clips]
    _, first, clip = np.unique(names, return_index=True, return_inverse=True)
    weight = np.concatenate(weights)
    total = np.asarray(np.bincount(clip.reshape(-1), weight), np.float64)
    mean = np.bincount(clip.reshape(-1), weight * np.concatenate(values)) / total
    found = share_estimate(np.minimum(mean, 1), weights=total, clusters=clusters[first])
    return replace(found, mean=float(np.mean([weighted_share(*each) for each in zip(values, weights, strict=True)])))
