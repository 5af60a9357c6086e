"""Intervals and tests, on numbers with known uncertainty."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from mocrop.evaluation.scores import statistics
from mocrop.evaluation.scores.statistics import (
    McNemar,
    bootstrap,
    cluster_numbers,
    format_p,
    mcnemar,
    paired_difference,
    resampled_sums,
    sign_flip_test,
    sign_test,
)
from mocrop.pipeline.groups import FIRST_ACROSS_CLASSES


def test_a_bootstrap_of_equal_clips_is_certain_and_of_two_spans_them() -> None:
    mean, low, high = bootstrap(np.full((5, 1), 0.25), seed=0)
    assert (mean[0], low[0], high[0]) == pytest.approx((0.25, 0.25, 0.25))
    mean, low, high = bootstrap(np.array([[0.0], [1.0]]), seed=0)
    assert (mean[0], low[0], high[0]) == (0.5, 0, 1)


def test_a_bootstrap_s_interval_is_that_of_the_normal_distribution_for_many_clips() -> None:
    """Mean of 400 coin flips: 0.5 give or take 1.96 * 0.025."""
    _, low, high = bootstrap(np.tile([[0.0], [1.0]], (200, 1)), seed=1)
    assert (low[0], high[0]) == pytest.approx((0.451, 0.549), abs=0.005)


def test_differences_are_paired_clip_by_clip() -> None:
    """However much clips differ, a constant gain is certain."""
    values = np.random.default_rng(0).random((20, 1, 1, 4))
    _, low, high = bootstrap((values + 0.125) - values, seed=0)
    assert low == pytest.approx(0.125)
    assert high == pytest.approx(0.125)


def test_clips_that_come_in_pairs_count_as_one() -> None:
    """Twice the same 100 coin flips tell no more than 100 do: 0.5 give or take 1.96 * 0.05, not 1.96 * 0.035."""
    flips = np.tile([0.0, 0.0, 1.0, 1.0], 50)
    _, low, high = bootstrap(flips, clusters=np.repeat(np.arange(100), 2), seed=0)
    assert (float(low), float(high)) == pytest.approx((0.402, 0.598), abs=0.011)
    _, low, high = bootstrap(flips, seed=0)
    assert (float(low), float(high)) == pytest.approx((0.431, 0.569), abs=0.011)


def test_clusters_of_one_clip_each_are_no_clusters() -> None:
    values = np.random.default_rng(0).random((9, 2))
    alone = bootstrap(values, clusters=np.arange(9)[::-1].copy(), seed=0)
    assert np.allclose(alone, bootstrap(values[::-1], seed=0))


def test_the_mean_of_a_draw_is_over_its_clips_however_many() -> None:
    """One cluster of three wrong clips, one of one right clip: the four draws have means 0, 1/4, 1/4 and 1."""
    sums = resampled_sums(
        np.column_stack(([0.0, 0.0, 0.0, 1.0], np.ones(4))), clusters=np.array([7, 7, 7, 2]), seed=0, draws=400
    )
    assert set((sums[:, 0] / sums[:, 1]).tolist()) == {0, 0.25, 1}
    assert np.mean(sums[:, 1] == 4) == pytest.approx(0.5, abs=0.1)


def test_draws_do_not_depend_on_how_many_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random((7, 2))
    at_once = resampled_sums(values, seed=3, draws=50)
    monkeypatch.setattr("mocrop.evaluation.scores.statistics.COUNTS_AT_ONCE", 20)
    assert np.allclose(resampled_sums(values, seed=3, draws=50), at_once)


@pytest.mark.parametrize(
    ("heads", "tails", "p_value"),
    [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 2 / 32), (0, 5, 2 / 32), (1, 3, 2 * 5 / 16), (2, 2, 1.0), (2, 8, 2 * 56 / 1024)],
)
def test_a_sign_test_is_the_chance_that_a_fair_coin_falls_so_unevenly(heads: int, tails: int, p_value: float) -> None:
    assert sign_test(heads, tails) == pytest.approx(p_value, rel=1e-15)


def test_a_sign_test_of_thousands_of_tosses_is_near_the_normal_approximation() -> None:
    """For 4000 tosses the normal approximation with its correction of 1/2 is good: z = 99.5 / 31.62, p = 0.00165."""
    assert sign_test(1900, 2100) == pytest.approx(0.00165, abs=2e-5)
    assert sign_test(0, 3783) == 0.0  # 2 / 2**3783 is below the smallest float


def test_mcnemar_counts_only_clips_that_one_alone_gets_right() -> None:
    first = np.array([True, True, True, False, False, True])
    second = np.array([True, False, False, True, False, False])
    assert mcnemar(first, second) == McNemar(only_first=3, only_second=1, p_value=0.625)
    assert mcnemar(first, first) == McNemar(only_first=0, only_second=0, p_value=1.0)


def test_a_paired_difference_uses_that_the_clips_are_the_same() -> None:
    hard = np.arange(40) % 2 == 0
    same = paired_difference(hard, hard)
    assert (same.mean, same.low, same.high) == (0, 0, 0)
    better = paired_difference(hard, np.ones(40, np.bool_))
    assert better.mean == 0.5
    assert 0.3 < better.low < 0.5 < better.high < 0.7


def test_pairs_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="of the same clips"):
        mcnemar(np.ones(3, np.bool_), np.ones(4, np.bool_))
    with pytest.raises(ValueError, match="of the same clips"):
        paired_difference(np.ones(3), np.ones(4))


def test_a_p_value_is_never_shown_as_zero() -> None:
    assert [format_p(value) for value in (0.0, 0.0009, 0.0049, 0.049, 0.5, 1.0)] == [
        "< 0.001",
        "< 0.001",
        "0.0049",
        "0.049",
        "0.50",
        "1.00",
    ]


def test_six_groups_that_agree_are_two_of_64_signs() -> None:
    difference, clusters = np.ones(12), np.arange(12) // 2
    assert sign_flip_test(difference, clusters=clusters) == pytest.approx(2 / 64, abs=0.004)
    assert sign_flip_test(-difference, clusters=clusters) == sign_flip_test(difference, clusters=clusters)


def test_groups_that_cancel_out_show_nothing() -> None:
    assert sign_flip_test(np.array([1.0, -1.0, 2.0, -2.0]), clusters=np.arange(4)) == 1.0
    assert sign_flip_test(np.zeros(4), clusters=np.arange(4)) == 1.0


def test_memory_does_not_grow_with_flips_times_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million numbers at a time are 8 MB, where 500 signs of each of 20,000 clusters would be 80."""
    monkeypatch.setattr(statistics, "COUNTS_AT_ONCE", 1_000_000)
    tracemalloc.start()
    found = sign_flip_test(np.ones(20_000), clusters=np.arange(20_000), flips=500)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == 1 / 501
    assert peak < 40_000_000


def test_clips_of_one_group_of_one_class_have_one_number_and_loners_their_own() -> None:
    numbers = cluster_numbers(
        np.array([0, 0, 1, 0, 0, 0]), np.array([3, 3, 3, -1, -1, -1]), ["a", "b", "c", "d", "e", "d"]
    )
    assert numbers[0] == numbers[1]
    assert numbers[3] == numbers[5]
    assert len(set(numbers.tolist())) == 4


def test_clips_of_a_group_that_spans_classes_have_one_number_in_all_of_them() -> None:
    person = FIRST_ACROSS_CLASSES
    numbers = cluster_numbers(np.array([0, 1, 1, 0]), np.array([person, person, person + 1, 3]), ["a", "b", "c", "d"])
    assert numbers[0] == numbers[1]
    assert len(set(numbers.tolist())) == 3
