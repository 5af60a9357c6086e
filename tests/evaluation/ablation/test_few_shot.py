"""Few-shot draws on features that tell the class fully, or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from mocrop.evaluation.ablation.few_shot import (
    FewShotSettings,
    all_draws,
    clips_to_test,
    confusion_rates,
    draw_groups,
    few_shot_clips,
    few_shot_curves,
)
from mocrop.evaluation.ablation.few_shot_results import FewShot, few_shot_comparisons, pair_changes
from mocrop.evaluation.ablation.settings import AblationSettings
from mocrop.evaluation.scores.comparisons import Verdict
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.groups import FIRST_ACROSS_CLASSES

CLASSES = ["Dig", "Never", "Run", "Swim"]  # no clip of the second
LABELS = np.repeat([0, 2, 3], 16)
GROUPS = np.tile(np.repeat(np.arange(8), 2), 3)  # eight of two clips in each class
TABLE = few_shot_clips([f"clip{n}" for n in range(48)], LABELS, GROUPS, CLASSES)
NOISE = np.random.default_rng(0).normal(size=(48, 6)).astype(np.float32)
TELLING = NOISE * 0.1 + np.eye(6, dtype=np.float32)[TABLE.labels]
SETTINGS = AblationSettings(policies=("full", "center", "motion"), sizes=(32,), few_shot=FewShotSettings(draws=8))
VIEW = SETTINGS.main


def curves(**features: np.ndarray) -> list:
    named = {name.replace("_", " ").replace("75", "0.75"): values for name, values in features.items()}
    return few_shot_curves(named, TABLE, all_draws(TABLE, FewShotSettings(groups=(1, 2), draws=8)))


def test_classes_without_a_clip_do_not_count() -> None:
    assert TABLE.class_names == ("Dig", "Run", "Swim")
    assert TABLE.labels.max() == 2
    assert len(np.unique(TABLE.clusters)) == 24


def test_a_clip_without_a_group_is_a_group_of_its_own() -> None:
    table = few_shot_clips("abc", np.array([0, 0, 0]), np.array([-1, 4, -1]), ["Dig"])
    assert len(np.unique(table.clusters)) == 3


def test_a_clip_without_a_class_is_left_out_and_makes_no_class_of_its_own() -> None:
    table = few_shot_clips("abcd", np.array([1, -1, 0, 1]), np.array([1, 2, -1, 4]), ["Dig", "Run"])
    assert (table.clips, table.class_names) == (("a", "c", "d"), ("Dig", "Run"))
    assert (table.labels.tolist(), table.groups.tolist()) == ([1, 0, 1], [1, 7, 4])


def test_whole_groups_are_drawn_as_many_of_each_class() -> None:
    chosen = draw_groups(TABLE, groups=2, draw=0, seed=0)
    for label in range(3):
        drawn = np.unique(TABLE.groups[chosen & (TABLE.labels == label)])
        assert len(drawn) == 2
        assert (chosen & (TABLE.labels == label)).sum() == 4


def test_draws_differ_and_can_be_repeated() -> None:
    draws = [draw_groups(TABLE, groups=2, draw=draw, seed=0) for draw in (0, 1, 0)]
    assert not np.array_equal(draws[0], draws[1])
    assert np.array_equal(draws[0], draws[2])


def test_a_class_with_too_few_groups_is_named() -> None:
    with pytest.raises(SettingsError, match="class Dig has 8 groups, of which 8 are to be trained on"):
        draw_groups(TABLE, groups=8, draw=0, seed=0)


def test_people_that_one_class_trains_on_are_not_tested_in_another() -> None:
    people = few_shot_clips(TABLE.clips, LABELS, FIRST_ACROSS_CLASSES + GROUPS, CLASSES)
    for draw in range(5):
        trained = draw_groups(people, groups=2, draw=draw, seed=0)
        tested = clips_to_test(people, trained)
        assert len(np.unique(people.groups[trained])) == 2  # all classes have the same people, so one order serves all
        assert not np.isin(people.groups[tested], people.groups[trained]).any()
        assert tested.sum() == 36
    (curve,) = few_shot_curves({"telling": TELLING}, people, all_draws(people, FewShotSettings(groups=(2,), draws=2)))
    assert np.array_equal(curve.answers["telling"] >= 0, curve.draws.tested)


def test_people_of_whom_none_is_left_to_test_are_an_error() -> None:
    groups = FIRST_ACROSS_CLASSES + np.array([0, 1, 1, 0, 2, 2])
    people = few_shot_clips("abcdef", np.array([0, 0, 1, 1, 0, 1]), groups, ["Dig", "Run"])
    everyone = np.array([True, True, False, False, True, False])
    with pytest.raises(SettingsError, match="every group is trained on in some class; pass --few-shot with smaller"):
        clips_to_test(people, everyone)


def test_features_that_tell_the_class_are_right_and_noise_is_not() -> None:
    for curve in curves(full=NOISE, telling=TELLING):
        assert curve.accuracy("telling", TABLE.labels).mean() == 1.0
        assert 0.15 < curve.accuracy("full", TABLE.labels).mean() < 0.55
        assert (curve.draws.tested.sum(axis=1) == 48 - 6 * curve.groups).all()


def test_every_variant_is_trained_and_tested_on_the_same_clips() -> None:
    (curve, _) = curves(full=NOISE, telling=TELLING)
    for answers in curve.answers.values():
        assert np.array_equal(answers >= 0, curve.draws.tested)


def test_a_difference_is_shown_where_there_is_one_and_not_where_there_is_none() -> None:
    few_shot = FewShot(table=TABLE, curves={VIEW: curves(full=NOISE, center_75=NOISE, motion_75=TELLING)})
    found = {(each.variant, each.base, each.where): each for each in few_shot_comparisons(few_shot, SETTINGS)}
    assert len(found) == 2 * 3
    assert found["motion 0.75", "full", "1 group"].verdict is Verdict.BETTER
    assert found["motion 0.75", "center 0.75", "2 groups"].verdict is Verdict.BETTER
    same = found["center 0.75", "full", "1 group"]
    assert same.verdict is Verdict.NOT_SHOWN
    assert same.difference.mean == same.over_draws.mean == 0.0


def test_the_mean_over_draws_and_over_clips_agree() -> None:
    few_shot = FewShot(table=TABLE, curves={VIEW: curves(full=NOISE, center_75=NOISE, motion_75=TELLING)})
    for each in few_shot_comparisons(few_shot, SETTINGS):
        assert each.difference.mean == pytest.approx(each.over_draws.mean)  # all draws test equally many clips


def test_confusions_are_shares_of_the_tested_clips() -> None:
    (curve, _) = curves(full=NOISE, telling=TELLING)
    rates = confusion_rates(curve, "full", TABLE.labels, classes=3)
    assert np.allclose(rates.sum(axis=2), 1)
    assert np.allclose(confusion_rates(curve, "telling", TABLE.labels, classes=3), np.eye(3))


def test_the_pair_that_full_confuses_most_comes_first() -> None:
    blurred = TELLING.copy()
    blurred[:, 1] = blurred[:, 0] = TELLING[:, 0] + TELLING[:, 1]  # the first two classes look alike
    few_shot = FewShot(table=TABLE, curves={VIEW: curves(full=blurred, center_75=blurred, motion_75=TELLING)})
    changes = pair_changes(few_shot, SETTINGS, most=1)
    assert {each.classes for each in changes} == {("Dig", "Run")}
    by_variant = {each.variant: each for each in changes if each.groups == 1}
    assert by_variant["full"].rate.mean > 0.2
    assert by_variant["center 0.75"].over_full.mean == 0.0
    assert by_variant["motion 0.75"].over_full.high < 0


@pytest.mark.parametrize(("name", "value"), [("groups", ()), ("groups", (0,)), ("groups", (1, 1)), ("draws", 1)])
def test_invalid_settings_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"few-shot|draws"):
        FewShotSettings(**{name: value})
