"""Features of frozen backbones with known outputs, and runs that train only the head on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mocrop.evaluation.scores.evaluate import EvalSettings, evaluate
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import CacheError, SettingsError
from mocrop.training.data import features as features_module
from mocrop.training.data.feature_file import write_features
from mocrop.training.data.features import features_file, load_features
from mocrop.training.loop import train as train_module
from mocrop.training.loop.callbacks import TrainCallback
from mocrop.training.loop.meter import Meter
from mocrop.training.loop.train import train
from mocrop.training.model.backbones import Backbone, build_backbone
from mocrop.training.model.checkpoint import load_checkpoint
from mocrop.training.recipe import SAME_PIXELS, TrainSettings

CPU = torch.device("cpu")
HEAD_ONLY = TrainSettings(
    arch="timm/test_resnet",
    weights="none",
    epochs=4,
    batch_size=4,
    learning_rate=1e-2,
    validation_share=0.25,
    freeze_backbone=True,
    device="cpu",
    **SAME_PIXELS,
)


class MeanColorThenHead(nn.Module):
    """Features are the mean colours of a frame."""

    def __init__(self, *, after: nn.Module | None = None) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.head = nn.Linear(3, 2)
        self.after = after or nn.Identity()

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return self.after(self.head(frames.mean(dim=(2, 3)) * self.scale))


def colors(**options: nn.Module) -> Backbone:
    model = MeanColorThenHead(**options)
    return Backbone(arch="timm/colors", model=model, head=("head",), mean=(0.0,) * 3, std=(1.0,) * 3)


@pytest.fixture
def cache(tmp_path: Path, make_cache: Callable[..., Path]) -> CropCache:
    """Eight clips, one of two frames, one failed; every pixel of frame ``n`` of clip ``c`` is ``10 c + n``."""
    levels = 10 * np.arange(8)[:, np.newaxis] + np.arange(4)
    pixels = np.broadcast_to(levels[:, :, np.newaxis, np.newaxis, np.newaxis], (8, 4, 3, 32, 32)).astype(np.uint8)
    return CropCache(
        make_cache(
            tmp_path / "c.zarr",
            label=[0, 1] * 4,
            group=[1, 1, 1, 1, 2, 2, 2, 2],
            subset=[1] * 6 + [2] * 2,
            used=[4, 2, 4, 4, 4, 4, 4, 4],
            state=[1, 1, 3, 1, 1, 1, 1, 1],
            pixels=pixels,
        )
    )


def test_features_are_what_the_head_sees(cache: CropCache) -> None:
    features = load_features(cache, colors(), device=CPU)
    assert features.values.shape == (4 + 2 + 0 + 5 * 4, 3)
    seen = features.of(np.array([1, 4]), np.array([[0, 1], [3, 0]]))
    expected = torch.tensor([[10.0, 11.0], [43.0, 40.0]]) / 255
    assert torch.allclose(seen, expected[:, :, None].expand(2, 2, 3))
    assert features.used.tolist() == [4, 2, 0, 4, 4, 4, 4, 4]


def test_progress_ends_with_all_frames(cache: CropCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(features_module.FRAMES_PER_BATCH, "cpu", 10)
    reported: list[tuple[int, int]] = []
    load_features(cache, colors(), device=CPU, on_frames=lambda done, total: reported.append((done, total)))
    assert reported == [(10, 26), (20, 26), (26, 26)]


def test_features_are_computed_once(cache: CropCache, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = colors()
    first = load_features(cache, backbone, device=CPU)
    monkeypatch.setattr(features_module, "head_inputs", None)
    again = load_features(CropCache(cache.path), backbone, device=CPU)
    assert (first.computed, again.computed) == (True, False)
    assert np.array_equal(first.values, again.values)


def test_another_head_changes_no_feature_but_another_body_does(cache: CropCache) -> None:
    backbone = colors()
    before = features_file(cache, backbone)
    nn.init.zeros_(backbone.model.head.weight)
    assert features_file(cache, backbone) == before
    nn.init.zeros_(backbone.model.scale)
    assert features_file(cache, backbone) != before


def test_features_of_a_cache_that_has_changed_are_replaced(cache: CropCache, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = colors()
    load_features(cache, backbone, device=CPU)
    monkeypatch.setattr(CropCache, "state", np.array([1, 1, 3, 1, 1, 1, 1, 3], np.uint8))
    changed = CropCache(cache.path)
    assert load_features(changed, backbone, device=CPU).values.shape == (22, 3)
    assert list(features_file(changed, backbone).parent.iterdir()) == [features_file(changed, backbone)]


def test_features_that_cannot_be_deleted_because_they_are_open_stay(
    cache: CropCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "The process cannot access the file because it is being used by another process")

    backbone = colors()
    load_features(cache, backbone, device=CPU)
    monkeypatch.setattr(CropCache, "state", np.array([1, 1, 3, 1, 1, 1, 1, 3], np.uint8))
    monkeypatch.setattr(Path, "unlink", refuse)
    changed = CropCache(cache.path)
    assert load_features(changed, backbone, device=CPU).computed
    assert len(list(features_file(changed, backbone).parent.iterdir())) == 2


def test_a_features_file_of_another_length_is_refused(cache: CropCache) -> None:
    values = load_features(cache, colors(), device=CPU).values
    write_features(features_file(cache, colors()), iter([values[:-1]]), frames=25, on_frames=lambda *_: None)
    with pytest.raises(CacheError, match="holds 25 frames instead of 26; delete it"):
        load_features(cache, colors(), device=CPU)


def test_damaged_features_are_refused_and_those_without_a_checksum_computed_again(cache: CropCache) -> None:
    first = np.array(load_features(cache, colors(), device=CPU).values)
    file = features_file(cache, colors())
    content = file.read_bytes()
    file.write_bytes(content[:-17] + bytes([content[-17] ^ 1]) + content[-16:])
    with pytest.raises(CacheError, match="its checksum differs; delete it, to have it computed again"):
        load_features(cache, colors(), device=CPU)
    np.save(file, first + 1)
    again = load_features(cache, colors(), device=CPU)
    assert again.computed
    assert np.array_equal(again.values, first)
    assert file.read_bytes() == content


def test_a_missing_shard_is_an_error_and_leaves_nothing(cache: CropCache) -> None:
    cache.shard_file(1).unlink()
    with pytest.raises(CacheError, match="1 shard files are missing"):
        load_features(cache, colors(), device=CPU)
    assert not features_file(cache, colors()).exists()


def test_a_head_that_is_not_linear_is_refused(cache: CropCache) -> None:
    backbone = Backbone(arch="conv", model=nn.Sequential(nn.Conv2d(3, 2, 1)), head=("0",))
    with pytest.raises(
        SettingsError, match=r"one linear layer as its head, conv has Conv2d; leave --freeze-backbone out"
    ):
        load_features(cache, backbone, device=CPU)


def test_a_network_that_goes_on_after_its_head_is_refused(cache: CropCache) -> None:
    with pytest.raises(SettingsError, match="something follows its head"):
        load_features(cache, colors(after=nn.Softmax(dim=1)), device=CPU)


@pytest.mark.parametrize("name", ["timm/test_vit", "timm/test_efficientnet", "mobilenet_v3_large"])
def test_real_networks_have_a_head_that_fits(name: str) -> None:
    backbone = build_backbone(name, classes=3, size=64)
    model, frames = backbone.model.eval(), torch.rand(2, 3, 64, 64)
    seen = features_module.head_inputs(backbone, model, frames)
    with torch.inference_mode():
        assert torch.allclose(features_module.head_layer(backbone)(seen), model(frames), atol=1e-5)


def test_a_frozen_run_changes_the_head_alone_and_is_evaluated_like_any_other(cache: CropCache, tmp_path: Path) -> None:
    torch.manual_seed(HEAD_ONLY.seed)
    start = build_backbone(HEAD_ONLY.arch, classes=2, size=32).model.state_dict()
    result = train(cache.path, tmp_path / "run", HEAD_ONLY)
    trained = load_checkpoint(result.checkpoint).state_dict
    changed = [name for name, value in trained.items() if not torch.equal(value, start[name])]
    assert changed == ["fc.weight", "fc.bias"]
    assert (result.facts.train_clips, result.facts.validation_clips, result.facts.left_out.failed) == (3, 2, 1)
    assert evaluate(cache.path, result.checkpoint, EvalSettings(segments=2, device="cpu")).top1.total == 2


def test_the_network_runs_once_over_all_epochs_and_runs(
    cache: CropCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    compiled = features_module._compiled

    def count(backbone: Backbone, model: nn.Module, frames: torch.Tensor) -> features_module.Body:
        body = compiled(backbone, model, frames)

        def counted(pixels: torch.Tensor) -> torch.Tensor:
            seen.append(len(pixels))
            return body(pixels)

        return counted

    monkeypatch.setattr(features_module, "_compiled", count)
    train(cache.path, tmp_path / "first", HEAD_ONLY)
    train(cache.path, tmp_path / "second", replace(HEAD_ONLY, learning_rate=1e-3))
    assert sum(seen) == 26


class Untraceable(MeanColorThenHead):
    """Takes another branch for other numbers, which a trace does not record."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return super().forward(frames.flip(0) if torch.jit.is_tracing() else frames)


