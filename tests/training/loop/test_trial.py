"""A network is tried as it will be trained: what is wrong with it is said, and nothing of it is changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mocrop.pipeline.errors import SettingsError, TrainingError
from mocrop.training.loop import epoch as epoch_module
from mocrop.training.loop import job as job_module
from mocrop.training.loop.train import train
from mocrop.training.loop.trial import Trial, require_features, require_trainable
from mocrop.training.model.backbones import Backbone, build_backbone, require_takes
from mocrop.training.model.checkpoint import load_checkpoint
from mocrop.training.recipe import SAME_PIXELS, TrainSettings

TRIAL = Trial(
    arch="timm/odd",
    input="frames",
    size=8,
    frames=12,
    classes=2,
    device=torch.device("cpu"),
    precision=None,
    channels_last=False,
)


def mean_color_network() -> nn.Sequential:
    """Each frame is one value per channel when it comes to BatchNorm."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 2))


class Odd(nn.Module):
    """A network of which a test decides what it makes of its outputs."""

    def __init__(self, odd: Callable[[Odd, Tensor, Tensor], object]) -> None:
        super().__init__()
        self.body, self.idle, self.odd = nn.Conv2d(3, 2, 8), nn.Linear(1, 1), odd

    def forward(self, frames: Tensor) -> object:
        return self.odd(self, frames, self.body(frames).flatten(1))


def fail(error: Exception) -> None:
    raise error


def test_what_can_be_trained_passes_and_is_as_before() -> None:
    model = mean_color_network().eval()
    model[4].train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    require_trainable(model, TRIAL)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert [module.training for module in model] == [False, False, False, False, True]


def test_one_value_per_channel_is_a_matter_of_batch_size_and_segments() -> None:
    way_out = r"--arch timm/odd cannot be trained on one frame of 8 px at a time: Expected more than 1 value .*; "
    with pytest.raises(SettingsError, match=rf"{way_out}pass a larger --batch-size or --segments$"):
        require_trainable(mean_color_network(), replace(TRIAL, frames=1))
    require_trainable(mean_color_network(), replace(TRIAL, frames=2))


@pytest.mark.parametrize(
    ("odd", "what"),
    [
        (lambda model, _, logits: (logits, logits) if model.training else logits, "a tuple, not one tensor"),
        (lambda model, _, logits: [logits], "a list, not one tensor"),
        (lambda model, _, logits: {"logits": logits}, "a dict, not one tensor"),
        (lambda model, _, logits: logits[:, :1], r"the shape \(2, 1\), not \(2, 2\)"),
        (lambda model, _, logits: logits.mean(dim=0), r"the shape \(2,\), not \(2, 2\)"),
    ],
)
def test_outputs_that_are_no_logits_are_a_matter_of_the_network(odd: Callable[..., object], what: str) -> None:
    with pytest.raises(SettingsError, match=f"its output (is|has) {what}.*; pass another --arch, e.g. resnet50"):
        require_trainable(Odd(odd), TRIAL)


def test_the_option_that_makes_it_fail_is_named() -> None:
    half = Odd(lambda _, __, logits: fail(ValueError("no bfloat16")) if torch.is_autocast_enabled("cpu") else logits)
    with pytest.raises(SettingsError, match=r"no bfloat16; pass --amp off$"):
        require_trainable(half, replace(TRIAL, precision=torch.bfloat16))
    require_trainable(half, TRIAL)
    layout = Odd(lambda model, _, logits: logits + 0 * model.body.weight.view(-1).sum())
    with pytest.raises(SettingsError, match=r"view .*; pass --no-channels-last$"):
        require_trainable(layout.to(memory_format=torch.channels_last), replace(TRIAL, channels_last=True))
    require_trainable(layout.to(memory_format=torch.contiguous_format), TRIAL)


def test_a_parameter_without_a_part_in_the_output_is_one_for_several_processes_only() -> None:
    odd = Odd(lambda _, __, logits: logits)
    require_trainable(odd, TRIAL)
    with pytest.raises(SettingsError, match=r"2 of its parameters, e\.g\. idle\.weight; train with one process"):
        require_trainable(odd, replace(TRIAL, several_processes=True))


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_too_little_memory_is_not_blamed_on_anything_else(error: Exception) -> None:
    calls: list[int] = []
    odd = Odd(lambda *_: calls.append(1) or fail(error))
    with pytest.raises(SettingsError, match=r"cpu has not enough memory to train it on frames of 8 px; free some"):
        require_trainable(odd, replace(TRIAL, channels_last=True))
    assert len(calls) == 1
    huge = Odd(lambda _, __, logits: logits + torch.empty(2**46).sum())
    with pytest.raises(SettingsError, match=r"cpu has not enough memory"):
        require_trainable(huge, TRIAL)


