"""Metrics of predictions: accuracies, classes, confusion matrix, calibration and intervals.

A clip is right at k if its class is among the k largest logits; of equal logits that of the lower class counts as the
larger. Confidence is the largest softmax of the clip's logits, which are the mean over its frames.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.scores.predictions import Predictions
from mocrop.evaluation.scores.statistics import PERCENTILES_95, Estimate, resampled_sums
from mocrop.training.scores import Score

CALIBRATION_BINS = 15  # equal parts of the confidence, as Guo et al. (2017) have them; the upper edge belongs to a bin
DRAWS, SEED = 2_000, 0  # of the bootstrap

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
class Bin:
    """Clips whose confidence lies in (low, high]."""

    low: float
    high: float
    clips: int
    confidence: float | None  # mean; None without a clip
    accuracy: float | None


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Accuracy against confidence."""

    bins: tuple[Bin, ...]
    error: float  # expected calibration error: |accuracy - confidence| of a bin, averaged over clips


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """95 % bootstrap intervals, from drawing whole groups of clips where there are any, else clips."""

    unit: str  # "groups" or "clips"
    units: int
    top1: Estimate
    top5: Estimate
    mean_class: Estimate


@dataclass(frozen=True, kw_only=True, eq=False)
class Metrics:
    """All metrics of one set of predictions."""

    top1: Score
    top5: Score  # with up to five classes, always right
    mean_class: float  # mean share of right clips over the classes with a clip
    resampled: Resampled
    classes: tuple[ClassScore, ...]
    calibration: Calibration
    confusion: IntArray = field(repr=False)  # (classes, classes) clips: true class down, answer across

    def to_json(self) -> dict[str, Any]:
        """Everything but the confusion matrix as plain values."""
        return {
            "top1": score_json(self.top1),
            "top5": score_json(self.top5),
            "mean_class": self.mean_class,
            "resampled_95": asdict(self.resampled),
            "calibration": asdict(self.calibration),
            "per_class": [{**asdict(each), "share": each.share} for each in self.classes],
        }


def score_json(score: Score) -> dict[str, Any]:
    """A score with its share and Wilson's interval as plain values."""
    return {**asdict(score), "share": score.share, "interval_95": list(score.interval)}


def measure(predictions: Predictions) -> Metrics:
    """Compute all metrics of predictions."""
    labels, total = predictions.labels, len(predictions)
    top1, top5 = right(predictions), right(predictions, k=5)
    confusion = confusion_matrix(labels, predictions.logits.argmax(axis=1), classes=len(predictions.class_names))
    return Metrics(
        top1=Score(correct=int(top1.sum()), total=total),
        top5=Score(correct=int(top5.sum()), total=total),
        mean_class=mean_class_accuracy(confusion),
        resampled=_resampled(predictions),
        classes=class_scores(confusion, predictions.class_names),
        calibration=calibration(softmax(predictions.logits), labels),
        confusion=confusion,
    )


def right(predictions: Predictions, *, k: int = 1) -> BoolArray:
    """(clips,) where the true class is among the first ``k``."""
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


def mean_class_accuracy(confusion: IntArray) -> float:
    """Mean share of right clips over the classes with a clip.

    >>> mean_class_accuracy(np.array([[9, 1, 0], [1, 0, 0], [0, 0, 0]]))  # 9 of 10 and 0 of 1; the third has no clip
    0.45
    """
    clips = confusion.sum(axis=1)
    return float(np.mean(confusion.diagonal()[clips > 0] / clips[clips > 0]))


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


def calibration(probabilities: DoubleMap, labels: IntArray, *, bins: int = CALIBRATION_BINS) -> Calibration:
    """Sort clips by confidence into equal bins and compare the confidence of each bin with its accuracy.

    Args:
        probabilities: (clips, classes), rows that add up to one.
        labels: (clips,).
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    number = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    rows, distance = [], 0.0
    for each in range(bins):
        members = number == each
        clips = int(members.sum())
        sure, sound = (float(part[members].mean()) if clips else None for part in (confidence, correct))
        if sure is not None and sound is not None:
            distance += clips / len(labels) * abs(sure - sound)
        rows.append(Bin(low=each / bins, high=(each + 1) / bins, clips=clips, confidence=sure, accuracy=sound))
    return Calibration(bins=tuple(rows), error=distance)


def share_columns(predictions: Predictions) -> DoubleMap:
    """Columns whose sums over clips give all shares: (clips, 2 + 2 * classes), see :func:`shares_of`."""
    top1, top5 = right(predictions), right(predictions, k=5)
    classes = np.eye(len(predictions.class_names))[predictions.labels]
    return np.column_stack((top1, top5, classes * top1[:, None], classes)).astype(np.float64)


def shares_of(sums: DoubleMap) -> DoubleMap:
    """Top-1, top-5 and mean class accuracy, (draws, 3), from sums of :func:`share_columns`, (draws, 2 + 2 * classes).

    A class that a draw lacks does not count in its mean; a draw without a clip is NaN.
    """
    correct, clips = np.split(sums[:, 2:], 2, axis=1)
    there = clips > 0
    by_class = np.divide(correct, clips, where=there, out=np.zeros_like(clips))
    with np.errstate(invalid="ignore"):  # 0 / 0 in a draw without a clip
        mean_class = by_class.sum(axis=1) / there.sum(axis=1)
        return np.column_stack((sums[:, :2] / clips.sum(axis=1, keepdims=True), mean_class))


def estimates_of(found: DoubleMap, drawn: DoubleMap) -> list[Estimate]:
    """Estimates of shares ``found``, (3,), with the intervals of their draws ``drawn``, (draws, 3)."""
    low, high = np.nanpercentile(drawn, PERCENTILES_95, axis=0).tolist()
    return [Estimate(mean=float(found[n]), low=low[n], high=high[n]) for n in range(len(found))]


def _resampled(predictions: Predictions) -> Resampled:
    clusters, columns = predictions.clusters, share_columns(predictions)
    drawn = shares_of(resampled_sums(columns, clusters=clusters, seed=SEED, draws=DRAWS))
    top1, top5, mean_class = estimates_of(shares_of(columns.sum(axis=0, keepdims=True))[0], drawn)
    return Resampled(
        unit="groups" if predictions.grouped else "clips",
        units=len(np.unique(clusters)),
        top1=top1,
        top5=top5,
        mean_class=mean_class,
    )
