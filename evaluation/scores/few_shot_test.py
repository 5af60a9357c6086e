"""Test of a few-shot difference for new groups to train on and new groups to test on: a jackknife over groups.

In every draw some groups of each class train two variants, and all others test them. The question is about new clips:
other groups to train on and other groups to be tested. Every group does both, so an interval over test groups alone
is one for *these* training groups and rejects far more than 5 % of true nulls, however many draws there are. Here each
group is left out altogether, from training and from testing, which needs no fit anew: the draws that did not train on
it are there. What these leave-one-out means owe to the choice of draws, and not to the group, is taken off their
variance. See docs/statistics.md for levels and power.

Groups of one class take each other's place, so classes are strata. A group that spans classes belongs to all of them:
classes that share such a group count as one stratum, in which the classes' means add to the variance, so that the
interval is rather too wide than too narrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.scores.statistics import NOTHING, Estimate
from mocrop.evaluation.scores.student_t import t_quantile, two_sided_p
from mocrop.pipeline.errors import SettingsError

BoolArray = npt.NDArray[np.bool_]
DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

LEAST_GROUPS = 5  # of each class; with fewer the test's level is not known


@dataclass(frozen=True, kw_only=True)
class TestedDifference:
    """A mean difference of shares with its 95 % interval and its test, both for new groups of clips."""

    __test__ = False  # for pytest: this is no test case

    estimate: Estimate
    p_value: float  # two-sided, from Student's t
    df: int  # groups less strata (classes)
    groups: int
    draws: int

    @property
    def enough_draws(self) -> bool:
        """Whether there are two draws a group; with fewer the interval is wider than it need be."""
        return self.draws >= 2 * self.groups


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sums:
    """What each group did in each draw; all (draws, groups) but the last."""

    differences: DoubleArray  # sum over the group's tested clips
    tested: DoubleArray  # clips
    trained: DoubleArray  # 1 where the group was trained on, else 0
    strata: IntArray  # (groups,) from 0


def jackknife_difference(
    differences: npt.NDArray[np.float64 | np.int64],
    tested: BoolArray,
    trained: BoolArray,
    *,
    clusters: IntArray,
    classes: IntArray,
) -> TestedDifference:
    """Mean difference of two variants over all tests, for new groups to train on and to test on.

    Args:
        differences: (draws, clips), right(variant) - right(base) where tested, 0 elsewhere.
        tested, trained: (draws, clips); no group is both in one draw.
        clusters: (clips,) any number per group.
        classes: (clips,) label of each clip.
    Raises: SettingsError for a class with fewer than five groups, or a group that every draw trains on; ValueError if
        the arrays do not fit together.
    Source: Efron and Stein (1981) for the jackknife, with the noise of a finite number of draws taken off.
    """
    _require_fitting(differences, tested, trained, clusters, classes)
    require_groups(clusters=clusters, classes=classes)
    sums = _by_group(differences, tested, trained, clusters=clusters, classes=classes)
    draws, groups = sums.tested.shape
    theta = float(sums.differences.sum() / sums.tested.sum())
    by_draw = sums.differences.sum(axis=1) / sums.tested.sum(axis=1)
    spread = float(by_draw.var(ddof=1))
    variance = max(_training_variance(sums, by_draw, spread), _test_variance(sums, theta)) + spread / draws
    df = groups - int(sums.strata.max()) - 1
    reach = t_quantile(df) * variance**0.5
    return TestedDifference(
        estimate=Estimate(mean=theta, low=theta - reach, high=theta + reach),
        p_value=_p_value(theta, variance, df=df, groups=groups),
        df=df,
        groups=groups,
        draws=draws,
    )


def require_groups(
    *, clusters: IntArray, classes: IntArray, class_names: Sequence[str] | None = None, least: int = LEAST_GROUPS
) -> None:
    """Refuse clips of which a class has too few groups for :func:`jackknife_difference`.

    Raises: SettingsError naming the class and its groups.
    """
    for label in np.unique(classes).tolist():
        groups = len(np.unique(clusters[classes == label]))
        if groups < least:
            name = class_names[label] if class_names else f"number {label}"
            raise SettingsError(
                f"class {name} has {groups} groups of clips, and a few-shot test needs {least} of each class; leave "
                "few-shot out, or the class"
            )


def _training_variance(sums: _Sums, by_draw: DoubleArray, spread: float) -> float:
    """Jackknife variance of the mean difference, less the noise that the draws bring into it; may be negative."""
    draws, strata = len(by_draw), sums.strata
    without = 1 - sums.trained
    apart = (without.T @ sums.differences.sum(axis=1) - sums.differences.sum(axis=0)) / (
        without.T @ sums.tested.sum(axis=1) - sums.tested.sum(axis=0)
    )
    size = np.bincount(strata)
    often = sums.trained.sum(axis=0)
    within = _spread_among_trained(sums, by_draw, spread)[strata]
    noise = (often / draws) ** 2 * (within / np.maximum(often, 1) + spread / (draws - often))  # 0 if never trained on
    centred = apart - (np.bincount(strata, apart) / size)[strata]
    return float(((size - 1) / size) @ np.bincount(strata, centred**2 - noise))


def _spread_among_trained(sums: _Sums, by_draw: DoubleArray, spread: float) -> DoubleArray:
    """(strata,) pooled variance of the draws that train on the same group; ``spread`` where no group has two draws."""
    often = sums.trained.sum(axis=0)
    centred = by_draw - by_draw.mean()
    squares = sums.trained.T @ centred**2 - (sums.trained.T @ centred) ** 2 / np.maximum(often, 1)
    freedom = np.bincount(sums.strata, np.maximum(often - 1, 0))
    pooled = np.bincount(sums.strata, np.maximum(squares, 0)) / np.maximum(freedom, 1)
    return np.asarray(np.where(freedom > 0, pooled, spread))


def _test_variance(sums: _Sums, theta: float) -> float:
    """Variance of the mean difference that the choice of test groups alone brings."""
    size = np.bincount(sums.strata)
    shares = (sums.differences - theta * sums.tested).sum(axis=0) / sums.tested.sum()
    centred = shares - (np.bincount(sums.strata, shares) / size)[sums.strata]
    return float((size / (size - 1)) @ np.bincount(sums.strata, centred**2))


def _p_value(theta: float, variance: float, *, df: int, groups: int) -> float:
    """Student's two-sided p; with no variance at all that of a sign test in which all groups agree."""
    if variance > NOTHING:
        return two_sided_p(theta / variance**0.5, df)
    return 1.0 if abs(theta) <= NOTHING**0.5 else float(2.0 ** (1 - groups))


