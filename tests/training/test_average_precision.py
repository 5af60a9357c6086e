"""Average precision against pencils, a definition in words, and scikit-learn where it is installed."""

from __future__ import annotations

from fractions import Fraction
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.training.average_precision import average_precision, average_precisions, mean_average_precision


def by_definition(scores: list[int], positive: list[bool]) -> Fraction:
    """For each clip of the class: of all that score at least as high, the share that is of it; the mean of these."""
    shares = [
        Fraction(
            sum(of for score, of in zip(scores, positive, strict=True) if score >= own),
            sum(score >= own for score in scores),
        )
        for own, of_class in zip(scores, positive, strict=True)
        if of_class
    ]
    return sum(shares, Fraction(0)) / len(shares)


@pytest.mark.parametrize(
    ("scores", "positive", "expected"),
    [
        ([4, 3, 2, 1], [1, 1, 0, 0], 1),
        ([4, 3, 2, 1], [0, 0, 1, 1], (1 / 3 + 2 / 4) / 2),
        ([4, 3, 2, 1], [1, 0, 1, 0], (1 + 2 / 3) / 2),
        ([1, 1, 1, 1], [1, 0, 0, 0], 1 / 4),  # scores that say nothing give the share of the class
        ([2, 2, 1], [0, 1, 1], (1 / 2 + 2 / 3) / 2),
        ([7], [1], 1),
    ],
)
def test_pencil_examples(scores: list[int], positive: list[int], expected: float) -> None:
    assert average_precision(np.array(scores, np.float32), np.array(positive, bool)) == pytest.approx(expected)


def test_a_class_without_a_clip_has_none_and_the_mean_leaves_it_out() -> None:
    scores = np.array([[2.0, 5.0, 1.0], [1.0, 4.0, 2.0]])
    labels = np.array([[1, 0, 1], [0, 0, 0]], np.uint8)
    assert average_precisions(scores, labels)[[0, 2]].tolist() == [1.0, 0.5]
    assert np.isnan(average_precisions(scores, labels)[1])
    assert mean_average_precision(scores, labels) == 0.75
    assert np.isnan(mean_average_precision(scores, 0 * labels))


clips = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=12).filter(
    lambda rows: any(of_class for _, of_class in rows)
)


@given(clips)
def test_it_is_its_definition_in_any_order_of_clips(rows: list[tuple[int, bool]]) -> None:
    for order in (rows, rows[::-1]):
        scores, positive = map(list, zip(*order, strict=True))
        found = average_precision(np.array(scores, np.float32), np.array(positive))
        assert found == pytest.approx(float(by_definition(scores, positive)))


@pytest.mark.skipif(find_spec("sklearn") is None, reason="scikit-learn is not installed")
@given(clips)
def test_it_is_that_of_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    from sklearn.metrics import average_precision_score

    scores, positive = map(np.array, zip(*rows, strict=True))
    assert average_precision(scores.astype(np.float32), positive) == pytest.approx(
        average_precision_score(positive, scores)
    )
