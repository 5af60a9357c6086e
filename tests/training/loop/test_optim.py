"""Which optimiser changes which parameters, and by how much."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn
from torchvision.models import SwinTransformer

from mocrop.training.loop.optim import make_optimizer, undecayed
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
