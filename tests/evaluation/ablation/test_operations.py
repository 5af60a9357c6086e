"""Accuracy against operations, of made-up answers: who is best within a budget, and what an accuracy costs."""

from __future__ import annotations

import numpy as np
import pytest

from mocrop.evaluation.ablation.few_shot import Curve, FewShotSettings, all_draws, few_shot_clips
from mocrop.evaluation.ablation.few_shot_results import FewShot
from mocrop.evaluation.ablation.operations import (
    Field,
    Reading,
    at_equal_accuracy,
    at_equal_operations,
    budgets,
    field_of,
)
from mocrop.evaluation.ablation.plots import best_within
from mocrop.evaluation.ablation.report import reading_json
from mocrop.evaluation.ablation.settings import AblationSettings, View
from mocrop.evaluation.ablation.tables import choices_table
from mocrop.evaluation.flops import Cost
from mocrop.evaluation.scores.comparisons import Verdict

CLIPS = 48
LABELS = np.repeat([0, 1], 24)
GROUPS = np.tile(np.repeat(np.arange(12), 2), 2)
TABLE = few_shot_clips([f"clip{n}" for n in range(CLIPS)], LABELS, GROUPS, ["Dig", "Run"])
HALF = (TABLE.clusters % 2).astype(bool)
SETTINGS = AblationSettings(
    policies=("full", "center"), ratios=(0.5,), sizes=(96, 160), frames=(1, 2), few_shot=FewShotSettings(draws=48)
)
COSTS = [
    Cost(arch="a", size=size, classes=2, parameters=1, frame_gflops=gflops, uncounted={})
    for size, gflops in ((96, 1.0), (160, 3.0))
]


def field(**right: np.ndarray) -> Field:
    """Answers that are right on some clips: (clips,) by policy, size and frames; on none where nothing is said."""
    assert SETTINGS.few_shot
    curves = {}
    for view in SETTINGS.views:
        curves[view] = []
        for draws in all_draws(TABLE, SETTINGS.few_shot):
            answers = {}
            for variant in SETTINGS.variants:
                told = right.get(f"{variant.policy}_{view.size}_{view.frames}", np.zeros(CLIPS, np.bool_))
                given = np.where(told, TABLE.labels, 1 - TABLE.labels)
                answers[variant.name] = np.where(draws.tested, given, -1).astype(np.int16)
            curves[view].append(Curve(draws=draws, answers=answers))
    return field_of(FewShot(table=TABLE, curves=curves), SETTINGS, COSTS)


def share(value: float) -> np.ndarray:
    """Right on this share of the groups of each class and half."""
    place = np.repeat(np.tile(np.repeat(np.arange(6), 2), 2), 2)[:CLIPS]
    return np.asarray(place < round(6 * value))


def by_pair(readings: list[Reading]) -> dict[tuple[str, str, str], Reading]:
    return {(each.comparison.where, each.comparison.variant, each.comparison.base): each for each in readings}


def test_budgets_are_the_most_frames_of_each_size() -> None:
    assert budgets(SETTINGS, COSTS) == [2.0, 6.0]
    assert {choice.gflops for choice in field().right} == {1.0, 2.0, 3.0, 6.0}


def test_within_a_budget_each_policy_takes_the_best_that_it_can_pay() -> None:
    found = by_pair(
        at_equal_operations(
            field(full_96_2=share(1 / 3), full_160_1=share(2 / 3), center_96_1=share(1.0)), SETTINGS, COSTS
        )
    )
    cheap = found["at most 2 GFLOPs", "center", "full"]
    assert (cheap.comparison.accuracy, cheap.comparison.base_accuracy) == (1.0, pytest.approx(1 / 3, abs=0.03))
    assert set(cheap.choices) == {"center 0.5, 96 px, 1 frame"}
    assert set(cheap.base_choices) == {"full, 96 px, 2 frames"}
    assert set(found["at most 6 GFLOPs", "center", "full"].base_choices) == {"full, 160 px, 1 frame"}
    assert cheap.comparison.verdict is Verdict.BETTER


def test_of_equals_the_one_of_least_operations_is_taken() -> None:
    found = by_pair(at_equal_operations(field(center_96_1=share(1.0), center_160_2=share(1.0)), SETTINGS, COSTS))
    assert found["at most 6 GFLOPs", "center", "full"].gflops == 1.0


def test_clips_are_judged_by_what_was_chosen_on_the_other_half() -> None:
    """Each setting is right on one half alone: chosen where it is right, it is judged where it is wrong."""
    found = at_equal_operations(field(center_96_1=HALF, center_96_2=~HALF), SETTINGS, COSTS)
    assert all(each.comparison.accuracy == 0.0 for each in found)


def test_the_accuracy_of_no_crop_is_bought_as_cheaply_as_can_be() -> None:
    answers = field(full_160_2=share(2 / 3), full_96_1=share(1 / 3), center_96_2=share(2 / 3), center_160_1=share(1.0))
    found = by_pair(at_equal_accuracy(answers, SETTINGS))
    center, full = (found["160 px, 2 frames", policy, "full"] for policy in ("center", "full"))
    assert (center.gflops, center.base_gflops, center.comparison.difference.mean) == (2.0, 6.0, 0.0)
    assert center.reaches
    assert full.gflops == 6.0  # nothing cheaper is as good


def test_the_table_of_choices_says_what_each_policy_took() -> None:
    readings = at_equal_operations(field(full_96_2=share(1.0), center_96_1=share(1.0)), SETTINGS, COSTS)
    assert choices_table([reading_json(each) for each in readings]).splitlines() == [
        "| policy | at most 2 GFLOPs | at most 6 GFLOPs |",
        "|---|---|---|",
        "| full | 100.0 (96 px, 2 frames) | 100.0 (96 px, 2 frames) |",
        "| center | 100.0 (0.5, 96 px, 1 frame) | 100.0 (0.5, 96 px, 1 frame) |",
    ]


def test_a_policy_that_is_never_as_accurate_shows_its_best() -> None:
    found = by_pair(at_equal_accuracy(field(full_160_2=share(1.0), center_160_1=share(1 / 3)), SETTINGS))
    center = found["160 px, 2 frames", "center", "full"]
    assert (center.gflops, center.reaches, center.comparison.verdict) == (3.0, False, Verdict.WORSE)


def test_a_line_of_a_plot_never_falls() -> None:
    dots = [{"gflops": gflops, "accuracy": accuracy} for gflops, accuracy in ((4, 0.7), (1, 0.5), (2, 0.4))]
    assert best_within(dots) == [(1, 0.5), (2, 0.5), (4, 0.7)]


def test_the_main_view_costs_what_its_frames_cost() -> None:
    assert SETTINGS.main == View(size=160, frames=2)
