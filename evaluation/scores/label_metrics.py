"""Metrics of predictions where a clip may have several labels: average precision of each class, and their mean.

The clips are sorted by the logit of a class, see :mod:`mocrop.training.average_precision`. The mean is over the classes
that have a test clip; the others are counted, since nothing can be said of them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.scores.metrics import Units, estimate_json, units_of
from mocrop.evaluation.scores.predictions import Predictions
from mocrop.evaluation.scores.statistics import LEAST_GROUPS, NOTHING, Estimate, group_interval, wilson
from mocrop.evaluation.scores.student_t import t_quantile
from mocrop.training.average_precision import average_precisions, precisions

BoolArray = npt.NDArray[np.bool_]
DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

FEW_CLIPS = 10  # of a class; of fewer, its average precision is too high by chance, and so is the mean's interval


@dataclass(frozen=True, kw_only=True)
class LabelScore:
    """One class."""

    name: str
    clips: int  # of the class in the test list; may be 0
    precision: float | None  # average precision; None without a clip


@dataclass(frozen=True, kw_only=True)
class LabelMetrics:
    """All metrics of one set of predictions of several labels."""

    mean_precision: Estimate  # over the classes with a test clip
    clips: int
    units: Units  # of the interval
    classes: tuple[LabelScore, ...]

    @property
    def without_clips(self) -> int:
        """Number of classes without a test clip, which the mean leaves out."""
        return sum(not each.clips for each in self.classes)

    @property
    def with_few_clips(self) -> int:
        """Number of classes with a test clip, but fewer than :data:`FEW_CLIPS`."""
        return sum(0 < each.clips < FEW_CLIPS for each in self.classes)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "mean_average_precision": estimate_json(self.mean_precision),
            "intervals_by": asdict(self.units),
            "clips": self.clips,
            "classes_without_clips": self.without_clips,
            "classes_with_few_clips": self.with_few_clips,
            "per_class": [
                {"name": each.name, "clips": each.clips, "average_precision": each.precision} for each in self.classes
            ],
        }


def measure_labels(predictions: Predictions) -> LabelMetrics:
    """Compute all metrics of predictions of several labels.

    Raises: ValueError if the predictions have one label a clip, or no clip has a label.
    """
    if predictions.marks is None or not predictions.marks.any():
        raise ValueError("average precision needs clips that have labels, of which there may be several")
    marks, each = predictions.marks, average_precisions(predictions.logits, predictions.marks)
    clips, values = marks.sum(axis=0, dtype=np.int64).tolist(), each.tolist()
    return LabelMetrics(
        mean_precision=mean_precision(predictions.logits, marks, clusters=predictions.clusters),
        clips=len(predictions),
        units=units_of([predictions], predictions.clusters),
        classes=tuple(
            LabelScore(name=name, clips=count, precision=value if count else None)
            for name, count, value in zip(predictions.class_names, clips, values, strict=True)
        ),
    )


def mean_precision(
    scores: npt.NDArray[np.floating], marks: npt.NDArray[np.uint8], *, clusters: IntArray | None = None
) -> Estimate:
    """Mean average precision with its 95 % interval for new groups of clips.

    How far each clip moves the mean is added up by groups; the spread of these sums gives the variance. The interval is
    Wilson's for as many clips as that variance is worth, at most all, and with Student's t for as many groups, like
    that of an accuracy. Where no clip moves the mean, as at 100 %, the number of groups counts. Classes of few clips
    have too high a mean by chance and too small a variance, which is why the clips are a limit. docs/statistics.md has
    how often it holds the mean of other lists of this size, and that of endless clips.

    Args:
        scores: (clips, classes).
        marks: (clips, classes) uint8, 1 where a clip is of a class; some clip must be of one.
        clusters: (clips,) any number per group; None: every clip is one of its own.
    Returns: the interval is 0 to 1 with fewer than three groups.
    """
    there = np.flatnonzero(marks.any(axis=0))
    mean = float(average_precisions(scores[:, there], marks[:, there]).mean())
    moves = np.mean([pulls(scores[:, each], marks[:, each] > 0) for each in there.tolist()], axis=0)
    clips = len(moves)
    groups = clips if clusters is None else len(np.unique(clusters))
    if groups < LEAST_GROUPS:
        return Estimate(mean=mean, low=0.0, high=1.0)
    quantile, (_, lower, upper) = t_quantile(groups - 1), group_interval(clips * moves, clusters=clusters)
    reach = float(upper - lower) / 2
    worth = min(clips, mean * (1 - mean) * (quantile / reach) ** 2) if reach**2 > NOTHING else groups
    low, high = wilson(mean, worth, quantile=quantile)
    return Estimate(mean=mean, low=low, high=high)


def pulls(scores: npt.NDArray[np.floating], positive: BoolArray) -> DoubleArray:
    """How fast the average precision of a class changes with the weight of each clip: float64, (clips,), sum 0.

    A clip of the class adds its own precision and raises that of the clips of the class at its score or below; any
    clip counts among those that score at least as high as these. Clips have weight 1.

    Args:
        scores, positive: (clips,), of one class that has a clip.
    """
    share, above = precisions(scores, positive)
    order = np.argsort(scores, kind="stable")
    rising = scores[order]
    last = np.searchsorted(rising, rising, side="right") - 1  # of the clips that score at most the same
    at_most = np.empty((2, len(scores)))
    for row, value in enumerate((1 / above, share / above)):
        at_most[row, order] = np.cumsum(np.where(positive, value, 0)[order])[last]
    clips, precision = int(positive.sum()), float(share[positive].mean())
    return np.asarray((positive * (share + at_most[0] - precision) - at_most[1]) / clips)
