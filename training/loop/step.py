"""One training step: augmentation, forward and backward pass, and the update of the weights."""

from __future__ import annotations

from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mocrop.training.data.augment import Mixed, augment, draw_augment_params, every_nth, mixup
from mocrop.training.data.dataset import Batch
from mocrop.training.loop.job import Job
from mocrop.training.loop.objective import mean_loss
from mocrop.training.loop.optim import StepPosition, epoch_fraction, learning_rate, update_group
from mocrop.training.model.backbones import clip_logits
from mocrop.training.model.device import autocast, one_thread
from mocrop.training.seeds import augment_generator, seed_network


class StepResult(NamedTuple):
    """Result of a step, on the device, with the weights before its update."""

    loss: Tensor  # scalar, mean over the clips
    logits: Tensor  # float32, (clips, classes)
    labels: Tensor  # as in the batch
    updated: bool  # whether it has changed the weights, and the gradients are used up


def train_step(job: Job, batch: Batch, position: StepPosition) -> StepResult:
    """Augment a batch, run the network forward and backward, and update the weights if it is the last of its group.

    All random numbers follow from the seed and the position, so a run can resume at any step that begins a group.
    """
    with one_thread() if job.frozen else nullcontext():  # a head alone is little work
        return _step(job, batch, position)


def _step(job: Job, batch: Batch, position: StepPosition) -> StepResult:
    group = update_group(position, accumulate=job.settings.accumulate)
    last = position.step == group.stop - 1
    seed_network(job.settings.seed, epoch=position.epoch, step=position.step, rank=job.ranks.rank)
    labels = batch.labels.to(job.device, non_blocking=True)
    if position.step == group.start:
        job.optimizer.zero_grad()
    with job.gradients(averaged=last):
        logits, loss = forward(job, vary(job, batch.frames, labels, position))
        backward(job, loss / len(group))  # all batches of a group are equally large
    if last:
        update(job, epochs_passed=epoch_fraction(position, group))
    return StepResult(loss.detach(), logits.detach(), labels, updated=last)


def vary(job: Job, frames: Tensor, labels: Tensor, position: StepPosition) -> Mixed:
    """Move frames to the device, augment and mix them there.

    Augmentation is drawn for the clips of all ranks, each of which takes its part: it does not depend on their number.

    Args:
        frames: uint8, int8 or, of features, float32, as in a :class:`~mocrop.training.data.dataset.Batch`.
        labels: as in that batch, on the device.
    Returns: float32 frames and soft targets.
    """
    settings, backbone = job.settings, job.backbone
    rng = augment_generator(settings.seed, epoch=position.epoch, step=position.step)
    varied = frames.to(job.device, non_blocking=True)
    if not job.frozen:  # features no longer change
        rank, ranks = job.ranks.rank, job.ranks.ranks
        params = draw_augment_params(len(labels) * ranks, settings, rng, device=job.device)
        own = every_nth(params, first=rank, step=ranks)
        varied = augment(varied, own, mean=backbone.mean, std=backbone.std, crop=settings.crop)
    return mixup(varied, labels, classes=job.classes, alpha=settings.mixup, rng=rng)


def forward(job: Job, mixed: Mixed) -> tuple[Tensor, Tensor]:
    """Return the logits, float32, shape (clips, classes), and the mean loss over the clips."""
    with autocast(job.device, job.precision):
        logits = clip_logits(job.model, mixed.frames, video=job.backbone.video).float()
        # label smoothing and mixup are both linear in the target, so their order does not matter
        loss = mean_loss(logits, mixed.targets, loss=job.loss, label_smoothing=job.settings.label_smoothing)
    return logits, loss


def backward(job: Job, loss: Tensor) -> None:
    """Add the gradients of a loss to those of the parameters."""
    torch.autograd.backward(job.scaler.scale(loss))


def update(job: Job, *, epochs_passed: float) -> None:
    """Update the weights at the learning rate of the schedule, then their moving average."""
    for group in job.optimizer.param_groups:
        group["lr"] = learning_rate(job.settings, epochs_passed=epochs_passed)
    if job.settings.clip_grad:
        job.scaler.unscale_(job.optimizer)
        nn.utils.clip_grad_norm_(job.trained.parameters(), job.settings.clip_grad)
    job.scaler.step(job.optimizer)
    job.scaler.update()
    if job.ema:
        job.ema.update(job.trained)
