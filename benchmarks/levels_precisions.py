"""How often intervals of mean average precisions hold the truth, which is known for scores that are normal."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist
from typing import Any

import numpy as np
from null_models import scored_labels

from mocrop.evaluation.scores.label_metrics import mean_precision

WEAKEST, STRONGEST = 1.0, 3.0  # how far the scores of a class lie above the others', in their spread
Row = dict[str, Any]


def precisions(sets: int) -> Iterator[Row]:
    """Mean average precisions: intervals by groups, and by clips as if these were independent."""
    for groups in (8, 20, 50):
        for classes, share in ((4, 0.3), (20, 0.3), (20, 0.1), (20, 0.03)):
            for together in (0.0, 0.6):
                strengths = np.linspace(WEAKEST, STRONGEST, classes)
                truth = float(np.mean([true_precision(strength, share) for strength in strengths.tolist()]))
                found = intervals_of(sets, groups, strengths, share=share, together=together)
                of_this_size = float(found[:, 0, 2].mean())
                (by_groups, by_clips), (endless, _) = (held(found, value) for value in (of_this_size, truth))
                yield {
                    "groups": groups,
                    "classes": classes,
                    "share": share,
                    "together": together,
                    "sets": sets,
                    "precision": of_this_size,
                    "covered": by_groups,
                    "by_clips": by_clips,
                    "endless": truth,
                    "endless_covered": endless,
                    "width": float((found[:, 0, 1] - found[:, 0, 0]).mean()),
                }


def intervals_of(
    sets: int, groups: int, strengths: np.ndarray[Any, Any], *, share: float, together: float
) -> np.ndarray[Any, Any]:
    """(sets, 2, 3): ends and mean by groups, and by clips."""
    rng, found = np.random.default_rng(0), []
    for _ in range(sets):
        scores, marks, clusters = scored_labels(rng, groups, strengths, share=share, together=together)
        both = (mean_precision(scores, marks, clusters=each) for each in (clusters, None))
        found.append([(each.low, each.high, each.mean) for each in both])
    return np.array(found, np.float64)


def held(found: np.ndarray[Any, Any], value: float) -> list[float]:
    """Shares of intervals, by groups and by clips, that hold a value."""
    inside = (found[:, :, 0] <= value) & (value <= found[:, :, 1])
    shares: list[float] = inside.mean(axis=0).tolist()
    return shares


def true_precision(strength: float, share: float) -> float:
    """Average precision over endlessly many clips, a share of them of the class, whose scores lie higher.

    Args:
        strength: how much higher; both kinds of scores are normal with a spread of 1.
    """
    normal, ranks = NormalDist(), (np.arange(4000) + 0.5) / 4000  # of the clips of the class, from the highest
    above = np.array([1 - normal.cdf(strength + normal.inv_cdf(1 - rank)) for rank in ranks.tolist()])
    return float(np.mean(share * ranks / (share * ranks + (1 - share) * above)))
