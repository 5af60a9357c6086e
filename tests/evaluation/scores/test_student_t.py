"""Student's t against SciPy and against what a pencil gives."""

from __future__ import annotations

import math

import pytest
from scipy.stats import t as student

from mocrop.evaluation.scores.student_t import t_quantile, two_sided_p


@pytest.mark.parametrize("df", [1, 2, 3, 4, 5, 8, 41, 144, 999, 20_000])
def test_chances_and_quantiles_are_scipy_s(df: int) -> None:
    for value in (0.0, 0.1, -1.0, 1.96, 3.3, -12.0, 40.0, 1e9, math.inf):
        assert two_sided_p(value, df) == pytest.approx(2 * student.sf(abs(value), df), abs=1e-12)
    assert t_quantile(df) == pytest.approx(student.ppf(0.975, df), rel=1e-11)


def test_one_and_two_degrees_of_freedom_have_closed_forms() -> None:
    """A Cauchy variable: 1 - 2 atan(t) / pi. Two degrees: 1 - t / sqrt(2 + t squared)."""
    assert two_sided_p(math.sqrt(3), 1) == pytest.approx(1 / 3)
    assert two_sided_p(1.0, 2) == pytest.approx(1 - 1 / math.sqrt(3))


def test_without_a_degree_of_freedom_nothing_is_known() -> None:
    assert t_quantile(0) == math.inf
    for t, df in ((1.0, 0), (math.nan, 5)):
        with pytest.raises(ValueError, match="at least one degree of freedom"):
            two_sided_p(t, df)
