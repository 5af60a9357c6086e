"""Checkpoints as the reference implementation saves them: what is loaded, and what is refused with which message."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import CheckpointError, SettingsError
from mocrop.training.model.backbones import build_backbone
from mocrop.training.model.checkpoint import Checkpoint, restore_backbone, save_checkpoint
from mocrop.training.model.external_checkpoint import cache_trained_on, load_any_checkpoint

TINY = "timm/test_resnet"
PREFIXES = ["", "base_model.", "backbone.", "module.", "module.base_model.", "module.backbone."]


@pytest.fixture(scope="module")
def cache(make_cache: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> CropCache:
    file = tmp_path_factory.mktemp("cache") / "full-8.zarr"
    return CropCache(make_cache(file, label=[0, 1, 2], class_names=("Dig", "Run", "Swim")))


def weights(classes: int = 3, arch: str = TINY) -> dict[str, Tensor]:
    return dict(build_backbone(arch, classes=classes, size=8).model.state_dict())


def saved(content: object, folder: Path) -> Path:
    torch.save(content, folder / "model.pth")
    return folder / "model.pth"


@pytest.mark.parametrize(
    "prefix", ["", "base_model.", "backbone.", "module.", "module.base_model.", "module.backbone."]
)
@pytest.mark.parametrize("wrapping", [(), ("state_dict",), ("model_state_dict",), ("state_dict", "model_state_dict")])
def test_every_prefix_in_every_wrapping_gives_the_same_network(
    prefix: str, wrapping: tuple[str, ...], cache: CropCache, tmp_path: Path
) -> None:
    state = weights()
    content: object = {prefix + key: value for key, value in state.items()}
    for name in wrapping:
        content = {"epoch": 7, name: content, "optimizer": {}}
    checkpoint = load_any_checkpoint(saved(content, tmp_path), cache=cache, arch=TINY)
    assert checkpoint.class_names == cache.class_names
    assert checkpoint.epoch == (7 if wrapping else 0)
    restored = restore_backbone(checkpoint, size=8, source=tmp_path).model.state_dict()
    assert all(torch.equal(restored[key], value) for key, value in state.items())


def test_a_prefix_that_only_some_keys_have_is_not_taken_off(cache: CropCache, tmp_path: Path) -> None:
    state = weights()
    state["backbone.fc.bias"] = state.pop("fc.bias")
    with pytest.raises(CheckpointError, match=r"1 missing \(fc\.bias\), 1 unexpected \(backbone\.fc\.bias\)"):
        load_any_checkpoint(saved(state, tmp_path), cache=cache, arch=TINY)


def test_missing_and_unexpected_keys_are_listed(cache: CropCache, tmp_path: Path) -> None:
    state = {f"base_model.{key}": value for key, value in weights().items() if key != "fc.bias"}
    state["base_model.extra.weight"] = torch.zeros(1)
    with pytest.raises(
        CheckpointError,
        match=rf"model\.pth does not fit {TINY}: 1 missing \(fc\.bias\), 1 unexpected \(extra\.weight\); pass",
    ):
        load_any_checkpoint(saved(state, tmp_path), cache=cache, arch=TINY)


@pytest.mark.parametrize("asked", ["resnet50", TINY])
def test_another_backbone_is_refused_with_both_named(asked: str, cache: CropCache, tmp_path: Path) -> None:
    file = saved({f"base_model.{k}": v for k, v in weights(arch="mobilenet_v3_large").items()}, tmp_path)
    with pytest.raises(
        CheckpointError, match=f"holds weights of mobilenet_v3_large, not of {asked}; pass --arch mobilenet_v3_large"
    ):
        load_any_checkpoint(file, cache=cache, arch=asked)


def test_another_number_of_classes_is_refused_with_both_numbers(cache: CropCache, tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"model\.pth tells 101 classes apart \(fc\), .*full-8\.zarr has 3; pass a checkpoint"
    ):
        load_any_checkpoint(saved(weights(classes=101), tmp_path), cache=cache, arch=TINY)


def test_another_backbone_with_other_classes_is_refused_for_the_backbone(cache: CropCache, tmp_path: Path) -> None:
    """Both end in a layer `fc`, so that the classes could be counted; a matching cache would be of no help."""
    file = saved(weights(classes=101, arch="resnet50"), tmp_path)
    with pytest.raises(CheckpointError, match=f"holds weights of resnet50, not of {TINY}; pass --arch resnet50"):
        load_any_checkpoint(file, cache=cache, arch=TINY)


@pytest.mark.parametrize(("arch", "way"), [("mobilenet_v3_large", "--arch mobilenet_v3_large"), (TINY, "--arch NAME")])
def test_without_the_name_of_the_backbone_the_error_suggests_it_if_it_is_recognised(
    arch: str, way: str, cache: CropCache, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=f"does not say which backbone it is of; pass {way}$"):
        load_any_checkpoint(saved(weights(arch=arch), tmp_path), cache=cache)


def test_an_unknown_backbone_is_a_wrong_setting(cache: CropCache, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="unknown --arch 'resnet51'"):
        load_any_checkpoint(saved(weights(), tmp_path), cache=cache, arch="resnet51")


class Evil:
    """Unpickling it would write a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize(
    "write", [torch.save, lambda content, file: file.write_bytes(pickle.dumps(content, protocol=2))]
)
def test_code_in_a_file_is_refused_and_not_run(
    write: Callable[[object, Path], object], cache: CropCache, tmp_path: Path
) -> None:
    write({"state_dict": weights(), "extra": Evil(tmp_path / "trace")}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match=r"evil\.pth cannot be read"):
        load_any_checkpoint(tmp_path / "evil.pth", cache=cache, arch=TINY)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("content", [{"epoch": 3}, [1, 2], {}, {"state_dict": {"a": 1}}])
