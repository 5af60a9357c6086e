"""Files of weights: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mocrop.pipeline.errors import WeightsError
from mocrop.training.model.weights import load_except_head, mismatches, read_state_dict


class Net(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = nn.Linear(2, 3)
        self.head = nn.Linear(3, classes)
        self.header = nn.Linear(1, 1)


def test_bare_wrapped_and_safetensors_files_are_read(tmp_path: Path) -> None:
    state = Net(2).state_dict()
    torch.save(state, tmp_path / "bare.pth")
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "wrapped.pt")
    torch.save({"model_state_dict": {f"module.base_model.{k}": v for k, v in state.items()}}, tmp_path / "parallel.pt")
    save_file(state, tmp_path / "model.safetensors")
    for file in tmp_path.iterdir():
        assert read_state_dict(file).keys() == state.keys()


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save(Net(2), tmp_path / "module.pth")  # a pickled object, not a state dict
    with pytest.raises(WeightsError, match=r"module\.pth cannot be read as a state dict"):
        read_state_dict(tmp_path / "module.pth")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 half an archive"])
@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=f"{name} cannot be read"):
        read_state_dict(tmp_path / name)


def test_no_state_dict_inside_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "log.pt")
    with pytest.raises(WeightsError, match="holds no state dict"):
        read_state_dict(tmp_path / "log.pt")


def test_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.pth: there is no such file"):
        read_state_dict(tmp_path / "gone.pth")


def test_the_head_stays_and_a_layer_with_a_similar_name_is_loaded() -> None:
    target, source = Net(2), Net(9)
    head = target.head.weight.clone()
    load_except_head(target, source.state_dict(), head=["head"], source="file")
    assert torch.equal(target.body.weight, source.body.weight)
    assert torch.equal(target.header.weight, source.header.weight)
    assert torch.equal(target.head.weight, head)


def test_missing_keys_leave_the_network_as_it_was() -> None:
    target, source = Net(2), dict(Net(2).state_dict())
    del source["body.bias"]
    before = target.body.weight.clone()
    with pytest.raises(
        WeightsError, match=r"file: not of this architecture: 1 missing \(body\.bias\); pass the --arch"
    ):
        load_except_head(target, source, head=["head"], source="file")
    assert torch.equal(target.body.weight, before)


def test_equal_networks_have_no_mismatches() -> None:
    assert mismatches(Net(2), Net(2).state_dict()) == ""
