"""Student's t distribution for whole degrees of freedom, without SciPy.

For whole degrees of freedom the chance that t lies between two ends is a finite sum of sines and cosines (Abramowitz
and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4). The tests compare it with SciPy.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

LEVEL = 0.05  # two-sided, of the intervals: 95 %
HALVINGS = 80  # of the bisection; a float has 53 bits


def two_sided_p(t: float, df: int) -> float:
    """Chance that a Student t lies at least as far from zero as ``t``; exact but for an absolute error below 1e-12.

    Args:
        t: of either sign; may be infinite.
        df: degrees of freedom, at least 1.
    Raises: ValueError for fewer degrees of freedom, or NaN.

    >>> round(two_sided_p(1.0, 1), 12)  # a Cauchy variable lies beyond its quartiles half of the time
    0.5
    """
    if df < 1 or math.isnan(t):
        raise ValueError(f"Student's t needs a number and at least one degree of freedom, not {t} and {df}")
    angle = math.atan2(abs(t), math.sqrt(df))
    squared = math.cos(angle) ** 2
    weights = _weights(df)
    total = float(weights @ squared ** np.arange(len(weights))) * math.sin(angle)
    within = 2 / math.pi * (angle + total * math.cos(angle)) if df % 2 else total
    return min(1.0, max(0.0, 1 - within))


@lru_cache(maxsize=256)
def t_quantile(df: int) -> float:
    """The end of the middle 95 % of a Student t: its 97.5 % quantile.

    Args:
        df: degrees of freedom; without any the quantile is infinite, since nothing is known then.

    >>> round(t_quantile(1), 3), round(t_quantile(144), 3), t_quantile(0)
    (12.706, 1.977, inf)
    """
    if df < 1:
        return math.inf
    low, high = 1.9, 13.0  # the normal distribution has 1.96, one degree of freedom 12.71
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided_p(middle, df) > LEVEL else (low, middle)
    return (low + high) / 2


@lru_cache(maxsize=256)
def _weights(df: int) -> npt.NDArray[np.float64]:
    """Weights of the powers 0, 2, 4, ... of the cosine in the sum; df // 2 of them.

    >>> _weights(7).tolist(), _weights(6).tolist()  # 1, 2/3, (2 * 4) / (3 * 5) and 1, 1/2, (1 * 3) / (2 * 4)
    ([1.0, 0.6666666666666666, 0.5333333333333333], [1.0, 0.5, 0.375])
    """
    first = 2 if df % 2 else 1
    above = np.arange(first, first + 2 * (df // 2) - 2, 2)
    return np.asarray(np.cumprod(np.concatenate(([1.0], above / (above + 1)))) if df > 1 else np.zeros(0), np.float64)
