"""Intervals and tests, on numbers with known uncertainty."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from mocrop.evaluation.scores import statistics
from mocrop.evaluation.scores.statistics import (
    McNemar,
    accuracy_interval,
    cluster_numbers,
    format_p,
    group_interval,
    mcnemar,
    paired_difference,
    sign_flip_test,
    sign_test,
    wilson,
)
from mocrop.pipeline.groups import FIRST_ACROSS_CLASSES
from mocrop.training.scores import Score


def test_differences_are_paired_clip_by_clip() -> None:
    """However much clips differ, a constant gain is certain."""
    values = np.random.default_rng(0).random((20, 1, 1, 4))
    _, low, high = group_interval((values + 0.125) - values)
    assert low == pytest.approx(0.125)
    assert high == pytest.approx(0.125)


def test_clips_that_come_in_pairs_count_as_one() -> None:
    """Twice the same 100 coin flips tell no more than 100 do: 0.5 give or take 1.98 * 0.05, not 1.97 * 0.035."""
    flips = np.tile([0.0, 0.0, 1.0, 1.0], 50)
    _, low, high = group_interval(flips, clusters=np.repeat(np.arange(100), 2))
    assert (float(low), float(high)) == pytest.approx((0.4, 0.6), abs=0.002)
    _, low, high = group_interval(flips)
    assert (float(low), float(high)) == pytest.approx((0.43, 0.57), abs=0.002)


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
    monkeypatch.setattr(statistics, "SIGNS_AT_ONCE", 1_000_000)
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


def test_a_group_interval_is_student_s_t_over_the_groups() -> None:
    """Four groups of two clips with sums 0, 1, 1, 2: mean 0.5, left over -1, 0, 0, 1, so V = 4/3 * 2 / 64."""
    values = np.array([0, 0, 1, 0, 0, 1, 1, 1.0])
    mean, low, high = group_interval(values, clusters=np.arange(8) // 2)
    reach = 3.182446305284263 * (4 / 3 * 2 / 64) ** 0.5
    assert (float(mean), float(low), float(high)) == pytest.approx((0.5, 0.5 - reach, 0.5 + reach))
    assert group_interval(values[:, None, None], clusters=np.arange(8) // 2)[1].shape == (1, 1)


def test_a_group_interval_of_single_clips_is_the_plain_t_interval() -> None:
    values = np.random.default_rng(0).normal(size=30)
    _, low, high = group_interval(values)
    expected = student.interval(0.95, 29, values.mean(), values.std(ddof=1) / 30**0.5)
    assert (float(low), float(high)) == pytest.approx(expected)


def test_one_or_two_groups_say_nothing_about_others() -> None:
    for clusters in (np.zeros(4, np.int64), np.array([0, 0, 1, 1])):
        mean, low, high = group_interval(np.ones((4, 2)), clusters=clusters)
        assert mean.tolist() == [1, 1]
        assert low.tolist() == [-np.inf] * 2
        assert high.tolist() == [np.inf] * 2


def test_a_column_without_numbers_leaves_the_others_alone() -> None:
    values = np.array([[np.nan, 0.0], [np.nan, 0.5], [np.nan, 1.0]])
    alone = group_interval(values[:, 1])
    for both, one in zip(group_interval(values), alone, strict=True):
        assert np.isnan(both[0])
        assert both[1] == one
    assert np.isnan(group_interval(values[:1])[1]).tolist() == [True, False]  # of one clip, too


def test_an_accuracy_of_single_clips_has_nearly_wilson_s_interval() -> None:
    right = np.arange(400) < 300
    assert accuracy_interval(right) == pytest.approx(Score(correct=300, total=400).interval, abs=0.002)


def test_groups_whose_clips_are_all_alike_are_worth_a_clip_each() -> None:
    """Thirty groups of ten: as thirty clips, with the t of 29 degrees; single clips would be worth 300."""
    alike = accuracy_interval(np.arange(300) < 240, clusters=np.arange(300) // 10)
    assert alike == pytest.approx(wilson(0.8, 30, quantile=student.ppf(0.975, 29)))
    low, high = accuracy_interval(np.arange(300) < 240)
    assert high - low < (alike[1] - alike[0]) / 2


def test_where_all_are_right_the_groups_count_as_a_clip_each() -> None:
    low, high = accuracy_interval(np.ones(40, np.bool_), clusters=np.arange(40) // 4)
    assert (low, high) == pytest.approx((wilson(1.0, 10, quantile=student.ppf(0.975, 9))[0], 1.0))
    assert high == 1.0
    assert accuracy_interval(np.zeros(40, np.bool_), clusters=np.arange(40) // 4)[0] == 0.0


def test_one_group_leaves_an_accuracy_open() -> None:
    assert accuracy_interval(np.array([True, True, False]), clusters=np.zeros(3, np.int64)) == (0.0, 1.0)


def test_weights_that_are_alike_are_none_and_a_weight_of_two_is_two_clips_of_a_group() -> None:
    right, clusters = np.array([1, 0, 1, 1, 0, 1.0]), np.array([0, 0, 1, 2, 2, 3])
    assert accuracy_interval(right, clusters=clusters, weights=np.full(6, 0.2)) == pytest.approx(
        accuracy_interval(right, clusters=clusters)
    )
    heavy = accuracy_interval(np.array([1, 0, 1, 0.0]), clusters=np.arange(4), weights=np.array([2, 2, 2, 2.0]))
    assert heavy == pytest.approx(accuracy_interval(np.array([1, 0, 1, 0.0])))


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.floats(0.1, 9)), min_size=1, max_size=30),
)
def test_an_accuracy_lies_in_its_interval_and_the_interval_between_0_and_1(
    clips: list[tuple[bool, int, float]],
) -> None:
    right, clusters, weights = (np.array(column) for column in zip(*clips, strict=True))
    low, high = accuracy_interval(right, clusters=clusters, weights=weights)
    share = float(weights @ right / weights.sum())
    assert 0 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1


CLIPS = st.lists(st.tuples(st.floats(-9, 9), st.integers(0, 5)), min_size=1, max_size=30)


@given(CLIPS, st.integers(0, 2**32 - 1), st.floats(-5, 5), st.floats(0.1, 10))
def test_neither_order_nor_names_of_groups_matter_and_units_go_along(
    clips: list[tuple[float, int]], seed: int, shift: float, factor: float
) -> None:
    values, clusters = (np.array(column) for column in zip(*clips, strict=True))
    ends = np.array(group_interval(values, clusters=clusters))
    order = np.random.default_rng(seed).permutation(len(values))
    assert np.array(group_interval(values[order], clusters=100 - 7 * clusters[order])) == pytest.approx(ends, abs=1e-6)
    moved = np.array(group_interval(shift + factor * values, clusters=clusters))
    assert moved == pytest.approx(shift + factor * ends, abs=1e-5)
    mirrored = np.array(group_interval(-values, clusters=clusters))
    assert mirrored == pytest.approx(-ends[[0, 2, 1]], abs=1e-6)


@given(CLIPS)
def test_a_clip_twice_in_its_group_is_a_weight_of_two(clips: list[tuple[float, int]]) -> None:
    values, clusters = (np.array(column) for column in zip(*clips, strict=True))
    weights = np.ones(len(values))
    weights[0] = 2
    twice = group_interval(np.append(values, values[0]), clusters=np.append(clusters, clusters[0]))
    weighted = group_interval(values, clusters=clusters, weights=weights)
    assert np.array(weighted) == pytest.approx(np.array(twice), abs=1e-6)
