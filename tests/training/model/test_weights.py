"""Files of weights: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mocrop.pipeline.errors import WeightsError
from mocrop.training.model.weights import find_state_dict, load_except_head, mismatches, read_state_dict


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


STATE = {"stem.weight": torch.zeros(2), "fc.bias": torch.ones(2)}


def under(*names: str) -> dict[str, object]:
    """The state dict as one of several values, under one name in the other."""
    content: object = STATE
    for name in reversed(names):
        content = {"epoch": 3, name: content, "optimizer": {"state": {}}}
    assert isinstance(content, dict)
    return content


@pytest.mark.parametrize(
    "content",
    [
        under("model"),  # timm, torchvision's reference
        under("net"),
        under("module"),  # DeepSpeed
        under("ema"),
        under("model_ema", "state_dict"),
        under("state_dict", "model"),
        {"model": STATE, "model_ema": {"stem.weight": torch.ones(2)}},
        {"model": {"broken": 1}, "ema": STATE},
    ],
)
def test_state_dicts_are_found_where_programs_put_them(content: object) -> None:
    found = find_state_dict(content)
    assert found is not None
    assert found.keys() == STATE.keys()
    assert torch.equal(found["stem.weight"], torch.zeros(2))


@pytest.mark.parametrize(
    "pattern",
    [
        "_orig_mod.{}",  # torch.compile
        "module._orig_mod.{}",
        "_orig_mod.module.{}",
        "module.module.{}",
        "model.{}",  # Lightning
        "net._orig_mod.{}",
        "model._orig_mod.module.backbone.{}",
        "_fsdp_wrapped_module._orig_mod.{}",
        "network.{}",
    ],
)
def test_what_programs_put_before_all_names_is_taken_off(pattern: str) -> None:
    found = find_state_dict({pattern.format(key): value for key, value in STATE.items()})
    assert found is not None
    assert found.keys() == STATE.keys()


def test_names_of_wrappers_are_taken_off_within_a_name_but_not_part_of_one() -> None:
    found = find_state_dict({"stem._orig_mod.weight": torch.zeros(1), "my_orig_mod.weight": torch.zeros(1)})
    assert found is not None
    assert list(found) == ["stem.weight", "my_orig_mod.weight"]


def test_two_parameters_never_get_one_name() -> None:
    both = {"stem.weight": torch.zeros(1), "_orig_mod.stem.weight": torch.ones(1)}
    assert find_state_dict(both) == both


def test_the_counter_of_averaged_weights_is_left_out() -> None:
    found = find_state_dict({"n_averaged": torch.tensor(7), **{f"module.{key}": v for key, v in STATE.items()}})
    assert found is not None
    assert found.keys() == STATE.keys()


def test_a_dictionary_that_holds_itself_ends() -> None:
    content: dict[str, object] = {}
    content["model"] = content
    assert find_state_dict(content) is None


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


def odd(name: str) -> torch.Tensor:
    values = torch.ones(3, 2)
    return {
        "sparse": lambda: values.to_sparse(),
        "no values": lambda: values.to("meta"),
        "int8": lambda: values.to(torch.int8),
        "bool": lambda: values > 0,
        "complex64": lambda: values.to(torch.complex64),
        "NaN": lambda: values.log() / 0,
        "infinity": lambda: values / 0,
    }[name]()


@pytest.mark.parametrize("name", ["sparse", "no values", "int8", "bool", "complex64", "NaN", "infinity"])
def test_weights_that_a_copy_would_change_are_refused(name: str) -> None:
    target, source = Net(2), {**Net(2).state_dict(), "body.weight": odd(name)}
    before = target.body.weight.clone()
    with pytest.raises(WeightsError, match=f"file: .*body.weight.*{name}|{name}.*body.weight"):
        load_except_head(target, source, head=["head"], source="file")
    assert torch.equal(target.body.weight, before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_taken(dtype: torch.dtype) -> None:
    target, source = Net(2), {key: value.to(dtype) for key, value in Net(2).state_dict().items()}
    load_except_head(target, source, head=["head"], source="file")
    assert torch.equal(target.body.weight, source["body.weight"].float())


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
