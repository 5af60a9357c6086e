"""Mean average precision of several labels a clip: by hand, its interval, and what it takes from each clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.evaluation.scores.alignment import align
from mocrop.evaluation.scores.fusion import fuse, late_fusion
from mocrop.evaluation.scores.label_metrics import mean_precision, measure_labels, pulls
from mocrop.evaluation.scores.metrics import measure, right
from mocrop.evaluation.scores.predictions import Predictions, read_predictions, write_predictions
from mocrop.pipeline.errors import PredictionsError
from mocrop.training.scores import Score
from tests.evaluation.scores.test_predictions import ORIGIN


def several(**changes: object) -> Predictions:
    """Four clips and three classes, the last of which none is of.

    Dig is of clips 1 and 3, which rank 1 and 3: (1 + 2/3) / 2 = 5/6. Run is of clips 1, 2 and 4, which rank 4, 1 and 2:
    (1 + 1 + 3/4) / 3 = 11/12. The mean is 7/8.
    """
    made = Predictions(
        clips=("one", "two", "three", "four"),
        labels=np.array([0, 1, 0, 1]),
        groups=np.array([1, 2, 3, 4], np.int32) + 1_000_000_000,
        logits=np.array([[9, 1, 0], [8, 9, 1], [7, 2, 2], [6, 8, 3]], np.float32),
        class_names=("Dig", "Run", "Swim"),
        split="1",
        origin=ORIGIN,
        marks=np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0]], np.uint8),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_the_mean_is_over_the_classes_with_a_test_clip() -> None:
    found = measure_labels(several())
    assert found.mean_precision.mean == pytest.approx(7 / 8)
    assert [each.precision for each in found.classes] == [pytest.approx(5 / 6), pytest.approx(11 / 12), None]
    assert [each.clips for each in found.classes] == [2, 3, 0]
    assert (found.clips, found.without_clips, str(found.units)) == (4, 1, "4 groups")
    json = found.to_json()
    assert json["mean_average_precision"]["share"] == pytest.approx(0.875)
    assert json["classes_without_clips"] == 1
    assert json["per_class"][2] == {"name": "Swim", "clips": 0, "average_precision": None}


def weighted(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> float:
    """Average precision where clips have weights, by its definition."""
    at_least = scores[None, :] >= scores[:, None]
    share = (at_least * (weights * positive)).sum(axis=1) / (at_least * weights).sum(axis=1)
    return float((weights * positive * share).sum() / (weights * positive).sum())


rows = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=9).filter(
    lambda clips: any(of_class for _, of_class in clips)
)


@given(rows)
def test_what_a_clip_moves_is_the_derivative_by_its_weight(clips: list[tuple[int, bool]]) -> None:
    scores, positive = np.array([each for each, _ in clips], np.float64), np.array([each for _, each in clips])
    moves, step = pulls(scores, positive), 1e-6
    for clip in range(len(clips)):
        heavier, lighter = np.ones(len(clips)), np.ones(len(clips))
        heavier[clip] += step
        lighter[clip] -= step
        slope = (weighted(scores, positive, heavier) - weighted(scores, positive, lighter)) / (2 * step)
        assert moves[clip] == pytest.approx(slope, abs=1e-6)
    assert moves.sum() == pytest.approx(0, abs=1e-9)  # all clips twice as heavy change nothing


def drawn(clips: int = 60, classes: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    marks = (rng.random((clips, classes)) < 0.3).astype(np.uint8)
    return marks + rng.normal(0, 1, marks.shape), marks


def test_the_interval_holds_the_mean_and_groups_that_go_together_widen_it() -> None:
    scores, marks = drawn()
    alone = mean_precision(scores, marks)
    assert 0 < alone.low < alone.mean < alone.high < 1
    thrice = (np.repeat(scores, 3, axis=0), np.repeat(marks, 3, axis=0))
    copied, pretended = mean_precision(*thrice, clusters=np.repeat(np.arange(60), 3)), mean_precision(*thrice)
    assert (copied.low, copied.high) == pytest.approx((alone.low, alone.high))  # copies of a clip say nothing more
    assert pretended.high - pretended.low < 0.65 * (copied.high - copied.low)


def test_the_interval_is_as_wide_as_leaving_out_one_clip_after_the_other_says() -> None:
    scores, marks = drawn(120)
    left = [mean_precision(np.delete(scores, clip, 0), np.delete(marks, clip, 0)).mean for clip in range(120)]
    jackknife = 2 * 1.98 * np.sqrt(119 / 120 * ((np.array(left) - np.mean(left)) ** 2).sum())
    found = mean_precision(scores, marks)
    assert found.high - found.low == pytest.approx(jackknife, rel=0.15)


def test_a_perfect_order_and_few_groups_leave_doubt() -> None:
    marks = np.tile(np.eye(2, dtype=np.uint8), (5, 1))
    perfect = mean_precision(marks.astype(np.float64), marks)
    assert perfect.mean == perfect.high == 1
    assert 0.5 < perfect.low < 0.95
    few = mean_precision(*drawn(), clusters=np.arange(60) % 2)
    assert (few.low, few.high) == (0, 1)


def test_what_is_written_comes_back_and_an_older_mocrop_refuses_it(tmp_path: Path) -> None:
    file = tmp_path / "p.npz"
    write_predictions(several(), file)
    read = read_predictions(file)
    assert read.marks is not None
    assert read.marks.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0]]
    with np.load(file) as arrays:
        assert arrays["labels"].dtype == np.uint8
        assert '"format": 2' in str(arrays["about"])
    write_predictions(several(marks=None), file)
    with np.load(file) as arrays:
        assert "labels" not in arrays
        assert '"format": 1' in str(arrays["about"])
    assert read_predictions(file).marks is None


@pytest.mark.parametrize(
    "call",
    [
        measure,
        right,
        lambda one: fuse(one, one),
        lambda one: late_fusion(one, one),
    ],
)
def test_what_counts_right_answers_refuses_several_labels(call: Callable[[Predictions], object]) -> None:
    with pytest.raises(PredictionsError, match="a clip may have several labels, so no answer is right or wrong"):
        call(several())


def test_average_precision_of_one_label_is_refused() -> None:
    with pytest.raises(ValueError, match="several"):
        measure_labels(several(marks=None))


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        (np.ones((4, 2), np.uint8), "marks have shape"),
        (2 * np.ones((4, 3), np.uint8), "0 or 1"),
        (np.zeros((4, 3), np.uint8), "1 for the label of each clip"),
    ],
)
def test_marks_that_do_not_fit_are_refused(marks: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        several(marks=marks)


def test_predictions_of_other_labels_are_not_aligned() -> None:
    other = several().take(np.array([2, 0, 3, 1]))
    assert align(several(), other)[1].clips == several().clips
    changed = several(marks=np.array([[1, 1, 0], [1, 1, 0], [1, 0, 0], [0, 1, 0]], np.uint8))
    with pytest.raises(PredictionsError, match="two is Run in the first and Dig, Run in the second"):
        align(several(), changed)
    with pytest.raises(PredictionsError, match="one is Dig, Run in the first and Dig in the second"):
        align(several(), several(marks=None))


def test_an_interval_is_no_narrower_than_that_of_as_many_clips_that_are_right_or_wrong() -> None:
    """Of many classes the spread over clips is small, and says too little of classes with few clips."""
    scores, marks = drawn(classes=40)
    found = mean_precision(scores, marks)
    share = Score(correct=round(60 * found.mean), total=60).interval
    assert found.high - found.low == pytest.approx(share[1] - share[0], rel=0.05)


def test_clips_of_a_group_with_other_first_labels_are_of_one_group() -> None:
    """Of one label each, clips 1 and 2 would be of two groups that are both number 7."""
    groups = np.array([7, 7, 8, -1], np.int32)
    numbers = several(groups=groups).clusters.tolist()
    assert numbers[0] == numbers[1]
    assert len(set(numbers)) == 3
    assert len(set(several(groups=groups, marks=None).clusters.tolist())) == 4