def test_a_file_without_weights_is_refused(content: object, cache: CropCache, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"model\.pth holds no weights"):
        load_any_checkpoint(saved(content, tmp_path), cache=cache, arch=TINY)


def test_our_own_checkpoint_needs_no_name_and_may_not_get_another(cache: CropCache, tmp_path: Path) -> None:
    ours = Checkpoint(
        arch=TINY,
        class_names=["Dig", "Run"],
        size=8,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        settings={"split": "1"},
        cache={"name": "center-8"},
        epoch=2,
        metrics={},
        state_dict=weights(classes=2),
    )
    save_checkpoint(tmp_path / "best.pt", ours)
    for arch in (None, TINY):
        assert load_any_checkpoint(tmp_path / "best.pt", cache=cache, arch=arch).class_names == ["Dig", "Run"]
    with pytest.raises(CheckpointError, match=f"was trained as {TINY}, not as resnet50; leave --arch out"):
        load_any_checkpoint(tmp_path / "best.pt", cache=cache, arch="resnet50")
    assert cache_trained_on(tmp_path / "best.pt") == "center-8"
    assert cache_trained_on(saved(weights(), tmp_path)) is None


def test_weights_that_are_no_plain_numbers_are_refused(cache: CropCache, tmp_path: Path) -> None:
    state = {key: value.to_sparse() if value.ndim == 4 else value for key, value in weights().items()}
    with pytest.raises(CheckpointError, match=r"weight is sparse, and \d+ more are like it; save them as plain"):
        load_any_checkpoint(saved(state, tmp_path), cache=cache, arch=TINY)
    state = weights() | {"bn1.bias": weights()["bn1.bias"].to(torch.int8)}
    with pytest.raises(CheckpointError, match=r"bn1\.bias holds int8 in place of float32; save"):
        load_any_checkpoint(saved(state, tmp_path), cache=cache, arch=TINY)


def test_a_format_of_another_program_is_none_of_ours(cache: CropCache, tmp_path: Path) -> None:
    checkpoint = load_any_checkpoint(saved({"format": "pt", "state_dict": weights()}, tmp_path), cache=cache, arch=TINY)
    assert checkpoint.arch == TINY
