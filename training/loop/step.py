"""One training step: a batch of uint8 frames goes in, the network is a little better, its loss and logits come out."""

from __future__ import annotations

from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mocrop.training.data.augment import Mixed, augment, draw_augment_params, every_nth, mixup
from mocrop.training.data.dataset import Batch
from mocrop.training.loop.job import Job
from mocrop.training.loop.optim import StepPosition, epoch_fraction, learning_rate, update_group
from mocrop.training.model.backbones import clip_logits
from mocrop.training.model.device import autocast, one_thread
from mocrop.training.seeds import augment_generator, seed_network


class StepResult(NamedTuple):
    """What a step came to, on the device, at the weights before it."""

    loss: Tensor  # scalar, mean over the clips
    logits: Tensor  # float32, (clips, classes)
    labels: Tensor  # int64, (clips,)
    updated: bool  # whether it has changed the weights, so that the gradients are spent


def train_step(job: Job, batch: Batch, position: StepPosition) -> StepResult:
    """Vary a batch, send it through the network and back, and change the weights if it is the last of its group.

    All random numbers follow from the seed and the position, so a run may go on at any step that begins a group.
    """
    with one_thread() if job.frozen else nullcontext():  # a head is little work
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
    """Bring uint8 frames to the device, augment and mix them there: float32 frames and soft targets.

    What augmentation does is drawn for the clips of all ranks, and each rank takes its own: it does not depend on how
    many there are.
    """
    settings, backbone = job.settings, job.backbone
    rng = augment_generator(settings.seed, epoch=position.epoch, step=position.step)
    varied = frames.to(job.device, non_blocking=True)
    if not job.frozen:  # features no longer change
        rank, ranks = job.ranks.rank, job.ranks.ranks
        params = draw_augment_params(len(labels) * ranks, settings, rng, device=job.device)
        varied = augment(varied, every_nth(params, first=rank, step=ranks), mean=backbone.mean, std=backbone.std)
    return mixup(varied, labels, classes=job.classes, alpha=settings.mixup, rng=rng)


def forward(job: Job, mixed: Mixed) -> tuple[Tensor, Tensor]:
    """Logits, float32, (clips, classes), and the mean loss.

    Smoothing and mixup are both linear in the target, so their order does not matter.
    """
    with autocast(job.device, job.precision):
        logits = clip_logits(job.model, mixed.frames).float()
        loss = functional.cross_entropy(logits, mixed.targets, label_smoothing=job.settings.label_smoothing)
    return logits, loss


def backward(job: Job, loss: Tensor) -> None:
    """Add the gradients of a loss to those that the parameters hold."""
    torch.autograd.backward(job.scaler.scale(loss))


def update(job: Job, *, epochs_passed: float) -> None:
    """Change the weights by their gradients, at the learning rate of this moment, and the moving average by them."""
    for group in job.optimizer.param_groups:
        group["lr"] = learning_rate(job.settings, epochs_passed=epochs_passed)
    if job.settings.clip_grad:
        job.scaler.unscale_(job.optimizer)
        nn.utils.clip_grad_norm_(job.trained.parameters(), job.settings.clip_grad)
    job.scaler.step(job.optimizer)
    job.scaler.update()
    if job.ema:
        job.ema.update(job.trained)
