"""Networks by name, their heads, and the normalisation that they expect."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
import torchvision

from mocrop.pipeline.errors import SettingsError, WeightsError
from mocrop.training.model.backbones import TORCHVISION_HEADS, build_backbone, clip_logits

TINY = "timm/test_resnet"


@pytest.mark.parametrize("arch", TORCHVISION_HEADS)
def test_the_head_has_one_output_per_class(arch: str) -> None:
    with torch.device("meta"):  # shapes without the work
        backbone = build_backbone(arch, classes=7, size=64)
        assert backbone.model(torch.zeros(2, 3, 64, 64)).shape == (2, 7)
    for layer in backbone.head:
        assert backbone.model.get_submodule(layer).weight.shape[0] == 7


def test_timm_networks_get_a_head_too() -> None:
    backbone = build_backbone(TINY, classes=7, size=64)
    assert backbone.head == ("fc",)
    assert backbone.model(torch.zeros(2, 3, 64, 64)).shape == (2, 7)


def test_timm_networks_bring_their_own_mean_and_torchvision_has_imagenets() -> None:
    assert build_backbone(TINY, classes=2, size=64).mean == (0.5, 0.5, 0.5)
    assert build_backbone("mobilenet_v3_large", classes=2, size=64).std == (0.229, 0.224, 0.225)


def test_networks_of_one_size_are_made_for_the_size_of_the_frames() -> None:
    backbone = build_backbone("timm/test_vit", classes=2, size=48)
    assert backbone.model(torch.zeros(1, 3, 48, 48)).shape == (1, 2)


def test_a_size_that_a_network_cannot_take_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"timm/test_vit cannot work on frames of 50 px: .*divisible by patch size"):
        build_backbone("timm/test_vit", classes=2, size=50)


@pytest.mark.parametrize(("arch", "hint"), [("resnet51", "resnet50"), ("timm/resnet51", "timm/resnet51q")])
def test_an_unknown_name_is_answered_with_those_that_are(arch: str, hint: str) -> None:
    with pytest.raises(SettingsError, match=f"unknown --arch '{arch}'; pass one of: .*{hint}"):
        build_backbone(arch, classes=2, size=64)


def test_clip_logits_are_the_mean_over_the_frames_of_a_clip() -> None:
    model = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())  # logits = mean colour
    frames = torch.zeros(2, 3, 3, 4, 4)
    frames[0, :, 0] = torch.tensor([1.0, 2.0, 6.0]).view(3, 1, 1)
    assert clip_logits(model, frames).tolist() == [[3, 0, 0], [0, 0, 0]]


def offline(*_: object, **__: object) -> object:
    raise OSError("Network is unreachable")


def test_without_a_connection_the_error_names_the_file_and_the_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", offline)
    monkeypatch.setattr("torch.hub.urlopen", offline)
    with pytest.raises(WeightsError, match=r"Network is unreachable.*--weights none.*resnet50-0676ba61\.pth.*FILE"):
        build_backbone("resnet50", classes=2, size=64, weights="imagenet")


def test_without_a_connection_timm_weights_are_the_same_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", offline)
    with pytest.raises(WeightsError, match=r"Network is unreachable.*--weights none.*--weights FILE.*Hugging Face"):
        build_backbone(TINY, classes=2, size=64, weights="imagenet")


def test_imagenet_weights_fill_all_but_the_head(monkeypatch: pytest.MonkeyPatch) -> None:
    source = torchvision.models.mobilenet_v3_large(weights=None)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_, **__: source.state_dict())
    backbone = build_backbone("mobilenet_v3_large", classes=3, size=64, weights="imagenet")
    assert torch.equal(backbone.model.features[0][0].weight, source.features[0][0].weight)
    assert backbone.model.classifier[3].out_features == 3


def test_a_file_with_another_head_fills_all_but_the_head(tmp_path: Path) -> None:
    source = timm.create_model("test_resnet", num_classes=1000)
    torch.save(source.state_dict(), tmp_path / "weights.pth")
    backbone = build_backbone(TINY, classes=3, size=64, weights=str(tmp_path / "weights.pth"))
    assert torch.equal(backbone.model.conv1[0].weight, source.conv1[0].weight)
    assert backbone.model.fc.out_features == 3


def test_a_file_of_another_network_is_refused_with_its_keys(tmp_path: Path) -> None:
    torch.save(timm.create_model("test_vit", num_classes=2).state_dict(), tmp_path / "vit.pth")
    with pytest.raises(WeightsError, match=r"vit\.pth: not of this architecture: \d+ missing .*conv1.*unexpected"):
        build_backbone(TINY, classes=2, size=64, weights=str(tmp_path / "vit.pth"))
