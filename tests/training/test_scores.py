"""Scores and their intervals, checked by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mocrop.training.scores import Score, count_correct


def test_top_1_counts_the_largest_logit_and_top_2_the_two_largest() -> None:
    logits = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    labels = torch.tensor([0, 1, 2])
    assert [count_correct(logits, labels, k=k) for k in (1, 2, 3)] == [1, 2, 3]


def test_top_5_of_three_classes_counts_everything() -> None:
    assert count_correct(torch.zeros(4, 3), torch.tensor([0, 1, 2, 2]), k=5) == 4


def test_a_score_prints_its_counts_and_its_interval() -> None:
    assert str(Score(correct=8, total=10)) == "80.0% (8/10, 95 % interval 49.0% to 94.3%)"


def test_all_right_is_not_certain() -> None:
    low, high = Score(correct=10, total=10).interval
    assert low == pytest.approx(1 / (1 + 1.96**2 / 10), abs=1e-3)
    assert high == 1


@pytest.mark.parametrize(("correct", "total"), [(1, 0), (0, 0), (-1, 3), (4, 3)])
def test_impossible_scores_are_refused(correct: int, total: int) -> None:
    with pytest.raises(ValueError, match="no score"):
        Score(correct=correct, total=total)


@given(st.integers(1, 10_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_the_interval_holds_the_share_and_mirrors(pair: tuple[int, int]) -> None:
    correct, total = pair
    score, mirrored = Score(correct=correct, total=total), Score(correct=total - correct, total=total)
    low, high = score.interval
    assert 0 <= low <= score.share <= high <= 1
    assert mirrored.interval == pytest.approx((1 - high, 1 - low))
