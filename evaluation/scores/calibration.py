"""Calibration: how the confidence of a network compares with how often it is right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CALIBRATION_BINS = 15  # equal parts of the confidence, as Guo et al. (2017) have them; the upper edge belongs to a bin

DoubleMap = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


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