def test_a_tensor_that_is_kept_in_evaluation_can_be_used_in_training() -> None:
    """As in timm's ConViT, which keeps the positions of patches."""

    class Keeps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.kept = nn.Linear(3, 2), None

        def forward(self, frames: Tensor) -> Tensor:
            self.kept = torch.ones(3) if self.kept is None else self.kept
            return frames.mean(dim=(2, 3)) + self.layer(self.kept).sum()

    model = Keeps()
    require_takes(model, arch="keeps", size=8, classes=3)
    require_trainable(model, replace(TRIAL, classes=3))


SETTINGS = TrainSettings(
    arch="timm/test_efficientnet", weights="none", epochs=2, batch_size=4, validation_share=0.25, device="cpu"
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, make_cache: Callable[..., Path]) -> Path:
    path = tmp_path_factory.mktemp("trial") / "noise.zarr"
    return make_cache(path, label=[0, 1] * 8, group=[row // 2 for row in range(16)], size=32)


def test_a_network_that_cannot_be_trained_leaves_no_folder(cache: Path, tmp_path: Path) -> None:
    one = replace(SETTINGS, batch_size=1, segments=1)
    with pytest.raises(SettingsError, match=r"pass a larger --batch-size or --segments$"):
        train(cache, tmp_path / "run", one)
    assert not (tmp_path / "run").exists()
    assert train(cache, tmp_path / "run", replace(one, segments=2, epochs=1)).last.epoch == 1


def test_a_frozen_network_is_tried_as_it_is_used(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2), nn.ReLU())
    backbone = Backbone(arch="timm/odd", model=model, head=("2",))
    monkeypatch.setattr(job_module, "build_backbone", lambda *_, **__: backbone)
    frozen = replace(SETTINGS, freeze_backbone=True, **SAME_PIXELS)
    with pytest.raises(SettingsError, match="something follows its head"):
        train(cache, tmp_path / "run", frozen)
    assert not (tmp_path / "run").exists()
    model[3] = nn.Identity()
    require_features(backbone, size=8)
    assert model.training
    model[0] = nn.AdaptiveAvgPool2d(2)
    with pytest.raises(SettingsError, match=r"timm/odd cannot work on one frame of 8 px: .*shapes.*; pass another"):
        require_features(backbone, size=8)


def test_a_trial_changes_no_bit_of_what_is_trained(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(cache, tmp_path / "tried", SETTINGS)
    monkeypatch.setattr(job_module, "require_trainable", lambda *_: None)
    train(cache, tmp_path / "untried", SETTINGS)
    tried, untried = (load_checkpoint(tmp_path / name / "last.pt").state_dict for name in ("tried", "untried"))
    assert all(torch.equal(value, untried[name]) for name, value in tried.items())


def test_too_little_memory_for_a_batch_names_the_batch_size(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epoch_module, "train_step", lambda *_: fail(torch.OutOfMemoryError("CUDA out of memory")))
    with pytest.raises(TrainingError, match=r"cpu has not enough .* 4 clips of 3 frames .* smaller --batch-size"):
        train(cache, tmp_path / "run", SETTINGS)


@pytest.mark.parametrize("arch", ["timm/repvgg_a0", "timm/fastvit_t8"])
def test_a_network_of_several_first_convolutions_takes_motion(arch: str) -> None:
    with torch.device("meta"):  # shapes without the work
        backbone = build_backbone(arch, classes=7, size=64, input="motion")
        assert backbone.model(torch.zeros(2, 2, 64, 64)).shape == (2, 7)


class WithVolume(nn.Module):
    """A network with a weight of five dimensions, as timm's lambda_resnet26t has one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.volume = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1), nn.Conv3d(1, 1, 1)
        self.head = nn.Linear(3, 2)

    def forward(self, frames: Tensor) -> Tensor:
        pixels = self.volume(self.second(self.first(frames)).unsqueeze(1)).squeeze(1)
        logits: Tensor = self.head(pixels.mean(dim=(2, 3)))
        return logits


def test_a_network_that_cannot_be_channels_last_is_trained_as_it_can(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = Backbone(arch="timm/volume", model=WithVolume(), head=("head",))
    monkeypatch.setattr(job_module, "build_backbone", lambda *_, **__: backbone)
    with pytest.raises(SettingsError, match=r"--channels-last: .* has weights of five dimensions; leave it out"):
        train(cache, tmp_path / "run", replace(SETTINGS, channels_last=True))
    for settings in (SETTINGS, replace(SETTINGS, freeze_backbone=True, **SAME_PIXELS)):
        facts = train(cache, tmp_path / str(settings.freeze_backbone), replace(settings, epochs=1)).facts
        assert not facts.channels_last
    monkeypatch.undo()
    assert train(cache, tmp_path / "plain", replace(SETTINGS, epochs=1)).facts.channels_last
