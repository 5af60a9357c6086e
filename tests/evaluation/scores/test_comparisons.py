"""Comparisons whose outcome is known in advance, and verdicts on both sides of their limits."""

from __future__ import annotations

import numpy as np
import pytest

from mocrop.evaluation.scores.comparisons import (
    Verdict,
    compare,
    compare_few_shot,
    corrected,
    holm,
    verdict,
)
from mocrop.evaluation.scores.statistics import Estimate


def outcome(name: str, right: list[int]) -> tuple[str, np.ndarray, np.ndarray]:
    values = np.array(right)
    return name, values.astype(np.float64), values > 0


def estimate(mean: float, low: float, high: float) -> Estimate:
    return Estimate(mean=mean, low=low, high=high)


@pytest.mark.parametrize(
    ("difference", "p", "expected"),
    [
        (estimate(0.1, 0.01, 0.2), 0.049, Verdict.BETTER),
        (estimate(0.1, 0.01, 0.2), 0.05, Verdict.NOT_SHOWN),
        (estimate(0.1, 0.0, 0.2), 0.001, Verdict.NOT_SHOWN),
        (estimate(-0.1, -0.2, -0.01), 0.049, Verdict.WORSE),
        (estimate(-0.1, -0.2, 0.0), 0.001, Verdict.NOT_SHOWN),
        (estimate(0.0, 0.0, 0.0), 1.0, Verdict.NOT_SHOWN),
    ],
)
def test_a_difference_needs_both_the_test_and_the_interval(difference: Estimate, p: float, expected: Verdict) -> None:
    assert verdict(difference, p) is expected


def test_the_sentence_follows_the_verdict() -> None:
    better = compare(outcome("motion", [1] * 12), outcome("full", [0] * 12), where="", clusters=np.arange(12))
    (better,) = corrected([better])
    assert better.sentence == "motion is better than full by 100.0 points (100.0 to 100.0, p < 0.001)"
    (worse,) = corrected([compare(outcome("a", [0] * 12), outcome("b", [1] * 12), where="", clusters=np.arange(12))])
    assert worse.sentence.startswith("a is worse than b by 100.0 points")
    (same,) = corrected([compare(outcome("a", [0, 1, 1]), outcome("b", [1, 0, 1]), where="", clusters=np.arange(3))])
    assert same.sentence.startswith("no difference between a and b is shown (+0.0 points, -")
    (few,) = corrected([compare(outcome("a", [0, 1]), outcome("b", [1, 0]), where="", clusters=np.arange(2))])
    assert few.sentence == (
        "no difference between a and b is shown (+0.0 points, too few groups for an interval, p 1.00)"
    )


def test_clips_gained_and_lost_are_counted_clip_by_clip() -> None:
    found = compare(
        outcome("motion", [1, 1, 0, 1]), outcome("full", [0, 0, 1, 1]), where="192 -> 192", clusters=np.arange(4)
    )
    assert (found.gained, found.lost, found.clips) == (2, 1, 4)
    assert found.p_value == 1.0  # of three groups that differ, all sums are as far from zero as 2 - 1
    assert (found.accuracy, found.base_accuracy, found.difference.mean) == (0.75, 0.5, 0.25)


def test_clips_of_one_group_count_as_one() -> None:
    """Ten clips gained of twenty: one group of two says nothing, ten single clips much, however many clips agree."""
    right = [1] * 10 + [0] * 10
    apart = compare(outcome("a", right), outcome("b", [0] * 20), where="", clusters=np.arange(20))
    together = compare(outcome("a", right), outcome("b", [0] * 20), where="", clusters=np.arange(20) // 10)
    assert apart.difference.low > 0.2
    assert apart.p_value == pytest.approx(2 / 2**10, abs=0.001)
    assert together.difference.low == -np.inf
    assert together.p_value == 1.0
    assert (apart.gained, together.gained) == (10, 10)


def test_two_groups_that_agree_give_no_verdict_whatever_the_test() -> None:
    found = compare(outcome("a", [1] * 20), outcome("b", [0] * 20), where="", clusters=np.arange(20) // 10)
    assert verdict(found.difference, 0.0) is Verdict.NOT_SHOWN


def test_many_comparisons_raise_the_bar() -> None:
    one = compare(outcome("a", [1] * 6), outcome("b", [0] * 6), where="", clusters=np.arange(6))
    assert one.p_value == pytest.approx(2 / 64, abs=0.004)
    assert corrected([one])[0].verdict is Verdict.BETTER
    assert [each.verdict for each in corrected([one, one])] == [Verdict.NOT_SHOWN] * 2


def test_holm_never_lowers_and_keeps_the_order() -> None:
    p_values = [0.2, 0.001, 0.04, 0.5, 0.012]
    adjusted = holm(p_values)
    assert adjusted == pytest.approx([0.4, 0.005, 0.12, 0.5, 0.048])
    assert holm([0.7, 0.8]) == [1.0, 1.0]


def test_few_shot_accuracies_are_over_all_tests_and_untested_clips_count_nowhere() -> None:
    """Ten groups of one clip each, ten draws, each of which trains on one: 90 tests."""
    trained = np.eye(10, dtype=np.bool_)
    found = compare_few_shot(
        ("a", np.ones((10, 10), np.bool_)),
        ("b", np.tile(np.arange(10) < 4, (10, 1))),
        where="1 group, 192",
        tested=~trained,
        trained=trained,
        clusters=np.arange(10),
        classes=np.arange(10) // 5,
        over_draws=estimate(0.6, 0.5, 0.7),
    )
    assert (found.accuracy, found.base_accuracy, found.clips) == (1, 0.4, 10)
    assert found.difference.mean == pytest.approx(0.6)
    assert not found.enough_draws  # 10 draws, 10 groups
    assert (found.gained, found.lost, found.over_draws) == (None, None, estimate(0.6, 0.5, 0.7))
