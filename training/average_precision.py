"""Average precision: how well the scores of a class put its own clips before the others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

DoubleArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def average_precision(scores: npt.NDArray[np.floating], positive: BoolArray) -> float:
    """Mean, over the clips of a class, of the share of clips of the class among all that score at least as high.

    Equal scores count together: their order says nothing. This is the area under the curve of precision over recall in
    steps, without interpolation, as scikit-learn's ``average_precision_score`` has it.

    Args:
        scores: (clips,) of one class.
        positive: (clips,) which of them are of the class.
    Returns: from 0 to 1; NaN without a clip of the class.

    >>> average_precision(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]))  # (1/1 + 2/3) / 2
    0.8333333333333333
    """
    clips = int(positive.sum())
    if not clips:
        return float("nan")
    precision, _ = precisions(scores, positive)
    return float(precision[positive].sum() / clips)


def precisions(scores: npt.NDArray[np.floating], positive: BoolArray) -> tuple[DoubleArray, DoubleArray]:
    """Of all clips that score at least as high as each: the share that is of the class, and their number.

    Args:
        scores, positive: as for :func:`average_precision`.
    Returns: two arrays, float64, shape (clips,), in the order of ``scores``.
    """
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last = np.searchsorted(-falling, -falling, side="right")  # clips up to the last that scores the same
    hits = np.cumsum(positive[order])[last - 1]
    above, share = np.empty(len(scores)), np.empty(len(scores))
    above[order], share[order] = last, hits / last
    return share, above


def average_precisions(scores: npt.NDArray[np.floating], labels: npt.NDArray[np.generic]) -> DoubleArray:
    """Average precision of each class: float64, (classes,), NaN for a class without a clip.

    Args:
        scores: (clips, classes).
        labels: (clips, classes), not 0 where a clip is of a class.
    """
    pairs = zip(scores.T, labels.T != 0, strict=True)
    return np.array([average_precision(own, positive) for own, positive in pairs], np.float64)


def mean_average_precision(scores: npt.NDArray[np.floating], labels: npt.NDArray[np.generic]) -> float:
    """Mean of :func:`average_precisions` over the classes that have a clip; NaN if none has."""
    each = average_precisions(scores, labels)
    there = ~np.isnan(each)
    return float(each[there].mean()) if there.any() else float("nan")
