"""Settings that cannot be are refused, and the learning rate falls when the reference's does."""

from __future__ import annotations

import pytest

from mocrop.training.recipe import TrainSettings, learning_rate


def test_learning_rate_is_divided_by_ten_at_epochs_40_and_80_of_100() -> None:
    rates = [learning_rate(TrainSettings(), epoch=epoch) for epoch in (0, 39, 40, 79, 80, 99)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5])


def test_a_single_epoch_has_the_full_learning_rate() -> None:
    assert learning_rate(TrainSettings(epochs=1), epoch=0) == 1e-3


def test_without_steps_the_learning_rate_stays() -> None:
    assert learning_rate(TrainSettings(epochs=10, learning_rate_steps=()), epoch=9) == 1e-3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
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
def test_settings_that_cannot_be_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        TrainSettings(**{name: value})
