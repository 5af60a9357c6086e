"""Scores of a table of logits that can be checked with a pencil.

======  =======  =====  ========================  ========  ==============
clip    class    group  logits                    answer    confidence
======  =======  =====  ========================  ========  ==============
Dig/a   Dig          1  log of 0.8 0.1 0.05 0.05  Dig       0.8   right
Dig/b   Dig          1  log of 0.3 0.5 0.1 0.1    Run       0.5   wrong
Dig/c   Dig          2  log of 0.4 0.2 0.2 0.2    Dig       0.4   right
Run/a   Run          1  log of 0.1 0.7 0.1 0.1    Run       0.7   right
Swim/a  Swim         1  log of 0.6 0.2 0.1 0.1    Dig       0.6   wrong
======  =======  =====  ========================  ========  ==============

Walk, the fourth class, has no clip.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mocrop.evaluation.scores.calibration import calibration
from mocrop.evaluation.scores.metrics import (
    Accuracy,
    ClassScore,
    Metrics,
    Units,
    class_scores,
    class_weights,
    confused_pairs,
    confusion_matrix,
    measure,
    right,
    softmax,
)
from mocrop.evaluation.scores.predictions import Origin, Predictions

ORIGIN = Origin(
    checkpoint="best.pt", checkpoint_hash="a", arch="resnet50", epoch=1, trained_on={}, cache={"name": "c"}, segments=8
)
TABLE = Predictions(
    clips=("Dig/a", "Dig/b", "Dig/c", "Run/a", "Swim/a"),
    labels=np.array([0, 0, 0, 1, 2]),
    groups=np.array([1, 1, 2, 1, 1], np.int32),
    logits=np.log(
        [
            [0.8, 0.1, 0.05, 0.05],
            [0.3, 0.5, 0.1, 0.1],
            [0.4, 0.2, 0.2, 0.2],
            [0.1, 0.7, 0.1, 0.1],
            [0.6, 0.2, 0.1, 0.1],
        ]
    ).astype(np.float32),
    class_names=("Dig", "Run", "Swim", "Walk"),
    split="1",
    origin=ORIGIN,
)


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    return measure(TABLE)


def test_top_1_and_top_5_count_clips(metrics: Metrics) -> None:
    assert (metrics.top1.correct, metrics.top1.total) == (3, 5)
    assert (metrics.top5.correct, metrics.top5.total) == (5, 5)


def test_a_clip_is_right_at_k_if_fewer_than_k_classes_come_before_its_own() -> None:
    assert right(TABLE, k=2).tolist() == [True, True, True, True, False]
    assert right(TABLE, k=3).tolist() == [True, True, True, True, True]  # Swim and Walk tie, Swim is the lower


def test_of_equal_logits_the_lower_class_is_the_answer() -> None:
    level = replace(TABLE, logits=np.zeros((5, 4), np.float32))
    assert right(level).tolist() == [True, True, True, False, False]
    assert right(level, k=2).tolist() == [True, True, True, True, False]


def test_mean_class_accuracy_is_over_the_classes_with_a_clip(metrics: Metrics) -> None:
    assert metrics.mean_class.mean == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert class_weights(TABLE.labels) == pytest.approx([1 / 9, 1 / 9, 1 / 9, 1 / 3, 1 / 3])


def test_the_confusion_matrix_has_true_classes_down_and_answers_across(metrics: Metrics) -> None:
    assert metrics.confusion.tolist() == [[2, 1, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_each_class_has_its_counts_and_its_most_frequent_wrong_answer(metrics: Metrics) -> None:
    dig, run, swim, walk = metrics.classes
    assert dig == ClassScore(name="Dig", clips=3, correct=2, answered=3, taken_for="Run", taken_for_clips=1)
    assert dig.share == pytest.approx(2 / 3)
    assert (run.correct, run.answered, run.taken_for) == (1, 2, None)
    assert (swim.share, swim.taken_for) == (0, "Dig")
    assert (walk.clips, walk.share) == (0, None)


def test_of_two_wrong_answers_the_more_frequent_is_named() -> None:
    (first, *_) = class_scores(np.array([[5, 1, 3], [0, 0, 0], [0, 0, 0]]), ("Dig", "Run", "Swim"))
    assert (first.taken_for, first.taken_for_clips) == ("Swim", 3)


def test_confused_pairs_come_in_order_and_end_where_there_are_no_more() -> None:
    confusion = np.array([[9, 1, 0], [4, 0, 0], [0, 0, 7]])
    assert confused_pairs(confusion, ("Dig", "Run", "Swim"), most=5) == [("Run", "Dig", 4), ("Dig", "Run", 1)]
    assert confused_pairs(confusion, ("Dig", "Run", "Swim"), most=1) == [("Run", "Dig", 4)]


def test_the_calibration_error_is_the_distance_of_accuracy_and_confidence_by_clips() -> None:
    """In five bins: (0.2, 0.4] has one clip, 0.4 sure and right; (0.4, 0.6] two, 0.55 sure, none right; (0.6, 0.8] two,
    0.75 sure, both right: (0.6 + 2 * 0.55 + 2 * 0.25) / 5."""
    probabilities = np.array([[0.8, 0.2], [0.5, 0.5], [0.4, 0.3], [0.7, 0.3], [0.6, 0.4]])
    labels = np.array([0, 1, 0, 0, 1])
    found = calibration(probabilities, labels, bins=5)
    assert [each.clips for each in found.bins] == [0, 1, 2, 2, 0]
    assert found.bins[2].confidence == pytest.approx(0.55)
    assert (found.bins[1].accuracy, found.bins[2].accuracy, found.bins[3].accuracy) == (1, 0, 1)
    assert found.bins[0].confidence is None
    assert found.error == pytest.approx((0.6 + 1.1 + 0.5) / 5)


def test_a_network_that_is_right_as_often_as_it_is_sure_has_no_calibration_error() -> None:
    probabilities = np.tile([0.75, 0.25], (8, 1))
    assert calibration(probabilities, np.array([0] * 6 + [1] * 2)).error == pytest.approx(0)


def test_full_confidence_lies_in_the_last_bin() -> None:
    assert calibration(np.array([[1.0, 0.0]]), np.array([0])).bins[-1].clips == 1


def test_softmax_undoes_the_logarithm_and_does_not_overflow(metrics: Metrics) -> None:
    assert softmax(TABLE.logits)[1] == pytest.approx([0.3, 0.5, 0.1, 0.1])
    assert softmax(np.array([[1000.0, 0.0]])).tolist() == [[1.0, 0.0]]


def test_intervals_count_groups_where_there_are_any(metrics: Metrics) -> None:
    """Four groups: a and b of Dig, c of Dig, one of Run, one of Swim."""
    assert metrics.units == Units(kind="groups", count=4)
    ungrouped = measure(replace(TABLE, groups=np.full(5, -1, np.int32)))
    assert ungrouped.units == Units(kind="clips", count=5)
    for found in (metrics, ungrouped):
        low, high = found.top1.interval
        assert low < 0.6 < high
        assert found.mean_class.low < 5 / 9 < found.mean_class.high
        assert found.top5.interval[1] == 1


def test_groups_that_are_all_alike_leave_less_certainty_than_their_clips_would() -> None:
    """Ten groups of ten clips, five groups all right: Wilson's interval of ten clips with the t of nine degrees, 2.262,
    reaches 2.262 / 2 / sqrt(10 + 2.262 squared) to either side; that of a hundred with 1.984 less than a third."""
    logits = np.zeros((100, 2), np.float32)
    logits[:50, 1] = 1
    many = replace(
        TABLE,
        clips=tuple(f"Dig/{n}" for n in range(100)),
        labels=np.zeros(100, np.int64),
        groups=np.repeat(np.arange(10), 10).astype(np.int32),
        logits=logits,
        class_names=("Dig", "Run"),
    )
    reach = 2.2622 / 2 / (10 + 2.2622**2) ** 0.5
    assert measure(many).top1.interval == pytest.approx((0.5 - reach, 0.5 + reach), abs=1e-4)
    alone = measure(replace(many, groups=np.full(100, -1, np.int32)))
    reach = 1.9842 / 2 / (99 + 1.9842**2) ** 0.5
    assert alone.top1.interval == pytest.approx((0.5 - reach, 0.5 + reach), abs=1e-3)
    assert alone.mean_class.low == alone.top1.interval[0]  # of one class


def test_an_accuracy_says_its_interval() -> None:
    assert str(Accuracy(correct=8, total=10, interval=(0.49, 0.943))) == "80.0% (8/10, 95 % interval 49.0% to 94.3%)"


def test_scores_as_plain_values_hold_everything_but_the_matrix(metrics: Metrics) -> None:
    plain = metrics.to_json()
    assert plain["top1"]["interval_95"] == list(metrics.top1.interval)
    assert plain["intervals_by"] == {"kind": "groups", "count": 4}
    assert plain["mean_class"] == {
        "share": metrics.mean_class.mean,
        "interval_95": [metrics.mean_class.low, metrics.mean_class.high],
    }
    assert plain["per_class"][0] == {
        "name": "Dig",
        "clips": 3,
        "correct": 2,
        "answered": 3,
        "taken_for": "Run",
        "taken_for_clips": 1,
        "share": pytest.approx(2 / 3),
    }
    assert len(plain["calibration"]["bins"]) == 15
    assert "confusion" not in plain


def test_clips_are_counted_where_they_belong() -> None:
    matrix = confusion_matrix(np.array([2, 2, 0]), np.array([0, 0, 0]), classes=3)
    assert matrix.tolist() == [[1, 0, 0], [0, 0, 0], [2, 0, 0]]
