"""A training step: accumulation, soft targets, clipped gradients, moving average, mixed precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.training.data.augment import Mixed, mixup
from mocrop.training.data.dataset import Batch, CropDataset
from mocrop.training.data.loader import CropLoader
from mocrop.training.distributed import Ranks
from mocrop.training.loop import epoch as epoch_module
from mocrop.training.loop.clips import choose_clips
from mocrop.training.loop.job import Job, set_up
from mocrop.training.loop.optim import StepPosition
from mocrop.training.loop.saver import RunControl
from mocrop.training.loop.step import forward, train_step
from mocrop.training.loop.train import train
from mocrop.training.model import device
from mocrop.training.model.checkpoint import load_checkpoint, restore_backbone
from mocrop.training.recipe import RECIPES, SAME_PIXELS, TrainSettings
from mocrop.training.seeds import seed_network

PLAIN = TrainSettings(
    arch="timm/test_vit",  # LayerNorm: no clip looks at another one
    weights="none",
    epochs=2,
    batch_size=8,
    optimizer="sgd",
    learning_rate=0.1,
    mixup=0,
    validation_share=0,
    device="cpu",
    **SAME_PIXELS,
)
MODERN = replace(
    PLAIN, **{**RECIPES["modern"], "warmup_epochs": 0.5, "ema": 0.9}, optimizer="adamw", mixup=0.2, validation_share=0.3
)


@pytest.fixture(scope="module")
def cache_path(tmp_path_factory: pytest.TempPathFactory, make_cache: Callable[..., Path]) -> Path:
    labels = [0, 1] * 12
    return make_cache(
        tmp_path_factory.mktemp("step") / "noise.zarr",
        label=labels,
        group=[row // 4 for row in range(24)],
        size=32,
        clips_per_shard=12,
    )


def job_of(cache_path: Path, settings: TrainSettings) -> Job:
    cache = CropCache(cache_path)
    return set_up(cache, choose_clips(cache, settings), settings, weights="none")


def batches_of(job: Job) -> list[Batch]:
    return list(job.loader)


def state(job: Job) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in job.backbone.model.state_dict().items()}


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(value, second[name]) for name, value in first.items())


def close(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.allclose(value, second[name], atol=1e-6) for name, value in first.items())


def run_steps(job: Job, batches: list[Batch]) -> dict[str, torch.Tensor]:
    for step, batch in enumerate(batches):
        train_step(job, batch, StepPosition(epoch=0, step=step, steps=len(batches)))
    return state(job)


def test_accumulated_gradients_are_those_of_one_big_batch(cache_path: Path) -> None:
    big = job_of(cache_path, replace(PLAIN, batch_size=24))
    expected = run_steps(big, batches_of(big))
    small = job_of(cache_path, replace(PLAIN, batch_size=8, accumulate=3))
    assert close(run_steps(small, batches_of(small)), expected)
    for parts in zip(small.model.parameters(), big.model.parameters(), strict=True):
        assert torch.allclose(parts[0].grad, parts[1].grad, atol=1e-6)
    separate = job_of(cache_path, PLAIN)
    assert not close(run_steps(separate, batches_of(separate)), expected)


def test_the_last_group_of_an_epoch_averages_what_it_has(cache_path: Path) -> None:
    """Of three batches in groups of two, the third has the gradient of a batch that is never accumulated."""
    job = job_of(cache_path, replace(PLAIN, accumulate=2))
    batches = batches_of(job)
    assert len(batches) == 3
    run_steps(job, batches[:2])
    alone = job_of(cache_path, PLAIN)
    alone.backbone.model.load_state_dict(state(job))
    train_step(job, batches[2], StepPosition(epoch=0, step=2, steps=3))
    train_step(alone, batches[2], StepPosition(epoch=0, step=2, steps=3))
    for ours, expected in zip(job.model.parameters(), alone.model.parameters(), strict=True):
        assert expected.grad.abs().max() > 1e-4
        assert torch.allclose(ours.grad, expected.grad, rtol=1e-4, atol=1e-7)


def test_weights_change_with_the_last_batch_of_a_group_only(cache_path: Path) -> None:
    job = job_of(cache_path, replace(PLAIN, accumulate=2))
    before, changed, updated = state(job), [], []
    for step, batch in enumerate(batches_of(job)):
        updated.append(train_step(job, batch, StepPosition(epoch=0, step=step, steps=3)).updated)
        changed.append(not equal(state(job), before))
        before = state(job)
    assert changed == updated == [False, True, True]


@pytest.mark.parametrize("rank", [0, 1])
def test_the_network_draws_by_the_seed_and_the_place_of_the_step_and_the_rank(cache_path: Path, rank: int) -> None:
    job = job_of(cache_path, replace(PLAIN, seed=7))
    batch = batches_of(job)[0]
    train_step(replace(job, ranks=Ranks(rank=rank, ranks=2)), batch, StepPosition(epoch=3, step=1, steps=2))
    drawn = torch.initial_seed()
    seed_network(7, epoch=3, step=1, rank=rank)
    assert drawn == torch.initial_seed()


@pytest.mark.parametrize("batch_size", [1, 2, 3])
@pytest.mark.parametrize("clips", [1, 4, 5, 7])
def test_ranks_are_asked_equally_often_whether_to_stop_while_they_validate(
    cache_path: Path, clips: int, batch_size: int
) -> None:
    """Of an odd number of clips one of two ranks has one more; an answer too many would wait for ever."""

    class Alone(Ranks):
        several = False  # sums are its own

    job, asked = job_of(cache_path, PLAIN), [0, 0]

    def count(rank: int) -> None:
        asked[rank] += 1

    held_out = CropDataset(CropCache(cache_path), np.arange(clips), segments=1)
    for rank in range(2):
        loader = CropLoader(held_out, batch_size=batch_size, rank=rank, ranks=2)
        part = replace(job, validation=loader, ranks=Alone(rank=rank, ranks=2))
        epoch_module.validate(part, after_batch=partial(count, rank))
    assert asked[0] == asked[1]
    assert asked[0] == -(-(clips // 2) // batch_size)


def test_smoothing_and_mixup_meet_in_the_target(cache_path: Path) -> None:
    job = job_of(cache_path, replace(PLAIN, label_smoothing=0.2))
    frames, labels = torch.zeros(2, 1, 3, 32, 32), torch.tensor([0, 1])
    mixed = mixup(frames, labels, classes=2, alpha=1.0, rng=np.random.default_rng(1))
    share = float(mixed.targets[0, 0])
    assert 0.5 < share < 1
    logits, loss = forward(job, mixed)
    target = torch.tensor([share * 0.9 + (1 - share) * 0.1, share * 0.1 + (1 - share) * 0.9])  # 0.2 over two classes
    expected = -(torch.stack([target, target.flip(0)]) * logits.log_softmax(dim=1)).sum(dim=1).mean()
    assert loss.item() == pytest.approx(expected.item())


def test_a_step_is_no_longer_than_the_clipped_gradient(cache_path: Path) -> None:
    lengths = {}
    for most in (0.0, 1e-3):
        job = job_of(cache_path, replace(PLAIN, clip_grad=most))
        train_step(job, batches_of(job)[0], StepPosition(epoch=0, step=0, steps=1))
        squares = [float(parameter.grad.square().sum()) for parameter in job.model.parameters()]
        lengths[most] = sum(squares) ** 0.5
    assert lengths[0.0] > 0.01
    assert lengths[1e-3] == pytest.approx(1e-3, rel=1e-3)


def test_the_learning_rate_is_that_of_the_step(cache_path: Path) -> None:
    job = job_of(cache_path, replace(PLAIN, schedule="cosine", warmup_epochs=1))
    train_step(job, batches_of(job)[0], StepPosition(epoch=0, step=0, steps=2))
    assert job.optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 0.25)


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_mixed_precision_hardly_changes_the_numbers(cache_path: Path, amp: Any) -> None:
    full, mixed = (job_of(cache_path, replace(PLAIN, amp=name)) for name in ("off", amp))
    assert full.scaler.is_enabled() is False
    assert mixed.scaler.is_enabled() is (amp == "fp16")
    start = state(full)
    ends = [run_steps(job, batches_of(job)) for job in (full, mixed)]
    moved = sum(float((ends[0][name] - start[name]).square().sum()) for name in start) ** 0.5
    apart = sum(float((ends[0][name] - ends[1][name]).square().sum()) for name in start) ** 0.5
    assert 0 < apart < 0.2 * moved
    assert all(value.dtype == start[name].dtype for name, value in ends[1].items())


def test_clipping_sees_the_gradient_without_the_scale_of_float16(cache_path: Path) -> None:
    job = job_of(cache_path, replace(PLAIN, amp="fp16", clip_grad=1e-3))
    train_step(job, batches_of(job)[0], StepPosition(epoch=0, step=0, steps=1))
    length = sum(float(parameter.grad.square().sum()) for parameter in job.model.parameters()) ** 0.5
    assert length == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize(("arch", "wanted"), [("timm/test_resnet", True), ("timm/test_vit", False)])
def test_convolutional_networks_are_channels_last_by_default(cache_path: Path, arch: str, wanted: bool) -> None:
    for setting, expected in ((None, wanted), (True, True), (False, False)):
        model = job_of(cache_path, replace(PLAIN, arch=arch, channels_last=setting)).model
        kernels = [value for value in model.parameters() if value.ndim == 4 and min(value.shape[1:]) > 1]
        assert all(value.is_contiguous(memory_format=torch.channels_last) is expected for value in kernels)


def test_memory_order_does_not_change_what_is_learnt(cache_path: Path) -> None:
    settings = replace(PLAIN, arch="timm/test_resnet", learning_rate=0.01)
    ends = []
    for order in (True, False):
        job = job_of(cache_path, replace(settings, channels_last=order))
        ends.append(run_steps(job, batches_of(job)[:1]))
    assert all(torch.allclose(value, ends[1][name], atol=1e-4) for name, value in ends[0].items())


def test_best_holds_the_average_and_last_holds_both(cache_path: Path, tmp_path: Path) -> None:
    train(cache_path, tmp_path, replace(MODERN, epochs=1))
    best, last = (load_checkpoint(tmp_path / name) for name in ("best.pt", "last.pt"))
    assert equal(dict(best.state_dict), dict(last.state_dict))
    assert not close(dict(last.resume["weights"]), dict(last.state_dict))
    assert best.resume == {}
    restore_backbone(best, size=32, source=tmp_path / "best.pt")


def test_a_frozen_network_is_kept_whole_with_the_average_of_its_head(cache_path: Path, tmp_path: Path) -> None:
    frozen = replace(MODERN, arch="timm/test_resnet", epochs=1, freeze_backbone=True, random_erasing=0.0)
    train(cache_path, tmp_path, frozen)
    best, last = (load_checkpoint(tmp_path / name) for name in ("best.pt", "last.pt"))
    restore_backbone(best, size=32, source=tmp_path / "best.pt")
    assert last.resume["weights"].keys() == {"weight", "bias"}
    assert not torch.allclose(last.resume["weights"]["weight"], best.state_dict["fc.weight"])


def test_the_average_is_what_is_validated(cache_path: Path) -> None:
    job = job_of(cache_path, MODERN)
    for parameter in job.model.parameters():
        parameter.data.fill_(float("nan"))
    assert job.ema is not None
    assert epoch_module.validate(job, after_batch=lambda: None).loss < 10


@pytest.mark.parametrize(
    ("arch", "frozen", "amp"),
    [("timm/test_vit", False, "fp16"), ("timm/test_resnet", False, "off"), ("timm/test_resnet", True, "off")],
)
def test_a_modern_run_goes_on_in_the_middle_of_an_epoch_to_the_same_bits(
    cache_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arch: str, frozen: bool, amp: Any
) -> None:
    settings = replace(MODERN, arch=arch, amp=amp, batch_size=4, accumulate=2)
    if frozen:
        settings = replace(settings, freeze_backbone=True, random_erasing=0.0)
    train(cache_path, tmp_path / "whole", settings)
    step = epoch_module.train_step

    def killed(job: Job, batch: Batch, place: StepPosition) -> Any:
        if (place.epoch, place.step) == (1, 3):
            raise KeyboardInterrupt
        return step(job, batch, place)

    monkeypatch.setattr(epoch_module, "train_step", killed)
    with pytest.raises(KeyboardInterrupt):
        train(cache_path, tmp_path / "broken", settings, control=RunControl(save_every_seconds=0))
    monkeypatch.undo()
    left = load_checkpoint(tmp_path / "broken" / "last.pt")
    assert left.resume["meter"]["batches_done"] == 2  # where a group ends
    train(cache_path, tmp_path / "broken", settings)
    whole, broken = (load_checkpoint(tmp_path / name / "last.pt") for name in ("whole", "broken"))
    assert equal(dict(whole.state_dict), dict(broken.state_dict))
    assert equal(dict(whole.resume["weights"]), dict(broken.resume["weights"]))


def test_a_compiled_run_comes_to_the_same_weights_under_plain_names(
    cache_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "BACKEND", "eager")
    for name, compile_it in (("plain", False), ("compiled", True)):
        train(cache_path, tmp_path / name, replace(PLAIN, epochs=1, compile=compile_it))
    plain, compiled = (load_checkpoint(tmp_path / name / "best.pt") for name in ("plain", "compiled"))
    assert equal(dict(plain.state_dict), dict(compiled.state_dict))


def test_forward_gives_a_row_of_logits_for_each_mixed_clip(cache_path: Path) -> None:
    job = job_of(cache_path, PLAIN)
    logits, _ = forward(job, Mixed(torch.rand(3, 2, 3, 32, 32), torch.full((3, 2), 0.5)))
    assert logits.shape == (3, 2)
