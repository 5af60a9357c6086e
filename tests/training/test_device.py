"""Devices by name."""

from __future__ import annotations

import pytest
import torch

from mocrop.pipeline.errors import SettingsError
from mocrop.training.device import autocast, choose_device, mixed_precision


def test_the_cpu_computes_in_float32() -> None:
    device = choose_device("cpu")
    assert mixed_precision(device, "auto") is None
    with autocast(device, None):
        assert (torch.eye(2) @ torch.eye(2)).dtype == torch.float32


def test_a_mixed_type_is_used_within_the_block() -> None:
    with autocast(torch.device("cpu"), torch.bfloat16):
        assert (torch.eye(2) @ torch.eye(2)).dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["cuda:77", "toaster"])
def test_a_device_that_is_not_there_is_an_error(name: str) -> None:
    with pytest.raises(SettingsError, match=f"--device {name} cannot be used"):
        choose_device(name)


def test_a_gpu_mixes_unless_told_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda")
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda: True)
    assert mixed_precision(gpu, "auto") is torch.bfloat16
    assert mixed_precision(gpu, "off") is None
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda: False)
    assert mixed_precision(gpu, "auto") is torch.float16
