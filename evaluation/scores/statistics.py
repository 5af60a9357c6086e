"""Intervals and paired tests for values of clips.

Clips of one group show the same people in the same place, so they are no independent draws, and what is asked is what
other groups would give. Intervals therefore come from the spread of the groups, by Student's t, and tests flip the
signs of whole groups. McNemar's exact test takes clips for independent and rejects too often where those of a group go
together: it describes, and decides nothing. docs/statistics.md has what each covers and rejects in simulations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.scores.student_t import t_quantile
from mocrop.pipeline.groups import across_classes

DoubleMap = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

SIGN_FLIPS = 20_000
SIGNS_AT_ONCE = 4_000_000  # flips times clusters held in memory at once
FEW_GROUPS = 8  # with fewer, of groups or of clips without any, an interval is not known to hold what it says
LEAST_GROUPS = 3  # for an interval of a mean; two that happen to agree would leave no doubt
NOTHING = 1e-24  # a variance of shares below this is rounding


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over clips with its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class McNemar:
    """The exact two-sided test of whether two classifiers are right equally often on the same clips."""

    only_first: int  # clips that the first alone gets right
    only_second: int
    p_value: float  # 1 where they never differ


def mcnemar(first: BoolArray, second: BoolArray) -> McNemar:
    """Test whether two classifiers are right equally often; only clips that one of them alone gets right count.

    If they are, each such clip is a coin toss between them. Clips are assumed to be independent; where those of a
    group go together, up to a quarter of true nulls have a p below 0.05.

    Args:
        first, second: (clips,), where each is right, in the same order of clips.
    Raises: ValueError if the lengths differ.

    >>> mcnemar(np.array([True] * 6), np.array([False] * 6)).p_value  # 6 heads or 6 tails of 6: 2 / 64
    0.03125
    """
    _require_pairs(first, second)
    only_first = int(np.count_nonzero(first & ~second))
    only_second = int(np.count_nonzero(second & ~first))
    p_value = sign_test(only_first, only_second)
    return McNemar(only_first=only_first, only_second=only_second, p_value=p_value)


def sign_test(heads: int, tails: int) -> float:
    """Probability that a fair coin falls at least as unevenly as this, to either side; exact but for the last rounding.

    >>> sign_test(1, 3)  # 2 * (1 + 4) / 16
    0.625
    """
    tosses, ways, term = heads + tails, 0, 1
    for fewer in range(min(heads, tails) + 1):
        ways += term
        term = term * (tosses - fewer) // (fewer + 1)
    return min(1.0, 2 * ways / (1 << tosses))


def sign_flip_test(
    differences: DoubleMap, *, clusters: IntArray | None = None, flips: int = SIGN_FLIPS, seed: int = 0
) -> float:
    """Two-sided sign-flip test of whether differences sum to zero: if so, each cluster's sum has either sign alike.

    Args:
        differences: (clips,).
        clusters: (clips,), any number per group; None: every clip is one of its own.
    Returns: the share of random signs that give as large a sum, the observed ones included; never 0. Five groups or
        fewer that differ cannot give 0.05.
    """
    sums = _sums_by_cluster(differences[:, np.newaxis], clusters)[:, 0]
    least = abs(sums.sum()) - 1e-9  # so that rounding does not break ties
    rng, as_large = np.random.default_rng(seed), 0
    for size in _blocks(flips, clusters=len(sums)):
        signs = rng.integers(0, 2, (size, len(sums)), dtype=np.int8) * 2.0 - 1
        as_large += int(np.count_nonzero(np.abs(signs @ sums) >= least))
    return (1 + as_large) / (1 + flips)


def cluster_numbers(labels: npt.NDArray[np.integer], groups: npt.NDArray[np.integer], clips: Sequence[str]) -> IntArray:
    """(clips,) the same number for the clips of one group; a clip without a group has its own.

    A UCF group is of one class; a group that spans classes is one in all of them.

    Args:
        labels, groups: (clips,); group -1 = none.
        clips: (clips,) names; a clip that comes twice has one number.
    """
    alone = np.unique(clips, return_inverse=True)[1].reshape(-1)
    classes = np.where(across_classes(groups), -1, labels)
    pairs = np.column_stack((classes, np.where(groups >= 0, groups, -1 - alone)))
    return np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1)


def paired_difference(
    first: npt.NDArray[np.generic], second: npt.NDArray[np.generic], *, clusters: IntArray | None = None
) -> Estimate:
    """Mean of ``second - first`` over clips, with its interval by :func:`group_interval`.

    Args:
        first, second: (clips,), numbers or booleans, in the same order of clips.
    Raises: ValueError if the lengths differ.
    """
    _require_pairs(first, second)
    mean, low, high = group_interval(second.astype(np.float64) - first.astype(np.float64), clusters=clusters)
    return Estimate(mean=float(mean), low=float(low), high=float(high))


def group_interval(
    values: DoubleMap, *, clusters: IntArray | None = None, weights: DoubleMap | None = None
) -> tuple[DoubleMap, DoubleMap, DoubleMap]:
    """Mean over the first axis, and its 95 % interval for new groups of clips, by Student's t over the groups.

    The mean is a ratio, the sum over all clips by their number, and groups differ in size: the variance is that of the
    groups' sums less the mean times their sizes, with as many degrees of freedom as groups less one.

    Args:
        values: (clips, ...); NaN anywhere in a column makes that column NaN and leaves the others alone.
        clusters: (clips,), any number per group; None: every clip is one of its own.
        weights: (clips,) positive, for a mean that is not over clips, such as that over splits; None: all alike.
    Returns: mean, low, high, each of the shape of one of the values. Fewer than three groups say nothing about new
        ones: the interval is infinite to both sides.
    Source: Cochran, Sampling Techniques (1977), 6.3 for the variance of a ratio.
    """
    clips = len(values)
    flat = values.reshape(clips, -1).astype(np.float64)
    share = np.ones(clips) / clips if weights is None else weights / weights.sum()
    mean = flat.mean(axis=0) if weights is None else share @ flat
    left = _sums_by_cluster(share[:, np.newaxis] * (flat - mean), clusters)
    groups = len(left)
    if groups < LEAST_GROUPS:
        reach = np.where(np.isnan(mean), np.nan, np.inf)
    else:
        reach = t_quantile(groups - 1) * np.sqrt(groups / (groups - 1) * (left**2).sum(axis=0))
    shape = values.shape[1:]
    return mean.reshape(shape), (mean - reach).reshape(shape), (mean + reach).reshape(shape)


def accuracy_interval(
    right: npt.NDArray[np.generic], *, clusters: IntArray | None = None, weights: DoubleMap | None = None
) -> tuple[float, float]:
    """95 % interval of an accuracy for new groups of clips: Wilson's, for as many clips as the groups are worth.

    Clips of a group go together, so a list of them says less than as many single ones. What it is worth follows from
    the variance over the groups; it lies between the number of groups (if their clips are all alike) and that of
    clips, and is taken to be the former where all groups do the same. Student's t stands for the normal quantile.

    Args:
        right: (clips,) booleans, or shares from 0 to 1.
        clusters: see :func:`group_interval`.
        weights: see :func:`group_interval`.
    Returns: low and high; 0 and 1 for a single group, which says nothing about others.
    Source: Wilson (1927); Korn and Graubard (1998) for the effective number of clips.
    """
    shares = right.astype(np.float64)
    weight = np.ones(len(shares)) if weights is None else weights / weights.max()
    share = 1.0 if (shares == 1).all() else min(1.0, float(weight @ shares / weight.sum()))
    sums = _sums_by_cluster(np.column_stack((weight * (shares - share), weight)), clusters)
    groups, total = len(sums), float(weight.sum())
    if groups < 2:
        return 0.0, 1.0
    variance = groups / (groups - 1) * float((sums[:, 0] ** 2).sum()) / total**2
    least, most = total**2 / float((sums[:, 1] ** 2).sum()), total**2 / float((weight**2).sum())
    worth = min(max(share * (1 - share) / variance, least), most) if variance > NOTHING else least
    return wilson(share, worth, quantile=t_quantile(groups - 1))


def wilson(share: float, clips: float, *, quantile: float) -> tuple[float, float]:
    """Wilson's interval of a share of so many clips, which need not be whole.

    >>> [round(end, 3) for end in wilson(0.8, 10, quantile=1.96)]
    [0.49, 0.943]
    """
    weight = quantile**2 / clips
    centre = (share + weight / 2) / (1 + weight)
    reach = quantile / (1 + weight) * (share * (1 - share) / clips + weight / (4 * clips)) ** 0.5
    low = 0.0 if share <= 0 else centre - reach  # exact at both ends, where the sum of floats is not
    return max(0.0, low), 1.0 if share >= 1 else min(1.0, centre + reach)


def _blocks(flips: int, *, clusters: int) -> Iterator[int]:
    """Sizes of blocks of flips, so that memory for (flips, clusters) signs does not grow with the clusters."""
    block = max(1, SIGNS_AT_ONCE // clusters)
    return (min(block, flips - start) for start in range(0, flips, block))


def _sums_by_cluster(values: DoubleMap, clusters: IntArray | None) -> DoubleMap:
    if clusters is None:
        return values
    _, position = np.unique(clusters, return_inverse=True)
    sums = np.zeros((int(position.max()) + 1, values.shape[1]))
    np.add.at(sums, position, values)
    return sums


def _require_pairs(first: npt.NDArray[np.generic], second: npt.NDArray[np.generic]) -> None:
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ValueError(f"two rows of values of the same clips are needed, not {first.shape} and {second.shape}")


def format_p(value: float) -> str:
    """A p-value as text; never a bare zero.

    >>> format_p(0.03125), format_p(1.2e-9)
    ('0.031', '< 0.001')
    """
    return "< 0.001" if value < 0.001 else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"