def _by_group(
    differences: npt.NDArray[np.float64 | np.int64],
    tested: BoolArray,
    trained: BoolArray,
    *,
    clusters: IntArray,
    classes: IntArray,
) -> _Sums:
    _, position = np.unique(clusters, return_inverse=True)
    position = position.reshape(-1)
    order = np.argsort(position, kind="stable")
    starts = np.searchsorted(position[order], np.arange(position.max() + 1))

    def summed(values: npt.NDArray[np.generic]) -> DoubleArray:
        return np.asarray(np.add.reduceat(values.astype(np.float64)[:, order], starts, axis=1))

    sums = _Sums(
        differences=summed(differences),
        tested=summed(tested),
        trained=(summed(trained) > 0).astype(np.float64),
        strata=_strata(position, classes),
    )
    if (sums.trained * sums.tested).any():
        raise ValueError("a group was trained on and tested in the same draw")
    if (sums.trained.sum(axis=0) == len(tested)).any():
        raise SettingsError("all draws train on the same group; pass more --draws, or --few-shot with smaller numbers")
    return sums


def _strata(position: IntArray, classes: IntArray) -> IntArray:
    """(groups,) numbers from 0: the class of each group; one number for all classes that a group connects."""
    _, label = np.unique(classes, return_inverse=True)
    member = np.zeros((position.max() + 1, label.max() + 1))
    member[position, label.reshape(-1)] = 1
    linked = member.T @ member > 0
    for _ in range(len(linked).bit_length()):  # paths of 1, 2, 4, ... shared groups
        linked = linked.astype(np.float64) @ linked > 0
    first = linked.argmax(axis=1)[member.argmax(axis=1)]
    return np.unique(first, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _require_fitting(
    differences: npt.NDArray[np.generic], tested: BoolArray, trained: BoolArray, clusters: IntArray, classes: IntArray
) -> None:
    shapes = {differences.shape, tested.shape, trained.shape, (len(tested), len(clusters)), (len(tested), len(classes))}
    if len(shapes) > 1 or len(tested) < 2:
        raise ValueError(f"two or more draws of the same clips are needed, not arrays of shapes {sorted(shapes)}")
    if not tested.any(axis=1).all():
        raise ValueError("a draw tested nothing")
    if (differences[~tested] != 0).any():
        raise ValueError("there are differences of clips that were not tested")
