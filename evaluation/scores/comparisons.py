"""Paired comparisons of variants on the same clips: differences, corrected tests and verdicts.

A difference counts as shown only if two things agree: the test, corrected for the number of tests, and the 95 %
interval of the difference. Both are about new groups of clips. Everything else is "no difference shown", which does
not mean that there is none: the interval says how large it may be.

Networks that were trained once are compared as they are: another training might have given others, of which neither
test nor interval knows. Few-shot comparisons train on many draws of groups, and theirs do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.scores.few_shot_test import jackknife_difference
from mocrop.evaluation.scores.statistics import (
    Estimate,
    format_p,
    paired_difference,
    sign_flip_test,
)

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
DoubleArray = npt.NDArray[np.float64]

LEVEL = 0.05  # of the corrected tests


class Verdict(StrEnum):
    """Outcome of a comparison."""

    BETTER = "better"
    WORSE = "worse"
    NOT_SHOWN = "no difference shown"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One variant compared with another, its base, on the same clips."""

    variant: str
    base: str
    where: str  # what both have in common, e.g. "192 -> 224" or "2 groups, 192"
    clips: int
    accuracy: float
    base_accuracy: float
    difference: Estimate  # interval for new groups of clips; of few-shot, to train on too
    over_draws: Estimate | None = None  # few-shot only: interval of the mean over draws, for these training groups
    enough_draws: bool = True  # false: few-shot with fewer than two draws a group, whose interval is needlessly wide
    gained: int | None = None  # clips that only the variant gets right
    lost: int | None = None
    p_value: float
    p_corrected: float  # for all comparisons of its family
    verdict: Verdict

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        return say(self.variant, self.base, self.difference, self.p_corrected, self.verdict)


def compare(
    variant: tuple[str, DoubleArray, BoolArray],
    base: tuple[str, DoubleArray, BoolArray],
    *,
    where: str,
    clusters: IntArray,
) -> Comparison:
    """Compare two variants that were tested on the same clips; the test is not corrected yet, see :func:`corrected`.

    Args:
        variant, base: name; (clips,) share of the seeds that get a clip right; (clips,) whether all seeds together,
            by the mean of their logits, do, which only ``gained`` and ``lost`` count.
        clusters: (clips,) any number per group.
    """
    p_value = sign_flip_test(variant[1] - base[1], clusters=clusters)
    return Comparison(
        variant=variant[0],
        base=base[0],
        where=where,
        clips=len(clusters),
        accuracy=float(variant[1].mean()),
        base_accuracy=float(base[1].mean()),
        difference=paired_difference(base[1], variant[1], clusters=clusters),
        gained=int((variant[2] & ~base[2]).sum()),
        lost=int((base[2] & ~variant[2]).sum()),
        p_value=p_value,
        p_corrected=p_value,
        verdict=Verdict.NOT_SHOWN,
    )


def compare_few_shot(
    variant: tuple[str, BoolArray],
    base: tuple[str, BoolArray],
    *,
    where: str,
    tested: BoolArray,
    trained: BoolArray,
    clusters: IntArray,
    classes: IntArray,
    over_draws: Estimate,
) -> Comparison:
    """Compare two variants that were trained and tested on the same draws of groups; not corrected yet.

    Args:
        variant, base: name; (draws, clips) whether a clip was tested and recognised.
        tested, trained: (draws, clips), the same for both.
        clusters, classes: (clips,) see :func:`~mocrop.evaluation.scores.few_shot_test.jackknife_difference`.
        over_draws: mean difference with its interval over draws, which is about these training groups.
    Raises: SettingsError for a class with fewer than five groups, or a group that every draw trains on.
    """
    right, other = variant[1] & tested, base[1] & tested
    found = jackknife_difference(right.astype(np.float64) - other, tested, trained, clusters=clusters, classes=classes)
    tests = int(tested.sum())
    return Comparison(
        variant=variant[0],
        base=base[0],
        where=where,
        clips=len(clusters),
        accuracy=int(right.sum()) / tests,
        base_accuracy=int(other.sum()) / tests,
        difference=found.estimate,
        over_draws=over_draws,
        enough_draws=found.enough_draws,
        p_value=found.p_value,
        p_corrected=found.p_value,
        verdict=Verdict.NOT_SHOWN,
    )


def corrected(family: Sequence[Comparison]) -> list[Comparison]:
    """Correct the tests of a family of comparisons for their number, and give the verdicts."""
    adjusted = holm([each.p_value for each in family])
    return [
        replace(each, p_corrected=p, verdict=verdict(each.difference, p))
        for each, p in zip(family, adjusted, strict=True)
    ]


def verdict(difference: Estimate, p_corrected: float) -> Verdict:
    """The verdict on a difference with its interval and its corrected test.

    >>> verdict(Estimate(mean=0.02, low=0.01, high=0.03), 0.01)
    <Verdict.BETTER: 'better'>
    >>> verdict(Estimate(mean=0.02, low=-0.01, high=0.05), 0.01)
    <Verdict.NOT_SHOWN: 'no difference shown'>
    """
    if p_corrected < LEVEL and difference.low > 0:
        return Verdict.BETTER
    if p_corrected < LEVEL and difference.high < 0:
        return Verdict.WORSE
    return Verdict.NOT_SHOWN


def say(variant: str, base: str, difference: Estimate, p_corrected: float, shown: Verdict) -> str:
    """A verdict as a sentence.

    >>> say("motion", "full", Estimate(mean=0.021, low=0.011, high=0.031), 0.0004, Verdict.BETTER)
    'motion is better than full by 2.1 points (1.1 to 3.1, p < 0.001)'
    >>> say("motion", "center", Estimate(mean=0.004, low=-0.01, high=0.018), 0.7, Verdict.NOT_SHOWN)
    'no difference between motion and center is shown (+0.4 points, -1.0 to +1.8, p 0.70)'
    >>> say("motion", "center", Estimate(mean=0.004, low=-math.inf, high=math.inf), 1.0, Verdict.NOT_SHOWN)
    'no difference between motion and center is shown (+0.4 points, too few groups for an interval, p 1.00)'
    """
    p = f"p {format_p(p_corrected)}"
    mean, low, high = (100 * value for value in (difference.mean, difference.low, difference.high))
    if shown is Verdict.NOT_SHOWN:
        interval = f"{low:+.1f} to {high:+.1f}" if math.isfinite(high) else "too few groups for an interval"
        return f"no difference between {variant} and {base} is shown ({mean:+.1f} points, {interval}, {p})"
    ends = (low, high) if shown is Verdict.BETTER else (-high, -low)
    return f"{variant} is {shown} than {base} by {abs(mean):.1f} points ({ends[0]:.1f} to {ends[1]:.1f}, {p})"


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number by Holm (1979), which bounds the chance of any false alarm among them.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(order), 0, -1)
    raised = np.minimum(np.maximum.accumulate(np.asarray(p_values)[order] * factors), 1.0)
    adjusted = np.empty(len(order))
    adjusted[order] = raised
    return [float(value) for value in adjusted]