@pytest.mark.parametrize("model", [MeanColorThenHead(), Untraceable()])
def test_a_trace_counts_only_where_it_comes_to_the_same(cache: CropCache, model: nn.Module) -> None:
    backbone = Backbone(arch="timm/colors", model=model, head=("head",), mean=(0.0,) * 3, std=(1.0,) * 3)
    features = load_features(cache, backbone, device=CPU)
    assert np.allclose(features.values[:6, 0] * 255, [0, 1, 2, 3, 10, 11], atol=1e-4)


class Interrupt(TrainCallback):
    def step(self, epoch: int, meter: Meter) -> None:
        if epoch == 4:
            raise KeyboardInterrupt


@pytest.mark.parametrize("seconds_between_saves", [0.0, 1000.0])
def test_an_interrupted_frozen_run_comes_to_the_same_weights(
    cache: CropCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds_between_saves: float
) -> None:
    monkeypatch.setattr(train_module, "HEAD_SECONDS_BETWEEN_SAVES", seconds_between_saves)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train(cache.path, whole, HEAD_ONLY)
    with pytest.raises(KeyboardInterrupt):
        train(cache.path, broken, HEAD_ONLY, callback=Interrupt())
    assert (broken / "last.pt").exists() == (seconds_between_saves == 0)
    train(cache.path, broken, HEAD_ONLY)
    for name in ("best.pt", "last.pt"):
        one, other = load_checkpoint(whole / name), load_checkpoint(broken / name)
        assert one.epoch == other.epoch
        assert all(torch.equal(value, other.state_dict[key]) for key, value in one.state_dict.items())


@pytest.mark.parametrize(("name", "value"), [("flip", True), ("crop_scales", (1.0, 0.5)), ("color_jitter", 0.1)])
def test_settings_that_change_pixels_contradict_a_frozen_backbone(name: str, value: object) -> None:
    with pytest.raises(ValueError, match="its pixels must stay the same"):
        replace(HEAD_ONLY, **{name: value})
    assert getattr(replace(HEAD_ONLY, freeze_backbone=False, **{name: value}), name) == value


def test_the_file_s_name_changes_with_the_weights_and_how_frames_are_normalised_but_not_with_the_head(
    cache: CropCache,
) -> None:
    first, names = colors(), set()
    with torch.no_grad():
        scaled, other_head = colors(), colors()
        for one in (scaled, other_head):
            one.model.load_state_dict(first.model.state_dict())
        scaled.model.scale[0] = 2
        other_head.model.head.weight += 1
    others = [scaled, replace(first, mean=(0.5,) * 3), replace(first, std=(0.5,) * 3), replace(first, arch="timm/x")]
    for one in (first, *others):
        names.add(features_file(cache, one).name)
    assert len(names) == 5
    assert features_file(cache, other_head) == features_file(cache, first)
