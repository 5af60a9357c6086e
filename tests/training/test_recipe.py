"""Recipes are named defaults, options override them, and impossible settings are refused."""

from __future__ import annotations

from typing import Any

import pytest

from mocrop.training.recipe import RECIPES, Recipe, TrainSettings, parse_shares, recipe_table


def made(recipe: Recipe, **options: Any) -> TrainSettings:
    return TrainSettings(**recipe_table(recipe, options) | options)


def test_the_reference_recipe_is_the_default_settings() -> None:
    assert made("reference") == TrainSettings()


def test_an_option_overrides_its_recipe() -> None:
    assert made("modern").label_smoothing == 0.1
    assert made("modern", label_smoothing=0.0).label_smoothing == 0
    assert made("reference", label_smoothing=0.3).label_smoothing == 0.3


def test_a_short_modern_run_warms_up_in_proportion_unless_set() -> None:
    assert made("modern").warmup_epochs == 5
    assert made("modern", epochs=10).warmup_epochs == 0.5
    assert made("modern", epochs=10, warmup_epochs=2.0).warmup_epochs == 2


def test_another_optimizer_brings_its_own_weight_decay_unless_set() -> None:
    assert made("reference", optimizer="adamw") == made("reference")
    assert made("modern", optimizer="adamw").weight_decay == made("modern").weight_decay == 0.05
    assert made("modern", optimizer="adam").weight_decay == 0
    assert made("modern", optimizer="sgd").weight_decay == 1e-4
    assert made("modern", optimizer="sgd", weight_decay=0.2).weight_decay == 0.2


def test_every_recipe_names_settings_that_there_are() -> None:
    for recipe in RECIPES:
        made(recipe)


def test_shares_stand_between_commas() -> None:
    assert parse_shares("0.4,0.8") == (0.4, 0.8)
    assert parse_shares("") == ()
    with pytest.raises(ValueError, match="half"):
        parse_shares("1,half")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("accumulate", 0),
        ("warmup_epochs", -1.0),
        ("warmup_epochs", 100.0),
        ("clip_grad", float("nan")),
        ("label_smoothing", 1.0),
        ("ema", 1.0),
        ("random_erasing", 1.1),
        ("optimizer", "lion"),
        ("schedule", "linear"),
        ("segments", 0),
        ("validation_segments", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("weight_decay", -1.0),
        ("validation_share", 1.0),
        ("validation_share", -0.1),
        ("color_jitter", 1.0),
        ("crop_scales", (1.5,)),
        ("crop_scales", ()),
        ("learning_rate_steps", (0.0,)),
        ("mixup", -0.1),
        ("seed", -1),
        ("amp", "fp8"),
    ],
)
def test_impossible_settings_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        TrainSettings(**{name: value})
