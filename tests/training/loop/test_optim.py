"""Which optimiser changes which parameters, the learning rate over a run, and which steps share an update."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn
from torchvision.models import SwinTransformer

from mocrop.training.loop.optim import (
    StepPosition,
    epoch_fraction,
    learning_rate,
    make_optimizer,
    undecayed,
    update_group,
)
from mocrop.training.recipe import TrainSettings


def network() -> nn.Module:
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))
    for parameter in model.parameters():
        nn.init.ones_(parameter)
    return model


def after_a_step_without_gradient(**settings: object) -> dict[str, float]:
    """First entry of each parameter, all of which were 1."""
    model = network()
    optimizer = make_optimizer(model, TrainSettings(learning_rate=0.1, weight_decay=0.5, **settings))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    return {name: float(parameter.detach().flatten()[0]) for name, parameter in model.named_parameters()}


def test_decoupled_decay_takes_rate_times_decay_off_every_parameter() -> None:
    assert after_a_step_without_gradient() == pytest.approx(dict.fromkeys(after_a_step_without_gradient(), 0.95))


def test_norms_and_biases_do_not_decay_where_they_are_exempt() -> None:
    left = after_a_step_without_gradient(decay_norms=False)
    assert {name for name, value in left.items() if value == 1} == {"0.bias", "1.weight", "1.bias", "3.bias"}
    assert left["0.weight"] == left["3.weight"] == pytest.approx(0.95)


def test_adam_adds_the_decay_to_the_gradient() -> None:
    left = after_a_step_without_gradient(optimizer="adam")
    assert left["0.weight"] == pytest.approx(0.9, abs=1e-5)  # a first step of Adam is as long as the rate


def test_sgd_adds_the_decay_to_the_gradient_and_has_nesterov_momentum() -> None:
    assert after_a_step_without_gradient(optimizer="sgd")["0.weight"] == pytest.approx(1 - 0.1 * 0.5 * 1.9)


def test_parameters_that_are_not_trained_are_left_out() -> None:
    model = network()
    model[0].requires_grad_(False)
    optimizer = make_optimizer(model, TrainSettings(decay_norms=False))
    chosen = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert len(chosen) == 4
    assert all(parameter.requires_grad for parameter in chosen)


def test_tables_of_positions_are_exempt() -> None:
    swin = SwinTransformer([4, 4], embed_dim=8, depths=[2], num_heads=[1], window_size=[2, 2])
    vit = timm.create_model("test_vit")
    assert "features.1.0.attn.relative_position_bias_table" in undecayed(swin)
    assert {"pos_embed", "cls_token"} <= undecayed(vit)
    assert "features.1.0.attn.qkv.weight" not in undecayed(swin)


def rates(settings: TrainSettings, *moments: float) -> list[float]:
    return [learning_rate(settings, epochs_passed=moment) for moment in moments]


def test_learning_rate_is_divided_by_ten_at_epochs_40_and_80_of_100() -> None:
    expected = [1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5]
    assert rates(TrainSettings(), 0, 39.99, 40, 79.99, 80, 99.99) == pytest.approx(expected)


def test_a_single_epoch_has_the_full_learning_rate_for_its_first_two_fifths() -> None:
    assert rates(TrainSettings(epochs=1), 0.05, 0.35, 0.45) == pytest.approx([1e-3, 1e-3, 1e-4])


def test_without_steps_the_learning_rate_stays() -> None:
    assert rates(TrainSettings(epochs=10, learning_rate_steps=()), 9) == [1e-3]


def test_a_cosine_falls_to_a_half_in_the_middle_and_to_0_at_the_end() -> None:
    cosine = TrainSettings(epochs=10, schedule="cosine", learning_rate=2.0)
    assert rates(cosine, 0, 5, 10) == pytest.approx([2, 1, 0])


def test_warm_up_is_linear_and_the_cosine_begins_after_it() -> None:
    warm = TrainSettings(epochs=12, schedule="cosine", warmup_epochs=2, learning_rate=1.0)
    assert rates(warm, 0.5, 1, 2, 7, 12) == pytest.approx([0.25, 0.5, 1, 0.5, 0])


def test_warm_up_does_not_move_the_steps() -> None:
    warm = TrainSettings(epochs=10, warmup_epochs=2, learning_rate=1.0)
    assert rates(warm, 1, 3.9, 4, 8) == pytest.approx([0.5, 1, 0.1, 0.01])


def test_an_update_counts_from_the_middle_of_its_steps_as_that_of_one_big_batch_does() -> None:
    small, big = StepPosition(epoch=2, step=3, steps=4), StepPosition(epoch=2, step=1, steps=2)
    assert (
        epoch_fraction(small, update_group(small, accumulate=2))
        == epoch_fraction(big, update_group(big, accumulate=1))
        == 2.75
    )


def test_every_step_is_in_one_group_and_only_the_last_group_is_short() -> None:
    groups = [update_group(StepPosition(epoch=0, step=step, steps=7), accumulate=3) for step in range(7)]
    assert groups == [range(0, 3)] * 3 + [range(3, 6)] * 3 + [range(6, 7)]


def test_without_accumulation_every_step_is_a_group() -> None:
    assert update_group(StepPosition(epoch=0, step=4, steps=7), accumulate=1) == range(4, 5)
