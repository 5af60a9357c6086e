"""Compiled networks share weights and names with the plain one, and a machine that cannot compile says so."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mocrop.pipeline.errors import SettingsError
from mocrop.training.model import device

CPU = torch.device("cpu")


def test_a_compiled_network_computes_the_same_with_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "BACKEND", "aot_eager")
    model = nn.Linear(3, 2)
    network = device.compiled(model, device=CPU)
    inputs = torch.rand(4, 3)
    assert torch.equal(network(inputs), model(inputs))
    network(inputs).sum().backward()
    assert model.weight.grad is not None
    assert set(model.state_dict()) == {"weight", "bias"}


def test_a_machine_without_a_compiler_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def backend(graph: object, inputs: object) -> object:
        raise RuntimeError("no compiler found\nand much more")

    monkeypatch.setattr(device, "BACKEND", backend)
    with pytest.raises(SettingsError, match=r"--compile: PyTorch cannot compile for cpu .*install a C\+\+ compiler"):
        device.compiled(nn.Linear(3, 2), device=CPU)
