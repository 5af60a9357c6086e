"""Means over splits, of splits that share clips and of splits that do not."""

from __future__ import annotations

import numpy as np
import pytest

from mocrop.evaluation.scores.metrics import measure, right
from mocrop.evaluation.scores.predictions import Origin, Predictions
from mocrop.evaluation.scores.split_mean import mean_gain, mean_over_splits, pooled_clusters
from mocrop.evaluation.scores.statistics import paired_difference

ORIGIN = Origin(checkpoint="", checkpoint_hash="", arch="", epoch=1, trained_on={}, cache={"name": "c"}, segments=1)


def split(name: str, right: list[int], *, first_group: int | None = None, first_clip: int = 0) -> Predictions:
    """Clips of one class, right where ``right`` is 1; a group each, or none."""
    clips = len(right)
    groups = np.full(clips, -1) if first_group is None else first_group + np.arange(clips)
    return Predictions(
        clips=tuple(f"Dig/{first_clip + number}" for number in range(clips)),
        labels=np.zeros(clips, np.int64),
        groups=groups.astype(np.int32),
        logits=np.column_stack((right, np.full(clips, 0.5))).astype(np.float32),
        class_names=("Dig", "Run"),
        split=name,
        origin=ORIGIN,
    )


def test_every_split_counts_the_same_however_many_clips_it_has() -> None:
    mean = mean_over_splits([split("1", [1]), split("2", [1, 0, 0, 0], first_clip=9)])
    assert mean.splits == ("1", "2")
    assert mean.top1.mean == (1 + 0.25) / 2
    assert mean.mean_class.mean == (1 + 0.25) / 2
    assert (mean.units.kind, mean.units.count) == ("clips", 5)
    assert mean.top5.mean == 1


def test_one_split_alone_is_its_own_mean() -> None:
    mean = mean_over_splits([split("1", [1, 0] * 50)])
    assert mean.top1.mean == 0.5
    assert (mean.top1.low, mean.top1.high) == pytest.approx((0.4, 0.6), abs=0.02)


def test_splits_of_other_clips_are_more_certain_together_and_of_the_same_are_not() -> None:
    """100 clips in each of two splits: 0.1 to either side for one; 0.07 for both of other clips; 0.1 of the same."""
    right = [1, 0] * 50
    apart = mean_over_splits([split("1", right), split("2", right, first_clip=100)])
    same = mean_over_splits([split("1", right), split("2", right)])
    assert apart.top1.high - apart.top1.low == pytest.approx(0.14, abs=0.02)
    assert same.top1.high - same.top1.low == pytest.approx(0.2, abs=0.02)


def test_a_group_in_two_splits_is_one_cluster() -> None:
    clusters = pooled_clusters([split("1", [1, 1], first_group=1), split("2", [1, 1], first_group=2, first_clip=7)])
    assert clusters[1] == clusters[2]
    assert len(set(clusters.tolist())) == 3


def test_a_clip_without_a_group_is_the_same_clip_in_two_splits() -> None:
    clusters = pooled_clusters([split("1", [1, 1]), split("2", [1, 1], first_clip=1)])
    assert clusters[1] == clusters[2]
    assert len(set(clusters.tolist())) == 3


def test_one_split_s_mean_has_the_interval_of_the_split() -> None:
    alone = split("1", [1, 0, 1, 1, 0, 1, 1, 1, 0, 1], first_group=0)
    mean, measured = mean_over_splits([alone]), measure(alone)
    assert (mean.top1.low, mean.top1.high) == pytest.approx(measured.top1.interval)
    assert (mean.mean_class.low, mean.mean_class.high) == pytest.approx(measured.top1.interval)  # of one class
    assert mean.units == measured.units


def test_a_clip_that_all_splits_test_and_get_right_is_one_right_clip() -> None:
    """Three splits of the same ten clips, all right: as sure as ten, not as thirty."""
    thrice = mean_over_splits([split(name, [1] * 10) for name in "123"])
    once = measure(split("1", [1] * 10)).top1.interval
    assert (thrice.top1.low, thrice.top1.high) == pytest.approx(once)


def test_a_gain_over_splits_counts_groups_once_and_splits_alike() -> None:
    """One clip gained of two in the first split, none of four in the second."""
    first = [split("1", [0, 1]), split("2", [1, 0, 1, 0], first_clip=9)]
    second = [split("1", [1, 1]), split("2", [1, 0, 1, 0], first_clip=9)]
    gain = mean_gain(first, second)
    assert gain.difference.mean == pytest.approx(0.25)
    assert gain.difference.low < 0 < gain.difference.high
    assert gain.p_value == 1.0
    ten = [split(name, [0] * 10) for name in "12"]
    better = mean_gain(ten, [split(name, [1] * 10) for name in "12"])
    assert (better.difference.low, better.difference.high) == pytest.approx((1, 1))
    assert better.p_value == pytest.approx(2 / 2**10, abs=0.001)  # ten clips, not twenty


def test_one_split_s_gain_is_the_paired_difference() -> None:
    first, second = split("1", [0, 1, 0, 1, 0, 0, 1], first_group=3), split("1", [1, 1, 0, 0, 1, 1, 1], first_group=3)
    gain = mean_gain([first], [second]).difference
    expected = paired_difference(right(first), right(second), clusters=first.clusters)
    assert (gain.mean, gain.low, gain.high) == pytest.approx((expected.mean, expected.low, expected.high))
