"""Devices by name, mixed precision, and compiled networks."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from mocrop.pipeline.errors import SettingsError
from mocrop.training.distributed import Ranks
from mocrop.training.model import device as device_module
from mocrop.training.model.device import autocast, choose_device, compiled, is_convolutional, mixed_precision

CPU = torch.device("cpu")


def test_the_cpu_computes_in_float32_by_default() -> None:
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


def test_a_gpu_uses_mixed_precision_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
    """A machine with two GPUs, as far as PyTorch reports; collects the devices that are made current."""
    chosen: list[torch.device] = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.set_device", chosen.append)
    return chosen


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_each_of_several_processes_takes_the_gpu_of_its_number(two_gpus: list[torch.device], name: str) -> None:
    second = Ranks(rank=3, ranks=4, local_rank=1)  # on the second machine
    assert choose_device(name, second) == torch.device("cuda", 1)
    assert two_gpus == [torch.device("cuda", 1)]


@pytest.mark.usefixtures("two_gpus")
def test_processes_without_a_gpu_of_their_own_are_refused() -> None:
    third = Ranks(rank=2, ranks=3, local_rank=2)
    with pytest.raises(
        SettingsError, match=r"process 3 of this machine has no GPU of its own, there are 2; .*--device cpu"
    ):
        choose_device("auto", third)
    with pytest.raises(SettingsError, match="each process of torchrun takes a GPU of its own; pass cuda, auto or cpu"):
        choose_device("cuda:1", third)
    assert choose_device("cpu", third) == torch.device("cpu")


def test_a_compiled_network_computes_the_same_with_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_module, "BACKEND", "aot_eager")
    model = nn.Linear(3, 2)
    network = compiled(model, device=CPU)
    inputs = torch.rand(4, 3)
    assert torch.equal(network(inputs), model(inputs))
    network(inputs).sum().backward()
    assert model.weight.grad is not None
    assert set(model.state_dict()) == {"weight", "bias"}


def test_a_machine_without_a_compiler_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def backend(graph: object, inputs: object) -> object:
        raise RuntimeError("no compiler found\nand much more")

    monkeypatch.setattr(device_module, "BACKEND", backend)
    with pytest.raises(SettingsError, match=r"--compile: PyTorch cannot compile for cpu .*install a C\+\+ compiler"):
        compiled(nn.Linear(3, 2), device=CPU)
