"""What the doctor says of GPUs: with one, with another kind, with none, and without PyTorch."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch

from mocrop.pipeline.commands.doctor.finding import State
from mocrop.training.gpu import gpu


def machine(monkeypatch: pytest.MonkeyPatch, *, cuda: int = 0, mps: bool = False) -> None:
    facts = SimpleNamespace(name="NVIDIA H100", total_memory=80 * 10**9)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: facts)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


def test_each_cuda_device_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, cuda=2)
    one, two = gpu()
    assert one.state is two.state is State.OK
    assert two.fact.startswith("cuda:1 NVIDIA H100, 80.0 GB, bfloat16, PyTorch ")


@pytest.mark.parametrize(("mps", "says"), [(True, "mps, PyTorch"), (False, "sees none")])
def test_no_cuda_device_is_a_note(mps: bool, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, mps=mps)
    (found,) = gpu()
    assert found.state is State.NOTE
    assert says in found.fact
    assert found.way_out


def test_no_pytorch_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    (found,) = gpu()
    assert (found.state, found.stops) == (State.MISSING, False)
    assert "pip install torch" in found.way_out
