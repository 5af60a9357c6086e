"""Metrics of predictions: accuracies, classes, confusion matrix, calibration and intervals.

A clip is right at k if its class is among the k largest logits; of equal logits that of the lower class counts as the
larger. Confidence is the largest softmax of the clip's logits, which are the mean over its frames. Intervals are for
new groups of clips where clips have groups, see :mod:`~mocrop.evaluation.scores.statistics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.scores.calibration import Calibration, calibration
from mocrop.evaluation.scores.predictions import Predictions, require_one_label
from mocrop.evaluation.scores.statistics import Estimate, accuracy_interval

BoolArray = npt.NDArray[np.bool_]
DoubleMap = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """Counts of one class."""

    name: str
    clips: int  # in the test list; may be 0
    correct: int
    answered: int  # clips of any class that are taken for this one
    taken_for: str | None  # the most frequent wrong answer; None if there is none
    taken_for_clips: int

    @property
    def share(self) -> float | None:
        """Share of the class's clips that are right; None without a clip."""
        return self.correct / self.clips if self.clips else None


@dataclass(frozen=True, kw_only=True)
class Units:
    """What intervals take for independent of each other."""

    kind: str  # "groups" if any clip has one, else "clips"
    count: int

    def __str__(self) -> str:
        return f"{self.count} {self.kind if self.count != 1 else self.kind[:-1]}"


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """A share of right clips with its 95 % interval, see :func:`accuracy_interval`."""

    correct: int
    total: int  # at least 1
    interval: tuple[float, float]

    @property
    def share(self) -> float:
        return self.correct / self.total

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.share:.1%} ({self.correct}/{self.total}, 95 % interval {low:.1%} to {high:.1%})"

    def to_json(self) -> dict[str, Any]:
        return {
            "correct": self.correct,
            "total": self.total,
            "share": self.share,
            "interval_95": list(self.interval),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Metrics:
    """All metrics of one set of predictions."""

    top1: Accuracy
    top5: Accuracy  # with up to five classes, always right
    mean_class: Estimate  # mean share of right clips over the classes with a clip
    units: Units  # of the intervals
    classes: tuple[ClassScore, ...]
    calibration: Calibration
    confusion: IntArray = field(repr=False)  # (classes, classes) clips: true class down, answer across

    def to_json(self) -> dict[str, Any]:
        """Everything but the confusion matrix as plain values."""
        return {
            "top1": self.top1.to_json(),
            "top5": self.top5.to_json(),
            "mean_class": estimate_json(self.mean_class),
            "intervals_by": asdict(self.units),
            "calibration": asdict(self.calibration),
            "per_class": [{**asdict(each), "share": each.share} for each in self.classes],
        }


def estimate_json(estimate: Estimate) -> dict[str, Any]:
    """A share with its interval as plain values."""
    return {"share": estimate.mean, "interval_95": [estimate.low, estimate.high]}


def measure(predictions: Predictions) -> Metrics:
    """Compute all metrics of predictions.

    Raises: PredictionsError if a clip may have several labels.
    """
    labels, clusters = predictions.labels, predictions.clusters
    top1, top5 = right(predictions), right(predictions, k=5)
    confusion = confusion_matrix(labels, predictions.logits.argmax(axis=1), classes=len(predictions.class_names))
    return Metrics(
        top1=_accuracy(top1, clusters),
        top5=_accuracy(top5, clusters),
        mean_class=share_estimate(top1, weights=class_weights(labels), clusters=clusters),
        units=units_of([predictions], clusters),
        classes=class_scores(confusion, predictions.class_names),
        calibration=calibration(softmax(predictions.logits), labels),
        confusion=confusion,
    )


def units_of(predictions: Sequence[Predictions], clusters: IntArray) -> Units:
    """What intervals over some predictions together take for independent; ``clusters`` are those of all of them."""
    grouped = any(each.grouped for each in predictions)
    return Units(kind="groups" if grouped else "clips", count=len(np.unique(clusters)))


def right(predictions: Predictions, *, k: int = 1) -> BoolArray:
    """(clips,) where the true class is among the first ``k``.

    Raises: PredictionsError if a clip may have several labels.
    """
    require_one_label(predictions)
    logits, labels = predictions.logits, predictions.labels
    own = np.take_along_axis(logits, labels[:, None], axis=1)
    lower = np.arange(logits.shape[1]) < labels[:, None]
    before = (logits > own) | ((logits == own) & lower)
    return np.asarray(before.sum(axis=1) < k)


def softmax(logits: npt.NDArray[np.floating]) -> DoubleMap:
    """(clips, classes) logits as probabilities, float64."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def log_softmax(logits: npt.NDArray[np.floating]) -> DoubleMap:
    """(clips, classes) logits as logarithms of probabilities, float64; finite however small a probability is."""
    below = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(below - np.log(np.exp(below).sum(axis=1, keepdims=True)))


def confusion_matrix(labels: IntArray, answers: IntArray, *, classes: int) -> IntArray:
    """Count clips by true class (down) and answer (across).

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), classes=2).tolist()
    [[1, 1], [0, 1]]
    """
    return np.bincount(labels * classes + answers, minlength=classes**2).reshape(classes, classes)


def class_weights(labels: IntArray) -> DoubleMap:
    """(clips,) weights with which each class that has a clip counts the same; their sum is 1.

    >>> class_weights(np.array([4, 4, 0])).tolist()
    [0.25, 0.25, 0.5]
    """
    _, position, clips = np.unique(labels, return_inverse=True, return_counts=True)
    return np.asarray(1 / (len(clips) * clips[position.reshape(-1)]))


def share_estimate(right: npt.NDArray[np.generic], *, weights: DoubleMap, clusters: IntArray) -> Estimate:
    """Weighted share of right clips with its interval; see :func:`accuracy_interval` for the arguments."""
    low, high = accuracy_interval(right, clusters=clusters, weights=weights)
    return Estimate(mean=weighted_share(right, weights), low=low, high=high)


def weighted_share(right: npt.NDArray[np.generic], weights: DoubleMap) -> float:
    """Weighted share of right clips; with weights that are all alike exactly their number by that of all."""
    ones = weights / weights.max()
    return float(ones @ right.astype(np.float64) / ones.sum())


def _accuracy(right: BoolArray, clusters: IntArray) -> Accuracy:
    return Accuracy(correct=int(right.sum()), total=len(right), interval=accuracy_interval(right, clusters=clusters))


def class_scores(confusion: IntArray, names: tuple[str, ...]) -> tuple[ClassScore, ...]:
    """One row a class, in the order of the classes."""
    wrong = confusion - np.diag(confusion.diagonal())
    rows = []
    for number, name in enumerate(names):
        most = int(wrong[number].argmax())
        times = int(wrong[number, most])
        rows.append(
            ClassScore(
                name=name,
                clips=int(confusion[number].sum()),
                correct=int(confusion[number, number]),
                answered=int(confusion[:, number].sum()),
                taken_for=names[most] if times else None,
                taken_for_clips=times,
            )
        )
    return tuple(rows)


def confused_pairs(confusion: IntArray, names: tuple[str, ...], *, most: int) -> list[tuple[str, str, int]]:
    """The most frequent confusions: true class, answer, clips."""
    wrong = confusion - np.diag(confusion.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:most].tolist()
    cells = (divmod(cell, len(names)) for cell in order)
    return [(names[true], names[answer], int(wrong[true, answer])) for true, answer in cells if wrong[true, answer]]
