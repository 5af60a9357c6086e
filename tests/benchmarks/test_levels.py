"""How often the tests reject true nulls and intervals hold the truth, on made data with fixed seeds.

Nothing is trained: differences and right or wrong answers are drawn as such (benchmarks/null_models.py). Of 300 sets
of a true null a test at 5 % rejects 15, give or take 4; the bounds are far enough from that for the seed not to matter.
The tests that were in use before are run on the same sets, to show that these would catch them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest

from mocrop.evaluation.scores.comparisons import Verdict, compare, corrected
from mocrop.evaluation.scores.few_shot_test import TestedDifference, jackknife_difference
from mocrop.evaluation.scores.label_metrics import mean_precision
from mocrop.evaluation.scores.statistics import accuracy_interval, group_interval, mcnemar, sign_flip_test, wilson
from tests.benchmarks.modules import benchmark_module

SETS = 300
null_models = benchmark_module("null_models")
levels_precisions = benchmark_module("levels_precisions")


class Found(NamedTuple):
    """What was found in all sets."""

    tested: list[TestedDifference]
    flips: list[float]  # p from flipping the signs of test groups, of the first sets

    @property
    def rejected(self) -> int:
        return sum(each.p_value < 0.05 for each in self.tested)

    @property
    def width(self) -> float:
        """Mean width of the intervals against 1.96 times the spread of the differences to either side."""
        widths = [each.estimate.high - each.estimate.low for each in self.tested]
        return float(np.mean(widths) / (2 * 1.96 * np.std([each.estimate.mean for each in self.tested])))


@pytest.fixture
def tested(null_models: ModuleType) -> Callable[..., Found]:
    def made(
        model: str, *, flipped: int = 0, sets: int = SETS, effect: dict[str, float] | None = None, **shape: object
    ) -> Found:
        rng, found = np.random.default_rng(0), Found([], [])
        for number in range(sets):
            data = getattr(null_models, model)(rng, null_models.FewShotShape(**shape), **(effect or {}))
            found.tested.append(
                jackknife_difference(
                    data.differences, data.tested, data.trained, clusters=data.clusters, classes=data.classes
                )
            )
            if number < flipped:
                found.flips.append(sign_flip_test(data.differences.sum(axis=0), clusters=data.clusters, flips=1000))
        return found

    return made


def test_training_groups_that_matter_are_no_difference_between_variants(tested: Callable[..., Found]) -> None:
    found = tested("additive_draws", draws=60, flipped=100)
    assert 5 <= found.rejected <= 27
    assert 0.9 < found.width < 1.15
    assert sum(p < 0.05 for p in found.flips) > 30  # the test that was in use before sees test groups alone


@pytest.mark.parametrize(
    "shape",
    [
        {"train": 4, "draws": 300, "sets": 200},
        {"training": 0.0, "draws": 60},  # trainers that do not matter
        {"groups": 10, "draws": 120},
        {"clips": (1, 7), "draws": 60},
        {"spanning": True, "draws": 60},
        {"heavy": True, "draws": 60},
    ],
)
def test_the_level_holds_for_other_shapes_of_data(tested: Callable[..., Found], shape: dict[str, int]) -> None:
    found = tested("additive_draws", **shape)
    assert found.rejected <= 0.09 * len(found.tested)


def test_the_level_holds_for_right_and_wrong_answers(tested: Callable[..., Found]) -> None:
    found = tested("few_shot_answers", sets=200, draws=120, flipped=100)
    assert found.rejected <= 18
    assert sum(p < 0.05 for p in found.flips) > 20


def test_a_difference_that_is_there_is_found(tested: Callable[..., Found]) -> None:
    assert tested("additive_draws", draws=60, effect={"mean": 0.8}).rejected > 140


def test_two_networks_that_are_as_good_are_told_apart_by_clips_and_not_by_groups(null_models: ModuleType) -> None:
    rng, found = np.random.default_rng(0), []
    for _ in range(SETS):
        first, second, clusters = null_models.list_answers(rng, 42)
        differences = first.astype(np.float64) - second
        _, low, high = group_interval(differences, clusters=clusters)
        found.append(
            (
                sign_flip_test(differences, clusters=clusters, flips=1000) < 0.05,
                mcnemar(first, second).p_value < 0.05,
                low > 0 or high < 0,
            )
        )
    flips, by_clips, outside = np.sum(found, axis=0)
    assert flips <= 27
    assert outside <= 27
    assert by_clips > 45


def test_a_better_network_is_found_by_groups(null_models: ModuleType) -> None:
    rng, better = np.random.default_rng(0), 0
    for _ in range(40):
        first, second, clusters = null_models.list_answers(rng, 42, shift=1.0)
        (found,) = corrected(
            [
                compare(
                    ("a", first.astype(np.float64), first),
                    ("b", second.astype(np.float64), second),
                    where="",
                    clusters=clusters,
                )
            ]
        )
        better += found.verdict is Verdict.BETTER
    assert better > 25


@pytest.mark.parametrize(("groups", "skewed", "least"), [(8, False, 270), (25, True, 267), (42, False, 273)])
def test_differences_of_coverage_lie_in_their_intervals(
    null_models: ModuleType, groups: int, skewed: bool, least: int
) -> None:
    rng, by_groups, by_clips = np.random.default_rng(0), 0, 0
    for _ in range(SETS):
        values, clusters = null_models.share_differences(rng, groups, skewed=skewed)
        by_groups += _holds_zero(values, clusters)
        by_clips += _holds_zero(values, None)
    assert by_groups >= least
    assert by_clips < 267


def _holds_zero(values: np.ndarray, clusters: np.ndarray | None) -> bool:
    _, low, high = group_interval(values, clusters=clusters)
    return bool(low <= 0 <= high)


def test_an_accuracy_lies_in_its_interval_by_groups_and_not_in_that_by_clips(null_models: ModuleType) -> None:
    rng, by_groups, by_clips = np.random.default_rng(0), 0, 0
    for right, clusters in _lists(null_models, rng):
        low, high = accuracy_interval(right, clusters=clusters)
        by_groups += low <= 0.8 <= high
        low, high = wilson(float(right.mean()), len(right), quantile=1.96)
        by_clips += low <= 0.8 <= high
    assert by_groups >= 364
    assert by_clips < 320


def _lists(null_models: ModuleType, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    return (null_models.correct_clips(rng, 50, accuracy=0.8, together=0.6) for _ in range(400))


def test_a_mean_average_precision_lies_in_its_interval_by_groups(levels_precisions: ModuleType) -> None:
    """Four classes whose clips go together in groups: by clips, intervals are too narrow."""
    found = levels_precisions.intervals_of(400, 50, np.linspace(1, 3, 4), share=0.3, together=0.6)
    by_groups, by_clips = levels_precisions.held(found, found[:, 0, 2].mean())
    assert by_groups >= 0.91
    assert by_clips < 0.92


def test_the_true_average_precision_of_normal_scores(null_models: ModuleType, levels_precisions: ModuleType) -> None:
    assert levels_precisions.true_precision(0.0, 0.3) == pytest.approx(0.3)  # chance
    assert levels_precisions.true_precision(40.0, 0.3) == pytest.approx(1)
    scores, marks, _ = null_models.scored_labels(
        np.random.default_rng(0), 8000, np.array([1.5]), share=0.1, together=0.0
    )
    assert marks.mean() == pytest.approx(0.1, abs=0.01)
    assert mean_precision(scores, marks).mean == pytest.approx(levels_precisions.true_precision(1.5, 0.1), abs=0.02)
