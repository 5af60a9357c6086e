"""Devices by name."""

from __future__ import annotations

import pytest
import timm
import torch

from mocrop.pipeline.errors import SettingsError
from mocrop.training.device import autocast, choose_device, is_convolutional, mixed_precision


def test_the_cpu_computes_in_float32_unless_told() -> None:
    device = choose_device("cpu")
    assert mixed_precision(device, "auto") is mixed_precision(device, "off") is None
    with autocast(device, None):
        assert (torch.eye(2) @ torch.eye(2)).dtype == torch.float32
    assert mixed_precision(device, "bf16") is torch.bfloat16
    assert mixed_precision(device, "fp16") is torch.float16


def test_a_mixed_type_is_used_within_the_block() -> None:
    with autocast(torch.device("cpu"), torch.bfloat16):
        assert (torch.eye(2) @ torch.eye(2)).dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["cuda:77", "toaster"])
def test_a_device_that_is_not_there_is_an_error(name: str) -> None:
    with pytest.raises(SettingsError, match=f"--device {name} cannot be used"):
        choose_device(name)


def test_a_gpu_mixes_unless_told_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda")
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_: True)
    assert mixed_precision(gpu, "auto") is torch.bfloat16
    assert mixed_precision(gpu, "off") is None
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_: False)
    assert mixed_precision(gpu, "auto") is torch.float16
    assert mixed_precision(gpu, "fp16") is torch.float16


def test_a_gpu_without_bfloat16_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_: False)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda _: "Tesla")
    with pytest.raises(SettingsError, match="--amp bf16: Tesla has none; pass --amp fp16"):
        mixed_precision(torch.device("cuda"), "bf16")


def test_transformers_are_not_convolutional() -> None:
    for name, expected in {"test_resnet": True, "test_convnext": True, "test_vit": False}.items():
        assert is_convolutional(timm.create_model(name)) is expected
