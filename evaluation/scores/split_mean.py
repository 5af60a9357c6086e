"""Mean scores over the splits of a data set, as papers report them.

Some data sets test one clip in several splits. The draws behind the intervals are therefore made once for all splits,
of clusters as in :attr:`~mocrop.evaluation.scores.predictions.Predictions.clusters`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.scores.metrics import DRAWS, SEED, estimates_of, share_columns, shares_of
from mocrop.evaluation.scores.predictions import Predictions
from mocrop.evaluation.scores.statistics import Estimate, cluster_numbers, resampled_sums

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class SplitMean:
    """Plain means over splits, each with its 95 % interval from drawing clusters of clips."""

    splits: tuple[str, ...]
    top1: Estimate
    top5: Estimate
    mean_class: Estimate

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def mean_over_splits(predictions: Sequence[Predictions]) -> SplitMean:
    """Average the scores of several splits, each with the same weight."""
    clusters = pooled_clusters(predictions)
    columns = [share_columns(each) for each in predictions]
    edges = np.cumsum([0, *map(len, columns)]).tolist()
    found, drawn = [], []
    for start, values in zip(edges, columns, strict=False):
        padded = np.pad(values, ((start, len(clusters) - start - len(values)), (0, 0)))
        sums = resampled_sums(padded, clusters=clusters, seed=SEED, draws=DRAWS)  # the same draws for every split
        found.append(shares_of(values.sum(axis=0, keepdims=True))[0])
        drawn.append(shares_of(sums))
    top1, top5, mean_class = estimates_of(np.mean(found, axis=0), np.mean(drawn, axis=0))
    return SplitMean(splits=tuple(each.split for each in predictions), top1=top1, top5=top5, mean_class=mean_class)


def pooled_clusters(predictions: Sequence[Predictions]) -> IntArray:
    """Clusters of the clips of all splits, split after split; a clip or group in two splits has one number."""
    labels, groups = (np.concatenate([getattr(each, name) for each in predictions]) for name in ("labels", "groups"))
    return cluster_numbers(labels, groups, [clip for each in predictions for clip in each.clips])
